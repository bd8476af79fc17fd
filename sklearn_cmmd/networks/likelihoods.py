"""Likelihoods: what turns the raw output of a network into a distribution.

A network has `per_value` raw numbers for each variable of the event; of two, all locations come
before all scales.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.distributions import (
    Bernoulli,
    Categorical,
    CategoricalGrid,
    Distribution,
    Gaussian,
    Laplace,
    NegativeBinomial,
)
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.networks.mlp import HEAD_GAIN, layer

RATE_BOUND = 4.0
VARIATION = 1.0
# A name says how a scale is learned; numbers, one for each column, fix it.
Scale = str | tuple[float, ...]


def in_float32(raw: Tensor) -> Tensor:
    """Bring the output of a network that computes in bfloat16 to float32."""
    return raw.float() if raw.dtype == torch.bfloat16 else raw


class Likelihood(nn.Module):
    """Raw output of a network to a distribution over so many variables.

    `forward` maps (..., per_value · features) to the distribution of each row.
    """

    per_value = 1

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def prior_loss(self) -> Tensor | None:
        """Return what draws the learned scales to one; None if there are none."""
        return None


class ScaledLikelihood(Likelihood):
    """What the likelihoods with a scale have in common.

    "column" learns one scale for each variable: a scale for each row too fits a column that hardly
    ever changes so tightly that one other value in a held-out row outweighs everything else in the
    loss. "row" takes scales from the network. Numbers fix them. What is learned is the logarithm of
    a `power` of the scale, 2 for a variance, as bound · tanh(raw / bound): about `raw` near zero,
    and never beyond ± `bound`, which keeps a constant column from an infinite density.
    """

    def __init__(self, features: int, scale: Scale, power: float, bound: float) -> None:
        super().__init__(features)
        self.per_value = 2 if scale == "row" else 1
        self.bound = bound
        self.raw: nn.Parameter | None = None
        self.fixed: Tensor
        if scale == "column":
            self.raw = nn.Parameter(torch.zeros(features, dtype=torch.float32, device="cpu"))
        elif scale != "row":
            logs = [power * math.log(float(s)) for s in scale]
            fixed = torch.tensor(logs, dtype=torch.float32, device="cpu")
            self.register_buffer("fixed", fixed)

    def split(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return locations, (..., features), and logarithms of the scales, that or (features,)."""
        if self.per_value == 2:
            loc, log_scale = raw.chunk(2, dim=-1)
            return loc, self._bounded(log_scale)
        log_scale = self.fixed if self.raw is None else self._bounded(self.raw)
        return raw, log_scale

    def prior_loss(self) -> Tensor | None:
        """Return −log density of a row that is off by one in every column."""
        if self.raw is None:
            return None
        loc = torch.zeros_like(self.raw)
        distribution: Distribution = self(loc)
        return -distribution.log_prob(torch.ones_like(loc))

    def _bounded(self, raw: Tensor) -> Tensor:
        return self.bound * torch.tanh(raw / self.bound)


class GaussianLikelihood(ScaledLikelihood):
    """Normal variables; learned standard deviations lie in exp(± bound / 2)."""

    def __init__(self, features: int, scale: Scale = "column", bound: float = 7.0) -> None:
        super().__init__(features, scale, power=2.0, bound=bound)

    def forward(self, raw: Tensor) -> Gaussian:
        return Gaussian(*self.split(raw))


class VariedGaussianLikelihood(Likelihood):
    """Normal variables of one learned standard deviation each, which the network varies by row.

    It varies it by a factor in exp(± VARIATION / 2). Where rows differ, one deviation for all is
    wrong. One from the network alone is soon too small, and takes weight from the means.
    """

    per_value = 2

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.common = GaussianLikelihood(features)

    def forward(self, raw: Tensor) -> Gaussian:
        loc, varied = raw.chunk(2, dim=-1)
        log_var = self.common(loc).log_var
        return Gaussian(loc, log_var + VARIATION * torch.tanh(varied / VARIATION))


class LaplaceLikelihood(ScaledLikelihood):
    """Laplace variables; learned scales lie in exp(± bound)."""

    def __init__(self, features: int, scale: Scale = "column", bound: float = 3.5) -> None:
        super().__init__(features, scale, power=1.0, bound=bound)

    def forward(self, raw: Tensor) -> Laplace:
        return Laplace(*self.split(raw))


class CountsLikelihood(ScaledLikelihood):
    """Negative binomial counts, in units of `unit`; means begin at `rates`.

    What is learned of the scale is the logarithm of r, for which there is no prior.
    """

    def __init__(
        self,
        features: int,
        scale: Scale,
        rates: Sequence[float],
        unit: Sequence[float],
        bound: float = 7.0,
    ) -> None:
        super().__init__(features, scale, power=1.0, bound=bound)
        self.log_rates: Tensor
        self.unit: Tensor
        for name, values in (("log_rates", [math.log(rate) for rate in rates]), ("unit", unit)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu")
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, raw: Tensor) -> NegativeBinomial:
        relative, log_r = self.split(raw)
        # At most 55 times the mean of the column, however unusual x_O is.
        relative = RATE_BOUND * torch.tanh(relative / RATE_BOUND)
        return NegativeBinomial(self.log_rates + relative, log_r, self.unit)

    def prior_loss(self) -> None:
        return None


class BernoulliLikelihood(Likelihood):
    """Binary variables by their log-odds."""

    def forward(self, raw: Tensor) -> Bernoulli:
        return Bernoulli(raw)


class CategoricalLikelihood(Likelihood):
    """Classes by their unnormalised log-probabilities, along one axis of the event's shape.

    The axis is counted from the end. Without a shape there is one position, and all variables are
    its classes.
    """

    def __init__(self, features: int, shape: tuple[int, ...] = (), axis: int = -1) -> None:
        super().__init__(features)
        self.shape = shape
        self.axis = axis

    def forward(self, raw: Tensor) -> Categorical | CategoricalGrid:
        if len(self.shape) < 2:
            return Categorical(raw)
        return CategoricalGrid(raw, self.shape, self.axis)


class Head(nn.Module):
    """Features to the distribution of each row, by one linear layer."""

    def __init__(self, in_features: int, likelihood: Likelihood) -> None:
        super().__init__()
        n_raw = likelihood.per_value * likelihood.features
        self.layer = layer(nn.Linear, in_features, n_raw, gain=HEAD_GAIN, fan_in=in_features)
        self.likelihood = likelihood

    def forward(self, features: Tensor, dropout: Dropout | None = None) -> Any:
        return self.likelihood(in_float32(self.layer(features)))


def gaussian_head(in_features: int, features: int, bound: float) -> Head:
    """Return the head of a Gaussian whose means and variances both come from the network."""
    return Head(in_features, GaussianLikelihood(features, "row", bound))
