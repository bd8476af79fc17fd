"""What the full number of MNIST-SVHN-Text pairs costs in memory, and to gather a minibatch.

python -m benchmarks.paper.pairs_memory --data FOLDER
"""

import argparse
import resource
import time
from pathlib import Path

import pandas as pd
import torch
from sklearn_cmmd._fit_data import learn_layout, read_fit_data

from benchmarks.paper.digits import read_digits
from benchmarks.publishing import publish
from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import make_mnist_svhn

BATCH, TIMES = 256, 50


def peak() -> float:
    """Return the most memory that the process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    digits = read_digits(args.data)
    # As many pairs of the 8,000 house numbers at hand as the full data have, 1,121,360.
    pairs = make_mnist_svhn(*digits.sources("train"), third="text", n_repeats=141, random_state=0)
    words = Modality("text", likelihood="categorical")
    model = CMMDClassifier(missing=[Modality("svhn", channels="last"), words])
    views, before = pairs.views, peak()
    X, X_missing = {"mnist": views["mnist"]}, {name: views[name] for name in ("svhn", "text")}
    data = read_fit_data(model, X, pairs.target, X_missing, None, 2)
    rows = data.rows(learn_layout(data, None, model.missing), torch.device("cpu"))
    batch = torch.randint(len(rows), (BATCH,))
    start = time.perf_counter()
    for _ in range(TIMES):
        rows.gather(batch)
    seconds = (time.perf_counter() - start) / TIMES
    figures = {
        "pairs": len(rows),
        "MiB with the images and pairs": before,
        "MiB more, ready to train": peak() - before,
        f"ms to gather {BATCH}": 1000 * seconds,
    }
    table = pd.DataFrame([figures])
    publish(table.T.round(1).to_string(header=False), table, args.out)


if __name__ == "__main__":
    main()
