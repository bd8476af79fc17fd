"""Intervals, scores of pairs and draws of CMMDEnsemble: what is promised of new rows holds."""

import numpy as np
import pandas as pd
import pytest

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Modality
from sklearn_cmmd.exceptions import RowOrderWarning
from tests.conftest import SMALL

N_TRAIN, N_TEST = 400, 400


def make(n, seed, n_people=0):
    """x_M that x_O tells in part, with noise that columns share, and an offset of each person."""
    random = np.random.default_rng(seed)
    person = random.integers(0, max(n_people, 1), n)
    offset = random.normal(size=(max(n_people, 1), 2)) * (n_people > 0) * 2
    x = random.normal(size=(n, 3)) + np.c_[offset[person], np.zeros(n)]
    noise = random.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=n)
    m = np.c_[x[:, 0], x[:, 1]] * 2 + noise * 3 + 50
    return x, m + 4 * random.normal(size=(max(n_people, 1), 2))[person] * (n_people > 0), person


def classes(x):
    return (x[:, 0] > 0).astype(int)


def ensemble(**params):
    small = SMALL | {"max_epochs": 10}
    return CMMDEnsemble(CMMDClassifier(**small), n_estimators=3, random_state=0, **params)


@pytest.fixture(scope="module")
def fitted():
    x, m, _ = make(N_TRAIN, 0)
    return ensemble().fit(x, classes(x), X_missing=m)


def covered(fitted, x, m, coverage=0.9):
    lower, upper = fitted.generate_intervals(x, coverage)
    return (lower <= m) & (m <= upper)


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_values_lie_within(fitted, coverage):
    """Somewhat more often than promised: the mean of members is better than each of them."""
    x, m, _ = make(2000, 1)
    found = covered(fitted, x, m, coverage).mean()
    assert coverage - 0.03 < found < coverage + 0.06
    lower, upper = fitted.generate_intervals(x, coverage)
    np.testing.assert_allclose((lower + upper) / 2, fitted.generate_missing(x), rtol=1e-6)


@pytest.mark.slow
def test_guarantee_of_whole_ensembles():
    """Of 500 data sets, each with a new row, 90 % and no fewer have it in its interval."""
    hits, n = 0, 30
    tiny = CMMDClassifier(hidden_layer_sizes=(4,), latent_dim=2, max_epochs=1)
    ensemble = CMMDEnsemble(tiny, n_estimators=2, generators=None)
    for seed in range(500):
        x, m, _ = make(n + 1, seed)
        x, y = x.astype(np.float32), np.arange(n) % 2  # in which predictions are sooner
        ensemble.set_params(random_state=seed).fit(x[:n], y, X_missing=m[:n])
        hits += covered(ensemble, x[n:], m[n:])[0, 0]
    # The 28-th of 30 errors and a new one, each as likely to be it.
    assert abs(hits / 500 - 28 / 31) < 3 * np.sqrt(0.9 * 0.1 / 500)


def test_new_groups_need_groups():
    """Errors that people share are too small where a member has seen the person."""
    x, m, person = make(N_TRAIN, 0, n_people=20)
    new_x, new_m, _ = make(N_TEST, 1, n_people=40)
    whole = ensemble().fit(x, classes(x), X_missing=m, groups=person)
    for name in np.unique(person):
        assert len(set(whole.folds_[person == name])) == 1
    assert covered(whole, new_x, new_m).mean() > 0.85


def test_sums_of_draws_are_as_wide_as_sums_of_values(fitted):
    """Columns share their noise, so that a sum varies by nearly twice that of one column."""
    x, m, _ = make(1000, 1)
    sums = fitted.generate_missing(x, 200, random_state=0).sum(axis=2)
    ends = np.quantile(sums, [0.05, 0.95], axis=1)
    within = (ends[0] <= m.sum(axis=1)) & (m.sum(axis=1) <= ends[1])
    assert within.mean() == pytest.approx(0.9, abs=0.04)


def test_swapped_rows_are_found():
    x, m, _ = make(N_TRAIN, 0)
    m = 2 * x[:, :2] + 0.3 * (m - 50 - 2 * x[:, :2])
    fitted = ensemble().fit(x[:200], classes(x[:200]), X_missing=m[:200])
    matched = fitted.score_pairs(x[200:], m[200:])
    swapped = fitted.score_pairs(x[200:], np.roll(m[200:], 1, axis=0))
    assert np.mean(matched <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(swapped <= 0.1) > 0.5
    assert matched.min() > 0
    assert matched.max() <= 1


def test_rows_that_lack_modalities():
    x, m, _ = make(N_TRAIN, 0)
    views = {"a": m[:, :1].copy(), "b": m[:, 1:].copy()}
    views["a"][::3], views["b"][1::3] = np.nan, np.nan
    fitted = ensemble().fit({"x": x}, classes(x), X_missing=views)
    assert list(fitted.weights_) == ["a", "b"]
    new_x, new_m, _ = make(900, 1)
    lower, upper = fitted.generate_intervals({"x": new_x})
    for name, column in (("a", 0), ("b", 1)):
        within = (lower[name][:, 0] <= new_m[:, column]) & (new_m[:, column] <= upper[name][:, 0])
        assert within.mean() == pytest.approx(0.9, abs=0.05)
    new = {"a": new_m[:, :1].copy(), "b": new_m[:, 1:].copy()}
    new["a"][:2], new["b"][1] = np.nan, np.nan
    found = fitted.score_pairs({"x": new_x}, new)
    assert np.flatnonzero(np.isnan(found)).tolist() == [1]
    assert np.mean(found[2:] <= 0.1) == pytest.approx(0.1, abs=0.04)


def binary_and_classes(n, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    binary = (x[:, :2] + 0.7 * random.normal(size=(n, 2)) > 0).astype(float)
    code = np.argmax(x + 0.7 * random.normal(size=(n, 3)), axis=1)
    return x, {"tags": binary, "kind": np.eye(3)[code]}


def test_binary_values_and_classes():
    x, views = binary_and_classes(N_TRAIN, 0)
    described = [Modality("tags"), Modality("kind", likelihood="categorical")]
    fitted = ensemble().set_params(estimator__missing=described)
    fitted.fit({"x": x}, classes(x), X_missing=views)
    new_x, new = binary_and_classes(2000, 1)
    lower, upper = fitted.generate_intervals({"x": new_x})
    for name, values in new.items():
        assert set(np.unique([lower[name], upper[name]])) <= {0, 1}
        within = (lower[name] <= values) & (values <= upper[name])
        assert within.mean() > 0.88
        # Some rows are certain enough to say which.
        assert np.mean(lower[name] == upper[name]) > 0.3
    means = fitted.generate_missing({"x": new_x[:50]})
    np.testing.assert_allclose(means["kind"].sum(axis=1), 1, rtol=1e-6)
    draws = fitted.generate_missing({"x": new_x[:50]}, 400, random_state=0)
    assert set(np.unique(draws["tags"])) == {0, 1}
    np.testing.assert_array_equal(draws["kind"].sum(axis=2), 1)
    for name in new:
        assert np.abs(draws[name].mean(axis=1) - means[name]).max() < 0.2
    first = fitted.generate_missing({"x": new_x[:7]}, 400, random_state=0)
    if all(weights["cmmd"] == 0 for weights in fitted.weights_.values()):
        np.testing.assert_array_equal(first["tags"], draws["tags"][:7])


def test_forms(fitted):
    x, m, _ = make(60, 0)
    frame = pd.DataFrame(m, columns=["low", "high"])
    framed = ensemble().fit(x, classes(x), X_missing=frame)
    new = pd.DataFrame(x[:4], index=list("abcd"))
    for end in framed.generate_intervals(new):
        assert list(end.columns) == ["low", "high"]
        assert list(end.index) == list("abcd")
    assert fitted.generate_intervals(x.astype(np.float32))[0].dtype == np.float32


@pytest.mark.parametrize("coverage", [0, 1, 90, -0.1, True, "0.9", None])
def test_wrong_coverage(fitted, coverage):
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1"):
        fitted.generate_intervals(np.zeros((2, 3)), coverage)


def test_too_few_rows_for_a_coverage(fitted):
    with pytest.raises(ValueError, match=r"coverage=0.999 takes 999 rows .* fit had 400"):
        fitted.generate_intervals(np.zeros((2, 3)), 0.999)


def test_nothing_to_generate():
    x, m, _ = make(40, 0)
    alone = ensemble().fit(x, classes(x))
    for call in (
        lambda: alone.generate_intervals(x),
        lambda: alone.score_pairs(x, m),
        lambda: alone.generate_missing(x),
    ):
        with pytest.raises(ValueError, match="was fitted without X_missing"):
            call()


def test_wrong_pairs(fitted):
    x, m, _ = make(10, 0)
    with pytest.raises(ValueError, match="X_missing has 9"):
        fitted.score_pairs(x, m[:9])
    with pytest.raises(ValueError, match="X_missing has 1 features"):
        fitted.score_pairs(x, m[:, :1])


def test_data_in_other_units():
    """Large numbers with small differences, as of float32 beside float64."""
    x, m, _ = make(200, 0)
    far = 1e7 + 1e-3 * m
    fitted = ensemble().fit(x, classes(x), X_missing=far)
    assert covered(fitted, x, far).mean() > 0.8
    lower, upper = fitted.generate_intervals(x)
    assert np.median(upper - lower) == pytest.approx(1e-3 * 10, rel=0.5)


def test_pairs_in_another_order_and_in_part(fitted):
    x, m, _ = make(10, 0)
    frames = pd.DataFrame(x), pd.DataFrame(m)[::-1]
    with pytest.warns(RowOrderWarning):
        fitted.score_pairs(*frames)
    m[3, 0] = np.nan
    with pytest.raises(ValueError, match="Row 3 of X_missing lacks 1 of the 2 values"):
        fitted.score_pairs(x, m)
