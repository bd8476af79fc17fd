"""What the experiments on digits share: data, the twin, and the options."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import fetch_mnist, fetch_svhn

MNIST_FILE, SVHN_FILE = "mnist.npz", "svhn_test10k.npz"
SVHN_NOTE = (
    "SVHN: 10,000 images are at hand, of which the first 8,000 (a contiguous block: neighbouring "
    "rows are crops of one house number) are for training and the last 2,000 for the test. The "
    "paper trains on 73,257, so that columns with S are not comparable with it."
)


@dataclass(frozen=True)
class Digits:
    """The source images, training and test rows apart."""

    mnist: Bunch
    svhn: Bunch

    def sources(self, part: str) -> tuple[np.ndarray, ...]:
        """Return images and labels of both, of "train" or "test"."""
        return tuple(
            source[f"{kind}_{part}"]
            for source in (self.mnist, self.svhn)
            for kind in ("images", "target")
        )


def read_digits(folder: Path, held_out: bool = False) -> Digits:
    """Read the two files of a folder; to choose by, a part of the training rows in two."""
    sources = fetch_mnist(path=folder / MNIST_FILE), fetch_svhn(path=folder / SVHN_FILE)
    return Digits(*(map(_training_rows, sources) if held_out else sources))


def _training_rows(source: Bunch) -> Bunch:
    """Return the last fifth of the training rows in the place of the test rows."""
    n = len(source.target_train) * 4 // 5
    return Bunch(
        images_train=source.images_train[:n],
        target_train=source.target_train[:n],
        images_test=source.images_train[n:],
        target_test=source.target_train[n:],
    )


def shuffled(bunch: Bunch, n_rows: int | None, seed: int) -> np.ndarray:
    """Return row numbers in random order, all or so many of them."""
    return np.random.default_rng(seed).permutation(len(bunch.target))[:n_rows]


def take(bunch: Bunch, names: list[str] | tuple[str, ...], rows: np.ndarray) -> dict:
    """Return some rows of some views."""
    return {name: bunch.views[name][rows] for name in names}


def twin_of(model: CMMDClassifier) -> CMMDClassifier:
    """Return the same prior and classifier, of the same size and budget, trained on x_O alone."""
    return clone(model).set_params(missing=None, omega=0, lam=0, encoder_hidden=())


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options that every experiment has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", type=Path, required=True, help="folder of the npz files")
    made.add_argument("--size", choices=["small", "paper"], default="small")
    made.add_argument("--seeds", type=int, default=3, help="number of repetitions")
    made.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    return made
