"""Whole minibatches by index, from data that live on the device.

A `DataLoader` fetches row after row and then stacks them, which costs more than the arithmetic of
a small network. Here one index gathers a whole batch.
"""

import math
from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd.objective.terms import Rows
from sklearn_cmmd.training.ahead import ahead
from sklearn_cmmd.training.matrices import Matrix

__all__ = ["Batches", "PairedRows", "epoch_rows"]

# Least share of labelled rows in a minibatch.
LABELLED_SHARE = 0.25


def epoch_rows(n_labelled: int, n_unlabelled: int) -> int:
    """Return the number of rows of an epoch of training, with the labelled ones repeated."""
    if not n_labelled:
        return n_unlabelled
    least = math.ceil(n_unlabelled * LABELLED_SHARE / (1 - LABELLED_SHARE))
    return max(n_labelled, least) + n_unlabelled


class PairedRows(torch.utils.data.Dataset[Any]):
    """Rows of a fit: modalities, weights and labels, of which all but the first may be None.

    Parameters
    ----------
    observed, missing : Matrix of shape (n, n_columns)
        Standardised modalities.
    y : Tensor of shape (n,) or (n, n_labels)
        Labels.
    weight : Tensor of shape (n,)
        Weights of mean one.
    labelled : Tensor of shape (n,)
        1 for the rows that have a label, else 0; None if all have.
    present : Tensor of shape (n, n_modalities)
        The same for each missing modality.
    index : Tensor of shape (n_rows,), optional
        The rows that belong to this set; all of them by default.
    """

    def __init__(
        self,
        observed: Matrix,
        missing: Matrix | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
        labelled: Tensor | None = None,
        present: Tensor | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.observed = observed
        self.missing = missing
        self.y = y
        self.weight = weight
        self.labelled = labelled
        self.present = present
        self.index = torch.arange(len(observed)) if index is None else index
        self.device = observed.device

    def subset(self, positions: np.ndarray) -> "PairedRows":
        """Return the set of the rows at these positions, which shares their storage."""
        part = copy(self)
        part.index = self.index[torch.from_numpy(positions)]
        return part

    @property
    def positions_by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows with a label, of which all are if there is no mask; and others."""
        if self.labelled is None:
            return np.arange(len(self)), np.arange(0)
        has = self.labelled.numpy(force=True)[self.index] > 0
        return np.flatnonzero(has), np.flatnonzero(~has)

    @property
    def n_paired(self) -> int:
        """Number of rows that have something of the missing modalities."""
        if self.missing is None:
            return 0
        if self.present is None:
            return len(self)
        return int(self.present[self.index.to(self.device)].amax(1).sum())

    def codes(self) -> np.ndarray | None:
        """Return the codes of the classes, or None if there are none or several a row."""
        if self.y is None or self.y.dim() > 1:
            return None
        codes: np.ndarray = self.y.numpy(force=True)[self.index]
        return codes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    @property
    def is_resident(self) -> bool:
        """Whether the rows live on the device, so that none has to be read and sent there."""
        sides = [side for side in (self.observed, self.missing) if side is not None]
        return all(getattr(side, "is_resident", True) for side in sides)

    def gather(self, rows: Tensor) -> tuple[Rows, Tensor | None]:
        """Return the minibatch of the rows with these numbers, and its labels."""
        missing, y, weight, labelled, present = (
            None if column is None else column.index_select(0, rows)
            for column in (self.missing, self.y, self.weight, self.labelled, self.present)
        )
        observed = self.observed.index_select(0, rows)
        return Rows(observed, missing, weight, None, labelled, present), y


class Batches:
    """Minibatches of nearly equal sizes, none larger than asked for.

    Cutting n rows into ⌈n / batch_size⌉ equal parts uses every row in every epoch and leaves no
    small remainder, whose MMD would be noise. In training every batch has the same share of
    labelled rows; where they are few, they are repeated until they are a quarter of the epoch.

    Parameters
    ----------
    rows : PairedRows
        The data.
    batch_size : int
        Largest size of a batch.
    shuffle : torch.Generator, optional
        Source of a new order at each epoch. Of the CPU, so that the batches agree across devices.
    """

    def __init__(
        self, rows: PairedRows, batch_size: int, shuffle: torch.Generator | None = None
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self._n_rows // self.batch_size)

    @property
    def _n_rows(self) -> int:
        if self.shuffle is None:
            return len(self.rows)
        labelled, unlabelled = self.rows.positions_by_label
        return epoch_rows(len(labelled), len(unlabelled))

    def indices(self) -> Iterator[Tensor]:
        """Yield the numbers of the rows of each batch of one epoch, on the device."""
        if self.shuffle is None:
            yield from torch.tensor_split(self.rows.index.to(self.rows.device), len(self))
            return
        labelled, unlabelled = self.rows.positions_by_label
        if not (len(labelled) and len(unlabelled)):
            yield from torch.tensor_split(self._new_order(np.arange(len(self.rows))), len(self))
            return
        n_labelled = self._n_rows - len(unlabelled)
        passes = [self._new_order(labelled) for _ in range(-(-n_labelled // len(labelled)))]
        few = torch.tensor_split(torch.cat(passes)[:n_labelled], len(self))
        # The larger parts of the one go with the smaller parts of the other.
        many = reversed(torch.tensor_split(self._new_order(unlabelled), len(self)))
        yield from map(torch.cat, zip(few, many, strict=True))

    def _new_order(self, positions: np.ndarray) -> Tensor:
        order = torch.randperm(len(positions), generator=self.shuffle)
        return self.rows.index[torch.from_numpy(positions)[order]].to(self.rows.device)

    def __iter__(self) -> Iterator[tuple[Rows, Tensor | None]]:
        """Yield the batches of one epoch; those that are read from elsewhere, one ahead."""
        batches = map(self.rows.gather, self.indices())
        return batches if self.rows.is_resident else ahead(batches, self.rows.device)
