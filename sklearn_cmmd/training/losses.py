"""The losses of a minibatch, as they stand or as one program that torch.compile makes of them."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Distribution
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows

__all__ = ["Losses", "LossesOf", "compiled_losses", "give_up_compiling", "losses_of"]

# Characters of a compiler's report that a warning passes on.
REPORTED = 200
# For networks and data of so many forms a process makes programs; torch allows eight.
MOST_PROGRAMS = 64

_failures: dict[tuple[Architecture, str], str] = {}


class CannotCompile(Exception):
    """Says why."""


class Losses(NamedTuple):
    """Means of the terms, over how many rows they are, their names, and what came of the labels."""

    means: Tensor
    counts: Tensor
    names: list[str]
    labels: Distribution | None


LossesOf = Callable[[Objective, CMMD, Rows, Tensor | None, Tensor, Dropout | None], Losses]


def losses_of(
    objective: Objective,
    module: CMMD,
    rows: Rows,
    y: Tensor | None,
    noise: Tensor,
    dropout: Dropout | None,
) -> Losses:
    """Compute the losses; the arguments are those of `Objective.evaluate`."""
    terms, labels = objective.evaluate(module, rows, y, noise, dropout)
    return Losses(terms.means(rows), terms.counts(rows), terms.names, labels)


@cache
def _compiled() -> LossesOf:
    # One program for minibatches of any size: the last one of an epoch is often smaller. And none
    # that is silently a plain one.
    return torch.compile(losses_of, dynamic=True, fullgraph=True)


def compiled_losses(module: CMMD) -> LossesOf:
    """Return `losses_of` such that it is compiled when it is called with networks of a new form.

    Raises
    ------
    CannotCompile
        If that failed before, or cannot be.
    """
    if module.custom_networks:
        # They draw from a stream that a compiled program does not seed.
        title = module.custom_networks[0].title
        raise CannotCompile(f"networks of your own are not compiled, here: {title}")
    if (reason := _failures.get(_form(module))) is not None:
        raise CannotCompile(reason)
    return _within_limit


def _within_limit(*args: Any) -> Losses:
    with torch._dynamo.config.patch(recompile_limit=MOST_PROGRAMS):
        return _compiled()(*args)


def give_up_compiling(module: CMMD, error: Exception) -> None:
    """Warn that training goes on without a compiled program, and remember why."""
    if isinstance(error, CannotCompile):
        reason = str(error)
    else:
        report = " ".join(f"{type(error).__name__}: {error}".split())[:REPORTED]
        reason = (
            "torch.compile failed, as it does where there is no C++ compiler, or no Triton on a "
            f"GPU ({report})"
        )
        _failures[_form(module)] = reason
    warnings.warn(
        f"compile=True: {reason}. Training goes on without; numbers differ by rounding at most.",
        stacklevel=2,
    )


def _form(module: CMMD) -> tuple[Architecture, str]:
    return module.architecture, next(module.parameters()).device.type
