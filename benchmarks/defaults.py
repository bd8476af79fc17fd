"""What each default is worth: one change at a time, scored on held-out training rows.

For every pair of views, a fifth of the rows is set aside as test rows and never read. The rest is
split repeatedly, and each variant is compared on the same splits with the defaults: difference of
accuracy in points, ratio of the rmse of the generated view, and ratio of seconds.

    python benchmarks/defaults.py --data FOLDER --out benchmarks/results/defaults.csv
    python benchmarks/defaults.py --data FOLDER --labels 10 --lacking 0.5
"""

import argparse
import platform
import time
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from pairs import Pair, keep_labels, pairs, set_aside
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.objective import loss, terms
from sklearn_cmmd.objective.terms import LossTerms

VARIANTS = {
    "defaults": {},
    "alpha=10 (the paper's)": {"alpha": 10},
    "alpha=30": {"alpha": 30},
    "alpha=300": {"alpha": 300},
    "alpha=1000 (its code's)": {"alpha": 1000},
    "decode_prior=0 (the paper's)": {"decode_prior": 0.0},
    "decode_prior=1": {"decode_prior": 1.0},
    "omega=0": {"omega": 0.0},
    "omega=1": {"omega": 1.0},
    "lam=1000 (the paper's)": {"lam": 1000},
    "bandwidth='authors'": {"bandwidth": "authors"},
    "mmd_estimator='v'": {"mmd_estimator": "v"},
    "classifier_input='draw' (the paper's)": {"classifier_input": "draw"},
    "dropout=0": {"dropout": 0.0},
    "dropout=0.4": {"dropout": 0.4},
    "weight_decay=0 (the paper's)": {"weight_decay": 0.0},
    "weight_decay=0.3": {"weight_decay": 0.3},
    "learning_rate=1e-3": {"learning_rate": 1e-3},
    "learning_rate=4e-3": {"learning_rate": 4e-3},
    "activation='relu'": {"activation": "relu"},
    "activation='softplus' (the paper's)": {"activation": "softplus"},
    "latent_dim=50": {"latent_dim": 50},
    "widths 256": dict.fromkeys(("prior_hidden", "encoder_hidden", "decoder_hidden"), (256, 256)),
    "precision='bfloat16'": {"precision": "bfloat16"},
    "early_stopping=False": {"early_stopping": False},
    "early_stopping=True": {"early_stopping": True},
}
# Where only some rows have a label.
FEW_LABELS = {
    "defaults": {},
    "label_in_encoder=True (the paper's)": {"label_in_encoder": True},
    "label_in_encoder=True, dropout=0.2": {"label_in_encoder": True, "dropout": 0.2},
    "distillation=0": {"distillation": 0.0},
    "distillation=0.3": {"distillation": 0.3},
    "distillation=3": {"distillation": 3.0},
    "dropout=0.2": {"dropout": 0.2},
    "dropout=0.7": {"dropout": 0.7},
    "omega=1": {"omega": 1.0},
    "alpha=300": {"alpha": 300},
}


def _under_dropout(objective, module, rows, noise, taught, dropout):
    return taught.mean.detach()


def _on_pairs(rows):
    of_pairs = dict.fromkeys(LossTerms._fields, rows.paired)
    labelled_pairs = rows.labelled if rows.paired is None else rows.labelled * rows.paired
    return of_pairs | {
        "classification": rows.labelled,
        "posterior_classification": labelled_pairs,
    }


# Choices that are no parameters: what stands where in the package.
INSIDE = {
    "labels under q three times": (loss, "TEACHER_SHARE", 3.0),
    "labels under q once": (loss, "TEACHER_SHARE", 1.0),
    "teacher under dropout": (loss.Objective, "_target", _under_dropout),
    "KL and teacher on pairs alone": (terms, "_having", _on_pairs),
}
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


def fit(pair: Pair, variant: str, seed: int) -> CMMDClassifier:
    """Fit CMMD with one change of its defaults."""
    params = (FEW_LABELS if (pair.y < 0).any() else VARIANTS).get(variant, {})
    clf = CMMDClassifier(random_state=seed, **params)
    with patch.object(*INSIDE[variant]) if variant in INSIDE else nullcontext():
        return clf.fit(pair.X, pair.y, X_missing=pair.X_missing)


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
        "rmse": relative_rmse(generated, held_out.X_missing, train.X_missing),
        "seconds": time.perf_counter() - start,
        "epochs": getattr(clf, "n_iter_", np.nan),
    }


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Mean differences from the defaults over all pairs and splits, with standard errors."""
    index = ["pair", "split"]
    base = results[results.variant == "defaults"].set_index(index)
    rows = []
    for variant, part in results.groupby("variant", sort=False):
        part = part.set_index(index)
        points = 100 * (part.accuracy - base.accuracy).groupby("pair").mean()
        ratio = np.log(part.rmse / base.rmse).groupby("pair").mean()
        rows.append(
            {
                "variant": variant,
                "accuracy, points": points.mean(),
                "±": points.sem(),
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
    """Fit every variant on every split of every pair."""
    jobs = [
        delayed(score)(set_aside(pair)[0], variant, i, args)
        for variant in variants
        for pair in pairs(args.data)
        for i in range(args.splits)
    ]
    return pd.DataFrame(Parallel(args.jobs, verbose=1)(jobs))


def main() -> None:
    """Parse the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path, help="csv file for the single results")
    parser.add_argument("--read", type=Path, help="csv file of an earlier run, to print again")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--labels", type=int, help="of each class, and the other rows without")
    parser.add_argument("--lacking", type=float, default=0.0, help="share of rows without x_M")
    parser.add_argument("--only", nargs="*", help="variants to run beside the defaults, or none")
    args = parser.parse_args()
    few = [*FEW_LABELS, *INSIDE] if args.labels else VARIANTS
    every = [*few, TWIN, SIMPLE]
    variants = ["defaults", *args.only] if args.only is not None else every
    if args.read:
        results = pd.read_csv(args.read)
    else:
        results = run(args, variants)
        print(environment())
    if args.out:
        results.to_csv(args.out, index=False, float_format="%.6g")
    for metric in ("accuracy", "rmse"):
        means = results.pivot_table(metric, "pair", "variant", sort=False)
        shown = [v for v in ("defaults", TWIN, SIMPLE) if v in means]
        print(f"\n{metric}\n{means[shown].round(3).to_string()}")
    print(f"\n{summary(results).round(3).to_string()}")


if __name__ == "__main__":
    main()
