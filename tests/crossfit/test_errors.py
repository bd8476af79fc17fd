"""Errors of rows that were left out: against slow loops, and the guarantee itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd.crossfit.errors import ErrorSizes, ViewErrors

NOTHING = np.zeros((1, 1))


def view_errors(errors, weight=None, x=None, depends_on_row=False):
    n, n_columns = errors.shape
    x = np.zeros((n, 1)) if x is None else x
    weight = np.ones(n) if weight is None else weight
    return ViewErrors.of(x, errors, weight, np.zeros(n_columns, bool), depends_on_row, 0)


def half_widths(errors, coverage, weight=None):
    found = view_errors(errors, weight)
    return found.bound(coverage) * found.sizes.expected(NOTHING)[0]


@settings(max_examples=50, deadline=None)
@given(st.integers(20, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.integers(0, 1000))
def test_rank(n, coverage, seed):
    """The ⌈(n + 1) coverage⌉-th smallest absolute error, column by column."""
    errors = np.random.default_rng(seed).normal(size=(n, 3))
    rank = int(np.ceil(round((n + 1) * coverage, 9)))
    expected = [sorted(abs(column))[rank - 1] for column in errors.T]
    np.testing.assert_allclose(half_widths(errors, coverage), expected, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=15, max_size=30), st.integers(0, 1000))
def test_groups_count_as_one_row(sizes, seed):
    errors = np.random.default_rng(seed).normal(size=(sum(sizes), 1))
    weight = np.repeat(1 / np.array(sizes), sizes)
    order = np.argsort(abs(errors[:, 0]))
    reached = 0.0
    for row in order:
        reached += weight[row]
        if reached >= 0.9 * (len(sizes) + 1) - 1e-6:
            break
    np.testing.assert_allclose(half_widths(errors, 0.9, weight), abs(errors[row]), rtol=1e-5)


def test_too_few_rows():
    errors = np.random.default_rng(0).normal(size=(18, 2))
    assert half_widths(errors[:9], 0.9).shape == (2,)
    with pytest.raises(ValueError, match=r"coverage=0.95 takes 19 rows .* fit had 18"):
        half_widths(errors, 0.95)
    with pytest.raises(ValueError, match=r"fit had 6\. Lower"):
        half_widths(errors, 0.9, np.full(18, 1 / 3))


def test_guarantee():
    """Over 500 data sets, a new row is within its interval as often as was promised."""
    random, hits = np.random.default_rng(0), 0
    for _ in range(500):
        errors = random.standard_t(3, size=(31, 1)) * 7
        hits += abs(errors[-1, 0]) <= half_widths(errors[:-1], 0.9)[0]
    # Of 30 rows and a new one the 28-th smallest, so that it is 28 / 31 exactly.
    assert abs(hits / 500 - 28 / 31) < 3 * np.sqrt(0.9 * 0.1 / 500)


def test_sizes_of_rows_are_found():
    """Errors that are four times as large on one side of x_O get wider intervals there."""
    random = np.random.default_rng(0)
    x = random.normal(size=(900, 2))
    size = np.where(x[:, :1] > 0, 4.0, 1.0)
    errors = size * random.normal(size=(900, 3))
    found = view_errors(errors[:600], x=x[:600], depends_on_row=True)
    expected = found.sizes.expected(x[600:])
    large = size[600:, 0] > 1
    assert 3 < expected[large].mean() / expected[~large].mean() < 5
    within = np.abs(errors[600:]) <= found.bound(0.9) * expected
    for part in (large, ~large):
        assert 0.86 < within[part].mean() < 0.94
    # The same for all rows, a bound covers one side too often and the other too rarely.
    constant = view_errors(errors[:600])
    within = np.abs(errors[600:]) <= constant.bound(0.9) * constant.sizes.expected(x[600:])
    assert within[large].mean() < 0.86
    assert within[~large].mean() > 0.98


def test_a_row_does_not_say_how_large_its_own_error_is():
    """Where x_O tells nothing, expected sizes have nothing to do with the errors."""
    random = np.random.default_rng(1)
    x, errors = random.normal(size=(400, 5)), random.normal(size=(400, 2))
    _, known = ErrorSizes.learn(x, errors, True, 0)
    assert abs(np.corrcoef(known.ravel(), abs(errors).ravel())[0, 1]) < 0.1


def test_draws_go_together_as_errors_do():
    random = np.random.default_rng(0)
    errors = random.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=500)
    found = view_errors(errors)
    uniform = random.random((1, 20000))
    drawn = found.drawn(found.sizes.expected(NOTHING), uniform)[0]
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(errors.T), atol=0.05)
    assert {tuple(row) for row in drawn.round(4)} <= {tuple(row) for row in errors.round(4)}


def test_draws_of_groups_have_their_weights():
    errors = np.array([[1.0], [1.0], [1.0], [-1.0]])
    found = view_errors(errors, np.array([1 / 3, 1 / 3, 1 / 3, 1.0]))
    drawn = found.drawn(found.sizes.expected(NOTHING), np.linspace(0, 1, 1000)[None])
    assert abs(drawn.mean()) < 0.01


def test_no_error_at_all():
    found = view_errors(np.zeros((30, 2)))
    np.testing.assert_allclose(found.bound(0.9) * found.sizes.expected(NOTHING)[0], 0)
    assert np.isfinite(found.squares(np.zeros((1, 2)), found.sizes.expected(NOTHING))).all()
