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

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor

from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.conditional import Decoder
from sklearn_cmmd.networks.distributions import Distribution, Gaussian, Joint
from sklearn_cmmd.objective.divergences import gaussian_kl, mmd

__all__ = ["LossTerms", "Objective", "Rows"]


class Rows(NamedTuple):
    """A minibatch; what the model does not have is None."""

    observed: Tensor  # (batch, n_observed)
    missing: Tensor | None = None  # (batch, n_missing)
    weight: Tensor | None = None  # (batch,), of mean one over the data


class LossTerms(NamedTuple):
    """Losses in nats, each to be minimised, not yet weighted by ω, λ or α; None where absent."""

    reconstruction: Tensor | None  # (batch,) −log p(x_M | x_O, z), z from q
    prior_reconstruction: Tensor | None  # (batch,) the same with z from the prior
    classification: Tensor | None  # (batch,) −log p(y | z)
    kl: Tensor  # (batch,)
    mmd: Tensor  # (), a statistic of the batch

    def means(self, weight: Tensor | None = None) -> dict[str, Tensor]:
        """Return the mean over the rows of every term that is there."""
        return {
            name: row_mean(term, weight) if term.dim() else term
            for name, term in self._asdict().items()
            if term is not None
        }


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
        generator: torch.Generator | None = None,
    ) -> Evaluation:
        """Compute the terms of a minibatch.

        Parameters
        ----------
        module : CMMD
            The networks.
        rows : Rows
            The minibatch.
        y : Tensor of shape (batch,) or (batch, n_labels), or None
            Codes of classes, or an indicator for each label.
        noise : Tensor of shape (batch, latent_dim)
            Standard normal noise, shared by the draw of q and that of the prior.
        generator : torch.Generator, optional
            Source of the dropout masks.
        """
        x = rows.observed
        labels = None if y is None else module.label_features(y).to(x)
        p = cast(Gaussian, module.prior(x, generator=generator))
        q = module.posterior(x, rows.missing, labels, generator)

        from_q = from_p = classification = predicted = None
        if module.decoder is not None:
            from_q, from_p = self._reconstruction(module.decoder, rows, q, p, noise, generator)
        if module.classifier is not None:
            z = p.loc if self.classifier_input == "mean" else p.rsample(noise)
            predicted = module.classifier(z, generator=generator)
            classification = -predicted.log_prob(cast(Tensor, labels))
        divergence = self._mmd(q, p, noise, rows.weight)
        terms = LossTerms(from_q, from_p, classification, gaussian_kl(q, p), divergence)
        return Evaluation(terms, predicted)

    def _reconstruction(
        self,
        decoder: Decoder,
        rows: Rows,
        q: Gaussian,
        p: Gaussian,
        noise: Tensor,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Decode draws of q, and of the prior if asked for, in one pass."""
        x, x_missing, z = rows.observed, cast(Tensor, rows.missing), q.rsample(noise)
        if self.decode_prior == 0:
            return -decoder(x, z, generator=generator).log_prob(x_missing), None
        z = torch.cat([z, p.rsample(noise)])
        decoded: Joint = decoder(x.repeat(2, 1), z, generator=generator)
        from_q, from_p = -decoded.log_prob(x_missing.repeat(2, 1)).unflatten(0, (2, -1))
        return from_q, from_p

    def _mmd(self, q: Gaussian, p: Gaussian, noise: Tensor, weight: Tensor | None) -> Tensor:
        return mmd(
            q,
            p,
            noise,
            name=self.kernel,
            bandwidth=self.bandwidth,
            estimator=self.estimator,
            weight=weight,
        )

    def total(self, terms: LossTerms, weight: Tensor | None = None) -> Tensor:
        """Reduce the terms to the loss, a mean over the rows that is weighted by `weight`."""
        shares = (1 - self.decode_prior, self.decode_prior, self.alpha, self.omega)
        per_row = sum(
            share * term for share, term in zip(shares, terms[:-1], strict=True) if term is not None
        )
        return row_mean(cast(Tensor, per_row), weight) + (1 - self.omega) * self.lam * terms.mmd


def row_mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean over the rows of values times weights; of weights, the data's mean is one."""
    return values.mean() if weight is None else (values * weight).mean()
