"""Plain classifiers of both views, which advise the encoder while it teaches, and how far it may.

An encoder of few labels may confirm its own mistakes. A linear classifier makes others, so that
both together are seldom far off. Whether x_M tells of the labels what x_O does not, the labelled
rows say, by predictions of rows left out. Where it does not, the encoder has nothing to teach, and
a classifier of x_O alone takes its place.
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

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
from threadpoolctl import threadpool_limits
from torch import Tensor

from sklearn_cmmd.data.batch import View
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


class _Asked:
    """Rows as classifiers see them: x_O, or both views; those with a label are held in memory."""

    def __init__(self, rows: PairedRows, *, both: bool) -> None:
        self.rows = rows
        self.both = both
        self.labelled, self.unlabelled = rows.positions_by_label
        codes = rows.codes()
        assert codes is not None
        self.known = self._read(self.labelled), codes[self.labelled]

    def folds(self, n_classes: int) -> list[Any] | None:
        """Divide the rows with a label; None unless there are two of each class."""
        counts = np.bincount(self.known[1], minlength=n_classes)
        if counts.min() < 2:
            return None
        splitter = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=0)
        return list(splitter.split(*self.known))

    def learned_by(self, classifier: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what a classifier is fitted to: with rows without a label, if it takes these."""
        X, y = self.known
        if not isinstance(classifier, SEMI_SUPERVISED):
            return X, y
        step = max(1, -(-len(self.unlabelled) * X.shape[1] // MOST_VALUES))
        more = self._read(self.unlabelled[::step])
        return np.concatenate([X, more]), np.append(y, np.full(len(more), -1))

    def chunks(self, rows: PairedRows) -> Iterator[np.ndarray]:
        """Yield columns, some rows at a time; views weigh alike, however many columns they have."""
        for batch in Batches(rows, CHUNK_ROWS):
            sides = [batch.observed, *([batch.missing] if self.both else [])]
            values = [cast(View, side).values for side in sides]
            yield np.hstack([(each / each.shape[1] ** 0.5).numpy(force=True) for each in values])

    def _read(self, positions: np.ndarray) -> np.ndarray:
        return np.concatenate(list(self.chunks(self.rows.subset(positions))))


def advise(rows: PairedRows, teacher: Any, n_classes: int) -> Advice | None:
    """Ask classifiers of both views, as far as these tell more, and else those of x_O alone.

    `teacher`, of both views, is "auto", a classifier, or a list of them, whose probabilities are
    averaged. Without two rows of each class that have a label nobody can be asked.
    """
    # Threads of so small problems wait for one another, and for those of other processes.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "y contains no unlabeled samples")
        return _advise(rows, teacher, n_classes)


def _advise(rows: PairedRows, teacher: Any, n_classes: int) -> Advice | None:
    if not len(rows.positions_by_label[0]):
        return None
    alone = _Asked(rows, both=False)
    folds = alone.folds(n_classes)
    if folds is None:
        return None
    found, share = _said(_automatic(alone, folds), alone, folds), 0.0
    paired = _paired(rows)
    if len(np.intersect1d(paired, alone.labelled)):
        pairs = rows.subset(paired)
        said = _by_both(pairs, teacher, n_classes)
        if said is not None:
            probabilities, share = said
            found[paired] = share * probabilities + (1 - share) * found[paired]
    shape = len(rows.observed), n_classes
    table = torch.full(shape, torch.nan, dtype=torch.float32, device="cpu")
    table[rows.index] = torch.from_numpy(found).float()
    return Advice(table.to(rows.device), share)


def _paired(rows: PairedRows) -> np.ndarray:
    """Return the positions of the rows that have x_M."""
    if rows.pair_weight is None:
        return np.arange(len(rows))
    return np.flatnonzero(rows.pair_weight.numpy(force=True)[rows.index.numpy()] > 0)


def _by_both(pairs: PairedRows, teacher: Any, n_classes: int) -> tuple[np.ndarray, float] | None:
    """Return what classifiers of both views say, and how far they are better than those of x_O."""
    alone, both = (_Asked(pairs, both=each) for each in (False, True))
    folds = both.folds(n_classes)
    if folds is None:
        return None
    classifiers = list(teacher) if isinstance(teacher, list | tuple) else [teacher]
    if isinstance(teacher, str):
        classifiers = _automatic(both, folds)
    said = _said(classifiers, both, folds)
    y = both.known[1]
    before = log_loss(y, _left_out(_automatic(alone, folds), alone, folds))
    after = log_loss(y, said[both.labelled])
    gain = (before - after) / max(before, np.finfo(float).tiny)
    return said, float(np.clip(gain / WHOLE_GAIN, 0, 1))


def _automatic(asked: _Asked, folds: list[Any]) -> list[Any]:
    """Return two classifiers that seldom make the same mistakes."""
    search = GridSearchCV(LogisticRegression(max_iter=300), PENALTIES, scoring=SCORING, cv=folds)
    return [search.fit(*asked.known).best_estimator_, ExtraTreesClassifier(random_state=0)]


def _said(classifiers: Sequence[Any], asked: _Asked, folds: list[Any]) -> np.ndarray:
    """Return the mean of what classifiers say of each row; if labelled, by a fit without it."""
    fitted = [clone(each).fit(*asked.learned_by(each)) for each in classifiers]
    parts = [_mean([each.predict_proba(X) for each in fitted]) for X in asked.chunks(asked.rows)]
    mean = np.concatenate(parts)
    mean[asked.labelled] = _left_out(classifiers, asked, folds)
    return mean


def _left_out(classifiers: Sequence[Any], asked: _Asked, folds: list[Any]) -> np.ndarray:
    """Return the mean of what classifiers say of rows with a label that they did not see."""
    ask = partial(cross_val_predict, cv=folds, method="predict_proba")
    return _mean([ask(each, *asked.known) for each in classifiers])


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
