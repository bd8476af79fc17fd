"""A member of an ensemble: an estimator and the regressions of the same rows, and what they say."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.parallel import Parallel, delayed

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.crossfit.generators import MOST_ROWS, Regressors, fitted, predicted
from sklearn_cmmd.crossfit.teachers import taught
from sklearn_cmmd.data.hiding import hidden
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.rows import FitData, read_fit_data
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.exceptions import (
    CMMDWarning,
    CollapsedTeacherWarning,
    DerailedWarning,
    ReencodedLabelsWarning,
)


@dataclass
class Member:
    """An estimator, and for each missing modality the regressions on the same rows."""

    estimator: BaseCMMD
    regressors: list[list[Any]]

    @property
    def side(self) -> Side:
        """The missing modalities, as they were where this member learned."""
        side: Side = self.estimator._missing_side
        return side

    def standardised(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Return some rows of x_O as this member reads them."""
        return self.estimator._plan.layout.observed.standardised(table, rows, np.float64)

    def means(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Return what each generator says of some rows: (generators, n, columns), in units."""
        own = self.estimator._means(table, rows)
        if not any(self.regressors):
            return own[None]
        x = self.standardised(table, rows)
        parts = np.empty((1 + len(self.regressors[0]), *own.shape))
        for modality, regressors in zip(self.side.modalities, self.regressors, strict=True):
            for number, values in enumerate(predicted(regressors, x, modality), 1):
                parts[number][:, modality.columns] = values
        parts[0], parts[1:] = own, self.side.in_units(parts[1:])
        return parts


@dataclass
class LeftOut:
    """What a member says of rows that it did not see.

    `said` is what it says of y for those with a label, whose numbers are `labelled`. `errors`,
    (generators, n, columns), are those of the means for the rows `pairs`, in units of the member's
    scales, and `whole` says which columns hold whole numbers alone there. `shown` is the x_O of
    these rows with modalities hidden, if some are optional. `taught` is what its encoder sees in
    rows without a label.
    """

    labelled: np.ndarray
    said: Any = None
    pairs: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    errors: Any = None
    whole: Any = None
    shown: Table | None = None
    taught: np.ndarray | None = None


def fit_member(
    is_first: bool,
    estimator: BaseCMMD,
    left_out: np.ndarray,
    asked: np.ndarray,
    generators: str | Regressors | None,
    *data: Any,
) -> tuple[Member, LeftOut]:
    """Fit a member without the rows that are left out, and ask it about those of them `asked`.

    What is wrong with the data, `X`, `y`, `X_missing` and `sample_weight`, is said once, by the
    first member.
    """
    with warnings.catch_warnings():
        # The ensemble has looked at the callers itself.
        warnings.simplefilter("ignore", ReencodedLabelsWarning)
        if not is_first:
            ignore_what_was_said()
            for category in (CollapsedTeacherWarning, DerailedWarning):
                warnings.simplefilter("default", category)
        estimator._fit_without(left_out, *data)
    with warnings.catch_warnings():
        ignore_what_was_said()
        X, y, X_missing, weight = data
        layout = estimator._plan.layout
        read = read_fit_data(estimator, X, y, X_missing, weight, layout, "score")
    member = Member(estimator, _regressors(estimator, read, left_out, generators))
    found = LeftOut(asked[read.labelled[asked]], taught=taught(estimator, read))
    if hasattr(estimator, "_said"):
        found.said = estimator._said(*_shown(estimator, read, found.labelled))
    if read.x_missing is not None and read.present[asked].any():
        found.pairs = asked[read.present[asked].any(axis=1)]
        truth = member.side.read(read.x_missing, found.pairs)
        table, rows = _shown(estimator, read, found.pairs)
        found.shown = None if table is read.x else table
        errors = truth - member.means(table, rows)
        found.errors = (errors / member.side.scale).astype(np.float32)
        found.whole = (np.isnan(truth) | (truth == np.rint(truth))).all(axis=0)
    return member, found


def fit_members(
    estimators: Sequence[BaseCMMD],
    fold: np.ndarray,
    asked: np.ndarray,
    generators: str | Regressors | None,
    n_jobs: int | None,
    data: Sequence[Any],
) -> tuple[list[Member], list[LeftOut]]:
    """Fit the members; return them and what they say of the rows asked about.

    `fold` has the number of the member that leaves a row out.
    """
    jobs = [
        delayed(fit_member)(
            number == 0, estimator, fold == number, asked[fold[asked] == number], generators, *data
        )
        for number, estimator in enumerate(estimators)
    ]
    members, found = zip(*Parallel(n_jobs)(jobs), strict=True)
    return list(members), list(found)


def ignore_what_was_said() -> None:
    """Silence the warnings of data that were read before."""
    for category in (CMMDWarning, DataConversionWarning):
        warnings.simplefilter("ignore", category)


def _shown(estimator: BaseCMMD, data: FitData, rows: np.ndarray) -> tuple[Table, np.ndarray]:
    """Return a table and the numbers of these rows in it, as the estimator is to see them."""
    side: Any = estimator._plan.layout.observed
    if not (side.optional and len(rows)):
        return data.x, rows
    seed: Any = estimator.random_state
    return hidden(data.x, rows, side, seed), np.arange(len(rows))


def _regressors(
    estimator: BaseCMMD,
    data: FitData,
    left_out: np.ndarray,
    generators: str | Regressors | None,
) -> list[list[Any]]:
    """Fit the regressions of each missing modality on the rows that have it."""
    side, table = estimator._plan.layout.missing, data.x_missing
    if side is None or table is None:
        return []
    fits: list[list[Any]] = []
    # An ensemble gives every member a number.
    seed: Any = estimator.random_state
    for modality, has in zip(side.modalities, data.present.T, strict=True):
        rows = np.flatnonzero((has > 0) & (data.weight > 0) & ~left_out)
        if generators == "auto":
            rows = np.random.default_rng(seed).permutation(rows)[:MOST_ROWS]
        shown = _shown(estimator, data, rows)
        x = estimator._plan.layout.observed.standardised(*shown, np.float64)
        values = side.standardised(table, rows, np.float64)
        fits.append(fitted(generators, x, values[:, modality.columns], data.weight[rows], seed))
    return fits
