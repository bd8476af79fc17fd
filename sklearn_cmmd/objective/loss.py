r"""The objective of CMMD: its terms row by row, and their weighted total.

Per row, the model maximises (eq. 5 of [1]_)

.. math:: E_q[\log p(x_M | x_O, z)] + \alpha \log p(y | z)
    - \omega\, KL[q(z | x_O, x_M, y) \,\|\, p(z | x_O)] - (1 - \omega) \lambda\, MMD[q, p],

with z in p(y|z) taken from the prior. This module computes the negative of it, to be minimised.

An encoder that does not see y can be applied to rows without a label, and it knows more of them
than the prior does. So it may teach: the classifier is trained under q too, and under the prior it
learns, on every row, what it says under q [2]_ [3]_:

.. math:: \tau \alpha \log p(y | z_q) + \alpha \delta \sum_c \bar p(c | z_q) \log p(c | z_p).

The bar means that no gradient flows through the teacher, and that dropout spares it. The weight
:math:`\tau` is large because a teacher that the few labels hardly form confirms its own mistakes.

The scales of the columns of x_M are learned. Networks that know their few rows by heart would make
them too small. So imaginary rows may stand beside the data, each off by one, a standard deviation,
in every column. For a variance this is an inverse gamma prior.

References
----------
.. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. Discriminative multimodal learning via conditional
   priors in generative models. Neural Networks 169 (2024).
   https://doi.org/10.1016/j.neunet.2023.10.048
.. [2] Hinton, Vinyals, Dean. Distilling the knowledge in a neural network. arXiv:1503.02531 (2015).
.. [3] Vapnik, Vashist. A new learning paradigm: learning using privileged information. Neural
   Networks 22 (2009).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import (
    Categorical,
    Distribution,
    Gaussian,
    Joint,
    LabelDistribution,
)
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.divergences import gaussian_kl, mmd
from sklearn_cmmd.objective.terms import LossTerms


class Evaluation(NamedTuple):
    """The terms of a minibatch, and the distribution over labels that they came from."""

    terms: LossTerms
    labels: Distribution | None


class Outputs(NamedTuple):
    """What the networks say of a minibatch; what the model does not have is None."""

    q: Gaussian
    p: Gaussian
    z_q: Tensor
    z_p: Tensor
    decoded: Joint | None  # of draws of q; then of draws of the prior, if it has a share
    by_prior: LabelDistribution | None
    by_posterior: LabelDistribution | None  # if that is to teach
    target: LabelDistribution | None  # what it teaches


@dataclass(frozen=True)
class Loss:
    """The weights of the objective and the choices that the formula leaves open.

    They are parameters of `CMMDClassifier` and of `Objective`, resolved. `scale_prior` is the
    number of imaginary rows, which draw the learned scales of x_M to one, for each row of the data.
    `teacher_share` is how far the encoder is believed: so much it says in what is taught, beside
    classifiers if these advise it, or else with so much of its weight.
    """

    omega: float
    lam: float
    alpha: float
    kernel: str = "gaussian"
    bandwidth: float | str | tuple[float, ...] = "dimension"
    mmd_estimator: str = "u"
    classifier_input: str = "mean"
    decode_prior: float = 0.0
    distillation: float = 0.0
    teacher_weight: float = 10.0
    label_smoothing: float = 0.0
    scale_prior: float = 0.0
    is_advised: bool = False
    teacher_share: float = 1.0

    def evaluate(
        self,
        module: CMMD,
        batch: Batch,
        noise: Tensor,
        dropout: Dropout | None = None,
        networks_in: AbstractContextManager[Any] | None = None,
        joined: Callable[[Tensor], Tensor] | None = None,
    ) -> Evaluation:
        """Compute the terms of a minibatch.

        `noise`, standard normal of shape (batch, latent_dim), is shared by the draw of q and that
        of the prior. `networks_in` is a context in which the networks run, such as
        `torch.autocast`. Losses and divergences are computed outside of it, in the precision of
        what the networks put out. `joined` puts rows of other processes to those of the minibatch.
        """
        labels = module.labels_of(batch)
        with nullcontext() if networks_in is None else networks_in:
            outputs = self._outputs(module, batch, labels, noise, dropout)
        terms = self._terms(module, batch, labels, outputs, joined)
        return Evaluation(terms, outputs.by_prior)

    def _outputs(
        self,
        module: CMMD,
        batch: Batch,
        labels: Tensor | None,
        noise: Tensor,
        dropout: Dropout | None,
    ) -> Outputs:
        """Run the networks."""
        x = batch.observed.values
        p = cast(Gaussian, module.prior(x, dropout=dropout))
        q = module.posterior(x, batch.missing, labels, dropout)
        z_q, z_p = q.rsample(noise), p.rsample(noise)
        decoded = by_prior = by_posterior = target = None
        if module.decoder is not None:
            z = [z_q] if self.n_decodings == 1 else [z_q, z_p]
            decoded = module.decoder(x, torch.cat(z), dropout=dropout)
        if module.classifier is not None:
            means = self.classifier_input == "mean"
            pair = (p.loc, q.loc) if means else (z_p, z_q)
            by_prior, by_posterior = self._classified(module, *pair, dropout)
        if by_posterior is not None:
            target = self._target(module, batch, noise, by_posterior, dropout)
        return Outputs(q, p, z_q, z_p, decoded, by_prior, by_posterior, target)

    def _classified(
        self, module: CMMD, z_p: Tensor, z_q: Tensor, dropout: Dropout | None
    ) -> tuple[LabelDistribution, LabelDistribution | None]:
        """Classify by the prior, and by q if that is to teach, in one pass."""
        classifier = cast(Any, module.classifier)
        if self.n_classifications(module) == 1:
            return classifier(z_p, dropout=dropout), None
        both: LabelDistribution = classifier(torch.cat([z_p, z_q]), dropout=dropout)
        return both.halves()

    def _target(
        self,
        module: CMMD,
        batch: Batch,
        noise: Tensor,
        taught: LabelDistribution,
        dropout: Dropout | None,
    ) -> LabelDistribution:
        """Return what q says of the labels, with no unit silenced, and its advisers."""
        target = taught.detached()
        if dropout is not None and dropout.keep is not None:
            whole = Dropout(None, dropout.generator)
            with torch.no_grad():
                q = module.posterior(batch.observed.values, batch.missing, dropout=whole)
                z = q.loc if self.classifier_input == "mean" else q.rsample(noise)
                target = cast(Any, module.classifier)(z, dropout=whole)
        if batch.advice is None:
            return target
        return cast(Categorical, target).agreed(batch.advice, self.teacher_share / 2)

    def _terms(
        self,
        module: CMMD,
        batch: Batch,
        labels: Tensor | None,
        outputs: Outputs,
        joined: Callable[[Tensor], Tensor] | None,
    ) -> LossTerms:
        """Compare what the networks say with the minibatch, and with one another."""
        q, p, _, _, decoded, by_prior, by_posterior, target = outputs
        scale_prior = classified = by_teacher = distilled = None
        from_q, from_p = self._reconstruction(decoded, batch.missing)
        if module.decoder is not None and self.scale_prior > 0:
            scale_prior = module.decoder.prior_loss()
        if by_prior is not None and labels is not None:
            smoothed = self._smoothed(module, labels)
            classified = -by_prior.log_prob(smoothed)
            if by_posterior is not None and target is not None:
                by_teacher = -by_posterior.log_prob(smoothed)
                distilled = target.cross_entropy(by_prior)
        divergence = self._mmd(outputs, batch.weight, joined)
        kl, entropy = gaussian_kl(q, p), _entropy(target, batch, joined)
        return LossTerms(
            from_q, from_p, classified, by_teacher, distilled, kl, divergence, scale_prior, entropy
        )

    def _mmd(
        self,
        outputs: Outputs,
        weight: Tensor | None,
        joined: Callable[[Tensor], Tensor] | None,
    ) -> Tensor:
        """Return the discrepancy of q and the prior over a whole minibatch."""
        q, p, z_q, z_p = outputs[:4]
        if joined is not None:
            columns = [q.loc, q.log_var, p.loc, p.log_var, z_q, z_p]
            extra = [] if weight is None else [weight[:, None]]
            whole = joined(torch.cat([*columns, *extra], dim=1))
            *moments, z_q, z_p = whole[:, : whole.shape[1] - len(extra)].chunk(6, dim=1)
            q, p = Gaussian(*moments[:2]), Gaussian(*moments[2:])
            weight = whole[:, -1] if extra else None
        return mmd(
            q,
            p,
            z_q,
            z_p,
            kernel=self.kernel,
            bandwidth=self.bandwidth,
            estimator=self.mmd_estimator,
            weight=weight,
        )

    def _reconstruction(
        self, decoded: Joint | None, missing: View | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return −log p(x_M|x_O, z) with z from q, and from the prior if it has a share."""
        if decoded is None or missing is None:
            return None, None
        times = self.n_decodings
        mask = None if missing.mask is None else _repeated(missing.mask, times)
        losses = -decoded.log_prob(_repeated(missing.values, times), mask)
        if times == 1:
            return losses, None
        from_q, from_p = losses.chunk(2)
        return from_q, from_p

    def _smoothed(self, module: CMMD, labels: Tensor) -> Tensor:
        """Return what the classifiers learn: labels, less sure than they are given."""
        labels = labels[:, : module.architecture.n_labels]
        if self.label_smoothing == 0:
            return labels
        is_categorical = module.architecture.label_likelihood == "categorical"
        n_outcomes = module.architecture.n_labels if is_categorical else 2
        return labels.lerp(torch.full_like(labels, 1 / n_outcomes), self.label_smoothing)

    @property
    def n_decodings(self) -> int:
        """How often a row is decoded: from q, and from the prior if that has a share."""
        return 1 if self.decode_prior == 0 else 2

    def n_classifications(self, module: CMMD) -> int:
        """How often a row is classified: from the prior, and from q if that is to teach."""
        return 2 if self.distillation > 0 and module.can_teach else 1

    def shares(self) -> dict[str, float]:
        """Return the weight of each term in the loss."""
        return {
            "reconstruction": 1 - self.decode_prior,
            "prior_reconstruction": self.decode_prior,
            "classification": self.alpha,
            "posterior_classification": self.teacher_weight * self.alpha,
            "distillation": self.alpha
            * self.distillation
            * (self.is_advised or self.teacher_share),
            "kl": self.omega,
            "mmd": (1 - self.omega) * self.lam,
            "scale_prior": self.scale_prior,
            "teacher_entropy": 0.0,
        }

    def total(self, names: list[str], means: Tensor) -> Tensor:
        """Return the loss: the weighted sum of the means of the terms with these names."""
        return means @ _shares(self, tuple(names), means.dtype, means.device)


@lru_cache(maxsize=64)
def _shares(loss: Loss, names: tuple[str, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Kept, since a copy to a GPU makes each step wait for it, and cannot be in a CUDA graph.
    shares = loss.shares()
    return torch.tensor([shares[name] for name in names], dtype=dtype, device=device)


def _entropy(
    target: LabelDistribution | None, batch: Batch, joined: Callable[[Tensor], Tensor] | None
) -> Tensor | None:
    """Return the entropy of the mean of what is taught, over rows without a label if there are any.

    A teacher that sees one class everywhere has none of it.
    """
    if not isinstance(target, Categorical):
        return None
    every = torch.ones_like(target.logits[:, 0]) if batch.weight is None else batch.weight
    lacks = torch.zeros_like(every) if batch.label_weight is None else batch.label_weight == 0
    table = torch.cat([torch.stack([every, every * lacks], dim=1), target.mean], dim=1)
    table = table if joined is None else joined(table)
    every, unlabelled, said = table[:, 0], table[:, 1], table[:, 2:]
    weight = torch.where(unlabelled.any(), unlabelled, every)
    return torch.special.entr(weight @ said / weight.sum()).sum()


def _repeated(values: Tensor, times: int) -> Tensor:
    return values if times == 1 else torch.cat([values] * times)
