"""CMMDEnsemble: against its members, fitted and asked one by one."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.exceptions import (
    ReencodedLabelsWarning,
    RowOrderWarning,
    UnlabelledRowsWarning,
)


@pytest.fixture
def ensemble(small):
    return CMMDEnsemble(CMMDClassifier(**small), n_estimators=3, random_state=0)


@pytest.fixture
def fitted(ensemble, digits):
    X, M, y = digits
    return ensemble.fit(X, y, X_missing=M)


def test_members_are_single_fits(ensemble, digits):
    X, M, y = digits
    ensemble.set_params(estimator__early_stopping=True, estimator__dropout=0.2)
    ensemble.fit(X, y, X_missing=M)
    seeds = {member.random_state for member in ensemble.estimators_}
    assert len(seeds) == 3
    for member in ensemble.estimators_:
        alone = clone(member).fit(X, y, X_missing=M)
        assert np.array_equal(alone.predict_proba(X), member.predict_proba(X))
        assert alone.n_iter_ == member.n_iter_


def test_members_in_several_processes(ensemble, digits):
    X, M, y = digits
    serial = clone(ensemble).fit(X, y, X_missing=M)
    parallel = ensemble.set_params(n_jobs=2).fit(X, y, X_missing=M)
    assert np.array_equal(serial.predict_proba(X), parallel.predict_proba(X))


def test_what_it_says_is_the_mean(fitted, digits):
    X, _, y = digits
    members = fitted.estimators_
    probabilities = np.mean([member.predict_proba(X) for member in members], axis=0)
    np.testing.assert_allclose(fitted.predict_proba(X), probabilities, rtol=1e-12)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), probabilities, rtol=1e-10)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(X, y) == np.mean(fitted.predict(X) == y)
    generated = np.mean([member.generate_missing(X) for member in members], axis=0)
    np.testing.assert_allclose(fitted.generate_missing(X), generated, rtol=1e-12)
    embedded = fitted.transform(X)
    assert embedded.shape == (len(X), 24) == (len(X), len(fitted.get_feature_names_out()))
    np.testing.assert_array_equal(embedded[:, 8:16], members[1].transform(X))


def test_draws_are_of_all_members(fitted, digits):
    X = digits[0][:5]
    draws = fitted.generate_missing(X, 3000, random_state=0)
    assert draws.shape == (5, 3000, 6)
    members = enumerate(fitted.estimators_, 1)
    parts = [member.generate_missing(X, 1000, random_state=seed) for seed, member in members]
    each = np.concatenate(parts, axis=1)
    error = draws.std(axis=1) / np.sqrt(3000)
    assert np.all(np.abs(draws.mean(axis=1) - each.mean(axis=1)) < 6 * error)
    np.testing.assert_allclose(draws.std(axis=1), each.std(axis=1), rtol=0.15)
    again = fitted.generate_missing(X, 3000, random_state=0)
    np.testing.assert_array_equal(draws, again)


def test_single_draws_are_not_always_of_the_first(fitted, digits):
    """What the members generate is moved apart, which tells of whom a draw is."""
    X, M, _ = digits
    moved = copy.deepcopy(fitted)
    for number, member in enumerate(moved.estimators_):
        member.module_.decoder.heads[0].layer.bias.data += 1e4 * number

    def members_of(n_samples, seed):
        draws = moved.generate_missing(X[:1], n_samples, random_state=seed)[0, :, 0]
        return np.round(draws / M[:, 0].std() / 1e4).astype(int).tolist()

    assert {members_of(1, seed)[0] for seed in range(30)} == {0, 1, 2}
    assert sorted(members_of(3, 0)) == [0, 1, 2]
    assert sorted(np.bincount(members_of(7, 0)).tolist()) == [2, 2, 3]


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


def test_multilabel(ensemble, digits):
    X, M, y = digits
    indicator = np.stack([y == 0, y < 2], axis=1).astype(int)
    ensemble.fit(X, indicator, X_missing=M)
    assert ensemble.predict(X).shape == indicator.shape
    assert ensemble.score(X, indicator) > 0.7


def test_rows_without_labels(ensemble, digits):
    X, M, y = digits
    few = np.where(np.arange(len(y)) % 4 == 0, y, -1)
    with pytest.warns(UnlabelledRowsWarning, match="180 of the 240 rows") as said:
        ensemble.fit(X, few, X_missing=M)
    assert [each.category for each in said].count(UnlabelledRowsWarning) == 1
    assert ensemble.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="no label"):
        ensemble.score(X, few)


def test_search(ensemble, digits):
    X, M, y = digits
    grid = {"estimator__omega": [0.2, 0.8], "estimator__objective__decode_prior": [0.5]}
    found = GridSearchCV(ensemble, grid, cv=2, error_score="raise").fit(X, y, X_missing=M)
    assert found.best_estimator_.generate_missing(X[:2]).shape == (2, 6)
    assert found.best_score_ > 0.8


def test_pipeline_and_routing(ensemble, digits):
    X, M, y = digits
    pipe = make_pipeline(StandardScaler(), ensemble).fit(X, y, cmmdensemble__X_missing=M)
    assert pipe.score(X, y) > 0.8
    with sklearn.config_context(enable_metadata_routing=True):
        routed = GridSearchCV(ensemble.set_fit_request(X_missing=True), {"n_estimators": [2]}, cv=2)
        assert routed.fit(X, y, X_missing=M).best_estimator_.estimators_[0].missing_


def test_same_seed_same_fit(ensemble, digits):
    X, M, y = digits
    first, second = (clone(ensemble).fit(X, y, X_missing=M).transform(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = clone(ensemble).set_params(random_state=1).fit(X, y, X_missing=M)
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
        ({"n_estimators": 0}, ValueError, "The 'n_estimators' parameter of CMMDEnsemble"),
        ({"estimator__omega": 2}, ValueError, "The 'omega' parameter of CMMDClassifier"),
    ],
)
def test_wrong_parameters(ensemble, digits, no_training, params, error, match):
    X, M, y = digits
    with pytest.raises(error, match=match):
        ensemble.set_params(**params).fit(X, y, X_missing=M)


def test_an_error_leaves_the_fit_as_it_was(fitted, digits):
    X, _, y = digits
    before = fitted.predict_proba(X)
    with pytest.raises(ValueError, match=r"inconsistent|rows"):
        fitted.fit(X, y[:-1])
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_progress_is_shown(ensemble, digits, capsys):
    X, M, y = digits
    ensemble.set_params(estimator__verbose=1).fit(X, y, X_missing=M)
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
