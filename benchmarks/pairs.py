"""The pairs of observed and missing views that the benchmarks use.

The digits of `load_multiple_features` are embedded in the package. The other sets are read from a
folder of ``.npz`` files; those that are absent are left out.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine

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

    def take(self, rows: np.ndarray) -> Self:
        """Return some of the rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        some = {name: value[rows] for name, value in columns.items() if hasattr(value, "dtype")}
        return replace(self, **some)


# Read the columns of a pair, in their order, from the folder.
Source = Callable[[Path], tuple[Any, ...]]
# House numbers and turned digits are cut to so many training and test rows.
N_TRAIN, N_TEST = 4000, 2000


def digits(observed: str, missing: str) -> Source:
    """Two of the six feature sets that are embedded."""

    def read(folder: Path) -> tuple[np.ndarray, ...]:
        bunch = load_multiple_features(observed=observed, missing=missing)
        return bunch.data, bunch.data_missing, bunch.target

    return read


def views(file: str, observed: str, missing: str, groups: str = "", is_train: str = "") -> Source:
    """Arrays of one file by name, the labels under ``y``."""

    def read(folder: Path) -> tuple[np.ndarray | None, ...]:
        with np.load(folder / file) as data:
            X, X_missing = (as_table(data[key]) for key in (observed, missing))
            more = [data[key] if key else None for key in (groups, is_train)]
            return X, X_missing, data["y"].astype(int), *more

    return read


def reversed_(source: Source) -> Source:
    """The same pair in the other direction."""

    def read(folder: Path) -> tuple[np.ndarray | None, ...]:
        X, X_missing, *rest = source(folder)
        return X_missing, X, *rest

    return read


def tumours(folder: Path) -> tuple[np.ndarray | None, ...]:
    """MicroRNA and messenger RNA of breast tumours, training and test rows apart."""
    with np.load(folder / "breast_tcga.npz") as data:
        parts = [
            [data[f"{key}_{part}"] for part in ("train", "test")] for key in ("mirna", "mrna", "y")
        ]
    X, X_missing, y = (np.concatenate(part) for part in parts)
    return X, X_missing, y.astype(int), None, np.arange(len(y)) < len(parts[-1][0])


def spoken(folder: Path) -> tuple[np.ndarray | None, ...]:
    """Log-mel spectrograms of spoken digits, each with a written one of its class."""
    with np.load(folder / "fsdd.npz") as data:
        sound, y, is_train = data["logmel40x40"].astype(float), data["y"], data["is_train"]
    return _with_written(pooled(sound), y.astype(int), is_train.astype(bool), folder)


def spoken_by_whom(folder: Path) -> tuple[np.ndarray | None, ...]:
    """Spoken digits as before, where each speaker's digit is a class of its own: sixty in all."""
    X, X_missing, y, _, is_train = spoken(folder)
    with np.load(folder / "fsdd.npz") as data:
        speaker = data["speaker"].astype(int)
    return X, X_missing, 10 * speaker + y, None, is_train


def cancer(folder: Path) -> tuple[np.ndarray, ...]:
    """Means of ten measures of cell nuclei, with their errors and worst values."""
    X, y = load_breast_cancer(return_X_y=True)
    return X[:, :10], X[:, 10:], y


def wine(folder: Path) -> tuple[np.ndarray, ...]:
    """Alcohol, acids, ash and colour of wines, with their phenols, flavour and proline."""
    X, y = load_wine(return_X_y=True)
    cheap = np.isin(np.arange(X.shape[1]), [0, 1, 2, 3, 9, 10])
    return X[:, cheap], X[:, ~cheap], y


def house_numbers(folder: Path) -> tuple[np.ndarray | None, ...]:
    """Grey photographs of house numbers, each with a written digit of its class.

    Neighbouring rows are of one house, so that blocks of rows are training and test rows.
    """
    with np.load(folder / "svhn_test10k.npz") as data:
        rows = np.r_[:N_TRAIN, len(data["y"]) - N_TEST : len(data["y"])]
        grey, y = data["X"][rows].mean(axis=-1), data["y"][rows].astype(int)
    return _with_written(pooled(grey), y, np.arange(len(y)) < N_TRAIN, folder)


def two_views(folder: Path) -> tuple[np.ndarray | None, ...]:
    """Rotated digits and others of their class under noise, as in table 2 of the paper."""
    parts = []
    for seed, part, n_rows in ((0, "train", N_TRAIN), (1, "test", N_TEST)):
        images, y = _written(folder, part)
        rows = np.random.default_rng(seed).permutation(len(y))[:n_rows]
        made = make_two_view_mnist(images[rows], y[rows], random_state=seed)
        parts.append((*(pooled(made.views[key]) for key in ("rotated", "noisy")), made.target))
    X, X_missing, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return X, X_missing, y, None, np.arange(len(y)) < N_TRAIN


def as_table(values: np.ndarray) -> np.ndarray:
    """One row of numbers for each row; joints of a body relative to the first of them."""
    values = values.astype(float)
    if values.ndim == 4:
        values = values[:, :, 1:] - values[:, :, :1]
    return values.reshape(len(values), -1)


def pooled(images: np.ndarray) -> np.ndarray:
    """Average squares of two by two pixels, and lay the images out as rows."""
    n, height, width = images.shape
    squares = images.reshape(n, height // 2, 2, width // 2, 2)
    return squares.mean(axis=(2, 4), dtype=float).reshape(n, -1)


def _written(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "mnist.npz") as data:
        return data[f"X_{part}"], data[f"y_{part}"].astype(int)


def _with_written(
    X: np.ndarray, y: np.ndarray, is_train: np.ndarray, folder: Path
) -> tuple[np.ndarray | None, ...]:
    """Pair rows with written digits of their class, training and test rows apart."""
    X_missing = np.empty((len(y), 14 * 14))
    for part, rows in (("train", is_train), ("test", ~is_train)):
        images, labels = _written(folder, part)
        random = np.random.default_rng(0)
        for digit in np.unique(y):
            places = np.flatnonzero(rows & (y == digit))
            chosen = random.choice(np.flatnonzero(labels == digit), len(places), replace=False)
            X_missing[places] = pooled(images[chosen])
    return X, X_missing, y, None, is_train


# The pairs that choices of defaults may look at.
DEVELOPMENT: dict[str, Source] = {
    "digits fourier → pixels": digits("fourier", "pixels"),
    "digits zernike → profiles": digits("zernike", "profiles"),
    "scenes 0 → 1": views("scene15.npz", "view0", "view1"),
    "land use 0 → 1": views("landuse21.npz", "view0", "view1"),
    "fly genes 1 → 0": views("bdgp.npz", "view1", "view0"),
    "wikipedia image → text": views("wikipedia_image_text.npz", "view0", "view1"),
    "vowels sound → tongue": views("xrmb_jw12_vowels.npz", "acoustic", "articulatory", "recording"),
    "prokaryotes 1 → 0": views("prokaryotic.npz", "view1", "view0"),
}
ACTIONS = "inertial64", "skeleton32", "subject", "is_train"
# Those that check them.
HELD_BACK: dict[str, Source] = {
    "actions inertia → skeleton": views("utd_mhad.npz", *ACTIONS),
    "objects 0 → 1": views("msrc_v1.npz", "view0", "view1"),
    "brain methylation → mRNA": views("rosmap.npz", "view1", "view0", is_train="is_train"),
    "breast miRNA → mRNA": tumours,
    "web links → words": views("webkb_course.npz", "view1", "view0"),
    "spoken → written digits": spoken,
    "house numbers → written digits": house_numbers,
    "rotated → noisy digits": two_views,
}
# Words and counts, many classes, and few columns, in further directions and sets.
MORE: dict[str, Source] = {
    "sport words 0 → 1": views("bbcsport.npz", "view0", "view1"),
    "web words → links": views("webkb_course.npz", "view0", "view1"),
    "prokaryotes 0 → 2": views("prokaryotic.npz", "view0", "view2"),
    "fly genes 0 → 1": views("bdgp.npz", "view0", "view1"),
    "wikipedia text → image": views("wikipedia_image_text.npz", "view1", "view0"),
    "leaves shape → margin": views("leaves100.npz", "view0", "view1"),
    "leaves texture → margin": views("leaves100.npz", "view2", "view1"),
    "spoken digits by speaker": spoken_by_whom,
    "cancer means → rest": cancer,
    "wine cheap → rest": wine,
}
# Those that determine each other nearly linearly.
LINEAR: dict[str, Source] = {
    "digits pixels → karhunen-loève": digits("pixels", "karhunen_loeve"),
    "digits karhunen-loève → pixels": digits("karhunen_loeve", "pixels"),
    "digits profiles → karhunen-loève": digits("profiles", "karhunen_loeve"),
}
# How the names of pairs begin whose x_O is of a kind; all others are images and signals.
KINDS = {
    "few columns": ("vowels", "cancer", "wine", "wikipedia text", "prokaryotes 1"),
    "words and counts": ("sport", "web", "fly", "prokaryotes 0"),
    "many classes": ("leaves", "spoken digits by"),
    "omics": ("brain", "breast"),
}
EMBEDDED = "digits", "diabetes", "cancer", "wine"  # how the names of pairs begin that need no file
# A quick run has these, and of them so many rows.
QUICK = "digits fourier → pixels", "brain methylation → mRNA", "digits, four views", "diabetes"
QUICK_ROWS = 300
Kind = TypeVar("Kind", bound=Pair)


def kind_of(name: str) -> str:
    """Return the kind of a pair's x_O."""
    found = [kind for kind, beginnings in KINDS.items() if name.startswith(beginnings)]
    return found[0] if found else "images and signals"


def chosen(args: Namespace, sources: dict[str, Source], kind: type[Kind] = Pair) -> Iterator[Kind]:
    """Yield the pairs that the command line asks for."""
    names = [name for name in sources if any(word in name for word in args.only or [""])]
    if args.quick:
        names = [name for name in names if name in QUICK]
    for pair in read(args.data, {name: sources[name] for name in names}, kind):
        n_rows = QUICK_ROWS if args.quick else None
        order = np.random.default_rng(0).permutation(len(pair.y))
        yield pair.take(np.sort(order[:n_rows]))


def read(
    folder: Path | None, sources: dict[str, Source], kind: type[Kind] = Pair
) -> Iterator[Kind]:
    """Yield the embedded pairs, and those whose file is in the folder."""
    for name, source in sources.items():
        if folder is None and not name.startswith(EMBEDDED):
            continue
        try:
            yield kind(name, *source(folder or Path()))
        except FileNotFoundError as error:
            print(f"left out: {name} ({error.filename} is absent)")
