"""What one pass over a table learns about its columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd._indexed import IndexedArray
from sklearn_cmmd._validation import Table, dense_rows, row_chunks
from sklearn_cmmd.modalities.modality import Modality

__all__ = ["ColumnStatistics", "has_rows", "having", "pool", "range_of_class_sums"]


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of the columns, each an array of shape (n_columns,)."""

    mean: np.ndarray
    scale: np.ndarray
    variance: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    binary: np.ndarray

    @classmethod
    def of(
        cls,
        table: Table,
        weight: np.ndarray | None,
        modalities: Sequence[Modality] = (),
        present: np.ndarray | None = None,
    ) -> "ColumnStatistics":
        """Read the table block by block and chunk by chunk, so that data on disk stay there.

        With gaps, those of each modality are over the rows where it is `present`; of one that no
        row has, they say nothing.
        """
        if present is not None:
            return cls._by_modality(table, weight, modalities, present)
        parts = [cls._of_block(block, weight) for block in table.blocks.values()]
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )

    @classmethod
    def _by_modality(
        cls,
        table: Table,
        weight: np.ndarray | None,
        modalities: Sequence[Modality],
        present: np.ndarray,
    ) -> "ColumnStatistics":
        whole = {field.name: np.zeros(table.n_columns) for field in fields(cls)}
        for number, modality in enumerate(modalities):
            weight_of = having(weight, present, number)
            if not has_rows(weight_of):
                continue
            part = cls._of_block(block_of(table, modality), weight_of)
            for name, values in whole.items():
                values[modality.columns] = getattr(part, name)
        return cls(**whole | {"binary": whole["binary"].astype(bool)})

    @classmethod
    def _of_block(cls, block: Any, weight: np.ndarray | None) -> "ColumnStatistics":
        n_columns = block.shape[1]
        scaler = StandardScaler()
        binary = np.ones(n_columns, bool)
        least, greatest = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
        for values, part in _distinct_chunks(block, weight):
            scaler.partial_fit(values, sample_weight=part)
            binary &= np.isin(values, (0, 1)).all(axis=0)
            least = np.minimum(least, values.min(axis=0))
            greatest = np.maximum(greatest, values.max(axis=0))
        return cls(scaler.mean_, scaler.scale_, scaler.var_, least, greatest, binary)


def having(weight: np.ndarray | None, present: np.ndarray | None, number: int) -> np.ndarray | None:
    """Return the weights of the rows, zero where they lack the modality of this number."""
    if present is None:
        return weight
    return present[:, number] if weight is None else weight * present[:, number]


def has_rows(weight: np.ndarray | None) -> bool:
    """Return whether any row counts."""
    return weight is None or bool(weight.any())


def block_of(table: Table, modality: Modality) -> Any:
    """Return the columns of one modality."""
    block = table.blocks[table.key_of(modality.name)]
    if table.is_mapping:
        return block
    if isinstance(block, IndexedArray):
        return block.with_array(block.array[:, modality.columns])
    return block[:, modality.columns]


def _distinct_chunks(
    block: Any, weight: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield float64 rows of positive weight, and the weights.

    Rows that an index repeats come once, with the sum of their weights.
    """
    if isinstance(block, IndexedArray):
        totals = np.bincount(block.index, weight, len(block.array)).astype(float)
        used = np.unique(block.index)
        block, weight = IndexedArray(block.array, used, block.factor), totals[used]
    for chunk in row_chunks(*block.shape):
        values = dense_rows(block, chunk)
        if weight is None:
            yield values, None
            continue
        counts = weight[chunk] > 0
        if counts.any():
            yield values[counts], weight[chunk][counts]


def pool(statistics: ColumnStatistics, modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and scale of a whole array, or of each of its channels, for each column."""
    mean, variance = (values[modality.columns] for values in (statistics.mean, statistics.variance))
    group = _channel_of_columns(modality)
    counts = np.bincount(group)
    center = (np.bincount(group, mean) / counts)[group]
    spread = np.bincount(group, variance + (mean - center) ** 2) / counts
    scale = np.sqrt(spread)[group]
    # What is left of a constant by rounding is no scale.
    is_constant = scale <= 10 * np.finfo(float).eps * np.abs(center)
    return center, np.where(is_constant, 1.0, scale)


def _channel_of_columns(modality: Modality) -> np.ndarray:
    shape = modality.shape or ()
    axis = {"first": 0, "last": -1}.get(modality.channels or "")
    if axis is None:
        return np.zeros(len(modality.columns), int)
    along = [1] * len(shape)
    along[axis] = -1
    return np.broadcast_to(np.arange(shape[axis]).reshape(along), shape).ravel()


def range_of_class_sums(
    table: Table, modality: Modality, weight: np.ndarray | None
) -> tuple[float, float]:
    """Return the least and the greatest sum of a row's values along the axis of the classes."""
    least, greatest = np.inf, -np.inf
    shape = modality.shape or ()
    for values, _ in _distinct_chunks(block_of(table, modality), weight):
        sums = values.reshape(len(values), *shape).sum(axis=modality.axis)
        least, greatest = min(least, sums.min()), max(greatest, sums.max())
    return least, greatest
