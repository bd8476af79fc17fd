"""The graph of an estimator, in torch, says what the estimator says."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality
from sklearn_cmmd.crossfit.exported import in_range as in_range_of_torch
from sklearn_cmmd.crossfit.generators import in_range
from sklearn_cmmd.export.graph import Graph
from tests.fitted import TINY, rows


def single(X):
    """Return rows in float32, as graphs read them."""
    if isinstance(X, dict):
        return {key: block.astype(np.float32) for key, block in X.items()}
    return X.astype(np.float32)


def expected(estimator, X):
    """Return what an estimator says of rows, by the names of the outputs of its graph."""
    found, layout = {}, estimator._plan.layout
    if hasattr(estimator, "predict_proba"):
        found["probabilities"] = estimator.predict_proba(X)
    elif hasattr(estimator, "predict"):
        found["mean"], found["std"] = estimator.predict(X, return_std=True)
    found["embedding"] = estimator.transform(X)
    sides = {}
    if layout.missing is not None:
        sides["generated"] = estimator.generate_missing(X)
    if layout.optional is not None:
        sides["imputed"] = estimator.impute(X)
    for name, side in sides.items():
        blocks = side if isinstance(side, dict) else {"": side}
        found |= {f"{name}.{key}" if key else name: block for key, block in blocks.items()}
    return {name: np.asarray(values) for name, values in found.items()}


def inputs(estimator, X, names):
    """Return the inputs of a graph in their order, by their names."""
    blocks = X.values() if isinstance(X, dict) else [X]
    dtype = estimator._plan.layout.observed.dtype_of(np.float32)
    return {name: np.asarray(each, dtype) for name, each in zip(names, blocks, strict=True)}


def assert_close(found, said):
    assert list(found) == list(said)
    for name, values in said.items():
        assert found[name].dtype == values.dtype, name
        assert found[name].shape == values.shape, name
        size = np.abs(values).max()
        np.testing.assert_allclose(found[name], values, 1e-5, 1e-5 * size, err_msg=name)


def assert_graph_says_the_same(estimator, X):
    X = single(X)
    graph = Graph(estimator._plan.layout, estimator._answers()).eval()
    blocks = inputs(estimator, X, map(str, range(len(graph.examples)))).values()
    with torch.inference_mode():
        found = graph(*map(torch.tensor, blocks))
    names = dict(zip(graph.names, [each.numpy() for each in found], strict=True))
    assert_close(names, expected(estimator, X))


def test_graphs_of_every_estimator(model):
    assert_graph_says_the_same(*model)


def views_of_every_kind():
    random = np.random.default_rng(0)
    y, X, _ = rows()
    binary = (X[:, :3] + random.normal(size=(len(y), 3)) > 1).astype(float)
    words = np.eye(3)[random.integers(3, size=(len(y), 2))]
    counts = random.poisson(np.where(y > 1, 4, 0.1)[:, None], size=(len(y), 2)).astype(float)
    described = [
        Modality("word", likelihood="categorical", shape=(2, 3)),
        Modality("real", likelihood="laplace"),
        Modality("binary"),
        Modality("count"),
    ]
    M = {"binary": binary, "word": words, "count": counts, "real": X[:, :2]}
    return y, X, M, described


@pytest.mark.parametrize("kind", [CMMDClassifier, CMMDEnsemble])
def test_every_likelihood_and_several_labels(kind):
    y, X, M, described = views_of_every_kind()
    estimator = CMMDClassifier(**TINY, missing=described)
    if kind is CMMDEnsemble:
        estimator = CMMDEnsemble(estimator, 2, random_state=0)
    estimator.fit(X, np.eye(3, dtype=int)[y], X_missing=M)
    assert_graph_says_the_same(estimator, X)


def test_square_roots_and_common_scales():
    y, X, M = rows()
    described = [
        Modality("root", columns=[0, 2], scaling="root"),
        Modality("common", columns=[1, 3, 4], scaling="common"),
    ]
    for optional in (None, "all"):
        clf = CMMDClassifier(**TINY, observed=described, optional=optional)
        assert_graph_says_the_same(clf.fit(X, y, X_missing=M), X)


def test_modalities_that_may_be_absent_in_ensembles():
    _, X, _ = rows()
    described = [Modality("a", columns=[4, 0]), Modality("b", columns=[1, 2, 3])]
    member = CMMDTransformer(**TINY, observed=described, optional="all")
    estimator = CMMDEnsemble(member, 2, random_state=0).fit(X)
    X[::2, [4, 0]] = np.nan
    X[1::2, [1, 2, 3]] = np.nan
    assert_graph_says_the_same(estimator, X)


def test_values_that_float32_does_not_tell_apart():
    _, X, M = rows()
    X, M, target = X + 1e9, M * 1e-3 + 1e9, X[:, 0] + 1e9
    estimator = CMMDRegressor(**TINY).fit(X, target, X_missing=M)
    graph = Graph(estimator._plan.layout, estimator._answers()).eval()
    assert {block.dtype for block in graph.examples} == {torch.float64}
    with torch.inference_mode():
        mean, _, _, generated = graph(torch.from_numpy(X))
    np.testing.assert_allclose(mean.numpy(), estimator.predict(X), rtol=0, atol=1e-5)
    np.testing.assert_allclose(generated.numpy(), estimator.generate_missing(X), rtol=0, atol=1e-2)


@pytest.mark.parametrize("likelihood", ["counts", "bernoulli", "categorical", "gaussian"])
def test_means_that_a_likelihood_can_have(likelihood):
    modality = Modality("m", likelihood=likelihood).resolved(shape=(2, 3), axis=-1)
    values = np.random.default_rng(0).normal(size=(9, 6))
    values[0] = -1
    found = in_range_of_torch(torch.from_numpy(values), modality)
    np.testing.assert_allclose(found.numpy(), in_range(values, modality), rtol=1e-12)


def test_generators_of_unknown_classes_are_refused(tmp_path):
    pytest.importorskip("onnxscript")
    _, X, M = rows()
    generators = {"near": KNeighborsRegressor(2)}
    estimator = CMMDEnsemble(CMMDTransformer(**TINY), 2, generators=generators, random_state=0)
    with pytest.raises(TypeError, match=r"generators\['near'\] is a KNeighbors"):
        estimator.fit(X, X_missing=M).to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
