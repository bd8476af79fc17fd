"""Which rows each member of an ensemble leaves out."""

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import column_or_1d

from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.data.tables import check_row_counts

NEVER = -1
# So many rows tell as much of errors as more would, and are kept as long as the numbers are few.
MOST_ROWS, LEAST_ROWS, MOST_NUMBERS = 5000, 200, 20_000_000


def fold_of_rows(data: FitData, n_folds: int, groups: Any, seed: int) -> np.ndarray:
    """Deal rows to folds: return the number of the fold that leaves a row out, or `NEVER`.

    Classes and rows without a label are dealt evenly, groups whole. A class of one row is always
    learned from.

    Raises
    ------
    ValueError
        If there are fewer rows or groups than folds.
    """
    strata, n_rows = _strata(data), data.x.n_rows
    _check_number("rows", n_rows, n_folds)
    if groups is None:
        order = np.random.default_rng(seed).permutation(n_rows)
        order = order[np.argsort(strata[order], kind="stable")]
        fold = np.empty(n_rows, int)
        fold[order] = np.arange(n_rows) % n_folds
    else:
        fold = _by_groups(strata, checked_groups(groups, n_rows), n_folds, seed)
    if data.y is not None and data.y.ndim == 1:
        _, code, count = np.unique(data.y[data.labelled], return_inverse=True, return_counts=True)
        fold[np.flatnonzero(data.labelled)[count[code] == 1]] = NEVER
    return fold


def checked_groups(groups: Any, n_rows: int) -> np.ndarray:
    """Return groups as one number for each row."""
    check_row_counts(n_rows, {"groups": groups})
    return np.unique(column_or_1d(groups), return_inverse=True)[1]


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
    """Return a number for each row, the same where label and presence of x_M are the same."""
    code = np.zeros(data.x.n_rows, int)
    if data.y is not None and data.y.ndim == 1:
        code[data.labelled] = 1 + np.unique(data.y[data.labelled], return_inverse=True)[1]
    else:
        code[data.labelled] = 1
    return np.asarray(2 * code + data.present.any(axis=1))


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
