"""The rows of a fit: checked together, then brought to the device as a data set."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

from sklearn_cmmd.data.alignment import warn_of_another_order
from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.data.layout import Layout, Side, check_disjoint, described, weighted_by_size
from sklearn_cmmd.data.matrices import Matrix, join
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import (
    Table,
    check_row_counts,
    check_weight,
    presence,
    read_table,
)
from sklearn_cmmd.data.targets import Targets, check_labels, check_two_classes, warn_of_unlabelled

__all__ = ["FitData", "PairedRows", "learn_layout", "read_fit_data"]


@dataclass(frozen=True)
class FitData:
    """Checked input of a fit; what was not given is None.

    Attributes
    ----------
    x, x_missing : Table
        The two sides.
    modalities : tuple of two sequences of Modality
        The modalities of each, with their columns and shapes.
    present : ndarray of shape (n, n_missing_modalities)
        1 where a row has a missing modality, else 0; None if all have all.
    y : array
        Labels; of rows without one, any.
    weight : ndarray of shape (n,)
        Weights of the rows; None if all are equal.
    labelled : ndarray of bool of shape (n,)
        Which rows have a label; None if all have, or if there is no y.
    """

    x: Table
    x_missing: Table | None
    modalities: tuple[Sequence[Modality], Sequence[Modality]]
    present: np.ndarray | None
    y: Any
    weight: np.ndarray | None
    labelled: np.ndarray | None

    @property
    def n_by_label(self) -> tuple[int, int]:
        """Numbers of rows of positive weight with a label, and of those without.

        Where there are no labels at all, all rows count as the former.
        """
        counts = np.ones(self.x.n_rows, bool) if self.weight is None else self.weight > 0
        n_labelled = int(np.sum(counts if self.labelled is None else counts & self.labelled))
        return n_labelled, int(counts.sum()) - n_labelled

    @property
    def n_pairs(self) -> int:
        """Number of rows of positive weight that have something of the missing modalities."""
        if self.x_missing is None:
            return 0
        has = np.ones(self.x.n_rows, bool) if self.present is None else self.present.any(axis=1)
        return int(np.sum(has if self.weight is None else has & (self.weight > 0)))

    @property
    def known_y(self) -> Any:
        """The labels of the rows that have one."""
        return self.y if self.labelled is None else self.y[self.labelled]

    def check_form(self, layout: Layout, caller: str) -> None:
        """Raise a ValueError unless the data have the classes and likelihoods of a layout."""
        if layout.missing is not None and self.x_missing is not None:
            layout.missing.check_likelihoods(self.x_missing, self.weight, self.present)
        if layout.targets is not None:
            layout.targets.check_known(self.known_y, caller)

    def rows(self, layout: Layout, device: torch.device) -> "PairedRows":
        """Return the rows of positive weight, on the device or streamed if they are too large."""
        y = missing = None
        if layout.targets is not None:
            y = torch.from_numpy(layout.targets.encode(self.y, self.labelled)).to(device)
        if layout.missing is not None and self.x_missing is not None:
            missing = _matrix(layout.missing, self.x_missing, device)
        has_label = self.labelled if self.n_by_label[1] else None
        has_pair = None if self.present is None else np.asarray(self.present.any(axis=1))
        weights = [_weight_of(has, self.weight) for has in (None, has_label, has_pair)]
        present, weight, label_weight, pair_weight = [
            None if column is None else torch.from_numpy(column.astype(np.float32)).to(device)
            for column in (self.present, *weights)
        ]
        rows = PairedRows(
            _matrix(layout.observed, self.x, device),
            missing,
            present,
            y,
            weight,
            label_weight,
            pair_weight,
            has_label,
        )
        return rows if self.weight is None else rows.subset(np.flatnonzero(self.weight))


def _weight_of(has: np.ndarray | None, weight: np.ndarray | None) -> np.ndarray | None:
    """Return weights of the rows that have something, with a mean of one over those.

    So a weight of two is the row twice, however many rows lack what a term needs.
    """
    if weight is None:
        return has
    # What counts must not vanish in float32.
    floored = np.where(weight > 0, np.maximum(weight, np.finfo(np.float32).tiny), 0)
    if has is None:
        return floored
    counts = has & (weight > 0)
    return np.where(counts, floored, 0) / (floored[counts].mean() if counts.any() else 1.0)


def _matrix(side: Side, table: Table, device: torch.device) -> Matrix:
    """Return a table, standardised, for training on the device."""
    return join(
        [
            table.blocks[key].load(side.standardise(key, table.has_gaps), device)
            for key in side.widths
        ]
    )


def read_fit_data(
    estimator: Any,
    X: Any,
    y: Any,
    X_missing: Any,
    sample_weight: Any,
    layout: Layout | None = None,
    caller: str = "fit",
    classes: Any = None,
) -> FitData:
    """Check all input of a fit together, before anything of the estimator changes.

    Parameters
    ----------
    estimator : estimator
        Its `observed`, `missing` and `class_weight` are read.
    X, y, X_missing, sample_weight
        What `fit` was given.
    layout : Layout, optional
        That of an earlier fit whose form the data must have.
    caller : {"fit", "warm_start", "partial_fit", "init_from"}
        Who asks for that form.
    classes : array-like, optional
        The classes, where they are known before.

    Raises
    ------
    ValueError, TypeError
        If something is wrong with one of them, or if they do not go together.
    """
    going_on = caller in ("warm_start", "partial_fit") and layout is not None
    x = read_table(X, "X", estimator, 1 if going_on else 2)
    x_missing = None
    if X_missing is not None:
        x_missing = read_table(X_missing, "X_missing", estimator, gaps=True)
        check_row_counts(x.n_rows, {"X_missing": x_missing})
    labelled, given_y = None, y
    if y is not None:
        y, labelled = check_labels(y, classes)
        check_row_counts(x.n_rows, {"y": y})
    tables = [x] if x_missing is None else [x, x_missing]
    warn_of_another_order(tables, {"y": given_y})
    modalities: tuple[Sequence[Modality], Sequence[Modality]]
    if layout is not None:
        _check_sides(layout, x, x_missing, y, caller)
        modalities = (
            layout.observed.modalities,
            () if layout.missing is None else layout.missing.modalities,
        )
    elif estimator.missing is not None and x_missing is None:
        raise ValueError("missing= describes modalities, but no X_missing was passed to fit.")
    else:
        modalities = (
            described(estimator.observed, x),
            () if x_missing is None else described(estimator.missing, x_missing),
        )
    present = None if x_missing is None else presence(x_missing, modalities[1])
    weight = check_weight(sample_weight, x.n_rows)
    data = FitData(x, x_missing, modalities, present, y, weight, labelled)
    warn_of_unlabelled(labelled)
    return data if estimator.class_weight is None else _balanced(data, estimator.class_weight)


def _balanced(data: FitData, class_weight: Any) -> FitData:
    """Multiply the weights of the labelled rows by those of their classes."""
    if data.y is None:
        raise ValueError("class_weight= weights classes, but no y was passed to fit.")
    labelled = np.ones(data.x.n_rows, bool) if data.labelled is None else data.labelled
    weight = np.ones(data.x.n_rows) if data.weight is None else data.weight.copy()
    weight[labelled] *= compute_sample_weight(class_weight, data.known_y)
    return replace(data, weight=check_weight(weight, data.x.n_rows))


def _check_sides(layout: Layout, x: Table, x_missing: Table | None, y: Any, caller: str) -> None:
    """Raise a ValueError unless further data have the sides and the columns of the first."""
    layout.observed.check(x)
    pairs = ("X_missing", layout.missing, x_missing), ("y", layout.targets, y)
    for name, before, now in pairs:
        if name == "y" and caller == "init_from":
            continue  # a second stage may learn labels that the first did not have
        if (before is None) != (now is None):
            had, has = ("without", "with") if before is None else ("with", "without")
            remedy = (
                "Fit init_from on the same kind of data."
                if caller == "init_from"
                else "Set warm_start=False and call fit to begin anew."
            )
            if name == "X_missing" and now is None:
                remedy = f"Pass it with NaN where rows lack it. {remedy}"
            raise ValueError(
                f"The model was first fitted {had} {name}, and cannot go on {has} it. {remedy}"
            )
    if layout.missing is not None and x_missing is not None:
        layout.missing.check(x_missing)


def learn_layout(data: FitData, classes: Any = None, partial: bool = False) -> Layout:
    """Learn scales, likelihoods and classes.

    Parameters
    ----------
    data : FitData
        The data.
    classes : array-like, optional
        All classes there are, where `y` is a part of the data.
    partial : bool
        Whether the data are a part, which may lack classes.
    """
    observed, missing = data.modalities
    sides = [Side.learn(observed, data.x, data.weight)]
    if data.x_missing is not None:
        check_disjoint(observed, missing)
        sides.append(Side.learn(missing, data.x_missing, data.weight, data.present))
    sides = [
        replace(side, modalities=modalities)
        for side, modalities in zip(sides, weighted_by_size(sides), strict=True)
    ]
    return Layout(
        sides[0], sides[1] if len(sides) > 1 else None, learn_targets(data, classes, partial)
    )


def learn_targets(data: FitData, classes: Any = None, partial: bool = False) -> Targets | None:
    """Learn the classes; all of them must be among `classes` if these are given."""
    if data.y is None:
        return None
    targets = Targets(data.known_y, classes)
    if classes is not None:
        targets.check_known(data.known_y, "partial_fit")
    if not partial:
        labelled, weight = data.labelled, data.weight
        weight = weight if weight is None or labelled is None else weight[labelled]
        check_two_classes(data.known_y, weight, targets)
    return targets


class PairedRows(torch.utils.data.Dataset[Any]):
    """Rows of a fit on a device; all but the first may be None.

    Parameters
    ----------
    observed, missing : Matrix of shape (n, n_columns)
        Standardised modalities.
    present : Tensor of shape (n, n_modalities)
        1 where a row has a missing modality, else 0; None if all have all.
    y : Tensor of shape (n,) or (n, n_labels)
        Labels.
    weight, label_weight, pair_weight : Tensor of shape (n,)
        Weights of all rows, of those with a label, and of those with something of x_M; see `Batch`.
    labelled : ndarray of bool of shape (n,)
        Which rows have a label; None if all have.
    index : Tensor of shape (n_rows,), optional
        The rows that belong to this set, on the CPU; all of them by default.
    """

    def __init__(
        self,
        observed: Matrix,
        missing: Matrix | None = None,
        present: Tensor | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
        label_weight: Tensor | None = None,
        pair_weight: Tensor | None = None,
        labelled: np.ndarray | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.observed = observed
        self.missing = missing
        self.present = present
        self.y = y
        self.weight = weight
        self.label_weight = label_weight
        self.pair_weight = pair_weight
        self.labelled = labelled
        self.index = torch.arange(len(observed), device="cpu") if index is None else index
        self.device = observed.device

    def subset(self, positions: np.ndarray) -> "PairedRows":
        """Return the set of the rows at these positions, which shares their storage."""
        part = copy(self)
        part.index = self.index[torch.from_numpy(positions)]
        return part

    @property
    def positions_by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows with a label, and of the others."""
        if self.labelled is None:
            return np.arange(len(self)), np.arange(0)
        has = self.labelled[self.index.numpy()]
        return np.flatnonzero(has), np.flatnonzero(~has)

    def codes(self) -> np.ndarray | None:
        """Return the codes of the classes, or None if there are none or several a row."""
        if self.y is None or self.y.dim() > 1:
            return None
        codes: np.ndarray = self.y.numpy(force=True)[self.index.numpy()]
        return codes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    @property
    def is_resident(self) -> bool:
        """Whether all rows live on the device."""
        sides = [side for side in (self.observed, self.missing) if side is not None]
        return all(getattr(side, "is_resident", True) for side in sides)

    def gather(self, numbers: Tensor) -> Batch:
        """Return the minibatch of the rows with these numbers.

        The numbers are on the device if the rows are resident, else on the CPU.
        """
        columns = (self.present, self.y, self.weight, self.label_weight, self.pair_weight)
        here = numbers.to(self.device)
        present, y, *weights = [
            None if column is None else column.index_select(0, here) for column in columns
        ]
        observed = View(self.observed.index_select(0, numbers))
        missing = None
        if self.missing is not None:
            missing = View(self.missing.index_select(0, numbers), present)
        return Batch(observed, missing, y, *weights)

    def split(self, fraction: float, seed: int) -> tuple["PairedRows", "PairedRows"]:
        """Hold out a fraction of the labelled rows.

        Every class keeps a row to train on, and has its share of the rows held out if possible.
        """
        has, lacks = self.positions_by_label
        codes = self.codes()
        kept, held_out = _split(has, None if codes is None else codes[has], fraction, seed)
        return self.subset(np.sort(np.append(kept, lacks))), self.subset(np.sort(held_out))


def _split(
    positions: np.ndarray, codes: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    n_held_out = int(np.ceil(fraction * len(positions)))
    if codes is None:
        kept, held_out = train_test_split(positions, test_size=n_held_out, random_state=seed)
        return kept, held_out
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    if counts.min() >= 2 and min(n_held_out, len(codes) - n_held_out) >= len(counts):
        kept, held_out, kept_codes, _ = train_test_split(
            positions, codes, test_size=n_held_out, random_state=seed, stratify=codes
        )
        if len(np.unique(kept_codes)) == len(counts):
            return kept, held_out
    # One row of each class, whichever comes first in a random order, is not held out.
    order = np.random.RandomState(seed).permutation(len(positions))
    first = np.unique(codes[order], return_index=True)[1]
    held = np.delete(order, first)[:n_held_out]
    return np.delete(positions, held), positions[held]
