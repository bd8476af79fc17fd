"""Going on from networks that exist: warm start, partial_fit, `init_from`, and a search's."""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._fit_data import Layout
from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.networks.cmmd import CMMD

__all__ = [
    "DivergedError",
    "check_init_from",
    "check_partial_fit",
    "check_same_networks",
    "check_start",
    "next_prefitted",
    "prefitted",
    "unchanged_by_errors",
]

# What may differ between networks and those that they start from.
FREE_AT_START = ("n_labels", "label_likelihood", "label_in_encoder", "classifier_hidden")


_PREFITTED: ContextVar[Iterator[Any] | None] = ContextVar("_PREFITTED", default=None)


@contextmanager
def prefitted(estimators: Iterable[Any]) -> Iterator[None]:
    """Let the next calls of `fit` in this thread take over these estimators instead of training.

    Parameters
    ----------
    estimators : iterable of estimators or None
        What a search has trained together, in the order in which scikit-learn will ask for it.
        Where one is None, and when all are used up, `fit` trains as ever.
    """
    token = _PREFITTED.set(iter(estimators))
    try:
        yield
    finally:
        _PREFITTED.reset(token)


def next_prefitted() -> Any:
    """Return the estimator that the next call of `fit` takes over, or None."""
    waiting = _PREFITTED.get()
    return None if waiting is None else next(waiting, None)


class DivergedError(FloatingPointError):
    """The loss became infinite or NaN; the estimator has the weights of the last good epoch."""


@contextmanager
def unchanged_by_errors(estimator: Any) -> Iterator[None]:
    """Bring an estimator back to what it was before, if what is done to it fails.

    Of a training that diverged, the weights of the last good epoch are kept.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except DivergedError:
        raise
    except BaseException:
        estimator.__dict__ = before
        raise


def check_same_networks(architecture: Architecture, module: CMMD) -> None:
    """Raise a ValueError if a parameter asks for other networks than those at hand."""
    changed = _differences(architecture, module.architecture)
    if changed:
        raise ValueError(
            "warm_start and partial_fit go on with the networks of the first fit, but "
            f"{changed} changed. Set warm_start=False and call fit to begin anew."
        )


def check_partial_fit(estimator: Any, classes: Any) -> None:
    """Raise a ValueError if `partial_fit` cannot do what it is asked to."""
    if estimator.early_stopping is True:
        raise ValueError(
            "partial_fit does not support early_stopping=True. Set it to 'auto' or False."
        )
    known = getattr(estimator, "classes_", None)
    if not (known is None or classes is None or np.array_equal(known, unique_labels(classes))):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )


def check_init_from(estimator: Any, init_from: Any, going_on: bool) -> None:
    """Raise an error unless an estimator can start from `init_from`, or that is None.

    Raises
    ------
    TypeError
        If it is no estimator of this package.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If the estimator goes on from its own networks, or describes other modalities.
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
    for side in ("observed", "missing"):
        described = getattr(estimator, side)
        # Copies of one list of modalities, as clone makes them, are written alike.
        if described is not None and repr(described) != repr(getattr(init_from, side)):
            raise ValueError(
                f"init_from was fitted with other modalities: {side}= differs. Leave it out to "
                "take over those of init_from."
            )


def check_start(module: CMMD, layout: Layout, init_from: Any) -> None:
    """Raise a ValueError unless networks differ from their start by what hangs on labels alone."""
    changed = _differences(module.architecture, init_from.module_.architecture, FREE_AT_START)
    if changed:
        raise ValueError(
            f"init_from has other networks: {changed} differ. Give both estimators the same "
            "parameters."
        )
    before = init_from._layout.labels
    if before is not None and not before.same_as(layout.labels):
        raise ValueError(
            f"init_from was fitted with the labels {before.classes.tolist()}, which are not those "
            "of y. Fit it with the same labels, or without any."
        )


def _differences(one: Architecture, other: Architecture, free: Container[str] = ()) -> list[str]:
    names = (field.name for field in fields(one) if field.name not in free)
    return [name for name in names if getattr(one, name) != getattr(other, name)]
