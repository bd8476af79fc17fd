"""Weights of generators against a general optimiser, and the default regressions."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_cmmd import Modality
from sklearn_cmmd.crossfit.generators import (
    check_generators,
    default_regressors,
    fitted,
    in_range,
    sampled,
    stacked,
)


@pytest.mark.parametrize("seed", range(8))
def test_weights_have_the_least_error(seed):
    random = np.random.default_rng(seed)
    errors = random.normal(size=(50, 3)) @ random.normal(size=(3, 3))
    products = errors.T @ errors / 50
    found = stacked(products)
    best = minimize(
        lambda w: w @ products @ w,
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-12,
    )
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert found @ products @ found == pytest.approx(best.fun, rel=1e-5)


def test_weights_of_one_and_of_none_that_err():
    np.testing.assert_array_equal(stacked(np.ones((1, 1))), [1])
    assert stacked(np.zeros((2, 2))).sum() == pytest.approx(1)


def test_trees_on_components_are_as_good_as_on_columns():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4))
    target = np.sin(x) @ random.normal(size=(4, 80)) + 0.1 * random.normal(size=(300, 80))
    ours = default_regressors(200, 80, 0)["trees"].fit(x[:200], target[:200])
    theirs = ExtraTreesRegressor(30, min_samples_leaf=2, random_state=0).fit(x[:200], target[:200])
    error, plain = (
        np.square(trees.predict(x[200:]) - target[200:]).mean() for trees in (ours, theirs)
    )
    assert error < 1.05 * plain


def test_weights_of_rows_reach_what_takes_them():
    x, weight = np.arange(6.0)[:, None], np.array([1.0, 1, 1, 1, 1, 50])
    values = np.array([[0.0], [0], [0], [0], [0], [1]])
    (found,) = fitted({"ridge": Ridge()}, x, values, weight, 0)
    alone = Ridge().fit(x, values[:, 0], sample_weight=weight)
    np.testing.assert_array_equal(found.predict(x), alone.predict(x))


def test_means_that_a_likelihood_can_have():
    values = np.array([[-1.0, 0.5, 3.0, 0.0]])
    binary = Modality("m", likelihood="bernoulli").resolved(columns=np.arange(4), shape=(4,))
    np.testing.assert_array_equal(in_range(values, binary), [[0, 0.5, 1, 0]])
    classes = Modality("m", likelihood="categorical", shape=(2, 2), axis=-1)
    classes = classes.resolved(columns=np.arange(4))
    np.testing.assert_allclose(in_range(values, classes), [[0, 1, 1, 0]])
    np.testing.assert_allclose(in_range(np.zeros((1, 4)), classes), [[0.5] * 4])
    real = Modality("m").resolved(likelihood="gaussian")
    assert in_range(values, real) is values


def test_draws_of_binary_values_and_classes():
    random = np.random.default_rng(0)
    binary = Modality("m", likelihood="bernoulli").resolved(shape=(2,))
    drawn = sampled(binary, np.tile([0.2, 0.9], (20000, 1)), random.random((20000, 2)))
    np.testing.assert_allclose(drawn.mean(axis=0), [0.2, 0.9], atol=0.01)
    classes = Modality("m", likelihood="categorical").resolved(shape=(2, 3), axis=-1)
    means = np.tile([0.2, 0.3, 0.5, 1, 0, 0], (20000, 1))
    drawn = sampled(classes, means, random.random((20000, 6)))
    np.testing.assert_allclose(drawn.mean(axis=0), means[0], atol=0.015)
    np.testing.assert_array_equal(drawn.reshape(-1, 2, 3).sum(axis=2), 1)


@pytest.mark.parametrize(
    ("generators", "error", "match"),
    [
        ({"cmmd": Ridge()}, ValueError, "stands for the members"),
        ({1: Ridge()}, ValueError, "regressors by name"),
        ({"a": Ridge}, TypeError, r"generators\['a'\] must be a scikit-learn regressor"),
        ({"a": LogisticRegression()}, TypeError, "must be a scikit-learn regressor"),
    ],
)
def test_what_is_no_generator(generators, error, match):
    with pytest.raises(error, match=match):
        check_generators(generators)
