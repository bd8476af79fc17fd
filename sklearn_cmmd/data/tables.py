"""Tables: the observed or the missing side of the data, checked and described."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, _num_samples

from sklearn_cmmd.data.blocks import Block, as_block, row_chunks
from sklearn_cmmd.data.containers import parts_of, title, to_array
from sklearn_cmmd.data.modality import Modality

SLICE_DICT_HINT = (
    "Inside cross-validation, wrap a dict of modalities as "
    "skorch.helper.SliceDict(**modalities): scikit-learn cannot slice a plain dict."
)


@dataclass(frozen=True)
class Table:
    """Checked input: blocks of columns side by side, none of them copied if it could be helped.

    What was not a mapping is one block whose name is "". `names` are the column names of the blocks
    that were DataFrames, `labels` their row labels, `shapes` the shapes of a row of those that had
    more axes than two. `has_gaps` says whether there are NaN. `name` ("X" or "X_missing") and
    `owner`, the class of the estimator, are for messages.
    """

    name: str
    owner: str
    blocks: dict[str, Block]
    names: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    labels: dict[str, Any]
    has_gaps: bool = False
    widths: dict[str, int] = field(init=False)
    n_rows: int = field(init=False)
    n_columns: int = field(init=False)

    def __post_init__(self) -> None:
        widths = {key: block.shape[1] for key, block in self.blocks.items()}
        n_rows = next(iter(self.blocks.values())).shape[0]
        sizes = {"widths": widths, "n_rows": n_rows, "n_columns": sum(widths.values())}
        self.__dict__.update(sizes)

    @property
    def is_mapping(self) -> bool:
        """Whether the input was a mapping."""
        return "" not in self.blocks

    def title(self, key: str) -> str:
        """Return what messages call a block."""
        return title(self.name, key)

    @property
    def row_labels(self) -> dict[str, Any]:
        """Row labels by what messages call the block."""
        return {self.title(key): labels for key, labels in self.labels.items()}

    @property
    def dtype(self) -> np.dtype:
        """float32 if every block is of at most this precision, else float64."""
        small = (np.float16, np.float32)
        single = all([block.dtype in small for block in self.blocks.values()])
        return np.dtype(np.float32 if single else np.float64)

    @property
    def index(self) -> Any:
        """Row labels of the first DataFrame, or None."""
        return next(iter(self.labels.values()), None)

    def columns_of(self, modality: Modality) -> Block:
        """Return the columns of one modality."""
        if self.is_mapping:
            return self.blocks[modality.name]
        block, columns = self.blocks[""], modality.columns
        is_whole = np.array_equal(columns, np.arange(block.shape[1]))
        return block if is_whole else block.pick(columns)


def read_table(
    data: Any, name: str, estimator: Any, min_rows: int = 1, gaps: bool = False
) -> Table:
    """Check an input of two axes or more, or a mapping of names to them.

    `name` and `estimator` are for messages, `gaps` says whether dense values may be NaN.

    Raises
    ------
    ValueError, TypeError
        If one of the tables is not valid, or if they differ in their numbers of rows.
    """
    blocks: dict[str, Block] = {}
    names, labels, shapes = {}, {}, {}
    for key, part in parts_of(data, name).items():
        array, part_names, part_labels = to_array(part, title(name, key), estimator, min_rows, gaps)
        blocks[key] = as_block(array)
        if part_names is not None:
            names[key] = part_names
        if part_labels is not None:
            labels[key] = part_labels
        if array.ndim > 2:
            shapes[key] = array.shape[1:]
    counts = {key: block.shape[0] for key, block in blocks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"The modalities of {name} differ in their numbers of rows: {counts}.")
    has_gaps = gaps and any([block.has_nan() for block in blocks.values()])
    return Table(name, type(estimator).__name__, blocks, names, shapes, labels, has_gaps)


def presence(table: Table, modalities: Sequence[Modality]) -> np.ndarray:
    """Return 1 where a row has a modality, else 0: float32 of shape (n_rows, n_modalities).

    A ValueError says that a row has a modality in part.
    """
    if not table.has_gaps:
        return np.ones((table.n_rows, len(modalities)), np.float32)
    return np.stack([_has(table, modality) for modality in modalities], axis=1)


def _has(table: Table, modality: Modality) -> np.ndarray:
    block = table.columns_of(modality)
    n_columns = block.shape[1]
    whole = [np.isnan(block.read(rows)).sum(axis=1) for rows in row_chunks(*block.shape)]
    n_absent = np.concatenate(whole)
    half = np.flatnonzero((n_absent > 0) & (n_absent < n_columns))
    if len(half):
        row, side = half[0], {"X": "observed", "X_missing": "missing"}[table.name]
        raise ValueError(
            f"Row {row} of {table.name} lacks {n_absent[row]} of the {n_columns} values of "
            f"{modality.name!r}. A row has all values of a modality, or none of them (all NaN). "
            "Impute single values before fit, for instance by sklearn.impute.SimpleImputer, or "
            f"say by {side}=[Modality(...), ...] which columns are missing together."
        )
    has: np.ndarray = (n_absent == 0).astype(np.float32)
    return has


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


def check_weight(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Return weights whose positive ones have a mean of one."""
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight must be numbers, one for each row. Got {sample_weight!r} instead; "
            "weights of classes are a parameter, class_weight='balanced'."
        )
    if np.ma.is_masked(sample_weight):
        raise ValueError("sample_weight has masked values. Give every row a weight.")
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    values = np.asarray(sample_weight)
    try:
        weight = values.astype(np.float64) if values.dtype.kind in "biufO" else np.zeros(())
    except (TypeError, ValueError):
        weight = np.zeros(())
    if weight.ndim != 1:
        raise ValueError(
            "sample_weight must be numbers, one for each row: an array of shape (n_rows,). Got "
            f"{type(sample_weight).__name__} of shape {values.shape} and {values.dtype} instead."
        )
    check_row_counts(n_rows, {"sample_weight": weight})
    weight = _check_sample_weight(weight, np.empty((n_rows, 1)), dtype=np.float64)
    if weight.min() < 0 or weight.sum() == 0:
        raise ValueError(
            "sample_weight must not be negative, and must have a positive sum. "
            f"Got a least weight of {weight.min()} and a sum of {weight.sum()} instead."
        )
    if (weight == weight[0]).all():
        return np.ones(n_rows)
    return weight / weight[weight > 0].mean()
