"""Accuracy from x_O alone, and what is generated of x_M, beside what the user would otherwise fit.

`pairs.py` lists the pairs of views, `accuracy_methods.py` the methods. Published splits are used
where they exist, five times, with other seeds; elsewhere a fifth of the rows are test rows, anew
for each of five splits, rows of a recording or a subject kept together. The test rows of the first
split chose nothing, ever. The figures are appended to ``OUT.csv`` as they come; a run that is
started again goes on where it was.

    python benchmarks/accuracy.py --data FOLDER --peers-python .venv-peers/bin/python \
        --out benchmarks/results/accuracy
    python benchmarks/accuracy.py --data FOLDER --out /tmp/quick --quick
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accuracy_methods import METHODS, OF_PEERS, PRESET, Outcome, Task
from accuracy_report import report
from defaults import relative_rmse
from joblib import Parallel, delayed
from pairs import DEVELOPMENT, HELD_BACK, Pair, pairs, published_or_set_aside
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

SMALL_ROWS = 600  # of the pairs of --quick
SLOW = [PRESET, "HGB, searched", "random forest, searched", "MLP, searched"]
BINS = 10
LEVEL = 0.9


def task_of(pair: Pair, n_split: int, peers_python: Path | None) -> tuple[Task, np.ndarray]:
    """Return standardised views, and the labels of the test rows."""
    train, test = published_or_set_aside(pair, n_split)
    scale, scale_missing = (StandardScaler().fit(X) for X in (train.X, train.X_missing))
    task = Task(
        scale.transform(train.X),
        scale_missing.transform(train.X_missing),
        train.y,
        train.groups,
        scale.transform(test.X),
        scale_missing.transform(test.X_missing),
        n_split,
        peers_python,
    )
    return task, test.y


def calibration_error(proba: np.ndarray, correct: np.ndarray) -> float:
    """Mean distance of confidence and accuracy, over bins of the confidence of equal width."""
    confidence = proba.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(np.sum((confidence - correct)[bins == b])) for b in range(BINS)]
    return float(np.sum(gaps) / len(correct))


def energy_score(draws: np.ndarray, true: np.ndarray) -> float:
    """E|X − x| − ½ E|X − X'|, divided by the root of the number of columns; low is good."""
    to_true = np.linalg.norm(draws - true[:, None], axis=-1).mean()
    half = draws.shape[1] // 2
    apart = np.linalg.norm(draws[:, :half] - draws[:, half : 2 * half], axis=-1).mean()
    return float((to_true - apart / 2) / np.sqrt(true.shape[1]))


def coverage(draws: np.ndarray, true: np.ndarray) -> float:
    """Share of the values between the quantiles of the draws that are to hold nine in ten."""
    levels = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(draws, levels, axis=1, method="weibull")
    return float(np.mean((low <= true) & (true <= high)))


def scores(outcome: Outcome, task: Task, y_test: np.ndarray) -> dict[str, float | str]:
    """Score what a method says of the test rows.

    ``wrong`` packs into hexadecimal digits which rows are misclassified, so that two methods can be
    compared row by row.
    """
    found: dict[str, float | str] = {}
    if outcome.labels is not None:
        correct = outcome.labels == y_test
        found["accuracy"] = np.mean(correct)
        found["n_test"] = len(y_test)
        found["wrong"] = "x" + np.packbits(~correct).tobytes().hex()
        if outcome.proba is not None:
            found["log_loss"] = log_loss(y_test, outcome.proba, labels=np.unique(task.y))
            found["calibration"] = calibration_error(outcome.proba, correct)
    true = task.X_test_missing
    if outcome.generated is not None:
        found["rmse"] = relative_rmse(outcome.generated, true, task.X_missing)
    if outcome.draws is not None:
        found["energy"] = energy_score(outcome.draws, true[:, task.columns])
        found["coverage"] = coverage(outcome.draws, true[:, task.columns])
    elif outcome.generated is not None:
        point = outcome.generated[:, None, task.columns]
        found["energy"] = energy_score(np.repeat(point, 2, axis=1), true[:, task.columns])
    return found


COLUMNS = ["pair", "split", "method", "seconds", "accuracy", "n_test", "log_loss", "calibration"]
COLUMNS += ["rmse", "energy", "coverage", "wrong"]


def run_one(pair: Pair, n_split: int, method: str, peers_python: Path | None) -> list[dict]:
    """Fit one method on one split, and score what comes of it."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    task, y_test = task_of(pair, n_split, peers_python)
    start = time.perf_counter()
    outcomes = METHODS[method](task)
    seconds = time.perf_counter() - start
    about = {"pair": pair.name, "split": n_split, "seconds": seconds}
    if isinstance(outcomes, Outcome):
        outcomes = {method: outcomes}
    return [
        about | {"method": name} | scores(outcome, task, y_test)
        for name, outcome in outcomes.items()
    ]


def jobs(args: argparse.Namespace, done: set[tuple]) -> list[tuple]:
    """Return what `run_one` takes, for what is not done: split after split."""
    methods = [name for name in args.methods if args.peers_python or name not in OF_PEERS]
    chosen = list(pairs(args.data, DEVELOPMENT | HELD_BACK))
    if args.only:
        chosen = [pair for pair in chosen if any(word in pair.name for word in args.only)]
    if args.quick:
        chosen = [pair for pair in chosen if len(pair.y) <= SMALL_ROWS]
        methods = [name for name in methods if name not in SLOW]
    return [
        (pair, n_split, method, args.peers_python)
        for n_split in range(1 if args.quick else args.splits)
        for method in methods
        for pair in chosen
        if (pair.name, n_split, method) not in done
    ]


def run(args: argparse.Namespace, file: Path) -> pd.DataFrame:
    """Run what the file lacks, appending to it."""
    done = set()
    if file.exists():
        known = pd.read_csv(file)[["pair", "split", "method"]]
        done = set(known.itertuples(index=False, name=None))
    todo = (delayed(run_one)(*job) for job in jobs(args, done))
    for records in Parallel(args.jobs, return_as="generator_unordered", verbose=5)(todo):
        rows = pd.DataFrame(records, columns=COLUMNS)
        rows.to_csv(file, mode="a", header=not file.exists(), index=False, float_format="%.5g")
    return pd.read_csv(file)


def main() -> None:
    """Parse the command line, run, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path, required=True, help="results, without a suffix")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="words in the names of the pairs to run")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--peers-python", type=Path, help="interpreter with multivae and cca-zoo")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small pairs, one split, fast methods")
    args = parser.parse_args()
    text = report(run(args, args.out.with_suffix(".csv")))
    print(text)
    args.out.with_suffix(".txt").write_text(text + "\n")


if __name__ == "__main__":
    main()
