"""Plain classifiers of both views, which advise the encoder while it teaches, and how far it may.

An encoder of few labels may confirm its own mistakes. A linear classifier makes others, so that
both together are seldom far off. Whether x_M tells of the labels what x_O does not, the labelled
rows say, by predictions of rows left out. Where it does not, the encoder has nothing to teach, and
a classifier of x_O alone takes its place.
"""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from torch import Tensor

from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.paired import PairedRows

SEMI_SUPERVISED = (SelfTrainingClassifier, LabelSpreading, LabelPropagation)
PENALTIES = {"C": (1.0, 10.0, 100.0)}
SCORING = "neg_log_loss"
FOLDS = 5
# The share is whole where x_M takes this part, or more, off the log-loss that x_O alone has.
WHOLE_GAIN = 0.1
CHUNK_ROWS = 1000
# Unlabelled rows from which a classifier learns have at most so many values.
MOST_VALUES = 20_000_000


class Advice(NamedTuple):
    """What classifiers say of the rows, and how far the encoder is to be believed beside them."""

    probabilities: Tensor  # (rows of the tables, classes)
    share: float  # in [0, 1]


class _Rows(NamedTuple):
    """Rows as classifiers see them; `y` has −1 where there is no label."""

    X: np.ndarray
    y: np.ndarray

    @property
    def known(self) -> "_Rows":
        return _Rows(self.X[self.y >= 0], self.y[self.y >= 0])

    def folds(self, n_classes: int) -> list[Any] | None:
        """Divide the rows with a label; None unless there are two of each class."""
        counts = np.bincount(self.known.y, minlength=n_classes)
        if counts.min() < 2:
            return None
        splitter = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=0)
        return list(splitter.split(*self.known))


def advise(rows: PairedRows, teacher: Any, n_classes: int) -> Advice | None:
    """Ask classifiers of both views, as far as these tell more, and else one of x_O alone.

    `teacher`, of both views, is "auto", a classifier, or a list of them, whose probabilities are
    averaged. Without two rows of each class that have a label nobody can be asked.
    """
    x, both, has_pair = _views(rows)
    alone = _Rows(x, _labels(rows))
    folds = alone.folds(n_classes)
    if folds is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "y contains no unlabeled samples")
        found, share = _said(_automatic(alone, folds), alone, folds), 0.0
        pairs, of_pairs = _Rows(both[has_pair], alone.y[has_pair]), found[has_pair]
        folds = pairs.folds(n_classes)
        if folds is not None:
            classifiers = teacher if isinstance(teacher, list | tuple) else [teacher]
            if isinstance(teacher, str):
                classifiers = _automatic(pairs, folds)
            said = _said(classifiers, pairs, folds)
            by_x = of_pairs[pairs.y >= 0]
            if len(of_pairs) < len(found):  # by labels of the same rows
                some = _Rows(x[has_pair], pairs.y)
                by_x = _left_out(_automatic(some, folds), some, folds)
            share = _share(pairs.known.y, by_x, said[pairs.y >= 0])
            found[has_pair] = share * said + (1 - share) * of_pairs
    shape = len(rows.observed), n_classes
    table = torch.full(shape, torch.nan, dtype=torch.float32, device="cpu")
    table[rows.index] = torch.from_numpy(found).float()
    return Advice(table.to(rows.device), share)


def _share(y: np.ndarray, by_x: np.ndarray, by_both: np.ndarray) -> float:
    """Return how far log-loss falls from x_O alone to both views, 1 where that is far enough."""
    before, after = log_loss(y, by_x), log_loss(y, by_both)
    gain = (before - after) / max(before, np.finfo(float).tiny)
    return float(np.clip(gain / WHOLE_GAIN, 0, 1))


def _views(rows: PairedRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x_O, both views, which weigh alike however many columns they have, and who has x_M."""
    x, both, has = [], [], []
    for batch in Batches(rows, CHUNK_ROWS):
        assert batch.missing is not None
        sides = batch.observed.values, batch.missing.values
        scaled = [(side / side.shape[1] ** 0.5).numpy(force=True) for side in sides]
        mask = batch.missing.mask
        has.append(np.ones(len(scaled[0]), bool) if mask is None else _any(mask))
        x.append(scaled[0])
        both.append(np.hstack(scaled))
    return np.concatenate(x), np.concatenate(both), np.concatenate(has)


def _labels(rows: PairedRows) -> np.ndarray:
    """Return the codes of the classes, −1 for none."""
    labelled, _ = rows.positions_by_label
    y, codes = np.full(len(rows), -1), rows.codes()
    assert codes is not None
    y[labelled] = codes[labelled]
    return y


def _any(mask: Tensor) -> np.ndarray:
    has: np.ndarray = (mask > 0).any(dim=1).numpy(force=True)
    return has


def _searched(rows: _Rows, folds: list[Any]) -> GridSearchCV:
    """Fit logistic regression, its penalty by the log-loss of rows left out."""
    search = GridSearchCV(LogisticRegression(max_iter=300), PENALTIES, scoring=SCORING, cv=folds)
    return search.fit(*rows.known)


def _automatic(rows: _Rows, folds: list[Any]) -> list[Any]:
    """Return two classifiers that seldom make the same mistakes."""
    return [_searched(rows, folds).best_estimator_, ExtraTreesClassifier(random_state=0)]


def _said(classifiers: Sequence[Any], rows: _Rows, folds: list[Any]) -> np.ndarray:
    """Return the mean of what classifiers say of each row; if labelled, by a fit without it."""
    most = max(1, MOST_VALUES // rows.X.shape[1])
    known, unknown = rows.y >= 0, np.flatnonzero(rows.y < 0)
    some = known.copy()
    some[unknown[:: max(1, -(-len(unknown) // most))]] = True
    parts = []
    for each in classifiers:
        learned = some if isinstance(each, SEMI_SUPERVISED) else known
        parts.append(clone(each).fit(rows.X[learned], rows.y[learned]).predict_proba(rows.X))
    mean = _mean(parts)
    mean[known] = _left_out(classifiers, rows, folds)
    return mean


def _left_out(classifiers: Sequence[Any], rows: _Rows, folds: list[Any]) -> np.ndarray:
    """Return the mean of what classifiers say of rows with a label that they did not see."""
    ask = partial(cross_val_predict, cv=folds, method="predict_proba")
    return _mean([ask(each, *rows.known) for each in classifiers])


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    # Label spreading knows nothing of rows that no label reaches.
    known = [np.nan_to_num(part, nan=1 / part.shape[1]) for part in parts]
    mean: np.ndarray = np.mean(known, axis=0, dtype=float)
    return mean / mean.sum(axis=1, keepdims=True)


def entropy_of_classes(rows: PairedRows) -> float:
    """Return the entropy of the labels, or of what classifiers say of the others, if that is less.

    It is zero if y is not one class a row.
    """
    codes = rows.codes()
    if codes is None or codes.dtype.kind != "i":
        return 0.0
    labelled, unlabelled = rows.positions_by_label
    found = [np.bincount(codes[labelled])]
    if rows.advice is not None:
        advice = rows.advice[rows.index[torch.from_numpy(unlabelled)].to(rows.device)]
        found.append(np.bincount(advice.argmax(1).numpy(force=True)))
    return float(min(map(entropy, found)))
