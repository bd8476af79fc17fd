"""True values and what is said of them side by side, in whatever form they come."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from sklearn_cmmd.data.alignment import warn_of_another_order
from sklearn_cmmd.data.blocks import Block, row_chunks
from sklearn_cmmd.data.tables import Table, check_weight, read_table


@dataclass(frozen=True)
class Made:
    """What is said of one modality: values, or draws if `n_draws` is not None.

    Draws of arrays are in the order of the draws, those of DataFrames in the order of the columns.
    """

    block: Block
    n_draws: int | None = None
    by_column: bool = False

    def read(self, rows: slice) -> np.ndarray:
        """Return some rows, (n, n_columns) or (n, n_draws, n_columns)."""
        values = self.block.read(rows)
        if self.n_draws is None:
            return values
        if self.by_column:
            return values.reshape(len(values), -1, self.n_draws).swapaxes(1, 2)
        return values.reshape(len(values), self.n_draws, -1)


@dataclass(frozen=True)
class Pair:
    """One modality: true values, NaN where rows lack them, and all that is said of them.

    `shape` is that of a row.
    """

    title: str
    shape: tuple[int, ...]
    true: Block
    made: tuple[Made, ...]
    weight: np.ndarray

    def map(self, compute: Callable[..., np.ndarray]) -> np.ndarray:
        """Apply a function of true values and of all that is made, some rows at a time."""
        n_rows, n_columns = self.true.shape
        widest = max([made.block.shape[1] for made in self.made], default=n_columns)
        return np.concatenate(
            [
                compute(self.true.read(rows), *[made.read(rows) for made in self.made])
                for rows in row_chunks(n_rows, widest)
            ]
        )

    def mean(self, compute: Callable[..., np.ndarray]) -> np.ndarray:
        """Average what a function says of rows, or of rows and columns, where it is not NaN."""
        values = self.map(compute)
        counts = ~np.isnan(values)
        total = self.weight @ counts
        if not np.all(total):
            raise ValueError(
                f"No row has {self.title}, or columns of it: all values are NaN, or of weight zero."
            )
        return np.asarray(self.weight @ np.where(counts, values, 0.0) / total)

    def units(self, scale: Any, key: str) -> np.ndarray:
        """Return what the columns are divided by."""
        if scale is None:
            return np.ones(self.true.shape[1])
        if isinstance(scale, str):
            if scale != "std":
                raise ValueError(f"scale must be None, 'std' or numbers. Got {scale!r} instead.")
            mean = self.mean(lambda true, *_: true)
            std = np.sqrt(self.mean(lambda true, *_: np.square(true - mean)))
            return np.where(std > 0, std, 1.0)
        if isinstance(scale, Mapping):
            scale = scale[key]
        units = np.broadcast_to(np.asarray(scale, np.float64), self.shape).ravel()
        if not (np.isfinite(units) & (units > 0)).all():
            raise ValueError("scale must be positive and finite numbers, one for each column.")
        return units


def read_pairs(
    true: Any,
    made: Mapping[str, Any],
    sample_weight: Any = None,
    name: str = "X_missing",
    draws: bool = False,
) -> dict[str, Pair]:
    """Check true values, and what is said of them; return the modalities by their names.

    The name is "" where there is no mapping. `name` is that of the true values in messages.

    Raises
    ------
    ValueError, TypeError
        If the data are not of the same modalities, rows and columns, or what is said has NaN.
    """
    table = read_table(true, name, None, gaps=name == "X_missing")
    weight = check_weight(sample_weight, table.n_rows)
    others = {each: read_table(data, each, None, gaps=True) for each, data in made.items()}
    labels = table.row_labels
    for other in others.values():
        _check_same(table, other, draws)
        labels |= {
            name: index
            for name, index in other.row_labels.items()
            if not _is_made_up(index, table.row_labels.values())
        }
    warn_of_another_order(labels)
    return {
        key: Pair(
            table.title(key),
            table.shapes.get(key, (width,)),
            table.blocks[key],
            tuple([_made(other, key, width, draws) for other in others.values()]),
            weight,
        )
        for key, width in table.widths.items()
    }


def _is_made_up(index: Any, labels: Iterable[Any]) -> bool:
    """Return whether an index numbers what was generated from an array: 0, 1, ..., as no other."""
    if index is None or not all(label in {row} for row, label in enumerate(index.tolist())):
        return False
    numbers = set(index.tolist())
    return all(each is None or set(each.tolist()) != numbers for each in labels)


def averaged(values: Mapping[str, np.ndarray], pairs: Mapping[str, Pair], multioutput: str) -> Any:
    """Return values of columns in the shape of a row, or their mean.

    Of several modalities it is the mean of their means, so that they count alike.
    """
    if multioutput == "uniform_average":
        return float(np.mean([np.mean(value) for value in values.values()]))
    if multioutput != "raw_values":
        raise ValueError(
            f"multioutput must be 'raw_values' or 'uniform_average'. Got {multioutput!r} instead."
        )
    shaped = {
        key: value.reshape(pairs[key].shape) if value.ndim else value.item()
        for key, value in values.items()
    }
    return shaped.get("", shaped)


def _check_same(true: Table, made: Table, draws: bool) -> None:
    """Raise a ValueError unless two tables are of the same rows and columns."""
    if set(true.blocks) != set(made.blocks):
        found = [list(table.blocks) if table.is_mapping else "a table" for table in (true, made)]
        raise ValueError(
            f"{made.name} must have the modalities of {true.name}, {found[0]}. Got {found[1]}."
        )
    if made.has_gaps:
        raise ValueError(f"{made.name} has NaN. Only {true.name} may have some, in what rows lack.")
    if true.n_rows != made.n_rows:
        raise ValueError(
            f"{true.name} has {true.n_rows} rows, but {made.name} has {made.n_rows}. Pass what was "
            "generated for the same rows in the same order."
        )
    for key, width in true.widths.items():
        _check_columns(true, made, key, width, draws)


def _check_columns(true: Table, made: Table, key: str, width: int, draws: bool) -> None:
    """Raise a ValueError unless rows of a modality have one shape and the same names."""
    row, found = true.shapes.get(key, (width,)), made.shapes.get(key, (made.widths[key],))
    names, got = true.names.get(key), made.names.get(key)
    if not draws:
        fits, expected = found == row, f"values of shape {row}"
    else:
        expected = f"draws of shape ({', '.join(['n_draws', *map(str, row)])})"
        fits = len(found) > 1 and prod(found[1:]) == width
        if getattr(got, "nlevels", 1) == 2:  # a DataFrame, with the draws of a column side by side
            fits = found[0] % width == 0
    if not fits:
        raise ValueError(
            f"{made.title(key)} must hold {expected} for each row, as {true.title(key)} has it. "
            f"Got {found} instead."
        )
    if names is not None and got is not None:
        ours = [name for name, _ in got[:: found[0] // width]] if draws else list(got)
        if list(names) != ours:
            raise ValueError(
                f"{made.title(key)} must have the columns of {true.title(key)}, in their order: "
                f"{list(names)}. Got {ours} instead."
            )


def _made(table: Table, key: str, width: int, draws: bool) -> Made:
    block = table.blocks[key]
    if not draws:
        return Made(block)
    return Made(block, block.shape[1] // width, by_column=key in table.names)
