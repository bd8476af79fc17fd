"""Lines of the pages that are no session: they run, on small data under the names they use."""

import os
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import sklearn

import sklearn_cmmd
from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, plan
from tests.conftest import SMALL

ROOT = Path(__file__).parents[1]
if not (ROOT / "docs").is_dir():
    pytest.skip("the pages are not here", allow_module_level=True)

BLOCK = r"^\.\. code:: python\n\n((?:    .*\n|\n)+)"
PAGES = [
    ("README.rst", "generate_missing"),
    ("docs/index.rst", "generate_missing"),
    ("docs/guide/generated_view.rst", "groups=person"),
    ("docs/guide/saving.rst", "to_onnx"),
    ("docs/guide/saving.rst", "mlflow"),
    ("docs/guide/clusters.rst", "RANK"),
    ("docs/guide/clusters.rst", "set_config"),
    ("docs/guide/checking.rst", "shap"),
]


@pytest.fixture
def names(digits):
    """What the lines take for granted."""
    X, M, y = (array[:90] for array in digits)
    names = {"X": X, "M": M, "X_missing": M, "y": y, "X_new": X[:5]}
    names |= {"A": X[:, :20], "B": X[:, 20:], "C": M, "B_new": X[:5, 20:]}
    quick = CMMDClassifier(**SMALL | {"max_epochs": 1})
    names |= {"person": np.arange(90) % 12, "ensemble": CMMDEnsemble(quick, n_estimators=2)}
    return names | {"clf": quick, "CMMDClassifier": CMMDClassifier, "sklearn_cmmd": sklearn_cmmd}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("page", "word"), PAGES, ids=map(" ".join, PAGES))
def test_lines_run(page, word, names, tmp_path, monkeypatch):
    if word == "to_onnx":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
        onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        names["clf"].fit(names["X"], names["y"], X_missing=names["M"])
        names["onnxruntime"] = onnxruntime
    if word == "RANK":
        monkeypatch.setenv("RANK", "0")  # what torchrun sets
        names["os"] = os
    if word == "shap":
        pytest.importorskip("shap", reason="shap is not installed")
        names["clf"].fit(names["X"], names["y"])
        names["X_train"] = names["X"]
    if word == "mlflow":
        names["mlflow"] = pytest.importorskip("mlflow", reason="MLflow is not installed")
        names["load"] = sklearn_cmmd.load
        names["clf"].fit(names["X"], names["y"], X_missing=names["M"])
        # Into files, for which the small edition has what it needs.
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
        fitted = names["clf"]
    blocks = re.findall(BLOCK, (ROOT / page).read_text("utf-8"), re.MULTILINE)
    (lines,) = [block for block in blocks if word in block]
    monkeypatch.chdir(tmp_path)
    for bound in ("AUTO_EPOCHS", "LEAST_UPDATES"):
        monkeypatch.setattr(plan, bound, 1)
    names["sklearn"] = sklearn
    with sklearn.config_context():
        exec(compile(textwrap.dedent(lines), page, "exec"), names)
    if page == "README.rst":
        assert [*names["clf"].impute({"blood": names["B_new"]})] == ["mri", "blood", "text"]
    if word == "to_onnx":
        np.testing.assert_allclose(
            names["answers"]["probabilities"], names["clf"].predict_proba(names["X"]), atol=1e-5
        )
    if word == "RANK":
        assert (tmp_path / "model.safetensors").is_file()
    if word == "mlflow":
        assert names["clf"] is not fitted
        np.testing.assert_array_equal(names["clf"].predict(names["X"]), fitted.predict(names["X"]))
