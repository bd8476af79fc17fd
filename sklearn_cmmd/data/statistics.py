"""What one pass over a table learns about its columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd.data.blocks import Block
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import Table

__all__ = ["ColumnStatistics", "pool", "range_of_class_sums", "rows_having"]


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of the columns, each an array of shape (n_columns,)."""

    mean: np.ndarray
    scale: np.ndarray
    variance: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    integer: np.ndarray  # whether all values are whole numbers

    @classmethod
    def of(
        cls,
        table: Table,
        weight: np.ndarray | None,
        modalities: Sequence[Modality] = (),
        present: np.ndarray | None = None,
    ) -> "ColumnStatistics":
        """Read the table block by block and chunk by chunk, so that data on disk stay there.

        With gaps, the statistics of a modality are over the rows where it is `present`. Those of
        a modality that no row has are zero.
        """
        if present is not None:
            return cls._by_modality(table, weight, modalities, present)
        parts = [cls.of_block(block, weight) for block in table.blocks.values()]
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(cls)]
        return cls(*[np.concatenate([getattr(part, name) for part in parts]) for name in names])

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
            having = rows_having(weight, present, number)
            if having is not None and not having.any():
                continue
            part = cls.of_block(table.columns_of(modality), having)
            for name, values in whole.items():
                values[modality.columns] = getattr(part, name)
        return cls(**whole | {"integer": whole["integer"].astype(bool)})

    @classmethod
    def of_block(cls, block: Block, weight: np.ndarray | None) -> "ColumnStatistics":
        """Return the statistics of the rows of positive weight."""
        n_columns = block.shape[1]
        scaler = StandardScaler()
        integer = np.ones(n_columns, bool)
        least, greatest = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
        for values, part in block.distinct(weight):
            scaler.partial_fit(values, sample_weight=part)
            integer &= (values == np.rint(values)).all(axis=0)
            least = np.minimum(least, values.min(axis=0))
            greatest = np.maximum(greatest, values.max(axis=0))
        return cls(scaler.mean_, scaler.scale_, scaler.var_, least, greatest, integer)


def rows_having(
    weight: np.ndarray | None, present: np.ndarray | None, number: int
) -> np.ndarray | None:
    """Return the weights of the rows, zero where they lack the modality of this number."""
    if present is None:
        return weight
    return present[:, number] if weight is None else weight * present[:, number]


def pool(statistics: ColumnStatistics, modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and scale of a whole array, or of each of its channels, for each column."""
    mean, variance = (values[modality.columns] for values in (statistics.mean, statistics.variance))
    group = _channel_of_columns(modality)
    counts = np.bincount(group)
    center = (np.bincount(group, mean) / counts)[group]
    spread = np.bincount(group, variance + (mean - center) ** 2) / counts
    scale = np.sqrt(spread)[group]
    # What rounding leaves of a constant is no scale.
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
    for values, _ in table.columns_of(modality).distinct(weight):
        sums = values.reshape(len(values), *shape).sum(axis=modality.axis)
        least, greatest = min(least, sums.min()), max(greatest, sums.max())
    return least, greatest
