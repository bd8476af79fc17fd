"""The rows of a fit: checked together, then brought to the device as a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

from sklearn_cmmd.data.alignment import labels_of, warn_of_another_order
from sklearn_cmmd.data.columns import described
from sklearn_cmmd.data.hiding import Hiding
from sklearn_cmmd.data.layout import Layout, Side, check_disjoint, weighted_by_size
from sklearn_cmmd.data.matrices import Matrix, join
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.optional import at_hand, filled, optional_of
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.data.scaling import Example, some_of
from sklearn_cmmd.data.tables import (
    Table,
    check_row_counts,
    check_weight,
    presence,
    read_table,
)
from sklearn_cmmd.data.targets import Targets


@dataclass(frozen=True)
class RowCounts:
    """Numbers of rows of a fit that count, all that its schedule must know of them.

    `labelled` is that of the rows with a label, `unlabelled` of the others; `pairs` of those that
    have something of the missing modalities. `classes` are the numbers of labelled rows of each
    class that occurs; there are none without y, or if it holds several labels a row.
    """

    labelled: int
    unlabelled: int
    pairs: int
    classes: np.ndarray


@dataclass(frozen=True)
class FitData:
    """Checked input of a fit; x_missing and y are None if they were not given.

    `modalities` are those of each side, with their columns and shapes, `optional` those of X that a
    row may lack. `at_hand`, of shape (n, n_observed_modalities), is 1 where a row has a modality of
    X, else 0; `present`, of shape (n, n_missing_modalities), the same of X_missing. `labelled` says
    which rows have a label; without y, all count as if they had one. Positive weights have a mean
    of one. `kind` is what y is taken for.
    """

    x: Table
    x_missing: Table | None
    modalities: tuple[Sequence[Modality], Sequence[Modality]]
    optional: dict[int, float]
    at_hand: np.ndarray
    present: np.ndarray
    y: Any
    weight: np.ndarray
    labelled: np.ndarray
    kind: type[Targets]

    @cached_property
    def counts(self) -> "RowCounts":
        """Numbers of the rows of positive weight."""
        counts = self.weight > 0
        known = counts & self.labelled
        can_hide = (self.at_hand.sum(axis=1) > 1) & bool(self.optional)
        n_labelled, n_pairs = np.sum(known), np.sum(counts & (can_hide | self.present.any(axis=1)))
        classes = np.zeros(0, int)
        if self.y is not None:
            classes = self.kind.count(self.y[known])
        n_unlabelled = np.sum(counts) - n_labelled
        return RowCounts(int(n_labelled), int(n_unlabelled), int(n_pairs), classes)

    def without(self, left_out: np.ndarray) -> "FitData":
        """Return the same rows, of which those that are left out do not count.

        What kind of values a modality has is still decided by all of them.
        """
        observed, missing = self.modalities
        if self.x_missing is not None:
            learned = Side.learn(missing, self.x_missing, self.weight, self.present, generated=True)
            missing = learned.modalities
        if self.optional:
            known = self.generated_of_x().modalities
            observed = [
                each.resolved(likelihood=known[list(self.optional).index(number)].likelihood)
                if number in self.optional
                else each
                for number, each in enumerate(observed)
            ]
        weight = check_weight(np.where(left_out, 0, self.weight), len(left_out))
        return replace(self, modalities=(observed, missing), weight=weight)

    def generated_of_x(self) -> Side:
        """Learn the optional modalities of X as what is generated."""
        numbers = list(self.optional)
        modalities = [self.modalities[0][number] for number in numbers]
        return Side.learn(modalities, self.x, self.weight, self.at_hand[:, numbers], generated=True)

    def check_form(self, layout: Layout, caller: str) -> None:
        """Raise a ValueError unless the data have the classes and likelihoods of a layout."""
        if layout.missing is not None and self.x_missing is not None:
            layout.missing.check_likelihoods(self.x_missing, self.weight, self.present)
        if layout.optional is not None:
            layout.optional.check_likelihoods(self.x, self.weight, self.at_hand)
        if layout.targets is not None and self.y is not None:
            layout.targets.check_known(self.y[self.labelled], caller)

    def rows(self, layout: Layout, device: torch.device) -> PairedRows:
        """Return the rows of positive weight, on the device or streamed if they are too large."""
        y = missing = present = None
        if layout.targets is not None and self.y is not None:
            y = torch.from_numpy(layout.targets.encode(self.y, self.labelled)).to(device)
        has_pair = np.asarray(self.present.any(axis=1))
        if layout.missing is not None and self.x_missing is not None:
            missing = _matrix(layout.missing, self.x_missing, device)
            if not self.present.all():
                present = torch.from_numpy(self.present).to(device)
        everything = np.ones_like(self.labelled)
        weight, label_weight, pair_weight = [
            _weights(self.weight, has, device)
            for has in (everything, self.labelled, everything if missing is None else has_pair)
        ]
        observed, hiding = _matrix(layout.observed, self.x, device), None
        if layout.optional is not None:
            masks = torch.from_numpy(self.at_hand[:, list(self.optional)]).to(device)
            observed, hiding = join([observed, masks]), Hiding(layout, device)
        columns = missing, present, y, weight, label_weight, pair_weight, self.labelled
        rows = PairedRows(observed, *columns, hiding)
        return rows if self.weight.all() else rows.subset(np.flatnonzero(self.weight))


def _weights(weight: np.ndarray, has: np.ndarray, device: torch.device) -> Tensor | None:
    """Return weights of the rows that have something, with a mean of one over those.

    So a weight of two is the row twice, however many rows lack what a term needs. None stands for
    weights that are all one.
    """
    counts = has & (weight > 0)
    if (counts & (weight == 1)).all():
        return None
    # What counts must not vanish in float32.
    values = np.where(counts, np.maximum(weight, np.finfo(np.float32).tiny), 0)
    values /= values[counts].mean() if counts.any() else 1.0
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _matrix(side: Side, table: Table, device: torch.device) -> Matrix:
    """Return a table, standardised, for training on the device."""
    loads = [(table.blocks[key].load, side.standardise(key, table.has_gaps)) for key in side.widths]
    return join([load(standardise, device) for load, standardise in loads])


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

    With a `layout`, that of an earlier fit, the data must have its form; `caller` says who wants
    that: "warm_start", "partial_fit", "init_from" or "score". `classes` are those that are known
    before. Of the estimator, `observed`, `missing`, `optional` and, if it has one, `class_weight`
    are read.
    """
    going_on = caller in ("warm_start", "partial_fit", "score") and layout is not None
    gaps = estimator.optional is not None if layout is None else bool(layout.observed.optional)
    X = X if layout is None else filled(X, layout.observed)
    x = read_table(X, "X", estimator, 1 if going_on else 2, gaps)
    x_missing, row_labels = None, x.row_labels
    if X_missing is not None:
        x_missing = read_table(X_missing, "X_missing", estimator, gaps=True)
        check_row_counts(x.n_rows, {"X_missing": x_missing})
        row_labels |= x_missing.row_labels
    kind, labels, labelled = estimator._kind_of_y, y, np.ones(x.n_rows, bool)
    if y is not None:
        labels, labelled = kind.read(y, classes, going_on)
        check_row_counts(x.n_rows, {"y": labels})
    warn_of_another_order(row_labels | labels_of(y=y, sample_weight=sample_weight))
    weight = check_weight(sample_weight, x.n_rows)
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is not None and caller != "score":
        weight = _balanced(weight, labels, labelled, class_weight)
    observed: Sequence[Modality]
    missing: Sequence[Modality]
    if layout is not None:
        check_sides(layout, x, x_missing, labels, caller)
        observed = layout.observed.modalities
        missing = () if layout.missing is None else layout.missing.modalities
        optional = layout.observed.optional
    elif estimator.missing is not None and x_missing is None:
        raise ValueError("missing= describes modalities, but no X_missing was passed to fit.")
    else:
        observed = described(estimator.observed, x)
        missing = () if x_missing is None else described(estimator.missing, x_missing)
        optional = optional_of(estimator.optional, observed)
    has = at_hand(x, observed, optional)
    present = np.zeros((x.n_rows, 0)) if x_missing is None else presence(x_missing, missing)
    kind.warn_of_unlabelled(labelled)
    sides = observed, missing
    return FitData(x, x_missing, sides, optional, has, present, labels, weight, labelled, kind)


def _balanced(weight: np.ndarray, y: Any, labelled: np.ndarray, class_weight: Any) -> np.ndarray:
    """Multiply the weights of the labelled rows by those of their classes."""
    if y is None:
        raise ValueError("class_weight= weights classes, but no y was passed to fit.")
    weight = weight.copy()
    try:
        weight[labelled] *= compute_sample_weight(class_weight, y[labelled])
        return check_weight(weight, len(weight))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"class_weight={class_weight!r} is no weight for each class, positive or zero, by the "
            f"names of the classes ({error})."
        ) from error


def check_sides(layout: Layout, x: Table, x_missing: Table | None, y: Any, caller: str) -> None:
    """Raise a ValueError unless further data have the sides and the columns of the first."""
    layout.observed.check(x)
    pairs = ("X_missing", layout.missing, x_missing), ("y", layout.targets, y)
    for name, before, now in pairs:
        # A second stage may learn labels that the first did not have; a score needs not all.
        if (name == "y" and caller == "init_from") or (caller == "score" and now is None):
            continue
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

    `classes` are all that there are; data that are `partial` may lack some.
    """
    observed, missing = data.modalities
    targets = learn_targets(data, classes, partial)
    table, example = data.x, _example(data, targets)
    sides = {
        "observed": Side.learn(
            observed, table, data.weight, data.at_hand, optional=data.optional, example=example
        )
    }
    if data.x_missing is not None:
        check_disjoint(observed, missing)
        sides["missing"] = Side.learn(
            missing, data.x_missing, data.weight, data.present, generated=True
        )
    if data.optional:
        sides["optional"] = data.generated_of_x().of_modalities()
    found = dict(zip(sides, weighted_by_size(list(sides.values())), strict=True))
    return Layout(found["observed"], found.get("missing"), targets, found.get("optional"))


def _example(data: FitData, targets: Targets | None) -> Example | None:
    """Return rows with what x_O is to tell: y, or x_M if there is no y."""
    counts = data.weight > 0
    if targets is not None:
        rows = some_of(np.flatnonzero(counts & data.labelled))
        y = targets.encode(data.y[rows], np.ones(len(rows), bool))
        of_classes = y.ndim == 1 and targets.likelihood == "categorical"
        told = np.eye(targets.n_columns)[y] if of_classes else y.reshape(len(rows), -1)
        return Example(rows, told, of_classes)
    if data.x_missing is None:
        return None
    rows = some_of(np.flatnonzero(counts & data.present.all(axis=1)))
    parts = [block.read(rows) for block in data.x_missing.blocks.values()]
    return Example(rows, StandardScaler().fit_transform(np.hstack(parts)), of_classes=False)


def learn_targets(
    data: FitData, classes: Any = None, partial: bool = False, before: Targets | None = None
) -> Targets | None:
    """Learn what y holds; all classes must be among `classes` if these are given.

    `before` are the targets of networks to start from.
    """
    if data.y is None:
        return None
    labelled = data.labelled
    learned = data.kind.learn(data.y[labelled], data.weight[labelled], classes, partial)
    return learned.after(before)
