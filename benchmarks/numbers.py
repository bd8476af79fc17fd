r"""Numbers from x_O alone, where other views are there in training, beside regressions.

Targets are standardised by the training rows that have one, all of them or a tenth; the other rows
are pairs without a target. Published splits are used where they exist; elsewhere a fifth of the
rows are test rows, anew for each split, rows of a recording or a person kept together. CMMD and its
twin say a standard deviation for each row; that of the others is of their errors in five folds of
the rows with a target, whose fits count in the seconds. The figures are appended to OUT.csv as they
come; a run that is started again goes on where it was.

    python -m benchmarks numbers --data FOLDER --out benchmarks/results/numbers
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from scipy.stats import norm
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from benchmarks.baselines import REGRESSORS, RIDGE, TWIN, twin_of
from benchmarks.options import add_shared
from benchmarks.pairs import Pair, Source, as_table, chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import published_or_set_aside
from benchmarks.subsets_tables import compared, costs
from benchmarks.tasks import Outcome, Task, make_task, measure, on_standardised
from sklearn_cmmd import CMMDEnsemble, CMMDRegressor
from sklearn_cmmd.datasets import load_multiple_features

OURS, N_FOLDS, QUANTILE = "CMMD", 5, 1.645
KEYS = ["set", "split", "share", "method"]
COLUMNS = [*KEYS, "seconds", "r2", "rmse", "nll", "coverage"]
Columns = tuple[Any, ...]
# Mean and standard deviation of the targets of test rows.
Said = tuple[np.ndarray, np.ndarray]


def diabetes(folder: Path) -> Columns:
    """Progression from age, sex, mass, pressure and one serum, with five other sera."""
    X, y = load_diabetes(return_X_y=True)
    return X[:, :5], X[:, 5:], y


def shapes(observed: str, missing: str, column: int) -> Source:
    """One morphological feature of the digits from one view, with another."""

    def read(folder: Path) -> Columns:
        views = load_multiple_features().views
        return views[observed], views[missing], views["morphological"][:, column].astype(float)

    return read


def formants(folder: Path) -> Columns:
    """The first formant of vowels from the tongue, with the other acoustic columns."""
    with np.load(folder / "xrmb_jw12_vowels.npz") as data:
        sound = data["acoustic"].astype(float)
        first = data["ac_names"].tolist().index("F1")
        X = data["articulatory"].astype(float)
        return X, np.delete(sound, first, axis=1), sound[:, first], data["recording"]


def proteins(folder: Path) -> Columns:
    """The protein of the largest variance in tumours from microRNA, with messenger RNA."""
    with np.load(folder / "breast_tcga.npz") as data:
        X, X_missing, protein = (data[f"{key}_train"] for key in ("mirna", "mrna", "protein"))
    return X, X_missing, _most_variable(protein)


def genes(folder: Path) -> Columns:
    """The gene of the largest variance in brains from microRNA, with methylation."""
    with np.load(folder / "rosmap.npz") as data:
        return data["view2"], data["view1"], _most_variable(data["view0"]), None, data["is_train"]


def motion(folder: Path) -> Columns:
    """How much moves in depth images, a logarithm, from sensors worn, with joints."""
    with np.load(folder / "utd_mhad.npz") as data:
        X, X_missing = as_table(data["inertial64"]), as_table(data["skeleton32"])
        moved = np.log(data["depth_motion_map"].sum(axis=(1, 2), dtype=float))
        return X, X_missing, moved, data["subject"], data["is_train"]


def _most_variable(columns: np.ndarray) -> np.ndarray:
    return columns[:, columns.var(axis=0).argmax()].astype(float)


SETS: dict[str, Source] = {
    "diabetes": diabetes,
    "digits fourier → elongation": shapes("fourier", "karhunen_loeve", 4),
    "digits zernike → area": shapes("zernike", "profiles", 5),
    "vowels tongue → formant": formants,
    "breast miRNA → protein": proteins,
    "brain miRNA → gene": genes,
    "actions inertia → motion": motion,
}


def make_numbers(pair: Pair, split: int, share: float, quick: bool) -> Task:
    """Show the targets of a share of the training rows, NaN elsewhere, and standardise by them."""
    task = make_task(published_or_set_aside(pair, split), split, quick=quick)
    order = np.random.default_rng([split, 3]).permutation(len(task.y))
    shown = np.full(len(task.y), np.nan)
    rows = order[: round(share * len(order))]
    shown[rows] = task.y[rows]
    loc, scale = np.nanmean(shown), np.nanstd(shown)
    task.y, task.y_test = (shown - loc) / scale, (task.y_test - loc) / scale
    return task


def _with_target(task: Task) -> np.ndarray:
    return np.flatnonzero(~np.isnan(task.y))


def regressor(task: Task) -> Any:
    return CMMDRegressor(random_state=task.seed, **task.shorten)


def cmmd(task: Task) -> Said:
    """Fit the defaults to all rows."""
    model = regressor(task).fit(task.X, task.y, X_missing=task.X_missing)
    mean, std = model.predict(task.X_test, return_std=True)
    return mean, std


def ensemble(task: Task) -> Said:
    """Fit five members, whose deviations are scaled by the errors of rows left out."""
    groups = {} if task.groups is None else {"groups": task.groups}
    n_members = min(N_FOLDS, len(np.unique(task.groups))) if groups else N_FOLDS
    model = CMMDEnsemble(regressor(task), n_estimators=n_members, random_state=task.seed)
    model.fit(task.X, task.y, X_missing=task.X_missing, **groups)
    mean, std = model.predict(task.X_test, return_std=True)
    return mean, std


def twin(task: Task) -> Said:
    """Fit the same prior and regression to x_O alone, of the rows with a target."""
    rows = _with_target(task)
    model = twin_of(regressor(task)).fit(task.X[rows], task.y[rows])
    mean, std = model.predict(task.X_test, return_std=True)
    return mean, std


def _rival(make: Callable[[int], BaseEstimator]) -> Callable[[Task], Said]:
    """Fit a regression, and take the spread of its errors in five folds."""

    def predict(task: Task) -> Said:
        rows, groups = _with_target(task), None
        splitter = KFold(N_FOLDS, shuffle=True, random_state=task.seed)
        if task.groups is not None:
            groups = task.groups[rows]
            splitter = GroupKFold(min(N_FOLDS, len(np.unique(groups))))
        X, y, model = task.X[rows], task.y[rows], make(task.seed)
        errors = y - cross_val_predict(clone(model), X, y, groups=groups, cv=splitter)
        mean = model.fit(X, y).predict(task.X_test)
        return mean, np.full(len(mean), np.sqrt(np.mean(errors**2)))

    return on_standardised(predict)


METHODS: dict[str, Callable[[Task], Said]] = {
    OURS: cmmd,
    "ensemble": ensemble,
    TWIN: twin,
    **{name: _rival(REGRESSORS[name]) for name in (RIDGE, "extra trees", "MLP regression")},
    "HGB": _rival(lambda seed: HistGradientBoostingRegressor(random_state=seed)),
}


def scores(mean: np.ndarray, std: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Score means and standard deviations; the target's own is one in training."""
    return {
        "r2": r2_score(y, mean),
        "rmse": float(np.sqrt(np.mean((y - mean) ** 2))),
        "nll": float(-norm.logpdf(y, mean, std).mean()),
        "coverage": float(np.mean(np.abs(y - mean) <= QUANTILE * std)),
    }


def run_one(pair: Pair, split: int, share: float, method: str, quick: bool) -> list[Record]:
    """Fit one method on one split, and score what comes of it."""
    task = make_numbers(pair, split, share, quick)
    kept: list[Said] = []

    def run(task: Task) -> Outcome:
        kept.append(METHODS[method](task))
        return Outcome()

    seconds = measure(method, run, task)[method]
    about = {"set": pair.name, "split": split, "share": share, "method": method}
    return [about | seconds | scores(*kept[0], task.y_test)]


def report(rows: pd.DataFrame) -> str:
    """Write every table; the share is that of the training rows with a target."""
    metrics = {"r2": "largest", "rmse": "least", "nll": "least"}
    tables = [compared(rows, name, ["split"], OURS, best) for name, best in metrics.items()]
    covered = rows.pivot_table("coverage", ["share", "set"], "method", sort=False)
    parts = [part for table in tables for part in table]
    parts.append(f"coverage of mean ± {QUANTILE} std, to be 0.9\n{covered.round(3).to_string()}")
    return "\n\n".join([*parts, *costs(rows, OURS)])


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done, split after split."""
    done = known(args.out, KEYS)
    pairs = list(chosen(args, SETS))
    for split in range(args.seeds):
        for share in args.shares:
            for method in args.methods:
                for pair in pairs:
                    if (pair.name, split, share, method) not in done:
                        yield delayed(run_one)(pair, split, share, method, args.quick)


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", seeds=5, jobs=2)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--shares", type=float, nargs="*", default=[1.0, 0.1])


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
