"""Labels in any form that scikit-learn knows, checked; and rows that have none.

A row has no label where y is -1, NaN, None or NA, or masked; of an indicator, where the whole row
is. The one exception: if -1 and 1 are the only values, they are two classes, as in scikit-learn.
"""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_cmmd.data.containers import is_na, unwrapped
from sklearn_cmmd.exceptions import UnlabelledRowsWarning

UNLABELLED = -1
# What is left of a mark when labels were made strings.
LOST_MARKS = ("-1", "-1.0", "nan", "NaN", "<NA>", "NaT")
# Strings that may be meant as marks, but may be names as well.
DOUBTFUL = ("", "?", "NA", "N/A", "None", "none", "null", "NULL")


def check_labels(y: Any, classes: Any = None) -> tuple[Any, np.ndarray]:
    """Check y; return it as an array, and which rows have a label.

    If -1 is among `classes`, which are those that are known before, it marks nothing. Rows without
    a label hold any of the others.

    Raises
    ------
    ValueError
        If y is continuous, has infinities, is not 1-D or an indicator, or has no label at all.
    """
    y, absent = without_marks(unwrapped(y, "y"))
    if y.ndim not in (1, 2):
        got = f"an array of shape {y.shape}" if y.ndim else repr(y.item())
        raise ValueError(
            f"y must have one label for each row, or an indicator matrix. Got {got} instead; "
            "missing modalities are passed by name, as X_missing=..."
        )
    known = _checked(y if absent is None else y[~absent])
    minus = _marked(known, classes)
    labelled = np.ones(y.shape[0], bool) if absent is None else ~absent
    if minus is not None:
        labelled[labelled] = ~minus
        known = known[~minus]
    if not labelled.any() and classes is None:
        raise ValueError(
            "Input y contains NaN or -1 alone: no row has a label. A classifier learns from at "
            "least two classes. To learn without labels, fit a CMMDTransformer, without y."
        )
    if known.shape[0]:
        _check_targets(known)
    return known if labelled.all() else _spread(known, labelled), labelled


def _spread(known: Any, labelled: np.ndarray) -> np.ndarray:
    """Bring the known labels to their rows; the other rows hold the first of them."""
    places = np.cumsum(labelled) - 1
    dense = known.toarray() if sp.issparse(known) else known
    return dense[np.maximum(places, 0)] if len(dense) else np.zeros(len(labelled), int)


def without_marks(y: Any) -> tuple[Any, np.ndarray | None]:
    """Return y as an array, and the rows whose label is NaN, None, NA or masked; None if none."""
    if sp.issparse(y):
        return y.tocsr(), None
    if isinstance(y, (list, tuple)) and np.asarray(y).dtype.kind == "U":
        # NumPy would make strings of the marks among strings.
        y = np.array(y, dtype=object)
    array = np.asarray(np.ma.getdata(y) if np.ma.isMaskedArray(y) else y)
    if array.dtype.kind == "T":
        array = array.astype(object)
    absent = _is_absent(array) | np.ma.getmaskarray(y) if np.ma.is_masked(y) else _is_absent(array)
    if absent.ndim == 2:
        in_part = np.flatnonzero(absent.any(axis=1) & ~absent.all(axis=1))
        if len(in_part):
            raise ValueError(
                f"Row {in_part[0]} of y lacks some of its labels (NaN, None or NA). A row of an "
                "indicator, or of several numbers, has all of them, or none."
            )
        absent = np.asarray(absent.all(axis=1))
    return array, absent if absent.any() else None


def _is_absent(array: np.ndarray) -> np.ndarray:
    """Return where an array holds NaN, None, NA or NaT."""
    if array.dtype.kind == "O":
        values = [v is None or is_na(v) or _differs(v) for v in array.ravel()]
        return np.array(values, bool).reshape(array.shape)
    return np.asarray(array != array, bool)


def _differs(value: Any) -> bool:
    """Return whether a value is not equal to itself, as NaN and NaT are."""
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def _checked(y: Any) -> Any:
    """Check the labels that there are, and return them as an array of one dtype."""
    if not y.shape[0]:
        return np.zeros(0, int)
    if isinstance(y, np.ndarray) and y.dtype == object:
        y = _unboxed(y)
    y = check_array(
        y, accept_sparse="csr", ensure_2d=False, allow_nd=True, dtype=None, input_name="y"
    )
    if y.ndim == 1 or y.shape[1] == 1:
        return column_or_1d(y.toarray() if sp.issparse(y) else y, warn=True)
    return y


def _unboxed(y: np.ndarray) -> np.ndarray:
    """Return numbers, or booleans, that stood beside a mark; strings as they are."""
    values = y.ravel().tolist()
    kinds = sorted({type(value).__name__ for value in values})
    if "str" in kinds:
        if any([not (isinstance(value, str) or value == UNLABELLED) for value in values]):
            raise TypeError(f"y holds labels of several types, {kinds}. Make all of them strings.")
        return y
    try:
        plain = np.array(y.tolist())
    except ValueError:
        plain = y
    if plain.dtype.kind not in "biuf" or plain.ndim != y.ndim:
        raise TypeError(f"y holds values of type {', '.join(kinds)}. Labels are strings or ints.")
    return plain


def _marked(y: Any, classes: Any) -> np.ndarray | None:
    """Return which of the known labels are the mark -1; None if -1 is a class or does not occur."""
    if sp.issparse(y):
        return None
    if y.ndim == 2:
        marked = np.all(y == UNLABELLED, axis=1)
        return marked if marked.any() else None
    if y.dtype.kind in "USO":
        _check_lost_marks(y)
    if y.dtype.kind in "US":
        return None
    marked = np.asarray(y == UNLABELLED, bool)
    if not marked.any():
        return None
    if classes is not None:
        return None if UNLABELLED in np.asarray(classes).tolist() else marked
    is_sign = set(y[~marked].tolist()) == {1}
    return None if is_sign else marked


def _check_lost_marks(y: np.ndarray) -> None:
    strings = {value for value in y.tolist() if isinstance(value, str)}
    lost = sorted(strings.intersection(LOST_MARKS))
    if lost and strings != {"-1", "1"}:
        raise ValueError(
            f"y holds the string {lost[0]!r} beside other strings. If it marks rows without a "
            "label, keep the mark from being made a string: pass y as an array of dtype object "
            "with -1, None or NaN in it, such as numpy.array(labels, dtype=object). If it is a "
            "class, rename it."
        )
    doubtful = sorted(strings.intersection(DOUBTFUL))
    if doubtful:
        warnings.warn(
            f"y holds the string {doubtful[0]!r}, which is taken as a class. If it marks rows "
            "without a label, pass y as an array of dtype object with None in it.",
            UnlabelledRowsWarning,
            stacklevel=2,
        )


def _check_targets(y: Any) -> None:
    kind = type_of_target(y)
    if kind.endswith("multioutput"):
        raise ValueError(
            "y has several columns that are not 0 or 1. Several labels a row are given as an "
            "indicator matrix, see sklearn.preprocessing.MultiLabelBinarizer, in which a row of -1 "
            "has none; missing modalities are passed by name, as X_missing=..."
        )
    if kind == "continuous":
        raise ValueError(
            f"Unknown label type: continuous. y holds numbers such as {y[y != np.rint(y)][0]}, but "
            "a classifier learns classes. Cut y into classes, for instance by "
            "sklearn.preprocessing.KBinsDiscretizer; for numbers, take CMMDRegressor."
        )
    if kind == "multilabel-indicator":
        found = np.unique(y.data if sp.issparse(y) else y).tolist()
        if not {*found} <= {0, 1}:
            raise ValueError(
                f"An indicator matrix has 1 where a row has the label, else 0. y holds {found}. "
                f"Recode it, for instance as (y == {found[-1]}).astype(int)."
            )
    check_classification_targets(y)
