"""Rare classes: CMMD with balanced weights, beside what scikit-learn does with them.

Of every second class one row in ten, or in fifty, is kept to train on; the test rows are left as
they are. Scores are balanced accuracy and average precision, the mean over the classes.

    python -m benchmarks imbalance --data FOLDER --out benchmarks/results/imbalance
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn import ensemble, linear_model, metrics, preprocessing, svm

from benchmarks.baselines import TWIN, classified, twin_of
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, Pair, chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import published_or_set_aside
from benchmarks.tasks import Method, Outcome, Task, make_task, on_standardised, outcome_of

RATIOS, LEAST = (10, 50), 2
# Their rare classes have rows enough to be rare, and test rows enough.
PAIRS = (
    "digits fourier → pixels",
    "digits zernike → profiles",
    "fly genes 1 → 0",
    "scenes 0 → 1",
    "spoken → written digits",
    "house numbers → written digits",
)
BALANCED = {"class_weight": "balanced"}
RIVALS: dict[str, Callable[[int], Any]] = {
    "LR": lambda seed: linear_model.LogisticRegression(max_iter=1000, **BALANCED),
    "SVM": lambda seed: svm.SVC(**BALANCED),
    "random forest": lambda seed: ensemble.RandomForestClassifier(random_state=seed, **BALANCED),
    "HGB": lambda seed: ensemble.HistGradientBoostingClassifier(random_state=seed, **BALANCED),
}
UNWEIGHTED = "CMMD without weights"
KEYS = ["pair", "ratio", "split", "method"]
COLUMNS = [*KEYS, "balanced_accuracy", "average_precision"]


def cmmd(task: Task, **params: Any) -> Outcome:
    return outcome_of(task.cmmd(**params).fit(task.X, task.y, X_missing=task.X_missing), task)


def rival(name: str) -> Method:
    """Return a classifier of scikit-learn; one without probabilities ranks by its decisions."""

    @on_standardised
    def classify(task: Task) -> Outcome:
        clf = RIVALS[name](task.seed)
        outcome = classified(task, clf)
        if outcome.proba is None:
            outcome.proba = clf.decision_function(task.X_test)
        return outcome

    return classify


METHODS: dict[str, Method] = {
    "CMMD": lambda task: cmmd(task, **BALANCED),
    TWIN: lambda task: classified(task, twin_of(task.cmmd(**BALANCED))),
    UNWEIGHTED: cmmd,
    **{name: rival(name) for name in RIVALS},
}


def made_rare(pair: Pair, ratio: int, seed: int) -> Pair:
    """Keep one row in so many of every second class, two at least."""
    order = np.random.default_rng(seed).permutation(len(pair.y))
    rows = []
    for number, label in enumerate(np.unique(pair.y)):
        own = order[pair.y[order] == label]
        rows.append(own[: max(LEAST, len(own) // ratio)] if number % 2 else own)
    return pair.take(np.sort(np.concatenate(rows)))


def run_one(pair: Pair, ratio: int, split: int, method: str, quick: bool) -> list[Record]:
    """Fit one method to one split."""
    train, test = published_or_set_aside(pair, split)
    task = make_task((made_rare(train, ratio, split), test), split, quick=quick)
    outcome = METHODS[method](task)
    true = preprocessing.LabelBinarizer().fit(task.y).transform(task.y_test)
    scores = {
        "balanced_accuracy": metrics.balanced_accuracy_score(task.y_test, outcome.labels),
        "average_precision": metrics.average_precision_score(true, outcome.proba),
    }
    return [dict(zip(KEYS, (pair.name, ratio, split, method), strict=True)) | scores]


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the fits that are not done."""
    done = known(args.out, KEYS)
    sources = DEVELOPMENT | HELD_BACK
    pairs = list(chosen(args, {name: sources[name] for name in PAIRS}))
    for split, ratio, method, pair in product(range(args.seeds), RATIOS, METHODS, pairs):
        if (pair.name, ratio, split, method) not in done:
            yield delayed(run_one)(pair, ratio, split, method, args.quick)


def report(rows: pd.DataFrame) -> str:
    """Write means over splits by pair, then over pairs."""
    tables = []
    order = [name for name in METHODS if name in set(rows["method"])]
    for score, ratio in product(COLUMNS[len(KEYS) :], RATIOS):
        some = rows[rows["ratio"] == ratio]
        table = some.pivot_table(score, "method", "pair", sort=False).reindex(order)
        table["mean"] = table.mean(axis=1)
        tables.append(f"{score}, one in {ratio}\n{table.T.round(3).to_string()}")
    return "\n\n".join(tables)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", seeds=1, jobs=2)


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
