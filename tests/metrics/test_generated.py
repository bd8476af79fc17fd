"""Measures of generated views against scikit-learn, scoringrules and closed forms."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import scoringrules
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest
from sklearn.metrics import brier_score_loss, root_mean_squared_error
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.datasets import IndexedArray
from sklearn_cmmd.exceptions import RowOrderWarning
from sklearn_cmmd.metrics import (
    crps,
    energy_score,
    interval_coverage,
    interval_width,
    missing_rmse,
    probability_integral_transform,
)
from tests.tiny import TINY, M, X, Y

N, S, C = 30, 8, 4
RNG = np.random.default_rng(0)
TRUE, MADE = RNG.normal(size=(N, C)), RNG.normal(size=(N, C))
DRAWS = RNG.normal(size=(N, S, C))
WEIGHT = RNG.integers(0, 4, size=N)
SCALE = np.array([1.0, 2.0, 4.0, 0.5])
GAPS = np.where(np.arange(N)[:, None] % 3 == 0, np.nan, TRUE)
HAS = np.arange(N) % 3 != 0

# Each measure, as a function of true values, rows and keywords.
OF_MEANS = {
    "rmse": lambda true, rows=slice(None), **kw: missing_rmse(true, MADE[rows], **kw),
    "coverage": lambda true, rows=slice(None), **kw: interval_coverage(
        true, MADE[rows] - 1, MADE[rows] + 1, **kw
    ),
    "crps": lambda true, rows=slice(None), **kw: crps(true, DRAWS[rows], **kw),
}
ALL = OF_MEANS | {
    "energy": lambda true, rows=slice(None), **kw: energy_score(true, DRAWS[rows], **kw)
}
measures = pytest.mark.parametrize("measure", ALL.values(), ids=ALL)


@pytest.mark.parametrize("multioutput", ["raw_values", "uniform_average"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_rmse_is_that_of_scikit_learn(multioutput, weight):
    asked = {"multioutput": multioutput, "sample_weight": weight}
    np.testing.assert_allclose(
        missing_rmse(TRUE, MADE, **asked), root_mean_squared_error(TRUE, MADE, **asked)
    )


def test_rmse_over_standard_deviations():
    """Means have an error of one, and so has every unit of the columns."""
    means = np.broadcast_to(TRUE.mean(axis=0), TRUE.shape)
    assert missing_rmse(TRUE * SCALE + 5, means * SCALE + 5, scale="std") == pytest.approx(1)
    given_scale = missing_rmse(TRUE, MADE, scale=TRUE.std(axis=0), multioutput="raw_values")
    found = missing_rmse(TRUE * SCALE, MADE * SCALE, scale="std", multioutput="raw_values")
    np.testing.assert_allclose(found, given_scale)


def test_a_constant_column_is_measured_in_its_own_units():
    errors = missing_rmse(np.ones((3, 1)), np.zeros((3, 1)), scale="std")
    assert errors == 1


def test_crps_is_the_fair_one_of_scoringrules():
    want = scoringrules.crps_ensemble(TRUE, DRAWS, m_axis=1, estimator="fair").mean(axis=0)
    np.testing.assert_allclose(crps(TRUE, DRAWS, multioutput="raw_values"), want)
    np.testing.assert_allclose(
        crps(TRUE, DRAWS, multioutput="raw_values", scale=SCALE), want / SCALE
    )


def test_crps_of_normal_draws_is_the_closed_form():
    draws = np.random.default_rng(1).normal(size=(N, 4000, C))
    want = scoringrules.crps_normal(TRUE, 0.0, 1.0).mean(axis=0)
    np.testing.assert_allclose(crps(TRUE, draws, multioutput="raw_values"), want, atol=0.02)


def test_crps_of_zeros_and_ones_is_the_brier_score():
    share = np.array([0.2, 0.6])
    y = np.random.default_rng(2).integers(0, 2, size=(400, 2))
    draws = (np.random.default_rng(3).random((400, 300, 2)) < share).astype(float)
    want = [brier_score_loss(y[:, i], np.full(400, share[i])) for i in range(2)]
    np.testing.assert_allclose(crps(y, draws, multioutput="raw_values"), want, atol=0.005)


def test_energy_score_is_the_fair_one_of_scoringrules():
    want = scoringrules.es_ensemble(TRUE, DRAWS, m_axis=1, estimator="fair").mean()
    assert energy_score(TRUE, DRAWS) == pytest.approx(want)
    scaled = scoringrules.es_ensemble(TRUE / SCALE, DRAWS / SCALE, m_axis=1, estimator="fair")
    assert energy_score(TRUE, DRAWS, scale=SCALE) == pytest.approx(scaled.mean())


def test_of_one_column_the_energy_score_is_the_crps():
    assert energy_score(TRUE[:, :1], DRAWS[..., :1]) == pytest.approx(
        crps(TRUE[:, :1], DRAWS[..., :1])
    )


def test_scores_do_not_depend_on_the_number_of_draws():
    rng = np.random.default_rng(4)
    true = rng.normal(size=(4000, 2))
    for score in (crps, energy_score):
        few, many = (score(true, rng.normal(size=(4000, s, 2))) for s in (2, 40))
        assert few == pytest.approx(many, rel=0.05)


def test_coverage_and_width_of_known_intervals():
    lower, upper = np.full((N, C), -1.0), np.full((N, C), 1.0)
    inside = (np.abs(TRUE) <= 1).mean(axis=0)
    found = interval_coverage(TRUE, lower, upper, multioutput="raw_values")
    np.testing.assert_allclose(found, inside)
    assert interval_coverage(lower, lower, upper) == 1
    assert interval_width(lower, upper) == 2
    widths = interval_width(lower, upper, scale=SCALE, multioutput="raw_values")
    np.testing.assert_allclose(widths, 2 / SCALE)


def test_places_of_right_draws_are_uniform_and_of_wrong_ones_are_not():
    rng = np.random.default_rng(5)
    true, draws = rng.normal(size=(2000, 1)), rng.normal(size=(2000, 20, 1))
    for spread, is_right in ((1.0, True), (0.5, False), (2.0, False)):
        places = probability_integral_transform(true, spread * draws, random_state=0)
        assert bool(kstest(places[:, 0], "uniform").pvalue > 0.01) is is_right


def test_places_of_right_counts_are_uniform():
    rng = np.random.default_rng(6)
    places = probability_integral_transform(
        rng.poisson(0.7, size=(2000, 1)), rng.poisson(0.7, size=(2000, 20, 1)), random_state=0
    )
    assert kstest(places[:, 0], "uniform").pvalue > 0.01


def test_places_keep_form_and_gaps():
    places = probability_integral_transform({"a": GAPS}, {"a": DRAWS}, random_state=0)["a"]
    assert np.array_equal(np.isnan(places), np.isnan(GAPS))
    assert ((places >= 0) & (places <= 1))[HAS].all()
    again = probability_integral_transform({"a": GAPS}, {"a": DRAWS}, random_state=0)["a"]
    assert np.array_equal(places, again, equal_nan=True)


@measures
def test_rows_that_lack_the_view_do_not_count(measure):
    assert measure(GAPS) == pytest.approx(measure(TRUE[HAS], HAS))


@pytest.mark.parametrize("measure", OF_MEANS.values(), ids=OF_MEANS)
def test_columns_lack_rows_of_their_own(measure):
    """Two modalities in one table: each column counts the rows that have it."""
    half = np.where(np.arange(C) < 2, GAPS, TRUE)
    found = measure(half, multioutput="raw_values")
    np.testing.assert_allclose(found[:2], measure(TRUE[HAS], HAS, multioutput="raw_values")[:2])
    np.testing.assert_allclose(found[2:], measure(TRUE, multioutput="raw_values")[2:])


@measures
def test_a_weight_is_so_many_rows(measure):
    rows = np.repeat(np.arange(N), WEIGHT)
    assert measure(TRUE, sample_weight=WEIGHT) == pytest.approx(measure(TRUE[rows], rows))
    scaled = {"scale": "std"} if measure is ALL["rmse"] else {}
    assert measure(TRUE, sample_weight=WEIGHT, **scaled) == pytest.approx(
        measure(TRUE[rows], rows, **scaled)
    )


FORMS = {
    "frame": pd.DataFrame,
    "polars": lambda a: pl.DataFrame(a, schema=list("abcd")),
    "list": np.ndarray.tolist,
    "sparse": sp.csr_array,
    "float32": lambda a: a.astype(np.float32),
    "indexed": lambda a: IndexedArray(a[::-1], np.arange(len(a))[::-1]),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_tables_in_any_form(form):
    assert missing_rmse(form(TRUE), form(MADE)) == pytest.approx(missing_rmse(TRUE, MADE))
    found = interval_coverage(form(TRUE), form(MADE - 1), form(MADE + 1))
    assert found == pytest.approx(interval_coverage(TRUE, MADE - 1, MADE + 1))
    assert crps(form(TRUE), DRAWS) == pytest.approx(crps(TRUE, DRAWS))


def test_arrays_with_more_axes():
    images, made = TRUE.reshape(N, 2, 2), MADE.reshape(N, 2, 2)
    errors = missing_rmse(images, made, scale="std", multioutput="raw_values")
    flat = missing_rmse(TRUE, MADE, scale="std", multioutput="raw_values")
    np.testing.assert_allclose(errors, flat.reshape(2, 2))
    assert energy_score(images, DRAWS.reshape(N, S, 2, 2)) == energy_score(TRUE, DRAWS)
    places = probability_integral_transform(images, DRAWS.reshape(N, S, 2, 2))
    assert places.shape == images.shape


def test_modalities_count_alike():
    true, made = SliceDict(a=TRUE, b=TRUE[:, :1]), {"b": MADE[:, :1], "a": MADE}
    raw = missing_rmse(true, made, multioutput="raw_values")
    assert missing_rmse(true, made) == pytest.approx((raw["a"].mean() + raw["b"].mean()) / 2)
    by_hand = missing_rmse(true, made, scale={"a": SCALE, "b": 1.0}, multioutput="raw_values")
    np.testing.assert_allclose(by_hand["a"], raw["a"] / SCALE)
    draws = {"a": DRAWS, "b": DRAWS[..., :1]}
    scores = energy_score(true, draws, multioutput="raw_values")
    assert scores == {"a": energy_score(TRUE, DRAWS), "b": energy_score(TRUE[:, :1], draws["b"])}


def test_what_the_estimators_return_is_taken_as_it_is():
    frame = pd.DataFrame(M, columns=list("pqr"))
    for true in (M, frame, {"a": M, "b": frame}):
        clf = CMMDClassifier(**TINY).fit(X, Y, X_missing=true)
        drawn = {"n_samples": 5, "random_state": 0}
        draws = clf.generate_missing(X, **drawn)
        for measure in (crps, energy_score):
            found = measure(true, clf.generate_missing(X, **drawn, as_frame=True))
            assert found == pytest.approx(measure(true, draws))
        assert missing_rmse(true, clf.generate_missing(X)) > 0
    ensemble = CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0)
    lower, upper = ensemble.fit(X, Y, X_missing=frame).generate_intervals(X)
    assert 0.7 < interval_coverage(frame, lower, upper) <= 1
    assert interval_width(lower, upper, scale=frame.std()) > 0


@given(
    arrays(np.float64, (6, 3), elements=st.floats(-100, 100)),
    arrays(np.float64, (6, 5, 3), elements=st.floats(-100, 100)),
    st.floats(0.1, 10),
)
def test_scores_move_with_the_units_and_ignore_the_order_of_draws(true, draws, unit):
    for score in (crps, energy_score):
        found = score(true, draws)
        assert score(unit * true + 1, unit * draws + 1) == pytest.approx(unit * found, abs=1e-9)
        assert score(true, draws[:, ::-1]) == pytest.approx(found, abs=1e-9)
    assert missing_rmse(true, draws[:, 0]) >= 0
    assert missing_rmse(true, true) == 0


TWO = pd.DataFrame(TRUE[:, :2], columns=["a", "b"])
BAD = {
    "draws for means": (lambda: missing_rmse(TRUE, DRAWS), r"must hold values of shape \(4,\)"),
    "means for draws": (lambda: crps(TRUE, MADE), r"must hold draws of shape \(n_draws, 4\)"),
    "a frame of means for draws": (
        lambda: crps(pd.DataFrame(TRUE), pd.DataFrame(MADE)),
        r"must hold draws of shape \(n_draws, 4\)",
    ),
    "a frame of other draws": (
        lambda: crps(TWO, pd.concat({"b": TWO, "a": TWO}, axis=1)),
        r"must have the columns of X_missing, in their order: \['a', 'b'\]",
    ),
    "one draw": (lambda: energy_score(TRUE, DRAWS[:, :1]), "at least two"),
    "other columns": (lambda: missing_rmse(TRUE, MADE[:, :2]), "X_missing has it. Got"),
    "other rows": (
        lambda: missing_rmse(TRUE, MADE[:3]),
        "X_missing has 30 rows, but generated has 3",
    ),
    "other names": (
        lambda: missing_rmse(pd.DataFrame(TRUE), pd.DataFrame(MADE)[[1, 0, 2, 3]]),
        "must have the columns of X_missing, in their order",
    ),
    "other modalities": (
        lambda: missing_rmse({"a": TRUE}, {"b": MADE}),
        "must have the modalities",
    ),
    "a mapping of a table": (lambda: missing_rmse({"a": TRUE}, MADE), "Got a table"),
    "gaps in what is generated": (lambda: missing_rmse(TRUE, GAPS), "generated has NaN"),
    "nothing to compare": (lambda: missing_rmse(TRUE * np.nan, MADE), "No row has X_missing"),
    "swapped ends": (lambda: interval_coverage(TRUE, MADE + 1, MADE), "Are they swapped"),
    "swapped widths": (lambda: interval_width(MADE + 1, MADE), "Are they swapped"),
    "another scale": (lambda: missing_rmse(TRUE, MADE, scale="var"), "'std' or numbers"),
    "a zero scale": (lambda: missing_rmse(TRUE, MADE, scale=0), "positive and finite"),
    "no true values": (lambda: interval_width(MADE, MADE, scale="std"), "no true values"),
    "another average": (
        lambda: missing_rmse(TRUE, MADE, multioutput="mean"),
        "'raw_values' or 'uniform_average'",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_wrong_input_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rows_in_another_order_are_said():
    with pytest.warns(RowOrderWarning, match="generated and X_missing have the same row labels"):
        missing_rmse(pd.DataFrame(TRUE), pd.DataFrame(MADE)[::-1])


def test_what_is_made_of_an_array_has_no_labels_to_compare(recwarn):
    cut = np.arange(len(TRUE)) + 1  # labels of a frame that lost its first row
    missing_rmse(pd.DataFrame(TRUE, index=cut), pd.DataFrame(MADE))
    assert not recwarn
