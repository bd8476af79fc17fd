"""Files of ONNX, run by onnxruntime, say what the estimator says."""

import json

import pytest
import torch
from sklearn.exceptions import NotFittedError

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.export import onnx as export
from tests.export.test_graph import assert_close, expected, inputs, single

onnx, _, onnxruntime = (
    pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[onnx]'")
    for name in ("onnx", "onnxscript", "onnxruntime")
)


@pytest.fixture(scope="module")
def sessions(paths):
    """Return a function that gives a session of onnxruntime for an estimator, by its name."""
    return lambda name: onnxruntime.InferenceSession(paths(name))


NAMES = ("regressor", "transformer", "ensemble")


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_rows(name, known, sessions):
    estimator, X = known(name)
    session, X = sessions(name), single(X)
    names = [each.name for each in session.get_outputs()]
    for n in (len(next(iter(X.values()))) if isinstance(X, dict) else len(X), 7, 1):
        some = {key: block[:n] for key, block in X.items()} if isinstance(X, dict) else X[:n]
        feed = inputs(estimator, some, [each.name for each in session.get_inputs()])
        found = dict(zip(names, session.run(None, feed), strict=True))
        assert_close(found, expected(estimator, some))


def test_inputs_and_outputs_have_the_names_and_the_forms_of_the_data(sessions):
    session = sessions("regressor")
    shapes = {each.name: each.shape[1:] for each in session.get_inputs()}
    assert shapes == {"X.image": [6, 6], "X.table": [2]}
    names = [each.name for each in session.get_outputs()]
    assert names == ["mean", "std", "embedding", "generated.word", "generated.count"]


def test_metadata_say_what_columns_and_classes_are(known, sessions):
    metadata = sessions("ensemble").get_modelmeta().custom_metadata_map
    about = json.loads(metadata["sklearn_cmmd"])
    assert about["classes"] == ["high", "low", "mid"]
    assert about["feature_names"] == known("ensemble")[1].columns.tolist()


def test_files_are_valid_and_without_the_encoder(paths):
    model = onnx.load(paths("regressor"))
    onnx.checker.check_model(model, full_check=True)
    assert not [each.name for each in model.graph.initializer if "encoder" in each.name]
    assert {path.name for path in paths("regressor").parent.iterdir()} <= set(NAMES)


def test_an_error_leaves_the_old_file_and_torch_as_it_was(known, tmp_path, monkeypatch):
    (tmp_path / "model").write_bytes(b"old")
    state = torch.get_rng_state()

    def fail(*args, **kwargs):
        raise RuntimeError("no graph")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RuntimeError, match="no graph"):
        known("classifier")[0].to_onnx(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == b"old"
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_not_installed_is_named(known, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"onnx and onnxscript: pip install 'sklearn-cmmd\[onnx"):
        known("classifier")[0].to_onnx(tmp_path / "model")
    with pytest.raises(NotFittedError):
        CMMDClassifier().to_onnx(tmp_path / "model")
