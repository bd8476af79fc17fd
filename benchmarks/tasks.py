"""A task, a pair of views with some rows to test on, and how what a method says of it is scored."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from benchmarks import splits
from benchmarks.splits import Shown
from sklearn_cmmd import CMMDClassifier

N_DRAWS, MOST_COLUMNS, CHUNK = 100, 200, 50
BINS, LEVEL, FOLDS = 10, 0.9, 3
SHORT = {"max_epochs": 3}


@dataclass
class Task:
    """Both views of training and test rows, x_M standardised, and their labels.

    Of training rows, −1 stands for a label that is not shown and NaN for such an x_M.
    `whole_missing` has no such gaps; like the views of test rows, it is for oracles and scores.
    `shorten` are parameters that make every fit short in a quick run. `learned` is what methods
    remember of the views; tasks that differ in the shown labels alone may share it.
    """

    X: np.ndarray
    X_missing: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    whole_missing: np.ndarray
    X_test: np.ndarray
    X_test_missing: np.ndarray
    y_test: np.ndarray
    seed: int
    shorten: dict[str, Any] = field(default_factory=dict)
    peers_python: Path | None = None
    learned: dict[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> np.ndarray:
        """Which training rows have a label."""
        return self.y >= 0

    @property
    def paired(self) -> np.ndarray:
        """Which training rows have x_M."""
        return ~np.isnan(self.X_missing[:, 0])

    @cached_property
    def scaler(self) -> StandardScaler:
        """What standardises the columns of x_O."""
        return StandardScaler().fit(self.X)

    @cached_property
    def standardised(self) -> Self:
        """The same task with standardised columns of x_O."""
        X, X_test = (self.scaler.transform(part) for part in (self.X, self.X_test))
        return replace(self, X=X, X_test=X_test)

    @cached_property
    def columns(self) -> np.ndarray:
        """The columns of x_M of which draws are scored."""
        order = np.random.default_rng(0).permutation(self.X_missing.shape[1])
        return np.sort(order[:MOST_COLUMNS])

    @cached_property
    def folds(self) -> splits.Folds:
        """Training and validation rows of a search."""
        return splits.folds(self.y, self.groups, FOLDS, self.seed)

    def cmmd(self, **params: Any) -> CMMDClassifier:
        """Return the classifier with these parameters, and else its defaults."""
        model: CMMDClassifier = CMMDClassifier(random_state=self.seed)
        return model.set_params(**params | self.shorten)

    def once(self, name: str, learn: Callable[[], Any]) -> Any:
        """Return what is learned, remembered under a name."""
        if name not in self.learned:
            self.learned[name] = learn()
        return self.learned[name]


def make_task(
    parts: splits.Parts,
    seed: int,
    shown: Shown | None = None,
    *,
    quick: bool = False,
    peers_python: Path | None = None,
) -> Task:
    """Standardise x_M by the training rows, and hide what is not shown of them."""
    train, test = parts
    scale = StandardScaler().fit(train.X_missing)
    rows, y, gaps = splits.hide(train.y, shown or Shown(), seed)
    whole = scale.transform(train.X_missing)[rows]
    return Task(
        X=train.X[rows],
        X_missing=np.where(gaps[:, None], np.nan, whole),
        y=y,
        groups=None if train.groups is None else train.groups[rows],
        whole_missing=whole,
        X_test=test.X,
        X_test_missing=scale.transform(test.X_missing),
        y_test=test.y,
        seed=seed,
        shorten=SHORT if quick else {},
        peers_python=peers_python,
    )


@dataclass
class Outcome:
    """What a method says of the test rows; None where it says nothing.

    `labels` of shape (n,); `proba` (n, n_classes); `generated` (n, n_missing), the mean of x_M;
    `draws` (n, N_DRAWS, columns) of the columns that `Task.columns` names.
    """

    labels: np.ndarray | None = None
    proba: np.ndarray | None = None
    generated: np.ndarray | None = None
    draws: np.ndarray | None = None
    epochs: float = np.nan


def both(task: Task, model: Any) -> Outcome:
    """Classify and generate by a model that is fitted to both views."""
    model.fit(task.X, task.y, X_missing=task.X_missing)
    return outcome_of(getattr(model, "best_estimator_", model), task, generates=True)


def outcome_of(model: Any, task: Task, generates: bool = False) -> Outcome:
    """Apply a fitted classifier to the test rows."""
    outcome = Outcome(model.predict(task.X_test), epochs=getattr(model, "n_iter_", np.nan))
    if hasattr(model, "predict_proba"):
        outcome.proba = model.predict_proba(task.X_test)
    if generates:
        outcome.generated = model.generate_missing(task.X_test)
        parts = np.array_split(task.X_test, -(-len(task.X_test) // CHUNK))
        draws = [model.generate_missing(X, N_DRAWS, random_state=i) for i, X in enumerate(parts)]
        outcome.draws = np.concatenate([part[:, :, task.columns] for part in draws])
    return outcome


Method = Callable[[Task], Outcome]
AnyTask = TypeVar("AnyTask", bound=Task)
Found = TypeVar("Found")


def on_standardised(method: Callable[[AnyTask], Found]) -> Callable[[AnyTask], Found]:
    """Give a rival the standardised columns of x_O; CMMD scales its own."""
    return lambda task: method(task.standardised)


# Of one search come several outcomes.
Methods = Callable[[Task], Outcome | dict[str, Outcome]]
Scores = dict[str, Any]


def measure(name: str, method: Methods, task: Task) -> dict[str, Scores]:
    """Run a method on one thread, and return scores and seconds of its outcomes by name."""
    torch.set_num_threads(1)
    with warnings.catch_warnings(action="ignore"):
        start = time.perf_counter()
        outcomes = method(task)
        seconds = {"seconds": time.perf_counter() - start}
        if isinstance(outcomes, Outcome):
            outcomes = {name: outcomes}
        return {key: seconds | scores(each, task) for key, each in outcomes.items()}


def scores(outcome: Outcome, task: Task) -> Scores:
    """Score what a method says of the test rows.

    ``wrong`` packs into hexadecimal digits which rows are misclassified, so that two methods can be
    compared row by row.
    """
    found: Scores = {"epochs": outcome.epochs}
    if outcome.labels is not None:
        correct = outcome.labels == task.y_test
        found["accuracy"], found["n_test"] = np.mean(correct), len(correct)
        found["wrong"] = "x" + np.packbits(~correct).tobytes().hex()
        # Label spreading says NaN of rows that no label reaches.
        if outcome.proba is not None and np.isfinite(outcome.proba).all():
            classes = np.unique(task.y[task.labelled])
            found["log_loss"] = log_loss(task.y_test, outcome.proba, labels=classes)
            found["calibration"] = calibration_error(outcome.proba, correct)
    if outcome.generated is not None:
        found["rmse"] = relative_rmse(outcome.generated, task.X_test_missing)
    if outcome.draws is not None:
        found["coverage"] = coverage(outcome.draws, task.X_test_missing[:, task.columns])
    return found


def relative_rmse(generated: np.ndarray, true: np.ndarray) -> float:
    """Root mean squared error over that of the training rows' mean, which is zero."""
    return float(np.sqrt(np.mean((generated - true) ** 2) / np.mean(true**2)))


def calibration_error(proba: np.ndarray, correct: np.ndarray) -> float:
    """Mean distance of confidence and accuracy, over bins of the confidence of equal width."""
    confidence = proba.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(np.sum((confidence - correct)[bins == b])) for b in range(BINS)]
    return float(np.sum(gaps) / len(correct))


def coverage(draws: np.ndarray, true: np.ndarray) -> float:
    """Share of the values between the quantiles of the draws that are to hold nine in ten."""
    levels = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(draws, levels, axis=1, method="weibull")
    return float(np.mean((low <= true) & (true <= high)))
