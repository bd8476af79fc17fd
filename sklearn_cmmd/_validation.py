"""Arrays in, checked arrays out; the wording of every data error."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, _num_samples

from sklearn_cmmd._indexed import IndexedArray

__all__ = [
    "Table",
    "check_row_counts",
    "check_weight",
    "dense_rows",
    "is_mapping",
    "read_table",
    "row_chunks",
]

# Rows that are read or standardised at a time hold about this many numbers (32 MiB).
CHUNK_NUMBERS = 2**22

SLICE_DICT_HINT = (
    "Inside cross-validation, wrap a dict of modalities as "
    "skorch.helper.SliceDict(**modalities): scikit-learn cannot slice a plain dict."
)


@dataclass(frozen=True)
class Table:
    """Checked input: blocks of columns side by side, none of them copied if it could be helped.

    `blocks` maps the name of each block to a 2-D array, CSR matrix or IndexedArray of any numeric
    dtype. What was not a mapping is one block whose name is "". `names` are the column names of
    the blocks that were DataFrames, `shapes` the shapes of a row of those that had more axes than
    two, `index` is the row index of the first DataFrame. `has_gaps` says whether there are NaN.
    """

    blocks: dict[str, Any]
    names: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    index: Any = None
    has_gaps: bool = False

    @property
    def is_mapping(self) -> bool:
        """Whether the input was a mapping."""
        return "" not in self.blocks

    def key_of(self, modality: str) -> str:
        """Return the name of the block in which a modality is."""
        return modality if self.is_mapping else ""

    @property
    def widths(self) -> dict[str, int]:
        """Number of columns of each block."""
        return {name: block.shape[1] for name, block in self.blocks.items()}

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return next(iter(self.blocks.values())).shape[0]

    @property
    def n_columns(self) -> int:
        """Number of columns of all blocks."""
        return sum(self.widths.values())

    @property
    def dtype(self) -> np.dtype:
        """float32 if every block is of at most this precision, else float64."""
        half_or_single = (np.float16, np.float32)
        single = all(block.dtype in half_or_single for block in self.blocks.values())
        return np.dtype(np.float32 if single else np.float64)

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Read some rows as a dense float64 array of all columns."""
        parts = [dense_rows(block, index) for block in self.blocks.values()]
        return parts[0] if len(parts) == 1 else np.hstack(parts)


def dense_rows(block: Any, index: np.ndarray | slice) -> np.ndarray:
    """Read some rows of a block as a new dense float64 array."""
    rows = block[index].toarray() if sp.issparse(block) else np.asarray(block[index])
    # One memory layout, so that sums over rows do not depend on that of the input.
    return np.array(rows, dtype=np.float64, order="C")


def row_chunks(n_rows: int, n_columns: int) -> list[slice]:
    """Cut the rows of a matrix into parts of about `CHUNK_NUMBERS` numbers."""
    step = max(1, CHUNK_NUMBERS // max(n_columns, 1))
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def is_mapping(data: Any) -> bool:
    """Whether the data are a mapping of modalities; some sparse matrices are dicts too."""
    return isinstance(data, Mapping) and not sp.issparse(data)


def read_table(
    data: Any, name: str, estimator: Any, min_rows: int = 1, gaps: bool = False
) -> Table:
    """Check an input of two axes or more, or a mapping of them.

    Parameters
    ----------
    data : array-like, DataFrame, sparse matrix, IndexedArray or mapping of str to these
        The input.
    name : str
        What the error messages call it.
    estimator : estimator
        Whose messages they are.
    min_rows : int
        Least number of rows.
    gaps : bool
        Whether dense values may be NaN.

    Returns
    -------
    Table
        Views of the data wherever no conversion was needed.
    """
    if not is_mapping(data):
        block, shape = _check_block(data, name, estimator, min_rows, gaps)
        index = data.index if hasattr(data, "iloc") else None
        shapes = {"": shape} if shape else {}
        has_gaps = gaps and _has_nan(block)
        return Table({"": block}, _column_names({"": data}), shapes, index, has_gaps)
    if not data:
        raise ValueError(f"{name} is an empty mapping. Give it at least one modality.")
    for key in data:
        if not isinstance(key, str) or not key:
            raise TypeError(f"The keys of {name} must be names of modalities. Got {key!r} instead.")
    checked = {
        key: _check_block(value, f"{name}[{key!r}]", estimator, min_rows, gaps)
        for key, value in data.items()
    }
    blocks = {key: block for key, (block, _) in checked.items()}
    counts = {key: block.shape[0] for key, block in blocks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"The modalities of {name} differ in their numbers of rows: {counts}.")
    indices = (value.index for value in data.values() if hasattr(value, "iloc"))
    shapes = {key: shape for key, (_, shape) in checked.items() if shape is not None}
    has_gaps = gaps and any(map(_has_nan, blocks.values()))
    return Table(blocks, _column_names(data), shapes, next(indices, None), has_gaps)


def _has_nan(block: Any) -> bool:
    """Return whether a block without infinities has NaN; no sum of the others is one."""
    array = block.array if isinstance(block, IndexedArray) else block
    if sp.issparse(array) or array.dtype.kind != "f":
        return False
    chunks = row_chunks(*array.shape)
    return any(np.isnan(np.sum(array[rows], dtype=np.float64)) for rows in chunks)


def _check_block(
    data: Any, name: str, estimator: Any, min_rows: int, gaps: bool
) -> tuple[Any, tuple[int, ...] | None]:
    """Return a block with two axes, and the shape of a row if it had more."""
    if isinstance(data, IndexedArray):
        array, shape = _check_block(data.array, name, estimator, 1, gaps)
        if len(data) < min_rows:
            raise ValueError(
                f"Found array with {len(data)} sample(s) (shape={data.shape}) while a minimum of "
                f"{min_rows} is required by {type(estimator).__name__}."
            )
        return data.with_array(array), shape
    block = _check_array(data, name, estimator, min_rows, gaps and not sp.issparse(data))
    if block.ndim == 2:
        return block, None
    if not block.size:
        raise ValueError(f"{name} of shape {block.shape} holds no values.")
    return block.reshape(len(block), -1), block.shape[1:]


def _check_array(data: Any, name: str, estimator: Any, min_rows: int, gaps: bool) -> Any:
    try:
        return check_array(
            data,
            accept_sparse="csr",
            dtype="numeric",
            allow_nd=True,
            ensure_all_finite="allow-nan" if gaps else True,
            ensure_min_samples=min_rows,
            estimator=estimator,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        if name == "X" or name in str(error):
            raise
        hint = ""
        if name == "X_missing" and np.ndim(data) == 1:
            hint = " Weights are passed as sample_weight=..., labels as the second argument."
        raise type(error)(f"{name}: {error}{hint}") from error


def _column_names(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Index for a DataFrame of pandas, a list for one of polars."""
    return {
        key: value.columns
        for key, value in data.items()
        if hasattr(value, "iloc") or type(value).__module__.startswith("polars.")
    }


def check_row_counts(n_rows: int, others: dict[str, Any]) -> None:
    """Raise a ValueError if an input has not as many rows as X."""
    for name, data in others.items():
        is_table = isinstance(data, Table)
        found = data.n_rows if is_table else _num_samples(data)
        if found != n_rows:
            hint = f" {SLICE_DICT_HINT}" if is_table and data.is_mapping else ""
            raise ValueError(
                f"X has {n_rows} rows, but {name} has {found}. Each row of one belongs to the "
                f"same row of the other; pass them with the same rows in the same order.{hint}"
            )


def check_weight(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Return weights whose positive ones have a mean of one, or None if all are equal.

    Raises
    ------
    ValueError, TypeError
        If they are not numbers, not finite, negative, or all zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight must be numbers, one for each row. Got {sample_weight!r} instead; see "
            "sklearn.utils.class_weight.compute_sample_weight."
        )
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    check_row_counts(n_rows, {"sample_weight": sample_weight})
    reference = np.empty((n_rows, 1))
    weight = _check_sample_weight(sample_weight, reference, dtype=np.float64)
    if weight.min() < 0 or weight.sum() == 0:
        raise ValueError(
            "sample_weight must not be negative, and must have a positive sum. "
            f"Got a least weight of {weight.min()} and a sum of {weight.sum()} instead."
        )
    if (weight == weight[0]).all():
        return None
    return weight / weight[weight > 0].mean()


def check_same_modalities(
    table: Table, widths: dict[str, int], shapes: dict[str, tuple[int, ...]], name: str
) -> None:
    """Raise a ValueError unless the table has the blocks, and their shapes, of the fit."""
    if table.is_mapping != ("" not in widths):
        expected = f"a mapping of the modalities {list(widths)}" if "" not in widths else "an array"
        got = "a mapping" if table.is_mapping else "an array"
        raise ValueError(f"{name} was {expected} in fit, but is {got} now. Pass it in one form.")
    unknown = [key for key in table.blocks if key not in widths]
    absent = [key for key in widths if key not in table.blocks]
    if unknown or absent:
        raise ValueError(
            f"{name} must have the modalities of the fit, {list(widths)}. "
            f"Unknown: {unknown}; absent: {absent}."
        )
    for key, width in table.widths.items():
        block = f"{name}[{key!r}]" if key else name
        if table.shapes.get(key) != shapes.get(key):
            before, now = shapes.get(key, (widths[key],)), table.shapes.get(key, (width,))
            raise ValueError(f"A row of {block} has shape {now}, but it had shape {before} in fit.")
        if width != widths[key]:
            raise ValueError(f"{block} has {width} features, but it had {widths[key]} in fit.")
