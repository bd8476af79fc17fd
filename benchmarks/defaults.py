"""What each default is worth: one change at a time, scored on held-out training rows.

For every pair of views, test rows are set aside and never read. A quarter of the others is held
out, and each variant is compared on the same rows with the defaults: difference of accuracy in
points and of the log-loss, ratio of the rmse of the generated view and of the seconds. What the
first eight pairs suggest is checked on eight others by --pairs held-back. Figures are appended to
OUT.csv as they come, and a run that is started again goes on where it was.

    python -m benchmarks defaults --data FOLDER --out benchmarks/results/defaults
    python -m benchmarks defaults --data FOLDER --labels 10 --lacking 0.5 --out few
    python -m benchmarks defaults --variants "alpha=50, dropout=0.1" "mean of 5 fits"
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from benchmarks import variants
from benchmarks.baselines import CLASSIFIERS, REGRESSIONS, RIDGE, TWIN, twin
from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, LINEAR, MORE, Pair, chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.splits import ALL, Parts, Shown, held_out, published_or_set_aside
from benchmarks.tasks import Method, Outcome, Task, make_task, measure

DEFAULTS, SIMPLE = "defaults", "logistic and ridge regression"
SETS = {"development": DEVELOPMENT, "held-back": HELD_BACK, "linear": LINEAR, "more": MORE}
KEYS = ["pair", "variant", "split"]
COLUMNS = [*KEYS, "accuracy", "log_loss", "rmse", "coverage", "seconds", "epochs"]
N_QUICK = 3


def simple(task: Task) -> Outcome:
    """Classify and generate by linear models."""
    outcome, generated = (run(task) for run in (CLASSIFIERS["LR"], REGRESSIONS[RIDGE]))
    outcome.generated = generated.generated
    return outcome


PLAIN: dict[str, Method] = {DEFAULTS: variants.with_params(), TWIN: twin, SIMPLE: simple}


def method_of(name: str) -> Method:
    return PLAIN[name] if name in PLAIN else variants.variant(name)


def cut(parts: Parts, n_rows: int | None, seed: int) -> Parts:
    """Keep so many training rows, and the held-out rows of their classes."""
    train, held = parts
    train = train.take(np.random.default_rng(seed).permutation(len(train.y))[:n_rows])
    return train, held.take(np.flatnonzero(np.isin(held.y, train.y)))


def score(pair: Pair, variant: str, split: int, shown: Shown, args: Namespace) -> list[Record]:
    """Fit one variant on one split of the training rows."""
    parts = held_out(published_or_set_aside(pair)[0], split)
    if args.rows is not None:
        parts = cut(parts, args.rows, split)
    task = make_task(parts, split, shown, quick=args.quick)
    scores = measure(variant, method_of(variant), task)[variant]
    return [{"pair": pair.name, "variant": variant, "split": split} | scores]


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the fits that are not done, split after split."""
    done = known(args.out, KEYS)
    every = variants.names(args.labels != ALL)[: N_QUICK if args.quick else None]
    names = [*PLAIN, *(every if args.variants is None else args.variants)]
    list(map(method_of, names))  # so that a name that is none is told before any fit
    pairs = list(chosen(args, SETS[args.pairs]))
    shown = Shown(args.labels, args.lacking)
    for split in range(args.seeds):
        for name in names:
            for pair in pairs:
                if (pair.name, name, split) not in done:
                    yield delayed(score)(pair, name, split, shown, args)


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Mean differences from the defaults over all pairs and splits, with standard errors."""
    index = ["pair", "split"]
    base = results[results.variant == DEFAULTS].set_index(index)
    rows = []
    for variant, part in results.groupby("variant", sort=False):
        part = part.set_index(index)
        points = 100 * (part.accuracy - base.accuracy).groupby("pair").mean()
        nats = (part.log_loss - base.log_loss).groupby("pair").mean()
        ratio = np.log(part.rmse / base.rmse).groupby("pair").mean()
        rows.append(
            {
                "variant": variant,
                "accuracy, points": points.mean(),
                "±": points.sem(),
                "log-loss, nats": nats.mean(),
                " ± ": nats.sem(),
                "rmse, ratio": np.exp(ratio.mean()),
                "± ": ratio.sem(),
                "coverage of 90 %": part.coverage.mean(),
                "seconds, ratio": part.seconds.sum() / base.seconds.sum(),
            }
        )
    return pd.DataFrame(rows).set_index("variant")


def report(results: pd.DataFrame) -> str:
    """Return all tables."""
    texts = []
    for metric in ("accuracy", "rmse"):
        means = results.pivot_table(metric, "pair", "variant", sort=False)
        shown = [name for name in (DEFAULTS, TWIN, SIMPLE) if name in means]
        texts.append(f"{metric}\n{means[shown].round(3).to_string()}")
    return "\n\n".join([*texts, summary(results).round(3).to_string()])


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", seeds=2, jobs=2)
    parser.add_argument("--pairs", choices=SETS, default="development")
    parser.add_argument("--labels", type=int, default=ALL, help="of each class; 0 for all")
    parser.add_argument("--lacking", type=float, default=0.0, help="share of rows without x_M")
    parser.add_argument("--rows", type=int, help="training rows at most")
    parser.add_argument("--variants", nargs="*", help="to run beside the defaults; or all")


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
