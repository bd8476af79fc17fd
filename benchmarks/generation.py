r"""What is generated of x_M from x_O: how near, how sure, and whether the sureness holds.

Pairs of views, in both directions, and all thirty pairs of the embedded digits' six views. Beside
the ensemble stand its five members alone, regressions, and intervals of others: a conformalised
ridge regression and a quantile forest. Errors are over the standard deviation of the training rows.
Draws are scored on at most 200 columns, and on sums of ten of them. The figures are appended to
OUT.csv as they come; a run that is started again goes on where it was.

    python -m benchmarks generation --data FOLDER --out benchmarks/results/generation
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import permutations
from typing import Any

import numpy as np
from joblib import delayed
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, KFold
from sklearn.multioutput import MultiOutputRegressor

from benchmarks.baselines import REGRESSORS, RIDGE
from benchmarks.generation_tables import report
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, LINEAR, Pair, Source, chosen, digits, reversed_
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import published_or_set_aside
from benchmarks.tasks import (
    LEVEL,
    N_DRAWS,
    Outcome,
    Task,
    make_task,
    measure,
    on_standardised,
    outcome_of,
)
from sklearn_cmmd import CMMDEnsemble

N_FOLDS, MOST_COMPONENTS, BLOCK = 5, 50, 10
VIEWS = ("fourier", "profiles", "karhunen_loeve", "pixels", "zernike", "morphological")
SIXTEEN = DEVELOPMENT | HELD_BACK
SETS: dict[str, dict[str, Source]] = {
    "sixteen": SIXTEEN,
    "linear": LINEAR,
    "reversed": {f"{name}, reversed": reversed_(source) for name, source in SIXTEEN.items()},
    "digits": {f"digits {a} → {b}, of thirty": digits(a, b) for a, b in permutations(VIEWS, 2)},
}
COLUMNS = ["pair", "split", "method", "seconds", "n_train", "n_test", "n_columns", "grouped"]
COLUMNS += ["accuracy", "log_loss", "calibration", "rmse", "energy", "crps"]
COLUMNS += ["covered", "deviation", "width", "sums_covered", "fit_seconds"]


@dataclass
class Generated(Outcome):
    """An outcome with intervals of x_M, lower and upper, and how long the fit took.

    The ends are of shape (n, n_missing), or of the columns that are drawn.
    """

    intervals: tuple[np.ndarray, np.ndarray] | None = None
    fit_seconds: float = np.nan


def cmmd(task: Task) -> Outcome:
    """Fit one classifier."""
    model = task.cmmd()
    seconds = _fit(task, model)
    found = _with_quantiles(outcome_of(model, task, generates=True))
    found.fit_seconds = seconds
    return found


def _fit(task: Task, model: Any, **params: Any) -> float:
    start = time.perf_counter()
    model.fit(task.X, task.y, X_missing=task.X_missing, **params)
    return time.perf_counter() - start


def ensemble(task: Task) -> dict[str, Outcome]:
    """Fit the ensemble; beside it stands what its members say alone."""
    n_groups = len(task.y) if task.groups is None else len(np.unique(task.groups))
    n_members = min(N_FOLDS, n_groups)
    model = CMMDEnsemble(task.cmmd(), n_estimators=n_members, random_state=task.seed)
    seconds = _fit(task, model, **({} if task.groups is None else {"groups": task.groups}))
    mixed = Generated(**vars(outcome_of(model, task, generates=True)), fit_seconds=seconds)
    if n_groups > 1 / (1 - LEVEL):  # fewer cannot be sure of nine in ten
        mixed.intervals = model.generate_intervals(task.X_test, LEVEL)
    members = [outcome_of(member, task, generates=True) for member in model.estimators_]
    alone = Outcome(proba=np.mean([each.proba for each in members], axis=0))
    alone.labels = model.classes_[alone.proba.argmax(axis=1)]
    alone.generated = np.mean([each.generated for each in members], axis=0)
    share = -(-N_DRAWS // len(members))
    alone.draws = np.concatenate([each.draws[:, :share] for each in members], axis=1)
    return {"ensemble": mixed, "its members alone": _with_quantiles(alone)}


def _with_quantiles(outcome: Outcome) -> Outcome:
    """Take quantiles of the draws for intervals; of the columns that are drawn."""
    found = Generated(**vars(outcome))
    levels = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found.intervals = tuple(np.quantile(outcome.draws, levels, axis=1, method="weibull"))
    return found


def _regression(regressor: Callable[[Task], Any]) -> Callable[[Task], Outcome]:
    def generate(task: Task) -> Outcome:
        predicted = regressor(task).fit(task.X, task.X_missing).predict(task.X_test)
        return Outcome(generated=predicted.reshape(len(task.X_test), -1))

    return on_standardised(generate)


def _components(task: Task) -> PCA:
    """Return as many principal components of x_M as boosting, one by one, has time for."""
    return PCA(min(MOST_COMPONENTS, *task.X_missing.shape), random_state=task.seed)


def _boosting(task: Task) -> Any:
    trees = MultiOutputRegressor(HistGradientBoostingRegressor(random_state=task.seed))
    return TransformedTargetRegressor(trees, transformer=_components(task), check_inverse=False)


def _partial_least_squares(task: Task) -> Any:
    n_components = min(20, *task.X.shape, task.X_missing.shape[1])
    return PLSRegression(n_components, scale=False)


@on_standardised
def conformal_ridge(task: Task) -> Outcome:
    """Put around a ridge regression what its errors in five folds say."""
    splitter = KFold(N_FOLDS, shuffle=True, random_state=task.seed)
    if task.groups is not None:
        splitter = GroupKFold(min(N_FOLDS, len(np.unique(task.groups))))
    ridge, errors = REGRESSORS[RIDGE](task.seed), np.empty_like(task.X_missing)
    for kept, out in splitter.split(task.X, groups=task.groups):
        model = clone(ridge).fit(task.X[kept], task.X_missing[kept])
        errors[out] = np.abs(task.X_missing[out] - model.predict(task.X[out]))
    rank = min(int(np.ceil(LEVEL * (len(errors) + 1))), len(errors)) - 1
    half = np.sort(errors, axis=0)[rank]
    means = ridge.fit(task.X, task.X_missing).predict(task.X_test)
    return Generated(generated=means, intervals=(means - half, means + half))


@on_standardised
def quantile_forest(task: Task) -> Outcome:
    """Take the quantiles of the leaves of a forest; of the columns that are drawn."""
    from quantile_forest import RandomForestQuantileRegressor

    forest = RandomForestQuantileRegressor(min_samples_leaf=5, random_state=task.seed)
    forest.fit(task.X, task.X_missing[:, task.columns])
    levels = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found = forest.predict(task.X_test, quantiles=levels).reshape(len(task.X_test), -1, 2)
    return Generated(intervals=(found[:, :, 0], found[:, :, 1]))


METHODS: dict[str, Callable[[Task], Any]] = {
    "ensemble": ensemble,
    "CMMD": cmmd,
    **{
        name: _regression(lambda task, make=make: make(task.seed))
        for name, make in REGRESSORS.items()
    },
    "boosting": _regression(_boosting),
    "partial least squares": _regression(_partial_least_squares),
    "conformal ridge": conformal_ridge,
    "quantile forest": quantile_forest,
}


def scored(outcome: Outcome, task: Task) -> dict[str, float]:
    """Score draws and intervals of the test rows."""
    true = task.X_test_missing
    found = {"fit_seconds": getattr(outcome, "fit_seconds", np.nan)}
    if outcome.draws is not None:
        found |= scores_of_draws(outcome.draws, true[:, task.columns])
    intervals = getattr(outcome, "intervals", None)
    if intervals is not None:
        if intervals[0].shape != true.shape:
            true = true[:, task.columns]
        found |= scores_of_intervals(*intervals, true)
    return found


def scores_of_draws(draws: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return energy score over the root of the number of columns, CRPS, coverage of sums."""
    from scoringrules import crps_ensemble, es_ensemble

    n_columns = true.shape[1]
    ends = list(range(0, n_columns, BLOCK))
    sums, true_sums = (np.add.reduceat(each, ends, axis=-1) for each in (draws, true))
    levels = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(sums, levels, axis=1, method="weibull")
    energy = np.mean([es_ensemble(row, drawn) for row, drawn in zip(true, draws, strict=True)])
    crps = [crps_ensemble(row, drawn, m_axis=0) for row, drawn in zip(true, draws, strict=True)]
    return {
        "energy": float(energy / np.sqrt(n_columns)),
        "crps": float(np.mean(crps)),
        "sums_covered": float(np.mean((low <= true_sums) & (true_sums <= high))),
    }


def scores_of_intervals(low: np.ndarray, high: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return coverage, its mean distance by column from what it is to be, and the width."""
    # A column that never varies has no error to cover.
    varies = true.std(axis=0) > 0
    covered = ((low <= true) & (true <= high))[:, varies]
    return {
        "covered": float(covered.mean()),
        "deviation": float(np.abs(covered.mean(axis=0) - LEVEL).mean()),
        "width": float((high - low)[:, varies].mean()),
    }


def run_one(pair: Pair, split: int, method: str, quick: bool) -> list[Record]:
    """Fit one method on one split, and score what comes of it."""
    task = make_task(published_or_set_aside(pair, split), split, quick=quick)
    n_train, n_columns = task.X_missing.shape
    about = {"pair": pair.name, "split": split, "n_train": n_train, "n_columns": n_columns}
    about |= {"n_test": len(task.X_test), "grouped": task.groups is not None}
    kept: dict[str, Outcome] = {}

    def run(task: Task) -> dict[str, Outcome]:
        outcomes = METHODS[method](task)
        kept.update({method: outcomes} if isinstance(outcomes, Outcome) else outcomes)
        return kept

    found = measure(method, run, task)
    return [
        about | {"method": name} | scores | scored(kept[name], task)
        for name, scores in found.items()
    ]


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done, split after split."""
    done = known(args.out, ["pair", "split", "method"])
    absent = {"quantile forest"} if find_spec("quantile_forest") is None else set()
    methods = [name for name in args.methods if name not in absent]
    sources = {name: source for key in args.pairs for name, source in SETS[key].items()}
    for pair in chosen(args, sources):
        for split in range(args.seeds):
            for method in methods:
                if (pair.name, split, method) not in done:
                    yield delayed(run_one)(pair, split, method, args.quick)


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", seeds=5, jobs=2)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--pairs", nargs="*", default=list(SETS), choices=SETS)


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
