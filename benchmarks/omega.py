"""What ω changes on digits: accuracy, error of the generated view, information in z.

Five hundred rows of Fourier coefficients and pixels train, five hundred others are held out, in
three splits, with the default objective and with the paper's, which decodes draws of q alone. The
error is `missing_rmse` in standard deviations; information is in nats.

    python -m benchmarks omega --out benchmarks/results/omega
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd
from joblib import delayed
from sklearn.model_selection import StratifiedShuffleSplit

from benchmarks.options import add_shared
from benchmarks.reports import Record, gather, known, publish
from benchmarks.tasks import SHORT
from sklearn_cmmd import CMMDClassifier, Objective
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.metrics import conditional_mutual_information, missing_rmse

OMEGAS = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)
QUICK_OMEGAS = OMEGAS[::6]
OBJECTIVES = {"default": 0.5, "paper's": 0.0}
N_ROWS, N_QUICK_ROWS = 500, 100
KEYS = ["objective", "omega", "split"]
COLUMNS = [*KEYS, "accuracy", "error", "information", "bound"]


def run_one(objective: str, omega: float, split: int, quick: bool) -> list[Record]:
    """Fit to one split."""
    digits = load_multiple_features(observed="fourier", missing="pixels")
    X, y, M = digits.data, digits.target, digits.data_missing
    n_rows = N_QUICK_ROWS if quick else N_ROWS
    splitter = StratifiedShuffleSplit(
        split + 1, train_size=n_rows, test_size=n_rows, random_state=0
    )
    *_, (train, test) = splitter.split(X, y)
    clf = CMMDClassifier(
        omega=omega,
        objective=Objective(decode_prior=OBJECTIVES[objective]),
        random_state=0,
        **SHORT if quick else {},
    )
    clf.fit(X[train], y[train], X_missing=M[train])
    estimate, bound = conditional_mutual_information(clf, X[test], M[test], y[test], random_state=0)
    scores = {
        "accuracy": clf.score(X[test], y[test]),
        "error": missing_rmse(M[test], clf.generate_missing(X[test]), scale="std"),
        "information": estimate,
        "bound": bound,
    }
    return [dict(zip(KEYS, (objective, omega, split), strict=True)) | scores]


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done."""
    done = known(args.out, KEYS)
    omegas = QUICK_OMEGAS if args.quick else OMEGAS
    for key in product(OBJECTIVES, omegas, range(args.seeds)):
        if key not in done:
            yield delayed(run_one)(*key, args.quick)


def report(rows: pd.DataFrame) -> str:
    """Write means over the splits."""
    means = rows.groupby(KEYS[:2], sort=False)[COLUMNS[3:]].mean()
    return f"means of {rows['split'].nunique()} splits\n{means.round(3).to_string()}"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--seeds", "--jobs", seeds=3, jobs=2)


def run(args: Namespace) -> None:
    """Run what is not done, and write the table."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
