"""Every tool of scikit-learn, with X_missing passed the way a user would.

`Paired` notes whether the rows of X_missing that reach `fit` are those of X, so that a tool that
passed them on unsliced or in another order would be caught.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDTransformer
from sklearn_cmmd.exceptions import TiedSearchWarning

GRID = {"omega": [0.0, 1.0], "lam": [10]}


class Paired(CMMDClassifier):
    """Checks that each row of X_missing begins with the first entry of its row of X."""

    def fit(self, X, y, X_missing=None, sample_weight=None):
        assert X_missing is not None, "X_missing did not arrive"
        np.testing.assert_allclose(first_column(X), first_column(X_missing))
        return super().fit(X, y, X_missing, sample_weight)


def first_column(data):
    if isinstance(data, dict):
        data = next(iter(data.values()))
    return data.toarray()[:, 0] if sp.issparse(data) else np.asarray(data)[:, 0]


@pytest.fixture
def data(digits):
    X, M, y = digits
    return X, np.c_[X[:, 0], M], y


@pytest.fixture
def paired(small):
    return Paired(**small | {"max_epochs": 10})


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


SEARCHES = {
    "grid": lambda clf, **kw: GridSearchCV(clf, GRID, cv=2, error_score="raise", **kw),
    "randomized": lambda clf, **kw: RandomizedSearchCV(
        clf, GRID, n_iter=2, cv=2, error_score="raise", random_state=0, **kw
    ),
    "halving": lambda clf, **kw: HalvingGridSearchCV(
        clf, GRID, cv=2, min_resources=120, error_score="raise", random_state=0, **kw
    ),
}

FORMS = {
    "array": lambda a: a,
    "frame": lambda a: pd.DataFrame(a, index=np.arange(len(a))[::-1]),
    "sparse": sp.csr_array,
    "slice dict": lambda a: SliceDict(**{f"{a.shape[1]}a": a[:, :3], f"{a.shape[1]}b": a[:, 3:]}),
    "memmap": None,
}


@pytest.fixture(params=FORMS)
def form(request, tmp_path):
    if request.param != "memmap":
        return FORMS[request.param]

    def memmap(array):
        path = tmp_path / f"{array.shape[1]}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")

    return memmap


def searched(search, clf, data, form):
    X, M, y = data
    found = SEARCHES[search](clf).fit(form(X), y, X_missing=form(M))
    assert found.best_params_["omega"] in GRID["omega"]
    assert found.best_score_ > 0.5
    assert found.predict(form(X)).shape == (240,)
    generated = found.best_estimator_.generate_missing(form(X))
    assert len(first_column(generated)) == 240
    assert found.transform(form(X)).shape == (240, 8)


@pytest.mark.parametrize("search", SEARCHES)
def test_searches(data, paired, routing, search):
    searched(search, paired, data, FORMS["array"])


def test_a_search_of_every_form(data, paired, form):
    searched("grid", paired, data, form)


def test_search_in_two_processes(data, small, routing):
    X, M, y = data
    clf = CMMDClassifier(**small | {"max_epochs": 3})
    serial, parallel = (
        SEARCHES["grid"](clone(clf), n_jobs=n).fit(X, y, X_missing=M) for n in (1, 2)
    )
    for key in serial.cv_results_:
        if key.startswith(("split", "mean_test", "rank")):
            assert np.array_equal(serial.cv_results_[key], parallel.cv_results_[key]), key
    assert np.array_equal(serial.predict_proba(X), parallel.predict_proba(X))


def test_search_with_weights(data, paired, routing):
    X, M, y = data
    weight = np.random.RandomState(0).uniform(1, 2, size=240)
    clf = paired
    if routing:
        clf.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    search = SEARCHES["grid"](clf).fit(X, y, X_missing=M, sample_weight=weight)
    assert search.best_score_ > 0.5


def test_cross_validate(data, paired, routing, form):
    X, M, y = data
    results = cross_validate(
        paired,
        form(X),
        y,
        cv=2,
        params={"X_missing": form(M)},
        error_score="raise",
        return_train_score=True,
    )
    assert (results["test_score"] > 0.5).all()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_cross_val_predict(data, paired, form, method):
    X, M, y = data
    paired.set_params(max_epochs=1)
    out = cross_val_predict(paired, form(X), y, cv=2, params={"X_missing": form(M)}, method=method)
    assert len(out) == 240


def test_cross_val_predict_with_routing_and_without(data, paired, routing):
    X, M, y = data
    paired.set_params(max_epochs=1)
    assert len(cross_val_predict(paired, X, y, cv=2, params={"X_missing": M})) == 240


def test_pipeline(digits, small, routing):
    X, M, y = digits
    clf = CMMDClassifier(**small)
    pipe = make_pipeline(StandardScaler(), clf)
    pipe.fit(X, y, **{"X_missing" if routing else "cmmdclassifier__X_missing": M})
    assert pipe.score(X, y) > 0.7


def test_search_over_a_pipeline(digits, small, routing):
    X, M, y = digits
    embed = CMMDTransformer(**small | {"max_epochs": 10})
    pipe = make_pipeline(StandardScaler(), embed, LogisticRegression())
    search = GridSearchCV(
        pipe, {"cmmdtransformer__omega": [0, 1]}, cv=2, n_jobs=2, error_score="raise"
    )
    search.fit(X, y, **{"X_missing" if routing else "cmmdtransformer__X_missing": M})
    assert search.best_score_ > 0.5


def test_calibrated_classifier(data, paired, routing, form):
    X, M, y = data
    clf = CalibratedClassifierCV(paired.set_params(max_epochs=1), cv=2)
    clf.fit(form(X), y, X_missing=form(M))
    assert clf.predict_proba(form(X)).shape == (240, 3)


class TestEnsembles:
    """scikit-learn's ensembles pass extra arrays on where routing is on, and refuse them else."""

    @pytest.mark.parametrize(
        "ensemble",
        [
            lambda clf: BaggingClassifier(clf, n_estimators=2, random_state=0),
            lambda clf: BaggingClassifier(clf, n_estimators=2, max_samples=0.5, random_state=0),
            lambda clf: VotingClassifier([("a", clf), ("b", clf)], voting="soft"),
            lambda clf: StackingClassifier([("a", clf)], final_estimator=clf, cv=2),
        ],
        ids=["bagging", "bagging of half", "voting", "stacking"],
    )
    def test_with_routing(self, digits, small, ensemble):
        X, M, y = digits
        M = np.c_[X[:, 0], M]
        with sklearn.config_context(enable_metadata_routing=True):
            base = PairedUnlessStacked(**small | {"max_epochs": 10})
            clf = ensemble(base).fit(X, y, X_missing=M)
        assert clf.score(X, y) > 0.5

    def test_without_routing_they_say_so(self, data, paired):
        X, M, y = data
        with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
            BaggingClassifier(paired).fit(X, y, X_missing=M)

    def test_stacking_of_fitted_classifiers(self, data, paired):
        """The way without routing, and with any final estimator."""
        X, M, y = data
        fitted = paired.fit(X[:160], y[:160], X_missing=M[:160])
        stack = StackingClassifier([("cmmd", fitted)], LogisticRegression(), cv="prefit")
        stack.fit(X[160:], y[160:])
        assert stack.score(X, y) > 0.5

    def test_bagging_without_missing_views(self, digits, small):
        X, _, y = digits
        clf = BaggingClassifier(CMMDClassifier(**small), n_estimators=2, random_state=0)
        assert clf.fit(X, y).score(X, y) > 0.5


class PairedUnlessStacked(Paired):
    """As `Paired`; but a final estimator gets predictions for X, whose rows it cannot check."""

    def fit(self, X, y, X_missing=None, sample_weight=None):
        if X.shape[1] == 3:
            assert len(X) == len(X_missing)
            return CMMDClassifier.fit(self, X, y, X_missing, sample_weight)
        return super().fit(X, y, X_missing, sample_weight)


def test_permutation_importance(digits, small):
    """A column that is nothing but noise matters less than the rest."""
    X, M, y = digits
    X = np.c_[X[:, :6], np.random.RandomState(0).normal(size=240)]
    clf = CMMDClassifier(**small | {"max_epochs": 60}).fit(X, y, X_missing=M)
    importances = permutation_importance(clf, X, y, n_repeats=3, random_state=0).importances_mean
    assert importances[6] < importances[:6].max() / 3


def test_multimetric_search(data, paired):
    X, M, y = data
    search = GridSearchCV(
        paired, GRID, cv=2, scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"], refit="accuracy"
    )
    search.fit(X, y, X_missing=M)
    assert np.isfinite(search.cv_results_["mean_test_neg_log_loss"]).all()
    assert (search.cv_results_["mean_test_roc_auc_ovr"] > 0.5).all()


def test_clone_keeps_every_parameter(small):
    clf = CMMDClassifier(**small)
    params = [each.get_params() for each in (clf, clone(clf))]
    assert params[0].pop("networks") is not params[1].pop("networks")
    assert params[0] == params[1]
    assert params[0]["networks__activation"] == "relu"
    assert params[0]["objective__decode_prior"] == 0.5


def test_a_tie_of_all_candidates_is_said(digits, small):
    X, M, y = digits
    search = GridSearchCV(
        CMMDClassifier(**small | {"max_epochs": 1}),
        {"omega": [0.0, 0.5]},
        cv=2,
        scoring=lambda clf, X, y: 0.7,
    )
    with pytest.warns(TiedSearchWarning, match=r"takes the first one, {'omega': 0.0}") as caught:
        search.fit(X, y, X_missing=M)
    assert sum(issubclass(each.category, TiedSearchWarning) for each in caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiedSearchWarning)
        search.set_params(scoring=lambda clf, X, y: clf.omega).fit(X, y, X_missing=M)
        search.set_params(param_grid={"omega": [0.3]}).fit(X, y, X_missing=M)


def test_omega_zero_is_never_the_silent_winner(digits, small):
    X, M, y = digits
    clf = CMMDClassifier(**small | {"max_epochs": 1})
    search = GridSearchCV(clf, {"omega": [0.0, 0.3, 0.8]}, cv=2)
    search.set_params(scoring=lambda clf, X, y: float(clf.omega < 0.5))
    with pytest.warns(TiedSearchWarning, match="'omega': 0.0"):
        search.fit(X, y, X_missing=M)
    search.set_params(scoring=lambda clf, X, y: np.nan)
    with pytest.warns(TiedSearchWarning, match="or all have none"):
        search.fit(X, y, X_missing=M)


def test_labels_of_an_outer_estimator_are_not_those_of_a_fit_within(digits, small):
    X, _, y = digits
    clf = CMMDClassifier(**small | {"max_epochs": 1})
    several = np.column_stack([y, y])
    scores = cross_validate(
        MultiOutputClassifier(clf), X, several, cv=2, scoring=lambda *a: 1.0, error_score="raise"
    )
    assert scores["test_score"].tolist() == [1, 1]

    def by_classes(forest, X, numbers):
        y = (numbers > np.median(numbers)).astype(int)
        return clone(clf).fit(X, y).score(X, y)

    forest = RandomForestRegressor(2, random_state=0)
    cross_validate(forest, X, X[:, 0], cv=2, scoring=by_classes, error_score="raise")
