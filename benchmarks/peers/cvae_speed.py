"""Time the training of multivae's CVAE, by multivae's own trainer.

    OMP_NUM_THREADS=1 python benchmarks/peers/cvae_speed.py --observed 76 --missing 240

The main modality of the CVAE is x_M and its condition is x_O. Encoder, learned prior and decoder
are perceptrons of the same hidden widths. The data are random. The last line of stdout is JSON:
milliseconds an update over all of the trainer's ``train()``, and the version. Within that time are
the data loader's collation row by row, a copy of the model at each epoch that improves the loss,
logs, and the final model's saving; no setting switches these off.
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
    sys.exit(f"multivae: not installed ({error})")

MAIN, CONDITION = "missing", "observed"
SIZES = {"observed": 76, "missing": 240, "latent-dim": 20, "batch-size": 100, "rows": 2000}
OPTIONS = SIZES | {"epochs": 10, "threads": 1}


class Encoder(BaseJointEncoder):
    """Mean and log-variance of z given some modalities side by side, of a joint width."""

    def __init__(self, names: Sequence[str], width: int, hidden: Sequence[int], latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        self.names = names
        self.body = perceptron(width, hidden)
        self.mean = nn.Linear(hidden[-1], latent_dim)
        self.log_variance = nn.Linear(hidden[-1], latent_dim)

    def forward(self, x: dict[str, torch.Tensor]) -> ModelOutput:
        h = self.body(torch.cat([x[name] for name in self.names], dim=-1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseConditionalDecoder):
    """Mean of x_M given z and x_O."""

    def __init__(self, n_observed: int, n_missing: int, hidden: Sequence[int], latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        self.body = perceptron(latent_dim + n_observed, hidden)
        self.mean = nn.Linear(hidden[-1], n_missing)

    def forward(self, z: torch.Tensor, cond_mods: dict[str, torch.Tensor]) -> ModelOutput:
        h = self.body(torch.cat([z, cond_mods[CONDITION]], dim=-1))
        return ModelOutput(reconstruction=self.mean(h))


def build(n_observed: int, n_missing: int, hidden: Sequence[int], latent_dim: int) -> CVAE:
    """Return a CVAE with a learned prior, and a normal decoder of the scale 1."""
    config = CVAEConfig(
        conditioning_modalities=[CONDITION],
        main_modality=MAIN,
        input_dims={MAIN: (n_missing,), CONDITION: (n_observed,)},
        latent_dim=latent_dim,
        decoder_dist="normal",
    )
    encoder = Encoder((MAIN, CONDITION), n_missing + n_observed, hidden, latent_dim)
    prior = Encoder((CONDITION,), n_observed, hidden, latent_dim)
    decoder = Decoder(n_observed, n_missing, hidden, latent_dim)
    return CVAE(config, encoder, decoder, prior_network=prior)


def measure(args: argparse.Namespace) -> float:
    """Train for an epoch to warm up, then train a new model against the clock."""
    widths = {MAIN: args.missing, CONDITION: args.observed}
    data = MultimodalBaseDataset({name: torch.randn(args.rows, n) for name, n in widths.items()})
    for n_epochs in (1, args.epochs):
        model = build(args.observed, args.missing, args.hidden, args.latent_dim)
        with TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=args.batch_size,
                num_epochs=n_epochs,
                learning_rate=1e-3,
                no_cuda=True,
            )
            trainer = BaseTrainer(model, data, training_config=config)
            start = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - start
    return 1000 * seconds / (args.epochs * len(trainer.train_loader))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in OPTIONS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    with redirect_stdout(sys.stderr):
        ms = measure(args)
    print(json.dumps({"ms_per_update": ms, "multivae": version("multivae")}))


if __name__ == "__main__":
    main()
