"""Which rows each member of an ensemble leaves out."""

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import column_or_1d

from sklearn_cmmd.data.alignment import labels_of, warn_of_another_order
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.data.tables import Table, check_row_counts

NEVER = -1
# So many rows tell as much of errors as more would, and are kept as long as the numbers are few.
MOST_ROWS, LEAST_ROWS, MOST_NUMBERS = 5000, 200, 20_000_000


def fold_of_rows(data: FitData, n_folds: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Deal rows to folds: return the number of the fold that leaves a row out, or `NEVER`.

    Classes, rows without a label and rows without a modality are dealt evenly, groups whole. The
    only row of a class is always learned from, and its group.

    Raises
    ------
    ValueError
        If there are fewer rows or groups than folds, or all that has something is in one fold.
    """
    strata, n_rows = _strata(data), data.x.n_rows
    _check_number("rows", n_rows, n_folds)
    if groups is None:
        order = np.random.default_rng(seed).permutation(n_rows)
        order = order[np.argsort(strata[order], kind="stable")]
        fold = np.empty(n_rows, int)
        fold[order] = np.arange(n_rows) % n_folds
    else:
        fold = _by_groups(strata, groups, n_folds, seed)
    known = np.flatnonzero(data.labelled & (data.weight > 0))
    code = None if data.y is None else data.kind.codes(data.y[known])
    if code is not None:
        single = known[np.bincount(code)[code] == 1]
        fold[single if groups is None else np.isin(groups, groups[single])] = NEVER
    _check_what_is_left(data, fold, n_folds)
    return fold


def _check_what_is_left(data: FitData, fold: np.ndarray, n_folds: int) -> None:
    """Raise a ValueError if a member would see no row of a modality, or too little of y.

    All rows that have it are then in one fold, as those of a single group are.
    """
    counts, (observed, missing) = data.weight > 0, data.modalities
    having = {f"{m.name!r} of X": has > 0 for m, has in zip(observed, data.at_hand.T, strict=True)}
    for modality, has in zip(missing, data.present.T, strict=True):
        having[f"{modality.name!r} of X_missing"] = has > 0
    if data.y is not None:
        having["a label or a target"] = data.labelled
        codes = data.kind.codes(data.y[data.labelled])
        if codes is not None:
            other = np.zeros(len(fold), bool)
            # Of two classes, all rows but those of the greatest.
            other[data.labelled] = codes != np.bincount(codes).argmax()
            having["a class other than the greatest"] = other
    for number in range(n_folds):
        kept = counts & (fold != number)
        for what, has in having.items():
            if (counts & has).any() and not (kept & has).any():
                raise ValueError(
                    f"Every row that has {what} is left out by member {number}, which cannot learn "
                    "it then. Give groups each of which lacks nothing, or more rows that have it."
                )


def checked_groups(groups: Any, x: Table) -> np.ndarray:
    """Return groups as one number for each row of x; a ValueError says that a row has none."""
    check_row_counts(x.n_rows, {"groups": groups})
    warn_of_another_order(x.row_labels | labels_of(groups=groups))
    values = column_or_1d(groups)
    without = np.flatnonzero([value is None or value != value for value in values.tolist()])
    if len(without):
        raise ValueError(
            f"{len(without)} rows belong to no group, the first of them row {without[0]}. Give "
            "each a group of its own, or leave them out."
        )
    return np.unique(values, return_inverse=True)[1]


def _by_groups(strata: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    _check_number("groups", int(groups.max()) + 1, n_folds)
    if np.bincount(strata).max() < n_folds:
        strata = np.zeros_like(strata)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    fold = np.empty(len(groups), int)
    with warnings.catch_warnings():  # of classes with fewer rows than folds
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, out) in enumerate(splitter.split(strata, strata, groups)):
            fold[out] = number
    return fold


def _strata(data: FitData) -> np.ndarray:
    """Return a number for each row, the same where label, weight and presence of x_M are alike."""
    code = data.labelled.astype(int)
    classes = None if data.y is None else data.kind.codes(data.y[data.labelled])
    if classes is not None:
        code[data.labelled] += classes
    alike = np.column_stack([code, data.weight > 0, data.at_hand, data.present])
    return np.unique(alike, axis=0, return_inverse=True)[1].ravel()


def _check_number(what: str, found: int, n_folds: int) -> None:
    if found < n_folds:
        raise ValueError(
            f"n_estimators={n_folds} members leave out other {what} each, but X has {found} "
            f"{what}. Lower n_estimators."
        )


def asked_rows(data: FitData, fold: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows that members are asked about, of those that they left out and that count."""
    rows = np.flatnonzero((fold != NEVER) & (data.weight > 0))
    n_columns = 0 if data.x_missing is None else data.x_missing.n_columns
    most = min(MOST_ROWS, max(LEAST_ROWS, MOST_NUMBERS // max(n_columns, 1)))
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])
