"""Blocks: the columns of one table, whatever they are stored as.

A block has two axes and numbers in it. Everything that depends on how they are stored is here:
how rows are read, which of them repeat, and how they are brought to a device.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from sklearn_cmmd.data.indexed import IndexedArray
from sklearn_cmmd.data.matrices import (
    ByteMatrix,
    IndexedMatrix,
    Matrix,
    Standardise,
    StreamedMatrix,
    is_resident,
)

# Rows that are read or standardised at a time hold about this many numbers (32 MiB).
CHUNK_NUMBERS = 2**22
ALL = slice(None)


def row_chunks(n_rows: int, n_columns: int) -> list[slice]:
    """Cut the rows of a matrix into parts of about `CHUNK_NUMBERS` numbers."""
    step = max(1, CHUNK_NUMBERS // max(n_columns, 1))
    if n_rows <= step:
        return [slice(0, n_rows)]
    return [slice(start, start + step) for start in range(0, n_rows, step)]


class Block:
    """Rows of an array of two axes, in memory or on disk, dense or CSR.

    `columns` are those that belong to the block; they are picked when rows are read.
    """

    def __init__(self, array: Any, columns: slice | np.ndarray = ALL) -> None:
        self.array = array
        self.columns = columns
        width = array.shape[1] if isinstance(columns, slice) else len(columns)
        self.shape: tuple[int, int] = (array.shape[0], width)
        self.dtype: np.dtype[Any] = array.dtype

    def read(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return some rows as a new dense float64 array."""
        part = self.array[rows]
        dense = part.toarray() if sp.issparse(part) else np.asarray(part)
        # One memory layout, so that sums over rows do not depend on that of the input.
        return np.array(dense[:, self.columns], dtype=np.float64, order="C")

    def pick(self, columns: np.ndarray) -> "Block":
        """Return a block of some of the columns."""
        return type(self)(self.array, columns)

    def has_nan(self) -> bool:
        """Return whether a block has NaN. It has no infinities, so a NaN in a sum is one."""
        if self.dtype.kind != "f" or sp.issparse(self.array):  # sparse ones have been refused
            return False
        sums = [np.sum(self.array[rows], dtype=np.float64) for rows in row_chunks(*self.shape)]
        return bool(np.isnan(sums).any())

    def distinct(self, weight: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield float64 rows of positive weight by chunks, and their weights unless all are one."""
        for chunk in row_chunks(*self.shape):
            part = weight[chunk]
            if (part == 1).all():
                yield self.read(chunk), None
            elif part.any():
                yield self.read(chunk)[part > 0], part[part > 0]

    def load(self, standardise: Standardise, device: torch.device) -> Matrix:
        """Return the rows as float32 on the device, or streamed if they are too large for it."""
        if not is_resident(4 * self.shape[0] * self.shape[1], device):
            return StreamedMatrix(
                lambda rows: standardise(self.read(rows)).astype(np.float32), self.shape[0], device
            )
        matrix = np.empty(self.shape, np.float32)
        for rows in row_chunks(*self.shape):
            matrix[rows] = standardise(self.read(rows))
        return torch.from_numpy(matrix).to(device)


class IndexedBlock(Block):
    """Rows of an IndexedArray, which may repeat."""

    array: IndexedArray

    def has_nan(self) -> bool:
        """Return whether one of the stored rows has NaN."""
        return Block(self.array.array).has_nan()

    def distinct(self, weight: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield each row once, with the sum of the weights of its repetitions."""
        stored, index, factor = self.array.array, self.array.index, self.array.factor
        totals = np.bincount(index, weight, len(stored))
        used = np.unique(index)
        yield from Block(IndexedArray(stored, used, factor), self.columns).distinct(totals[used])

    def load(self, standardise: Standardise, device: torch.device) -> Matrix:
        """Return the distinct rows, as bytes if they are so, and the index."""
        stored = self.array.array
        rows: Matrix
        if stored.dtype == np.uint8 and is_resident(stored.nbytes, device):
            rows = ByteMatrix(stored, self.array.factor, standardise, device)
        else:
            rows = Block(self.array.distinct).load(standardise, device)
        return IndexedMatrix(rows, self.array.index)


def as_block(array: Any) -> Block:
    """Return the block of a checked array, of two axes or more; a row of it becomes flat."""
    if isinstance(array, IndexedArray):
        return IndexedBlock(array.with_array(_flat(array.array)))
    return Block(array if sp.issparse(array) else _flat(array))


def _flat(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 2 else array.reshape(len(array), -1)
