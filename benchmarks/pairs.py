"""The pairs of observed and missing views that the benchmarks use.

The digits are embedded in the package. The other sets are read from a folder of ``.npz`` files
with the arrays ``view0``, ``view1``, … and ``y``; those that are absent are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


FILES = {
    # name: (file, observed, missing, groups)
    "scenes 0 → 1": ("scene15.npz", "view0", "view1", None),
    "land use 0 → 1": ("landuse21.npz", "view0", "view1", None),
    "fly genes 1 → 0": ("bdgp.npz", "view1", "view0", None),
    "wikipedia image → text": ("wikipedia_image_text.npz", "view0", "view1", None),
    "vowels sound → tongue": ("xrmb_jw12_vowels.npz", "acoustic", "articulatory", "recording"),
    "prokaryotes 1 → 0": ("prokaryotic.npz", "view1", "view0", None),
}


def pairs(folder: Path | None) -> Iterator[Pair]:
    """Yield the embedded pairs, then those whose file is in the folder."""
    for observed, missing in (("fourier", "pixels"), ("zernike", "profiles")):
        digits = load_multiple_features(observed=observed, missing=missing)
        name = f"digits {observed} → {missing}"
        yield Pair(name, digits.data, digits.data_missing, digits.target)
    for name, (file, observed, missing, groups) in FILES.items():
        if folder is None or not (folder / file).exists():
            continue
        with np.load(folder / file) as data:
            X, X_missing = data[observed].astype(float), data[missing].astype(float)
            yield Pair(name, X, X_missing, data["y"], data[groups] if groups else None)
