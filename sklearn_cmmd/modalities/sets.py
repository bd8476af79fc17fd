"""The modalities of one side of a fit: how they are standardised and given back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd._validation import Table, check_same_modalities, row_chunks
from sklearn_cmmd.modalities.columns import resolve_columns
from sklearn_cmmd.modalities.modality import Modality

__all__ = ["ColumnStatistics", "ModalitySet"]


@dataclass(frozen=True)
class ColumnStatistics:
    """What one pass over a table learns about its columns, each an array of shape (n_columns,)."""

    mean: np.ndarray
    scale: np.ndarray
    variance: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    binary: np.ndarray

    @classmethod
    def of(cls, table: Table, weight: np.ndarray | None) -> "ColumnStatistics":
        """Read the table chunk by chunk, so that data on disk stay there."""
        scaler = StandardScaler()
        binary = np.ones(table.n_columns, bool)
        least, greatest = np.full(table.n_columns, np.inf), np.full(table.n_columns, -np.inf)
        for chunk in row_chunks(table.n_rows, table.n_columns):
            values = table.rows(chunk)
            part = None if weight is None else weight[chunk]
            if part is None or part.any():
                scaler.partial_fit(values, sample_weight=part)
            binary &= np.isin(values, (0, 1)).all(axis=0)
            least = np.minimum(least, values.min(axis=0))
            greatest = np.maximum(greatest, values.max(axis=0))
        return cls(scaler.mean_, scaler.scale_, scaler.var_, least, greatest, binary)


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
    column_names : dict of str to Index
        Column names of the blocks that were DataFrames.
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
        resolved = resolve_columns(modalities, table, name)
        statistics = ColumnStatistics.of(table, weight)
        self.name = name
        self.widths = table.widths
        self.column_names = table.names
        self.loc, self.scale = statistics.mean, statistics.scale
        _check_finite_variance(statistics.variance, name)
        if name == "X_missing":
            resolved = [_with_likelihood(modality, statistics) for modality in resolved]
            for modality in resolved:
                if modality.likelihood == "bernoulli":
                    self.loc[modality.columns], self.scale[modality.columns] = 0.0, 1.0
        self.modalities = tuple(resolved)

    def check(self, table: Table) -> None:
        """Raise a ValueError unless the table has the blocks and columns of the fit."""
        check_same_modalities(table, self.widths, self.name)
        for key, names in self.column_names.items():
            if key in table.names and not names.equals(table.names[key]):
                block = f"{self.name}[{key!r}]" if key else self.name
                raise ValueError(
                    f"{block} must have the columns of the fit, in their order: {list(names)}. "
                    f"Got {list(table.names[key])} instead."
                )

    def check_likelihoods(self, table: Table) -> None:
        """Raise a ValueError if further data have values that a Bernoulli modality cannot have."""
        bernoulli = [m for m in self.modalities if m.likelihood == "bernoulli"]
        if bernoulli:
            statistics = ColumnStatistics.of(table, None)
            for modality in bernoulli:
                _with_likelihood(modality, statistics)

    def standardised(self, table: Table, rows: np.ndarray | slice, dtype: Any) -> np.ndarray:
        """Return some rows, the blocks in the order of the fit, standardised."""
        ordered = replace(table, blocks={key: table.blocks[key] for key in self.widths})
        values = ordered.rows(rows)
        return ((values - self.loc) / self.scale).astype(dtype)

    def restore(self, values: np.ndarray, index: Any = None) -> Any:
        """Bring model output to the units and the form of the fit's data.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns) or (n, n_samples, n_columns)
            Output in standardised units.
        index : Index, optional
            Row index of DataFrames.
        """
        # Values of float32 data may be beyond float32 in the units of the missing modality.
        greatest = np.abs(self.loc).max() + 10 * self.scale.max()
        dtype = np.result_type(values.dtype, np.min_scalar_type(greatest))
        values = (values * self.scale + self.loc).astype(dtype)
        ends = np.cumsum(list(self.widths.values()))[:-1]
        blocks = {
            key: self._container(key, block, index)
            for key, block in zip(self.widths, np.split(values, ends, axis=-1), strict=True)
        }
        return blocks.get("", blocks)

    def _container(self, key: str, values: np.ndarray, index: Any) -> Any:
        if key not in self.column_names or values.ndim != 2:
            return values
        import pandas as pd

        return pd.DataFrame(values, index=index, columns=self.column_names[key])


def _with_likelihood(modality: Modality, statistics: ColumnStatistics) -> Modality:
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
    return modality


def _check_finite_variance(variance: np.ndarray, name: str) -> None:
    outside = np.flatnonzero(~np.isfinite(variance))
    if len(outside):
        raise ValueError(
            f"The variance of columns {outside.tolist()} of {name} exceeds the range of float64. "
            "Rescale them before fit."
        )
