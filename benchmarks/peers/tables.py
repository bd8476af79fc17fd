"""Train a model of multivae or cca-zoo on pairs of two tables, without labels.

    OMP_NUM_THREADS=1 python benchmarks/peers/tables.py --tables t.npz --out out.npz --model mopoe

``t.npz`` holds standardised columns: ``observed`` and ``missing`` of the pairs, ``rows``, the
observed columns of the rows to embed, and ``columns``, those of x_M to draw. ``out.npz`` gets
``embedding``, the means of z given the observed columns alone (all but the CVAE), and of the rows
after the pairs ``generated``, the mean of x_M at that z, and ``draws`` (all but DCCAE, whose
decoders see one view each). The libraries' models and losses are trained by a loop of our own:
multivae's trainer fetches row by row and writes checkpoints.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

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
    print("multivae, cca-zoo: not installed")
    print(f"  ({error})", file=sys.stderr)
    sys.exit(3)

LEARNING_RATE = 1e-3
JOINT = {"mopoe": (MoPoE, MoPoEConfig), "mvae": (MVAE, MVAEConfig), "mmvae": (MMVAE, MMVAEConfig)}


class Joint:
    """A joint model of multivae, with two hidden layers in each network and its own defaults."""

    def __init__(self, name: str, widths: dict[str, int], hidden: int, latent_dim: int) -> None:
        model, config = JOINT[name]
        encoders, decoders, layers = {}, {}, (hidden, hidden)
        for view, width in widths.items():
            encoders[view] = Encoder(perceptron(width, layers), hidden, latent_dim)
            body = perceptron(latent_dim, layers).append(nn.Linear(hidden, width))
            decoders[view] = Decoder(body)
        settings = config(
            n_modalities=len(widths),
            latent_dim=latent_dim,
            input_dims={view: (width,) for view, width in widths.items()},
            decoders_dist=dict.fromkeys(widths, "normal"),
        )
        self.n_missing = widths[MAIN]
        self.module = model(settings, encoders, decoders)

    def loss(self, batch: dict[str, Tensor], epoch: int) -> Tensor:
        return self.module(DatasetOutput(data=batch), epoch=epoch).loss

    def _encode(self, x: Tensor, mean: bool) -> Tensor:
        # multivae reads the other modality too, and then leaves it out.
        given = DatasetOutput(data={CONDITION: x, MAIN: torch.zeros(len(x), self.n_missing)})
        return self.module.encode(given, cond_mod=[CONDITION], return_mean=mean).z

    def embed(self, x: Tensor) -> Tensor:
        return self._encode(x, mean=True)

    def generate(self, x: Tensor, mean: bool = True) -> Tensor:
        return self.module.decoders[MAIN](self._encode(x, mean)).reconstruction


class Conditional:
    """multivae's CVAE with a learned prior."""

    embed = None

    def __init__(self, widths: dict[str, int], hidden: int, latent_dim: int) -> None:
        sizes = argparse.Namespace(**widths, hidden=(hidden, hidden), latent_dim=latent_dim)
        self.module = build_cvae(sizes)

    def loss(self, batch: dict[str, Tensor], epoch: int) -> Tensor:
        return self.module(DatasetOutput(data=batch)).loss

    def generate(self, x: Tensor, mean: bool = True) -> Tensor:
        prior = self.module.prior_network({CONDITION: x})
        noise = 0 if mean else torch.randn_like(prior.embedding)
        z = prior.embedding + noise * torch.exp(prior.log_covariance / 2)
        return self.module.decoder(z, {CONDITION: x}).reconstruction


class Correlated:
    """cca-zoo's DCCAE."""

    generate = None

    def __init__(self, widths: dict[str, int], hidden: int, latent_dim: int) -> None:
        def network(n_in: int, n_out: int) -> nn.Module:
            return perceptron(n_in, (hidden, hidden)).append(nn.Linear(hidden, n_out))

        self.order = list(widths)
        encoders = [network(widths[view], latent_dim) for view in self.order]
        decoders = [network(latent_dim, widths[view]) for view in self.order]
        self.module = DCCAE(latent_dim, encoders, decoders)

    def loss(self, batch: dict[str, Tensor], epoch: int) -> Tensor:
        return self.module.loss({"views": [batch[view] for view in self.order]})["objective"]

    def embed(self, x: Tensor) -> Tensor:
        return self.module.encoders[self.order.index(CONDITION)](x)


def train(
    module: nn.Module,
    loss: Callable[[dict[str, Tensor], int], Tensor],
    pairs: dict[str, Tensor],
    steps: int,
    batch_size: int,
) -> None:
    """Minimise the library's loss by Adam, leaving out the last partial batch of an epoch."""
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
    n_pairs = len(pairs[MAIN])
    module.train()
    step = epoch = 0
    while step < steps:
        epoch += 1
        n_whole = max(1, n_pairs // batch_size) * batch_size
        for rows in torch.randperm(n_pairs)[:n_whole].split(batch_size)[: steps - step]:
            value = loss({name: table[rows] for name, table in pairs.items()}, epoch)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            step += 1
    module.eval()


def build(args: argparse.Namespace, widths: dict[str, int]) -> Joint | Conditional | Correlated:
    """Return the model of this name."""
    sizes = widths, args.hidden, args.latent_dim
    if args.model in JOINT:
        return Joint(args.model, *sizes)
    return {"cvae": Conditional, "dccae": Correlated}[args.model](*sizes)


def main() -> None:
    """Train on the pairs of a file, and write what is made of its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=[*JOINT, "cvae", "dccae"], default="mopoe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--latent-dim", type=int, default=20)
    parser.add_argument("--draws", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with np.load(args.tables) as file:
        tables = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    rows, columns = tables.pop("rows"), tables.pop("columns").long()
    model = build(args, {name: table.shape[1] for name, table in tables.items()})
    train(model.module, model.loss, tables, args.steps, args.batch_size)
    out = {}
    with torch.no_grad():
        if model.embed:
            out["embedding"] = model.embed(rows).numpy()
        if model.generate:
            new = rows[len(tables[MAIN]) :]
            out["generated"] = model.generate(new).numpy()
            means = [model.generate(new, mean=False)[:, columns] for _ in range(args.draws)]
            # The decoders' likelihood has a standard deviation of one.
            draws = torch.stack(means, dim=1)
            out["draws"] = (draws + torch.randn_like(draws)).numpy()
    np.savez(args.out, **out)


if __name__ == "__main__":
    main()
