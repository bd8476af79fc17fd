"""CMMD as a competent user would write it for one experiment, to measure the package against.

Plain layers, the losses by their formulas, tensors on the device and a fused AdamW. The bounds of
the log-variances and the mask of what is missing are left out.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.sizes import N_CLASSES, Data, Size, epoch_times, loop_of
from sklearn_cmmd.objective.loss import Loss
from sklearn_cmmd.training.loop import Loop

OPTIMIZER: dict[str, Any] = {"lr": 2e-3, "weight_decay": 0.01, "fused": True}


def perceptron(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Hidden layers with SiLU and dropout, then a linear one."""
    *hidden, last = pairwise(widths)
    layers = [(nn.Linear(a, b), nn.SiLU(), nn.Dropout(dropout)) for a, b in hidden]
    return nn.Sequential(*chain.from_iterable(layers), nn.Linear(*last))


def widths_of(size: Size) -> dict[str, tuple[int, ...]]:
    """Widths of the layers of each network, from the input to the output."""
    model, n_latent = size.model(), size.model().latent_dim
    networks, n_both = model.group("networks"), size.n_observed + size.n_missing
    ends = {
        "prior": (size.n_observed, 2 * n_latent),
        "encoder": (n_both + N_CLASSES, 2 * n_latent),
        "decoder": (size.n_observed + n_latent, size.n_missing),
        "classifier": (n_latent, N_CLASSES),
    }
    hidden = {name: getattr(networks, f"{name}_hidden") for name in ends}
    return {
        name: (n_in, *(model.hidden_layer_sizes if hidden[name] is None else hidden[name]), n_out)
        for name, (n_in, n_out) in ends.items()
    }


class BareCMMD(nn.Module):
    """The networks of a size as plain layers, and the loss that the defaults amount to."""

    prior: nn.Module
    encoder: nn.Module
    decoder: nn.Module
    classifier: nn.Module

    def __init__(self, size: Size, weights: Loss, dropout: float) -> None:
        super().__init__()
        self.weights = weights
        for name, widths in widths_of(size).items():
            self.add_module(name, perceptron(widths, dropout))
        self.log_var = nn.Parameter(torch.zeros(size.n_missing))

    def forward(self, x: Tensor, x_missing: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        """Return the loss of a minibatch."""
        weights, labels = self.weights, F.one_hot(y, N_CLASSES).float()
        p_mean, p_log_var = self.prior(x).chunk(2, -1)
        q_mean, q_log_var = self.encoder(torch.cat([x, x_missing, labels], -1)).chunk(2, -1)
        z_q = q_mean + torch.exp(0.5 * q_log_var) * noise
        z_p = p_mean + torch.exp(0.5 * p_log_var) * noise
        logits, smoothing = self.classifier(p_mean), weights.label_smoothing
        return (
            self.reconstruction(x, x_missing, z_q, z_p)
            + weights.alpha * F.cross_entropy(logits, y, label_smoothing=smoothing)
            + weights.omega * gaussian_kl(q_mean, q_log_var, p_mean, p_log_var)
            + (1 - weights.omega) * weights.lam * gaussian_mmd(z_q, z_p)
            + weights.scale_prior * self.log_density(torch.ones_like(self.log_var))
        )

    def log_density(self, error: Tensor) -> Tensor:
        """Negative log density of an error of x_M."""
        scaled = error.square() * torch.exp(-self.log_var)
        return 0.5 * (scaled + self.log_var + np.log(2 * np.pi)).sum(-1)

    def reconstruction(self, x: Tensor, x_missing: Tensor, z_q: Tensor, z_p: Tensor) -> Tensor:
        """Both draws have a share of one half, so that it is one mean over all rows."""
        context = torch.cat([torch.cat([x, z_q], -1), torch.cat([x, z_p], -1)])
        return self.log_density(torch.cat([x_missing, x_missing]) - self.decoder(context)).mean()


def gaussian_kl(q_mean: Tensor, q_log_var: Tensor, p_mean: Tensor, p_log_var: Tensor) -> Tensor:
    """Divergence of diagonal Gaussians, mean over the rows."""
    log_ratio = q_log_var - p_log_var
    squared = (q_mean - p_mean).square() * torch.exp(-p_log_var)
    return 0.5 * (torch.exp(log_ratio) - log_ratio - 1 + squared).sum(-1).mean()


def gaussian_mmd(z_q: Tensor, z_p: Tensor) -> Tensor:
    """U-statistic with the kernel of width √d."""
    n, d = z_q.shape
    z = torch.cat([z_q, z_p])
    norms = z.square().sum(-1)
    kernel = torch.exp((norms[:, None] + norms - 2 * z @ z.T) / (-2 * d))

    def mean(block: Tensor) -> Tensor:
        return (block.sum() - block.diagonal().sum()) / (n * (n - 1))

    return mean(kernel[:n, :n]) + mean(kernel[n:, n:]) - 2 * mean(kernel[:n, n:])


def bare_of(size: Size, loop: Loop) -> BareCMMD:
    """Return the bare networks with the weights of the loss that a fit has."""
    return BareCMMD(size, loop.plan.loss, loop.plan.schedule.dropout).to(loop.device)


def bare_ms_per_step(size: Size, data: Data) -> float:
    """Train in a bare loop, and return milliseconds a step, from the epochs but the first."""
    loop = loop_of(size.model(), data)
    bare, batch_size = bare_of(size, loop), loop.plan.schedule.batch_size
    whole: Any = loop.batches.rows.gather(torch.arange(len(data[1])))
    columns = whole.observed.values, whole.missing.values, whole.y
    optimizer = torch.optim.AdamW(bare.parameters(), **OPTIMIZER)

    def epoch() -> None:
        for rows in torch.randperm(len(whole.y)).split(batch_size):
            batch = [column.index_select(0, rows) for column in columns]
            optimizer.zero_grad()
            bare(*batch, torch.randn(len(rows), loop.noise.latent_dim)).backward()
            optimizer.step()

    times = epoch_times(epoch, size.n_epochs, loop.device)
    return float(1000 * np.median(times) / len(loop.batches))
