"""What each default is worth: one change at a time, scored on held-out training rows.

For every pair of views, a fifth of the rows is set aside as test rows and never read. The rest is
split repeatedly, and each variant is compared on the same splits with the defaults: difference of
accuracy in points, ratio of the rmse of the generated view, and ratio of seconds.

    python benchmarks/defaults.py --data FOLDER --out benchmarks/results/defaults.csv
    python benchmarks/defaults.py --data FOLDER --labels 10 --lacking 0.5 --out few.csv

What the first eight pairs suggest is checked on eight others by ``--held-back``. The figures are
appended to the file as they come, and a run that is started again goes on where it was.
"""

import argparse
import platform
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from pairs import DEVELOPMENT, HELD_BACK, Pair, keep_labels, pairs, published_or_set_aside
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from variants import fit, names

from sklearn_cmmd import CMMDClassifier

DEFAULTS = "defaults"
TWIN = "x_O-only twin"
SIMPLE = "logistic and ridge regression"


def splits(pair: Pair, n_splits: int):
    """Yield row numbers of training and held-out rows, groups kept together."""
    cls = StratifiedShuffleSplit if pair.groups is None else GroupShuffleSplit
    return cls(n_splits, test_size=0.25, random_state=0).split(pair.X, pair.y, pair.groups)


def relative_rmse(generated, true, train):
    """Root mean squared error over that of the training rows' mean."""
    scale = np.where(train.std(axis=0) > 0, train.std(axis=0), 1)
    error = ((generated - true) / scale) ** 2
    return np.sqrt(error.mean() / (((true - train.mean(axis=0)) / scale) ** 2).mean())


def hide(pair: Pair, n_labels: int | None, lacking: float, seed: int) -> Pair:
    """Keep so many labels of each class, and x_M of all but this share of the rows."""
    y = pair.y if n_labels is None else keep_labels(pair.y, n_labels, seed)
    X_missing = pair.X_missing.astype(float)
    # Of a stream of its own, lest the rows with labels be those that lack x_M.
    order = np.random.default_rng([seed, 1]).permutation(len(y))
    X_missing[order[: round(lacking * len(y))]] = np.nan
    return replace(pair, y=y, X_missing=X_missing)


def score(pair: Pair, variant: str, n_split: int, args: argparse.Namespace) -> dict:
    """Fit one variant on one split."""
    torch.set_num_threads(1)
    train, held_out = (pair.take(rows) for rows in list(splits(pair, args.splits))[n_split])
    shown = hide(train, args.labels, args.lacking, n_split)
    X, y = shown.X[shown.y >= 0], shown.y[shown.y >= 0]
    start = time.perf_counter()
    if variant == SIMPLE:
        clf = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
        paired = ~np.isnan(shown.X_missing[:, 0])
        generated = ridge.fit(shown.X[paired], shown.X_missing[paired]).predict(held_out.X)
    elif variant == TWIN:
        clf = CMMDClassifier(omega=0, lam=0, random_state=n_split).fit(X, y)
        generated = np.broadcast_to(train.X_missing.mean(axis=0), held_out.X_missing.shape)
    else:
        clf = fit(shown, variant, n_split)
        generated = clf.generate_missing(held_out.X)
    return {
        "pair": pair.name,
        "variant": variant,
        "split": n_split,
        "accuracy": clf.score(held_out.X, held_out.y),
        "log_loss": log_loss(held_out.y, clf.predict_proba(held_out.X), labels=np.unique(y)),
        "rmse": relative_rmse(generated, held_out.X_missing, train.X_missing),
        "seconds": time.perf_counter() - start,
        "epochs": getattr(clf, "n_iter_", np.nan),
    }


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
                "seconds, ratio": (part.seconds.sum() / base.seconds.sum()),
            }
        )
    return pd.DataFrame(rows).set_index("variant")


def environment() -> str:
    """Versions that the figures depend on."""
    packages = ("torch", "scikit-learn", "skorch", "numpy")
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)]
    )


def run(args: argparse.Namespace, variants: list[str]) -> pd.DataFrame:
    """Fit every variant on every split of every pair, unless the file has it already."""
    done = set()
    if args.out.exists():
        known = pd.read_csv(args.out)[["pair", "variant", "split"]]
        done = set(known.itertuples(index=False, name=None))
    sources = HELD_BACK if args.held_back else DEVELOPMENT
    training = [published_or_set_aside(pair)[0] for pair in pairs(args.data, sources)]
    jobs = [
        delayed(score)(pair, variant, i, args)
        for i in range(args.splits)
        for variant in variants
        for pair in training
        if (pair.name, variant, i) not in done
    ]
    for record in Parallel(args.jobs, return_as="generator_unordered", verbose=1)(jobs):
        row = pd.DataFrame([record])
        row.to_csv(
            args.out, mode="a", header=not args.out.exists(), index=False, float_format="%.6g"
        )
    return pd.read_csv(args.out)


def main() -> None:
    """Parse the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path, required=True, help="csv file of the single results")
    parser.add_argument("--held-back", action="store_true", help="the other eight pairs")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--labels", type=int, help="of each class, and the other rows without")
    parser.add_argument("--lacking", type=float, default=0.0, help="share of rows without x_M")
    parser.add_argument("--only", nargs="*", help="variants to run beside the defaults, or none")
    args = parser.parse_args()
    every = [*names(bool(args.labels)), TWIN, SIMPLE]
    results = run(args, [DEFAULTS, *(every if args.only is None else args.only)])
    print(environment())
    for metric in ("accuracy", "rmse"):
        means = results.pivot_table(metric, "pair", "variant", sort=False)
        shown = [v for v in (DEFAULTS, TWIN, SIMPLE) if v in means]
        print(f"\n{metric}\n{means[shown].round(3).to_string()}")
    print(f"\n{summary(results).round(3).to_string()}")


if __name__ == "__main__":
    main()
