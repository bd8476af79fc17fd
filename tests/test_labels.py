"""The mark of rows without a label, and classes that are rare."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.model_selection import KFold, cross_val_score

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.data.paired import PairedRows
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


INDICATOR = np.eye(3, dtype=int)[Y]
CODED = {
    "signs": 2 * INDICATOR - 1,
    "zero and two": 2 * INDICATOR,
    "one and two": INDICATOR + 1,
    "three and seven": 4 * INDICATOR + 3,
    "minus one and zero": INDICATOR - 1,
    "sparse": sp.csr_array(2 * INDICATOR),
}


@pytest.mark.parametrize("case", CODED)
def test_an_indicator_holds_zeros_and_ones(case, no_training):
    with pytest.raises(ValueError, match=r"An indicator matrix has 1 .* else 0\. y holds \["):
        fit(y=CODED[case])


def test_an_indicator_may_be_of_any_dtype():
    gaps = np.where(SOME_GAPS[:, None], np.nan, INDICATOR)
    want = fit(y=np.where(SOME_GAPS[:, None], -1, INDICATOR)).predict_proba(X)
    forms = (
        pd.DataFrame(gaps).convert_dtypes(),
        pd.DataFrame(gaps).astype(object),
        pd.DataFrame(gaps).astype("boolean"),
        with_objects(INDICATOR, SOME_GAPS, None),
        with_objects(INDICATOR, SOME_GAPS, -1),
        pl.DataFrame(gaps).fill_nan(None),
    )
    for y in forms:
        np.testing.assert_array_equal(fit(y=y).predict_proba(X), want)
    with pytest.raises(ValueError, match="Row 0 of y lacks some of its labels"):
        fit(y=np.where(INDICATOR > 0, 1, np.nan))


@pytest.mark.parametrize("kind", [int, bool])
def test_labels_in_objects_are_scored_by_the_method_alone(kind):
    y = (Y > 0).astype(kind).astype(object)
    assert fit(y=y).score(X, y) == fit(y=Y > 0).score(X, Y > 0)
    assert np.isfinite(cross_val_score(CMMDClassifier(**TINY), X, y, cv=2)).all()
    with pytest.raises(ValueError, match="which metrics of scikit-learn do not read"):
        cross_val_score(CMMDClassifier(**TINY), X, y, cv=2, scoring="accuracy", error_score="raise")


def test_minus_one_is_no_class_in_a_fold_alone():
    y = np.full(N, -1)
    y[:8], y[8:16] = 1, 0
    cv = [(np.r_[0:8, 16:N], np.r_[8:16])]
    with pytest.raises(ValueError, match="All labelled rows of this training part are of class 1"):
        cross_val_score(CMMDClassifier(**TINY), X, y, cv=cv, error_score="raise")


@pytest.mark.parametrize("mark", ["", "?", "NA", "null"])
def test_doubtful_strings_are_said(mark):
    y = with_objects(NAMES, SOME_GAPS, mark)
    assert f"the string {mark!r}, which is taken as a class" in caught(y=y)[0]


WRONG_LABELS = {
    "a number": (3, "y must have one label for each row.* Got 3"),
    "a string": ("label", "Got 'label'"),
    "a mapping": ({"a": Y}, "one label for each row"),
    "numbers among strings": (["a", 3] * (N // 2), r"labels of several types, \['int', 'str'\]"),
    "tuples": ([(1, 2), (2,)] * (N // 2), "y "),
    "infinities": (np.where(Y > 0, np.inf, 0), "Input y contains infinity"),
    "numbers": (np.where(Y > 0, 0.5, 0), "numbers such as 0.5, but a classifier"),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_wrong_labels(case, no_training):
    y, message = WRONG_LABELS[case]
    with pytest.raises((TypeError, ValueError), match=message):
        fit(y=y)


def test_scores_need_labels():
    with pytest.raises(ValueError, match=r"compares predictions with y\. Got None"):
        fit().score(X, None)
