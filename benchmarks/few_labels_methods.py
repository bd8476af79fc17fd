"""What can be made of many pairs and few labels: the rows of the benchmark of few labels.

Every method takes a `Task` and returns the predicted labels of its test rows. None but the oracle
sees the missing view of a test row.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from peer_tables import made_by_peer
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from sklearn_cmmd import CMMDClassifier, CMMDTransformer

# What the paper's form and its two stages are fitted with, beside our other defaults.
PAPER_FORM = {"label_in_encoder": True, "label_smoothing": 0.0, "dropout": 0.2}
N_UPDATES = 2000


def _budget(n_rows: int) -> dict[str, int]:
    """Return the passes that make so many updates."""
    return {"max_epochs": math.ceil(N_UPDATES / math.ceil(n_rows / 100))}


@dataclass
class Views:
    """Standardised views of training and test rows, and what is learned of them without labels.

    A row of `X_missing` is NaN where unknown; `X_all_missing` and `X_test_missing` are for the
    oracle alone.
    """

    X: np.ndarray
    X_missing: np.ndarray
    X_all_missing: np.ndarray
    X_test: np.ndarray
    X_test_missing: np.ndarray
    seed: int
    peers_python: Path | None = None

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that have both views."""
        paired = ~np.isnan(self.X_missing[:, 0])
        return self.X[paired], self.X_missing[paired]

    @cached_property
    def transformer(self) -> CMMDTransformer:
        """CMMD without labels, fitted to all pairs."""
        X, X_missing = self.pairs
        transformer = CMMDTransformer(dropout=0.2, random_state=self.seed, **_budget(len(X)))
        return transformer.fit(X, X_missing=X_missing)

    @cached_property
    def variates(self) -> tuple[np.ndarray, np.ndarray]:
        """Canonical variates of training and test rows, as many as CMMD has latent variables.

        Of at most a hundred principal components a view: with more columns than rows anything
        correlates with anything.
        """
        X, X_missing = self.pairs
        x, x_missing = (PCA(min(100, *part.shape), random_state=0).fit(part) for part in self.pairs)
        n_components = min(20, x.n_components_, x_missing.n_components_)
        cca = CCA(n_components, max_iter=1000).fit(x.transform(X), x_missing.transform(X_missing))
        return cca.transform(x.transform(self.X)), cca.transform(x.transform(self.X_test))

    @cached_property
    def by_mopoe(self) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of training and test rows by multivae's MoPoE, fitted to all pairs."""
        observed, missing = self.pairs
        made = made_by_peer(
            self.peers_python,
            "mopoe",
            self.seed,
            observed=observed,
            missing=missing,
            rows=np.vstack([self.X, self.X_test]),
            columns=np.arange(0),
        )
        train, test = np.split(made["embedding"], [len(self.X)])
        return train, test


@dataclass
class Task:
    """Views, and the labels of their training rows, −1 where unknown."""

    views: Views
    y: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Which rows have a label."""
        return self.y >= 0

    def by(self, clf: BaseEstimator, *, every_row: bool = False) -> np.ndarray:
        """Predict by a classifier of x_O, fitted to the labelled rows or to all."""
        rows = slice(None) if every_row else self.labelled
        return clf.fit(self.views.X[rows], self.y[rows]).predict(self.views.X_test)

    def by_regression(self, Z: np.ndarray, Z_test: np.ndarray) -> np.ndarray:
        """Predict by logistic regression on an embedding."""
        scaler, clf = StandardScaler().fit(Z), LogisticRegression(max_iter=1000)
        clf.fit(scaler.transform(Z[self.labelled]), self.y[self.labelled])
        return clf.predict(scaler.transform(Z_test))


def cmmd(task: Task) -> np.ndarray:
    """The defaults."""
    views, clf = task.views, CMMDClassifier(random_state=task.views.seed)
    return clf.fit(views.X, task.y, X_missing=views.X_missing).predict(views.X_test)


def two_stages(task: Task) -> np.ndarray:
    """The paper's procedure: first all pairs without labels, then the labelled ones."""
    return _on_labelled(task, init_from=task.views.transformer)


def paper_form(task: Task) -> np.ndarray:
    """The paper's objective, on the labelled rows, which is all that it can use."""
    return _on_labelled(task)


def _on_labelled(task: Task, **params: Any) -> np.ndarray:
    """Fit the paper's form; without a single pair to fit it to, that is the twin."""
    views, rows = task.views, task.labelled
    X_missing = views.X_missing[rows]
    if np.isnan(X_missing).all():
        return twin(task)
    clf = CMMDClassifier(**PAPER_FORM, **_budget(rows.sum()), random_state=views.seed)
    clf.fit(views.X[rows], task.y[rows], X_missing=X_missing, **params)
    return clf.predict(views.X_test)


def twin(task: Task) -> np.ndarray:
    """The prior's network and the classifier alone, at the same size and budget."""
    return task.by(CMMDClassifier(omega=0, lam=0, random_state=task.views.seed))


def self_training(task: Task) -> np.ndarray:
    """Logistic regression that labels the rows of which it is sure, again and again."""
    base = LogisticRegression(max_iter=1000)
    return task.by(SelfTrainingClassifier(base), every_row=True)


def on_transformer(task: Task) -> np.ndarray:
    """Logistic regression on the embedding that CMMD learns without labels."""
    views = task.views
    return task.by_regression(*(views.transformer.transform(X) for X in (views.X, views.X_test)))


def oracle(task: Task, clf: BaseEstimator) -> np.ndarray:
    """Predict by a classifier that sees x_M, of the test rows too."""
    views, rows = task.views, task.labelled
    clf.fit(np.hstack([views.X, views.X_all_missing])[rows], task.y[rows])
    return clf.predict(np.hstack([views.X_test, views.X_test_missing]))


CMMD, TWIN = "CMMD", "x_O-only twin"
ORACLES = ["SVM that sees x_M", "LR that sees x_M"]
METHODS: dict[str, Callable[[Task], np.ndarray]] = {
    CMMD: cmmd,
    "two stages": two_stages,
    "paper's form": paper_form,
    TWIN: twin,
    "LR": lambda task: task.by(LogisticRegression(max_iter=1000)),
    "SVM": lambda task: task.by(SVC()),
    "HGB": lambda task: task.by(HistGradientBoostingClassifier(random_state=task.views.seed)),
    "MLP": lambda task: task.by(MLPClassifier(max_iter=1000, random_state=task.views.seed)),
    "self-training": self_training,
    "label spreading": lambda task: task.by(LabelSpreading(kernel="knn"), every_row=True),
    "LR on CMMDTransformer": on_transformer,
    "LR on CCA": lambda task: task.by_regression(*task.views.variates),
    "LR on MoPoE": lambda task: task.by_regression(*task.views.by_mopoe),
    ORACLES[0]: lambda task: oracle(task, SVC()),
    ORACLES[1]: lambda task: oracle(task, LogisticRegression(max_iter=1000)),
}
