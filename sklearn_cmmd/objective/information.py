"""What a fitted model says of x_M given x_O, and what z tells of x_M beyond that."""

import math
from typing import cast

import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.conditional import Conditional, Decoder
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.objective.bound import log_likelihood
from sklearn_cmmd.objective.divergences import gaussian_kl


def importance_weighted(module: CMMD, batch: Batch, noise: Tensor) -> Tensor:
    r"""Return log p(x_M | x_O) of each row, in nats, by K importance weights.

    .. math:: \log \frac1K \sum_k p(x_M | x_O, z_k)\, p(z_k | x_O) / q(z_k | x_O, x_M, y)

    with :math:`z_k` from q. `noise` is standard normal, of shape (K, batch, latent_dim).
    """
    p, q = _prior_and_posterior(module, batch)
    z = q.rsample(noise)
    likelihood = log_likelihood(module, batch, z.flatten(0, 1)).view(noise.shape[:2])
    return _log_mean_exp(likelihood + p.log_prob(z) - q.log_prob(z))


def information(module: CMMD, batch: Batch, noise: Tensor, uniform: Tensor) -> Tensor:
    r"""Return an estimate of I(x_M, z | x_O) and its upper bound by row, in nats, (batch, 2).

    The bound is :math:`KL[q(z | x_O, x_M, y) \,\|\, p(z | x_O)]`. The estimate compares q with the
    posteriors of K others x_M and y, which the model draws for the same x_O,

    .. math:: \log q(z | x_O, x_M, y)
        - \log \frac{1}{K + 1} \sum_{k=0}^K q(z | x_O, x_M^{(k)}, y^{(k)}),

    with z from q and k = 0 the row itself, so that it is at most log(K + 1). `noise` is standard
    normal, of shape (batch, latent_dim), `uniform` in (0, 1), of shape (K, batch, `n_drawn`).
    """
    p, q = _prior_and_posterior(module, batch)
    z = q.rsample(noise)
    shape = *uniform.shape[:2], -1
    other = _posterior_of_drawn(module, batch, uniform.flatten(0, 1))
    others = Gaussian(other.loc.view(shape), other.log_var.view(shape))
    own = q.log_prob(z)
    mixed = _log_mean_exp(torch.cat([own[None], others.log_prob(z)]))
    return torch.stack([own - mixed, gaussian_kl(q, p)], dim=1)


def n_drawn(module: CMMD) -> int:
    """Return how many random numbers a draw of z, x_M and y takes."""
    arch = module.architecture
    return arch.latent_dim + arch.n_missing + arch.n_labels


def _prior_and_posterior(module: CMMD, batch: Batch) -> tuple[Gaussian, Gaussian]:
    x = batch.observed.values
    return module.embed(x), module.posterior(x, batch.missing, module.labels_of(batch))


def _posterior_of_drawn(module: CMMD, batch: Batch, uniform: Tensor) -> Gaussian:
    """Return q(z | x_O, x_M, y) of draws of x_M and y; what a row lacks, its draws lack too."""
    arch = module.architecture
    times = len(uniform) // batch.n_rows
    x = batch.observed.repeated(times).values
    for_z, for_x, for_y = uniform.split([arch.latent_dim, arch.n_missing, arch.n_labels], dim=-1)
    z = module.embed(x).sample(for_z)
    missing = cast(View, batch.missing).repeated(times)
    values: Tensor = cast(Decoder, module.decoder)(x, z).sample(for_x)
    if missing.mask is not None:
        of_column = torch.empty(arch.n_missing, dtype=torch.long, device=x.device)
        for number, view in enumerate(arch.missing):
            of_column[list(view.columns)] = number
        values = torch.where(missing.mask[:, of_column] > 0, values, missing.values)
    labels = None
    if arch.n_label_columns:
        labels = module.label_features(cast(Conditional, module.classifier)(z).sample(for_y))
    return module.posterior(x, missing._replace(values=values), labels)


def _log_mean_exp(values: Tensor) -> Tensor:
    return torch.logsumexp(values, dim=0) - math.log(len(values))
