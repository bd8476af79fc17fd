r"""The objective of CMMD: its terms row by row, and their weighted total.

Per row, the model maximises (eq. 5 of [1]_)

.. math:: E_q[\log p(x_M | x_O, z)] + \alpha \log p(y | z)
    - \omega\, KL[q(z | x_O, x_M, y) \,\|\, p(z | x_O)] - (1 - \omega) \lambda\, MMD[q, p],

with z in p(y|z) taken from the prior. This module computes the negative of it, to be minimised.

References
----------
.. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. Discriminative multimodal learning via conditional
   priors in generative models. Neural Networks 169 (2024). https://doi.org/10.1016/j.neunet.2023.10.048
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor

from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Distribution, Gaussian, Joint
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.divergences import bandwidths, gaussian_kl, mmd, mmd_of_draws

__all__ = ["LossTerms", "Objective", "Rows"]


class Rows(NamedTuple):
    """A minibatch; what the model does not have is None."""

    observed: Tensor  # (batch, n_observed)
    missing: Tensor | None = None  # (batch, n_missing)
    weight: Tensor | None = None  # (batch,), of mean one over the data
    # (), the number of rows without those of weight zero that fill the batch up; None if all are
    n_rows: Tensor | None = None

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the rows, the last axis, of values times weights."""
        if self.weight is None:
            return values.mean(-1)
        weighted = values * self.weight
        return weighted.mean(-1) if self.n_rows is None else weighted.sum(-1) / self.n_rows


class LossTerms(NamedTuple):
    """Losses in nats, each to be minimised, not yet weighted by ω, λ or α; None where absent."""

    reconstruction: Tensor | None  # (batch,) −log p(x_M | x_O, z), z from q
    prior_reconstruction: Tensor | None  # (batch,) the same with z from the prior
    classification: Tensor | None  # (batch,) −log p(y | z)
    kl: Tensor  # (batch,)
    mmd: Tensor  # (), a statistic of the batch

    @property
    def names(self) -> list[str]:
        """Names of the terms that are there."""
        return [name for name, term in self._asdict().items() if term is not None]

    def means(self, rows: Rows) -> Tensor:
        """Return the mean over the rows of every term that is there, in this order."""
        per_row = [term for term in self[:-1] if term is not None]
        return torch.cat([rows.mean(torch.stack(per_row)), self.mmd[None]])


class Evaluation(NamedTuple):
    """The terms of a minibatch, and the distribution over labels that they came from."""

    terms: LossTerms
    labels: Distribution | None


@dataclass(frozen=True)
class Objective:
    r"""The weights of the objective and the choices that the formula leaves open.

    Parameters
    ----------
    omega : float in [0, 1]
        Weight :math:`\omega` of the KL divergence; the MMD gets :math:`(1 - \omega) \lambda`.
    lam : float
        Weight :math:`\lambda` of the MMD.
    alpha : float
        Weight :math:`\alpha` of the classification loss, per row.
    kernel, bandwidth, estimator
        How the MMD is computed; see `sklearn_cmmd.objective.divergences.mmd`.
    classifier_input : {"mean", "draw"}
        Whether the classifier is trained on the mean of the prior or on a draw of it.
    decode_prior : float in [0, 1]
        Share of the reconstruction that is computed with z from the prior instead of q.
    """

    omega: float = 0.5
    lam: float = 1000.0
    alpha: float = 10.0
    kernel: str = "gaussian"
    bandwidth: float | str | tuple[float, ...] = "dimension"
    estimator: str = "u"
    classifier_input: str = "mean"
    decode_prior: float = 0.0

    def evaluate(
        self,
        module: CMMD,
        rows: Rows,
        y: Tensor | None,
        noise: Tensor,
        dropout: Dropout | None = None,
    ) -> Evaluation:
        """Compute the terms of a minibatch.

        Parameters
        ----------
        module : CMMD
            The networks.
        rows : Rows
            The minibatch.
        y : Tensor of shape (batch,) or (batch, n_labels), or None
            Codes of classes, or a column for each label.
        noise : Tensor of shape (batch, latent_dim)
            Standard normal noise, shared by the draw of q and that of the prior.
        dropout : Dropout, optional
            What silences hidden units in training.
        """
        x = rows.observed
        labels = None if y is None else module.label_features(y).to(x)
        p = cast(Gaussian, module.prior(x, dropout=dropout))
        q = module.posterior(x, rows.missing, labels, dropout)
        z_q, z_p = q.rsample(noise), p.rsample(noise)

        from_q = from_p = classification = predicted = None
        if module.decoder is not None:
            from_q, from_p = self._reconstruction(module, rows, z_q, z_p, dropout)
        if module.classifier is not None:
            z = p.loc if self.classifier_input == "mean" else z_p
            predicted = module.classifier(z, dropout=dropout)
            classification = -predicted.log_prob(cast(Tensor, labels))
        if self.estimator == "closed":
            divergence = self._closed_mmd(q, p, noise, rows)
        else:
            divergence = self._mmd(torch.cat([z_q, z_p]), rows)
        terms = LossTerms(from_q, from_p, classification, gaussian_kl(q, p), divergence)
        return Evaluation(terms, predicted)

    def _reconstruction(
        self, module: CMMD, rows: Rows, z_q: Tensor, z_p: Tensor, dropout: Dropout | None
    ) -> tuple[Tensor, Tensor | None]:
        """Decode draws of q, and of the prior if asked for, in one pass."""
        decoder, x, x_missing = module.decoder, rows.observed, cast(Tensor, rows.missing)
        assert decoder is not None
        if self.n_decodings == 1:
            return -decoder(x, z_q, dropout=dropout).log_prob(x_missing), None
        decoded: Joint = decoder(torch.cat([x, x]), torch.cat([z_q, z_p]), dropout=dropout)
        both = -decoded.log_prob(torch.cat([x_missing, x_missing]))
        return both[: len(x)], both[len(x) :]

    def _mmd(self, draws: Tensor, rows: Rows) -> Tensor:
        widths = bandwidths(self.bandwidth, draws.shape[-1])
        unbiased = self.estimator == "u"
        return mmd_of_draws(draws, self.kernel, widths, unbiased, rows.weight, rows.n_rows)

    def _closed_mmd(self, q: Gaussian, p: Gaussian, noise: Tensor, rows: Rows) -> Tensor:
        return mmd(
            q,
            p,
            noise,
            name=self.kernel,
            bandwidth=self.bandwidth,
            estimator=self.estimator,
            weight=rows.weight,
            n_rows=rows.n_rows,
        )

    @property
    def n_decodings(self) -> int:
        """How often a row is decoded: from q, and from the prior if that has a share."""
        return 1 if self.decode_prior == 0 else 2

    def shares(self, names: Sequence[str]) -> list[float]:
        """Return the weights of these terms in the loss."""
        shares = {
            "reconstruction": 1 - self.decode_prior,
            "prior_reconstruction": self.decode_prior,
            "classification": self.alpha,
            "kl": self.omega,
            "mmd": (1 - self.omega) * self.lam,
        }
        return [shares[name] for name in names]

    def total(self, terms: LossTerms, rows: Rows) -> Tensor:
        """Reduce the terms to the loss, a mean over the rows."""
        means = terms.means(rows)
        return means @ means.new_tensor(self.shares(terms.names))
