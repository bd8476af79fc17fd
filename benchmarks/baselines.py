"""What CMMD is compared with: its twin, scikit-learn's classifiers and regressions, and peers.

None but the oracles sees the missing view of a test row.
"""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn import ensemble, linear_model, neural_network
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.tasks import N_DRAWS, Method, Outcome, Task, on_standardised, outcome_of
from sklearn_cmmd import CMMDClassifier

TABLES_OF_PEERS = Path(__file__).parent / "peers" / "tables.py"
QUICK_STEPS = 20
TWIN = "x_O-only twin"


def twin_of(model: CMMDClassifier) -> CMMDClassifier:
    """Return the same prior and classifier, of the same size and budget, to fit to x_O alone."""
    twin: CMMDClassifier = clone(model)
    return twin.set_params(missing=None, omega=0, lam=0, networks__encoder_hidden=())


def classified(task: Task, clf: BaseEstimator, *, every_row: bool = False) -> Outcome:
    """Classify by x_O alone, fitted to the labelled rows or to all."""
    rows = slice(None) if every_row else task.labelled
    return outcome_of(clf.fit(task.X[rows], task.y[rows]), task)


def twin(task: Task) -> Outcome:
    """Classify by the twin of the defaults."""
    return classified(task, twin_of(task.cmmd()))


def logistic(seed: int = 0) -> linear_model.LogisticRegression:
    return linear_model.LogisticRegression(max_iter=1000)


# Each takes a seed, whether it needs one or not.
MODELS: dict[str, Callable[[int], BaseEstimator]] = {
    "LR": logistic,
    "SVM": lambda seed: SVC(),
    "random forest": lambda seed: ensemble.RandomForestClassifier(random_state=seed),
    "HGB": lambda seed: ensemble.HistGradientBoostingClassifier(random_state=seed),
    "MLP": lambda seed: neural_network.MLPClassifier(random_state=seed),
}
GRIDS: dict[str, dict[str, list[Any]]] = {
    "LR": {"C": list(np.logspace(-3, 2, 6))},
    "SVM": {"C": [1, 10, 100], "gamma": [0.1, 0.3, 1, 3]},
    "random forest": {"max_features": ["sqrt", 0.3], "min_samples_leaf": [1, 3]},
    "HGB": {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [7, 31]},
    "MLP": {"alpha": [1e-4, 1e-2, 1.0]},
}


def _plain(name: str) -> Method:
    return on_standardised(lambda task: classified(task, MODELS[name](task.seed)))


def _searched(name: str) -> Method:
    """Classify by the best of a grid, which training rows choose."""

    def classify(task: Task) -> Outcome:
        grid = dict(GRIDS[name])
        if "gamma" in grid:  # in units of one over the number of columns
            grid["gamma"] = [factor / task.X.shape[1] for factor in grid["gamma"]]
        return classified(task, GridSearchCV(MODELS[name](task.seed), grid, cv=task.folds))

    return on_standardised(classify)


def _oracle(name: str) -> Method:
    """Classify by both views, of the test rows too."""

    def classify(task: Task) -> Outcome:
        both = np.hstack([task.X, task.whole_missing])[task.labelled]
        clf = MODELS[name](task.seed).fit(both, task.y[task.labelled])
        return Outcome(clf.predict(np.hstack([task.X_test, task.X_test_missing])))

    return on_standardised(classify)


CLASSIFIERS = {name: _plain(name) for name in MODELS}
SEARCHED = {f"{name}, searched": _searched(name) for name in MODELS}
ORACLES = {f"{name} that sees x_M": _oracle(name) for name in ("SVM", "LR")}

MEAN, RIDGE = "mean", "ridge"
REGRESSORS: dict[str, Callable[[int], BaseEstimator]] = {
    RIDGE: lambda seed: linear_model.RidgeCV(np.logspace(-2, 4, 13)),
    "k-nearest neighbours": lambda seed: KNeighborsRegressor(10),
    "extra trees": lambda seed: ensemble.ExtraTreesRegressor(random_state=seed),
    "MLP regression": lambda seed: neural_network.MLPRegressor(
        hidden_layer_sizes=(128, 128), random_state=seed
    ),
}


def _generated(name: str) -> Method:
    """Generate x_M by a regression on the rows that have it."""

    def generate(task: Task) -> Outcome:
        X, X_missing = task.X[task.paired], task.X_missing[task.paired]
        return Outcome(generated=REGRESSORS[name](task.seed).fit(X, X_missing).predict(task.X_test))

    return on_standardised(generate)


REGRESSIONS = {name: _generated(name) for name in REGRESSORS}
IMPUTERS = {MEAN: lambda task: Outcome(generated=np.zeros_like(task.X_test_missing))} | REGRESSIONS


def embedded(task: Task, Z: np.ndarray, Z_test: np.ndarray) -> Outcome:
    """Classify by logistic regression on an embedding of the training and the test rows."""
    scaler = StandardScaler().fit(Z)
    clf = logistic().fit(scaler.transform(Z[task.labelled]), task.y[task.labelled])
    Z_test = scaler.transform(Z_test)
    return Outcome(clf.predict(Z_test), clf.predict_proba(Z_test))


def _peer(model: str) -> Method:
    """Classify by what a peer's model learns of the pairs without labels, and generate by it."""

    def by_peer(task: Task) -> Outcome:
        made = task.once(model, lambda: made_by_peer(task, model))
        outcome = Outcome()
        if "embedding" in made:
            outcome = embedded(task, *np.split(made["embedding"], [len(task.y)]))
        outcome.generated, outcome.draws = made.get("generated"), made.get("draws")
        return outcome

    return on_standardised(by_peer)


def made_by_peer(task: Task, model: str) -> dict[str, np.ndarray]:
    """Train a model of ``peers/tables.py``, which says what the tables are and what comes back."""
    tables = {"observed": task.X[task.paired], "missing": task.X_missing[task.paired]}
    tables |= {"rows": np.vstack([task.X, task.X_test]), "n_test": np.array(len(task.X_test))}
    with TemporaryDirectory() as folder:
        given, out = Path(folder, "tables.npz"), Path(folder, "out.npz")
        np.savez(given, columns=task.columns, **tables)
        options = {"tables": given, "out": out, "model": model, "seed": task.seed}
        options |= {"draws": N_DRAWS} | ({"steps": QUICK_STEPS} if task.shorten else {})
        command = [str(task.peers_python), str(TABLES_OF_PEERS)]
        command += [f"--{name}={value}" for name, value in options.items()]
        subprocess.run(command, check=True, capture_output=True)
        with np.load(out) as file:
            return dict(file)


CVAE, MOPOE = "CVAE", "LR on MoPoE"
PEERS = {CVAE: _peer("cvae")}
PEERS |= {f"LR on {name}": _peer(name.lower()) for name in ("MoPoE", "DCCAE", "MVAE", "MMVAE")}


def available(names: Iterable[str], peers_python: Path | None) -> list[str]:
    """Leave the peers out if they are not installed."""
    return [name for name in names if peers_python or name not in PEERS]
