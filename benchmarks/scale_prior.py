"""How many imaginary rows should keep learned scales from becoming too small.

Eight pairs of views cut to 150 and to 400 training rows suggest, four sets that are small by nature
check. As in `defaults.py`, test rows are put aside and never read, and a quarter of the others is
held out. Prints and writes the accuracy, the rmse of the generated view relative to the training
mean's, and the share of values in the 90 % intervals of 50 draws.

    python benchmarks/scale_prior.py --data FOLDER --out benchmarks/results/scale_prior.csv
"""

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from accuracy import coverage
from defaults import environment, relative_rmse, splits
from joblib import Parallel, delayed
from pairs import DEVELOPMENT, HELD_BACK, Pair, pairs, published_or_set_aside

from sklearn_cmmd import CMMDClassifier, _parameters

NUMBERS = (0, 30, 100, 300, 1000)
SIZES = (150, 400)
SMALL = ("actions", "objects", "brain", "breast")
N_SPLITS, N_DRAWS = 2, 50


def score(pair: Pair, size: int | None, n_rows: int, n_split: int) -> dict:
    """Fit with so many imaginary rows, to at most `size` real ones."""
    torch.set_num_threads(1)
    train, held_out = (pair.take(rows) for rows in list(splits(pair, N_SPLITS))[n_split])
    train = train.take(np.random.default_rng(n_split).permutation(len(train.y))[:size])
    held_out = held_out.take(np.flatnonzero(np.isin(held_out.y, train.y)))
    with patch.object(_parameters, "SCALE_PRIOR_ROWS", n_rows):
        clf = CMMDClassifier(random_state=n_split).fit(train.X, train.y, X_missing=train.X_missing)
    parts = np.array_split(held_out.X, -(-len(held_out.X) // N_DRAWS))
    draws = [clf.generate_missing(part, N_DRAWS, random_state=i) for i, part in enumerate(parts)]
    generated = clf.generate_missing(held_out.X)
    return {
        "pair": pair.name,
        "part": "whole" if size is None else f"{size} rows",
        "rows": len(train.y),
        "imaginary": n_rows,
        "split": n_split,
        "accuracy": clf.score(held_out.X, held_out.y),
        "rmse": relative_rmse(generated, held_out.X_missing, train.X_missing),
        "coverage": coverage(np.concatenate(draws), held_out.X_missing),
    }


def training_rows(folder: Path, sources: dict) -> list[Pair]:
    """Return the pairs without their test rows."""
    return [published_or_set_aside(pair)[0] for pair in pairs(folder, sources)]


def main() -> None:
    """Parse the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path, required=True, help="csv file of the single results")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    small = {name: source for name, source in HELD_BACK.items() if name.startswith(SMALL)}
    parts = [(pair, size) for pair in training_rows(args.data, DEVELOPMENT) for size in SIZES]
    parts += [(pair, None) for pair in training_rows(args.data, small)]
    jobs = [
        delayed(score)(pair, size, n_rows, n_split)
        for n_split in range(N_SPLITS)
        for pair, size in parts
        for n_rows in NUMBERS
    ]
    results = pd.DataFrame(Parallel(args.jobs, verbose=1)(jobs))
    results.to_csv(args.out, index=False, float_format="%.5g")
    print(environment())
    metrics = ["accuracy", "rmse", "coverage"]
    print(results.groupby(["part", "imaginary"], sort=False)[metrics].mean().round(3))
    print(results.pivot_table("coverage", ["part", "pair"], "imaginary", sort=False).round(3))


if __name__ == "__main__":
    main()
