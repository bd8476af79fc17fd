"""What a fit is given, checked together before anything of the estimator changes."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from sklearn_cmmd._indexed import IndexedArray
from sklearn_cmmd._labels import Labels, check_labels, check_two_classes
from sklearn_cmmd._validation import Table, check_row_counts, check_weight, read_table
from sklearn_cmmd.modalities import ModalitySet
from sklearn_cmmd.networks.architecture import Block
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.matrices import (
    ByteMatrix,
    IndexedMatrix,
    JoinedMatrix,
    Matrix,
    is_resident,
    load,
)

__all__ = [
    "FitData",
    "Layout",
    "adopt_layout",
    "blocks",
    "learn_layout",
    "read_fit_data",
    "split_rows",
]


@dataclass(frozen=True)
class Layout:
    """What was learned about the form of the data: modalities of both sides, and labels."""

    observed: ModalitySet
    missing: ModalitySet | None
    labels: Labels | None

    def check_same(self, data: "FitData", caller: str) -> None:
        """Raise a ValueError unless further data have the form and the classes of the first."""
        self.observed.check(data.x)
        for name, before, now in (
            ("X_missing", self.missing, data.x_missing),
            ("y", self.labels, data.y),
        ):
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
        if self.missing is not None and data.x_missing is not None:
            self.missing.check(data.x_missing)
            self.missing.check_likelihoods(data.x_missing, data.weight)
        if self.labels is not None:
            self.labels.check_known(data.known_y, caller)


@dataclass(frozen=True)
class FitData:
    """Checked input of a fit; what was not given is None."""

    x: Table
    x_missing: Table | None
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
    def known_y(self) -> Any:
        """The labels of the rows that have one."""
        return self.y if self.labelled is None else self.y[self.labelled]

    def rows(self, layout: Layout, device: torch.device) -> PairedRows:
        """Return the rows of positive weight, on the device or streamed if they are too large."""
        missing = y = present = None
        if layout.missing is not None and self.x_missing is not None:
            missing = _matrix(layout.missing, self.x_missing, device)
            present = layout.missing.presence(self.x_missing)
        if layout.labels is not None:
            y = torch.from_numpy(layout.labels.encode(self.y, self.labelled)).to(device)
        some_labelled = self.labelled if self.n_by_label[1] else None
        weight, labelled, present_ = (
            None if values is None else torch.from_numpy(values.astype(np.float32)).to(device)
            for values in (self.weight, some_labelled, present)
        )
        observed = _matrix(layout.observed, self.x, device)
        rows = PairedRows(observed, missing, y, weight, labelled, present_)
        return rows if self.weight is None else rows.subset(np.flatnonzero(self.weight))


def _matrix(modalities: ModalitySet, table: Table, device: torch.device) -> Matrix:
    """Return a table, standardised, for training on the device."""
    blocks = {key: table.blocks[key] for key in modalities.widths}
    if not any(isinstance(block, IndexedArray) for block in blocks.values()):
        read = partial(modalities.standardised, table, dtype=np.float32)
        return load(_filled(read, table), table.n_rows, table.n_columns, device)
    return JoinedMatrix([_block(modalities, table, key, device) for key in blocks])


def _filled(read: Callable[[Any], np.ndarray], table: Table) -> Callable[[Any], np.ndarray]:
    """Return a function that reads rows with zeros in the place of NaN."""
    return (lambda rows: np.nan_to_num(read(rows), copy=False)) if table.has_gaps else read


def _block(modalities: ModalitySet, table: Table, key: str, device: torch.device) -> Matrix:
    """Return one block; of an indexed one, the distinct rows and the index."""
    block = table.blocks[key]
    indexed = isinstance(block, IndexedArray)
    is_bytes = indexed and block.array.dtype == np.uint8
    if is_bytes and is_resident(block.array.nbytes, device):
        span = modalities.span(key)
        scaling = block.factor, modalities.loc[span], modalities.scale[span]
        rows: Matrix = ByteMatrix(block.array, *scaling, device)
    else:
        distinct = block.distinct if indexed else block
        read = partial(modalities.standardised_block, key, distinct, dtype=np.float32)
        rows = load(_filled(read, table), distinct.shape[0], distinct.shape[1], device)
    return IndexedMatrix(rows, block.index) if indexed else rows


def read_fit_data(
    estimator: Any,
    X: Any,
    y: Any,
    X_missing: Any,
    sample_weight: Any,
    min_rows: int,
    classes: Any = None,
) -> FitData:
    """Check all input of a fit; `classes` are those that are known before.

    Raises
    ------
    ValueError, TypeError
        If something is wrong with one of them, or if their row counts differ.
    """
    x = read_table(X, "X", estimator, min_rows)
    x_missing = None
    if X_missing is not None:
        x_missing = read_table(X_missing, "X_missing", estimator, gaps=True)
        check_row_counts(x.n_rows, {"X_missing": x_missing})
        _warn_of_another_order(x, x_missing)
    labelled = None
    if y is not None:
        y, labelled = check_labels(y, classes)
        check_row_counts(x.n_rows, {"y": y})
    return FitData(x, x_missing, y, check_weight(sample_weight, x.n_rows), labelled)


def _warn_of_another_order(x: Table, x_missing: Table) -> None:
    one, other = x.index, x_missing.index
    if one is None or other is None or one.equals(other) or len(one.difference(other)):
        return
    warnings.warn(
        "X and X_missing have the same row labels in another order, but rows are paired by "
        "position. If that is not meant, pass X_missing.loc[X.index].",
        stacklevel=2,
    )


def learn_layout(
    data: FitData, observed: Any, missing: Any, classes: Any = None, incremental: bool = False
) -> Layout:
    """Find out about modalities, their scales and the labels."""
    if missing is not None and data.x_missing is None:
        raise ValueError("missing= describes modalities, but no X_missing was passed to fit.")
    sides = [ModalitySet(observed, data.x, "X", data.weight)]
    if data.x_missing is not None:
        sides.append(ModalitySet(missing, data.x_missing, "X_missing", data.weight))
        _check_disjoint(*sides)
    largest = max(size for side in sides for size in side.sizes)
    for side in sides:
        side.reweight(largest)
    labels = _learn_labels(data, classes, incremental)
    return Layout(sides[0], sides[1] if len(sides) > 1 else None, labels)


def _check_disjoint(observed: ModalitySet, missing: ModalitySet) -> None:
    both = {m.name for m in observed.modalities} & {m.name for m in missing.modalities}
    if both:
        raise ValueError(
            f"Modalities {sorted(both)} are both observed and missing. Leave them out of "
            "X_missing if they are at hand at test time, and out of X if they are not."
        )


def _learn_labels(data: FitData, classes: Any, incremental: bool) -> Labels | None:
    if data.y is None:
        return None
    labels = Labels(data.known_y, classes)
    if classes is not None:
        labels.check_known(data.known_y, "partial_fit")
    if not incremental:
        labelled, weight = data.labelled, data.weight
        weight = weight if weight is None or labelled is None else weight[labelled]
        check_two_classes(data.known_y, weight, labels)
    return labels


def adopt_layout(data: FitData, layout: Layout) -> Layout:
    """Take over modalities and scales from another fit, and learn the labels anew."""
    adopted = replace(layout, labels=_learn_labels(data, None, incremental=False))
    adopted.check_same(data, "init_from")
    return adopted


def blocks(modalities: ModalitySet | None) -> tuple[Block, ...]:
    """Return the modalities as the networks see them."""
    if modalities is None:
        return ()
    return tuple(
        Block(
            columns=tuple(m.columns.tolist()),
            name=m.name,
            grid=Grid(m.shape or (), m.channels),
            **m.networks,
            likelihood=m.likelihood,
            scale=modalities.scale_of(m),
            axis=m.axis,
            weight=float(m.weight),
        )
        for m in modalities.modalities
    )


def split_rows(rows: PairedRows, fraction: float, seed: int) -> tuple[PairedRows, PairedRows]:
    """Hold out a fraction of the labelled rows, with every class in proportion if possible."""
    has, lacks = rows.positions_by_label
    n_rows, codes = len(has), rows.codes()
    n_held_out = int(np.ceil(fraction * n_rows))
    stratify = None
    if codes is not None:
        codes = codes[has]
        counts = np.unique(codes, return_counts=True)[1]
        if counts.min() >= 2 and min(n_held_out, n_rows - n_held_out) >= len(counts):
            stratify = codes
    kept, held_out = train_test_split(has, test_size=fraction, random_state=seed, stratify=stratify)
    return rows.subset(np.sort(np.append(kept, lacks))), rows.subset(np.sort(held_out))
