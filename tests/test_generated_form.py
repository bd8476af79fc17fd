"""What x_M is taken for, the form of what is generated, and the warnings of a fit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_cmmd import Modality
from sklearn_cmmd.exceptions import (
    CodesWarning,
)
from tests.tiny import IDS, SOME_GAPS, M, N, X, Y, caught, fit


@pytest.mark.parametrize("least", [0, 1])
def test_columns_that_look_like_codes_are_said_once(least):
    codes = np.c_[M, Y + least]
    (message,) = caught(CodesWarning, M={"m": M, "codes": codes[:, 3:]})
    assert "{'codes': [0]}" in message
    assert "likelihood='categorical'" in message
    for likelihood in ("gaussian", "laplace"):
        described = [Modality("m", likelihood=likelihood), Modality("codes", likelihood=likelihood)]
        data = {"M": {"m": M, "codes": codes[:, 3:]}, "missing": described}
        assert not caught(CodesWarning, **data)


@pytest.mark.parametrize(
    "values", [M / 9, M + 20, M - 5, (M > 4).astype(float), np.arange(N)[:, None]]
)
def test_other_columns_are_no_codes(values):
    assert not caught(CodesWarning, M=values)


@pytest.mark.parametrize("n_samples", [1, 3])
def test_draws_keep_names_and_index(n_samples):
    x = pd.DataFrame(X, index=IDS)
    clf = fit(X=x, M=pd.DataFrame(M, index=IDS, columns=list("pqr")))
    draws = {"n_samples": n_samples, "random_state": 0}
    array, frame = clf.generate_missing(x, **draws), clf.generate_missing(x, **draws, as_frame=True)
    assert array.shape == (N, n_samples, 3)
    assert frame.index.tolist() == IDS
    assert frame.columns.names == ["column", "draw"]
    for i, name in enumerate("pqr"):
        np.testing.assert_array_equal(frame[name].to_numpy(), array[:, :, i])


def test_warnings_come_once_a_fit_and_are_classes_of_the_package():
    frame = pd.DataFrame(M, index=IDS[::-1])
    frame[3] = Y
    said = caught(
        X=pd.DataFrame(X, index=IDS),
        M=frame,
        y=np.where(SOME_GAPS, -1, np.where(np.arange(N) == 0, 9, Y)),
        early_stopping=True,
        max_epochs=4,
    )
    assert len(said) == len(set(said)) == 4


def test_importing_from_a_checkout_that_is_not_installed(tmp_path):
    root = Path(__file__).parents[1]
    code = (
        "import importlib.metadata, json, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "def missing(name): raise importlib.metadata.PackageNotFoundError(name)\n"
        "import sklearn, torch, skorch\n"
        "importlib.metadata.version = missing\n"
        "import sklearn_cmmd\n"
        "print(json.dumps([sklearn_cmmd.__file__, sklearn_cmmd.__version__]))"
    )
    (tmp_path / "sklearn_cmmd").symlink_to(root / "sklearn_cmmd")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path, version = json.loads(done.stdout)
    assert path.startswith(str(tmp_path))
    assert version[0].isdigit()
