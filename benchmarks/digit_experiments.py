"""What the experiments on digits share: data, the twin, scores, and the form of what they print."""

import argparse
import platform
import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
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


def mean_and_error(values: pd.Series) -> str:
    """Write a mean over the seeds with its standard error."""
    if len(values) < 2:
        return f"{values.mean():.3f}"
    return f"{values.mean():.3f} ± {values.sem():.3f}"


def summarise(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return means over the seeds of every other column."""
    measured = [column for column in rows if column not in (*by, "seed")]
    return rows.groupby(by, sort=False)[measured].agg(mean_and_error)


def circumstances() -> str:
    """Return device, versions and command of this run."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("sklearn-cmmd", "torch", "scikit-learn", "numpy")
    )
    return (
        f"{device or platform.machine()}, Python {platform.python_version()}, {versions}\n"
        f"command: python {shlex.join(Path(arg).name if '/' in arg else arg for arg in sys.argv)}"
    )


def publish(text: str, rows: pd.DataFrame, out: Path | None) -> None:
    """Print a report and, if asked to, keep it beside its rows."""
    report = f"{text}\n\n{circumstances()}\n"
    print(report)
    if out is not None:
        out.with_suffix(".txt").write_text(report, "utf-8")
        rows.to_csv(out.with_suffix(".csv"), index=False)


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options that every experiment has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", type=Path, required=True, help="folder of the npz files")
    made.add_argument("--size", choices=["small", "paper"], default="small")
    made.add_argument("--seeds", type=int, default=3, help="number of repetitions")
    made.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    return made
