"""Which columns belong to which modality, and in which shape.

Positions, slices and names become arrays of positions; shapes are found in the data, and checked
against what they are said to be.
"""

from collections.abc import Sequence
from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np

from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import Table

CONV_AXES = {"conv1d": 1, "conv2d": 2}
EXAMPLES = {
    "conv1d": "(length,), or (length, features) with channels='last'",
    "conv2d": "(height, width), or (height, width, colours) with channels='last'",
}


def described(modalities: Sequence[Modality] | None, table: Table) -> list[Modality]:
    """Return the modalities of a table with their columns and shapes."""
    stored = table.shapes
    return [
        resolve_shape(modality, stored.get("", stored.get(modality.name)), table.name)
        for modality in resolve_columns(modalities, table)
    ]


def resolve_columns(modalities: Sequence[Modality] | None, table: Table) -> list[Modality]:
    """Give each modality the positions of its columns."""
    name, widths = table.name, table.widths
    ends = np.cumsum(list(widths.values()))
    blocks = {
        key: np.arange(end - width, end)
        for (key, width), end in zip(widths.items(), ends, strict=True)
    }
    if modalities is None:
        return [Modality(key or name, positions) for key, positions in blocks.items()]
    _check_names(modalities, table, name)
    if table.is_mapping:
        return [m.resolved(columns=blocks[m.name]) for m in modalities]
    if table.shapes and (len(modalities) > 1 or modalities[0].columns is not None):
        raise ValueError(
            f"A row of {name} is an array of shape {table.shapes['']}, which is one modality. "
            "Describe it by one Modality without columns=, or pass a mapping of several arrays."
        )
    labels = table.names.get("")
    resolved = [
        m.resolved(columns=_positions(m, table.n_columns, labels, name)) for m in modalities
    ]
    _check_partition(resolved, table.n_columns, name)
    return resolved


def _check_names(modalities: Sequence[Modality], table: Table, name: str) -> None:
    side = {"X": "observed", "X_missing": "missing"}[name]
    if not modalities:
        raise ValueError(
            f"{side} is an empty list. Leave it out, or name the modalities of {name}."
        )
    for modality in modalities:
        if not isinstance(modality, Modality):
            raise TypeError(
                f"{side} must be a list of Modality. Got an element of type "
                f"{type(modality).__name__} instead."
            )
    names = [modality.name for modality in modalities]
    if len(set(names)) < len(names):
        raise ValueError(f"Two modalities of {side} have one name: {names}.")
    if table.is_mapping and set(names) != set(table.blocks):
        raise ValueError(
            f"{side} names the modalities {names}, but {name} has {list(table.blocks)}. "
            "Name each entry of the mapping once."
        )
    if table.is_mapping and any(modality.columns is not None for modality in modalities):
        raise ValueError(
            f"{name} is a mapping, whose entries are the modalities. Leave out columns= in {side}."
        )


def _positions(modality: Modality, n_columns: int, labels: Any, name: str) -> np.ndarray:
    """Return the positions of a modality's columns.

    They are in ascending order, so that the order in which columns are named is of no account,
    unless a shape says that they are more than a list.
    """
    positions = _positions_as_named(modality, n_columns, labels, name)
    return positions if modality.shape is not None else np.sort(positions)


def _positions_as_named(modality: Modality, n_columns: int, labels: Any, name: str) -> np.ndarray:
    columns = modality.columns
    if columns is None:
        return np.arange(n_columns)
    if isinstance(columns, slice):
        return _positions_of_slice(modality, n_columns, name)
    is_array_like = isinstance(columns, Sequence) or hasattr(columns, "__array__")
    if not is_array_like or isinstance(columns, str):
        raise TypeError(_wrong_columns(modality))
    # An Index or a Series of names iterates over them, like a list.
    columns = columns if isinstance(columns, np.ndarray) else list(columns)
    array = np.asarray(columns) if all(np.isscalar(column) for column in columns) else None
    if array is not None and array.dtype.kind == "b" and array.shape == (n_columns,):
        return np.flatnonzero(array)
    if len(columns) == 0:
        return np.empty(0, int)
    if array is None or array.dtype.kind not in "iu":
        return _positions_of_names(modality, columns, labels, name)
    outside = array[(array < 0) | (array >= n_columns)]
    if len(outside):
        raise ValueError(
            f"Modality {modality.name!r} names columns {outside.tolist()}, but {name} has columns "
            f"0 to {n_columns - 1}."
        )
    return array


def _wrong_columns(modality: Modality) -> str:
    return (
        f"columns of modality {modality.name!r} must be a slice of positions, or a sequence of "
        f"positions or of column names. Got {modality.columns!r} instead."
    )


def _positions_of_slice(modality: Modality, n_columns: int, name: str) -> np.ndarray:
    columns = modality.columns
    bounds = [bound for bound in (columns.start, columns.stop) if bound is not None]
    if not all(isinstance(bound, Integral) for bound in bounds):
        raise TypeError(_wrong_columns(modality))
    if any(bound > n_columns for bound in bounds):
        raise ValueError(
            f"Modality {modality.name!r} spans columns {columns.start}:{columns.stop}, but "
            f"{name} has {n_columns}."
        )
    return np.arange(n_columns)[columns]


def _positions_of_names(modality: Modality, columns: Any, labels: Any, name: str) -> np.ndarray:
    if any(isinstance(column, Real) for column in columns) and labels is None:
        raise TypeError(_wrong_columns(modality))
    if labels is None:
        raise ValueError(
            f"Modality {modality.name!r} names its columns, but {name} is not a DataFrame. "
            "Give positions instead."
        )
    position = {label: i for i, label in enumerate(labels)}
    unknown = [column for column in columns if column not in position]
    if unknown:
        raise ValueError(f"Modality {modality.name!r} names columns that {name} lacks: {unknown}.")
    return np.array([position[column] for column in columns])


def _check_partition(modalities: list[Modality], n_columns: int, name: str) -> None:
    """Raise a ValueError unless every column belongs to just one modality."""
    owner: dict[int, str] = {}
    for modality in modalities:
        if not len(modality.columns):
            raise ValueError(
                f"Modality {modality.name!r} has no columns of {name}, which has n_features = "
                f"{n_columns}."
            )
        for column in modality.columns.tolist():
            if column in owner:
                raise ValueError(
                    f"Modalities {owner[column]!r} and {modality.name!r} overlap in column "
                    f"{column} of {name}. Give each column to one of them."
                )
            owner[column] = modality.name
    rest = [column for column in range(n_columns) if column not in owner]
    if rest:
        raise ValueError(
            f"Columns {rest} of {name} belong to no modality. Name them in a Modality, or leave "
            f"them out of {name}."
        )


def resolve_shape(modality: Modality, stored: tuple[int, ...] | None, name: str) -> Modality:
    """Fill in the shape of a row, and the axis of classes counted from its end.

    `stored` is the shape of a row of the data, if they have more axes than two.

    Raises
    ------
    ValueError
        If shape, data, channels, axis and networks do not go together.
    """
    if name == "X_missing" and callable(modality.network):
        raise ValueError(
            f"network of the missing modality {modality.name!r} is one function, but its encoder "
            "and its decoder need different ones. Pass network={'encoder': ..., 'decoder': ...}."
        )
    n_columns = len(modality.columns)
    shape = tuple(modality.shape or stored or (n_columns,))
    if stored is not None and shape != stored:
        raise ValueError(
            f"Modality {modality.name!r} has shape={shape}, but a row of {name} has shape "
            f"{stored}. Leave out shape= to take that of the data."
        )
    if prod(shape) != n_columns:
        raise ValueError(
            f"shape={shape} of modality {modality.name!r} holds {prod(shape)} values, but it has "
            f"{n_columns} columns of {name}."
        )
    if len(shape) > 1 and modality.scaling not in ("auto", "common"):
        raise ValueError(
            f"scaling={modality.scaling!r} of modality {modality.name!r} is for tables. Values of "
            f"an array of shape {shape} have one scale, or one for each channel: leave scaling out."
        )
    _check_channels(modality, shape)
    _check_networks(modality, shape)
    axis = _axis(modality, shape) if modality.likelihood == "categorical" else -1
    return modality.resolved(shape=shape, axis=axis)


def _check_channels(modality: Modality, shape: tuple[int, ...]) -> None:
    if modality.channels is not None and len(shape) < 2:
        raise ValueError(
            f"channels={modality.channels!r} of modality {modality.name!r} needs a shape of two "
            f"axes or more. Its shape is {shape}; give another as shape=."
        )


def _check_networks(modality: Modality, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a convolutional network does not fit the shape."""
    if modality.network == "auto":
        return
    n_axes = len(shape) - (modality.channels is not None)
    for network in modality.networks.values():
        wanted = CONV_AXES.get(network, n_axes) if isinstance(network, str) else n_axes
        if n_axes == wanted + 1 and modality.channels is None:
            raise ValueError(
                f"Modality {modality.name!r} has shape {shape}, and network={network!r} must know "
                "which axis holds the channels. Say channels='first' or channels='last'."
            )
        if n_axes != wanted:
            raise ValueError(
                f"network={network!r} takes a shape such as {EXAMPLES[str(network)]}. Modality "
                f"{modality.name!r} has shape {shape} with channels={modality.channels!r}."
            )


def _axis(modality: Modality, shape: tuple[int, ...]) -> int:
    if not -len(shape) <= modality.axis < len(shape):
        raise ValueError(
            f"axis={modality.axis} of modality {modality.name!r} is not one of its shape {shape}."
        )
    return modality.axis % len(shape) - len(shape)
