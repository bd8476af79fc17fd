"""The pairs of observed and missing views that the benchmarks use.

The digits are embedded in the package. The other sets are read from a folder of ``.npz`` files
with the arrays ``view0``, ``view1``, … and ``y``; those that are absent are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from sklearn_cmmd.datasets import load_multiple_features


@dataclass(frozen=True)
class Pair:
    """Two views of the same rows, their labels, and which rows must stay together."""

    name: str
    X: np.ndarray
    X_missing: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Pair":
        groups = None if self.groups is None else self.groups[rows]
        return Pair(self.name, self.X[rows], self.X_missing[rows], self.y[rows], groups)


class Source(NamedTuple):
    """Where the arrays of a pair are: a file, the names of three of them, and of the groups."""

    file: str
    observed: str
    missing: str
    groups: str | None = None
    y: str = "y"


# The pairs that choices of defaults may look at, beside the embedded ones.
DEVELOPMENT = {
    "scenes 0 → 1": Source("scene15.npz", "view0", "view1"),
    "land use 0 → 1": Source("landuse21.npz", "view0", "view1"),
    "fly genes 1 → 0": Source("bdgp.npz", "view1", "view0"),
    "wikipedia image → text": Source("wikipedia_image_text.npz", "view0", "view1"),
    "vowels sound → tongue": Source(
        "xrmb_jw12_vowels.npz", "acoustic", "articulatory", "recording"
    ),
    "prokaryotes 1 → 0": Source("prokaryotic.npz", "view1", "view0"),
}
# Those that the scripts of the defaults leave out.
HELD_BACK = {
    "actions inertia → skeleton": Source("utd_mhad.npz", "inertial64", "skeleton32", "subject"),
    "objects 0 → 1": Source("msrc_v1.npz", "view0", "view1"),
    "brain methylation → mRNA": Source("rosmap.npz", "view1", "view0"),
    "breast miRNA → mRNA": Source("breast_tcga.npz", "mirna_train", "mrna_train", None, "y_train"),
    "web links → words": Source("webkb_course.npz", "view1", "view0"),
}


def pairs(folder: Path | None, sources: dict[str, Source] = DEVELOPMENT) -> Iterator[Pair]:
    """Yield the embedded pairs, then those whose file is in the folder."""
    for observed, missing in (("fourier", "pixels"), ("zernike", "profiles")):
        digits = load_multiple_features(observed=observed, missing=missing)
        name = f"digits {observed} → {missing}"
        yield Pair(name, digits.data, digits.data_missing, digits.target)
    for name, source in sources.items():
        if folder is None or not (folder / source.file).exists():
            continue
        with np.load(folder / source.file) as data:
            X, X_missing = (_as_table(data[key]) for key in (source.observed, source.missing))
            groups = data[source.groups] if source.groups else None
            yield Pair(name, X, X_missing, data[source.y].astype(int), groups)


def _as_table(values: np.ndarray) -> np.ndarray:
    """One row of numbers for each row; joints of a body relative to the first of them."""
    values = values.astype(float)
    if values.ndim == 4:
        values = values[:, :, 1:] - values[:, :, :1]
    return values.reshape(len(values), -1)


def set_aside(pair: Pair) -> tuple[Pair, Pair]:
    """Split off a fifth of the rows, groups kept together: those that choose nothing."""
    cls = StratifiedShuffleSplit if pair.groups is None else GroupShuffleSplit
    splitter = cls(1, test_size=0.2, random_state=1)
    development, test = next(splitter.split(pair.X, pair.y, pair.groups))
    return pair.take(development), pair.take(test)


def keep_labels(y: np.ndarray, n_labels: int, seed: int) -> np.ndarray:
    """Keep so many labels of each class, drawn at random; −1 stands for the others."""
    order = np.random.default_rng(seed).permutation(len(y))
    some = np.full(len(y), -1)
    for code in np.unique(y):
        some[order[y[order] == code][:n_labels]] = code
    return some
