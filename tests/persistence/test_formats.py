"""Files of every format that there was are read, and say what they said when they were written.

``python -m tests.persistence.test_formats`` writes files of the present format. Those of formats
that were released are never written again.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from sklearn_cmmd import Modality, describe, load
from sklearn_cmmd.exceptions import ModelFileError
from sklearn_cmmd.persistence import container
from sklearn_cmmd.persistence.saving import FORMAT
from tests.fitted import answers, fitted, new_rows

FOLDER = Path(__file__).parent / "data"
NAMES = ("classifier", "regressor", "transformer", "ensemble")
# Without convolutions, whose weights take half a megabyte.
PARAMS = {"regressor": {"observed": [Modality("image"), Modality("table", network="mlp")]}}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_files_of_each_format_are_read(name, number):
    path = FOLDER / f"format{number}_{name}.safetensors"
    assert describe(path)["format"] == number
    found = answers(load(path), new_rows(name))
    with np.load(path.with_suffix(".npz")) as expected:
        assert set(found) == set(expected)
        for question, array in expected.items():
            if array.dtype.kind == "U":
                np.testing.assert_array_equal(found[question], array, question)
            else:  # other machines sum in another order
                np.testing.assert_allclose(found[question], array, 1e-5, 1e-5, err_msg=question)


def test_a_later_format_is_refused_by_its_number(tmp_path):
    contents = container.read(FOLDER / "format1_classifier.safetensors")
    container.write(tmp_path / "later", contents.about | {"format": FORMAT + 1}, contents.arrays)
    for read in (load, describe):
        with pytest.raises(
            ModelFileError,
            match=re.escape(
                f"is a file of format {FORMAT + 1}, and this version reads up to {FORMAT}: "
                "upgrade sklearn-cmmd"
            ),
        ):
            read(tmp_path / "later")


def test_fields_of_a_later_version_are_refused_by_their_names(tmp_path):
    contents = container.read(FOLDER / "format1_classifier.safetensors")
    contents.about["estimator"]["parameters"]["CMMDClassifier"]["speed"] = 3
    container.write(tmp_path / "later", contents.about, contents.arrays)
    with pytest.raises(ModelFileError, match=r"knows no \['speed'\] of CMMDClassifier"):
        load(tmp_path / "later")


def test_parameters_that_a_later_version_adds_have_their_defaults(tmp_path):
    contents = container.read(FOLDER / "format1_classifier.safetensors")
    del contents.about["estimator"]["parameters"]["CMMDClassifier"]["early_stopping"]
    container.write(tmp_path / "earlier", contents.about, contents.arrays)
    assert load(tmp_path / "earlier").early_stopping == "auto"


def write():
    for name in NAMES:
        estimator, _ = fitted(name, **PARAMS.get(name, {}))
        path = FOLDER / f"format{FORMAT}_{name}.safetensors"
        estimator.save(path)
        np.savez_compressed(path.with_suffix(".npz"), **answers(estimator, new_rows(name)))


if __name__ == "__main__":
    write()
