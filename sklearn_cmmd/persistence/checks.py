"""Whether the plan in a file goes together, before anything is built from it."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from sklearn_cmmd.data.layout import Layout, Side
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.numbers import Numbers
from sklearn_cmmd.data.targets import Classes, Targets
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.persistence.container import Damaged
from sklearn_cmmd.plan import Plan


def require(is_so: Any, what: str) -> None:
    """Raise `Damaged` unless something is as it has to be."""
    if not is_so:
        raise Damaged(f"{what} is not as it has to be")


def check_plan(plan: Plan, weights: Sequence[np.ndarray]) -> None:
    """Raise `Damaged` unless layout, architecture and weights can be of one model."""
    layout, architecture = plan.layout, plan.architecture
    for side in (layout.observed, *layout.generated):
        _check_side(side)
    _check_targets(layout.targets)
    _check_views(architecture.observed, [layout.observed])
    _check_views(architecture.missing, layout.generated)
    require(architecture.optional == tuple(layout.observed.optional), "what is optional")
    _check_labels(architecture, layout)
    _check_extent(architecture, weights)


def is_vector(array: Any, length: int, kind: str = "f") -> bool:
    """Return whether this is an array of shape (length,), by default of floats."""
    is_array = isinstance(array, np.ndarray) and array.shape == (length,)
    return is_array and array.dtype.kind == kind


def _check_side(side: Side) -> None:
    widths, n_columns = side.widths, sum(side.widths.values())
    require(widths and min(widths.values()) > 0, "a number of columns")
    for statistic in (side.loc, side.scale, side.mean):
        require(is_vector(statistic, n_columns), "a statistic of the columns")
    require((side.scale > 0).all(), "a scale of the columns")
    require(is_vector(side.root, n_columns, kind="b"), "what is read as square roots")
    require(all([_is_described(each) for each in side.modalities]), "a modality")
    columns = np.concatenate([modality.columns for modality in side.modalities])
    require(np.array_equal(np.sort(columns), np.arange(n_columns)), "the columns of modalities")
    for key, shape in side.shapes.items():
        require(prod(shape) == widths.get(key), "the shape of a row")
    for key, names in side.column_names.items():
        require(len(names) == widths.get(key), "the names of columns")
    for number, often in side.optional.items():
        require(0 <= number < len(side.modalities) and 0 < often < 1, "what is optional")


def _is_described(modality: Modality) -> bool:
    columns, shape = modality.columns, modality.shape
    if not (isinstance(columns, np.ndarray) and is_vector(columns, columns.size, "i")):
        return False
    if not shape:
        return True
    return prod(shape) == len(columns) and -len(shape) <= modality.axis < len(shape)


def _check_targets(targets: Targets | None) -> None:
    if isinstance(targets, Numbers):
        for values in (targets.loc, targets.scale):
            require(is_vector(values, len(targets.loc)), "a statistic of y")
        require((targets.scale > 0).all(), "a scale of y")
    elif isinstance(targets, Classes):
        require(targets.classes.ndim == 1 and len(targets.classes), "the classes")


def _check_views(views: Sequence[ViewSpec], sides: Sequence[Side]) -> None:
    expected, start = [], 0
    for side in sides:
        for each in side.modalities:
            columns = tuple((start + each.columns).tolist())
            form = each.shape or (), each.channels
            expected.append((each.name, columns, *form, each.likelihood, each.axis))
        start += len(side.scale)
    found = [
        (each.name, each.columns, each.grid.shape, each.grid.channels, each.likelihood, each.axis)
        for each in views
    ]
    require(found == expected, "what the networks see of the modalities")


def _check_labels(architecture: Architecture, layout: Layout) -> None:
    targets = layout.targets
    n_labels, likelihood = 0, "categorical"
    if targets is not None:
        n_labels, likelihood = targets.n_columns, targets.likelihood
    found = architecture.n_labels, architecture.label_likelihood
    require(found == (n_labels, likelihood), "what the networks say of y")


def _check_extent(architecture: Architecture, weights: Sequence[np.ndarray]) -> None:
    """Refuse networks of more layers or wider ones than there are weights for."""
    n_numbers = sum([array.size for array in weights])
    hidden = [getattr(architecture, f"{role}_hidden") for role in ("prior", "encoder", "decoder")]
    widths = [*sum(hidden, architecture.classifier_hidden), architecture.latent_dim]
    require(all([0 < width <= n_numbers for width in widths]), "the width of a layer")
    linear = sum([len(view.columns) for view in architecture.missing if view.linear])
    require(linear * architecture.n_observed <= n_numbers, "the linear path")
    require(_least_layers(architecture) <= len(weights), "the number of layers")


def _least_layers(architecture: Architecture) -> int:
    """Return a number of layers that these networks have at least; see `networks.build`."""
    observed, missing = architecture.observed, architecture.missing
    prior, encoder, decoder = (
        len(getattr(architecture, f"{role}_hidden")) for role in ("prior", "encoder", "decoder")
    )
    layers = _own_layers(observed, "prior", prior)
    n_shared = sum([view.prior == "auto" for view in observed])
    layers += prior * (n_shared if architecture.fusion == "product" else min(n_shared, 1))
    layers += _own_layers([*observed, *missing], "encoder", encoder) + encoder
    layers += len(architecture.classifier_hidden) if architecture.n_labels else 0
    generators = [view.decoder for view in missing]
    n_trunks = len([each for each in generators if each != "auto"]) + ("auto" in generators)
    if architecture.decoder_input == "latent":
        n_trunks = generators.count("mlp") + ("auto" in generators)
    else:
        layers += n_trunks * _own_layers(observed, "decoder", decoder)
    return layers + n_trunks * decoder


def _own_layers(views: Sequence[ViewSpec], role: str, n_hidden: int) -> int:
    """Return how many layers views have at least in networks of their own."""
    layers = {"mlp": n_hidden, "conv1d": 1, "conv2d": 1}
    names = [getattr(view, role) for view in views]
    return sum([layers.get(name, 0) for name in names if isinstance(name, str)])
