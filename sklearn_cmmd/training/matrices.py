"""Matrices of training data, of which a minibatch is gathered by row numbers.

What all of them have of a tensor is `len`, `device` and `index_select` along axis 0. They differ in
where the rows are: on the device as they are wanted, as bytes, as distinct rows with an index, or
where the user keeps them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd._validation import row_chunks

__all__ = [
    "ByteMatrix",
    "IndexedMatrix",
    "JoinedMatrix",
    "Matrix",
    "StreamedMatrix",
    "is_resident",
    "load",
]

# A matrix larger than this, or on a GPU than a quarter of the free memory, stays where it is (in
# memory, sparse, or on disk), and its rows are read batch by batch.
RESIDENT_BYTES = 2**26


class Matrix(Protocol):
    """What a minibatch needs of a matrix."""

    @property
    def device(self) -> torch.device:
        """Where the minibatches are."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the float32 rows at `index`, as `Tensor.index_select` does along axis 0."""


class StreamedMatrix:
    """Rows that are read, prepared and sent to the device batch by batch.

    Parameters
    ----------
    read : callable
        Takes an array or a slice of row numbers and returns a float32 array of those rows.
    n_rows : int
        Number of rows.
    device : torch.device
        Where the batches go.
    """

    is_resident = False

    def __init__(
        self, read: Callable[[Any], np.ndarray], n_rows: int, device: torch.device
    ) -> None:
        self.read = read
        self.n_rows = n_rows
        self.device = device

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.n_rows

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`, as `Tensor.index_select` does along axis 0."""
        assert dim == 0
        rows = torch.from_numpy(self.read(index.numpy(force=True)))
        if self.device.type == "cuda":
            # From pinned memory the copy runs beside what the device computes.
            return rows.pin_memory().to(self.device, non_blocking=True)
        return rows


def is_resident(n_bytes: int, device: torch.device) -> bool:
    """Return whether so many bytes are moved to the device as a whole."""
    limit = RESIDENT_BYTES
    if device.type == "cuda" and limit:
        limit = max(limit, torch.cuda.mem_get_info(device)[0] // 4)
    return n_bytes <= limit


def load(
    read: Callable[[Any], np.ndarray], n_rows: int, n_columns: int, device: torch.device
) -> Matrix:
    """Return a float32 matrix as a tensor on the device, or streamed if it is too large."""
    if not is_resident(4 * n_rows * n_columns, device):
        return StreamedMatrix(read, n_rows, device)
    matrix = np.empty((n_rows, n_columns), np.float32)
    for rows in row_chunks(n_rows, n_columns):
        matrix[rows] = read(rows)
    return torch.from_numpy(matrix).to(device)


class ByteMatrix:
    """Rows that are kept as bytes and standardised when they are asked for.

    Parameters
    ----------
    stored : ndarray of uint8 of shape (n, n_columns)
        The rows.
    factor : float
        What they are multiplied by first.
    loc, scale : ndarray of shape (n_columns,)
        What is then subtracted, and by what they are divided.
    device : torch.device
        Where they live.
    """

    def __init__(
        self,
        stored: np.ndarray,
        factor: float,
        loc: np.ndarray,
        scale: np.ndarray,
        device: torch.device,
    ) -> None:
        self.stored = torch.tensor(np.ascontiguousarray(stored), device=device)
        self.factor = factor
        self.loc = torch.tensor(loc, device=device)
        self.scale = torch.tensor(scale, device=device)
        self.device = device

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.stored)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        # The same steps in the same precision as for data that are read by NumPy.
        values = (self.stored.index_select(dim, index).float() * self.factor).double()
        return ((values - self.loc) / self.scale).float()


class IndexedMatrix:
    """Rows of another matrix, in another order or several times over.

    Parameters
    ----------
    rows : Matrix
        The distinct rows.
    index : ndarray of int of shape (n,)
        For each row, its place among them.
    """

    def __init__(self, rows: Matrix, index: np.ndarray) -> None:
        self.rows = rows
        self.index = torch.tensor(index.astype(np.int32), device=rows.device)
        self.is_resident = getattr(rows, "is_resident", True)
        self.device = rows.device

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        return self.rows.index_select(dim, self.index.index_select(0, index))


class JoinedMatrix:
    """Matrices side by side.

    Parameters
    ----------
    parts : sequence of Matrix
        With equal numbers of rows.
    """

    def __init__(self, parts: Sequence[Matrix]) -> None:
        self.parts = parts
        self.is_resident = all(getattr(part, "is_resident", True) for part in parts)
        self.device = parts[0].device

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.parts[0])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        return torch.cat([part.index_select(dim, index) for part in self.parts], dim=1)
