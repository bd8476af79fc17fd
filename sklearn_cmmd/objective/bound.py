"""A lower bound of log p(x_M, y | x_O), by which models of the same data can be compared."""

from typing import cast

import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.conditional import Decoder
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.objective.divergences import gaussian_kl


def lower_bound(module: CMMD, batch: Batch, noise: Tensor) -> Tensor:
    r"""Return the lower bound of each row, in nats, estimated from several draws of z.

    .. math:: E_q[\log p(x_M | x_O, z) + \log p(y | z)] - KL[q(z | x_O, x_M, y) \| p(z | x_O)].

    `noise` is standard normal, of shape (n_draws, batch, latent_dim). A row without x_M takes z
    from the prior, and a label or a modality that it lacks counts nothing. Weights of modalities
    are left out, since the bound would be none with them.
    """
    x, known = batch.observed.values, batch.label_weight
    labels = module.labels_of(batch)
    p = q = module.embed(x)
    if batch.missing is not None:
        q = module.posterior(x, batch.missing, labels)
        if batch.missing.mask is not None:
            has = batch.missing.mask.any(dim=1)[:, None]
            q = Gaussian(*[torch.where(has, a, b) for a, b in zip(q, p, strict=True)])
    total = -gaussian_kl(q, p)
    for draw in noise:
        z = q.rsample(draw)
        if batch.missing is not None and module.decoder is not None:
            total = total + log_likelihood(module, batch, z) / len(noise)
        if labels is not None and module.classifier is not None:
            y = labels[:, : module.architecture.n_labels]
            log_prob = module.classifier(z).log_prob(y)
            if known is not None:
                log_prob = log_prob * (known > 0)
            total = total + log_prob / len(noise)
    return total


def log_likelihood(module: CMMD, batch: Batch, z: Tensor) -> Tensor:
    """Return log p(x_M | x_O, z) of each row, in nats; what a row lacks counts nothing.

    `z` is of shape (draws · batch, latent_dim), one draw of every row after the other. Weights of
    modalities are left out, since they are no part of a density.
    """
    decoded = cast(Decoder, module.decoder)(batch.observed.values, z)
    decoded = decoded._replace(weights=(1.0,) * len(decoded.parts))
    missing = cast(View, batch.missing).repeated(len(z) // batch.n_rows)
    return decoded.log_prob(missing.values, missing.mask)
