"""What the benchmark of accuracy compares: classifiers on x_O, and what generates x_M from it.

Every method takes a `Task` and returns an `Outcome`, or several by name. None but the oracles sees
the missing view of a test row, and what is tuned is tuned on training rows alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from peer_tables import made_by_peer
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, authors_preset
from sklearn_cmmd.model_selection import StackedGridSearchCV

N_DRAWS, MOST_COLUMNS = 100, 200
FOLDS = 3
HIDDEN = (128, 128)


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


@dataclass
class Task:
    """Standardised views of training and test rows, and the labels of the former."""

    X: np.ndarray
    X_missing: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    X_test: np.ndarray
    X_test_missing: np.ndarray
    seed: int
    peers_python: Path | None

    @cached_property
    def columns(self) -> np.ndarray:
        """The columns of x_M of which draws are scored."""
        order = np.random.default_rng(0).permutation(self.X_missing.shape[1])
        return np.sort(order[:MOST_COLUMNS])

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Training and validation rows of a search, groups kept together."""
        cls = StratifiedKFold if self.groups is None else StratifiedGroupKFold
        splitter = cls(FOLDS, shuffle=True, random_state=self.seed)
        return list(splitter.split(self.X, self.y, self.groups))

    def by(self, clf: BaseEstimator) -> Outcome:
        """Classify by a scikit-learn classifier of x_O."""
        return _classified(clf.fit(self.X, self.y), self.X_test)

    def by_search(self, clf: BaseEstimator, grid: dict[str, list[Any]]) -> Outcome:
        """Classify by the best of a grid."""
        return self.by(GridSearchCV(clf, grid, cv=self.folds))

    def by_peer(self, model: str) -> dict[str, np.ndarray]:
        """Return what a peer's model makes of the training and the test rows."""
        return made_by_peer(
            self.peers_python,
            model,
            self.seed,
            N_DRAWS,
            observed=self.X,
            missing=self.X_missing,
            rows=np.vstack([self.X, self.X_test]),
            columns=self.columns,
        )


def _classified(clf: Any, X_test: np.ndarray) -> Outcome:
    proba = clf.predict_proba(X_test) if hasattr(clf, "predict_proba") else None
    return Outcome(clf.predict(X_test), proba)


def _by_cmmd(clf: Any, task: Task) -> Outcome:
    """Classify and generate by one fit."""
    clf.fit(task.X, task.y, X_missing=task.X_missing)
    outcome = _classified(clf, task.X_test)
    best = getattr(clf, "best_estimator_", clf)
    outcome.generated = best.generate_missing(task.X_test)
    outcome.draws = np.concatenate(
        [
            best.generate_missing(rows, N_DRAWS, random_state=i)[:, :, task.columns]
            for i, rows in enumerate(np.array_split(task.X_test, -(-len(task.X_test) // 50)))
        ]
    )
    return outcome


def cmmd(task: Task) -> Outcome:
    """The defaults."""
    return _by_cmmd(CMMDClassifier(random_state=task.seed), task)


def ensemble(task: Task) -> Outcome:
    """Five of them."""
    return _by_cmmd(CMMDEnsemble(random_state=task.seed), task)


# At ω = 1 the MMD has no weight.
TWIN_GRID = {"dropout": [0.15, 0.3, 0.5]}
CMMD_GRID = [{"omega": [0.0, 0.5], "lam": [10.0, 1000.0]}, {"omega": [1.0]}, TWIN_GRID]


def cmmd_search(task: Task) -> dict[str, Outcome]:
    """ω and λ, or the dropout, searched; and five fits of what was found."""
    clf = CMMDClassifier(random_state=task.seed)
    search = StackedGridSearchCV(clf, CMMD_GRID, cv=task.folds)
    outcome = _by_cmmd(search, task)
    five = CMMDEnsemble(search.best_estimator_, random_state=task.seed)
    return {SEARCHED: outcome, SEARCHED_5: _by_cmmd(five, task)}


def preset(task: Task) -> Outcome:
    """The settings of the released code."""
    batch_size = min(100, len(task.y))
    return _by_cmmd(CMMDClassifier(random_state=task.seed, **authors_preset(batch_size)), task)


def _twin(task: Task) -> CMMDClassifier:
    """Return the prior's network and the classifier alone, of the same size and budget."""
    return CMMDClassifier(omega=0, lam=0, random_state=task.seed)


def twin_search(task: Task) -> dict[str, Outcome]:
    """Its dropout searched; and five fits of what was found."""
    search = StackedGridSearchCV(_twin(task), TWIN_GRID, cv=task.folds)
    outcome = task.by(search)
    five = CMMDEnsemble(search.best_estimator_, random_state=task.seed)
    return {TWIN_SEARCHED: outcome, TWIN_SEARCHED_5: task.by(five)}


def _svm_search(task: Task) -> Outcome:
    gamma = [factor / task.X.shape[1] for factor in (0.1, 0.3, 1, 3)]
    return task.by_search(SVC(), {"C": [1, 10, 100], "gamma": gamma})


def _embedding(model: str) -> Callable[[Task], Outcome]:
    """Logistic regression on what a peer's model learns without labels; and what it generates."""

    def by(task: Task) -> Outcome:
        made = task.by_peer(model)
        outcome = Outcome(generated=made.get("generated"), draws=made.get("draws"))
        if "embedding" in made:
            scaled = StandardScaler().fit_transform(made["embedding"])
            train, test = np.split(scaled, [len(task.y)])
            clf = LogisticRegression(max_iter=1000).fit(train, task.y)
            outcome.labels, outcome.proba = clf.predict(test), clf.predict_proba(test)
        return outcome

    return by


def _regression(reg: Callable[[int], BaseEstimator]) -> Callable[[Task], Outcome]:
    def by(task: Task) -> Outcome:
        return Outcome(generated=reg(task.seed).fit(task.X, task.X_missing).predict(task.X_test))

    return by


def _oracle(clf: BaseEstimator) -> Callable[[Task], Outcome]:
    """A classifier that sees x_M, of the test rows too."""

    def by(task: Task) -> Outcome:
        clf.fit(np.hstack([task.X, task.X_missing]), task.y)
        return _classified(clf, np.hstack([task.X_test, task.X_test_missing]))

    return by


def _logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


Method = Callable[[Task], Outcome | dict[str, Outcome]]
CMMD, CMMD_5, SEARCHED, SEARCHED_5 = "CMMD", "CMMD × 5", "CMMD, searched", "CMMD × 5, searched"
TWIN, TWIN_5, TWIN_SEARCHED = "x_O-only twin", "twin × 5", "twin, searched"
TWIN_SEARCHED_5 = "twin × 5, searched"
PRESET = "authors' preset"
UNTUNED: dict[str, Method] = {
    CMMD: cmmd,
    CMMD_5: ensemble,
    PRESET: preset,
    TWIN: lambda task: task.by(_twin(task)),
    TWIN_5: lambda task: task.by(CMMDEnsemble(_twin(task), random_state=task.seed)),
    "LR": lambda task: task.by(_logistic()),
    "SVM": lambda task: task.by(SVC()),
    "random forest": lambda task: task.by(RandomForestClassifier(random_state=task.seed)),
    "HGB": lambda task: task.by(HistGradientBoostingClassifier(random_state=task.seed)),
    "MLP": lambda task: task.by(MLPClassifier(random_state=task.seed)),
    "LR on MoPoE": _embedding("mopoe"),
    "LR on MVAE": _embedding("mvae"),
    "LR on MMVAE": _embedding("mmvae"),
    "LR on DCCAE": _embedding("dccae"),
}
TUNED: dict[str, Method] = {
    SEARCHED: cmmd_search,
    TWIN_SEARCHED: twin_search,
    "LR, searched": lambda task: task.by_search(_logistic(), {"C": list(np.logspace(-3, 2, 6))}),
    "SVM, searched": _svm_search,
    "random forest, searched": lambda task: task.by_search(
        RandomForestClassifier(random_state=task.seed),
        {"max_features": ["sqrt", 0.3], "min_samples_leaf": [1, 3]},
    ),
    "HGB, searched": lambda task: task.by_search(
        HistGradientBoostingClassifier(random_state=task.seed),
        {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [7, 31]},
    ),
    "MLP, searched": lambda task: task.by_search(
        MLPClassifier(random_state=task.seed),
        {"alpha": [1e-4, 1e-2, 1.0]},
    ),
}
ORACLES: dict[str, Method] = {
    "SVM that sees x_M": _oracle(SVC()),
    "LR that sees x_M": _oracle(_logistic()),
}
MEAN, RIDGE = "mean", "ridge"
REGRESSIONS: dict[str, Method] = {
    MEAN: lambda task: Outcome(generated=np.zeros_like(task.X_test_missing)),
    RIDGE: _regression(lambda seed: RidgeCV(np.logspace(-2, 4, 13))),
    "k-nearest neighbours": _regression(lambda seed: KNeighborsRegressor(10)),
    "extra trees": _regression(lambda seed: ExtraTreesRegressor(random_state=seed)),
    "MLP regression": _regression(
        lambda seed: MLPRegressor(hidden_layer_sizes=HIDDEN, random_state=seed)
    ),
}
PEERS_GENERATION: dict[str, Method] = {"CVAE": _embedding("cvae")}
EVERY = UNTUNED | TUNED | ORACLES | REGRESSIONS | PEERS_GENERATION
OF_PEERS = ["CVAE", "LR on MoPoE", "LR on DCCAE", "LR on MVAE", "LR on MMVAE"]
# The costly ones last, in case that a run is broken off.
LAST = ["CVAE", "LR on MoPoE", "HGB, searched", PRESET, *OF_PEERS[2:]]
METHODS = {name: EVERY[name] for name in EVERY if name not in LAST} | {
    name: EVERY[name] for name in LAST
}
