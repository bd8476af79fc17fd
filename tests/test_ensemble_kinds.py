"""Ensembles of regressors, of transformers, and of estimators whose modalities may be absent."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality
from tests.conftest import SMALL

COLUMNS = {"a": slice(0, 2), "b": slice(2, 5)}
OPTIONAL = {"observed": [Modality(n, c) for n, c in COLUMNS.items()], "optional": "all"}


def make(n, seed):
    """Return x_O, x_M and two numbers, all of which depend on each other."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    hidden = X[:, 0] + X[:, 2] + 0.5 * rng.normal(size=n)
    M = hidden[:, None] * [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=(n, 3))
    return X, M, np.column_stack([100 + 10 * hidden, hidden - X[:, 1]]) + rng.normal(size=(n, 2))


def ensemble(kind, n_estimators=3, **params):
    return CMMDEnsemble(kind(**SMALL | params), n_estimators=n_estimators, random_state=0)


@pytest.fixture(scope="module")
def data():
    return make(240, 0)


@pytest.fixture(scope="module")
def regressors(data):
    X, M, y = data
    return ensemble(CMMDRegressor, max_epochs=60).fit(X, y, X_missing=M)


class TestRegressors:
    def test_it_is_a_regressor(self, regressors):
        assert is_regressor(regressors)
        assert not is_classifier(regressors)
        assert get_tags(regressors).target_tags.multi_output
        assert not hasattr(regressors, "predict_proba")
        assert regressors.n_outputs_ == 2

    def test_mean_and_deviation_are_those_of_the_mixture(self, regressors, data):
        X = data[0]
        each = [member.predict(X, return_std=True) for member in regressors.estimators_]
        means, stds = (np.stack(parts) for parts in zip(*each, strict=True))
        mean, std = regressors.predict(X, return_std=True)
        assert_allclose(mean, means.mean(axis=0))
        expected = np.sqrt((stds**2 + means**2).mean(axis=0) - means.mean(axis=0) ** 2)
        assert_allclose(std, expected * regressors.temperature_, rtol=1e-6)

    def test_deviations_are_right_and_intervals_hold(self, regressors):
        X, _, y = make(2000, 1)
        mean, std = regressors.predict(X, return_std=True)
        ratio = np.sqrt((((y - mean) / std) ** 2).mean(axis=0))
        assert_allclose(ratio, 1, atol=0.2)
        for coverage in (0.5, 0.9):
            lower, upper = regressors.predict_interval(X, coverage)
            held = ((lower <= y) & (y <= upper)).mean(axis=0)
            # Of the mean, which is better than the members that left rows out, a little more.
            assert (held > coverage - 0.04).all()
            assert (held < coverage + 0.15).all()

    def test_score_is_r2_of_a_mean_better_than_that_of_members(self, regressors):
        X, _, y = make(2000, 1)
        of_members = [member.score(X, y) for member in regressors.estimators_]
        assert regressors.score(X, y) > np.mean(of_members)

    def test_one_number_comes_in_the_form_of_y(self, data):
        X, M, y = data
        y = np.where(np.arange(240) % 4 == 0, np.nan, y[:, 0])
        with pytest.warns(UserWarning, match="60 of the 240 rows of y have no target"):
            model = ensemble(CMMDRegressor).fit(X, y, X_missing=M)
        lower, upper = model.predict_interval(X)
        assert model.predict(X).shape == lower.shape == upper.shape == (240,)
        with pytest.raises(ValueError, match="Some rows to score have no target"):
            model.score(X, y)

    def test_members_leave_rows_out_and_groups_whole(self, data):
        X, _, y = data
        groups = np.arange(240) // 8
        model = ensemble(CMMDRegressor).fit(X, y, groups=groups)
        assert all(len(np.unique(model.folds_[groups == each])) == 1 for each in range(30))
        wide = np.diff(model.predict_interval(X, 0.9), axis=0).mean()
        narrow = np.diff(model.predict_interval(X, 0.5), axis=0).mean()
        assert wide > narrow
        with pytest.raises(ValueError, match=r"coverage=0.98 takes 49 rows .* fit had 30"):
            model.predict_interval(X, 0.98)

    def test_cross_validation(self, data):
        X, _, y = data
        scores = cross_val_score(ensemble(CMMDRegressor, 2, max_epochs=60), X, y, cv=2)
        assert scores.mean() > 0.6


class TestTransformers:
    def test_without_labels(self, data):
        X, M, _ = data
        model = ensemble(CMMDTransformer).fit(X, X_missing=M)
        assert not hasattr(model, "predict")
        assert not hasattr(model, "score")
        assert not hasattr(model, "temperature_")
        assert model.transform(X).shape == (240, 3 * 8)
        new, true, _ = make(2000, 1)
        lower, upper = model.generate_intervals(new, 0.8)
        assert ((lower <= true) & (true <= upper)).mean() == pytest.approx(0.8, abs=0.05)

    def test_with_labels(self, data):
        X, M, y = data
        model = ensemble(CMMDTransformer).fit(X, y[:, 0] > 100, X_missing=M)
        assert model.classes_.tolist() == [False, True]

    def test_nothing_to_learn(self, data):
        with pytest.raises(ValueError, match="pass X_missing, y, or both"):
            ensemble(CMMDTransformer).fit(data[0])


def hide(X, names):
    X = X.copy()
    for name, columns in COLUMNS.items():
        if name not in names:
            X[:, columns] = np.nan
    return X


@pytest.fixture(scope="module")
def fitted(data):
    X, M, y = data
    X = X.copy()
    X[::7, COLUMNS["b"]] = np.nan
    model = ensemble(CMMDClassifier, max_epochs=40, **OPTIONAL)
    return model.fit(X, y[:, 0] > 100, X_missing=M)


class TestAbsentViews:
    @pytest.mark.parametrize("names", ["a", "b", "ab"])
    def test_labels_and_views_of_every_subset(self, fitted, names):
        X, M, y = make(2000, 1)
        X_some, y = hide(X, names), y[:, 0] > 100
        assert fitted.score(X_some, y) > {"a": 0.65, "b": 0.65, "ab": 0.8}[names]
        # Errors of rows with modalities hidden are the larger ones, and intervals know it.
        lower, upper = fitted.generate_intervals(X_some, 0.9)
        assert ((lower <= M) & (upper >= M)).mean() == pytest.approx(0.9, abs=0.08)

    def test_impute(self, fitted):
        X, _, _ = make(50, 2)
        some = hide(X, "a")
        whole = fitted.impute(some)
        assert_array_equal(whole[:, COLUMNS["a"]], X[:, COLUMNS["a"]])
        each = [member.impute(some)[:, COLUMNS["b"]] for member in fitted.estimators_]
        assert_allclose(whole[:, COLUMNS["b"]], np.mean(each, axis=0))
        draws = fitted.impute(some, n_samples=4, random_state=0)
        assert draws.shape == (50, 4, 5)
        assert_array_equal(draws[:, 2, COLUMNS["a"]], X[:, COLUMNS["a"]])
        assert_array_equal(draws, fitted.impute(some, n_samples=4, random_state=0))

    def test_nothing_optional(self, regressors, data):
        with pytest.raises(ValueError, match="fitted without optional="):
            regressors.impute(data[0])


def test_deviations_are_of_numbers(fitted, data):
    with pytest.raises(TypeError, match="return_std=True is for numbers"):
        fitted.predict(data[0], return_std=True)


def test_clones_and_names_of_parameters():
    model = ensemble(CMMDRegressor)
    assert clone(model).estimator.get_params()["max_epochs"] == SMALL["max_epochs"]
    assert model.set_params(estimator__omega=0.1).estimator.omega == 0.1
    with pytest.raises(ValueError, match="estimator"):
        CMMDEnsemble(model).fit(np.eye(4), np.arange(4))


class TestFoldsThatLackSomething:
    @pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.CMMDWarning")
    def test_a_fold_without_a_label(self, data):
        X, M, y = data
        site = np.arange(240) % 3
        labels = np.where(site == 0, -1, y[:, 0] > 100)
        model = ensemble(CMMDClassifier, **OPTIONAL).fit(X, labels, X_missing=M, groups=site)
        assert model.score(X, y[:, 0] > 100) > 0.5
        few = np.where(np.arange(240) < 4, y[:, 0], np.nan)
        assert np.isfinite(ensemble(CMMDRegressor, 5, **OPTIONAL).fit(X, few).predict(X)).all()

    @pytest.mark.usefixtures("no_training")
    @pytest.mark.parametrize("lacking", ["view", "x_M", "label", "class"])
    def test_what_one_group_alone_has(self, data, lacking):
        X, M = (each.copy() for each in data[:2])
        site, labels = np.arange(240) % 3, np.arange(240) % 2
        others = site != 1
        if lacking == "view":
            X[others, :2] = np.nan
        elif lacking == "x_M":
            M[others] = np.nan
        else:
            labels[others] = {"label": -1, "class": 0}[lacking]
        what = {
            "view": "'a' of X ",
            "x_M": "'X_missing' of",
            "label": "a label",
            "class": "a class",
        }
        with pytest.raises(ValueError, match=f"Every row that has {what[lacking]}.*left out by"):
            ensemble(CMMDClassifier, **OPTIONAL).fit(X, labels, X_missing=M, groups=site)
