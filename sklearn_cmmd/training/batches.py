"""Whole minibatches by index, from data that live on the device.

A `DataLoader` fetches row after row and then stacks them, which costs more than the arithmetic of
a small network. Here one index gathers a whole batch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd.objective.loss import Rows
from sklearn_cmmd.training.ahead import ahead
from sklearn_cmmd.training.matrices import Matrix

__all__ = ["Batches", "PairedRows"]


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
    index : Tensor of shape (n_rows,), optional
        The rows that belong to this set; all of them by default.
    """

    def __init__(
        self,
        observed: Matrix,
        missing: Matrix | None = None,
        y: Tensor | None = None,
        weight: Tensor | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.observed = observed
        self.missing = missing
        self.y = y
        self.weight = weight
        self.index = torch.arange(len(observed)) if index is None else index
        self.device = observed.device

    def subset(self, positions: np.ndarray) -> "PairedRows":
        """Return the set of the rows at these positions, which shares their storage."""
        index = self.index[torch.from_numpy(positions)]
        return PairedRows(self.observed, self.missing, self.y, self.weight, index)

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
        missing, y, weight = (
            None if column is None else column.index_select(0, rows)
            for column in (self.missing, self.y, self.weight)
        )
        return Rows(self.observed.index_select(0, rows), missing, weight), y


class Batches:
    """Minibatches of nearly equal sizes, none larger than asked for.

    Cutting n rows into ⌈n / batch_size⌉ equal parts uses every row in every epoch and leaves no
    small remainder, whose MMD would be noise.

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
        return -(-len(self.rows) // self.batch_size)

    def indices(self) -> Iterator[Tensor]:
        """Yield the numbers of the rows of each batch of one epoch, on the device."""
        index = self.rows.index
        if self.shuffle is not None:
            index = index[torch.randperm(len(index), generator=self.shuffle)]
        yield from torch.tensor_split(index.to(self.rows.device), len(self))

    def __iter__(self) -> Iterator[tuple[Rows, Tensor | None]]:
        """Yield the batches of one epoch; those that are read from elsewhere, one ahead."""
        batches = map(self.rows.gather, self.indices())
        return batches if self.rows.is_resident else ahead(batches, self.rows.device)
