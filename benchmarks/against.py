"""Fits of this checkout of the repository beside those of another one, in turn.

This file is also the script that runs in either checkout, in a process of its own. So it imports
nothing else of the benchmarks, and asks the package for nothing that only one of both may have.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parents[1]
NETWORKS = ("prior_hidden", "encoder_hidden", "decoder_hidden")


def timed(checkout: Path, n_threads: int, quick: bool) -> dict[str, float]:
    """Measure in a process of its own, with the package of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(n_threads)}
    command = [sys.executable, "-P", __file__, "--threads", str(n_threads)]
    command += ["--quick"] if quick else []
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The fits failed in {checkout}:\n{done.stderr}")
    where, found = json.loads(done.stdout.splitlines()[-1])
    if Path(where) != checkout.resolve():
        raise RuntimeError(f"Python found the package in {where}, not in {checkout}.")
    return dict(found)


def compare(other: Path, threads: list[int], repeats: int, quick: bool) -> pd.DataFrame:
    """Measure both checkouts in turn, and return a row for each measurement."""
    rows = []
    for n_threads in threads:
        for repeat in range(repeats):
            for name, checkout in (("this", HERE), ("other", other.resolve())):
                found = timed(checkout, n_threads, quick)
                about = {"threads": n_threads, "repeat": repeat, "checkout": name}
                rows += [about | {"what": what, "value": value} for what, value in found.items()]
    return pd.DataFrame(rows)


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Ratios of the medians, this checkout over the other, and quartiles of those of each turn."""
    keys = ["what", "threads"]
    values = rows.pivot(index=[*keys, "repeat"], columns="checkout", values="value")
    table = values.groupby(keys, sort=False).median()[["this", "other"]]
    table["ratio"] = table["this"] / table["other"]
    turns = (values["this"] / values["other"]).groupby(keys, sort=False)
    return table.assign(low=turns.quantile(0.25), high=turns.quantile(0.75))


def noise(n_rows: int, *widths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n_rows, width), dtype=np.float32) for width in widths]


def seconds(X: np.ndarray, y: np.ndarray, X_missing: np.ndarray, **params: Any) -> float:
    """Fit once, after an epoch to warm up."""
    from sklearn_cmmd import CMMDClassifier

    widths = params.pop("widths", None)
    if widths is not None:
        # The parameter of all networks is younger than those of each.
        known = "hidden_layer_sizes" in CMMDClassifier().get_params(deep=False)
        params |= dict.fromkeys(["hidden_layer_sizes"] if known else NETWORKS, widths)
    for budget in ({"max_epochs": 1}, {}):
        model = CMMDClassifier(random_state=0, device="cpu", **params | budget)
        start = time.perf_counter()
        model.fit(X, y, X_missing=X_missing)
    return time.perf_counter() - start


def main() -> None:
    """Time everything once with the package that Python finds, and print it as JSON."""
    import torch

    import sklearn_cmmd
    from sklearn_cmmd.datasets import load_multiple_features

    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    digits = load_multiple_features(observed="fourier", missing="pixels")
    short = {"max_epochs": 1} if args.quick else {}
    default = seconds(digits.data, digits.target, digits.data_missing, **short)
    found = {"default fit, s": default}
    n_rows, n_epochs = (256, 2) if args.quick else (2560, 20)
    for name, sizes, widths, batch_size in (
        ("2x128", (76, 240), (128, 128), 100),
        ("1x400", (784, 784), (400,), 256),
    ):
        X, X_missing = noise(n_rows, *sizes)
        params = {"widths": widths, "batch_size": batch_size, "early_stopping": False}
        s = seconds(X, np.arange(n_rows) % 10, X_missing, max_epochs=n_epochs, **params)
        found[f"{name}, ms an epoch"] = 1000 * s / n_epochs
    print(json.dumps([str(Path(sklearn_cmmd.__file__).parents[1]), found]))


if __name__ == "__main__":
    main()
