"""The mark of rows without a label, and classes that are rare."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import KFold, cross_val_score

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.data.rows import PairedRows
from sklearn_cmmd.exceptions import (
    SingletonClassWarning,
    UnlabelledRowsWarning,
)
from sklearn_cmmd.model_selection import SemiSupervisedSplit
from tests.tiny import SOME_GAPS, TINY, N, X, Y, caught, fit, with_objects


@pytest.mark.parametrize("y", [Y - 1, (Y - 1).astype(float), (Y - 1).tolist(), Y * 1 - 1])
def test_the_class_minus_one_is_no_label_and_said(y):
    (message,) = caught(UnlabelledRowsWarning, y=y)
    assert "14 of the 40 rows of y have no label (-1, NaN, None or NA)" in message
    assert "If -1 is a class of yours, rename it" in message


@pytest.mark.parametrize("dtype", [int, float, object])
def test_minus_one_and_one_are_two_classes(dtype):
    y = np.where(Y > 0, 1, -1).astype(dtype)
    assert not caught(y=y)
    assert fit(y=y).classes_.tolist() == [-1, 1]


@pytest.mark.parametrize("one", [0, 2, 7.0, "a"])
def test_one_labelled_class_is_an_error(one, no_training):
    y = np.array(
        [one if i % 2 else (None if isinstance(one, str) else -1) for i in range(N)], object
    )
    with pytest.raises(ValueError, match="at least two classes"):
        fit(y=y)


def test_one_labelled_class_in_a_fold_is_an_error():
    y = np.full(N, -1)
    y[:4], y[4:8] = 2, 0
    clf, cv = CMMDClassifier(**TINY), SemiSupervisedSplit(KFold(2))
    with pytest.raises(ValueError, match="labelled rows of a training part are all of class 0"):
        cross_val_score(clf, X, y, cv=cv, error_score="raise")


NAMES = np.array(list("abc"))[Y]
LOST = {
    "-1": np.array([name if i % 3 else -1 for i, name in enumerate(NAMES)]),
    "nan": pd.Series(with_objects(NAMES, SOME_GAPS, np.nan)).map(str),
    "nan in an array": with_objects(NAMES, SOME_GAPS, np.nan).astype(str),
    "-1 beside numbers": np.where(SOME_GAPS, -1, Y).astype(str),
    "-1.0": np.where(SOME_GAPS, -1.0, Y).astype(str),
    "<NA>": pd.Series(with_objects(NAMES, SOME_GAPS, pd.NA)).map(str),
    "strings of object dtype": np.array(np.where(SOME_GAPS, "-1", NAMES), object),
    "a list of strings": np.where(SOME_GAPS, "nan", NAMES).tolist(),
    "a category": pd.Series(np.where(SOME_GAPS, "-1", NAMES)).astype("category"),
    "polars": pl.Series(np.where(SOME_GAPS, "nan", NAMES).tolist()),
}


@pytest.mark.parametrize("case", LOST)
def test_marks_that_became_strings(case, no_training):
    with pytest.raises(ValueError, match=r"holds the string .* dtype object"):
        fit(y=LOST[case])


def test_the_string_none_is_said():
    assert (
        "the string 'None'"
        in caught(UnlabelledRowsWarning, y=with_objects(NAMES, SOME_GAPS, "None"))[0]
    )


RARE = {
    "a class of one row": np.where(np.arange(N) == 5, 3, Y),
    "classes of two rows": np.arange(N) // 2,
    "as many classes as rows held out": np.arange(N) % 13,
    "a class of two rows": np.where(np.isin(np.arange(N), [5, 11]), 3, Y),
}


@pytest.mark.parametrize("case", RARE)
@pytest.mark.parametrize("seed", range(4))
def test_every_class_keeps_a_row_to_train_on(case, seed, monkeypatch):
    y = RARE[case]
    seen = []
    split = PairedRows.split

    def spied(self, fraction, seed):
        kept, held_out = split(self, fraction, seed)
        seen.append((kept.codes(), held_out.codes()))
        return kept, held_out

    monkeypatch.setattr(PairedRows, "split", spied)
    params = {"early_stopping": True, "validation_fraction": 0.3, "random_state": seed}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(y=y, **params)
        said = [str(w.message) for w in found if issubclass(w.category, SingletonClassWarning)]
    ((kept, held_out),) = seen
    assert len(np.unique(kept)) == len(np.unique(y))
    assert len(held_out) == 12
    n_single = int((np.unique(y, return_counts=True)[1] == 1).sum())
    assert len(said) == (n_single > 0)
    if said:
        assert f"{n_single} of the {len(np.unique(y))} classes have one row only" in said[0]
