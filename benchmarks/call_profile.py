"""Where the time of predictions and of a stacked search goes, and what a step multiplies.

    OMP_NUM_THREADS=1 python benchmarks/call_profile.py --out benchmarks/results/call_profile

One thread, under Python's profiler, which makes small calls slower: read the shares, not the times.
The multiplications of a step are those of `speed_rivals.matrix_products`, beside multivae's CVAE of
the same widths: no time at all, but what explains it.
"""

import argparse
import cProfile
import pstats
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from publishing import publish
from sklearn_cmmd.modalities import ModalitySet
from sklearn_cmmd.training.stacked import Stack, train_stacked
from speed_cases import LONGER_IN_SEARCHES, N_FOLDS, OMEGAS, Run
from speed_rivals import SMALL, WIDE, Size, widths_of

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.model_selection import StackedGridSearchCV
from sklearn_cmmd.networks.cmmd import CMMD

N_ROWS = (1, 1000, 100_000)
N_CALLS = {1: 500, 1000: 200, 100_000: 3}
OF_CALL = {"checks": BaseCMMD._read, "standardising": ModalitySet.standardised}
METHODS = {
    "predict_proba": {**OF_CALL, "networks": CMMD.predict},
    "transform": {**OF_CALL, "networks": CMMD.embed},
    "generate_missing": {
        **OF_CALL,
        "networks": CMMD.reconstruct,
        "units of the data": ModalitySet.in_units,
    },
}
OF_SEARCH = {
    "preparing": StackedGridSearchCV._prepare_fold,
    "training": train_stacked,
    "of it: forward": Stack._evaluate,
}


def shares(work: Callable[[], Any], parts: dict[str, Callable[..., Any]]) -> dict[str, float]:
    """Return the shares of some functions in the time of some work, with what they call."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats = pstats.Stats(profile)
    found = {}
    for name, part in parts.items():
        code = part.__code__
        key = code.co_filename, code.co_firstlineno, code.co_name
        found[name] = stats.stats[key][3] / stats.total_tt
    whole = sum(share for name, share in found.items() if not name.startswith("of it"))
    return found | {"rest": 1 - whole}


def predictions() -> pd.DataFrame:
    """Return a row for each method and number of rows."""
    X, y, X_missing = SMALL.draw(1000)
    model = SMALL.model(max_epochs=1).fit(X, y, X_missing=X_missing)
    rows = []
    for method, parts in METHODS.items():
        for n_rows in N_ROWS:
            given = SMALL.draw(n_rows)[0]
            call = getattr(model, method)
            call(given)

            def work(call: Any = call, given: np.ndarray = given) -> None:
                for _ in range(N_CALLS[len(given)]):
                    call(given)

            rows.append({"call": method, "rows": n_rows, **shares(work, parts)})
    return pd.DataFrame(rows)


def searches() -> pd.DataFrame:
    """Return a row for the search of `speed.py` that is stacked."""
    n_rows, n_epochs = Run(quick=False, repeats=1, peers_python=None).budget(SMALL)
    X, y, X_missing = SMALL.draw(n_rows)
    model = SMALL.model(max_epochs=n_epochs * LONGER_IN_SEARCHES)
    search = StackedGridSearchCV(model, {"omega": OMEGAS}, cv=N_FOLDS, n_jobs=1, refit=False)
    found = shares(lambda: search.fit(X, y, X_missing=X_missing), OF_SEARCH)
    return pd.DataFrame([{"call": "StackedGridSearchCV.fit", "rows": n_rows, **found}])


def multiplications(size: Size) -> dict[str, Any]:
    """Count those of the forward products of a row, in millions, and of multivae's CVAE."""
    widths = widths_of(size)
    ours = {name: sum(a * b for a, b in pairwise(part)) for name, part in widths.items()}
    ours["decoder"] *= 2
    n_classes = widths["classifier"][-1]
    encoder = ours["encoder"] - n_classes * widths["encoder"][1]
    theirs = ours["prior"] + encoder + ours["decoder"] / 2
    return {
        "size": size.name,
        "CMMD": sum(ours.values()) / 1e6,
        "CVAE": theirs / 1e6,
        "ratio": sum(ours.values()) / theirs,
    }


def main() -> None:
    """Parse the command line, profile, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    products = pd.DataFrame([multiplications(size) for size in (SMALL, WIDE)])
    calls = pd.concat([predictions(), searches()])
    tables = [calls.round(2).to_string(index=False, na_rep="-"), products.round(3).to_string()]
    publish("\n\n".join(tables), calls.round(4), args.out)


if __name__ == "__main__":
    main()
