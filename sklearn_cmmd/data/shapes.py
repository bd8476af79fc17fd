"""The shape of a modality's rows: found in the data, and checked against what it is said to be."""

from math import prod

from sklearn_cmmd.data.modality import Modality

CONV_AXES = {"conv1d": 1, "conv2d": 2}
EXAMPLES = {
    "conv1d": "(length,), or (length, features) with channels='last'",
    "conv2d": "(height, width), or (height, width, colours) with channels='last'",
}


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
