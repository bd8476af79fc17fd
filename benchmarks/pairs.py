"""The pairs of observed and missing views that the benchmarks use.

The digits of `load_multiple_features` are embedded in the package. The other sets are read from a
folder of ``.npz`` files; those that are absent are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from sklearn_cmmd.datasets import load_multiple_features, make_two_view_mnist


@dataclass(frozen=True)
class Pair:
    """Two views of the same rows, their labels, and which rows must stay together.

    `is_train` says which rows a published split trains on, None if there is none.
    """

    name: str
    X: np.ndarray
    X_missing: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    is_train: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Pair":
        groups = None if self.groups is None else self.groups[rows]
        return Pair(self.name, self.X[rows], self.X_missing[rows], self.y[rows], groups)


class Source(Protocol):
    """Where the arrays of a pair come from."""

    def read(self, name: str, folder: Path) -> Pair:
        """Read them; a FileNotFoundError if the folder lacks them."""


@dataclass(frozen=True)
class Digits:
    """Two of the six feature sets that are embedded."""

    observed: str
    missing: str

    def read(self, name: str, folder: Path) -> Pair:
        digits = load_multiple_features(observed=self.observed, missing=self.missing)
        return Pair(name, digits.data, digits.data_missing, digits.target)


@dataclass(frozen=True)
class Views:
    """Arrays of one file: the names of the two views, of the labels, of what groups the rows."""

    file: str
    observed: str
    missing: str
    groups: str | None = None
    y: str = "y"
    is_train: str | None = None

    def read(self, name: str, folder: Path) -> Pair:
        with np.load(folder / self.file) as data:
            X, X_missing = (_as_table(data[key]) for key in (self.observed, self.missing))
            groups, is_train = (data[key] if key else None for key in (self.groups, self.is_train))
            return Pair(name, X, X_missing, data[self.y].astype(int), groups, is_train)


@dataclass(frozen=True)
class Tumours:
    """Arrays of the breast cancer file, which has training and test rows apart."""

    observed: str
    missing: str

    def read(self, name: str, folder: Path) -> Pair:
        with np.load(folder / "breast_tcga.npz") as data:
            X, X_missing, y = (
                np.concatenate([data[f"{key}_train"], data[f"{key}_test"]])
                for key in (self.observed, self.missing, "y")
            )
            is_train = np.arange(len(y)) < len(data["y_train"])
        return Pair(name, X, X_missing, y.astype(int), None, is_train)


@dataclass(frozen=True)
class Spoken:
    """Log-mel spectrograms of spoken digits, each with a written one of its class."""

    def read(self, name: str, folder: Path) -> Pair:
        with np.load(folder / "fsdd.npz") as data:
            sound, y, is_train = data["logmel40x40"].astype(float), data["y"], data["is_train"]
        return _with_written(name, _pooled(sound, 2), y.astype(int), is_train.astype(bool), folder)


@dataclass(frozen=True)
class HouseNumbers:
    """Grey photographs of house numbers, each with a written digit of its class.

    Neighbouring rows are of one house, so that blocks of rows are training and test rows.
    """

    n_train: int = 4000
    n_test: int = 2000

    def read(self, name: str, folder: Path) -> Pair:
        with np.load(folder / "svhn_test10k.npz") as data:
            rows = np.r_[: self.n_train, len(data["y"]) - self.n_test : len(data["y"])]
            grey, y = data["X"][rows].mean(axis=-1), data["y"][rows].astype(int)
        is_train = np.arange(len(y)) < self.n_train
        return _with_written(name, _pooled(grey, 2), y, is_train, folder)


@dataclass(frozen=True)
class TwoViews:
    """Rotated digits and others of their class under noise, as in table 2 of the paper."""

    n_train: int = 4000
    n_test: int = 2000

    def read(self, name: str, folder: Path) -> Pair:
        parts = []
        for seed, part, n_rows in ((0, "train", self.n_train), (1, "test", self.n_test)):
            images, y = _written(folder, part)
            chosen = np.random.default_rng(seed).permutation(len(y))[:n_rows]
            made = make_two_view_mnist(images[chosen], y[chosen], random_state=seed)
            views = (_pooled(made.views[key], 2) for key in ("rotated", "noisy"))
            parts.append((*views, made.target))
        X, X_missing, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return Pair(name, X, X_missing, y, None, np.arange(len(y)) < self.n_train)


# The pairs that choices of defaults may look at.
DEVELOPMENT: dict[str, Source] = {
    "digits fourier → pixels": Digits("fourier", "pixels"),
    "digits zernike → profiles": Digits("zernike", "profiles"),
    "scenes 0 → 1": Views("scene15.npz", "view0", "view1"),
    "land use 0 → 1": Views("landuse21.npz", "view0", "view1"),
    "fly genes 1 → 0": Views("bdgp.npz", "view1", "view0"),
    "wikipedia image → text": Views("wikipedia_image_text.npz", "view0", "view1"),
    "vowels sound → tongue": Views("xrmb_jw12_vowels.npz", "acoustic", "articulatory", "recording"),
    "prokaryotes 1 → 0": Views("prokaryotic.npz", "view1", "view0"),
}
# Those that check them.
HELD_BACK: dict[str, Source] = {
    "actions inertia → skeleton": Views(
        "utd_mhad.npz", "inertial64", "skeleton32", "subject", is_train="is_train"
    ),
    "objects 0 → 1": Views("msrc_v1.npz", "view0", "view1"),
    "brain methylation → mRNA": Views("rosmap.npz", "view1", "view0", is_train="is_train"),
    "breast miRNA → mRNA": Tumours("mirna", "mrna"),
    "web links → words": Views("webkb_course.npz", "view1", "view0"),
    "spoken → written digits": Spoken(),
    "house numbers → written digits": HouseNumbers(),
    "rotated → noisy digits": TwoViews(),
}


def pairs(folder: Path | None, sources: dict[str, Source] = DEVELOPMENT) -> Iterator[Pair]:
    """Yield the embedded pairs, and those whose file is in the folder."""
    for name, source in sources.items():
        if not isinstance(source, Digits) and folder is None:
            continue
        try:
            yield source.read(name, folder or Path())
        except FileNotFoundError as error:
            print(f"left out: {name} ({error.filename} is absent)")


def _as_table(values: np.ndarray) -> np.ndarray:
    """One row of numbers for each row; joints of a body relative to the first of them."""
    values = values.astype(float)
    if values.ndim == 4:
        values = values[:, :, 1:] - values[:, :, :1]
    return values.reshape(len(values), -1)


def _pooled(images: np.ndarray, size: int) -> np.ndarray:
    """Average squares of pixels, and lay the images out as rows."""
    n, height, width = images.shape
    squares = images.reshape(n, height // size, size, width // size, size)
    return squares.mean(axis=(2, 4), dtype=float).reshape(n, -1)


def _written(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "mnist.npz") as data:
        return data[f"X_{part}"], data[f"y_{part}"].astype(int)


def _with_written(
    name: str, X: np.ndarray, y: np.ndarray, is_train: np.ndarray, folder: Path
) -> Pair:
    """Pair rows with written digits of their class, training and test rows apart."""
    X_missing = np.empty((len(y), 14 * 14))
    for part, rows in (("train", is_train), ("test", ~is_train)):
        images, labels = _written(folder, part)
        random = np.random.default_rng(0)
        for digit in np.unique(y):
            places = np.flatnonzero(rows & (y == digit))
            chosen = random.choice(np.flatnonzero(labels == digit), len(places), replace=False)
            X_missing[places] = _pooled(images[chosen], 2)
    return Pair(name, X, X_missing, y, None, is_train)


def set_aside(pair: Pair, n_split: int = 0) -> tuple[Pair, Pair]:
    """Split off the test rows: a fifth, groups kept together.

    Those of the first split choose nothing. Later splits of a pair in `DEVELOPMENT` have test rows
    on which defaults were chosen.
    """
    cls = StratifiedShuffleSplit if pair.groups is None else GroupShuffleSplit
    splitter = cls(n_split + 1, test_size=0.2, random_state=1)
    development, test = list(splitter.split(pair.X, pair.y, pair.groups))[-1]
    return pair.take(development), pair.take(test)


def published_or_set_aside(pair: Pair, n_split: int = 0) -> tuple[Pair, Pair]:
    """Return training and test rows, of the published split if there is one."""
    if pair.is_train is None:
        return set_aside(pair, n_split)
    return pair.take(np.flatnonzero(pair.is_train)), pair.take(np.flatnonzero(~pair.is_train))


def keep_labels(y: np.ndarray, n_labels: int, seed: int) -> np.ndarray:
    """Keep so many labels of each class, drawn at random; −1 stands for the others."""
    order = np.random.default_rng(seed).permutation(len(y))
    some = np.full(len(y), -1)
    for code in np.unique(y):
        some[order[y[order] == code][:n_labels]] = code
    return some
