"""Distributions of a row, and the heads that turn a network's features into their parameters.

Every distribution is a named tuple of tensors whose last axis is the event: `log_prob` sums over
it, `mean` and `sample` have its shape. They are lighter than those of torch.distributions, take a
generator, and work with any number of leading axes.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.mlp import init_linear, linear

__all__ = [
    "HEADS",
    "Bernoulli",
    "BernoulliHead",
    "Categorical",
    "CategoricalHead",
    "ColumnGaussianHead",
    "Distribution",
    "Gaussian",
    "GaussianHead",
    "Joint",
]

# Heads start near zero, so that q ≈ p ≈ N(0, I) and all classes are alike before training.
HEAD_GAIN = 0.1


class Distribution(Protocol):
    """What the objective and the estimators need of a distribution."""

    @property
    def mean(self) -> Tensor:
        """Mean of each variable."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of `x`, summed over the last axis."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw."""


class Gaussian(NamedTuple):
    """Independent normal variables."""

    loc: Tensor
    log_var: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean of each variable."""
        return self.loc

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of `x`, summed over the last axis."""
        squared = (x - self.loc).square() * torch.exp(-self.log_var)
        return -0.5 * (squared + self.log_var + math.log(2 * math.pi)).sum(-1)

    def rsample(self, noise: Tensor) -> Tensor:
        """Draw that is differentiable in the parameters, from standard normal `noise`."""
        return self.loc + torch.exp(0.5 * self.log_var) * noise

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw."""
        return self.rsample(torch.empty_like(self.loc).normal_(generator=generator))


class Bernoulli(NamedTuple):
    """Independent binary variables; `log_prob` takes any value in [0, 1] as a soft target."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probability of each variable being one."""
        return torch.sigmoid(self.logits)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of `x`, summed over the last axis."""
        return (x * self.logits - nn.functional.softplus(self.logits)).sum(-1)

    def log_mean(self) -> Tensor:
        """Logarithm of the mean, finite where the mean underflows."""
        return nn.functional.logsigmoid(self.logits)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw of zeros and ones."""
        return torch.bernoulli(self.mean, generator=generator)


class Categorical(NamedTuple):
    """One of several classes, in one-hot form along the last axis."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probability of each class."""
        return torch.softmax(self.logits, -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the one-hot `x`."""
        return (x * self.log_mean()).sum(-1)

    def log_mean(self) -> Tensor:
        """Logarithm of the mean, finite where the mean underflows."""
        return torch.log_softmax(self.logits, -1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw in one-hot form."""
        flat = self.mean.flatten(0, -2)
        classes = torch.multinomial(flat, 1, generator=generator)
        return torch.zeros_like(flat).scatter_(1, classes, 1).view_as(self.logits)


class Joint(NamedTuple):
    """Independent parts, each a distribution of some columns of one row."""

    parts: tuple[Distribution, ...]
    columns: tuple[Tensor, ...]
    weights: tuple[float, ...]

    @property
    def mean(self) -> Tensor:
        """Mean of each column."""
        return self._assemble([part.mean for part in self.parts])

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of `x` summed over all columns, each part times its weight."""
        terms = [
            weight * part.log_prob(x if len(self.parts) == 1 else x[..., columns])
            for part, columns, weight in zip(self.parts, self.columns, self.weights, strict=True)
        ]
        return torch.stack(terms).sum(0)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw."""
        return self._assemble([part.sample(generator) for part in self.parts])

    def _assemble(self, values: list[Tensor]) -> Tensor:
        return torch.cat(values, -1)[..., torch.argsort(torch.cat(self.columns))]


class GaussianHead(nn.Module):
    """Features to a Gaussian with a mean and a variance of their own for each row and variable.

    The log-variance is bound · tanh(raw / bound): about `raw` near zero, and never beyond
    ± `bound`, which is the floor that keeps a constant column from an infinite density.
    """

    def __init__(self, in_features: int, features: int, bound: float = 7.0) -> None:
        super().__init__()
        self.both = linear(in_features, 2 * features)
        self.bound = bound

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights anew."""
        init_linear(self.both, HEAD_GAIN, generator)

    def forward(self, features: Tensor) -> Gaussian:
        """Return the distribution of each row."""
        loc, raw = self.both(features).chunk(2, dim=-1)
        return Gaussian(loc, self.bound * torch.tanh(raw / self.bound))


class ColumnGaussianHead(nn.Module):
    """Features to a Gaussian whose variances belong to the columns and are the same for all rows.

    A variance for each row fits a column that hardly ever changes so tightly that one other value
    in a held-out row outweighs everything else in the loss.
    """

    def __init__(self, in_features: int, features: int, bound: float = 7.0) -> None:
        super().__init__()
        self.loc = linear(in_features, features)
        self.log_var = nn.Parameter(torch.zeros(features))
        self.bound = bound

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights anew, and set the variances to one."""
        init_linear(self.loc, HEAD_GAIN, generator)
        nn.init.zeros_(self.log_var)

    def forward(self, features: Tensor) -> Gaussian:
        """Return the distribution of each row."""
        loc = self.loc(features)
        log_var = self.bound * torch.tanh(self.log_var / self.bound)
        return Gaussian(loc, log_var.expand_as(loc))


class LogitsHead(nn.Module):
    """Features to a number for each variable or class, of which the subclass says what it means."""

    def __init__(self, in_features: int, features: int) -> None:
        super().__init__()
        self.logits = linear(in_features, features)

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights anew."""
        init_linear(self.logits, HEAD_GAIN, generator)


class BernoulliHead(LogitsHead):
    """Features to a log-odds for each variable."""

    def forward(self, features: Tensor) -> Bernoulli:
        """Return the distribution of each row."""
        return Bernoulli(self.logits(features))


class CategoricalHead(LogitsHead):
    """Features to the unnormalised log-probability of each class."""

    def forward(self, features: Tensor) -> Categorical:
        """Return the distribution of each row."""
        return Categorical(self.logits(features))


HEADS: dict[str, type[nn.Module]] = {
    "gaussian": ColumnGaussianHead,
    "heteroscedastic": GaussianHead,
    "bernoulli": BernoulliHead,
    "categorical": CategoricalHead,
}
