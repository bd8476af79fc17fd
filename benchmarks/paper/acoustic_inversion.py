"""Vowels from sound, and where the tongue was: figures 5 and 6 of the paper on one speaker.

Figure 6: error and rmse against ω, for a speaker's own 70 % and 30 % and for four folds. Figure 5:
the evidence lower bound (ω = 1) against a tuned ω, and a fixed variance of the decoder against a
learned one, at ω = 0.7. Recordings are never divided, where the paper's frames are neighbours; ω is
tuned by a search inside the training rows, where the paper's code looks at the test error.

    python -m benchmarks acoustic_inversion --data FOLDER --out benchmarks/results/inversion
"""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import delayed
from sklearn.model_selection import GridSearchCV, GroupKFold, GroupShuffleSplit

from benchmarks.baselines import TWIN, twin_of
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, Pair, read
from benchmarks.reports import Record, in_parallel, publish, summarise
from benchmarks.splits import Parts
from benchmarks.tasks import Task, make_task
from sklearn_cmmd import CMMDClassifier, Modality

NAME = "vowels sound → tongue"
OMEGAS = [round(0.1 * i, 1) for i in range(11)]
PROTOCOLS = {
    "70 % / 30 %": GroupShuffleSplit(5, test_size=0.3, random_state=0),
    "4 folds": GroupKFold(4, shuffle=True, random_state=0),
}
FIXED = Modality("tongue", scale=0.1)  # σ² = 0.01 on standardised columns, as in the paper
PAPER = (
    "the paper, mean of 8 speakers, random frames: error 21.2 %, rmse 0.75; every speaker's "
    "error lower with a tuned ω than with ω = 1, and higher with a fixed variance"
)


def splits(pair: Pair, quick: bool) -> Iterator[tuple[str, int, Parts]]:
    """Yield training and test rows of both protocols; in a quick run one split of each."""
    for protocol, splitter in PROTOCOLS.items():
        for number, rows in enumerate(splitter.split(pair.X, pair.y, pair.groups)):
            if number == 0 or not quick:
                yield protocol, number, (pair.take(rows[0]), pair.take(rows[1]))


def fitted(task: Task, model: Any) -> Any:
    return model.fit(task.X, task.y, X_missing=task.X_missing)


def scores(clf: CMMDClassifier, task: Task) -> Record:
    """Score a fit on the test rows; what a twin cannot tell is left out."""
    found = {"omega": clf.omega, "error": 100 * (1 - clf.score(task.X_test, task.y_test))}
    if clf.missing_:
        errors = clf.generate_missing(task.X_test) - task.X_test_missing
        found |= {"rmse": np.sqrt(np.mean(errors**2)), "KL": clf.history_["train_kl"][-1]}
    return found


def run_split(protocol: str, number: int, parts: Parts, quick: bool) -> list[Record]:
    """Fit everything on one split: our defaults, but the paper's λ."""
    torch.set_num_threads(1)
    task = make_task(parts, number, quick=quick)
    omegas = OMEGAS[::5] if quick else OMEGAS
    models: dict[str, Any] = {f"ω = {omega}": task.cmmd(lam=1000, omega=omega) for omega in omegas}
    models["fixed variance, ω = 0.7"] = task.cmmd(lam=1000, omega=0.7, missing=[FIXED])
    search = GridSearchCV(task.cmmd(lam=1000), {"omega": omegas}, cv=task.folds)
    with warnings.catch_warnings(action="ignore"):
        fits = {name: fitted(task, model) for name, model in models.items()}
        fits["tuned ω"] = fitted(task, search).best_estimator_
        fits[TWIN] = twin_of(task.cmmd()).fit(task.X, task.y)
    about = {"protocol": protocol, "seed": number}
    return [about | {"what": name} | scores(clf, task) for name, clf in fits.items()]


def text_of(rows: pd.DataFrame) -> str:
    """Return means and standard errors over the splits, and what the paper has."""
    table = summarise(rows.drop(columns="omega"), ["protocol", "what"]).to_string()
    chosen = rows[rows.what == "tuned ω"].groupby("protocol", sort=False).omega.agg(list)
    title = "Vowels (9) and tongue (14 columns) from sound (8 columns), one speaker, 945 tokens"
    return f"{title}\n{table}\n\nω chosen\n{chosen.to_string()}\n\n{PAPER}"


def figure(rows: pd.DataFrame, file: Path) -> None:
    """Draw the four curves of figure 6: error and rmse against ω, for both protocols."""
    import matplotlib.pyplot as plt

    curves = rows[rows.what.str.startswith("ω")]
    fig, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained", sharex=True)
    for line, (protocol, part) in zip(axes, curves.groupby("protocol", sort=False), strict=True):
        for ax, name in zip(line, ("rmse", "error"), strict=True):
            means = part.groupby("omega")[name].agg(["mean", "sem"])
            ax.errorbar(means.index, means["mean"], means["sem"], fmt="-o", ms=4, capsize=2)
            ax.set(title=protocol, ylabel="error, %" if name == "error" else "rmse of x_M")
        twin = rows.query("what == @TWIN and protocol == @protocol").error.mean()
        line[1].axhline(twin, color="C7", ls=":", label=TWIN)
        line[1].legend()
    fig.supxlabel("ω")
    fig.savefig(file, dpi=110)
    plt.close(fig)


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--data", "--jobs", jobs=2)


def run(args: Namespace) -> None:
    """Fit everything, and write table and figure."""
    found = list(read(args.data, {NAME: DEVELOPMENT[NAME]}))
    if not found:
        sys.exit("This needs --data FOLDER with xrmb_jw12_vowels.npz in it.")
    jobs = [delayed(run_split)(*split, args.quick) for split in splits(found[0], args.quick)]
    rows = pd.DataFrame([row for part in in_parallel(jobs, args.jobs) for row in part])
    publish(text_of(rows), args, rows)
    if args.out is not None:
        figure(rows, args.out.with_suffix(".png"))
