"""Train a model of multivae or cca-zoo on pairs of two tables, without labels.

    OMP_NUM_THREADS=1 python benchmarks/peers/tables.py --tables t.npz --out out.npz --model mopoe

``t.npz`` holds standardised columns: ``observed`` and ``missing`` of the pairs, ``rows``, the
observed columns of the rows to embed, of which the last ``n_test`` are test rows, and ``columns``,
those of x_M to draw. ``out.npz`` gets ``embedding``, the means of z given the observed columns
alone (all but the CVAE), and of the test rows ``generated``, the mean of x_M at that z, and
``draws`` (all but DCCAE, whose decoders see one view each). The libraries' models and losses are
trained by a loop of our own: multivae's trainer fetches row by row and writes checkpoints.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch
    from cca_zoo.deep import DCCAE
    from cvae_speed import CONDITION, MAIN
    from cvae_speed import build as build_cvae
    from multivae.data.datasets.base import DatasetOutput
    from multivae.models import MMVAE, MVAE, MMVAEConfig, MoPoE, MoPoEConfig, MVAEConfig
    from networks import Decoder, Encoder, perceptron
    from torch import Tensor, nn
except (ImportError, RuntimeError) as error:  # torchvision's mismatches are RuntimeErrors
    sys.exit(f"multivae, cca-zoo: not installed ({error})")

JOINT = {"mopoe": (MoPoE, MoPoEConfig), "mvae": (MVAE, MVAEConfig), "mmvae": (MMVAE, MMVAEConfig)}
HIDDEN, LATENT_DIM, BATCH, LEARNING_RATE = (128, 128), 20, 100, 1e-3
Batch = dict[str, Tensor]


class Joint:
    """A joint model of multivae, with its own defaults."""

    def __init__(self, name: str, widths: dict[str, int]) -> None:
        model, config = JOINT[name]
        encoders, decoders = {}, {}
        for view, width in widths.items():
            encoders[view] = Encoder(perceptron(width, HIDDEN), HIDDEN[-1], LATENT_DIM)
            body = perceptron(LATENT_DIM, HIDDEN).append(nn.Linear(HIDDEN[-1], width))
            decoders[view] = Decoder(body)
        settings = config(
            n_modalities=len(widths),
            latent_dim=LATENT_DIM,
            input_dims={view: (width,) for view, width in widths.items()},
            decoders_dist=dict.fromkeys(widths, "normal"),
        )
        self.n_missing = widths[MAIN]
        self.module = model(settings, encoders, decoders)

    def loss(self, batch: Batch, epoch: int) -> Tensor:
        return self.module(DatasetOutput(data=batch), epoch=epoch).loss

    def embed(self, x: Tensor, mean: bool = True) -> Tensor:
        # multivae reads the other modality too, and then leaves it out.
        given = DatasetOutput(data={CONDITION: x, MAIN: torch.zeros(len(x), self.n_missing)})
        return self.module.encode(given, cond_mod=[CONDITION], return_mean=mean).z

    def generate(self, x: Tensor, mean: bool = True) -> Tensor:
        return self.module.decoders[MAIN](self.embed(x, mean)).reconstruction


class Conditional:
    """multivae's CVAE with a learned prior."""

    embed = None

    def __init__(self, name: str, widths: dict[str, int]) -> None:
        self.module = build_cvae(widths[CONDITION], widths[MAIN], HIDDEN, LATENT_DIM)

    def loss(self, batch: Batch, epoch: int) -> Tensor:
        return self.module(DatasetOutput(data=batch)).loss

    def generate(self, x: Tensor, mean: bool = True) -> Tensor:
        prior = self.module.prior_network({CONDITION: x})
        noise = 0 if mean else torch.randn_like(prior.embedding)
        z = prior.embedding + noise * torch.exp(prior.log_covariance / 2)
        return self.module.decoder(z, {CONDITION: x}).reconstruction


class Correlated:
    """cca-zoo's DCCAE."""

    generate = None

    def __init__(self, name: str, widths: dict[str, int]) -> None:
        def network(n_in: int, n_out: int) -> nn.Module:
            return perceptron(n_in, HIDDEN).append(nn.Linear(HIDDEN[-1], n_out))

        self.order = list(widths)
        encoders = [network(widths[view], LATENT_DIM) for view in self.order]
        decoders = [network(LATENT_DIM, widths[view]) for view in self.order]
        self.module = DCCAE(LATENT_DIM, encoders, decoders)

    def loss(self, batch: Batch, epoch: int) -> Tensor:
        return self.module.loss({"views": [batch[view] for view in self.order]})["objective"]

    def embed(self, x: Tensor) -> Tensor:
        return self.module.encoders[self.order.index(CONDITION)](x)


MODELS: dict[str, Any] = dict.fromkeys(JOINT, Joint) | {"cvae": Conditional, "dccae": Correlated}


def train(model: Any, pairs: Batch, n_steps: int) -> None:
    """Minimise the library's loss by Adam, leaving out the last partial batch of an epoch."""
    optimizer = torch.optim.Adam(model.module.parameters(), lr=LEARNING_RATE)
    n_pairs, step, epoch = len(pairs[MAIN]), 0, 0
    n_whole = max(1, n_pairs // BATCH) * BATCH
    model.module.train()
    while step < n_steps:
        epoch += 1
        for rows in torch.randperm(n_pairs)[:n_whole].split(BATCH)[: n_steps - step]:
            optimizer.zero_grad()
            model.loss({name: table[rows] for name, table in pairs.items()}, epoch).backward()
            optimizer.step()
            step += 1
    model.module.eval()


@torch.no_grad()
def made_by(model: Any, rows: Tensor, test: Tensor, columns: Tensor, n_draws: int) -> dict:
    """Embed rows, and generate x_M of the test rows."""
    out = {}
    if model.embed:
        out["embedding"] = model.embed(rows).numpy()
    if model.generate:
        out["generated"] = model.generate(test).numpy()
        draws = [model.generate(test, mean=False)[:, columns] for _ in range(n_draws)]
        # The decoders' likelihood has a standard deviation of one.
        out["draws"] = np.stack([(mean + torch.randn_like(mean)).numpy() for mean in draws], axis=1)
    return out


def main() -> None:
    """Train on the pairs of a file, and write what is made of its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, default="mopoe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with np.load(args.tables) as file:
        tables = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    rows, columns, n_test = (tables.pop(name) for name in ("rows", "columns", "n_test"))
    model = MODELS[args.model](args.model, {name: part.shape[1] for name, part in tables.items()})
    train(model, tables, args.steps)
    test = rows[-int(n_test) :]
    np.savez(args.out, **made_by(model, rows, test, columns.long(), args.draws))


if __name__ == "__main__":
    main()
