r"""Accuracy from x_O alone, and what is generated of x_M, beside what else one would fit.

`pairs.py` lists the pairs of views, `baselines.py` the rivals. Published splits are used where they
exist, with other seeds; elsewhere a fifth of the rows are test rows, anew for each split, rows of a
recording or a subject kept together. The test rows of the first split chose nothing, ever. What is
tuned is tuned on training rows. The figures are appended to OUT.csv as they come; a run that is
started again goes on where it was.

    python -m benchmarks accuracy --data FOLDER --peers-python .venv-peers/bin/python \
        --out benchmarks/results/accuracy
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joblib import delayed
from sklearn.model_selection import GridSearchCV

from benchmarks import baselines
from benchmarks.accuracy_tables import report
from benchmarks.baselines import CVAE, MOPOE, PEERS, SEARCHED, TWIN, classified, twin, twin_of
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, MORE, Pair, chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import published_or_set_aside
from benchmarks.tasks import Methods, Outcome, Task, both, make_task, measure
from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, authors_preset

# At ω = 1 the MMD has no weight.
TWIN_GRID = {"dropout": [0.15, 0.3, 0.5]}
CMMD_GRID = [{"omega": [0.0, 0.5], "lam": [10.0, 1000.0]}, {"omega": [1.0]}, TWIN_GRID]


def five(model: CMMDClassifier, task: Task) -> CMMDEnsemble:
    """Return an ensemble of five such classifiers, which generates x_M without regressions."""
    return CMMDEnsemble(model, generators=None, random_state=task.seed)


def preset(task: Task) -> Outcome:
    """Take the settings of the released code."""
    return both(task, task.cmmd(**authors_preset(min(100, len(task.y)))))


def cmmd_search(task: Task) -> dict[str, Outcome]:
    """Search ω and λ, or the dropout; then fit what was found five times."""
    search = GridSearchCV(task.cmmd(), CMMD_GRID, cv=task.folds)
    outcome = both(task, search)
    many = both(task, five(search.best_estimator_, task))
    return {"CMMD, searched": outcome, "CMMD × 5, searched": many}


def twin_search(task: Task) -> dict[str, Outcome]:
    """Search the dropout of the twin; then fit what was found five times."""
    search = GridSearchCV(twin_of(task.cmmd()), TWIN_GRID, cv=task.folds)
    outcome = classified(task, search)
    many = classified(task, five(search.best_estimator_, task))
    return {"twin, searched": outcome, "twin × 5, searched": many}


# The costly ones last, in case that a run is broken off.
LAST = (CVAE, MOPOE, "HGB, searched")
METHODS: dict[str, Methods] = {
    "CMMD": lambda task: both(task, task.cmmd()),
    TWIN: twin,
    "CMMD × 5": lambda task: both(task, five(task.cmmd(), task)),
    "twin × 5": lambda task: classified(task, five(twin_of(task.cmmd()), task)),
    **baselines.CLASSIFIERS | baselines.ORACLES | baselines.IMPUTERS,
    "CMMD, searched": cmmd_search,
    "twin, searched": twin_search,
    **{name: run for name, run in SEARCHED.items() if name not in LAST},
    **{name: (PEERS | SEARCHED)[name] for name in LAST},
    "authors' preset": preset,
    **PEERS,
}

COLUMNS = ["pair", "split", "method", "seconds", "accuracy", "n_test", "log_loss", "calibration"]
COLUMNS += ["rmse", "coverage", "wrong"]


def run_one(
    pair: Pair, split: int, method: str, quick: bool, peers_python: Path | None
) -> list[Record]:
    """Fit one method on one split, and score what comes of it."""
    parts = published_or_set_aside(pair, split)
    task = make_task(parts, split, quick=quick, peers_python=peers_python)
    found = measure(method, METHODS[method], task)
    about = {"pair": pair.name, "split": split}
    return [about | {"method": name} | scores for name, scores in found.items()]


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done, split after split."""
    done = known(args.out, ["pair", "split", "method"])
    methods = baselines.available(args.methods, args.peers_python)
    pairs = list(chosen(args, DEVELOPMENT | HELD_BACK | MORE))
    for split in range(args.seeds):
        for method in methods:
            for pair in pairs:
                if (pair.name, split, method) not in done:
                    yield delayed(run_one)(pair, split, method, args.quick, args.peers_python)


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", "--peers-python", seeds=5, jobs=2)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
