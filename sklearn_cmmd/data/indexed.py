"""IndexedArray: rows of an array in another order, or several times over, without a copy."""

import mmap
from math import isfinite
from numbers import Real
from types import EllipsisType
from typing import Any

import numpy as np


class IndexedArray:
    """Rows of an array, picked by number when they are asked for.

    Paired data often repeat their rows: each image of one set stands beside many of another. An
    IndexedArray keeps the distinct rows once, as they are stored (say, as bytes), and a number
    for each row of the data. The estimators take it wherever they take an array, and gather a
    minibatch at a time. scikit-learn's searches slice it. Rows of a file that is read as
    `numpy.memmap` are neither copied by a search nor sent to other processes: a pickle has the path
    of the file, which must be there for whoever reads the pickle.

    Parameters
    ----------
    array : ndarray of shape (n_distinct, ...)
        The distinct rows.
    index : array-like of int of shape (n,), default=None
        For each row, its place in `array`. None takes all rows in their order.
    factor : float, default=1.0
        What the values are multiplied by; 1/255 brings bytes to [0, 1]. Other than 1 it makes
        the values float32, or float64 where those of `array` need it.

    Raises
    ------
    ValueError
        If the index is not one of integers within the array, or the factor no finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import IndexedArray
    >>> images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    >>> pairs = IndexedArray(images, [1, 0, 1])
    >>> pairs.shape
    (3, 2, 2)
    >>> np.asarray(pairs[:2]).tolist()
    [[[4, 5], [6, 7]], [[0, 1], [2, 3]]]
    """

    def __init__(self, array: Any, index: Any = None, factor: float = 1.0) -> None:
        self.array = np.asanyarray(array)
        if index is None and self.array.ndim:
            index = np.arange(len(self.array))
        self.index = np.asarray(index)
        if self.index.size == 0:
            self.index = self.index.astype(np.intp)
        self.factor = factor
        if self.array.ndim == 0:
            raise ValueError(
                "array must be a NumPy array with its rows along the first axis (not sparse). "
                f"Got {array!r} instead."
            )
        if not isinstance(factor, Real) or not isfinite(factor):
            raise ValueError(f"factor must be a finite number. Got {factor!r} instead.")
        if self.index.ndim != 1 or self.index.dtype.kind not in "iu":
            raise ValueError(
                "index must be one integer for each row. Got an array of "
                f"{self.index.dtype} of shape {self.index.shape} instead."
            )
        if len(self.index) and not 0 <= self.index.min() <= self.index.max() < len(self.array):
            raise ValueError(
                f"index must be between 0 and {len(self.array) - 1}, the last row of the array. "
                f"Got numbers from {self.index.min()} to {self.index.max()} instead."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data, rows first."""
        return (len(self.index), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes, that of the rows included."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, once multiplied by the factor."""
        if self.factor == 1.0:
            return self.array.dtype
        return np.result_type(self.array.dtype, np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Any) -> Any:
        """Return the rows as an IndexedArray, or one row as an array."""
        if isinstance(rows, tuple):
            rows = tuple(part for part in rows if not isinstance(part, EllipsisType))
            if len(rows) != 1:
                raise IndexError("An IndexedArray is indexed along its rows only.")
            (rows,) = rows
        picked = self.index[rows]
        if picked.ndim == 0:
            return self._values(self.array[picked])
        return IndexedArray(self.array, picked, self.factor)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The rows of an IndexedArray cannot be had without a copy.")
        values = self._values(self.array[self.index])
        return values if dtype is None else values.astype(dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        all_rows = np.array_equal(self.index, np.arange(len(self.array)))
        rest = None if all_rows else self.index, self.factor
        file = self.array
        # A slice of a memmap does not know where in the file it begins.
        is_whole = isinstance(file, np.memmap) and isinstance(file.base, mmap.mmap)
        if is_whole and file.mode == "r" and file.filename is not None:
            order = "C" if file.flags.c_contiguous else "F"
            return _reopened, (file.filename, file.dtype, file.offset, file.shape, order, *rest)
        return IndexedArray, (self.array, *rest)

    def __repr__(self) -> str:
        return f"IndexedArray of shape {self.shape} and {self.dtype}, from {len(self.array)} rows"

    @property
    def distinct(self) -> "IndexedArray":
        """The distinct rows, in the order in which they are stored."""
        return IndexedArray(self.array, np.arange(len(self.array)), self.factor)

    def with_array(self, array: np.ndarray) -> "IndexedArray":
        """Return the same rows of another array, such as a flattened one."""
        return IndexedArray(array, self.index, self.factor)

    def _values(self, stored: np.ndarray) -> np.ndarray:
        return stored if self.factor == 1.0 else stored * self.dtype.type(self.factor)


def _reopened(
    path: Any, dtype: Any, offset: int, shape: tuple[int, ...], order: Any, *rest: Any
) -> IndexedArray:
    return IndexedArray(np.memmap(path, dtype, "r", offset, shape, order), *rest)
