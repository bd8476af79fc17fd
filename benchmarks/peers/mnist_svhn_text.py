"""Train MVAE, MMVAE or MoPoE of multivae on MNIST-SVHN-Text pairs and save what is to be scored.

    python benchmarks/peers/mnist_svhn_text.py --pairs pairs.npz --model mopoe --out out.npz

``pairs.npz`` holds the distinct images and texts and, for the training and the test pairs, the
positions in them. ``out.npz`` gets, for each subset of m (MNIST), s (SVHN) and t (text):

- ``latent_probe_<subset>`` and ``latent_test_<subset>``: means of z given these modalities,
- ``generated_<target>_from_<subset>``: the decoder's mean at that mean of z, for the nine cells of
  the paper's table 6; images as uint8, text as the most probable symbol of each position,
- ``test_rows``: which test pairs the rows belong to; ``loss``: the loss per row of every step,
- ``seconds`` of training, ``steps``, and ``settings`` as JSON.

The library's trainer counts in epochs, of which one is thousands of steps here, and writes
checkpoints; so a loop of our own calls the library's model and minimises the loss it returns.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

try:
    import torch
    from multivae.data.datasets.base import DatasetOutput
    from multivae.models import MMVAE, MVAE, MMVAEConfig, MoPoE, MoPoEConfig, MVAEConfig
    from networks import SHAPES, encoders_and_decoders
except (ImportError, RuntimeError) as error:  # torchvision's mismatches are RuntimeErrors
    print("multivae: not installed")
    print(f"  ({error})", file=sys.stderr)
    sys.exit(3)

SUBSETS = ("m", "s", "t", "ms", "mt", "st", "mst")
CELLS = {"m": ("s", "t", "st"), "s": ("m", "t", "mt"), "t": ("m", "s", "ms")}
LATENT_DIM = 20
LEARNING_RATE = 1e-3
CHUNK = 1000

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
ENCODING = {
    "mopoe": "mean of the product of the subset's experts; for mst the average of the means of all "
    "7 subsets (multivae's encode), and as mst_product the product of the three and the prior",
    "mmvae": "average of the means of the subset's experts",
    "mvae": "mean of the product of the subset's experts and the prior",
}


@dataclass(frozen=True)
class Pairs:
    """Distinct rows of each modality, and their position in every pair.

    Attributes
    ----------
    values : dict of Tensor
        uint8, by modality.
    index : dict of Tensor
        (pairs,), by modality.
    """

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


def build(name: str, **overrides: object) -> torch.nn.Module:
    """One of multivae's models with the paper's networks."""
    model, config, parameters = MODELS[name]
    encoders, decoders = encoders_and_decoders(LATENT_DIM)
    return model(config(**COMMON, **(parameters | overrides)), encoders, decoders)


def batches(n_pairs: int, batch_size: int, seed: int) -> Iterator[tuple[int, float, torch.Tensor]]:
    """Yield epoch, the part of it that is over, and rows, for ever; drop incomplete batches."""
    generator = torch.Generator().manual_seed(seed)
    per_epoch = n_pairs // batch_size
    epoch = 0
    while True:
        epoch += 1
        order = torch.randperm(n_pairs, generator=generator)
        for number in range(per_epoch):
            rows = order[number * batch_size : (number + 1) * batch_size]
            yield epoch, number / per_epoch, rows


def train(
    model: torch.nn.Module, pairs: Pairs, steps: int, batch_size: int, seed: int
) -> np.ndarray:
    """Minimise the library's loss by Adam.

    Returns
    -------
    ndarray of shape (steps,)
        The loss per row.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    losses = np.empty(steps, dtype=np.float32)
    model.train()
    plan = islice(batches(len(pairs), batch_size, seed), steps)
    for step, (epoch, batch_ratio, rows) in enumerate(plan):
        output = model(pairs.batch(rows), epoch=epoch, batch_ratio=batch_ratio)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses[step] = output.loss_sum.item() / len(rows)
        report(losses[: step + 1], steps)
    return losses


def report(losses: np.ndarray, steps: int) -> None:
    """Print the mean loss of every twentieth part of the steps; stop at a loss that is not finite.

    Parameters
    ----------
    losses : ndarray of shape (steps so far,)
    steps : int
        How many there will be.
    """
    done, every = len(losses), max(1, steps // 20)
    if not np.isfinite(losses[-1]):
        raise FloatingPointError(f"the loss is {losses[-1]} at step {done}")
    if done % every == 0:
        print(f"step {done}/{steps}: loss {losses[-every:].mean():.1f}", flush=True)


def encode(model: torch.nn.Module, batch: DatasetOutput) -> dict[str, torch.Tensor]:
    """Means of z given each subset; see ``ENCODING``."""
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
def evaluate(
    model: torch.nn.Module, pairs: Pairs, rows: torch.Tensor, part: str
) -> dict[str, np.ndarray]:
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


def evenly_spaced(n_rows: int, wanted: int | None) -> torch.Tensor:
    """All rows, or so many of them, over the whole range: pairs may be sorted by class."""
    if wanted is None or wanted >= n_rows:
        return torch.arange(n_rows)
    return torch.from_numpy(np.linspace(0, n_rows - 1, wanted).round().astype(np.int64))


def settings(args: argparse.Namespace, model: torch.nn.Module) -> str:
    """Everything that decides the outcome, as JSON."""
    packages = ("multivae", "pythae", "torch", "numpy")
    config = {k: v for k, v in vars(model.model_config).items() if not k.startswith("_")}
    chosen = {
        "model": args.model,
        "seed": args.seed,
        "batch_size": args.batch_size,
        "optimizer": "Adam",
        "learning_rate": LEARNING_RATE,
        "config": config,
        "n_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "loop": "own loop around the library's model and loss",
        "latent of a subset": ENCODING[args.model],
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in packages},
        "python": platform.python_version(),
    }
    return json.dumps(chosen, default=str, ensure_ascii=False)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="training steps, instead of epochs")
    length.add_argument("--epochs", type=float, default=1.0, help="passes over the pairs")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--test-rows", type=int, help="evenly spaced test pairs; default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--iwae-samples", type=int, help="MMVAE's K; default: 1")
    args = parser.parse_args()
    if args.iwae_samples and args.model != "mmvae":
        parser.error(f"--iwae-samples is for --model mmvae only; got --model {args.model}")
    return args


def run(args: argparse.Namespace) -> dict[str, object]:
    """Train, encode and generate.

    Returns
    -------
    dict
        The arrays to be saved, by name.
    """
    pairs, test = read_pairs(args.pairs, "train"), read_pairs(args.pairs, "test")
    probe = torch.from_numpy(np.load(args.pairs)["probe"].astype(np.int64))
    test_rows = evenly_spaced(len(test), args.test_rows)
    batch_size = min(args.batch_size, len(pairs))
    steps = args.steps or max(1, round(args.epochs * (len(pairs) // batch_size)))
    model = build(args.model, **({"K": args.iwae_samples} if args.iwae_samples else {}))
    start = time.perf_counter()
    loss = train(model, pairs, steps, batch_size, args.seed)
    results = {"seconds": time.perf_counter() - start, "steps": steps, "loss": loss}
    results |= {"test_rows": test_rows.numpy(), "settings": settings(args, model)}
    results |= evaluate(model, pairs, probe, "probe")
    return results | evaluate(model, test, test_rows, "test")


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    results = run(args)
    np.savez_compressed(args.out, **results)
    print(f"{args.model}: {results['steps']} steps in {results['seconds']:.1f} s, in {args.out}")


if __name__ == "__main__":
    main()
