"""Scorers of the generated view in the tools of scikit-learn, beside loops by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer
from sklearn_cmmd.metrics import (
    crps,
    energy_score,
    interval_coverage,
    make_generation_scorer,
    missing_rmse,
    neg_coverage_error_scorer,
    neg_energy_score_scorer,
    neg_missing_rmse_scorer,
)
from tests.tiny import TINY, M, N, X, Y

SCORERS = {
    "rmse": neg_missing_rmse_scorer,
    "energy": neg_energy_score_scorer,
    "coverage": neg_coverage_error_scorer,
}


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def by_hand(estimator, candidates, X, y, M):
    """Return the mean score of each candidate."""
    splits = list(StratifiedKFold(2).split(X, y))
    return [
        np.mean(
            [
                -missing_rmse(
                    M[test],
                    clone(estimator)
                    .set_params(**candidate)
                    .fit(X[train], y[train], X_missing=M[train])
                    .generate_missing(X[test]),
                    scale="std",
                )
                for train, test in splits
            ]
        )
        for candidate in candidates
    ]


@pytest.mark.usefixtures("routing")
def test_a_search_scores_the_held_out_rows_and_takes_what_generates_best(digits, small):
    """One candidate learns, the other does not."""
    X, M, y = digits
    rates = [1e-9, 0.01]
    clf = CMMDClassifier(**small).set_params(networks__decoder_input="latent")
    asked = {"cv": 2, "scoring": neg_missing_rmse_scorer, "error_score": "raise"}
    search = GridSearchCV(clf, {"learning_rate": rates}, **asked).fit(X, y, X_missing=M)
    want = by_hand(clf, [{"learning_rate": rate} for rate in rates], X, y, M)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], want)
    assert want[1] > want[0] + 0.1
    assert search.best_params_ == {"learning_rate": 0.01}
    found = search.score(X, y, X_missing=M)
    assert found == neg_missing_rmse_scorer(search.best_estimator_, X, y, X_missing=M)


def test_a_context_around_the_search_is_enough():
    """Nothing has to be requested, and routing is off again afterwards."""
    search = GridSearchCV(
        CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, cv=2, scoring=neg_missing_rmse_scorer
    )
    with sklearn.config_context(enable_metadata_routing=True):
        search.fit(X, Y, X_missing=M)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not sklearn.get_config()["enable_metadata_routing"]


@pytest.mark.usefixtures("routing")
def test_two_processes_score_alike():
    clf, asked = CMMDClassifier(**TINY), {"cv": 2, "scoring": dict(SCORERS), "refit": "rmse"}
    searches = [
        GridSearchCV(clf, {"omega": [0.2, 0.8]}, **asked, n_jobs=n_jobs, error_score="raise")
        for n_jobs in (1, 2)
    ]
    for search in searches:
        search.fit(X, Y, X_missing=M)
    for name in SCORERS:
        one, other = (search.cv_results_[f"mean_test_{name}"] for search in searches)
        assert np.array_equal(one, other)


@pytest.mark.usefixtures("routing")
def test_multimetric_search_refits_by_either():
    """One candidate is made to classify, the other to generate."""
    grid = [
        {"alpha": [1e4], "learning_rate": [0.02], "objective__decode_prior": [1.0]},
        {"alpha": [1e-6], "learning_rate": [0.02], "objective__decode_prior": [0.0]},
    ]
    scoring = {"accuracy": "accuracy", "rmse": neg_missing_rmse_scorer}
    clf = CMMDClassifier(**TINY | {"max_epochs": 30})
    plain = GridSearchCV(clf, grid, cv=2, scoring="accuracy").fit(X, Y, X_missing=M)
    for refit in scoring:
        search = GridSearchCV(clf, grid, cv=2, scoring=scoring, refit=refit, error_score="raise")
        search.fit(X, Y, X_missing=M)
        best = search.cv_results_[f"mean_test_{refit}"].argmax()
        assert search.best_index_ == best
        assert np.array_equal(
            plain.cv_results_["mean_test_score"], search.cv_results_["mean_test_accuracy"]
        )


PIPELINES = {
    "at the end": lambda: make_pipeline(StandardScaler(), CMMDClassifier(**TINY)),
    "nested": lambda: make_pipeline(
        StandardScaler(), make_pipeline(FunctionTransformer(), CMMDClassifier(**TINY))
    ),
    "in the middle": lambda: make_pipeline(
        StandardScaler(), CMMDTransformer(**TINY), LogisticRegression()
    ),
    "first": lambda: make_pipeline(CMMDTransformer(**TINY), LogisticRegression()),
    "in a search": lambda: GridSearchCV(CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, cv=2),
}


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_what_generates_is_found_in_pipelines_and_searches(pipeline):
    scores = cross_val_score(
        pipeline(), X, Y, cv=2, params={"X_missing": M}, scoring=neg_missing_rmse_scorer,
        error_score="raise",
    )  # fmt: skip
    assert (scores < 0).all()


@pytest.mark.usefixtures("routing")
def test_a_pipeline_gives_the_steps_before_what_they_transform():
    scaled = StandardScaler().fit_transform(X)
    fitted = CMMDClassifier(**TINY).fit(scaled, Y, X_missing=M)
    pipe = make_pipeline(StandardScaler(), CMMDClassifier(**TINY)).fit(X, Y, X_missing=M)
    assert neg_missing_rmse_scorer(pipe, X, Y, X_missing=M) == pytest.approx(
        neg_missing_rmse_scorer(fitted, scaled, Y, X_missing=M)
    )


@pytest.mark.usefixtures("routing")
def test_other_tools_and_kinds():
    transformer, regressor = CMMDTransformer(**TINY), CMMDRegressor(**TINY)
    asked = {"cv": KFold(2), "scoring": neg_energy_score_scorer, "error_score": "raise"}
    found = cross_validate(transformer, X, params={"X_missing": M}, **asked)["test_score"]
    assert (found < 0).all()
    found = cross_validate(regressor, X, Y.astype(float), params={"X_missing": M}, **asked)
    assert (found["test_score"] < 0).all()
    search = HalvingGridSearchCV(
        CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, min_resources=20, random_state=0, **asked
    )
    assert search.fit(X, Y, X_missing=M).best_score_ < 0
    ensemble = CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0)
    asked["scoring"] = SCORERS
    found = cross_validate(ensemble, X, Y, params={"X_missing": M}, **asked)
    assert (found["test_coverage"] <= 0).all()


@pytest.mark.usefixtures("routing")
def test_mappings_frames_and_gaps_reach_the_scorer():
    gaps = np.where(np.arange(N)[:, None] % 3 == 0, np.nan, M)
    frames = pd.DataFrame(X), pd.DataFrame(gaps, columns=list("pqr"))
    views = SliceDict(a=X[:, :2], b=X[:, 2:]), SliceDict(c=gaps, d=M[:, :1])
    for x, missing in (frames, views):
        found = cross_validate(
            CMMDClassifier(**TINY), x, Y, cv=2, params={"X_missing": missing}, scoring=SCORERS,
            error_score="raise",
        )  # fmt: skip
        assert all(np.isfinite(found[f"test_{name}"]).all() for name in SCORERS)


@pytest.mark.usefixtures("routing")
def test_the_default_score_of_a_transformer_needs_no_request_either():
    search = GridSearchCV(CMMDTransformer(**TINY), {"latent_dim": [1, 2]}, cv=2)
    search.set_params(error_score="raise").fit(X, X_missing=M)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_scores_are_the_metrics():
    clf = CMMDClassifier(**TINY).fit(X, Y, X_missing=M)
    asked = {"X_missing": M}
    assert neg_missing_rmse_scorer(clf, X, **asked) == -missing_rmse(
        M, clf.generate_missing(X), scale="std"
    )
    draws = clf.generate_missing(X, n_samples=99, random_state=0)
    assert neg_energy_score_scorer(clf, X, Y, **asked) == -energy_score(M, draws, scale="std")
    ordered = np.sort(draws, axis=1)
    shares = interval_coverage(M, ordered[:, 4], ordered[:, 94], multioutput="raw_values")
    assert neg_coverage_error_scorer(clf, X, Y, **asked) == -np.abs(shares - 0.9).mean()
    weight = np.arange(N) % 2
    assert neg_missing_rmse_scorer(clf, X, Y, **asked, sample_weight=weight) == -missing_rmse(
        M, clf.generate_missing(X), scale="std", sample_weight=weight
    )
    few = make_generation_scorer(crps, response="draws", n_samples=5, scale=2.0)
    drawn = clf.generate_missing(X, n_samples=5, random_state=0)
    assert few(clf, X, Y, **asked) == -crps(M, drawn, scale=2.0)
    positive = make_generation_scorer(missing_rmse, greater_is_better=True)
    assert positive(clf, X, Y, **asked) == missing_rmse(M, clf.generate_missing(X))


def test_intervals_of_an_ensemble_are_its_own():
    ensemble = CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0)
    ensemble.fit(X, Y, X_missing={"a": M, "b": M[:, :1]})
    ends = ensemble.generate_intervals(X, 0.9)
    true = {"a": M, "b": M[:, :1]}
    shares = interval_coverage(true, *ends, multioutput="raw_values")
    want = np.mean([np.abs(share - 0.9).mean() for share in shares.values()])
    assert neg_coverage_error_scorer(ensemble, X, Y, X_missing=true) == -want


@pytest.mark.usefixtures("routing")
def test_weights_are_requested_of_a_copy():
    scorer = clone(neg_missing_rmse_scorer).set_score_request(sample_weight=True)
    clf = CMMDClassifier(**TINY).set_fit_request(sample_weight=True)
    weight = np.arange(N) % 2 + 1.0
    search = GridSearchCV(clf, {"omega": [0.5]}, cv=2, scoring=scorer, error_score="raise")
    search.fit(X, Y, X_missing=M, sample_weight=weight)
    unweighted = clone(search).set_params(scoring=neg_missing_rmse_scorer)
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="set_score_request"):
        unweighted.fit(X, Y, X_missing=M, sample_weight=weight)


@pytest.mark.usefixtures("routing")
def test_searches_with_a_scorer_are_cloned_and_pickled():
    search = GridSearchCV(
        CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, cv=2, scoring=neg_missing_rmse_scorer
    )
    scores = [
        each.fit(X, Y, X_missing=M).cv_results_["mean_test_score"]
        for each in (search, clone(search), pickle.loads(pickle.dumps(search)))
    ]
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])
    assert "GenerationScorer" in repr(search)


@pytest.mark.parametrize("scoring", [neg_missing_rmse_scorer, {"a": "accuracy", **SCORERS}])
def test_without_routing_a_search_ends_before_training(scoring, no_training):
    search = GridSearchCV(
        CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, cv=2, scoring=scoring, refit=False
    )
    with pytest.raises(ValueError, match=r"(?s)config_context\(enable_metadata_routing=True\)"):
        search.fit(X, Y, X_missing=M)
    weight = np.ones(N)
    with pytest.raises(ValueError, match=r"(?s)config_context\(enable_metadata_routing=True\)"):
        search.fit(X, Y, X_missing=M, sample_weight=weight)


def test_without_routing_an_ensemble_and_a_pipeline_say_so_too(no_training):
    for estimator, name in (
        (CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2), "X_missing"),
        (make_pipeline(StandardScaler(), CMMDClassifier(**TINY)), "cmmdclassifier__X_missing"),
    ):
        with pytest.raises(ValueError, match="does not reach the scorer"):
            cross_val_score(
                estimator, X, Y, cv=2, params={name: M}, scoring=neg_missing_rmse_scorer,
                error_score="raise",
            )  # fmt: skip


def test_other_scorers_without_routing_are_no_matter():
    found = cross_val_score(CMMDClassifier(**TINY), X, Y, cv=2, params={"X_missing": M})
    assert len(found) == 2


def test_wrong_calls_are_said():
    with pytest.raises(TypeError, match="LogisticRegression generates nothing"):
        neg_missing_rmse_scorer(LogisticRegression().fit(X, Y), X, Y, X_missing=M)
    with pytest.raises(ValueError, match="does not reach the scorer"):
        neg_missing_rmse_scorer(CMMDClassifier(**TINY).fit(X, Y, X_missing=M), X, Y)
    with pytest.raises(ValueError, match="response must be one of"):
        make_generation_scorer(crps, response="samples")


def test_both_averages_of_the_average_precision_are_scikit_learns():
    several = np.column_stack([Y == 0, Y == 1, X[:, 0] > 4]).astype(int)
    clf = CMMDClassifier(**TINY).fit(X, several, X_missing=M)
    by_label = average_precision_score(several, clf.predict_proba(X), average=None)
    assert get_scorer("average_precision")(clf, X, several) == pytest.approx(by_label.mean())
    micro = make_scorer(average_precision_score, average="micro", response_method="predict_proba")
    pooled = average_precision_score(several.ravel(), clf.predict_proba(X).ravel())
    assert micro(clf, X, several) == pytest.approx(pooled)
