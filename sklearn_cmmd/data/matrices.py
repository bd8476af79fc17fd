"""Matrices of training data. A minibatch is gathered from them by row numbers.

All of them have `len`, `device`, `is_resident` and `index_select` along axis 0, as a tensor has.
They differ in where the rows are: on the device as floats, on the device as bytes, as distinct
rows with an index, or where the user keeps them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from torch import Tensor

# A matrix is moved to the device if it takes at most this share of the memory that is free there.
RESIDENT_SHARE = 0.25


class Matrix(Protocol):
    """What a minibatch needs of a matrix."""

    @property
    def device(self) -> torch.device:
        """Where the minibatches are."""

    def __len__(self) -> int: ...

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the float32 rows at `index`, as `Tensor.index_select` does along axis 0."""


def signed_root(values: Any) -> Any:
    """Return square roots of an array or a tensor, negative ones of negative values."""
    return abs(values) ** 0.5 * ((values > 0) * 1.0 - (values < 0) * 1.0)


class Standardise:
    """Subtract `loc`, then divide by `scale`, column by column; NaN, if any, becomes zero.

    Of the columns in the mask `root`, square roots are taken first.
    """

    def __init__(
        self, loc: np.ndarray, scale: np.ndarray, root: np.ndarray, has_gaps: bool = False
    ) -> None:
        self.loc = loc
        self.scale = scale
        self.root = root
        self.has_gaps = has_gaps

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Standardise a float64 array in place, and return it."""
        if self.root.any():
            values[:, self.root] = signed_root(values[:, self.root])
        values -= self.loc
        values /= self.scale
        return np.nan_to_num(values, copy=False) if self.has_gaps else values


class StreamedMatrix:
    """Rows that are read, prepared and sent to the device batch by batch.

    `read` takes an array of row numbers and returns a float32 array of those rows.
    """

    is_resident = False

    def __init__(
        self, read: Callable[[Any], np.ndarray], n_rows: int, device: torch.device
    ) -> None:
        self.read = read
        self.n_rows = n_rows
        self.device = device

    def __len__(self) -> int:
        return self.n_rows

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`, a tensor on the CPU."""
        rows = torch.from_numpy(self.read(index.numpy()))
        if self.device.type == "cuda":
            # From pinned memory the copy runs beside what the device computes.
            return rows.pin_memory().to(self.device, non_blocking=True)
        return rows


def is_resident(n_bytes: int, device: torch.device) -> bool:
    """Return whether so many bytes are moved to the device as a whole."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = psutil.virtual_memory().available
    return n_bytes <= RESIDENT_SHARE * free


class ByteMatrix:
    """Rows that are kept as bytes, and multiplied and standardised when they are asked for."""

    is_resident = True

    def __init__(
        self, stored: np.ndarray, factor: float, standardise: Standardise, device: torch.device
    ) -> None:
        self.stored = torch.tensor(np.ascontiguousarray(stored), device=device)
        self.factor = factor
        self.loc = torch.tensor(standardise.loc, device=device)
        self.scale = torch.tensor(standardise.scale, device=device)
        self.root = torch.tensor(standardise.root, device=device)
        self.has_roots = bool(standardise.root.any())
        self.device = device

    def __len__(self) -> int:
        return len(self.stored)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        # The same steps in the same precision as for data that are read by NumPy.
        values = (self.stored.index_select(0, index).float() * self.factor).double()
        if self.has_roots:
            values = torch.where(self.root, signed_root(values), values)
        return ((values - self.loc) / self.scale).float()


class IndexedMatrix:
    """Rows of another matrix, in another order or several times over."""

    def __init__(self, rows: Matrix, index: np.ndarray) -> None:
        self.rows = rows
        self.device = rows.device
        self.is_resident = getattr(rows, "is_resident", True)
        # Rows that are streamed are asked for by numbers on the CPU.
        place = self.device if self.is_resident else torch.device("cpu")
        self.index = torch.tensor(index.astype(np.int32), device=place)

    def __len__(self) -> int:
        return len(self.index)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`."""
        return self.rows.index_select(0, self.index.index_select(0, index))


class JoinedMatrix:
    """Matrices of equally many rows side by side."""

    def __init__(self, parts: Sequence[Matrix]) -> None:
        self.device = parts[0].device
        cpu = torch.device("cpu")
        self.parts = [
            (part, self.device if getattr(part, "is_resident", True) else cpu) for part in parts
        ]
        self.is_resident = all(getattr(part, "is_resident", True) for part in parts)

    def __len__(self) -> int:
        return len(self.parts[0][0])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows at `index`, on the CPU if one of the parts is streamed."""
        parts = [part.index_select(0, index.to(place)) for part, place in self.parts]
        return torch.cat(parts, dim=1)


def join(parts: Sequence[Matrix]) -> Matrix:
    """Lay matrices of equally many rows side by side, in one tensor if all are tensors."""
    if len(parts) == 1:
        return parts[0]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    return torch.cat(tensors, dim=1) if len(tensors) == len(parts) else JoinedMatrix(parts)
