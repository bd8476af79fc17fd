"""CMMDEnsemble: against its members, fitted and asked one by one."""

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.crossfit.generators import PENALTIES
from sklearn_cmmd.data import blocks
from sklearn_cmmd.exceptions import (
    ReencodedLabelsWarning,
    RowOrderWarning,
    UnlabelledRowsWarning,
)
from tests.conftest import SMALL


@pytest.fixture
def ensemble(small):
    return CMMDEnsemble(CMMDClassifier(**small), n_estimators=3, random_state=0)


@pytest.fixture
def alone(ensemble):
    """Without generators beside CMMD, for what does not depend on them."""
    return ensemble.set_params(generators=None)


@pytest.fixture(scope="module")
def fitted(digits):
    """Do not change it."""
    X, M, y = digits
    ensemble = CMMDEnsemble(CMMDClassifier(**SMALL), n_estimators=3, random_state=0)
    return ensemble.fit(X, y, X_missing=M)


def test_members_are_fits_without_the_rows_that_they_leave_out(ensemble, digits):
    X, M, y = digits
    ensemble.set_params(estimator__early_stopping=False, estimator__dropout=0.2)
    ensemble.fit(X, y, X_missing=M)
    assert len({member.random_state for member in ensemble.estimators_}) == 3
    for number, member in enumerate(ensemble.estimators_):
        rows = ensemble.folds_ != number
        alone = clone(member).fit(X[rows], y[rows], X_missing=M[rows])
        # The scales are summed up in another order.
        for ask in (CMMDClassifier.predict_proba, CMMDClassifier.generate_missing):
            np.testing.assert_allclose(ask(alone, X), ask(member, X), rtol=1e-4)


def test_early_stopping_watches_the_rows_left_out(alone, digits):
    """Of these rows nothing is learned but the number of epochs."""
    X, M, y = digits
    alone.set_params(estimator__early_stopping=True, estimator__max_epochs=10)
    alone.set_params(estimator__n_iter_no_change=10).fit(X, y, X_missing=M)
    member, out = alone.estimators_[0], alone.folds_ == 0
    assert len(member.history_["valid_classification"]) == 10
    moved = X.copy(), M.copy()
    for side in moved:
        side[out] += 3
    other = clone(alone).fit(moved[0], y, X_missing=moved[1]).estimators_[0]
    assert other.history_["train_loss"] == member.history_["train_loss"]
    assert other.history_["valid_classification"] != member.history_["valid_classification"]


def test_members_in_several_processes(ensemble, digits):
    X, M, y = digits
    serial = clone(ensemble).fit(X, y, X_missing=M)
    parallel = ensemble.set_params(n_jobs=2).fit(X, y, X_missing=M)
    assert np.array_equal(serial.predict_proba(X), parallel.predict_proba(X))


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="scikit-learn before 1.7 does not tell its processes what is done with warnings",
)
def test_other_processes_do_with_warnings_what_this_one_does(ensemble, digits):
    X, M, y = digits
    some = np.where(np.arange(len(y)) % 3, y, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnlabelledRowsWarning)
        with pytest.raises(UnlabelledRowsWarning):
            ensemble.set_params(n_jobs=2).fit(X, some, X_missing=M)


def test_probabilities_are_the_tempered_mean(fitted, digits):
    X, _, y = digits
    mean = np.mean([member.predict_proba(X) for member in fitted.estimators_], axis=0)
    powers = mean ** (1 / fitted.temperature_)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-10)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), expected, rtol=1e-10)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[mean.argmax(axis=1)])
    assert fitted.score(X, y) == np.mean(fitted.predict(X) == y)
    embedded = fitted.transform(X)
    assert embedded.shape == (len(X), 24) == (len(X), len(fitted.get_feature_names_out()))
    np.testing.assert_array_equal(embedded[:, 8:16], fitted.estimators_[1].transform(X))


def test_temperature_is_that_of_the_rows_left_out(fitted, digits):
    X, _, y = digits
    logs = np.empty((len(y), 3))
    for number, member in enumerate(fitted.estimators_):
        out = fitted.folds_ == number
        logs[out] = member.predict_log_proba(X[out])

    def loss(log_t):
        of_rows = log_softmax(logs / np.exp(log_t), axis=1)[np.arange(len(y)), y]
        return -of_rows.sum() + 2 * log_t**2

    grid = np.linspace(-2, 2, 4001)
    best = np.exp(grid[np.argmin([loss(each) for each in grid])])
    assert fitted.temperature_ == pytest.approx(best, rel=2e-3)


def scaled(side, member, values):
    statistics = member._plan.layout
    chosen = statistics.observed if side == "X" else statistics.missing
    return (values - chosen.loc) / chosen.scale


def by_hand(ensemble, X, M, number):
    """Means of CMMD and of the regressions of one member, in the units of the data."""
    member, rows = ensemble.estimators_[number], ensemble.folds_ != number
    side = member._plan.layout.missing
    x, m = scaled("X", member, X[rows]), scaled("M", member, M[rows])
    ridge = RidgeCV(rows.sum() * PENALTIES, alpha_per_target=True).fit(x, m)
    return [
        member.generate_missing(X),
        ridge.predict(scaled("X", member, X)) * side.scale + side.loc,
    ]


def test_generated_view_is_the_best_mixture_of_rows_left_out(ensemble, digits):
    X, M, y = digits
    ridge = RidgeCV(160 * PENALTIES, alpha_per_target=True)
    ensemble.set_params(generators={"mine": ridge}).fit(X, y, X_missing=M)
    weight = ensemble.weights_["X_missing"]
    assert list(weight) == ["cmmd", "mine"]
    parts = [by_hand(ensemble, X, M, number) for number in range(3)]
    errors = np.empty((2, *M.shape))
    scale = ensemble.estimators_[0]._plan.layout.missing.scale
    for number, part in enumerate(parts):
        out = ensemble.folds_ == number
        errors[:, out] = [(M[out] - values[out]) / scale for values in part]
    a, b = errors.reshape(2, -1)
    best = np.clip(-(a - b) @ b / np.square(a - b).sum(), 0, 1)
    assert weight["cmmd"] == pytest.approx(best, abs=1e-4)
    mean = np.mean([best * part[0] + (1 - best) * part[1] for part in parts], axis=0)
    np.testing.assert_allclose(ensemble.generate_missing(X), mean, rtol=1e-3)


def test_without_generators_it_is_the_mean_of_the_members(ensemble, digits):
    X, M, y = digits
    ensemble.set_params(generators=None).fit(X, y, X_missing=M)
    assert ensemble.weights_ == {"X_missing": {"cmmd": 1.0}}
    generated = np.mean([each.generate_missing(X) for each in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.generate_missing(X), generated, rtol=1e-10)


def test_draws_lie_around_the_mean(fitted, digits):
    X = digits[0][:5]
    draws = fitted.generate_missing(X, 3000, random_state=0)
    assert draws.shape == (5, 3000, 6)
    error = draws.std(axis=1) / np.sqrt(3000)
    # Errors of rows that were left out have a mean near zero.
    assert np.all(np.abs(draws.mean(axis=1) - fitted.generate_missing(X)) < 12 * error)
    again = fitted.generate_missing(X[:2], 3000, random_state=0)
    np.testing.assert_allclose(draws[:2], again, rtol=1e-10)


def test_draws_in_few_rows_at_a_time(fitted, digits, monkeypatch):
    X = digits[0]
    whole = fitted.generate_missing(X, 3, random_state=0)
    monkeypatch.setattr(blocks, "CHUNK_NUMBERS", 600)
    np.testing.assert_allclose(fitted.generate_missing(X, 3, random_state=0), whole, rtol=1e-10)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, True])
def test_wrong_number_of_draws(fitted, digits, n_samples):
    with pytest.raises(ValueError, match="n_samples must be a positive int"):
        fitted.generate_missing(digits[0], n_samples)


def test_draws_as_frames(ensemble, digits):
    X, M, y = digits
    frame, index = pd.DataFrame(M, columns=list("abcdef")), pd.RangeIndex(4, 8)
    ensemble.fit(X, y, X_missing=frame)
    x = pd.DataFrame(X[:4], index=index)
    found = ensemble.generate_missing(x, 5, random_state=0, as_frame=True)
    assert found.index.equals(index)
    array = ensemble.generate_missing(X[:4], 5, random_state=0)
    np.testing.assert_array_equal(found["b"], array[:, :, 1])


def test_forms_of_the_data(ensemble, digits):
    X, M, y = digits
    frame = pd.DataFrame(M, columns=list("abcdef"))
    generated = ensemble.fit(X, y, X_missing=frame).generate_missing(X[:4])
    assert list(generated.columns) == list("abcdef")
    views = {"low": M[:, :2], "high": M[:, 2:]}
    ensemble.fit({"x": X}, y, X_missing=views)
    generated = ensemble.generate_missing({"x": X[:4]})
    assert {name: values.shape for name, values in generated.items()} == {
        "low": (4, 2),
        "high": (4, 4),
    }
    draws = ensemble.generate_missing({"x": X[:4]}, 5, random_state=0)
    assert draws["high"].shape == (4, 5, 4)


def test_multilabel(alone, digits):
    X, M, y = digits
    indicator = np.stack([y == 0, y < 2], axis=1).astype(int)
    alone.fit(X, indicator, X_missing=M)
    assert alone.predict(X).shape == indicator.shape
    assert alone.score(X, indicator) > 0.7


def test_rows_without_labels(alone, digits):
    X, M, y = digits
    ensemble = alone.set_params(estimator__objective__teacher=None)
    few = np.where(np.arange(len(y)) % 4 == 0, y, -1)
    with pytest.warns(UnlabelledRowsWarning, match="180 of the 240 rows") as said:
        ensemble.fit(X, few, X_missing=M)
    assert [each.category for each in said].count(UnlabelledRowsWarning) == 1
    assert ensemble.classes_.tolist() == [0, 1, 2]
    codes = [
        clf.module_.classifier(torch.from_numpy(clf.posterior(X, None, M)[0]).float()).mean
        for clf in ensemble.estimators_
    ]
    first, second, third = (code.argmax(1).numpy()[few < 0] for code in codes)
    agreed = (first == second).mean(), (first == third).mean(), (second == third).mean()
    assert ensemble.teacher_agreement_ == pytest.approx(np.mean(agreed), abs=0.005)
    assert ensemble.fit(X, y, X_missing=M).teacher_agreement_ is None
    ensemble.fit(X, few, X_missing=M)
    with pytest.raises(ValueError, match="no label"):
        ensemble.score(X, few)


def test_search(alone, digits):
    X, M, y = digits
    grid = {"estimator__omega": [0.2, 0.8], "estimator__objective__decode_prior": [0.5]}
    found = GridSearchCV(alone, grid, cv=2, error_score="raise").fit(X, y, X_missing=M)
    assert found.best_estimator_.generate_missing(X[:2]).shape == (2, 6)
    assert found.best_score_ > 0.8


def test_pipeline_and_routing(alone, digits):
    X, M, y = digits
    pipe = make_pipeline(StandardScaler(), alone).fit(X, y, cmmdensemble__X_missing=M)
    assert pipe.score(X, y) > 0.8
    with sklearn.config_context(enable_metadata_routing=True):
        routed = GridSearchCV(alone, {"n_estimators": [2]}, cv=2)
        assert routed.fit(X, y, X_missing=M).best_estimator_.estimators_[0].missing_


def test_same_seed_same_fit(alone, digits):
    X, M, y = digits
    first, second = (clone(alone).fit(X, y, X_missing=M).transform(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = clone(alone).set_params(random_state=1).fit(X, y, X_missing=M)
    assert not np.allclose(other.transform(X), first)


def test_pickle(fitted, digits):
    X = digits[0]
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_defaults_are_those_of_the_classifier():
    assert clone(CMMDEnsemble())._member().get_params() == CMMDClassifier().get_params()


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"estimator": StandardScaler()}, ValueError, "The 'estimator' parameter of CMMDEnsemble"),
        ({"n_estimators": 1}, ValueError, "The 'n_estimators' parameter of CMMDEnsemble"),
        ({"generators": {"a": 3}}, TypeError, "must be a scikit-learn regressor"),
        ({"n_estimators": 300}, ValueError, "leave out other rows each, but X has 240"),
        ({"estimator__omega": 2}, ValueError, "The 'omega' parameter of CMMDClassifier"),
    ],
)
def test_wrong_parameters(ensemble, digits, no_training, params, error, match):
    X, M, y = digits
    with pytest.raises(error, match=match):
        ensemble.set_params(**params).fit(X, y, X_missing=M)


def test_an_error_leaves_the_fit_as_it_was(fitted, digits):
    X, _, y = digits
    before, fitted = fitted.predict_proba(X), deepcopy(fitted)
    with pytest.raises(ValueError, match=r"inconsistent|rows"):
        fitted.fit(X, y[:-1])
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_progress_is_shown(alone, digits, capsys):
    X, M, y = digits
    alone.set_params(estimator__verbose=1).fit(X, y, X_missing=M)
    assert capsys.readouterr().out.count("CMMD epoch 1/15") == 3


def test_members_none_can_be_set_by_name():
    ensemble = CMMDEnsemble().set_params(estimator__omega=0.3)
    assert ensemble.estimator.omega == 0.3


def test_what_is_wrong_is_said_once(fitted, digits, small):
    X, M, y = digits
    views = {"a": pd.DataFrame(X), "b": pd.DataFrame(M)}
    moved = views | {"b": views["b"][::-1]}
    ensemble = CMMDEnsemble(CMMDClassifier(**small | {"max_epochs": 1}), 3, random_state=0)
    ensemble.fit(views, y)
    for call in (ensemble.predict, ensemble.transform):
        with pytest.warns(RowOrderWarning) as found:
            call(moved)
        assert len(found) == 1
    with pytest.warns(ReencodedLabelsWarning) as found:
        VotingClassifier([("a", clone(ensemble))]).fit(X, np.where(y == y.max(), -1, y))
    assert sum(each.category is ReencodedLabelsWarning for each in found) == 1
