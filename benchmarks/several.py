"""Sets of three views and more, of which some are hidden, and the subsets that are shown at test.

The views of a set lie side by side in one table. The digits are embedded; the other sets are read
from a folder of ``.npz`` files, as those of ``pairs.py``.
"""

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import Pair, Source, as_table, pooled
from benchmarks.tasks import SHORT, Task
from sklearn_cmmd.datasets import ampute, load_multiple_features

Subset = tuple[str, ...]
Spans = dict[str, slice]
MOST_SUBSETS, QUICK_SUBSETS = 15, 3


@dataclass(frozen=True)
class Several(Pair):
    """Rows of several views in the columns of X; `spans` says which columns are whose."""

    spans: Spans = field(default_factory=dict)


def side_by_side(
    views: dict[str, np.ndarray], y: np.ndarray, groups: Any = None, is_train: Any = None
) -> tuple[Any, ...]:
    """Return the columns of a `Several`, in their order."""
    tables = {name: as_table(view) for name, view in views.items()}
    ends = np.cumsum([table.shape[1] for table in tables.values()]).tolist()
    spans = dict(zip(tables, map(slice, [0, *ends], ends), strict=False))
    X = np.hstack(list(tables.values()))
    return X, X[:, :0], y.astype(int), groups, is_train, spans


def digits(folder: Path) -> tuple[Any, ...]:
    """Four of the six views that are embedded, which determine each other less than the others."""
    bunch = load_multiple_features()
    names = "fourier", "karhunen_loeve", "zernike", "morphological"
    return side_by_side({name: bunch.views[name] for name in names}, bunch.target)


def stored(file: str, n_views: int, is_train: str = "") -> Source:
    """Arrays of one file, ``view0``, ``view1`` and so on, the labels under ``y``."""

    def read(folder: Path) -> tuple[Any, ...]:
        with np.load(folder / file) as data:
            views = {f"view{i}": data[f"view{i}"] for i in range(n_views)}
            return side_by_side(views, data["y"], None, data[is_train] if is_train else None)

    return read


def tumours(folder: Path) -> tuple[Any, ...]:
    """Messenger RNA, microRNA and proteins of those tumours of which all three were measured."""
    with np.load(folder / "breast_tcga.npz") as data:
        views = {name: data[f"{name}_train"] for name in ("mrna", "mirna", "protein")}
        return side_by_side(views, data["y_train"])


def actions(folder: Path) -> tuple[Any, ...]:
    """Sensors worn, joints and depth of persons, of whom half train."""
    with np.load(folder / "utd_mhad.npz") as data:
        views = {"inertia": data["inertial64"], "skeleton": data["skeleton32"]}
        views["depth"] = pooled(data["depth_motion_map"])
        return side_by_side(views, data["y"], data["subject"], data["is_train"])


SETS: dict[str, Source] = {
    "digits, four views": digits,
    "objects": stored("msrc_v1.npz", 5),
    "scenes": stored("scene15.npz", 3),
    "land use": stored("landuse21.npz", 3),
    "leaves": stored("leaves100.npz", 3),
    "prokaryotes": stored("prokaryotic.npz", 3),
    "brain": stored("rosmap.npz", 3, "is_train"),
    "breast": tumours,
    "actions": actions,
}


def subsets_of(names: list[str], most: int) -> list[Subset]:
    """Return every subset of the views that is not empty, or so many of them, always the same."""
    every = [some for size in range(len(names)) for some in combinations(names, size + 1)]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[i] for i in sorted(order[:most])]


@dataclass
class SeveralTask(Task):
    """A task whose training rows lack views, NaN in X, and whose test rows are shown in subsets.

    `X_test` has every view, of which `shown` leaves a subset.
    """

    spans: Spans = field(default_factory=dict)
    subsets: list[Subset] = field(default_factory=list)

    @property
    def classes(self) -> np.ndarray:
        """The labels of the training rows."""
        return np.unique(self.y)

    def has(self, subset: Subset) -> np.ndarray:
        """Which columns belong to a subset."""
        found = np.zeros(self.X.shape[1], bool)
        for name in subset:
            found[self.spans[name]] = True
        return found

    def shown(self, subset: Subset) -> np.ndarray:
        """Return the test rows with NaN where a view is not of the subset."""
        return np.where(self.has(subset), self.X_test, np.nan)

    def rows_with(self, subset: Subset) -> np.ndarray:
        """Which training rows have every view of a subset."""
        return ~np.isnan(self.X[:, self.has(subset)]).any(axis=1)

    def of_subset(self, subset: Subset) -> Task:
        """Return the task of x_O, the subset, alone: rows that have it, and the rest as x_M."""
        has, rows = self.has(subset), self.rows_with(subset)
        X, X_missing = self.X[rows][:, has], self.X[rows][:, ~has]
        tests = self.X_test[:, has], self.X_test[:, ~has]
        y = self.y[rows]
        return Task(X, X_missing, y, None, X_missing, *tests, self.y_test, self.seed, self.shorten)


def make_several(
    parts: tuple[Several, Several], seed: int, share: float, *, quick: bool = False
) -> SeveralTask:
    """Hide views of the training rows."""
    train, test = parts
    X = ampute(train.X, share, modalities=train.spans, random_state=seed) if share else train.X
    return SeveralTask(
        X=X,
        X_missing=X[:, :0],
        y=train.y,
        groups=train.groups,
        whole_missing=X[:, :0],
        X_test=test.X,
        X_test_missing=test.X[:, :0],
        y_test=test.y,
        seed=seed,
        shorten=SHORT if quick else {},
        spans=train.spans,
        subsets=subsets_of(list(train.spans), QUICK_SUBSETS if quick else MOST_SUBSETS),
    )
