"""Time the training of multivae's CVAE, by multivae's own trainer.

    OMP_NUM_THREADS=1 python benchmarks/peers/cvae_speed.py --observed 76 --missing 240

The main modality of the CVAE is x_M and its condition is x_O. Encoder, prior network and decoder
are perceptrons of the same hidden widths. The data are random numbers, since only time is measured.

The last line of stdout is JSON with the keys ``peer``, ``version``, ``seconds``, ``ms_per_update``,
``updates``, ``parameters`` (how many are trained) and ``notes``. ``seconds`` is all of the
trainer's ``train()``. What the library prints goes to stderr.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from tempfile import TemporaryDirectory

try:
    import torch
    from multivae.data.datasets.base import MultimodalBaseDataset
    from multivae.models import CVAE, CVAEConfig
    from multivae.models.nn.base_architectures import BaseConditionalDecoder, BaseJointEncoder
    from multivae.trainers import BaseTrainer, BaseTrainerConfig
    from networks import perceptron
    from pythae.models.base.base_utils import ModelOutput
    from torch import nn
except (ImportError, RuntimeError) as error:  # torchvision's mismatches are RuntimeErrors
    print("multivae: not installed")
    print(f"  ({error})", file=sys.stderr)
    sys.exit(3)

MAIN, CONDITION = "missing", "observed"
LEARNING_RATE = 1e-3

NOTES = (
    "learned prior network with the encoder's widths; normal decoder of fixed scale 1 (multivae "
    "has no learned scale); log-variances unbounded; Adam, not fused. Within the time: the data "
    "loader's collation row by row, a copy of the model at each epoch that improves the loss, the "
    "progress bar and log on stderr, and the final model's saving; no setting switches these off"
)


class Encoder(BaseJointEncoder):
    """Mean and log-variance of z given some modalities laid side by side.

    Parameters
    ----------
    modalities : sequence of str
        Which.
    in_features : int
        Their joint width.
    hidden : sequence of int
    latent_dim : int
    """

    def __init__(
        self, modalities: Sequence[str], in_features: int, hidden: Sequence[int], latent_dim: int
    ):
        super().__init__()
        self.latent_dim = latent_dim
        self.modalities = modalities
        self.body = perceptron(in_features, hidden)
        self.mean = nn.Linear(hidden[-1], latent_dim)
        self.log_variance = nn.Linear(hidden[-1], latent_dim)

    def forward(self, x: dict[str, torch.Tensor]) -> ModelOutput:
        h = self.body(torch.cat([x[name] for name in self.modalities], dim=-1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseConditionalDecoder):
    """Mean of x_M given z and x_O.

    Parameters
    ----------
    n_observed, n_missing : int
        Widths of x_O and x_M.
    hidden : sequence of int
    latent_dim : int
    """

    def __init__(self, n_observed: int, n_missing: int, hidden: Sequence[int], latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        self.body = perceptron(latent_dim + n_observed, hidden)
        self.mean = nn.Linear(hidden[-1], n_missing)

    def forward(self, z: torch.Tensor, cond_mods: dict[str, torch.Tensor]) -> ModelOutput:
        h = self.body(torch.cat([z, cond_mods[CONDITION]], dim=-1))
        return ModelOutput(reconstruction=self.mean(h))


def build(args: argparse.Namespace) -> CVAE:
    """Return a CVAE with a learned prior."""
    config = CVAEConfig(
        conditioning_modalities=[CONDITION],
        main_modality=MAIN,
        input_dims={MAIN: (args.missing,), CONDITION: (args.observed,)},
        latent_dim=args.latent_dim,
        decoder_dist="normal",
    )
    sizes = args.hidden, args.latent_dim
    encoder = Encoder((MAIN, CONDITION), args.missing + args.observed, *sizes)
    decoder = Decoder(args.observed, args.missing, *sizes)
    prior = Encoder((CONDITION,), args.observed, *sizes)
    return CVAE(config, encoder, decoder, prior_network=prior)


def noise(args: argparse.Namespace) -> MultimodalBaseDataset:
    """Draw standard normal rows."""
    widths = {MAIN: args.missing, CONDITION: args.observed}
    return MultimodalBaseDataset({name: torch.randn(args.rows, n) for name, n in widths.items()})


def trainer(
    args: argparse.Namespace, data: MultimodalBaseDataset, epochs: int, folder: str
) -> BaseTrainer:
    """Return the library's trainer of a new model, without checkpoints and predictions."""
    config = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=args.batch_size,
        num_epochs=epochs,
        learning_rate=LEARNING_RATE,
        seed=args.seed,
        no_cuda=True,
    )
    return BaseTrainer(build(args), data, training_config=config)


def measure(args: argparse.Namespace) -> dict[str, object]:
    """Train for an epoch to warm up, then train a new model against the clock.

    Returns
    -------
    dict
        What is to be printed.
    """
    data = noise(args)
    with TemporaryDirectory() as folder:
        trainer(args, data, 1, folder).train()
        timed = trainer(args, data, args.epochs, folder)
        start = time.perf_counter()
        timed.train()
        seconds = time.perf_counter() - start
    updates = args.epochs * len(timed.train_loader)
    return {
        "peer": "multivae CVAE",
        "version": version("multivae"),
        "seconds": round(seconds, 4),
        "ms_per_update": round(1000 * seconds / updates, 4),
        "updates": updates,
        "parameters": sum(p.numel() for p in timed.model.parameters() if p.requires_grad),
        "notes": NOTES,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--observed", type=int, default=76, help="columns of x_O")
    parser.add_argument("--missing", type=int, default=240, help="columns of x_M")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--latent-dim", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with redirect_stdout(sys.stderr):
        result = measure(args)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
