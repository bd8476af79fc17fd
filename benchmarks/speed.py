"""How fast fits, searches, ensembles and predictions are, beside what else there is.

Both sides A and B of a ratio are measured in turn; the table has the medians of the ratios A / B
with their quartiles, and the medians of A and B. The machine must be idle: with several threads one
busy neighbour makes a step ten times as slow. With --against, the fits of this checkout stand
beside those of another one, and nothing else is measured.

    python -m benchmarks speed --peers-python .venv-peers/bin/python --out benchmarks/results/speed
    python -m benchmarks speed --against ../other-checkout
"""

import json
import os
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV

from benchmarks.against import compare, ratios
from benchmarks.bare import bare_ms_per_step
from benchmarks.options import add_shared
from benchmarks.reports import Record, publish
from benchmarks.sizes import PAPER, SIZES, TOY, Data, Size, loop_of, ms_per_step
from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.training import surroundings

ALL_THREADS = torch.get_num_threads()
CVAE = Path(__file__).parent / "peers" / "cvae_speed.py"
FORWARD = {
    "predict_proba": lambda module, x: module.predict(x).mean,
    "transform": lambda module, x: module.embed(x).mean,
    "generate_missing": lambda module, x: module.reconstruct(x).mean,
}
PREDICTED, CHUNK_ROWS = (1, 1000, 100_000), 4096
# Hidden layers, columns of each view and rows of a minibatch, from few multiplications to many.
FOR_THREADS = (
    ((64, 64), 100, 100),
    ((256, 256), 150, 100),
    ((400,), 784, 100),
    ((512, 512), 300, 100),
    ((1024, 1024), 500, 100),
    ((2048, 2048), 784, 256),
)
OMEGAS, N_FOLDS, N_MEMBERS = [0.0, 0.25, 0.5, 0.75, 1.0], 4, 5
Side = Callable[[], float]


def in_turn(n_threads: int, repeats: int, *sides: Side) -> np.ndarray:
    """Measure the sides one after the other, again and again; of shape (repeats, sides)."""
    torch.set_num_threads(n_threads)
    measured = np.array([[side() for side in sides] for _ in range(repeats)])
    torch.set_num_threads(ALL_THREADS)
    return measured


def ratio(what: str, size: str, threads: int, sides: np.ndarray, unit: str = "ms") -> Record:
    """Return a row of the table from the figures of each repeat."""
    middle, low, high = np.quantile(sides[:, 0] / sides[:, 1], (0.5, 0.25, 0.75))
    a, b = np.median(sides, axis=0)
    row = {"what": what, "size": size, "threads": threads, "ratio": middle, "low": low}
    return row | {"high": high, "A": a, "B": b, "unit": unit}


def seconds(function: Callable[[], Any], at_least: float = 0.0) -> float:
    """Return the mean time of a call, which is repeated until so many seconds are over."""
    n_calls, start = 0, time.perf_counter()
    while n_calls == 0 or time.perf_counter() - start < at_least:
        function()
        n_calls += 1
    return (time.perf_counter() - start) / n_calls


def steps(args: Namespace, sizes: tuple[Size, ...]) -> Iterator[Record]:
    """Compare a step of `fit` with one of a bare loop."""
    for size in sizes:
        data, repeats = size.draw(), 1 if size is PAPER else args.repeats
        sides = partial(ms_per_step, size.model(), data), partial(bare_ms_per_step, size, data)
        for n in args.threads:
            measured = in_turn(n, repeats, *sides)
            yield ratio("step of fit / bare loop", size.name, n, measured)


def threads(args: Namespace, sizes: tuple[Size, ...]) -> Iterator[Record]:
    """Compare a step on one thread with one on all, whatever number a fit would take."""
    for hidden, n_columns, batch in FOR_THREADS[: 1 if TOY in sizes else None]:
        params = {"hidden_layer_sizes": hidden, "batch_size": batch}
        model = (size := Size("", n_columns, n_columns, 1000, 4, params)).model()
        n_weights = sum(part.numel() for part in loop_of(model, size.draw()).module.parameters())
        sides = (partial(step_on, n, model, size.draw()) for n in (1, ALL_THREADS))
        with patch.object(surroundings, "MULTIPLICATIONS_FOR_THREADS", 0):
            measured = in_turn(ALL_THREADS, args.repeats, *sides)
        name = f"{n_weights * batch / 1e6:,.0f} million weights × rows"
        yield ratio("step on one thread / on all", name, ALL_THREADS, measured)


def step_on(n_threads: int, model: CMMDClassifier, data: Data) -> float:
    """Return milliseconds a step on so many threads."""
    torch.set_num_threads(n_threads)
    return ms_per_step(model, data)


def peers(args: Namespace, sizes: tuple[Size, ...]) -> Iterator[Record]:
    """Compare a whole `fit` with the trainer of multivae's CVAE, an update."""
    for size in (size for size in sizes if size is not PAPER and args.peers_python):
        X, y, X_missing = size.draw()
        n_updates = size.n_epochs * -(-len(y) // size.params["batch_size"])
        fit = partial(size.model().fit, X, y, X_missing=X_missing)
        for n in args.threads:
            sides = (
                lambda f=fit, n_updates=n_updates: 1000 * seconds(f) / n_updates,
                partial(cvae_ms, args.peers_python, size, n),
            )
            measured = in_turn(n, args.repeats, *sides)
            yield ratio("fit / multivae's CVAE trainer", size.name, n, measured)


def cvae_ms(python: Path, size: Size, n_threads: int) -> float:
    """Return milliseconds an update of multivae's trainer, which prints them as JSON."""
    model = size.model()
    options = {"observed": size.n_observed, "missing": size.n_missing, "rows": size.n_rows}
    options |= {"latent-dim": model.latent_dim, "batch-size": model.batch_size}
    options |= {"epochs": size.n_epochs, "threads": n_threads}
    command = [str(python), str(CVAE), "--hidden", *map(str, model.hidden_layer_sizes)]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {"OMP_NUM_THREADS": str(n_threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1])["ms_per_update"])


def predictions(args: Namespace, sizes: tuple[Size, ...]) -> Iterator[Record]:
    """Compare rows a second of the methods with those of the bare forward pass."""
    X, y, X_missing = sizes[0].draw()
    model = sizes[0].model(max_epochs=1).fit(X, y, X_missing=X_missing)
    numbers = PREDICTED[:2] if args.quick else PREDICTED
    rows = sizes[0].draw(numbers[-1])[0]
    for method in FORWARD:
        for n_rows in numbers:
            calls = getattr(model, method), partial(forward, model.module_, method)
            sides = [partial(rate, call, rows[:n_rows]) for call in calls]
            for n in args.threads:
                what, name = f"{method} / forward pass", f"{sizes[0].name}, {n_rows:,} rows"
                yield ratio(what, name, n, in_turn(n, args.repeats, *sides), "rows/s")


def rate(call: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    """Return the rows that a call predicts in a second."""
    return len(rows) / seconds(lambda: call(rows), at_least=0.05)


@torch.inference_mode()
def forward(module: Any, method: str, rows: np.ndarray) -> None:
    """Do what is at the heart of a method, and nothing else."""
    for part in torch.from_numpy(rows).split(CHUNK_ROWS):
        FORWARD[method](module, part)


def together(args: Namespace, sizes: tuple[Size, ...]) -> Iterator[Record]:
    """Compare a search and an ensemble on all cores with the same fits one after another."""
    for size in (size for size in sizes if size is not PAPER):
        X, y, X_missing = size.draw()
        model, n_fits = size.model(), len(OMEGAS) * N_FOLDS
        n_fold = len(y) * (N_FOLDS - 1) // N_FOLDS
        search = GridSearchCV(model, {"omega": OMEGAS}, cv=N_FOLDS, n_jobs=-1, refit=False)
        ensemble = CMMDEnsemble(model, N_MEMBERS, n_jobs=-1, random_state=0)
        for what, whole, n, n_rows in (
            (f"GridSearchCV(n_jobs=-1) / {n_fits} fits", search, n_fits, n_fold),
            (f"CMMDEnsemble(n_jobs=-1) / {N_MEMBERS} fits", ensemble, N_MEMBERS, len(y)),
        ):
            at_once = partial(whole.fit, X, y, X_missing=X_missing)
            one = partial(model.fit, X[:n_rows], y[:n_rows], X_missing=X_missing[:n_rows])
            at_once()  # starts the processes
            sides = partial(seconds, at_once), lambda one=one, n=n: n * seconds(one)
            measured = in_turn(1, args.repeats, *sides)
            yield ratio(what, size.name, os.cpu_count() or 1, measured, "s")


CASES = {
    "steps": steps,
    "threads": threads,
    "peers": peers,
    "predictions": predictions,
    "together": together,
}


def figure(value: float) -> str:
    """Write a number with three significant digits, or as an integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--peers-python")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against", type=Path, help="a checkout of another commit")


def run(args: Namespace) -> None:
    """Measure, and write the table."""
    load = f"load average before the run {os.getloadavg()[0]:.1f}"
    if args.quick:
        args.threads, args.repeats = [1], 1
    if args.against is not None:
        table = compare(args.against, args.threads, args.repeats, args.quick)
        text = f"this checkout over {args.against.name}\n{ratios(table).round(3).to_string()}"
    else:
        sizes = (TOY,) if args.quick else SIZES
        table = pd.DataFrame([row for case in args.cases for row in CASES[case](args, sizes)])
        text = table.to_string(index=False, float_format=figure)
    publish(f"{text}\n{load}", args, table)
