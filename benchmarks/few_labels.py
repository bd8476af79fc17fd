r"""Accuracy from x_O alone where many pairs have no label, and some no x_M.

For every pair of views a fifth of the rows are test rows, which choose nothing. Of the others a few
of each class have a label, drawn anew by every seed; the rest have none. The figures are appended
to OUT.csv as they come, and a run that is started again goes on where it was.

    python -m benchmarks few_labels --data FOLDER --peers-python .venv-peers/bin/python \
        --out benchmarks/results/few_labels
"""

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from joblib import delayed
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from benchmarks.baselines import (
    CLASSIFIERS,
    MOPOE,
    ORACLES,
    PEERS,
    TWIN,
    available,
    classified,
    embedded,
    logistic,
    twin,
)
from benchmarks.few_labels_tables import figure, report
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, MORE, Pair, chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import ALL, Shown, set_aside
from benchmarks.tasks import Method, Outcome, Task, make_task, measure, on_standardised, outcome_of
from sklearn_cmmd import CMMDTransformer

# What the paper's form and its two stages are fitted with, beside our other defaults.
PAPER_FORM = {
    "objective__label_in_encoder": True,
    "objective__label_smoothing": 0.0,
    "dropout": 0.2,
}
N_UPDATES, BATCH = 2000, 100
LATENT_DIM, MOST_COMPONENTS = 20, 100
QUICK_LABELS = (5, ALL)


def budget(n_rows: int) -> dict[str, int]:
    """Return the passes that make so many updates."""
    return {"max_epochs": math.ceil(N_UPDATES / math.ceil(n_rows / BATCH))}


def cmmd(task: Task) -> Outcome:
    """Fit the defaults to all rows."""
    return outcome_of(task.cmmd().fit(task.X, task.y, X_missing=task.X_missing), task)


def transformer(task: Task) -> CMMDTransformer:
    """Learn CMMD without labels from all pairs; once for all numbers of labels."""

    def learn() -> CMMDTransformer:
        X, X_missing = task.X[task.paired], task.X_missing[task.paired]
        params = budget(len(X)) | task.shorten
        model = CMMDTransformer(dropout=0.2, random_state=task.seed, **params)
        return model.fit(X, X_missing=X_missing)

    return task.once("transformer", learn)


def on_labelled(task: Task, **start: Any) -> Outcome:
    """Fit the paper's form to labelled rows; without a single pair among them, the twin."""
    rows = task.labelled
    if not (rows & task.paired).any():
        return twin(task)
    clf = task.cmmd(**PAPER_FORM, **budget(rows.sum()))
    clf.fit(task.X[rows], task.y[rows], X_missing=task.X_missing[rows], **start)
    return outcome_of(clf, task)


def two_stages(task: Task) -> Outcome:
    """Follow the paper's procedure: first all pairs without labels, then the labelled ones."""
    return on_labelled(task, init_from=transformer(task))


@on_standardised
def self_training(task: Task) -> Outcome:
    """Let logistic regression label the rows of which it is sure, again and again."""
    return classified(task, SelfTrainingClassifier(logistic()), every_row=True)


@on_standardised
def label_spreading(task: Task) -> Outcome:
    """Spread labels over the nearest neighbours of all rows."""
    return classified(task, LabelSpreading(kernel="knn"), every_row=True)


@on_standardised
def patient_perceptron(task: Task) -> Outcome:
    """Make more passes than the default 200, which are hardly any updates of a few rows."""
    return classified(task, MLPClassifier(max_iter=1000, random_state=task.seed))


def on_transformer(task: Task) -> Outcome:
    """Classify by the embedding that CMMD learns without labels."""
    model = transformer(task)
    return embedded(task, model.transform(task.X), model.transform(task.X_test))


@on_standardised
def on_variates(task: Task) -> Outcome:
    """Classify by canonical variates, as many as CMMD has latent variables.

    Of at most a hundred principal components a view: with more columns than rows anything
    correlates with anything.
    """

    def learn() -> tuple[np.ndarray, np.ndarray]:
        pairs = task.X[task.paired], task.X_missing[task.paired]
        reductions = [PCA(min(MOST_COMPONENTS, *X.shape), random_state=0).fit(X) for X in pairs]
        x, x_missing = (each.transform(X) for each, X in zip(reductions, pairs, strict=True))
        n_components = min(LATENT_DIM, x.shape[1], x_missing.shape[1])
        cca = CCA(n_components, max_iter=1000).fit(x, x_missing)
        train, test = (cca.transform(reductions[0].transform(X)) for X in (task.X, task.X_test))
        return train, test

    return embedded(task, *task.once("variates", learn))


METHODS: dict[str, Method] = {
    "CMMD": cmmd,
    "two stages": two_stages,
    "paper's form": on_labelled,
    TWIN: twin,
    **{name: CLASSIFIERS[name] for name in ("LR", "SVM", "HGB")},
    "MLP": patient_perceptron,
    "self-training": self_training,
    "label spreading": label_spreading,
    "LR on CMMDTransformer": on_transformer,
    "LR on CCA": on_variates,
    MOPOE: PEERS[MOPOE],
    **ORACLES,
}
KEYS = ["pair", "draw", *Shown._fields, "method"]
Todo = list[tuple[Shown, list[str]]]


def run_draw(
    pair: Pair, draw: int, todo: Todo, quick: bool, peers_python: Path | None
) -> list[Record]:
    """Fit the methods where other labels are shown of the same views."""
    learned: dict[str, Any] = {}
    parts, records = set_aside(pair), []
    for shown, methods in todo:
        task = make_task(parts, draw, shown, quick=quick, peers_python=peers_python)
        task.learned = learned
        for method in methods:
            scores = measure(method, METHODS[method], task)[method]
            about = {"pair": pair.name, "draw": draw, **shown._asdict(), "method": method}
            records.append(about | scores)
    return records


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done."""
    done = known(args.out, KEYS)
    methods = available(args.methods, args.peers_python)
    pairs = list(chosen(args, DEVELOPMENT | HELD_BACK | MORE))
    numbers = QUICK_LABELS if args.quick else args.labels
    lacking = args.lacking[:1] if args.quick else args.lacking
    for share, unlabelled, draw, pair in product(
        lacking, args.unlabelled, range(args.seeds), pairs
    ):
        todo: Todo = []
        for shown in (Shown(labels, share, unlabelled) for labels in numbers):
            left = [name for name in methods if (pair.name, draw, *shown, name) not in done]
            todo += [(shown, left)] if left else []
        # With some unlabelled rows alone, the views differ from one number of labels to the next.
        for some in [todo] if unlabelled == ALL else [[one] for one in todo]:
            if some:
                yield delayed(run_draw)(pair, draw, some, args.quick, args.peers_python)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", "--peers-python", seeds=5, jobs=2)
    parser.add_argument("--labels", type=int, nargs="*", default=[5, 10, 20, 50, ALL])
    parser.add_argument("--lacking", type=float, nargs="*", default=[0, 0.5, 0.9])
    parser.add_argument("--unlabelled", type=int, nargs="*", default=[ALL])
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)


def run(args: Namespace) -> None:
    """Run what is not done, and write tables and figure."""
    results = gather(jobs(args), [*KEYS, "accuracy", "seconds"], args)
    publish(report(results, list(METHODS)), args)
    if args.out is not None:
        figure(results, args.out.with_suffix(".png"))
