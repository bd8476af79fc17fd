"""Permutation importance of modalities: against scikit-learn, brute force, and what is known."""

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, log_loss

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality
from sklearn_cmmd.inspection import permutation_importance_by_view
from sklearn_cmmd.metrics import crps, make_generation_scorer, neg_missing_rmse_scorer

N = 200
RNG = np.random.default_rng(0)
SIGNAL, NOISE, OTHER = RNG.normal(size=(N, 3)), RNG.normal(size=(N, 4)), RNG.normal(size=(N, 2, 2))
Y = (SIGNAL.sum(axis=1) > 0).astype(int)
M = 10 * OTHER.reshape(N, 4) @ RNG.normal(size=(4, 2)) + RNG.normal(size=(N, 2))
VIEWS = {"signal": SIGNAL, "noise": NOISE, "other": OTHER}
TINY = {"hidden_layer_sizes": (16,), "latent_dim": 4, "max_epochs": 25, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    return CMMDClassifier(**TINY).fit(VIEWS, Y, X_missing=M)


def test_what_matters_is_found_for_the_label_and_for_the_generated_view(fitted):
    found = permutation_importance_by_view(fitted, VIEWS, Y, M, random_state=0)
    label, view = (found[name].importances_mean for name in ("score", "neg_missing_rmse"))
    assert set(label) == set(view) == set(VIEWS)
    assert label["signal"] > 0.25 > 3 * max(label["noise"], label["other"])
    assert view["other"] > 0.25 > 3 * max(view["noise"], view["signal"])


def test_bunches_have_the_fields_of_scikit_learn(fitted):
    found = permutation_importance_by_view(fitted, VIEWS, Y, n_repeats=7, random_state=0)
    assert set(found) == {"importances_mean", "importances_std", "importances"}
    for view in VIEWS:
        each = found.importances[view]
        assert each.shape == (7,)
        assert found.importances_mean[view] == pytest.approx(np.mean(each))
        assert found.importances_std[view] == pytest.approx(np.std(each))
    assert pd.DataFrame(found.importances).shape == (7, 3)


def test_views_of_one_column_have_the_importances_of_scikit_learn():
    views = [Modality(f"c{i}", columns=[i]) for i in range(3)]
    clf = CMMDClassifier(**TINY | {"max_epochs": 10}, observed=views).fit(SIGNAL, Y)
    ours = permutation_importance_by_view(clf, SIGNAL, Y, n_repeats=25, random_state=0)
    theirs = permutation_importance(clf, SIGNAL, Y, n_repeats=25, random_state=1)
    error = np.hypot(list(ours.importances_std.values()), theirs.importances_std) / np.sqrt(25)
    difference = list(ours.importances_mean.values()) - theirs.importances_mean
    assert (np.abs(difference) < 4 * error).all()


def test_importances_are_scores_minus_scores_of_rows_whose_view_moved_as_a_whole(fitted):
    seen = []

    def accuracy(estimator, X, y):
        seen.append(X)
        return accuracy_score(y, estimator.predict(X))

    found = permutation_importance_by_view(
        fitted, VIEWS, Y, scoring=accuracy, n_repeats=2, random_state=0
    )
    usual, *shuffled = seen
    for key, part in VIEWS.items():
        np.testing.assert_array_equal(usual[key], part)
    for number, views in enumerate(shuffled):
        moved = list(VIEWS)[number // 2]
        for key, part in views.items():
            assert part.shape == VIEWS[key].shape
            flat, before = part.reshape(N, -1), VIEWS[key].reshape(N, -1)
            assert (key == moved) == (flat != before).any()
            np.testing.assert_array_equal(np.unique(flat, axis=0), np.unique(before, axis=0))
        want = fitted.score(VIEWS, Y) - fitted.score(views, Y)
        assert found.importances[moved][number % 2] == pytest.approx(want)


def test_several_scores_come_by_their_names(fitted):
    found = permutation_importance_by_view(
        fitted, VIEWS, Y, scoring=["accuracy", "neg_log_loss"], random_state=0
    )
    assert set(found) == {"accuracy", "neg_log_loss"}
    alone = permutation_importance_by_view(fitted, VIEWS, Y, scoring="accuracy", random_state=0)
    assert found["accuracy"].importances_mean == alone.importances_mean
    assert found["neg_log_loss"].importances_mean["signal"] > 0


def test_weights_reach_the_scores(fitted):
    weight = np.where(np.arange(N) < 50, 1.0, 0.0)
    seen = []

    def loss(estimator, X, y, sample_weight=None):
        seen.append(sample_weight)
        return -log_loss(y, estimator.predict_proba(X), sample_weight=sample_weight)

    asked = {"n_repeats": 1, "random_state": 0, "sample_weight": weight}
    permutation_importance_by_view(fitted, VIEWS, Y, scoring=loss, **asked)
    assert all(each is weight for each in seen)
    assert len(seen) == 4


def test_scorers_of_the_generated_view_get_it_among_others(fitted):
    scoring = {
        "accuracy": "accuracy",
        "crps": make_generation_scorer(crps, response="draws", scale="std"),
        "rmse": neg_missing_rmse_scorer,
    }
    asked = {"n_repeats": 2, "random_state": 0}
    found = permutation_importance_by_view(fitted, VIEWS, Y, M, scoring=scoring, **asked)
    usual = permutation_importance_by_view(fitted, VIEWS, Y, M, **asked)
    assert set(found) == set(scoring)
    assert found["rmse"].importances_mean == usual["neg_missing_rmse"].importances_mean
    assert found["accuracy"].importances_mean == usual["score"].importances_mean
    assert found["crps"].importances_mean["other"] > found["crps"].importances_mean["noise"]
    with pytest.raises(ValueError, match="Pass X_missing of the rows"):
        permutation_importance_by_view(fitted, VIEWS, Y, scoring=scoring)


def test_all_forms_of_one_table_give_the_same():
    table = np.hstack([SIGNAL, NOISE])
    by_number = [Modality("signal", slice(0, 3)), Modality("noise", slice(3, 7))]
    names = list("abcdefg")
    by_name = [Modality("signal", names[:3]), Modality("noise", names[3:])]
    asked, params = {"n_repeats": 2, "random_state": 3}, TINY | {"max_epochs": 4}
    clf = CMMDClassifier(**params, observed=by_number).fit(table, Y)
    want = permutation_importance_by_view(clf, table, Y, **asked)
    for observed, X in [
        (by_number, sp.csr_matrix(table)),
        (by_name, pd.DataFrame(table, columns=names, index=range(5, 5 + N))),
        (None, {"signal": SIGNAL, "noise": pd.DataFrame(NOISE, columns=names[3:])}),
    ]:
        clf = CMMDClassifier(**params, observed=observed).fit(X, Y)
        found = permutation_importance_by_view(clf, X, Y, **asked)
        assert found.importances_mean == pytest.approx(want.importances_mean)


def test_rows_keep_what_they_have_and_lack():
    views = {"a": SIGNAL.copy(), "b": NOISE.copy()}
    views["a"][:90], views["b"][90:150] = np.nan, np.nan
    clf = CMMDClassifier(**TINY | {"max_epochs": 2}, optional="all").fit(views, Y)
    seen = []

    def score(estimator, X, y):
        seen.append({key: np.isnan(part) for key, part in X.items()})
        return estimator.score(X, y)

    permutation_importance_by_view(clf, views, Y, scoring=score, random_state=0)
    for lacks in seen:
        np.testing.assert_array_equal(lacks["a"], np.isnan(views["a"]))
        np.testing.assert_array_equal(lacks["b"], np.isnan(views["b"]))


def test_regressors_transformers_and_ensembles():
    few = TINY | {"max_epochs": 3}
    reg = CMMDRegressor(**few).fit(VIEWS, SIGNAL[:, 0])
    assert set(permutation_importance_by_view(reg, VIEWS, SIGNAL[:, 0]).importances) == set(VIEWS)
    embed = CMMDTransformer(**few).fit(VIEWS, X_missing=M)
    asked = {"n_repeats": 2, "random_state": 0}
    alone = permutation_importance_by_view(embed, VIEWS, X_missing=M, **asked)
    assert alone.importances_mean["other"] > max(
        alone.importances_mean["signal"], alone.importances_mean["noise"]
    )
    ensemble = CMMDEnsemble(CMMDClassifier(**few), n_estimators=2, random_state=0)
    ensemble.fit(VIEWS, Y, X_missing=M)
    found = permutation_importance_by_view(ensemble, VIEWS, Y, M, **asked)
    assert set(found) == {"score", "neg_missing_rmse"}


def test_one_seed_gives_one_result_with_any_number_of_jobs(fitted):
    with joblib.parallel_config("threading"):
        one, two, other = (
            permutation_importance_by_view(fitted, VIEWS, Y, n_jobs=jobs, random_state=seed)
            for jobs, seed in [(None, 0), (2, 0), (None, 1)]
        )
    assert one.importances_mean == two.importances_mean != other.importances_mean


def test_what_cannot_be_scored_is_refused(fitted):
    with pytest.raises(ValueError, match="nothing to score"):
        permutation_importance_by_view(fitted, VIEWS)
    with pytest.raises(ValueError, match="n_repeats must be a positive int"):
        permutation_importance_by_view(fitted, VIEWS, Y, n_repeats=0)
    without = CMMDClassifier(**TINY | {"max_epochs": 1}).fit(VIEWS, Y)
    with pytest.raises(ValueError, match="fitted without X_missing"):
        permutation_importance_by_view(without, VIEWS, X_missing=M)
    with pytest.raises(ValueError, match="X must have the modalities"):
        permutation_importance_by_view(fitted, {"signal": SIGNAL}, Y)
