r"""Divergences between Gaussians: KL row by row, MMD between the batch's marginals.

The MMD compares the marginals of z over a batch, :math:`\bar q = \frac1B \sum_i q_i` and
:math:`\bar p = \frac1B \sum_i p_i`, where :math:`q_i` and :math:`p_i` belong to the same row. With
the pair kernel

.. math:: h_{ij} = k(q_i, q_j) + k(p_i, p_j) - k(q_i, p_j) - k(p_i, q_j),

the V-statistic averages it over all i and j, the U-statistic over i ≠ j. Leaving out i = j in the
cross terms too makes the latter unbiased although the two draws of a row may share their noise.
"""

import math
from numbers import Real
from typing import cast

import torch
from torch import Tensor

from sklearn_cmmd.networks.distributions import Gaussian

KERNELS = ("gaussian", "imq")
ESTIMATORS = ("u", "v", "closed")


def gaussian_kl(q: Gaussian, p: Gaussian) -> Tensor:
    r"""KL divergence :math:`KL(q \| p)` of diagonal Gaussians, (..., d), in nats, (...,)."""
    log_ratio = q.log_var - p.log_var
    mahalanobis = (q.loc - p.loc).square() * torch.exp(-p.log_var)
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + mahalanobis).sum(-1)


def bandwidths(bandwidth: float | str | tuple[float, ...], dim: int) -> tuple[float, ...]:
    """Return the kernel's widths h in `dim` dimensions.

    "dimension" is h² = dim, for which two draws of N(0, I) are about √2 widths apart in any
    dimension. "authors" is h² = dim² / 2, the nearly flat kernel of the released code.
    """
    if bandwidth == "dimension":
        return (dim**0.5,)
    if bandwidth == "authors":
        return (dim / 2**0.5,)
    if isinstance(bandwidth, Real):
        return (float(bandwidth),)
    return tuple(float(width) for width in cast(tuple[float, ...], bandwidth))


def kernel_minus_one(log_gaussian: Tensor, name: str) -> Tensor:
    r"""Kernel, minus one, of :math:`-r^2 / 2h^2`, the logarithm of the Gaussian kernel.

    "gaussian" is :math:`\exp(-r^2 / 2h^2)` and "imq", the inverse multiquadric,
    :math:`1 / (1 + r^2 / 2h^2)`. The one cancels in every MMD; without it nearly flat kernels keep
    their digits in float32.
    """
    if name == "gaussian":
        return torch.expm1(log_gaussian)
    return log_gaussian / (1 - log_gaussian)


def gram(z: Tensor, name: str, width: float) -> Tensor:
    """Kernel, minus one, between all rows of (n, d), an (n, n) matrix."""
    scaled = z / (2**0.5 * width)
    if z.is_cuda:
        # Norms that cancel want more digits than the products of a GPU may have.
        scaled = scaled.double()
    norms = -scaled.square().sum(-1)
    log_gaussian = torch.addmm(norms[:, None] + norms, scaled, scaled.mT, alpha=2)
    return kernel_minus_one(log_gaussian.clamp_max(0).to(z), name)


def expected_kernel_minus_one(a: Gaussian, b: Gaussian, widths: tuple[float, ...]) -> Tensor:
    r"""Return the expectation of the Gaussian kernel, minus one, between the rows of two Gaussians.

    .. math:: E\,k = \prod_d \sqrt{\frac{h^2}{s_d}} \exp\Bigl(-\frac{(m_d - m'_d)^2}{2 s_d}\Bigr),
        \qquad s_d = h^2 + v_d + v'_d.

    It is averaged over the widths h, of shape (n, m), and takes n · m · d operations.
    """
    squared = (a.loc[:, None] - b.loc).square()  # (n, m, d)
    variance = torch.exp(a.log_var)[:, None] + torch.exp(b.log_var)
    values = []
    for width in widths:
        scale = width**2 + variance
        log_k = -0.5 * (torch.log1p(variance / width**2) + squared / scale).sum(-1)
        values.append(torch.expm1(log_k))
    return torch.stack(values).mean(0)


def mmd(
    q: Gaussian,
    p: Gaussian,
    z_q: Tensor,
    z_p: Tensor,
    *,
    kernel: str = "gaussian",
    bandwidth: float | str | tuple[float, ...] = "dimension",
    estimator: str = "u",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared MMD between the batch's marginals of q and p, (B, d), row by row in pairs.

    `z_q` and `z_p` are a draw of each. "u" is the unbiased statistic over draws; "v" the biased
    one, never negative; "closed" the unbiased one with the kernel's expectation in place of draws
    (Gaussian kernel only). The unbiased ones are zero for a single row. Weights have a mean of one
    over the data.
    """
    widths = bandwidths(bandwidth, q.loc.shape[-1])
    if estimator == "closed":
        return _mmd_in_expectation(q, p, widths, weight)
    return _mmd_of_draws(z_q, z_p, kernel, widths, estimator == "u", weight)


def _mmd_of_draws(
    z_q: Tensor,
    z_p: Tensor,
    kernel: str,
    widths: tuple[float, ...],
    unbiased: bool,
    weight: Tensor | None,
) -> Tensor:
    """Squared MMD between draws, row by row in pairs.

    The kernel of a draw with itself is one, so that of the pairs of a row only the cross terms
    have to be left out of the unbiased statistic.
    """
    draws = torch.cat([z_q, z_p])
    signs = _signs(z_q, weight)
    matrix = _mean([gram(draws, kernel, width) for width in widths])
    total = ((matrix * signs).sum(-1) * signs).sum()
    if not unbiased:
        return total / _n_pairs(z_q, unbiased)
    squared = (z_q - z_p).square().sum(-1)
    cross = _mean([kernel_minus_one(squared / (-2 * width**2), kernel) for width in widths])
    own = -2 * (cross if weight is None else cross * weight.square()).sum()
    return (total - own) / _n_pairs(z_q, unbiased)


def _mmd_in_expectation(
    q: Gaussian, p: Gaussian, widths: tuple[float, ...], weight: Tensor | None
) -> Tensor:
    """Return the unbiased squared MMD with the expectation of the Gaussian kernel."""
    both = Gaussian(torch.cat([q.loc, p.loc]), torch.cat([q.log_var, p.log_var]))
    matrix, n = expected_kernel_minus_one(both, both, widths), len(q.loc)
    signs = _signs(q.loc, weight)
    squares = signs.square()
    own = matrix.diagonal() @ squares - 2 * matrix.diagonal(n) @ squares[:n]
    return (signs @ (matrix @ signs) - own) / _n_pairs(q.loc, unbiased=True)


def _signs(draws: Tensor, weight: Tensor | None) -> Tensor:
    """Return the weights of the rows of q, and those of p with their sign turned, (2B,)."""
    weights = draws.new_ones(len(draws)) if weight is None else weight
    return torch.cat([weights, -weights])


def _n_pairs(draws: Tensor, unbiased: bool) -> float:
    """Return the number of pairs of rows, without those of a row with itself if unbiased.

    For a single row that is infinity, so that the statistic is zero.
    """
    n = len(draws)
    return (n * (n - 1) or math.inf) if unbiased else n * n


def _mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).mean(0)
