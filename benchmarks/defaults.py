"""What each default is worth: one change at a time, scored on held-out training rows.

For every pair of views, a fifth of the rows is set aside as test rows and never read. The rest is
split repeatedly, and each variant is compared on the same splits with the defaults: difference of
accuracy in points, ratio of the rmse of the generated view, and ratio of seconds.

    python benchmarks/defaults.py --data FOLDER --out benchmarks/results/defaults.csv
    python benchmarks/defaults.py --data FOLDER --labels 10 --out defaults_few_labels.csv
"""

import argparse
import platform
import time
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
from sklearn_cmmd.objective import loss

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
# Of these only some rows have a label. The last is not a parameter.
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
    "labels under q three times": {"TEACHER_SHARE": 3.0},
    "labels under q once": {"TEACHER_SHARE": 1.0},
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


def fit(X: np.ndarray, M: np.ndarray, y: np.ndarray, seed: int, changes: dict) -> CMMDClassifier:
    """Fit CMMD with these changes of its defaults."""
    changes = dict(changes)
    share = changes.pop("TEACHER_SHARE", loss.TEACHER_SHARE)
    with patch.object(loss, "TEACHER_SHARE", share):
        return CMMDClassifier(random_state=seed, **changes).fit(X, y, X_missing=M)


def score(
    pair: Pair, variant: str, n_split: int, n_splits: int, n_labels: int | None = None
) -> dict:
    """Fit one variant on one split."""
    torch.set_num_threads(1)
    train, held_out = list(splits(pair, n_splits))[n_split]
    X, M, y = pair.X[train], pair.X_missing[train], pair.y[train]
    variants = VARIANTS
    if n_labels is not None:
        variants, y = FEW_LABELS, keep_labels(y, n_labels, n_split)
    known = y >= 0
    start = time.perf_counter()
    if variant == SIMPLE:
        clf = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        clf.fit(X[known], y[known])
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(X, M)
        generated = ridge.predict(pair.X[held_out])
    elif variant == TWIN:
        clf = CMMDClassifier(omega=0, lam=0, random_state=n_split).fit(X[known], y[known])
        generated = np.broadcast_to(M.mean(axis=0), pair.X_missing[held_out].shape)
    else:
        clf = fit(X, M, y, n_split, variants[variant])
        generated = clf.generate_missing(pair.X[held_out])
    return {
        "pair": pair.name,
        "variant": variant,
        "split": n_split,
        "accuracy": clf.score(pair.X[held_out], pair.y[held_out]),
        "rmse": relative_rmse(generated, pair.X_missing[held_out], M),
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
        delayed(score)(set_aside(pair)[0], variant, i, args.splits, args.labels)
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
    parser.add_argument("--only", nargs="*", help="variants to run beside the defaults, or none")
    args = parser.parse_args()
    every = [*(FEW_LABELS if args.labels else VARIANTS), TWIN, SIMPLE]
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
