"""What one pass over a table learns about its columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd.data.blocks import Block
from sklearn_cmmd.data.matrices import signed_root
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import Table

# float32 will do if its steps are no larger than this share of a column's scale.
COARSE = 0.01


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of the columns, each an array of shape (n_columns,)."""

    mean: np.ndarray
    scale: np.ndarray
    variance: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    integer: np.ndarray  # whether all values are whole numbers
    zero: np.ndarray  # share of the values that are zero

    @classmethod
    def of(
        cls,
        table: Table,
        weight: np.ndarray,
        modalities: Sequence[Modality],
        present: np.ndarray | None = None,
        roots: bool = False,
    ) -> "ColumnStatistics":
        """Read the table modality by modality and chunk by chunk, so that data on disk stay there.

        Only rows count where a modality is `present`. Of one that no row has, all is zero. With
        `roots`, those that are read as square roots are.
        """
        whole = {field.name: np.zeros(table.n_columns) for field in fields(cls)}
        for number, modality in enumerate(modalities):
            having = weight if present is None else weight * present[:, number]
            if having.any():
                are_roots = roots and modality.scaling == "root"
                part = cls.of_block(table.columns_of(modality), having, are_roots)
                for name, values in whole.items():
                    values[modality.columns] = getattr(part, name)
        return cls(**whole | {"integer": whole["integer"].astype(bool)})

    def of_columns(self, columns: np.ndarray) -> "ColumnStatistics":
        """Return the statistics of some columns."""
        parts = {field.name: getattr(self, field.name)[columns] for field in fields(self)}
        return type(self)(**parts)

    @classmethod
    def of_block(cls, block: Block, weight: np.ndarray, roots: bool = False) -> "ColumnStatistics":
        """Return the statistics of the rows of positive weight, or of their square roots."""
        n_columns = block.shape[1]
        scaler = StandardScaler()
        integer = np.ones(n_columns, bool)
        zeros, total = np.zeros(n_columns), 0.0
        least, greatest = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
        for values, part in block.distinct(weight):
            values = signed_root(values) if roots else values
            scaler.partial_fit(values, sample_weight=part)
            integer &= (values == np.rint(values)).all(axis=0)
            least = np.minimum(least, values.min(axis=0))
            greatest = np.maximum(greatest, values.max(axis=0))
            counted = np.ones(len(values)) if part is None else part
            zeros += counted @ (values == 0)
            total += counted.sum()
        mean, scale, variance = scaler.mean_, scaler.scale_, scaler.var_
        return cls(mean, scale, variance, least, greatest, integer, zeros / total)


def dtype_in_units(loc: np.ndarray, scale: np.ndarray, dtype: Any) -> Any:
    """Return the dtype of values in the units of the data, from data of a dtype.

    Those of float32 data may be beyond float32, or too far from zero to tell them apart.
    """
    greatest = np.abs(loc) + 10 * scale
    if greatest.max() > np.finfo(np.float32).max:
        return np.result_type(dtype, np.float64)
    is_coarse = np.spacing(greatest.astype(np.float32)) > COARSE * scale
    return np.result_type(dtype, np.float64) if is_coarse.any() else np.dtype(dtype)


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
    table: Table, modality: Modality, weight: np.ndarray
) -> tuple[float, float]:
    """Return the least and the greatest sum of a row's values along the axis of the classes."""
    least, greatest = np.inf, -np.inf
    shape = modality.shape or ()
    for values, _ in table.columns_of(modality).distinct(weight):
        sums = values.reshape(len(values), *shape).sum(axis=modality.axis)
        least, greatest = min(least, sums.min()), max(greatest, sums.max())
    return least, greatest
