"""Every row is left out once, classes evenly, groups whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.crossfit.folds import NEVER, asked_rows, checked_groups, fold_of_rows
from sklearn_cmmd.data.rows import read_fit_data
from sklearn_cmmd.exceptions import UnlabelledRowsWarning

RANDOM = np.random.default_rng(0)


def read(y, X_missing=None, sample_weight=None):
    X = RANDOM.normal(size=(len(y), 3))
    return read_fit_data(CMMDClassifier(), X, np.asarray(y), X_missing, sample_weight)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.lists(st.integers(0, 3), min_size=10, max_size=60), st.integers(0, 99))
def test_classes_are_dealt_evenly(n_folds, y, seed):
    y = np.array(y)
    fold = fold_of_rows(read(y), n_folds, None, seed)
    for label in np.unique(y):
        mine = fold[y == label]
        if len(mine) == 1:
            assert mine == NEVER
        else:
            counts = np.bincount(mine, minlength=n_folds)
            assert counts.max() - counts.min() <= 1


def test_rows_without_label_or_pair_are_dealt_evenly():
    y = np.where(np.arange(60) % 2, np.arange(60) % 3, -1)
    M = np.where(np.arange(60)[:, None] % 4 < 2, np.nan, RANDOM.normal(size=(60, 2)))
    with pytest.warns(UnlabelledRowsWarning):
        data = read(y, M)
    fold = fold_of_rows(data, 5, None, 0)
    for part in (~data.labelled, data.labelled, data.present[:, 0] == 1):
        assert np.ptp(np.bincount(fold[part], minlength=5)) <= 3


def test_groups_stay_whole():
    groups = np.repeat([f"person {i}" for i in range(12)], 5)
    data = read(np.arange(60) % 3)
    fold = fold_of_rows(data, 4, checked_groups(groups, data.x), 0)
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))
    np.testing.assert_array_equal(np.bincount(fold), 15)


def test_more_folds_than_rows_or_groups():
    data = read([0, 1, 0, 1])
    with pytest.raises(ValueError, match="n_estimators=5 members leave out other rows each"):
        fold_of_rows(data, 5, None, 0)
    with pytest.raises(ValueError, match="groups each, but X has 2 groups"):
        fold_of_rows(data, 3, checked_groups([1, 1, 2, 2], data.x), 0)
    with pytest.raises(ValueError, match="groups has 3"):
        checked_groups([1, 1, 2], data.x)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_rows_of_no_group(missing):
    data = read([0, 1, 0, 1])
    with pytest.raises(ValueError, match="1 rows belong to no group, the first of them row 2"):
        checked_groups(np.array(["a", "b", missing, "a"], object), data.x)


def test_group_of_the_only_row_of_a_class_is_learned_from():
    y, groups = np.arange(60) % 2, np.arange(60) // 6
    y[7] = 2
    fold = fold_of_rows(read(y), 2, groups, 0)
    assert set(fold[6:12]) == {NEVER}
    assert NEVER not in np.delete(fold, range(6, 12))


def test_rows_of_no_weight_do_not_stand_for_a_class():
    y, weight = np.r_[np.zeros(58, int), 1, 1], np.ones(60)
    weight[59] = 0
    for seed in range(4):
        assert fold_of_rows(read(y, sample_weight=weight), 2, None, seed)[58] == NEVER


def test_rows_that_are_asked_count():
    weight = np.r_[np.zeros(10), np.ones(20)]
    data = read(np.arange(30) % 3, sample_weight=weight)
    fold = np.arange(30) % 5
    fold[12] = NEVER
    np.testing.assert_array_equal(asked_rows(data, fold, 0), np.delete(np.arange(10, 30), 2))
