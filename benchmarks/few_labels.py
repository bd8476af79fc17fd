r"""Accuracy from x_O alone where many pairs have no label, and some no x_M.

For every pair of views a fifth of the rows are test rows, which choose nothing. Of the others a few
of each class have a label, drawn anew five times; the rest have none. `few_labels_methods.py` says
what is compared. The figures are appended to ``OUT.csv`` as they come, and a run that is started
again goes on where it was.

    python benchmarks/few_labels.py --data FOLDER --peers-python .venv-peers/bin/python \
        --out benchmarks/results/few_labels
"""

import argparse
import time
import warnings
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from defaults import environment
from few_labels_methods import CMMD, METHODS, ORACLES, TWIN, Task, Views
from joblib import Parallel, delayed
from pairs import DEVELOPMENT, HELD_BACK, Pair, keep_labels, pairs, set_aside
from sklearn.preprocessing import StandardScaler

ALL = 0  # labels a class, or pairs
SIMPLE = ["LR", "SVM", "HGB", "MLP", "self-training", "label spreading"]
LINES = {
    CMMD: "C3-o",
    "best that sees x_M": "k:",
    "best of 6 classifiers": "C0-s",
    "LR on CCA": "C2-",
    "LR on MoPoE": "C5-",
    "two stages": "C4-",
    "paper's form": "C1-",
    TWIN: "C7-",
}
PAIRS_AT = 10  # labels a class at which numbers of pairs are compared
DIGITS = 9  # of a lead, so that one of exactly the margin counts
MARGIN = 0.05  # by which an oracle must beat the best of x_O to show that x_M tells something


class Cell(NamedTuple):
    """How many labels a class, which share of the rows lacks x_M, how many pairs have no label."""

    labels: int
    lacking: float
    unlabelled: int


def task_of(pair: Pair, seed: int, cell: Cell, peers_python: Path | None) -> Task:
    """Return the views and the labels of one draw."""
    train, test = set_aside(pair)
    random = np.random.default_rng(seed)
    order = random.permutation(len(train.y))
    y = train.y if cell.labels == ALL else keep_labels(train.y, cell.labels, seed)
    kept = order
    if cell.unlabelled != ALL:
        kept = np.concatenate([order[y[order] >= 0], order[y[order] < 0][: cell.unlabelled]])
    scale, scale_missing = (StandardScaler().fit(X) for X in (train.X, train.X_missing))
    X_missing = scale_missing.transform(train.X_missing)
    with_gaps = X_missing.copy()
    with_gaps[random.permutation(len(order))[: round(cell.lacking * len(order))]] = np.nan
    views = Views(
        scale.transform(train.X)[kept],
        with_gaps[kept],
        X_missing[kept],
        scale.transform(test.X),
        scale_missing.transform(test.X_missing),
        seed,
        peers_python,
    )
    return Task(views, y[kept])


def run_draw(
    pair: Pair, seed: int, todo: list[tuple[Cell, list[str]]], peers_python: Path | None
) -> list[dict]:
    """Fit the methods in cells that differ in their labels alone."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    y_test, shared, records = set_aside(pair)[1].y, None, []
    for cell, methods in todo:
        task = task_of(pair, seed, cell, peers_python)
        task.views = shared = shared or task.views
        for method in methods:
            start = time.perf_counter()
            accuracy = np.mean(METHODS[method](task) == y_test)
            seconds = time.perf_counter() - start
            record = {"pair": pair.name, "draw": seed, **cell._asdict()}
            records.append(record | {"method": method, "accuracy": accuracy, "seconds": seconds})
    return records


def jobs(args: argparse.Namespace, done: set[tuple]) -> Iterator[tuple]:
    """Yield what `run_draw` takes, for what is not done."""
    wanted = [name for name in args.methods if args.peers_python or "MoPoE" not in name]
    for lacking, unlabelled, seed in product(args.lacking, args.unlabelled, range(args.draws)):
        for pair in pairs(args.data, DEVELOPMENT | HELD_BACK):
            if args.only and not any(word in pair.name for word in args.only):
                continue
            todo = []
            for cell in (Cell(labels, lacking, unlabelled) for labels in args.labels):
                left = [name for name in wanted if (pair.name, seed, *cell, name) not in done]
                todo += [(cell, left)] if left else []
            # With another number of pairs the views differ from one number of labels to the next.
            for some in [todo] if unlabelled == ALL else [[one] for one in todo]:
                if some:
                    yield pair, seed, some, args.peers_python


def run(args: argparse.Namespace, file: Path) -> pd.DataFrame:
    """Run what the file lacks, appending to it."""
    keys = ["pair", "draw", *Cell._fields, "method"]
    done = set()
    if file.exists():
        done = set(pd.read_csv(file)[keys].itertuples(index=False, name=None))
    results: Iterable[list[dict]] = Parallel(args.jobs, return_as="generator_unordered", verbose=5)(
        delayed(run_draw)(*job) for job in jobs(args, done)
    )
    for records in results:
        rows = pd.DataFrame(records)
        rows.to_csv(file, mode="a", header=not file.exists(), index=False, float_format="%.5g")
    return pd.read_csv(file)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy by pair and method, and where x_M tells something."""
    means = results.pivot_table("accuracy", "pair", "method", sort=False)
    means = means[[name for name in METHODS if name in means]]
    lead = means[ORACLES].max(axis=1) - _rivals(means).max(axis=1)
    return means.assign(**{"x_M tells": lead.round(DIGITS) >= MARGIN})


def _rivals(means: pd.DataFrame) -> pd.DataFrame:
    """Everything but CMMD and the oracles."""
    return means.drop(columns=[CMMD, *ORACLES])


def advantage(results: pd.DataFrame) -> pd.DataFrame:
    """Points by which CMMD is above the best of the others, with the error of the draws."""
    rows = []
    for (name, labels, lacking), part in results.groupby(["pair", "labels", "lacking"], sort=False):
        by_draw = part.pivot_table("accuracy", "draw", "method")
        means = by_draw.mean()
        best = _rivals(means.to_frame().T).iloc[0].idxmax()
        points = 100 * (by_draw[CMMD] - by_draw[best])
        rows.append(
            {
                "labels": labels or "all",
                "lacking": lacking,
                "pair": name,
                "x_M tells": round(means[ORACLES].max() - means[best], DIGITS) >= MARGIN,
                "best other": best,
                "CMMD − it": points.mean(),
                "±": points.sem(),
                "CMMD − twin": 100 * (by_draw[CMMD] - by_draw[TWIN]).mean(),
                "± ": 100 * (by_draw[CMMD] - by_draw[TWIN]).sem(),
            }
        )
    return pd.DataFrame(rows)


def above_each(results: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Points by which CMMD is above each method, means over the pairs where x_M tells."""
    keys = ["lacking", "labels", "pair"]
    means = results.pivot_table("accuracy", keys, "method")
    chosen = told.replace({"labels": {"all": ALL}})[keys]
    means = means.loc[pd.MultiIndex.from_frame(chosen)]
    points = 100 * means.rsub(means[CMMD], axis=0).drop(columns=CMMD)
    return points.groupby(["lacking", "labels"]).mean().T


def above_twin(results: pd.DataFrame) -> str:
    """Points by which CMMD is above its twin, by pair and labels a class, with their error."""
    both = results.pivot_table("accuracy", ["pair", "labels", "draw"], "method")
    points = (100 * (both[CMMD] - both[TWIN])).dropna().groupby(["pair", "labels"])
    return points.agg(["mean", "sem"]).unstack("labels").round(1).to_string()


def in_common(results: pd.DataFrame, columns: str | list[str]) -> str:
    """Return the mean accuracy of the draws that have all columns, by pair, and over the pairs."""
    results = results.replace({"labels": {ALL: np.inf}, "unlabelled": {ALL: np.inf}})
    draws = results.pivot_table("accuracy", ["pair", "draw"], columns).dropna()
    means = draws.groupby("pair").mean().rename(columns={np.inf: "all"})
    means.loc["mean"] = means.mean()
    return means.round(3).to_string()


def figure(results: pd.DataFrame, file: Path) -> None:
    """Draw accuracy against labels, a panel for each pair that has several numbers of them."""
    results = results.query("lacking == 0 and unlabelled == @ALL")
    results = results.groupby("pair").filter(lambda part: part.labels.nunique() > 1)
    if results.empty:
        return
    names = list(dict.fromkeys(results.pair))
    ticks = {n: n or "all" for n in sorted(set(results.labels), key=lambda n: n or np.inf)}
    place = {n: i for i, n in enumerate(ticks)}
    columns = 4
    shape = -(-len(names) // columns), columns
    fig, axes = plt.subplots(*shape, figsize=(13, 2.9 * shape[0]), layout="constrained")
    for ax, name in zip(axes.flat, names, strict=False):
        means = results[results.pair == name].pivot_table("accuracy", "labels", "method")
        means.index = [place[n] for n in means.index]
        means = means.sort_index()
        means["best of 6 classifiers"] = means[SIMPLE].max(axis=1)
        means["best that sees x_M"] = means[ORACLES].max(axis=1)
        for method, style in LINES.items():
            ax.plot(means.index, means[method], style, ms=4, label=method)
        ax.set(title=name, xticks=list(place.values()), xticklabels=list(ticks.values()))
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    fig.supxlabel("labels a class")
    fig.supylabel("accuracy from x_O alone")
    fig.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=8)
    fig.savefig(file, dpi=110)


def report(results: pd.DataFrame) -> str:
    """Return all tables."""
    parts = [environment()]
    main = results[results.unlabelled == ALL].groupby(["pair", "labels", "lacking", "draw"])
    main = main.filter(lambda part: set(METHODS) <= set(part.method))
    if main.empty:
        return "\n\n".join([*parts, "Nothing to compare yet: the table needs every method."])
    for (lacking, labels), part in main.groupby(["lacking", "labels"]):
        title = f"{labels or 'all'} labels a class, {lacking:.0%} of the rows without x_M"
        parts.append(f"{title}\n{table(part).round(3).to_string()}")
    gains = advantage(main)
    parts.append(f"Points\n{gains.round(1).to_string(index=False)}")
    told = gains[gains["x_M tells"]].groupby(["lacking", "labels"], sort=False)
    parts.append(
        "Where x_M tells something\n"
        + told[["CMMD − it", "CMMD − twin"]].agg(["mean", "sem", "count"]).round(1).to_string()
    )
    above = above_each(main, gains[gains["x_M tells"]])
    parts.append(f"CMMD above each of the others there, points\n{above.round(1).to_string()}")
    whole = results[(results.lacking == 0) & results.method.isin([CMMD, TWIN])]
    every_pair = whole[whole.unlabelled == ALL]
    if not every_pair.empty:
        by_labels = in_common(every_pair, ["method", "labels"])
        parts.append(f"CMMD and its twin by labels a class\n{by_labels}")
        parts.append(f"CMMD − twin, points and error of the draws\n{above_twin(every_pair)}")
    by_pairs = whole[(whole.method == CMMD) & (whole.labels == PAIRS_AT)]
    if by_pairs.unlabelled.nunique() > 1:
        counts = in_common(by_pairs, "unlabelled")
        parts.append(f"CMMD by pairs without a label, {PAIRS_AT} labels a class\n{counts}")
    return "\n\n".join(parts)


def main() -> None:
    """Parse the command line, run, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path, required=True, help="results, without a suffix")
    parser.add_argument("--labels", type=int, nargs="*", default=[5, 10, 20, 50, ALL])
    parser.add_argument("--lacking", type=float, nargs="*", default=[0, 0.5, 0.9])
    parser.add_argument("--unlabelled", type=int, nargs="*", default=[ALL])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--only", nargs="*", help="words in the names of the pairs to run")
    parser.add_argument("--peers-python", type=Path, help="interpreter that has multivae")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    results = run(args, args.out.with_suffix(".csv"))
    text = report(results)
    print(text)
    args.out.with_suffix(".txt").write_text(text + "\n")
    figure(results, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
