"""The losses of a minibatch, as they stand or as one program that torch.compile makes of them."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Distribution
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows

__all__ = ["Losses", "LossesOf", "compiled_losses", "losses_of", "warn_of_failed_compilation"]

# Characters of a compiler's report that a warning passes on.
REPORTED = 200


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
    # One program for minibatches of any size: the last one of an epoch is often smaller.
    return torch.compile(losses_of, dynamic=True)


def compiled_losses(module: CMMD) -> LossesOf:
    """Return `losses_of` such that it is compiled when it is called with networks of a new form.

    Raises
    ------
    NotImplementedError
        If a user's network draws from a stream that a compiled program does not seed.
    """
    if module.custom_networks:
        title = module.custom_networks[0].title
        raise NotImplementedError(f"not for networks of your own, here: {title}")
    return _compiled()


def warn_of_failed_compilation(error: Exception) -> None:
    """Warn that training goes on without a compiled program."""
    reason = " ".join(str(error).split())[:REPORTED]
    warnings.warn(
        f"compile=True has no effect, since torch.compile failed ({type(error).__name__}: "
        f"{reason}). Training goes on without, with the same results. It needs a C++ compiler, or "
        "Triton on a GPU.",
        stacklevel=2,
    )
