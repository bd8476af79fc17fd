r"""Divergences between Gaussians: KL row by row, MMD between the batch's marginals.

The MMD compares the marginals of z over a batch, :math:`\bar q = \frac1B \sum_i q_i` and
:math:`\bar p = \frac1B \sum_i p_i`, where :math:`q_i` and :math:`p_i` belong to the same row. With
the pair kernel

.. math:: h_{ij} = k(q_i, q_j) + k(p_i, p_j) - k(q_i, p_j) - k(p_i, q_j),

the V-statistic averages it over all i and j, the U-statistic over i ≠ j. Leaving out i = j in the
cross terms too makes the latter unbiased although the two draws of a row may share their noise.
"""

from numbers import Real
from typing import cast

import torch
from torch import Tensor

from sklearn_cmmd.networks.distributions import Gaussian

__all__ = ["ESTIMATORS", "KERNELS", "bandwidths", "expected_kernel", "gaussian_kl", "kernel", "mmd"]

KERNELS = ("gaussian", "imq")
ESTIMATORS = ("u", "v", "closed")


def gaussian_kl(q: Gaussian, p: Gaussian) -> Tensor:
    r"""KL divergence :math:`KL(q \| p)` of diagonal Gaussians.

    Parameters
    ----------
    q, p : Gaussian
        Of shape (..., d).

    Returns
    -------
    Tensor of shape (...,)
        Divergence in nats, summed over the d dimensions.
    """
    log_ratio = q.log_var - p.log_var
    mahalanobis = (q.loc - p.loc).square() * torch.exp(-p.log_var)
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + mahalanobis).sum(-1)


def bandwidths(bandwidth: float | str | tuple[float, ...], dim: int) -> tuple[float, ...]:
    """Return the kernel's widths h in `dim` dimensions.

    Parameters
    ----------
    bandwidth : float, sequence of float, "dimension" or "authors"
        "dimension" is h² = dim, for which two draws of N(0, I) are about √2 widths apart in any
        dimension. "authors" is h² = dim² / 2, the nearly flat kernel of the released code.
    dim : int
        Number of latent variables.
    """
    if bandwidth == "dimension":
        return (dim**0.5,)
    if bandwidth == "authors":
        return (dim / 2**0.5,)
    if isinstance(bandwidth, Real):
        return (float(bandwidth),)
    return tuple(float(width) for width in cast(tuple[float, ...], bandwidth))


def kernel(squared: Tensor, name: str, widths: tuple[float, ...]) -> Tensor:
    r"""Kernel of a squared distance, minus one, averaged over the widths.

    "gaussian" is :math:`\exp(-r^2 / 2h^2)` and "imq", the inverse multiquadric,
    :math:`1 / (1 + r^2 / 2h^2)`. The one cancels in every MMD; without it nearly flat kernels keep
    their digits in float32.
    """
    scaled = [squared / (2 * width**2) for width in widths]
    if name == "gaussian":
        values = [torch.expm1(-u) for u in scaled]
    else:
        values = [-u / (1 + u) for u in scaled]
    return torch.stack(values).mean(0) if len(values) > 1 else values[0]


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m) between the rows of (n, d) and (m, d)."""
    norms = x.square().sum(-1)[:, None] + y.square().sum(-1)
    return torch.addmm(norms, x, y.mT, alpha=-2).clamp_min(0)


def expected_kernel(a: Gaussian, b: Gaussian, widths: tuple[float, ...]) -> Tensor:
    r"""Return the expectation of the Gaussian kernel, minus one, between the rows of two Gaussians.

    .. math:: E\,k = \prod_d \sqrt{\frac{h^2}{s_d}} \exp\Bigl(-\frac{(m_d - m'_d)^2}{2 s_d}\Bigr),
        \qquad s_d = h^2 + v_d + v'_d.

    Parameters
    ----------
    a, b : Gaussian
        Of shapes (n, d) and (m, d).
    widths : tuple of float
        Widths h, over which the result is averaged.

    Returns
    -------
    Tensor of shape (n, m)
        In O(n · m · d) operations.
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
    noise: Tensor,
    *,
    name: str = "gaussian",
    bandwidth: float | str | tuple[float, ...] = "dimension",
    estimator: str = "u",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared MMD between the batch's marginals of q and p.

    Parameters
    ----------
    q, p : Gaussian
        Of shape (B, d), row by row in pairs.
    noise : Tensor of shape (B, d)
        Standard normal noise, used for the draws of both.
    name : {"gaussian", "imq"}
        The kernel.
    bandwidth : float, sequence of float, "dimension" or "authors"
        Its width or widths; see `bandwidths`.
    estimator : {"u", "v", "closed"}
        "u", the unbiased statistic over draws; "v", the biased one, never negative; "closed", the
        unbiased one with the kernel's expectation in place of draws (Gaussian kernel only).
    weight : Tensor of shape (B,), optional
        Weights of the rows, of mean one over the data.

    Returns
    -------
    Tensor of shape ()
        Zero for a single row under the unbiased estimators.
    """
    n = len(q.loc)
    widths = bandwidths(bandwidth, q.loc.shape[-1])
    if estimator == "closed":
        both = Gaussian(torch.cat([q.loc, p.loc]), torch.cat([q.log_var, p.log_var]))
        gram = expected_kernel(both, both, widths)
    else:
        draws = torch.cat([q.rsample(noise), p.rsample(noise)])
        gram = kernel(squared_distances(draws, draws), name, widths)
    pairs = gram[:n, :n] + gram[n:, n:] - gram[:n, n:] - gram[n:, :n]
    if weight is not None:
        pairs = pairs * weight[:, None] * weight
    if estimator == "v":
        return pairs.mean()
    return (pairs.sum() - pairs.diagonal().sum()) / max(n * (n - 1), 1)
