"""Files of ONNX, each written once: torch takes seconds for one."""

import pytest


@pytest.fixture(scope="session")
def paths(known, tmp_path_factory):
    """Return a function that gives the file of an estimator, by its name."""
    folder = tmp_path_factory.mktemp("onnx")

    def get(name):
        if not (folder / name).exists():
            known(name)[0].to_onnx(folder / name)
        return folder / name

    return get
