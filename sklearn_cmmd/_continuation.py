"""Going on from networks that exist: warm start, partial_fit and `init_from`."""

from collections.abc import Container
from dataclasses import fields
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.networks.cmmd import CMMD

__all__ = ["check_init_from", "check_same_networks", "check_start"]

# What may differ between networks and those that they start from.
FREE_AT_START = ("n_labels", "label_likelihood", "classifier_hidden", "dropout")


def check_same_networks(architecture: Architecture, module: CMMD) -> None:
    """Raise a ValueError if a parameter asks for other networks than those at hand."""
    changed = _differences(architecture, module.architecture)
    if changed:
        raise ValueError(
            "warm_start and partial_fit go on with the networks of the first fit, but "
            f"{changed} changed. Set warm_start=False and call fit to begin anew."
        )


def check_init_from(init_from: Any, going_on: bool) -> None:
    """Raise an error unless `init_from` is None or a fitted estimator of this package.

    Raises
    ------
    TypeError
        If it is something else.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If the estimator goes on from its own networks.
    """
    if init_from is None:
        return
    if not hasattr(init_from, "generate_missing"):
        raise TypeError(
            "init_from must be a fitted CMMDTransformer or CMMDClassifier. "
            f"Got {init_from!r} instead."
        )
    check_is_fitted(init_from)
    if going_on:
        raise ValueError(
            "warm_start=True goes on from the estimator's own networks. Set it to False to start "
            "from those of init_from."
        )


def check_start(module: CMMD, start: CMMD) -> None:
    """Raise a ValueError unless networks differ from their start by what hangs on labels alone."""
    changed = _differences(module.architecture, start.architecture, FREE_AT_START)
    if changed:
        raise ValueError(
            f"init_from has other networks: {changed} differ. Give both estimators the same "
            "parameters."
        )


def _differences(one: Architecture, other: Architecture, free: Container[str] = ()) -> list[str]:
    names = (field.name for field in fields(one) if field.name not in free)
    return [name for name in names if getattr(one, name) != getattr(other, name)]
