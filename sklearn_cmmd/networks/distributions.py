"""Distributions of a row.

Every distribution is a named tuple of tensors whose last axis is the event: `log_prob` sums over
it, `mean` and `sample` have its shape. They are lighter than those of torch.distributions, are
handed their noise, so that a row's draws do not depend on the rows beside it, and work with any
number of leading axes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

# What others rule out is not impossible.
LEAST_PROBABILITY = 1e-6


class Distribution(Protocol):
    """What the objective and the estimators need of a distribution."""

    @property
    def mean(self) -> Tensor:
        """Mean of each variable."""

    @property
    def variance(self) -> Tensor:
        """Variance of each variable, of the shape of `mean`."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of `x`, summed over the last axis."""

    def sample(self, uniform: Tensor) -> Tensor:
        """Draw from uniform noise in (0, 1), of the shape of `mean`."""


class LabelDistribution(Distribution, Protocol):
    """What the objective needs, besides, of a distribution of y."""

    def halves(self) -> tuple[Self, Self]:
        """Return the distributions of the first half of the rows, and of the second."""

    def detached(self) -> Self:
        """Return the same distribution, through which no gradient flows."""

    def cross_entropy(self, other: Self) -> Tensor:
        """Return −E log p(y) of each row: y is of this distribution, p of the other."""


def _scaled_sum(values: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Sum values over their scales, and the logarithms of the scales, over the last axis."""
    if log_scale.dim() == 0:
        log_scale = log_scale.expand(values.shape[-1:])
    return (values * torch.exp(-log_scale)).sum(-1), log_scale.sum(-1)


class Gaussian(NamedTuple):
    """Independent normal variables; `log_var` may be one for all rows."""

    loc: Tensor
    log_var: Tensor

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return torch.exp(self.log_var).expand_as(self.loc)

    def log_prob(self, x: Tensor) -> Tensor:
        scaled, log_det = _scaled_sum((x - self.loc).square(), self.log_var)
        return -0.5 * (scaled + (log_det + math.log(2 * math.pi) * x.shape[-1]))

    def rsample(self, noise: Tensor) -> Tensor:
        """Draw that is differentiable in the parameters, from standard normal `noise`."""
        return self.loc + torch.exp(0.5 * self.log_var) * noise

    def sample(self, uniform: Tensor) -> Tensor:
        return self.rsample(torch.special.ndtri(uniform).to(self.loc))

    def moments(self) -> Tensor:
        """Means and standard deviations, (batch, 2, variables)."""
        return torch.stack([self.loc, self.variance.sqrt()], dim=1)

    def halves(self) -> tuple["Gaussian", "Gaussian"]:
        (a, b), log_var = self.loc.chunk(2), self.log_var
        first, second = (log_var, log_var) if log_var.dim() < 2 else log_var.chunk(2)
        return Gaussian(a, first), Gaussian(b, second)

    def detached(self) -> "Gaussian":
        return Gaussian(self.loc.detach(), self.log_var.detach())

    def cross_entropy(self, other: "Gaussian") -> Tensor:
        spread = torch.exp(self.log_var - other.log_var).sum(-1)
        return 0.5 * spread - other.log_prob(self.loc)


class Laplace(NamedTuple):
    """Independent variables of density exp(−|x − loc| / b) / 2b, b the scale, as in `Gaussian`."""

    loc: Tensor
    log_scale: Tensor

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * torch.exp(2 * self.log_scale).expand_as(self.loc)

    def log_prob(self, x: Tensor) -> Tensor:
        scaled, log_det = _scaled_sum((x - self.loc).abs(), self.log_scale)
        return -(scaled + (log_det + math.log(2) * x.shape[-1]))

    def sample(self, uniform: Tensor) -> Tensor:
        centred = 2 * uniform - 1
        deviation = -torch.sign(centred) * torch.log1p(-centred.abs())
        return self.loc + torch.exp(self.log_scale) * deviation.to(self.loc)


class Bernoulli(NamedTuple):
    """Independent binary variables; `log_prob` takes any value in [0, 1] as a soft target."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    @property
    def variance(self) -> Tensor:
        return self.mean * torch.sigmoid(-self.logits)

    def log_prob(self, x: Tensor) -> Tensor:
        return (x * self.logits - nn.functional.softplus(self.logits)).sum(-1)

    def log_mean(self) -> Tensor:
        """Logarithm of the mean, finite where the mean underflows."""
        return nn.functional.logsigmoid(self.logits)

    def sample(self, uniform: Tensor) -> Tensor:
        return (uniform < self.mean).to(self.logits)

    def halves(self) -> tuple["Bernoulli", "Bernoulli"]:
        first, second = self.logits.chunk(2)
        return Bernoulli(first), Bernoulli(second)

    def detached(self) -> "Bernoulli":
        return Bernoulli(self.logits.detach())

    def cross_entropy(self, other: "Bernoulli") -> Tensor:
        return -other.log_prob(self.mean)


class NegativeBinomial(NamedTuple):
    """Independent counts, in units of `unit`, by logarithms of their means and of r.

    The variance is mean + mean² / r. `log_r` may be one for all rows.
    """

    log_rate: Tensor
    log_r: Tensor
    unit: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.exp(self.log_rate) / self.unit

    @property
    def variance(self) -> Tensor:
        rate = torch.exp(self.log_rate)
        return rate * (1 + rate * torch.exp(-self.log_r)) / self.unit**2

    def log_prob(self, x: Tensor) -> Tensor:
        count, r = x * self.unit, torch.exp(self.log_r)
        log_total = torch.logaddexp(self.log_rate, self.log_r)
        log_choices = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        log_shares = count * (self.log_rate - log_total) + r * (self.log_r - log_total)
        return (log_choices + log_shares).sum(-1)

    def sample(self, uniform: Tensor) -> Tensor:
        # A Poisson variable whose rate is one of gamma; each gets half of the noise's digits.
        digits = uniform.double() * 2**26
        first, second = (digits.floor() + 0.5) / 2**26, digits.frac().clamp_min(2.0**-27)
        r = torch.exp(self.log_r.double()).expand_as(first)
        log_high = torch.log(r + 12 * r.sqrt() + 60)
        log_x = _root(lambda t: torch.special.gammainc(r, t.exp()), first, -60, log_high)
        rate = torch.exp(log_x + self.log_rate.double() - self.log_r.double())
        high = rate + 12 * rate.sqrt() + 60
        counts = _root(lambda k: torch.special.gammaincc(k + 1, rate), second, -1, high).ceil()
        return counts.clamp_min(0).to(self.log_rate) / self.unit


def _root(
    increasing: Callable[[Tensor], Tensor], value: Tensor, low: float, high: Tensor
) -> Tensor:
    """Return where a function reaches values between those at two ends, by bisection."""
    lower, upper = torch.full_like(high, low), high
    for _ in range(50):
        middle = (lower + upper) / 2
        is_below = increasing(middle) < value
        lower = torch.where(is_below, middle, lower)
        upper = torch.where(is_below, upper, middle)
    return upper


class Categorical(NamedTuple):
    """One of several classes, in one-hot form along the last axis."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.softmax(self.logits, -1)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the one-hot `x`."""
        return (x * self.log_mean()).sum(-1)

    def log_mean(self) -> Tensor:
        """Logarithm of the mean, finite where the mean underflows."""
        return torch.log_softmax(self.logits, -1)

    def sample(self, uniform: Tensor) -> Tensor:
        """Draw in one-hot form from uniform noise: the largest logit with Gumbel noise added."""
        noisy = self.logits - torch.log(-torch.log(uniform))
        classes = noisy.argmax(-1, keepdim=True)
        return torch.zeros_like(self.logits).scatter_(-1, classes, 1)

    def halves(self) -> tuple["Categorical", "Categorical"]:
        first, second = self.logits.chunk(2)
        return Categorical(first), Categorical(second)

    def detached(self) -> "Categorical":
        return Categorical(self.logits.detach())

    def cross_entropy(self, other: "Categorical") -> Tensor:
        return -other.log_prob(self.mean)

    def agreed(self, others: Tensor, weight: float) -> "Categorical":
        """Return the weighted geometric mean with other probabilities, where these are not NaN."""
        own = self.log_mean()
        both = others.clamp_min(LEAST_PROBABILITY).log().lerp(own, weight)
        return Categorical(torch.where(others.isnan(), own, both))


class CategoricalGrid(NamedTuple):
    """A class for each position of a grid, in one-hot form along one axis of it, and flattened.

    `axis` counts from the end of `shape`, the shape of a row.
    """

    logits: Tensor
    shape: tuple[int, ...]
    axis: int

    @property
    def mean(self) -> Tensor:
        """Probability of each class at each position."""
        return self._flat(self._positions(self.logits).mean)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the one-hot `x`, summed over the positions."""
        per_position = self._positions(self.logits).log_prob(self._classes_last(x))
        return per_position.flatten(x.dim() - 1).sum(-1)

    def sample(self, uniform: Tensor) -> Tensor:
        return self._flat(self._positions(self.logits).sample(self._classes_last(uniform)))

    def _positions(self, logits: Tensor) -> Categorical:
        return Categorical(self._classes_last(logits))

    def _classes_last(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, self.shape).movedim(self.axis, -1)

    def _flat(self, x: Tensor) -> Tensor:
        return x.movedim(-1, self.axis).flatten(-len(self.shape))


class Joint(NamedTuple):
    """Independent parts, each a distribution of some columns of one row.

    `take` pick the columns of each part; `order` brings the parts' columns, laid side by side,
    to their places, and is None where they are in place already.
    """

    parts: tuple[Distribution, ...]
    take: tuple[Callable[[Tensor], Tensor], ...]
    weights: tuple[float, ...]
    order: Tensor | None

    @property
    def mean(self) -> Tensor:
        return self._assemble([part.mean for part in self.parts])

    @property
    def variance(self) -> Tensor:
        return self._assemble([part.variance for part in self.parts])

    def log_prob(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Log-density of `x` summed over all columns, each part times its weight.

        `present`, of shape (batch, parts), is 1 for the parts that a row has, and 0 for the others.
        """
        terms = [
            weight * part.log_prob(take(x))
            for part, take, weight in zip(self.parts, self.take, self.weights, strict=True)
        ]
        if present is not None:
            terms = [term * has for term, has in zip(terms, present.unbind(-1), strict=True)]
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum(0)

    def sample(self, uniform: Tensor) -> Tensor:
        """Draw from uniform noise, a number for each column."""
        pairs = zip(self.parts, self.take, strict=True)
        return self._assemble([part.sample(take(uniform)) for part, take in pairs])

    def _assemble(self, values: list[Tensor]) -> Tensor:
        joined = values[0] if len(values) == 1 else torch.cat(values, -1)
        return joined if self.order is None else joined[..., self.order]
