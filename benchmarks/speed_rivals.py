"""The sizes that `speed.py` measures, and what sklearn_cmmd is measured against.

The bare networks are what a competent user writes for one experiment: `nn.Sequential`, the losses
by their formulas, resident tensors and a fused AdamW. They lack the bounds of the log-variances.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn_cmmd.training.job import Job
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows

N_CLASSES, N_SYMBOLS = 10, 71
PEER = Path(__file__).parent / "peers" / "cvae_speed.py"
NOT_INSTALLED = 3
OPTIMIZER = {"lr": 2e-3, "weight_decay": 0.01, "fused": True}


@dataclass(frozen=True)
class Size:
    """Networks, the data they see, and how much is measured: rows and epochs, or only a few.

    Without widths the data are images and texts.
    """

    name: str
    full: tuple[int, int]
    quick: tuple[int, int]
    params: dict[str, Any]
    n_observed: int = 0
    n_missing: int = 0
    is_slow: bool = False

    def model(self, **params: Any) -> CMMDClassifier:
        """Return the estimator, on the CPU and without early stopping."""
        fixed = {"early_stopping": False, "random_state": 0, "device": "cpu"}
        return CMMDClassifier(**fixed | self.params | params)

    def draw(self, n_rows: int) -> tuple[Any, np.ndarray, Any]:
        """Draw X, y and X_missing."""
        rng = np.random.default_rng(0)
        y = np.arange(n_rows) % N_CLASSES

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal((n_rows, *shape), dtype=np.float32)

        if self.n_observed:
            return normal(self.n_observed), y, normal(self.n_missing)
        text = np.eye(N_SYMBOLS, dtype=np.float32)[rng.integers(N_SYMBOLS, size=(n_rows, 8))]
        return {"mnist": normal(28, 28)}, y, {"svhn": normal(32, 32, 3), "text": text}


SMALL = Size("2x128 on 76/240, batch 100", (2000, 8), (2000, 3), {"batch_size": 100}, 76, 240)
WIDE = Size(
    "1x400 on 784/784, batch 256",
    (2560, 2),
    (1024, 1),
    {"batch_size": 256}
    | dict.fromkeys(("prior_hidden", "encoder_hidden", "decoder_hidden"), (400,)),
    784,
    784,
)
PAPER = Size(
    "paper MNIST, batch 100",
    (1000, 1),
    (300, 1),
    {
        "batch_size": 100,
        "latent_dim": 50,
        "prior_hidden": (2500,) * 3,
        "encoder_hidden": (2500,) * 3,
        "decoder_hidden": (1024,) * 3,
        "classifier_hidden": (50, 50),
    },
    784,
    784,
    is_slow=True,
)
IMAGES = Size(
    "MNIST-SVHN-Text conv, batch 256",
    (256 * 6, 1),
    (256 * 3, 1),
    {
        "batch_size": 256,
        "observed": [Modality("mnist", network="conv2d")],
        "missing": [
            Modality("svhn", channels="last", network="conv2d", likelihood="laplace"),
            Modality("text", channels="last", network="conv1d", likelihood="categorical"),
        ],
    },
    is_slow=True,
)


@dataclass
class Clock:
    """The time from the second of so many steps, since the first sets up, to the last one."""

    n_steps: int
    device: torch.device
    n_seen: int = 0
    times: list[float] = field(default_factory=list)

    def tick(self) -> None:
        """Take note that a step begins."""
        self.n_seen += 1
        if self.n_seen in (2, self.n_steps):
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.times.append(time.perf_counter())

    @property
    def ms(self) -> float:
        """Milliseconds per step."""
        start, end = self.times
        return 1000 * (end - start) / (self.n_steps - 2)


def perceptron(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Hidden layers with SiLU and dropout, then a linear one."""
    *hidden, last = pairwise(widths)
    layers = [(nn.Linear(a, b), nn.SiLU(), nn.Dropout(dropout)) for a, b in hidden]
    return nn.Sequential(*chain.from_iterable(layers), nn.Linear(*last))


def widths_of(size: Size) -> dict[str, tuple[int, ...]]:
    """Widths of the layers of each network, from the input to the output."""
    model, n_observed, n_missing = size.model(), size.n_observed, size.n_missing
    n_latent, n_context = model.latent_dim, n_observed + n_missing + N_CLASSES
    return {
        "prior": (n_observed, *model.prior_hidden, 2 * n_latent),
        "encoder": (n_context, *model.encoder_hidden, 2 * n_latent),
        "decoder": (n_observed + n_latent, *model.decoder_hidden, n_missing),
        "classifier": (n_latent, *model.classifier_hidden, N_CLASSES),
    }


class BareCMMD(nn.Module):
    """The networks of a size as plain layers, and the loss that the defaults amount to."""

    def __init__(self, size: Size, objective: Objective, dropout: float) -> None:
        super().__init__()
        self.objective = objective
        for name, widths in widths_of(size).items():
            self.add_module(name, perceptron(widths, dropout))
        self.log_var = nn.Parameter(torch.zeros(size.n_missing))

    def forward(self, x: Tensor, x_missing: Tensor, y: Tensor) -> Tensor:
        """Return the loss of a minibatch."""
        weights = self.objective
        labels = F.one_hot(y, N_CLASSES).float()
        p_mean, p_log_var = self.prior(x).chunk(2, -1)
        context = torch.cat([x, x_missing, labels], -1)
        q_mean, q_log_var = self.encoder(context).chunk(2, -1)
        noise = torch.randn_like(p_mean)
        z_q = q_mean + torch.exp(0.5 * q_log_var) * noise
        z_p = p_mean + torch.exp(0.5 * p_log_var) * noise
        divergence = gaussian_kl(q_mean, q_log_var, p_mean, p_log_var)
        logits, smoothing = self.classifier(p_mean), weights.label_smoothing
        return (
            self.reconstruction(x, x_missing, z_q, z_p)
            + weights.alpha * F.cross_entropy(logits, y, label_smoothing=smoothing)
            + weights.omega * divergence
            + (1 - weights.omega) * weights.lam * gaussian_mmd(z_q, z_p)
            + weights.scale_prior * self.prior_of_variances()
        )

    def prior_of_variances(self) -> Tensor:
        inverse = torch.exp(-self.log_var)
        return 0.5 * (inverse + self.log_var + np.log(2 * np.pi)).sum()

    def reconstruction(self, x: Tensor, x_missing: Tensor, z_q: Tensor, z_p: Tensor) -> Tensor:
        """Both draws have a share of one half, so that it is one mean over all rows."""
        z, target = torch.cat([z_q, z_p]), torch.cat([x_missing, x_missing])
        mean = self.decoder(torch.cat([torch.cat([x, x]), z], -1))
        error = (target - mean).square() * torch.exp(-self.log_var)
        return 0.5 * (error + self.log_var + np.log(2 * np.pi)).sum(-1).mean()


def gaussian_kl(q_mean: Tensor, q_log_var: Tensor, p_mean: Tensor, p_log_var: Tensor) -> Tensor:
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


def cmmd_loss(
    module: CMMD, objective: Objective, dropout: float, x: Tensor, x_missing: Tensor, y: Tensor
) -> Tensor:
    """Return the package's own loss of a minibatch, with the randomness drawn plainly."""
    rows, units = Rows(x, x_missing), module.dropout_units(objective.n_decodings, 1)
    keep = F.dropout(x.new_ones(len(x), units), dropout)
    noise = torch.randn(len(x), module.architecture.latent_dim, device=x.device)
    terms, _ = objective.evaluate(module, rows, y, noise, Dropout(keep))
    return objective.total(terms, rows)


def train_plainly(
    loss: Callable[..., Tensor],
    parameters: Iterable[nn.Parameter],
    tensors: Sequence[Tensor],
    batch_size: int,
    clock: Clock,
) -> float:
    """Run as many steps as the clock counts in a bare loop; return milliseconds per step."""
    optimizer = torch.optim.AdamW(parameters, **OPTIMIZER)
    while clock.n_seen < clock.n_steps:
        order = torch.randperm(len(tensors[0]), device=clock.device)
        for rows in order.split(batch_size):
            clock.tick()
            batch = [tensor.index_select(0, rows) for tensor in tensors]
            optimizer.zero_grad()
            loss(*batch).backward()
            optimizer.step()
    return clock.ms


def matrix_products(size: Size) -> Callable[[], None]:
    """Return a function that multiplies all matrices of a step, into tensors that are ready.

    These are the forward products, those for the gradients of the weights, and those for the
    gradients of the inputs, but of layers whose input is data.
    """
    batch_size, products = size.params["batch_size"], []
    for network, widths in widths_of(size).items():
        n_rows = 2 * batch_size if network == "decoder" else batch_size
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            x, y = torch.randn(n_rows, n_in), torch.randn(n_rows, n_out)
            w = torch.randn(n_out, n_in)
            products += [(x, w.T, y.clone()), (y.T, x, w.clone())]
            if i or network in ("decoder", "classifier"):
                products.append((y, w, x.clone()))

    def multiply() -> None:
        for a, b, out in products:
            torch.mm(a, b, out=out)

    return multiply


class RowByRowNet(NeuralNet):
    """skorch with its own loader, which fetches row by row, around the package's networks."""

    def __init__(self, module: CMMD, *, dropout: float, **kwargs: Any) -> None:
        self.dropout = dropout
        super().__init__(module, **kwargs)

    def initialize_criterion(self) -> "RowByRowNet":
        self.criterion_ = self.criterion
        return self

    def train_step_single(self, batch: Sequence[Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """Return the loss, of which the gradients are now at the weights."""
        self._set_training(True)
        loss = cmmd_loss(self.module_, self.criterion_, self.dropout, *batch)
        loss.backward()
        return {"loss": loss, "y_pred": loss.detach()}


def skorch_net(job: Job) -> RowByRowNet:
    """Return the net for the networks, the loss and the budget of a job."""
    settings = {f"optimizer__{name}": value for name, value in OPTIMIZER.items() if name != "lr"}
    return RowByRowNet(
        job.module,
        dropout=job.settings.dropout,
        criterion=job.objective,
        optimizer=torch.optim.AdamW,
        lr=OPTIMIZER["lr"],
        max_epochs=job.settings.max_epochs,
        batch_size=job.settings.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **settings,
    )


def multivae_ms(python: str, size: Size, n_rows: int, n_epochs: int, n_threads: int) -> float:
    """Return milliseconds per update of multivae's CVAE, or NaN if it is not installed."""
    model = size.model()
    options = {
        "observed": size.n_observed,
        "missing": size.n_missing,
        "latent-dim": model.latent_dim,
        "batch-size": model.batch_size,
        "rows": n_rows,
        "epochs": n_epochs,
        "threads": n_threads,
    }
    given = chain.from_iterable((f"--{name}", str(value)) for name, value in options.items())
    command = [python, str(PEER), *given, "--hidden", *map(str, model.prior_hidden)]
    environment = os.environ | {"OMP_NUM_THREADS": str(n_threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode == NOT_INSTALLED:
        return np.nan
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])["ms_per_update"]
