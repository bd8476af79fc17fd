"""The sizes of networks whose speed is measured, and the time of a training step of a fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd._fitting import prepare
from sklearn_cmmd.training.loop import Loop
from sklearn_cmmd.training.surroundings import surroundings

N_CLASSES = 10
Data = tuple[Any, np.ndarray, Any]


@dataclass(frozen=True)
class Size:
    """Networks, the columns that they see, and numbers of rows and epochs to measure by."""

    name: str
    n_observed: int
    n_missing: int
    n_rows: int
    n_epochs: int
    params: dict[str, Any]

    def model(self, **params: Any) -> CMMDClassifier:
        """Return the estimator, by default on the CPU, with a fixed number of epochs."""
        fixed = {"early_stopping": False, "random_state": 0, "device": "cpu"}
        # What "auto" comes to for so few classes, for those who build the same networks themselves.
        fixed |= {"latent_dim": 20, "networks__classifier_hidden": (50,)}
        budget = {"max_epochs": self.n_epochs}
        model: CMMDClassifier = CMMDClassifier()
        return model.set_params(**fixed | budget | self.params | params)

    def draw(self, n_rows: int | None = None) -> Data:
        """Draw X, y and X_missing."""
        n, rng = n_rows or self.n_rows, np.random.default_rng(0)
        X, X_missing = (
            rng.standard_normal((n, width), dtype=np.float32)
            for width in (self.n_observed, self.n_missing)
        )
        return X, np.arange(n) % N_CLASSES, X_missing


SMALL = Size("2x128 on 76/240, batch 100", 76, 240, 2000, 8, {"batch_size": 100})
WIDE_PARAMS = {"batch_size": 256, "hidden_layer_sizes": (400,)}
WIDE = Size("1x400 on 784/784, batch 256", 784, 784, 2560, 4, WIDE_PARAMS)
PAPER_PARAMS = {
    "batch_size": 100,
    "latent_dim": 50,
    "hidden_layer_sizes": (2500,) * 3,
    "networks__decoder_hidden": (1024,) * 3,
    "networks__classifier_hidden": (50, 50),
}
PAPER = Size("3x2500, as the paper's MNIST, batch 100", 784, 784, 500, 2, PAPER_PARAMS)
TOY = Size("1x8 on 6/4, batch 10", 6, 4, 40, 3, {"batch_size": 10, "hidden_layer_sizes": (8,)})
SIZES = (SMALL, WIDE, PAPER)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loop_of(model: CMMDClassifier, data: Data) -> Loop:
    """Return the training of a fit, ready to run."""
    X, y, X_missing = data
    return prepare(model, X, y, X_missing)[0]


def ms_per_step(model: CMMDClassifier, data: Data, graphs: bool = True) -> float:
    """Train as `fit` does, and return milliseconds a step, from the epochs but the first.

    What happens between two epochs is left out. Without `graphs`, steps on a GPU are launched one
    by one.
    """
    loop = loop_of(model, data)
    if not graphs:
        loop.graphs = None

    def epoch() -> None:
        for _ in loop._training_steps():
            pass

    schedule = loop.plan.schedule
    with surroundings(loop.device, loop.module, schedule.batch_size):
        times = epoch_times(epoch, schedule.max_epochs, loop.device)
    return float(1000 * np.median(times) / len(loop.batches))


def epoch_times(epoch: Callable[[], None], n_epochs: int, device: torch.device) -> np.ndarray:
    """Return the seconds of all epochs but the first, in which things are prepared."""
    ends = []
    for _ in range(n_epochs):
        epoch()
        synchronize(device)
        ends.append(time.perf_counter())
    return np.diff(ends)
