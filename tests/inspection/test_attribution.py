"""Integrated gradients: the axioms, closed forms, brute force, and the forms of the data."""

import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDRegressor,
    CMMDTransformer,
    Modality,
    Networks,
)
from sklearn_cmmd.exceptions import AttributionWarning
from sklearn_cmmd.inspection import integrated_gradients

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)) * [1, 10, 0.1, 1, 1] + [0, 5, 0, -1, 0]
M = np.column_stack([X[:, 0] + X[:, 3], np.sin(X[:, 4]), 7 * X[:, 1]]) + RNG.normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(int) + (X[:, 4] > 0.5)
NAMES = np.array(["red", "green", "blue"])[Y]
NUMBERS = np.column_stack([100 * X[:, 0], X[:, 4] ** 2])
TINY = {"hidden_layer_sizes": (8,), "latent_dim": 3, "max_epochs": 4, "random_state": 0}
METHODS = [
    ("predict_log_proba", "green"),
    ("predict_proba", "red"),
    ("transform", 2),
    ("generate_missing", 1),
]


@pytest.fixture(scope="module")
def classifier():
    return CMMDClassifier(**TINY).fit(X, NAMES, X_missing=M)


@pytest.fixture(scope="module")
def regressor():
    return CMMDRegressor(**TINY).fit(X, NUMBERS, X_missing=M)


@pytest.fixture(scope="module")
def ensemble():
    return CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0).fit(
        X, NAMES, X_missing=M
    )


def said(estimator, method, target, x):
    """Return what the public method says of rows."""
    values = np.asarray(getattr(estimator, method)(x))
    column = target
    if isinstance(target, str):
        column = list(estimator.classes_).index(target)
    return values[:, column]


@pytest.mark.parametrize(("method", "target"), METHODS)
@settings(max_examples=6)
@given(data=st.data())
def test_contributions_add_up_to_the_difference(classifier, method, target, data):
    rows = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=4))
    others = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=3))
    scale = data.draw(st.floats(0, 3))
    found = integrated_gradients(
        classifier, scale * X[rows], target, response_method=method, baseline=X[others]
    )
    difference = said(classifier, method, target, scale * X[rows])
    difference -= said(classifier, method, target, X[others]).mean()
    np.testing.assert_allclose(found.sum(axis=1), difference, atol=1e-4 * np.abs(M).max())


@pytest.mark.parametrize(("method", "target"), METHODS)
def test_contributions_are_those_of_finite_differences(classifier, method, target):
    x, baseline, n_steps, sizes = X[:3], X.mean(axis=0), 100, X.std(axis=0) * 1e-4
    shares = (np.arange(n_steps) + 0.5) / n_steps
    path = baseline + shares[:, None, None] * (x - baseline)
    # (steps, rows, columns moved, columns)
    above, below = (path[:, :, None] + sign * np.diag(sizes) for sign in (1, -1))
    values = said(classifier, method, target, np.concatenate([above, below]).reshape(-1, 5))
    high, low = values.reshape(2, n_steps, 3, 5)
    want = ((high - low) / (2 * sizes)).mean(axis=0) * (x - baseline)
    found = integrated_gradients(classifier, x, target, response_method=method)
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def test_contributions_of_a_linear_model_are_coefficients_times_distances():
    linear = Networks(prior_hidden=(), classifier_hidden=())
    reg = CMMDRegressor(**TINY | {"networks": linear}).fit(X, NUMBERS)
    at_zero = reg.predict(np.zeros((1, 5)))
    for output in (0, 1):
        slopes = (reg.predict(np.eye(5)) - at_zero)[:, output]
        found = integrated_gradients(reg, X, output, baseline=X[:2], n_steps=1)
        want = slopes * (X - X[:2].mean(axis=0))
        np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())


def test_a_column_that_networks_do_not_read_contributes_nothing(classifier):
    blind = CMMDClassifier(**TINY).fit(X, NAMES)
    with torch.no_grad():
        for weights in blind.module_.prior.parameters():
            if weights.shape[-1] == X.shape[1]:
                weights[:, 3] = 0
    found = integrated_gradients(blind, X, "red")
    assert (found[:, 3] == 0).all()
    assert (found[:, [0, 1, 2, 4]] != 0).all()


def test_what_decides_the_label_contributes_most():
    rows = np.random.default_rng(1).normal(size=(300, 5))
    clf = CMMDClassifier(**TINY | {"max_epochs": 30, "learning_rate": 0.02})
    clf.fit(rows, rows[:, 2] > 0)
    sizes = np.abs(integrated_gradients(clf, rows, True)).mean(axis=0)
    assert sizes.argmax() == 2
    assert sizes[2] > 5 * np.delete(sizes, 2).max()


def test_without_a_target_the_predicted_class_of_each_row_is_explained(classifier):
    found, predicted = integrated_gradients(classifier, X), classifier.predict(X)
    assert len(set(predicted)) > 1
    for name in set(predicted):
        own = predicted == name
        np.testing.assert_allclose(found[own], integrated_gradients(classifier, X[own], name))


def test_numbers_are_explained_in_their_units(regressor):
    found = integrated_gradients(regressor, X, 0)
    difference = regressor.predict(X) - regressor.predict(X.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(found.sum(axis=1), difference[:, 0], rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match=r"a number of y, from 0 to 1\. Got None"):
        integrated_gradients(regressor, X)


def test_transformers_explain_the_embedding():
    embed = CMMDTransformer(**TINY).fit(X, X_missing=M)
    found = integrated_gradients(embed, X, 1, response_method="transform", baseline=X[:1])
    z = embed.transform(X)[:, 1]
    np.testing.assert_allclose(found.sum(axis=1), z - z[0], atol=1e-4)
    with pytest.raises(ValueError, match=r"one of \['transform', 'generate_missing'\]"):
        integrated_gradients(embed, X)


@pytest.mark.parametrize(("method", "target"), METHODS[:2] + METHODS[3:])
def test_an_ensemble_explains_the_mean_of_its_members(ensemble, method, target):
    asked = {"target": target, "response_method": method, "baseline": X[:2]}
    each = [integrated_gradients(member, X, **asked) for member in ensemble.estimators_]
    np.testing.assert_allclose(integrated_gradients(ensemble, X, **asked), np.mean(each, axis=0))


def test_a_coordinate_of_an_ensemble_belongs_to_one_member(ensemble):
    found = integrated_gradients(ensemble, X, 4, response_method="transform", baseline=X[:1])
    z = ensemble.transform(X)[:, 4]
    np.testing.assert_allclose(found.sum(axis=1), z - z[0], atol=1e-4)
    with pytest.raises(ValueError, match="embedding, from 0 to 5"):
        integrated_gradients(ensemble, X, 6, response_method="transform")


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_come_back_as_frames(library):
    columns = list("abcde")
    make = (
        (lambda values, names: pd.DataFrame(values, index=range(9, 9 + N), columns=names))
        if library is pd
        else (lambda values, names: pl.DataFrame(values, schema=names))
    )
    clf = CMMDClassifier(**TINY).fit(make(X, columns), NAMES, X_missing=make(M, ["u", "v", "w"]))
    found = integrated_gradients(clf, make(X, columns), "w", response_method="generate_missing")
    assert type(found) is type(make(X, columns))
    assert list(found.columns) == columns
    again = CMMDClassifier(**TINY).fit(X, NAMES, X_missing=M)
    want = integrated_gradients(again, X, 2, response_method="generate_missing")
    np.testing.assert_allclose(found.to_numpy(), want)
    if library is pd:
        assert list(found.index) == list(range(9, 9 + N))


def test_mappings_images_and_sparse_tables():
    images = RNG.normal(size=(N, 3, 4))
    views = {"image": images, "table": sp.csr_matrix(X)}
    missing = {"frame": pd.DataFrame(M, columns=["u", "v", "w"]), "photo": images[:, :2]}
    clf = CMMDClassifier(**TINY).fit(views, NAMES, X_missing=missing)
    asked = {
        "response_method": "generate_missing",
        "baseline": {k: v[:1] for k, v in views.items()},
    }
    for target, value in [
        (("frame", "v"), lambda generated: generated["frame"]["v"]),
        (("photo", (1, 2)), lambda generated: generated["photo"][:, 1, 2]),
        (("photo", 6), lambda generated: generated["photo"][:, 1, 2]),
    ]:
        found = integrated_gradients(clf, views, target, **asked)
        assert {key: part.shape for key, part in found.items()} == {
            "image": (N, 3, 4),
            "table": (N, 5),
        }
        want = np.asarray(value(clf.generate_missing(views)))
        total = found["image"].sum(axis=(1, 2)) + found["table"].sum(axis=1)
        np.testing.assert_allclose(total, want - want[0], atol=1e-4)
        by_view = integrated_gradients(clf, views, target, by="view", **asked)
        np.testing.assert_allclose(by_view["image"], found["image"].sum(axis=(1, 2)))
        np.testing.assert_allclose(by_view["table"], found["table"].sum(axis=1))


def test_views_of_one_table_are_sums_over_their_columns():
    views = [Modality("odd", columns=[1, 3]), Modality("even", columns=[0, 2, 4])]
    clf = CMMDClassifier(**TINY, observed=views).fit(X, NAMES)
    columns, by_view = (integrated_gradients(clf, X, "red", by=by) for by in ("column", "view"))
    np.testing.assert_allclose(by_view["odd"], columns[:, [1, 3]].sum(axis=1))
    np.testing.assert_allclose(by_view["even"], columns[:, [0, 2, 4]].sum(axis=1))


def test_an_absent_view_contributes_nothing():
    views = {"a": X[:, :2].copy(), "b": X[:, 2:].copy()}
    clf = CMMDClassifier(**TINY, optional="all").fit(views, NAMES)
    views["a"][:20], views["b"][20:30] = np.nan, np.nan
    found = integrated_gradients(clf, views, "red", baseline={"a": X[:1, :2], "b": X[:1, 2:]})
    assert (found["a"][:20] == 0).all()
    assert (found["b"][20:30] == 0).all()
    without = {"a": None, "b": views["b"][:20]}
    difference = clf.predict_log_proba(without)
    difference = difference - clf.predict_log_proba({"a": None, "b": X[:1, 2:]})
    red = list(clf.classes_).index("red")
    np.testing.assert_allclose(found["b"][:20].sum(axis=1), difference[:, red], atol=1e-5)
    with pytest.raises(ValueError, match="baseline"):
        integrated_gradients(clf, views, "red", baseline={"a": views["a"][:2], "b": X[:2, 2:]})


def test_several_labels_a_row_are_explained_one_by_one():
    labels = np.column_stack([X[:, 0] > 0, X[:, 4] > 0]).astype(int)
    clf = CMMDClassifier(**TINY).fit(X, labels)
    found = integrated_gradients(clf, X, 1, response_method="predict_proba", baseline=X[:1])
    p = clf.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found.sum(axis=1), p - p[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"one of the classes, \[0, 1\]. Got None"):
        integrated_gradients(clf, X)


def test_single_precision_in_is_single_precision_out(classifier):
    found = integrated_gradients(classifier, X.astype(np.float32), "red")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, integrated_gradients(classifier, X, "red"), atol=1e-4)


def test_contributions_do_not_depend_on_the_rows_beside(classifier):
    alone = integrated_gradients(classifier, X[:1], "red")
    np.testing.assert_allclose(integrated_gradients(classifier, X, "red")[:1], alone, rtol=1e-10)


def test_gradients_are_there_where_inference_mode_is_on_and_leave_nothing_behind(classifier):
    fresh = CMMDClassifier(**TINY).fit(X, NAMES)
    fresh.module_.zero_grad()
    with torch.inference_mode():
        fresh.predict(X)
        found = integrated_gradients(fresh, X, "red")
    assert (found != 0).any()
    assert all(weights.grad is None for weights in fresh.module_.parameters())
    np.testing.assert_array_equal(found, integrated_gradients(fresh, X, "red"))


def test_too_few_steps_are_told_of(classifier):
    with pytest.warns(AttributionWarning, match="n_steps, which is 1"):
        integrated_gradients(classifier, 100 * X, "red", n_steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integrated_gradients(classifier, X, "red")


def test_shap_says_the_same_of_a_linear_model():
    shap = pytest.importorskip("shap")
    linear = Networks(prior_hidden=(), classifier_hidden=())
    reg = CMMDRegressor(**TINY | {"networks": linear}).fit(X, NUMBERS[:, 0])
    mean = X.mean(axis=0, keepdims=True)
    values = shap.KernelExplainer(reg.predict, mean).shap_values(X[:3])
    np.testing.assert_allclose(values, integrated_gradients(reg, X[:3]), rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "pink"}, r"one of the classes, \['blue', 'green', 'red'\]. Got 'pink'"),
        ({"response_method": "predict"}, "response_method must be one of"),
        ({"response_method": "transform"}, "from 0 to 2. Got 'red'"),
        ({"response_method": "generate_missing", "target": 3}, "from 0 to 2. Got 3"),
        ({"response_method": "generate_missing", "target": True}, "Got True"),
        ({"by": "row"}, "'column' or 'view'. Got 'row'"),
        ({"n_steps": 0}, "positive int. Got 0"),
        ({"baseline": X[:, :3]}, "baseline has 3 features"),
        ({"baseline": np.full((1, 5), np.nan)}, "baseline contains NaN"),
        ({"X": X[:, :3]}, "X has 3 features"),
    ],
)
def test_wrong_arguments_are_refused(classifier, changes, message):
    with pytest.raises(ValueError, match=message):
        integrated_gradients(classifier, **{"X": X, "target": "red"} | changes)


def test_other_estimators_are_refused_with_the_way_out(classifier):
    pipe = make_pipeline(StandardScaler(), CMMDClassifier(**TINY)).fit(X, NAMES)
    with pytest.raises(TypeError, match=r"pipe\[-1\]"):
        integrated_gradients(pipe, X)


def test_a_missing_captum_is_named_with_its_extra(classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match=r"pip install sklearn-cmmd\[inspect\]"):
        integrated_gradients(classifier, X)
