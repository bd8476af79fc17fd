"""Checks of models: each passes on a sound model, and fails on one made to fail in that way."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mutual_info_score
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDRegressor,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
)
from sklearn_cmmd.inspection import ModelReport, check_model

pytestmark = pytest.mark.slow

TINY = {"hidden_layer_sizes": (16,), "latent_dim": 4, "max_epochs": 25, "random_state": 0}
RNG = np.random.default_rng(0)
N, N_TRAIN = 300, 200
X = RNG.normal(size=(N, 4))
SLOPES = RNG.normal(size=(4, 5))
M = X @ SLOPES + 0.5 * RNG.normal(size=(N, 5))
NOISE = RNG.normal(size=(N, 5))
Y = (X[:, 0] > 0).astype(int)


def halves(x=X, y=Y, m=M):
    """Return training rows and others, as check_model takes them."""
    return (x[:N_TRAIN], y[:N_TRAIN], m[:N_TRAIN]), (x[N_TRAIN:], y[N_TRAIN:], m[N_TRAIN:])


def fitted(estimator, train):
    return estimator.fit(train[0], train[1], X_missing=train[2])


def checked(m=M, y=Y, with_train=False, kind=CMMDClassifier, **params):
    train, rows = halves(m=m, y=y)
    model = fitted(kind(**TINY | params), train)
    return check_model(model, *rows, train=train if with_train else None)


@pytest.fixture(scope="module")
def sound():
    train, rows = halves()
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 50}), train)
    return model, rows, check_model(model, *rows, train=train)


@pytest.fixture(scope="module")
def ensemble():
    model = CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0)
    return fitted(model, halves()[0])


def status(report, name):
    return report[name].status


def test_a_sound_model_passes(sound):
    report = sound[2]
    assert isinstance(report, ModelReport)
    assert not report.failed
    passed = {check.name for check in report if check.status == "passed"}
    assert passed == {
        "prior_collapse",
        "posterior_collapse",
        "prior_posterior_gap",
        "draws",
        "pairs",
        "twin",
        "ridge",
    }
    assert all(check.meaning and check.remedy and check.figure for check in report)
    assert all(np.isfinite(check.value) == (check.status == "passed") for check in report)


def test_a_prior_that_never_learned_is_collapsed():
    report = checked(max_epochs=1, learning_rate=1e-6)
    assert status(report, "prior_collapse") == "failed"
    assert report["prior_collapse"].value == 1


def test_an_encoder_that_has_nothing_to_tell_is_collapsed():
    blind = Objective(label_in_encoder=False)
    report = checked(m=NOISE, omega=1, alpha=1, lam=0, objective=blind, learning_rate=0.01)
    assert status(report, "posterior_collapse") == "failed"
    assert status(report, "prior_collapse") == "passed"


def test_without_any_divergence_the_prior_is_far_from_the_posterior():
    free = {"omega": 0, "lam": 0, "objective": Objective(decode_prior=0)}
    report = checked(**free, networks=Networks(decoder_input="latent"), learning_rate=0.01)
    assert status(report, "prior_posterior_gap") == "failed"
    assert report["prior_posterior_gap"].value > 1


def test_epochs_that_were_over_before_the_loss_stopped_falling():
    early = {"early_stopping": True, "n_iter_no_change": 4, "learning_rate": 0.01}
    cut, whole = checked(**early, max_epochs=2), checked(**early, max_epochs=60)
    assert status(cut, "epoch_budget") == "failed"
    assert status(whole, "epoch_budget") == "passed"
    assert status(checked(early_stopping=False), "epoch_budget") == "not applicable"


def test_draws_whose_scale_is_forced_are_too_narrow():
    report = checked(missing=[Modality("X_missing", scale=0.05)], max_epochs=10)
    held = report["draws"].value
    # z adds to the width of draws, but little: N(0, .05) beside errors of N(0, .5).
    assert status(report, "draws") == "failed"
    assert held < 2 * (2 * norm.cdf(1.645 * 0.05 / 0.5) - 1)


def test_coverage_of_draws_is_that_of_the_normal_distribution_they_come_from():
    train, rows = halves()
    fixed = [Modality("X_missing", scale=0.25)]
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 30}, missing=fixed, omega=1), train)
    mean, scale = model.generate_missing(rows[0]), 0.25
    for coverage in (0.5, 0.9):
        found = check_model(model, *rows, coverage=coverage)["draws"].value
        reach = norm.ppf(0.5 + coverage / 2) * scale
        want = (np.abs(rows[2] - mean) < reach).mean()
        assert found == pytest.approx(want, abs=0.04)


def test_rows_in_another_order_do_not_match(sound):
    model, (x, y, m), report = sound
    moved = check_model(model, x, y, np.roll(m, 7, axis=0))
    assert status(moved, "pairs") == "failed"
    assert moved["pairs"].value == pytest.approx(0.5, abs=0.1)
    assert report["pairs"].value > 0.9


def test_an_ensemble_finds_a_few_swapped_rows_and_names_them(ensemble):
    x, y, m = halves()[1]
    swapped = m.copy()
    swapped[40:50] = m[40:50][::-1]
    before, after = check_model(ensemble, x, y, m), check_model(ensemble, x, y, swapped)
    assert status(before, "pairs") == "passed"
    assert status(after, "pairs") == "failed"
    named = [int(row) for row in after["pairs"].figure.split("rows ")[-1].split(", ")]
    assert set(named) <= set(range(40, 50))
    share = (ensemble.score_pairs(x, swapped) < 0.01).mean()
    assert after["pairs"].value == pytest.approx(share)


def test_a_model_that_hardly_cares_for_the_label_is_worse_than_its_twin():
    report = checked(with_train=True, alpha=1e-3, max_epochs=15)
    assert status(report, "twin") == "failed"
    assert report["twin"].value < -0.1


def test_the_twin_is_the_same_estimator_without_the_missing_view(sound):
    (x, y, _), (x_new, y_new, _) = halves()
    twin = CMMDClassifier(**TINY | {"max_epochs": 50}, omega=0, lam=0)
    twin.set_params(networks__encoder_hidden=()).fit(x, y)
    model, _, report = sound
    losses = [log_loss(y_new, each.predict_proba(x_new)) for each in (twin, model)]
    assert report["twin"].value == pytest.approx(losses[0] - losses[1], rel=1e-6)


def test_a_decoder_that_hardly_learned_is_worse_than_a_ridge_regression(sound):
    report = checked(with_train=True, max_epochs=3, networks=Networks(decoder_input="both"))
    assert status(report, "ridge") == "failed"
    # The slopes are known: no regression of so many rows has a much greater error than the noise.
    errors = [float(each.figure.split()[-1]) for each in (report["ridge"], sound[2]["ridge"])]
    noise = (0.5 / M[:N_TRAIN].std(axis=0)) ** 2
    np.testing.assert_allclose(errors, np.sqrt(noise.mean()), rtol=0.1)


def test_a_view_of_noise_is_not_worth_measuring_and_shares_nothing():
    train, rows = halves(m=NOISE)
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 5}), train)
    report = check_model(model, *rows, train=train, cv=2)
    assert status(report, "worth_measuring") == "failed"
    assert status(report, "shared_information") == "failed"


@pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")
def test_a_view_that_tells_the_classes_of_rows_without_a_label_is_worth_measuring():
    n, n_columns = 300, 60
    classes = RNG.integers(0, 2, n)
    sides = 2 * classes[:, None] - 1
    x = RNG.normal(size=(n, n_columns)) + 0.35 * sides * (np.arange(n_columns) < 30)
    m = RNG.normal(size=(n, 4)) + 4 * sides
    y = np.where(np.arange(n) < 40, classes, -1)
    model = CMMDClassifier(**TINY | {"max_epochs": 12}).fit(x, y, X_missing=m)
    report = check_model(model, x, y, m, cv=ShuffleSplit(2, test_size=0.5, random_state=0))
    assert status(report, "worth_measuring") == "passed"
    assert report["worth_measuring"].value > 0.1


def test_views_that_err_together_share_more_than_the_label():
    hidden = RNG.integers(0, 3, N)
    y = np.where(RNG.random(N) < 0.4, RNG.integers(0, 3, N), hidden)
    x, m = (np.eye(3)[hidden] + 0.1 * RNG.normal(size=(N, 3)) for _ in range(2))
    train, rows = halves(x, y, m)
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 2}), train)
    check = check_model(model, *rows, train=train, cv=2)["shared_information"]
    assert check.status == "passed"
    # Both views tell the hidden class, and so do models that learn from noisy labels.
    want = mutual_info_score(hidden, hidden) - mutual_info_score(hidden, y)
    assert check.value == pytest.approx(want, abs=0.1)


def test_numbers_are_compared_by_squared_errors_and_correlations():
    y = X @ [1.0, 2, 0, 0] + RNG.normal(size=N)
    train, rows = halves(y=100 * y)
    params = TINY | {"max_epochs": 5}
    model = fitted(CMMDRegressor(**params), train)
    report = check_model(model, *rows, train=train, cv=2)
    twin = CMMDRegressor(**params, omega=0, lam=0)
    twin.set_params(networks__encoder_hidden=()).fit(*train[:2])
    errors = [np.square(rows[1] - each.predict(rows[0])).mean() for each in (twin, model)]
    want = (errors[0] - errors[1]) / train[1].var()
    assert report["twin"].value == pytest.approx(want, rel=1e-6)
    assert report["shared_information"].value > 0


def test_several_labels_a_row_are_compared_by_the_log_loss_of_all():
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    train, rows = halves(y=labels)
    params = TINY | {"max_epochs": 5}
    model = fitted(CMMDClassifier(**params), train)
    report = check_model(model, *rows, train=train, cv=2)
    twin = CMMDClassifier(**params, omega=0, lam=0).set_params(networks__encoder_hidden=())
    twin.fit(*train[:2])
    p = [each.predict_proba(rows[0]) for each in (model, twin)]
    logs = [np.log(np.where(rows[1] == 1, each, 1 - each)).sum(axis=1) for each in p]
    assert report["twin"].value == pytest.approx((logs[0] - logs[1]).mean(), rel=1e-5)
    assert status(report, "shared_information") == "not applicable"


def test_an_ensemble_is_compared_with_an_ensemble(ensemble):
    train, rows = halves()
    report = check_model(ensemble, *rows, train=train)
    assert status(report, "twin") in ("passed", "failed")
    assert status(report, "ridge") == "passed"
    assert status(report, "posterior_collapse") == "passed"


def test_transformers_have_no_checks_of_the_label():
    (x, _, m), (x_new, _, m_new) = halves()
    embed = CMMDTransformer(**TINY | {"max_epochs": 8}).fit(x, X_missing=m)
    report = check_model(embed, x_new, X_missing=m_new, train=(x, None, m), cv=2)
    for name in ("twin", "worth_measuring", "shared_information"):
        assert report[name].figure == "The model predicts no y."
    for name in ("draws", "pairs", "ridge"):
        assert status(report, name) == "passed"
    assert np.isfinite(report["posterior_collapse"].value)


def test_without_a_missing_view_the_label_and_the_embedding_are_left():
    (x, y, _), (x_new, y_new, _) = halves()
    model = CMMDClassifier(**TINY).fit(x, y)
    report = check_model(model, x_new, y_new, train=(x, y))
    assert status(report, "prior_collapse") == "passed"
    assert status(report, "twin") == "passed"
    assert report["draws"].figure == "The model was fitted without X_missing."


def test_what_is_not_passed_makes_checks_not_applicable(sound):
    model, (x, _, m), _ = sound
    report = check_model(model, x)
    assert report["draws"].figure == "Pass X_missing of the rows."
    assert status(report, "prior_collapse") == "passed"
    report = check_model(model, x, X_missing=m)
    assert report["posterior_collapse"].figure == "Pass y of the rows, which the encoder sees."
    assert status(report, "draws") == "passed"
    assert report["twin"].figure == "Pass y of the rows."


@pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")
def test_views_that_rows_lack_and_rows_without_a_label():
    views = {"a": X[:, :2].copy(), "b": X[:, 2:].copy()}
    views["a"][::7], views["b"][1::7] = np.nan, np.nan
    m = {"left": M[:, :2].copy(), "right": M[:, 2:]}
    m["left"][::5] = np.nan
    y = np.where(np.arange(N) % 4 == 0, -1, Y)
    train, rows = (
        ({k: v[part] for k, v in views.items()}, y[part], {k: v[part] for k, v in m.items()})
        for part in (slice(0, N_TRAIN), slice(N_TRAIN, N))
    )
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 3}, optional="all"), train)
    report = check_model(model, *rows, train=train, cv=2)
    without = [check.name for check in report if check.status == "not applicable"]
    assert without == ["epoch_budget"]
    assert "on 75 rows" in report["twin"].figure


def test_all_forms_of_data_give_the_same_figures():
    params = TINY | {"max_epochs": 3}
    train, rows = halves()
    want = check_model(fitted(CMMDClassifier(**params), train), *rows, train=train)
    index = range(7, 7 + N)
    columns = list("abcd"), list("vwxyz")
    frames = [pd.DataFrame(each, index, names) for each, names in zip((X, M), columns, strict=True)]
    polars = [pl.DataFrame(each, schema=names) for each, names in zip((X, M), columns, strict=True)]
    for x, m in ((frames), (polars), (sp.csr_matrix(X), M)):
        part = x[:N_TRAIN], Y[:N_TRAIN], m[:N_TRAIN]
        out = x[N_TRAIN:], Y[N_TRAIN:], m[N_TRAIN:]
        model = fitted(CMMDClassifier(**params), part)
        found = check_model(model, *out, train=part)
        for check in found:
            assert check.value == pytest.approx(want[check.name].value, rel=1e-6, nan_ok=True)


def test_images_and_one_hot_classes():
    image = X.reshape(N, 2, 2)
    classes = np.eye(2)[Y]
    train, rows = halves(x=image, m=classes)
    model = fitted(CMMDClassifier(**TINY | {"max_epochs": 10}), train)
    report = check_model(model, *rows, train=train)
    assert report["draws"].figure == "No modality of X_missing is of real values."
    assert status(report, "pairs") == "passed"


def test_one_seed_gives_one_report_and_changes_nothing(sound):
    model, rows, _ = sound
    before = model.predict_proba(rows[0])
    one, two = check_model(model, *rows), check_model(model, *rows)
    assert repr(one) == repr(two)
    np.testing.assert_array_equal(model.predict_proba(rows[0]), before)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"coverage": 1.5}, ValueError, "coverage"),
        ({"random_state": None}, TypeError, "random_state must be an int. Got None"),
        ({"train": X}, TypeError, r"train must be a tuple \(X, y, X_missing\)"),
        ({"train": (X[:, :2], Y, M)}, ValueError, "X has 2 features"),
        ({"X_missing": M[:5]}, ValueError, "X has 100 rows, but X_missing has 5"),
        ({"y": np.full(100, 7)}, ValueError, "classes not in"),
    ],
)
def test_wrong_arguments_are_refused_before_any_training(
    sound, no_training, changes, error, message
):
    model, (x, y, m), _ = sound
    with pytest.raises(error, match=message):
        check_model(model, **{"X": x, "y": y, "X_missing": m} | changes)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="must be a fitted CMMDClassifier"):
        check_model(make_pipeline(LogisticRegression()).fit(X, Y), X, Y)
