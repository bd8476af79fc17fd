r"""The objective of CMMD: its terms row by row, and their weighted total.

Per row, the model maximises (eq. 5 of [1]_)

.. math:: E_q[\log p(x_M | x_O, z)] + \alpha \log p(y | z)
    - \omega\, KL[q(z | x_O, x_M, y) \,\|\, p(z | x_O)] - (1 - \omega) \lambda\, MMD[q, p],

with z in p(y|z) taken from the prior. This module computes the negative of it, to be minimised.

Where the encoder does not see y, it can be applied to rows without a label, and knows more of them
than the prior does. So it may teach: the classifier is trained under q too, and under the prior it
learns, on every pair, what it says under q [2]_ [3]_:

.. math:: 10 \alpha \log p(y | z_q) + \alpha \delta \sum_c \bar p(c | z_q) \log p(c | z_p),

the bar meaning that no gradient flows through the teacher, and that dropout spares it.

The scales of the columns of x_M are learned, and networks that know their few rows by heart make
them too small. So imaginary rows may stand beside the data, each off by one, a standard deviation,
in every column: for a variance an inverse gamma prior.

References
----------
.. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. Discriminative multimodal learning via conditional
   priors in generative models. Neural Networks 169 (2024). https://doi.org/10.1016/j.neunet.2023.10.048
.. [2] Hinton, Vinyals, Dean. Distilling the knowledge in a neural network. arXiv:1503.02531 (2015).
.. [3] Vapnik, Vashist. A new learning paradigm: learning using privileged information. Neural
   Networks 22 (2009).
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
from sklearn_cmmd.objective.terms import LossTerms, Rows

__all__ = ["Evaluation", "Objective"]


# Weight of the labels under q, relative to α: a teacher that the few labels hardly form confirms
# its own mistakes.
TEACHER_SHARE = 10.0


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
    distillation : float
        Weight :math:`\delta`, relative to α, of what the classifier under q teaches the one under
        the prior. Without effect where the encoder sees the label.
    label_smoothing : float in [0, 1)
        Share of a label that is spread evenly over all classes, or over yes and no.
    scale_prior : float
        Number of imaginary rows that draw the learned scales of x_M to one, for each row of the
        data.
    """

    omega: float = 0.5
    lam: float = 1000.0
    alpha: float = 10.0
    kernel: str = "gaussian"
    bandwidth: float | str | tuple[float, ...] = "dimension"
    estimator: str = "u"
    classifier_input: str = "mean"
    decode_prior: float = 0.0
    distillation: float = 0.0
    label_smoothing: float = 0.0
    scale_prior: float = 0.0

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
        labels = None if y is None else _known(module.label_features(y).to(x), rows.labelled)
        p = cast(Gaussian, module.prior(x, dropout=dropout))
        q = module.posterior(x, rows.missing, labels, dropout)
        z_q, z_p = q.rsample(noise), p.rsample(noise)

        from_q = from_p = scale_prior = None
        if module.decoder is not None:
            from_q, from_p = self._reconstruction(module, rows, z_q, z_p, dropout)
            scale_prior = module.decoder.prior_loss() if self.scale_prior > 0 else None
        predicted = taught = target = None
        if module.classifier is not None:
            at_mean = self.classifier_input == "mean"
            z = (p.loc, q.loc) if at_mean else (z_p, z_q)
            predicted, taught = self._classified(module, *z, dropout)
        if taught is not None:
            target = self._target(module, rows, noise, taught, dropout)
        terms = LossTerms(
            from_q,
            from_p,
            *_classification(predicted, taught, target, self._smoothed(module, labels)),
            gaussian_kl(q, p),
            self._divergence(q, p, z_q, z_p, noise, rows),
            scale_prior,
        )
        return Evaluation(terms, predicted)

    def _smoothed(self, module: CMMD, labels: Tensor | None) -> Tensor | None:
        """Return what the classifiers learn: labels, less sure than they are given."""
        if labels is None or self.label_smoothing == 0:
            return labels
        is_categorical = module.architecture.label_likelihood == "categorical"
        n_outcomes = module.architecture.n_labels if is_categorical else 2
        return labels.lerp(torch.full_like(labels, 1 / n_outcomes), self.label_smoothing)

    def _classified(
        self, module: CMMD, z_p: Tensor, z_q: Tensor, dropout: Dropout | None
    ) -> tuple[Distribution, Distribution | None]:
        """Classify by the prior, and by q if that is to teach, in one pass."""
        classifier = module.classifier
        assert classifier is not None
        if self.n_classifications(module) == 1:
            return classifier(z_p, dropout=dropout), None
        both = classifier(torch.cat([z_p, z_q]), dropout=dropout)
        by_prior, by_posterior = (type(both)(part) for part in both.logits.chunk(2))
        return by_prior, by_posterior

    def _target(
        self,
        module: CMMD,
        rows: Rows,
        noise: Tensor,
        taught: Distribution,
        dropout: Dropout | None,
    ) -> Tensor:
        """Return what q says of the labels, as probabilities, with no unit silenced."""
        if dropout is None or dropout.keep is None:
            return taught.mean.detach()
        classifier, whole = module.classifier, Dropout(None, dropout.generator)
        assert classifier is not None
        with torch.no_grad():
            q = module.posterior(rows.observed, rows.missing, dropout=whole)
            z = q.loc if self.classifier_input == "mean" else q.rsample(noise)
            return cast(Distribution, classifier(z, dropout=whole)).mean

    def _reconstruction(
        self, module: CMMD, rows: Rows, z_q: Tensor, z_p: Tensor, dropout: Dropout | None
    ) -> tuple[Tensor, Tensor | None]:
        """Decode draws of q, and of the prior if asked for, in one pass."""
        decoder, x, x_missing = module.decoder, rows.observed, cast(Tensor, rows.missing)
        assert decoder is not None
        present = rows.present
        if self.n_decodings == 1:
            return -decoder(x, z_q, dropout=dropout).log_prob(x_missing, present), None
        decoded: Joint = decoder(torch.cat([x, x]), torch.cat([z_q, z_p]), dropout=dropout)
        twice = None if present is None else torch.cat([present, present])
        both = -decoded.log_prob(torch.cat([x_missing, x_missing]), twice)
        return both[: len(x)], both[len(x) :]

    def _divergence(
        self, q: Gaussian, p: Gaussian, z_q: Tensor, z_p: Tensor, noise: Tensor, rows: Rows
    ) -> Tensor:
        """Return the MMD of the minibatch."""
        if self.estimator == "closed":
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
        draws, widths = torch.cat([z_q, z_p]), bandwidths(self.bandwidth, z_q.shape[-1])
        return mmd_of_draws(
            draws, self.kernel, widths, self.estimator == "u", rows.weight, rows.n_rows
        )

    @property
    def n_decodings(self) -> int:
        """How often a row is decoded: from q, and from the prior if that has a share."""
        return 1 if self.decode_prior == 0 else 2

    def n_classifications(self, module: CMMD) -> int:
        """How often a row is classified: from the prior, and from q if that is to teach."""
        return 2 if self.distillation > 0 and module.can_teach else 1

    def shares(self, names: Sequence[str]) -> list[float]:
        """Return the weights of these terms in the loss."""
        shares = {
            "reconstruction": 1 - self.decode_prior,
            "prior_reconstruction": self.decode_prior,
            "classification": self.alpha,
            "posterior_classification": TEACHER_SHARE * self.alpha,
            "distillation": self.alpha * self.distillation,
            "kl": self.omega,
            "mmd": (1 - self.omega) * self.lam,
            "scale_prior": self.scale_prior,
        }
        return [shares[name] for name in names]

    def total(self, terms: LossTerms, rows: Rows) -> Tensor:
        """Reduce the terms to the loss, a mean over the rows."""
        means = terms.means(rows)
        return means @ means.new_tensor(self.shares(terms.names))


def _known(labels: Tensor, labelled: Tensor | None) -> Tensor:
    """Return the columns of the labels, all of them zero where there is no label."""
    return labels if labelled is None else labels * labelled[:, None]


def _classification(
    predicted: Distribution | None,
    taught: Distribution | None,
    target: Tensor | None,
    labels: Tensor | None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the losses by the labels, of both classifiers, and by what the one under q says."""
    if predicted is None or labels is None:
        return None, None, None
    if taught is None or target is None:
        return -predicted.log_prob(labels), None, None
    return -predicted.log_prob(labels), -taught.log_prob(labels), -predicted.log_prob(target)
