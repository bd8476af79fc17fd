"""Train MVAE, MMVAE or MoPoE of multivae on MNIST-SVHN-Text pairs and save what is to be scored.

    python benchmarks/peers/mnist_svhn_text.py --pairs pairs.npz --model mopoe --out out.npz

``pairs.npz`` holds the distinct images and texts and, for the training and the test pairs, the
positions in them. ``out.npz`` gets, for each subset of m (MNIST), s (SVHN) and t (text):

- ``latent_probe_<subset>`` and ``latent_test_<subset>``: means of z given these modalities,
- ``generated_<target>_from_<subset>``: the decoder's mean at that mean of z, for the nine cells of
  the paper's table 6; images as uint8, text as the most probable symbol of each position,
- ``test_rows``: which test pairs the rows belong to; ``loss``: the loss per row of every step.

The library's trainer counts in epochs, of which one is thousands of steps here, and writes
checkpoints; so a loop of our own calls the library's model and minimises the loss it returns.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

try:
    import torch
    from multivae.data.datasets.base import DatasetOutput
    from multivae.models import MMVAE, MVAE, MMVAEConfig, MoPoE, MoPoEConfig, MVAEConfig
    from networks import SHAPES, decoders, encoders
except (ImportError, RuntimeError) as error:  # torchvision's mismatches are RuntimeErrors
    sys.exit(f"multivae: not installed ({error})")

SUBSETS = ("m", "s", "t", "ms", "mt", "st", "mst")
CELLS = {"m": ("s", "t", "st"), "s": ("m", "t", "mt"), "t": ("m", "s", "ms")}
LATENT_DIM, LEARNING_RATE, CHUNK = 20, 1e-3, 1000
COMMON = {
    "n_modalities": 3,
    "latent_dim": LATENT_DIM,
    "input_dims": SHAPES,
    "decoders_dist": {"m": "laplace", "s": "laplace", "t": "categorical"},
    "decoder_dist_params": {"m": {"scale": 0.75}, "s": {"scale": 0.75}},
    "uses_likelihood_rescaling": True,
    # Largest modality over this one; a text counts its 8 positions, not 8 × 71 values.
    "rescale_factors": {"m": 3072 / 784, "s": 1.0, "t": 3072 / 8},
}
MODELS = {
    "mopoe": (MoPoE, MoPoEConfig, {"beta": 2.5}),
    # multivae's defaults, but for one sample of z instead of ten: with ten, a step costs ten times
    # more.
    "mmvae": (MMVAE, MMVAEConfig, {"K": 1, "beta": 1.0}),
    "mvae": (MVAE, MVAEConfig, {"use_subsampling": True, "k": 0, "beta": 1.0, "warmup": 0}),
}


@dataclass(frozen=True)
class Pairs:
    """Distinct rows of each modality as bytes, and their position in every pair."""

    values: dict[str, torch.Tensor]
    index: dict[str, torch.Tensor]

    def __len__(self) -> int:
        return len(self.index["m"])

    def batch(self, rows: torch.Tensor) -> DatasetOutput:
        """Take the pairs at these positions, as float32: images in [0, 1], one-hot texts."""
        data = {name: self.values[name][self.index[name][rows]].float() for name in self.values}
        data["m"] /= 255
        data["s"] /= 255
        return DatasetOutput(data=data)


def read_pairs(file: Path, part: str) -> Pairs:
    """Read the "train" or the "test" pairs."""
    with np.load(file) as arrays:
        values = {
            "m": torch.from_numpy(arrays[f"mnist_{part}"]),
            "s": torch.from_numpy(arrays[f"svhn_{part}"]).permute(0, 3, 1, 2).contiguous(),
            "t": torch.from_numpy(arrays["text"]),
        }
        index = {
            name[0]: torch.from_numpy(arrays[f"{part}_{name}_index"].astype(np.int64))
            for name in ("mnist", "svhn", "text")
        }
    return Pairs(values, index)


def train(model: torch.nn.Module, pairs: Pairs, n_steps: int, batch_size: int) -> np.ndarray:
    """Minimise the library's loss by Adam, and return the loss per row of every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    per_epoch, losses = len(pairs) // batch_size, np.empty(n_steps, np.float32)
    model.train()
    for step in range(n_steps):
        epoch, number = divmod(step, per_epoch)
        if number == 0:
            batches = torch.randperm(len(pairs)).split(batch_size)
        batch = pairs.batch(batches[number])
        output = model(batch, epoch=epoch + 1, batch_ratio=number / per_epoch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses[step] = output.loss_sum.item() / batch_size
        if not np.isfinite(losses[step]):
            raise FloatingPointError(f"the loss is {losses[step]} at step {step + 1}")
    return losses


def encode(model: torch.nn.Module, batch: DatasetOutput) -> dict[str, torch.Tensor]:
    """Means of z given each subset, as the library has them.

    For all three modalities MoPoE averages the means of all subsets; "mst_product" is the product
    of the three experts and the prior.
    """
    latents = {
        subset: model.encode(batch, cond_mod=list(subset), return_mean=True).z for subset in SUBSETS
    }
    if isinstance(model, MoPoE):
        latents["mst_product"] = model.inference(batch)["subsets"]["m_s_t"][0]
    return latents


def generate(model: torch.nn.Module, latents: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Decode the subsets' means of z: the decoders' means, as uint8."""
    generated = {}
    for target, sources in CELLS.items():
        for source in sources:
            mean = model.decoders[target](latents[source]).reconstruction
            generated[f"generated_{target}_from_{source}"] = _to_uint8(target, mean)
    return generated


def _to_uint8(target: str, mean: torch.Tensor) -> torch.Tensor:
    """Pixels in 0 … 255, channels last; of a text the indices of its symbols."""
    if target == "t":
        return mean.argmax(dim=-1).to(torch.uint8)
    pixels = (255 * mean.clamp(0, 1)).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1) if target == "s" else pixels


@torch.no_grad()
def evaluate(model: torch.nn.Module, pairs: Pairs, rows: torch.Tensor, part: str) -> dict:
    """Latents of these pairs and, for the test part, generations; in chunks."""
    model.eval()
    chunks: dict[str, list[np.ndarray]] = {}
    for some in rows.split(CHUNK):
        latents = encode(model, pairs.batch(some))
        results = {f"latent_{part}_{subset}": z for subset, z in latents.items()}
        if part == "test":
            results |= generate(model, latents)
        for name, values in results.items():
            chunks.setdefault(name, []).append(values.numpy())
    return {name: np.concatenate(arrays) for name, arrays in chunks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    pairs, test = read_pairs(args.pairs, "train"), read_pairs(args.pairs, "test")
    kind, config, params = MODELS[args.model]
    model = kind(config(**COMMON, **params), encoders(LATENT_DIM), decoders(LATENT_DIM))
    results = {"loss": train(model, pairs, args.steps, args.batch_size)}
    probe = torch.from_numpy(np.load(args.pairs)["probe"].astype(np.int64))
    results |= evaluate(model, pairs, probe, "probe")
    results |= evaluate(model, test, torch.arange(len(test)), "test")
    np.savez_compressed(args.out, test_rows=np.arange(len(test)), **results)


if __name__ == "__main__":
    main()
