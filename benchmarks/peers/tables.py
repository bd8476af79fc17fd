"""Embed rows by multivae's MoPoE, trained without labels on pairs of two tables.

    OMP_NUM_THREADS=1 python benchmarks/peers/embeddings.py --pairs pairs.npz --out out.npz

``pairs.npz`` holds standardised columns: ``observed`` and ``missing`` of the pairs, and ``rows``,
the observed columns of the rows to embed. ``out.npz`` gets ``embedding``, the means of z given the
observed columns alone. The library's model and loss are trained by a loop of our own: its trainer
fetches row by row and writes checkpoints.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

try:
    import torch
    from multivae.data.datasets.base import DatasetOutput
    from multivae.models import MoPoE, MoPoEConfig
    from networks import Decoder, Encoder, perceptron
    from torch import nn
except (ImportError, RuntimeError) as error:  # torchvision's mismatches are RuntimeErrors
    print("multivae: not installed")
    print(f"  ({error})", file=sys.stderr)
    sys.exit(3)

LEARNING_RATE = 1e-3


def build(widths: dict[str, int], hidden: int, latent_dim: int) -> MoPoE:
    """Return a MoPoE with two hidden layers in each network and multivae's defaults."""
    config = MoPoEConfig(
        n_modalities=len(widths),
        latent_dim=latent_dim,
        input_dims={name: (width,) for name, width in widths.items()},
        decoders_dist=dict.fromkeys(widths, "normal"),
    )
    encoders, decoders, layers = {}, {}, (hidden, hidden)
    for name, width in widths.items():
        encoders[name] = Encoder(perceptron(width, layers), hidden, latent_dim)
        body = perceptron(latent_dim, layers).append(nn.Linear(hidden, width))
        decoders[name] = Decoder(body)
    return MoPoE(config, encoders, decoders)


def train(model: MoPoE, pairs: dict[str, torch.Tensor], steps: int, batch_size: int) -> None:
    """Minimise the library's loss by Adam, epoch after epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    n_pairs = len(next(iter(pairs.values())))
    model.train()
    step = epoch = 0
    while step < steps:
        epoch += 1
        for rows in torch.randperm(n_pairs).split(batch_size)[: steps - step]:
            batch = DatasetOutput(data={name: values[rows] for name, values in pairs.items()})
            loss = model(batch, epoch=epoch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1


def main() -> None:
    """Train on the pairs of a file, and write the embedding of its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--latent-dim", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with np.load(args.pairs) as file:
        tables = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    rows = tables.pop("rows")
    model = build({k: v.shape[1] for k, v in tables.items()}, args.hidden, args.latent_dim)
    train(model, tables, args.steps, args.batch_size)
    model.eval()
    with torch.no_grad():
        # multivae reads the other modality too, and then leaves it out of the product.
        nothing = torch.zeros(len(rows), tables["missing"].shape[1])
        given = DatasetOutput(data={"observed": rows, "missing": nothing})
        embedding = model.encode(given, cond_mod=["observed"], return_mean=True).z
    np.savez(args.out, embedding=embedding.numpy())


if __name__ == "__main__":
    main()
