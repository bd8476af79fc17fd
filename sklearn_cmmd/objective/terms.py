"""A minibatch, and the losses of its rows: what they are, and over which rows each is a mean."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LossTerms", "Rows"]


class Rows(NamedTuple):
    """A minibatch; what the model does not have is None."""

    observed: Tensor  # (batch, n_observed)
    missing: Tensor | None = None  # (batch, n_missing), zero where a row lacks it
    weight: Tensor | None = None  # (batch,), of mean one over the data
    # (), the number of rows without those of weight zero that fill the batch up; None if all are
    n_rows: Tensor | None = None
    labelled: Tensor | None = None  # (batch,), 1 where a row has a label, else 0; None if all have
    present: Tensor | None = None  # (batch, n_modalities), the same of each missing modality

    @property
    def paired(self) -> Tensor | None:
        """(batch,), 1 where a row has something of x_M, else 0; None if all have."""
        return None if self.present is None else self.present.amax(-1)

    @property
    def is_whole(self) -> bool:
        """Whether no row lacks its label or a missing modality."""
        return self.labelled is None and self.present is None

    def number(self, has: Tensor | None, like: Tensor) -> Tensor:
        """Return the number of rows that have something, (), without those that fill up."""
        if has is not None:
            return has.sum()
        return like.new_tensor(len(self.observed)) if self.n_rows is None else self.n_rows

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the rows, the last axis, of values times weights."""
        if self.weight is None:
            return values.mean(-1)
        weighted = values * self.weight
        return weighted.mean(-1) if self.n_rows is None else weighted.sum(-1) / self.n_rows

    def mean_where(self, values: Tensor, has: Tensor | None) -> Tensor:
        """Mean over the rows that have something, zero if none has."""
        if has is None:
            return self.mean(values)
        weighted = values * has if self.weight is None else values * has * self.weight
        return weighted.sum(-1) / has.sum().clamp_min(1)


# Terms that no single row has.
OF_BATCH = ("mmd", "scale_prior")


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

    @property
    def names(self) -> list[str]:
        """Names of the terms that are there."""
        return [name for name, term in self._asdict().items() if term is not None]

    def means(self, rows: Rows) -> Tensor:
        """Return the mean of every term, in this order, over the rows that have what it needs."""
        per_row = {name: getattr(self, name) for name in self.names if name not in OF_BATCH}
        of_batch = torch.stack([getattr(self, name) for name in self.names if name in OF_BATCH])
        if rows.is_whole:
            return torch.cat([rows.mean(torch.stack(list(per_row.values()))), of_batch])
        having = _having(rows)
        means = [rows.mean_where(term, having[name]) for name, term in per_row.items()]
        return torch.cat([torch.stack(means), of_batch])

    def counts(self, rows: Rows) -> Tensor:
        """Return over how many rows each of the means is."""
        if rows.is_whole:
            return rows.number(None, self.kl).expand(len(self.names))
        having = _having(rows)
        return torch.stack([rows.number(having[name], self.kl) for name in self.names])


def _having(rows: Rows) -> dict[str, Tensor | None]:
    """Return for each term the rows, as 1 and 0, that have what it needs; None stands for all.

    The encoder is applied to every row: of x_M it reads zeros, the mean, where a row lacks it.
    """
    return dict.fromkeys(LossTerms._fields) | {
        "reconstruction": rows.paired,
        "prior_reconstruction": rows.paired,
        "classification": rows.labelled,
        "posterior_classification": rows.labelled,
    }
