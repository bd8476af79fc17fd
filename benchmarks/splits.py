"""Which rows train, which are held out, and what of the training rows is shown."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from benchmarks.pairs import Pair

ALL = 0
Parts = tuple[Pair, Pair]
Folds = list[tuple[np.ndarray, np.ndarray]]


def _split(pair: Pair, number: int, share: float, seed: int) -> Parts:
    """Return both parts of one of several random splits, groups kept together."""
    cls = StratifiedShuffleSplit if pair.y.dtype.kind in "iu" else ShuffleSplit
    cls = cls if pair.groups is None else GroupShuffleSplit
    splitter = cls(number + 1, test_size=share, random_state=seed)
    *_, (first, second) = splitter.split(pair.X, pair.y, pair.groups)
    return pair.take(first), pair.take(second)


def set_aside(pair: Pair, number: int = 0) -> Parts:
    """Split off test rows, a fifth.

    Those of the first split choose nothing. Later splits of a pair in `DEVELOPMENT` have test rows
    on which defaults were chosen.
    """
    return _split(pair, number, share=0.2, seed=1)


def published_or_set_aside(pair: Pair, number: int = 0) -> Parts:
    """Return training and test rows, of the published split if there is one."""
    if pair.is_train is None:
        return set_aside(pair, number)
    return pair.take(np.flatnonzero(pair.is_train)), pair.take(np.flatnonzero(~pair.is_train))


def held_out(pair: Pair, number: int = 0) -> Parts:
    """Split training rows to choose by: a quarter of them is held out."""
    return _split(pair, number, share=0.25, seed=0)


def folds(y: np.ndarray, groups: np.ndarray | None, n_folds: int, seed: int) -> Folds:
    """Return training and validation rows of a search, groups kept together."""
    cls = StratifiedKFold if groups is None else StratifiedGroupKFold
    return list(cls(n_folds, shuffle=True, random_state=seed).split(y, y, groups))


class Shown(NamedTuple):
    """How many labels a class and how many rows without a label there are, or ALL.

    `lacking` is the share of the rows that lack x_M.
    """

    labels: int = ALL
    lacking: float = 0.0
    unlabelled: int = ALL


def keep_labels(y: np.ndarray, n_labels: int, seed: int) -> np.ndarray:
    """Keep so many labels of each class, drawn at random; −1 stands for the others."""
    order = np.random.default_rng(seed).permutation(len(y))
    some = np.full(len(y), -1)
    for code in np.unique(y):
        some[order[y[order] == code][:n_labels]] = code
    return some


def hide(y: np.ndarray, shown: Shown, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of the rows to keep, and of these the labels and which lack x_M.

    Labels, gaps and rows are drawn by streams of their own, lest the labelled rows have the gaps.
    """
    n_rows, some = len(y), y
    if shown.labels != ALL:
        some = keep_labels(y, shown.labels, seed)
    gaps = np.zeros(n_rows, bool)
    order = np.random.default_rng([seed, 1]).permutation(n_rows)
    gaps[order[: round(shown.lacking * n_rows)]] = True
    rows = np.arange(n_rows)
    if shown.unlabelled != ALL:
        order = np.random.default_rng([seed, 2]).permutation(n_rows)
        unlabelled = order[some[order] < 0][: shown.unlabelled]
        rows = np.sort(np.append(np.flatnonzero(some >= 0), unlabelled))
    return rows, some[rows], gaps[rows]
