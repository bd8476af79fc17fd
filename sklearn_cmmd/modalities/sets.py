"""The modalities of one side of a fit: how they are standardised and given back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_cmmd._validation import Table, check_same_modalities, dense_rows
from sklearn_cmmd.modalities.columns import resolve_columns
from sklearn_cmmd.modalities.modality import Modality
from sklearn_cmmd.modalities.presence import presence
from sklearn_cmmd.modalities.shapes import resolve_shape
from sklearn_cmmd.modalities.statistics import (
    ColumnStatistics,
    has_rows,
    having,
    pool,
    range_of_class_sums,
)

__all__ = ["ModalitySet"]

UNSCALED = ("bernoulli", "categorical")


class ModalitySet:
    """The modalities of one side, observed or missing, as they were found in fit.

    Attributes
    ----------
    name : str
        "X" or "X_missing", for messages.
    modalities : tuple of Modality
        With their columns as arrays of positions, and the likelihoods of missing ones resolved.
    widths : dict of str to int
        Widths of the blocks of the data, by name.
    shapes : dict of str to tuple of int
        Shapes of a row of the blocks that had more axes than two.
    column_names : dict of str to Index or list
        Column names of the blocks that were DataFrames, an Index if of pandas.
    loc, scale : ndarray of shape (n_columns,)
        What is subtracted from the columns, and by what they are then divided.
    """

    def __init__(
        self,
        modalities: Sequence[Modality] | None,
        table: Table,
        name: str,
        weight: np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.widths = table.widths
        self.shapes = table.shapes
        self.column_names = table.names
        resolved = [
            resolve_shape(modality, table.shapes.get(table.key_of(modality.name)), name)
            for modality in resolve_columns(modalities, table, name)
        ]
        present = presence(table, resolved)
        _check_present(resolved, weight, present)
        statistics = ColumnStatistics.of(table, weight, resolved, present)
        _check_finite_variance(statistics.variance, name)
        if name == "X_missing":
            resolved = [
                _with_likelihood(modality, statistics, table, having(weight, present, number))
                for number, modality in enumerate(resolved)
            ]
        self.modalities = tuple(resolved)
        self.loc, self.scale = _standardisation(self.modalities, statistics, name)

    def check(self, table: Table) -> None:
        """Raise a ValueError unless the table has the blocks and columns of the fit."""
        check_same_modalities(table, self.widths, self.shapes, self.name)
        for key, names in self.column_names.items():
            if key in table.names and list(names) != list(table.names[key]):
                block = f"{self.name}[{key!r}]" if key else self.name
                raise ValueError(
                    f"{block} must have the columns of the fit, in their order: {list(names)}. "
                    f"Got {list(table.names[key])} instead."
                )

    def check_likelihoods(self, table: Table, weight: np.ndarray | None) -> None:
        """Raise a ValueError if further data have values that a likelihood cannot have."""
        if not any(modality.likelihood in UNSCALED for modality in self.modalities):
            return
        table = replace(table, blocks={key: table.blocks[key] for key in self.widths})
        present = self.presence(table)
        statistics = ColumnStatistics.of(table, weight, self.modalities, present)
        for number, modality in enumerate(self.modalities):
            part = having(weight, present, number)
            if has_rows(part):
                _with_likelihood(modality, statistics, table, part)

    def presence(self, table: Table) -> np.ndarray | None:
        """Return which rows have which modality, or None if all have all; see `presence`."""
        return presence(table, self.modalities)

    @property
    def sizes(self) -> list[int]:
        """Number of values of each modality; a position with classes counts once."""
        return [_size(modality) for modality in self.modalities]

    def reweight(self, largest: int) -> None:
        """Resolve the weights that go by the size of the modalities."""
        self.modalities = tuple(
            replace(modality, weight=largest / size) if modality.weight == "size" else modality
            for modality, size in zip(self.modalities, self.sizes, strict=True)
        )

    def scale_of(self, modality: Modality) -> str | tuple[float, ...]:
        """Return the scale of a likelihood, a fixed one in standardised units by column."""
        if isinstance(modality.scale, str):
            return modality.scale
        return tuple((modality.scale / self.scale[modality.columns]).tolist())

    def span(self, key: str) -> slice:
        """Return where the columns of a block are among all columns."""
        keys = list(self.widths)
        start = sum(self.widths[k] for k in keys[: keys.index(key)])
        return slice(start, start + self.widths[key])

    def standardised(self, table: Table, rows: np.ndarray | slice, dtype: Any) -> np.ndarray:
        """Return some rows, the blocks in the order of the fit, standardised."""
        parts = [
            self.standardised_block(key, table.blocks[key], rows, dtype) for key in self.widths
        ]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def standardised_block(
        self, key: str, block: Any, rows: np.ndarray | slice, dtype: Any
    ) -> np.ndarray:
        """Return some rows of one block, standardised."""
        span = self.span(key)
        values = dense_rows(block, rows)
        values -= self.loc[span]
        values /= self.scale[span]
        return values.astype(dtype, copy=False)

    def in_units(self, values: np.ndarray) -> np.ndarray:
        """Bring standardised values, the last axis the columns, to the units of the data."""
        # Values of float32 data may be beyond float32 in the units of the missing modality.
        greatest = np.abs(self.loc).max() + 10 * self.scale.max()
        dtype = np.result_type(values.dtype, np.min_scalar_type(greatest))
        scaled = values * self.scale
        scaled += self.loc
        return scaled.astype(dtype, copy=False)

    def as_given(self, values: np.ndarray, index: Any = None) -> Any:
        """Bring values in the units of the data to the form of the fit's data.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns) or (n, n_samples, n_columns)
            The values.
        index : Index, optional
            Row index of DataFrames.
        """
        ends = np.cumsum(list(self.widths.values()))[:-1]
        blocks = {
            key: self._container(key, block, index)
            for key, block in zip(self.widths, np.split(values, ends, axis=-1), strict=True)
        }
        return blocks.get("", blocks)

    def _container(self, key: str, values: np.ndarray, index: Any) -> Any:
        if key in self.shapes:
            return values.reshape(*values.shape[:-1], *self.shapes[key])
        if key not in self.column_names or values.ndim != 2:
            return values
        names = self.column_names[key]
        if isinstance(names, list):
            import polars as pl

            return pl.DataFrame(values, schema=names)
        import pandas as pd

        return pd.DataFrame(values, index=index, columns=names)


def _size(modality: Modality) -> int:
    n_columns = len(modality.columns)
    if modality.likelihood == "categorical" and modality.shape:
        return n_columns // modality.shape[modality.axis]
    return n_columns


def _standardisation(
    modalities: Sequence[Modality], statistics: ColumnStatistics, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is subtracted from the columns, and by what they are then divided.

    Columns have their own units, but the values of an array are of one kind.
    """
    loc, scale = statistics.mean.copy(), statistics.scale.copy()
    for modality in modalities:
        if name == "X_missing" and modality.likelihood in UNSCALED:
            loc[modality.columns], scale[modality.columns] = 0.0, 1.0
        elif len(modality.shape or ()) > 1:
            loc[modality.columns], scale[modality.columns] = pool(statistics, modality)
    return loc, scale


def _with_likelihood(
    modality: Modality, statistics: ColumnStatistics, table: Table, weight: np.ndarray | None
) -> Modality:
    """Resolve "auto", and check that the values are ones that the likelihood can have."""
    columns = modality.columns
    if modality.likelihood == "auto":
        is_binary = statistics.binary[columns].all()
        return replace(modality, likelihood="bernoulli" if is_binary else "gaussian")
    low, high = statistics.least[columns].min(), statistics.greatest[columns].max()
    if modality.likelihood == "bernoulli" and (low < 0 or high > 1):
        raise ValueError(
            f"A Bernoulli modality has values in [0, 1], but {modality.name!r} of X_missing "
            f"ranges from {low:g} to {high:g}. Rescale it, or use likelihood='gaussian' (from the "
            "first fit on, where 'auto' chose Bernoulli by its values)."
        )
    if modality.likelihood == "categorical":
        _check_one_hot(modality, low, range_of_class_sums(table, modality, weight))
    return modality


def _check_one_hot(modality: Modality, low: float, sums: tuple[float, float]) -> None:
    least, greatest = sums
    if low < 0 or not np.allclose(sums, 1.0, rtol=0, atol=1e-5):
        raise ValueError(
            f"A categorical modality has values in [0, 1] that sum to one along axis="
            f"{modality.axis} of its shape {modality.shape}, but {modality.name!r} of X_missing "
            f"has values from {low:g} on, and sums from {least:g} to {greatest:g}. Encode it "
            "one-hot, or name another axis."
        )


def _check_present(
    modalities: Sequence[Modality], weight: np.ndarray | None, present: np.ndarray | None
) -> None:
    for number, modality in enumerate(modalities):
        if not has_rows(having(weight, present, number)):
            raise ValueError(
                f"No row of X_missing has {modality.name!r}: all its values are NaN, or in rows of "
                "weight zero. Leave it out."
            )


def _check_finite_variance(variance: np.ndarray, name: str) -> None:
    outside = np.flatnonzero(~np.isfinite(variance))
    if len(outside):
        raise ValueError(
            f"The variance of columns {outside.tolist()} of {name} exceeds the range of float64. "
            "Rescale them before fit."
        )
