"""Layout: what a fit learned about the form of its data, and the way back from tensors to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_cmmd.data.kinds import check_values, warn_of_codes, with_likelihood
from sklearn_cmmd.data.matrices import Standardise
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.scaling import UNSCALED, Example, standardisation, with_scaling
from sklearn_cmmd.data.statistics import ColumnStatistics, dtype_in_units
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.data.targets import Targets

# So rare are counts of which there are none.
LEAST_RATE = 1e-3


@dataclass(frozen=True)
class Side:
    """The modalities of one side, observed or missing, as they were found in fit.

    The modalities have their columns as arrays of positions, and the likelihoods of missing ones
    resolved. Widths, shapes of a row if it has more axes, and column names are those of the blocks
    of the data, by name. `loc` is subtracted from the columns, of those in the mask `root` from
    their square roots, which are then divided by `scale`; `mean` is that of the columns in the
    units of the data. `optional` are the numbers of the
    observed modalities that a row may lack, and how often each is hidden in training.
    """

    name: str
    modalities: tuple[Modality, ...]
    widths: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    column_names: dict[str, Any]
    loc: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    optional: dict[int, float] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        modalities: Sequence[Modality],
        table: Table,
        weight: np.ndarray,
        present: np.ndarray,
        generated: bool = False,
        optional: dict[int, float] | None = None,
        example: Example | None = None,
    ) -> "Side":
        """Find scales, over the rows of positive weight that have a modality.

        Of those that are to be `generated`, find likelihoods too; of others the units, by an
        `example` of what they are to tell.
        """
        _check_present(modalities, weight, present, table.name)
        statistics = ColumnStatistics.of(table, weight, modalities, present)
        _check_finite_variance(statistics.variance, table.name)
        if generated:
            warn_of_codes(modalities, statistics, table.name)
            modalities = [
                with_likelihood(modality, statistics, table, weight * has)
                for modality, has in zip(modalities, present.T, strict=True)
            ]
        mean, root = statistics.mean, np.zeros(table.n_columns, bool)
        if not generated:
            modalities = with_scaling(modalities, table, present, example)
            for modality in modalities:
                root[modality.columns] = modality.scaling == "root"
        if root.any():
            statistics = ColumnStatistics.of(table, weight, modalities, present, roots=True)
        loc, scale = standardisation(modalities, statistics, generated)
        names, widths = table.names, table.widths
        return cls(
            table.name,
            tuple(modalities),
            widths,
            table.shapes,
            names,
            loc,
            scale,
            mean,
            root,
            optional or {},
        )

    def of_modalities(self) -> "Side":
        """Return the same of the columns of the modalities alone, side by side."""
        columns = np.concatenate([modality.columns for modality in self.modalities])
        widths = {modality.name: len(modality.columns) for modality in self.modalities}
        ends = np.cumsum(list(widths.values()))
        modalities = [
            _generated_alone(modality).resolved(columns=np.arange(end - len(modality.columns), end))
            for modality, end in zip(self.modalities, ends, strict=True)
        ]
        numbers = [each[columns] for each in (self.loc, self.scale, self.mean, self.root)]
        return Side(self.name, tuple(modalities), widths, {}, {}, *numbers)

    def check(self, table: Table) -> None:
        """Raise a ValueError unless the table has the blocks and columns of the fit."""
        self._check_blocks(table)
        for key, width in table.widths.items():
            block = table.title(key)
            before, now = (
                shapes.get(key, (widths[key],))
                for shapes, widths in ((self.shapes, self.widths), (table.shapes, table.widths))
            )
            if len(before) != len(now) or (before != now and len(now) > 1):
                raise ValueError(
                    f"A row of {block} has shape {now}, but it had shape {before} in fit."
                )
            if width != self.widths[key] and table.name == "X" and not table.is_mapping:
                raise ValueError(
                    f"X has {width} features, but {table.owner} is expecting {self.widths[key]} "
                    "features as input."
                )
            if width != self.widths[key]:
                raise ValueError(
                    f"{block} has {width} features, but it had {self.widths[key]} in fit."
                )
        for key, names in self.column_names.items():
            if key in table.names and list(names) != list(table.names[key]):
                raise ValueError(
                    f"{table.title(key)} must have the columns of the fit, in their order: "
                    f"{list(names)}. Got {list(table.names[key])} instead."
                )

    def _check_blocks(self, table: Table) -> None:
        was_mapping = "" not in self.widths
        if table.is_mapping != was_mapping:
            views = f"a mapping of the modalities {list(self.widths)}"
            before, now = (views, "an array") if was_mapping else ("an array", "a mapping")
            raise ValueError(
                f"{self.name} was {before} in fit, but is {now} now. Pass it in one form."
            )
        unknown = [key for key in table.blocks if key not in self.widths]
        absent = [key for key in self.widths if key not in table.blocks]
        if unknown or absent:
            raise ValueError(
                f"{self.name} must have the modalities of the fit, {list(self.widths)}. "
                f"Unknown: {unknown}; absent: {absent}."
            )

    def check_likelihoods(self, table: Table, weight: np.ndarray, present: np.ndarray) -> None:
        """Raise a ValueError if further data have values that a likelihood cannot have."""
        for modality, has in zip(self.modalities, present.T, strict=True):
            having = weight * has
            if modality.likelihood in (*UNSCALED, "counts") and having.any():
                part = ColumnStatistics.of_block(table.columns_of(modality), having)
                check_values(modality, part, table, having)

    @property
    def sizes(self) -> list[int]:
        """Number of values of each modality; a position with classes counts once."""
        return [_size(modality) for modality in self.modalities]

    @property
    def likelihood_scales(self) -> list[str | tuple[float, ...]]:
        """How each modality's scale is learned, or a fixed one by column, in standardised units."""
        return [
            modality.scale
            if isinstance(modality.scale, str)
            else tuple((modality.scale / self.scale[modality.columns]).tolist())
            for modality in self.modalities
        ]

    def rates(self, modality: Modality) -> tuple[float, ...]:
        """Return the means of counts by column."""
        return tuple(np.maximum(self.mean[modality.columns], LEAST_RATE).tolist())

    def unit(self, modality: Modality) -> tuple[float, ...]:
        """Return the scales of the columns."""
        return tuple(self.scale[modality.columns].tolist())

    def standardise(self, key: str, has_gaps: bool = False) -> Standardise:
        """Return what brings a block to standardised units."""
        keys = list(self.widths)
        start = sum([self.widths[other] for other in keys[: keys.index(key)]])
        span = slice(start, start + self.widths[key])
        return Standardise(self.loc[span], self.scale[span], self.root[span], has_gaps)

    def standardised(self, table: Table, rows: np.ndarray | slice, dtype: Any) -> np.ndarray:
        """Return some rows, the blocks in the order of the fit, standardised.

        After them stand, for each optional modality, 1 where a row has it, else 0.
        """
        values = self.read(table, rows)
        firsts = [self.modalities[number].columns[0] for number in self.optional]
        masks = ~np.isnan(values[:, firsts])
        values = self.as_read(values, table.has_gaps)
        return (np.hstack([values, masks]) if firsts else values).astype(dtype, copy=False)

    def as_read(self, values: np.ndarray, has_gaps: bool = False) -> np.ndarray:
        """Bring float64 values to standardised units, in place."""
        return Standardise(self.loc, self.scale, self.root, has_gaps)(values)

    def read(self, table: Table, rows: np.ndarray | slice) -> np.ndarray:
        """Return some rows in the units of the data, the blocks in the order of the fit."""
        return np.hstack([table.blocks[key].read(rows) for key in self.widths])

    def in_units(self, values: np.ndarray) -> np.ndarray:
        """Bring standardised values, the last axis the columns, to the units of the data."""
        scaled = values * self.scale.astype(np.float64)
        scaled += self.loc
        return scaled.astype(self.dtype_of(values.dtype), copy=False)

    def dtype_of(self, dtype: Any) -> Any:
        """Return the dtype of values in the units of the data, from data of a dtype."""
        return dtype_in_units(self.loc, self.scale, dtype)

    def as_given(self, values: np.ndarray, index: Any = None, as_frame: bool = False) -> Any:
        """Bring values in the units of the data to the form of the fit's data.

        They are of shape (n, n_columns), or (n, n_samples, n_columns) for draws, which come as
        DataFrames if `as_frame` is set. `index` is the row index of DataFrames.
        """
        ends = np.cumsum(list(self.widths.values()))[:-1]
        blocks = {
            key: self._container(key, block, index, as_frame)
            for key, block in zip(self.widths, np.split(values, ends, axis=-1), strict=True)
        }
        return blocks.get("", blocks)

    def _container(self, key: str, values: np.ndarray, index: Any, as_frame: bool) -> Any:
        if key in self.shapes:
            return values.reshape(*values.shape[:-1], *self.shapes[key])
        names = self.column_names.get(key)
        are_draws = values.ndim > 2
        if names is None or (are_draws and not as_frame):
            return values
        if isinstance(names, list):  # of polars, whose frames have one level of columns
            import polars as pl

            return values if are_draws else pl.DataFrame(values, schema=names)
        if isinstance(names, tuple):  # of Arrow
            import pyarrow as pa

            return values if are_draws else pa.table(list(values.T), names=list(names))
        import pandas as pd

        if are_draws:
            n_samples = values.shape[1]
            pairs = [(name, draw) for name in names for draw in range(n_samples)]
            names = pd.MultiIndex.from_tuples(pairs, names=["column", "draw"])
            values = values.swapaxes(1, 2).reshape(len(values), -1)
        return pd.DataFrame(values, index=index, columns=names)


@dataclass(frozen=True)
class Layout:
    """What was learned about the form of the data: modalities of both sides, and targets.

    `optional` are the observed modalities that a row may lack, as they are generated then.
    """

    observed: Side
    missing: Side | None
    targets: Targets | None
    optional: Side | None = None

    @property
    def generated(self) -> list[Side]:
        """What the decoder generates: the missing modalities, and those that may be."""
        return [side for side in (self.missing, self.optional) if side is not None]

    @property
    def optional_columns(self) -> np.ndarray:
        """The columns of the optional modalities in X, in the order in which they are generated."""
        numbers = self.observed.optional
        return np.concatenate([self.observed.modalities[number].columns for number in numbers])


def weighted_by_size(sides: Sequence[Side]) -> list[Side]:
    """Resolve the weights of modalities that go by their sizes, over all sides."""
    if not any(["size" in [modality.weight for modality in side.modalities] for side in sides]):
        return list(sides)
    largest = max([size for side in sides for size in side.sizes])
    resolved = []
    for side in sides:
        modalities = [
            modality.resolved(weight=largest / size) if modality.weight == "size" else modality
            for modality, size in zip(side.modalities, side.sizes, strict=True)
        ]
        resolved.append(replace(side, modalities=tuple(modalities)))
    return resolved


def _generated_alone(modality: Modality) -> Modality:
    """Return a modality of X whose networks can generate it; what reads it may be no generator."""
    networks = dict(modality.networks)
    if callable(networks["decoder"]):
        networks["decoder"] = "auto"
    return modality.resolved(network=networks)


def check_disjoint(observed: Sequence[Modality], missing: Sequence[Modality]) -> None:
    """Raise a ValueError if a modality is on both sides."""
    both = {m.name for m in observed} & {m.name for m in missing}
    if both:
        raise ValueError(
            f"Modalities {sorted(both)} are both observed and missing. Leave them out of "
            "X_missing if they are at hand at test time, and out of X if they are not."
        )


def _size(modality: Modality) -> int:
    n_columns = len(modality.columns)
    if modality.likelihood == "categorical" and modality.shape:
        return n_columns // modality.shape[modality.axis]
    return n_columns


def _check_present(
    modalities: Sequence[Modality], weight: np.ndarray, present: np.ndarray, name: str
) -> None:
    for modality, has in zip(modalities, present.T, strict=True):
        if not (weight * has).any():
            raise ValueError(
                f"No row of {name} has {modality.name!r}: all its values are NaN, or in rows of "
                "weight zero. Leave it out."
            )


def _check_finite_variance(variance: np.ndarray, name: str) -> None:
    outside = np.flatnonzero(~np.isfinite(variance))
    if len(outside):
        raise ValueError(
            f"The variance of columns {outside.tolist()} of {name} exceeds the range of float64. "
            "Rescale them before fit."
        )
