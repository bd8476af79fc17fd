"""Regressions as arrays predict to the last bit what scikit-learn predicts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.neighbors import KNeighborsRegressor

from sklearn_cmmd.crossfit.generators import default_regressors
from sklearn_cmmd.crossfit.regressions import Forest, LinearMap, OfComponents, as_arrays


def data(seed=0, n=120, n_columns=3):
    random = np.random.default_rng(seed)
    # Whole numbers, so that many values are at thresholds and equal to each other.
    x = random.integers(0, 4, size=(n, 5)) / 3
    y = np.sin(3 * x[:, :2]) @ random.normal(size=(2, n_columns)) + random.normal(size=n)[:, None]
    return x, y[:, 0] if n_columns == 1 else y, random.normal(size=(50, 5))


@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize(
    "regressor",
    [
        LinearRegression(),
        Ridge(2.0, fit_intercept=False),
        RidgeCV([0.1, 1.0], alpha_per_target=True),
        ExtraTreesRegressor(4, random_state=0),
        RandomForestRegressor(4, min_samples_leaf=5, random_state=0),
        RandomForestRegressor(4, max_depth=1, random_state=0),
        *default_regressors(120, 3, 0).values(),
    ],
    ids=lambda regressor: type(regressor).__name__,
)
def test_predictions_are_those_of_scikit_learn(regressor, n_columns):
    x, y, new = data(n_columns=n_columns)
    if n_columns == 1 and hasattr(regressor, "transformer"):
        regressor = default_regressors(120, 1, 0)["trees"]
    fitted = regressor.fit(x, y)
    arrays = as_arrays(fitted)
    assert isinstance(arrays, (LinearMap, Forest, OfComponents))
    for rows in (x, new, new[:1]):
        expected = fitted.predict(rows)
        np.testing.assert_array_equal(arrays.predict(rows).reshape(expected.shape), expected)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 60), st.integers(1, 5))
def test_trees_of_any_depth(seed, n, least):
    x, y, new = data(seed, n)
    trees = ExtraTreesRegressor(3, min_samples_leaf=least, random_state=seed).fit(x, y)
    np.testing.assert_array_equal(as_arrays(trees).predict(new), trees.predict(new))


def test_children_come_after_their_parents():
    x, y, _ = data()
    forest = as_arrays(ExtraTreesRegressor(3, random_state=0).fit(x, y))
    own = np.arange(len(forest.left))
    is_leaf = forest.left == own
    assert (forest.right[is_leaf] == own[is_leaf]).all()
    assert (np.minimum(forest.left, forest.right)[~is_leaf] > own[~is_leaf]).all()
    assert is_leaf.sum() == len(forest.values)


def test_other_estimators_stay_what_they_are():
    x, y, _ = data()
    for other in (KNeighborsRegressor().fit(x, y), type("Mine", (Ridge,), {})().fit(x, y)):
        assert as_arrays(other) is other
