"""The losses of a minibatch's rows, and over which rows each is a mean."""

from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch

# Terms that no single row has.
OF_BATCH = ("mmd", "scale_prior", "teacher_entropy")


class LossTerms(NamedTuple):
    """Losses in nats, each to be minimised, not yet weighted by ω, λ or α; None where absent."""

    reconstruction: Tensor | None  # (batch,) −log p(x_M | x_O, z), z from q
    prior_reconstruction: Tensor | None  # (batch,) the same with z from the prior
    classification: Tensor | None  # (batch,) −log p(y | z), z from the prior
    posterior_classification: Tensor | None  # (batch,) the same with z from q
    distillation: Tensor | None  # (batch,) cross-entropy of the two, the latter the target
    kl: Tensor  # (batch,)
    mmd: Tensor  # (), a statistic of the batch
    scale_prior: Tensor | None = None  # (), −log density of an imaginary row, of the scales alone
    teacher_entropy: Tensor | None = None  # (), of the mean target of rows without a label

    @property
    def names(self) -> list[str]:
        """Names of the terms that are there."""
        return [name for name, term in self._asdict().items() if term is not None]

    def means(self, batch: Batch) -> Tensor:
        """Return the mean of every term, in the order of `names`, over the rows that count in it.

        A row that lacks what a term needs does not count: its label, or all of x_M. Every row
        counts in the KL divergence and the MMD.
        """
        values = [
            term if name in OF_BATCH else _mean(term, _weight_in(name, batch))
            for name, term in zip(self._fields, self, strict=True)
            if term is not None
        ]
        return torch.stack(values)

    def counts(self, batch: Batch) -> Tensor:
        """Return over how many rows each of the means is."""
        # A fill, since a copy from the host would make a GPU wait.
        whole = self.kl.new_full((), batch.n_rows)
        weights = [_weight_in(name, batch) for name in self.names]
        return torch.stack([whole if w is None else (w > 0).sum().to(whole) for w in weights])


def _weight_in(name: str, batch: Batch) -> Tensor | None:
    """Return the weights of the rows in a term; None if all count alike."""
    if name in ("reconstruction", "prior_reconstruction"):
        return batch.pair_weight
    if name in ("classification", "posterior_classification"):
        return batch.label_weight
    return batch.weight


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over the rows of positive weight, zero if there is none."""
    if weight is None:
        return values.mean()
    return (values * weight).sum() / (weight > 0).sum().clamp_min(1)
