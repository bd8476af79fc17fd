"""StackedGridSearchCV against scikit-learn's GridSearchCV, in every way that it is used."""

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ParameterGrid,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality, _stacks
from sklearn_cmmd.model_selection import StackedGridSearchCV
from sklearn_cmmd.training.engine import CMMDNet

pytestmark = pytest.mark.usefixtures("in_float64")

GRID = {"omega": [0.1, 0.9], "alpha": [1, 100]}


@pytest.fixture
def clf(small):
    return CMMDClassifier(**small | {"max_epochs": 6, "early_stopping": True})


@pytest.fixture
def no_single_fits(monkeypatch):
    """Fail the test if a network is trained alone."""
    monkeypatch.setattr(CMMDNet, "partial_fit", lambda *args: pytest.fail("trained alone"))


def both(estimator, grid, X, y, fit=None, **params):
    """Run the search of scikit-learn and ours, and compare everything but the times."""
    fit = fit or {}
    # In this process, where it is in float64.
    theirs = GridSearchCV(clone(estimator), grid, **params | {"n_jobs": None}).fit(X, y, **fit)
    ours = StackedGridSearchCV(clone(estimator), grid, **params).fit(X, y, **fit)
    assert list(theirs.cv_results_) == list(ours.cv_results_)
    assert repr(theirs.cv_results_["params"]) == repr(ours.cv_results_["params"])
    for name, values in theirs.cv_results_.items():
        if "time" not in name and "param" not in name:
            mine = ours.cv_results_[name]
            np.testing.assert_allclose(mine, values, rtol=1e-8, atol=1e-10, err_msg=name)
    for name in ("n_splits_", "best_index_", "multimetric_"):
        assert getattr(theirs, name, None) == getattr(ours, name, None)
    return theirs, ours


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_results_are_those_of_grid_search(digits, clf, n_jobs):
    X, M, y = digits
    n_threads = torch.get_num_threads()
    theirs, ours = both(
        clf, GRID, X, y, {"X_missing": M}, cv=3, n_jobs=n_jobs, return_train_score=True
    )
    assert ours.stack_sizes_ == ([12] if n_jobs is None else [6, 6])
    assert (ours.cv_results_["mean_fit_time"] > 0).all()
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8)
    assert ours.best_estimator_.generate_missing(X).shape == M.shape
    assert type(ours.best_estimator_) is CMMDClassifier
    assert torch.get_num_threads() == n_threads
    assert ours.n_jobs == n_jobs
    assert ours.cv == 3


def test_no_model_is_trained_alone(digits, clf, no_single_fits):
    X, M, y = digits
    search = StackedGridSearchCV(clf, GRID, cv=3, refit=False).fit(X, y, X_missing=M)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not hasattr(search, "best_estimator_")


def test_several_scores(digits, clf):
    X, M, y = digits
    scoring = ["accuracy", "neg_log_loss", "roc_auc_ovr"]
    both(clf, GRID, X, y, {"X_missing": M}, cv=2, scoring=scoring, refit="neg_log_loss")
    both(
        clf,
        GRID,
        X,
        y,
        {"X_missing": M},
        cv=2,
        scoring=lambda est, X, y: {"mean": est.transform(X).mean(), "acc": est.score(X, y)},
        refit=lambda results: int(results["mean_test_acc"].argmax()),
    )


def test_several_grids_with_other_networks(digits, clf):
    X, M, y = digits
    grid = [GRID, {"prior_hidden": [(16,), (16, 8)], "latent_dim": [3, 8]}]
    _, ours = both(clf, grid, X, y, {"X_missing": M}, cv=2)
    assert sorted(ours.stack_sizes_) == [2, 2, 2, 2, 8]


@pytest.mark.parametrize("routing", [False, True], ids=["routing off", "routing on"])
def test_weights_and_groups(digits, clf, routing):
    X, M, y = digits
    groups = np.arange(240) // 7
    weight = np.random.RandomState(0).uniform(0.5, 2, size=240)
    fit = {"X_missing": M, "sample_weight": weight, "groups": groups}
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            clf.set_fit_request(X_missing=True, sample_weight=True)
            clf.set_score_request(sample_weight=True)
            assert GroupKFold(3).get_metadata_routing().split.requests["groups"]
        _, ours = both(clf, GRID, X, y, fit, cv=GroupKFold(3))
    assert sum(ours.stack_sizes_) == 12


FORMS = {
    "frame": lambda a: pd.DataFrame(a, index=np.arange(len(a))[::-1]).rename(columns=str),
    "sparse": sp.csr_array,
    "float32": lambda a: a.astype(np.float32),
    "slice dict": lambda a: SliceDict(**{f"{a.shape[1]}a": a[:, :3], f"{a.shape[1]}b": a[:, 3:]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data(digits, clf, form):
    X, M, y = digits
    X, M = FORMS[form](X), FORMS[form](M)
    labels = np.array(["a", "b", "c"])[y]
    both(clf, {"omega": [0.1, 0.9]}, X, labels, {"X_missing": M}, cv=2)


def test_splits_are_drawn_once(digits, clf):
    """A splitter that shuffles anew at each call still scores rows that were held out."""
    X, M, y = digits

    class Counting(ShuffleSplit):
        calls = 0

        def split(self, *args, **kwargs):
            Counting.calls += 1
            return super().split(*args, **kwargs)

    cv = Counting(3, test_size=0.3)
    search = StackedGridSearchCV(clf, GRID, cv=cv).fit(X, y, X_missing=M)
    assert Counting.calls == 1
    assert search.cv is cv


def test_seeds(digits, clf):
    X, M, y = digits
    both(clf, {"random_state": [0, 1]}, X, y, {"X_missing": M}, cv=2)
    drawn = clone(clf).set_params(random_state=np.random.RandomState(0))
    both(drawn, GRID, X, y, {"X_missing": M}, cv=2)
    free = clone(clf).set_params(random_state=None)
    search = StackedGridSearchCV(free, GRID, cv=2).fit(X, y, X_missing=M)
    assert sum(search.stack_sizes_) == 8


def test_transformer_without_labels(digits, small):
    X, M, _ = digits
    embed = CMMDTransformer(**small | {"max_epochs": 5})

    def score(estimator, X, y=None):
        return -float(np.abs(estimator.generate_missing(X)).mean())

    both(embed, GRID, X, None, {"X_missing": M}, cv=KFold(2), scoring=score)


def test_callbacks_are_called_in_single_fits(digits, clf):
    X, M, y = digits
    scored = EpochScoring("accuracy", name="accuracy", lower_is_better=False)
    grid = {"omega": [0.2, 0.8], "callbacks": [None, [scored]]}
    _, ours = both(clf, grid, X, y, {"X_missing": M}, cv=2)
    assert ours.stack_sizes_ == [4]


def body(shape):
    return torch.nn.Linear(47, 5)


def test_users_networks_are_fitted_alone_in_the_same_search(digits, clf):
    X, M, y = digits
    grid = {"observed": [None, [Modality("a", network=body)]], "omega": [0.2, 0.8]}
    _, ours = both(clf, grid, X, y, {"X_missing": M}, cv=2)
    assert ours.stack_sizes_ == [4]
    assert (ours.cv_results_["mean_fit_time"] > 0).all()


def test_in_a_pipeline_and_around_one(digits, clf):
    X, M, y = digits
    pipe = make_pipeline(StandardScaler(), clf)
    grid = {"cmmdclassifier__omega": [0.2, 0.8]}
    _, ours = both(pipe, grid, X, y, {"cmmdclassifier__X_missing": M}, cv=2)
    assert ours.stack_sizes_ == []
    with sklearn.config_context(enable_metadata_routing=True):
        search = StackedGridSearchCV(clone(clf).set_fit_request(X_missing=True), GRID, cv=2)
        outer = make_pipeline(StandardScaler(), search).fit(X, y, X_missing=M)
        assert outer.score(X, y) > 0.5
        scores = cross_val_score(search, X, y, cv=2, params={"X_missing": M})
    assert (scores > 0.4).all()


def test_other_estimators_are_searched_as_ever(digits):
    X, _, y = digits
    both(LogisticRegression(max_iter=1000), {"C": [0.1, 1]}, X, y, cv=2)


class TestFailures:
    def test_a_candidate_that_diverges(self, digits, clf):
        X, M, y = digits
        grid = {"learning_rate": [5e-3, 1e30]}
        with pytest.warns(FitFailedWarning, match="2 fits failed"):
            _, ours = both(clf, grid, X, y, {"X_missing": M}, cv=2, error_score=-1.0)
        assert ours.cv_results_["mean_test_score"][1] == -1

    def test_a_candidate_that_is_refused(self, digits, clf):
        X, M, y = digits
        grid = {"batch_size": [50, 10_000]}
        with pytest.warns((FitFailedWarning, UserWarning), match="fits failed|non-finite"):
            both(clf, grid, X, y, {"X_missing": M}, cv=2)

    def test_a_refused_candidate_shifts_no_other(self, digits, clf):
        X, M, y = digits
        with pytest.warns((FitFailedWarning, UserWarning), match="fits failed|non-finite"):
            theirs, ours = both(clf, {"omega": [2.0, 0.0, 1.0]}, X, y, {"X_missing": M}, cv=2)
        assert ours.best_params_ == theirs.best_params_
        assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))

    def test_raised_if_asked_for(self, digits, clf):
        X, M, y = digits
        search = StackedGridSearchCV(clf, {"omega": [0.5, 7]}, cv=2, error_score="raise")
        with pytest.raises(ValueError, match="'omega' parameter"):
            search.fit(X, y, X_missing=M)
        assert search.cv == 2
        assert not hasattr(search, "_fits")

    def test_misspelt_parameter(self, digits, clf, no_single_fits):
        X, M, y = digits
        with pytest.raises(ValueError, match="Invalid parameter 'omegga'"):
            StackedGridSearchCV(clf, {"omegga": [0.5]}).fit(X, y, X_missing=M)

    def test_scoring_that_does_not_exist(self, digits, clf, no_single_fits):
        X, M, y = digits
        with pytest.raises(ValueError, match="scoring"):
            StackedGridSearchCV(clf, GRID, scoring="acuracy").fit(X, y, X_missing=M)

    def test_device_that_does_not_exist(self, digits, clf, no_single_fits):
        X, M, y = digits
        with pytest.raises(ValueError, match="cuda:99"):
            StackedGridSearchCV(clf, GRID, devices=["cpu", "cuda:99"]).fit(X, y, X_missing=M)

    def test_rows_that_do_not_match(self, digits, clf, no_single_fits):
        X, M, y = digits
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            StackedGridSearchCV(clf, GRID, cv=2).fit(X, y[:-1], X_missing=M)


def test_cut_by_memory(digits, clf, monkeypatch):
    X, M, y = digits
    room = 2 * 5 * _stacks.bytes_of(clone(clf)._prepare(X[:120], y[:120], M[:120]))
    monkeypatch.setattr(_stacks, "_free_bytes", lambda device: room)
    _, ours = both(clf, GRID, X, y, {"X_missing": M}, cv=3)
    assert max(ours.stack_sizes_) <= 5
    assert sum(ours.stack_sizes_) == 12


def test_it_says_what_it_does(digits, clf, capsys):
    X, M, y = digits
    StackedGridSearchCV(clf, GRID, cv=2, verbose=1, refit=False).fit(X, y, X_missing=M)
    out, err = capsys.readouterr()
    assert "Training 8 models in 1 stacks of at most 8" in out
    assert "48/48" in err
    StackedGridSearchCV(clf, GRID, cv=2, refit=False).fit(X, y, X_missing=M)
    assert capsys.readouterr() == ("", "")


def test_inside_a_parallel_context(digits, clf):
    X, M, y = digits
    plain = StackedGridSearchCV(clf, GRID, cv=2).fit(X, y, X_missing=M)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        search = StackedGridSearchCV(clf, GRID, cv=2).fit(X, y, X_missing=M)
    assert search.best_params_ == plain.best_params_
    assert np.array_equal(search.predict_proba(X), plain.predict_proba(X))


def test_modalities_in_another_order_have_other_gaps(digits, clf):
    X, M, y = digits
    M = np.where(M.mean(axis=0) < M, 1.0, 0.0)
    M[::3, :2] = np.nan
    a, b = Modality("a", columns=[0, 1]), Modality("b", columns=[2, 3, 4, 5])
    grid = {"missing": [[a, b], [b, a]]}
    both(clf, grid, X, y, {"X_missing": M}, cv=2, scoring="neg_log_loss")


def test_folds_with_other_numbers_of_labels(digits, clf):
    """Their minibatches differ in size, although their rows are equally many."""
    X, M, y = digits
    y = np.where(np.arange(len(y)) < 60, y, -1)
    folds = [(np.r_[0:6, 60:134], np.r_[40:60]), (np.r_[0:12, 60:128], np.r_[40:60])]
    clf.set_params(early_stopping=False, batch_size=50)
    _, ours = both(clf, GRID, X, y, {"X_missing": M}, cv=folds, scoring="neg_log_loss")
    assert ours.stack_sizes_ == [8]


@pytest.mark.parametrize("name", ["warm_start", "random_state"])
def test_what_is_fitted_alone_is_as_new(digits, clf, monkeypatch, name):
    """No trace is left of the attempt to stack it."""
    X, M, y = digits
    params = {name: True if name == "warm_start" else np.random.RandomState(0)}
    monkeypatch.setattr(_stacks, "CACHED_NUMBERS", 200_000)
    grid = {"prior_hidden": [(8,), (2000,)]}
    clf.set_params(**params)
    for fit in ({}, {"X_missing": M}):
        _, ours = both(clf, grid, X, y, fit, cv=2, scoring="neg_log_loss")
        assert ours.stack_sizes_ == [2]


def test_fitted_alone_with_the_rows_of_the_fold(digits, clf):
    X, M, y = digits
    rows = np.arange(len(y)) % 2 == 0
    fitted, _ = _stacks.fit_alone(clone(clf), X, y, {"X_missing": M}, np.flatnonzero(rows))
    want = clone(clf).fit(X[rows], y[rows], X_missing=M[rows])
    assert np.array_equal(fitted.predict_proba(X), want.predict_proba(X))


def test_devices_share_the_folds(digits, clf):
    X, M, y = digits
    search = StackedGridSearchCV(clf, GRID, cv=2, devices=["cpu"]).fit(X, y, X_missing=M)
    plain = GridSearchCV(clf, GRID, cv=2).fit(X, y, X_missing=M)
    assert np.allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert search.best_estimator_.device == "auto"


def test_parameters_are_those_of_grid_search(clf):
    search = StackedGridSearchCV(clf, GRID, cv=2, devices=["cpu"])
    theirs = GridSearchCV(clf, GRID, cv=2).get_params()
    mine = clone(search).get_params()
    assert set(mine) == set(theirs) | {"devices"}
    assert mine["devices"] == ["cpu"]
    assert len(ParameterGrid(mine["param_grid"])) == 4


def test_large_networks_are_left_to_grid_search(digits, clf, monkeypatch):
    """A stack of them would outgrow the cache of a CPU."""
    X, M, y = digits
    monkeypatch.setattr(_stacks, "CACHED_NUMBERS", 1000)
    _, ours = both(clf, GRID, X, y, {"X_missing": M}, cv=2)
    assert ours.stack_sizes_ == []
    assert (ours.cv_results_["mean_fit_time"] > 0).all()


def test_stacks_stay_near_the_cache(digits, clf, monkeypatch):
    X, M, y = digits
    numbers = _stacks.activations_of(clone(clf)._prepare(X[:160], y[:160], M[:160]))
    monkeypatch.setattr(_stacks, "CACHED_NUMBERS", 9 * numbers)
    _, ours = both(clf, GRID, X, y, {"X_missing": M}, cv=3)
    assert ours.stack_sizes_ == [6, 6]
