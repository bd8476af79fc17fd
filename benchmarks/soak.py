"""Fits, searches, files, kills and resumed fits for an hour: nothing grows, and nothing is lost.

Each round fits an estimator, searches, fits an ensemble, saves and loads, and compares every
prediction. Two processes of its own are killed by SIGKILL at a moment drawn at random: one that
trains with a checkpoint, again and again, until it ends with the weights of a fit that nobody
killed; and one that saves over a file, which must load afterwards. After each round it reads its
memory, open files and threads. It fails if the memory has a slope whose 95 % interval is above
zero, if files or threads become more, or if anything is lost. In a search of several processes
joblib keeps the names of its temporary folders, which is half a KiB a round; ``--jobs 1`` has none.

    python -m benchmarks soak --out benchmarks/results/soak
"""

import gc
import multiprocessing
import os
import sys
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import psutil
from scipy import stats
from sklearn.model_selection import GridSearchCV

from benchmarks.options import add_shared
from benchmarks.reports import Record, publish
from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, load
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.exceptions import CMMDWarning, ResumeWarning

MIB = 2**20
# Memory settles in the first rounds; with fewer than these behind them a slope says nothing.
LEAST_ROUNDS = 10
# A process that is forked from one that has imported the package starts at once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["benchmarks.soak"])
KILLS = 2
STATES = [("round", int), ("seconds", float), ("kills", int)]
STATES += [("MiB", float), ("files", int), ("threads", int)]


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 120 digits, other ones for each seed."""
    digits = load_multiple_features(observed="zernike", missing="fourier")
    some = np.random.default_rng(seed).permutation(len(digits.target))[:120]
    return digits.data[some], digits.target[some], digits.data_missing[some]


def model(seed: int, **params: Any) -> CMMDClassifier:
    return CMMDClassifier(hidden_layer_sizes=(32,), max_epochs=3, random_state=seed, **params)


def fit(seed: int, checkpoint: Path, file: Path) -> None:
    """Fit with a checkpoint, and save: what is killed and started again."""
    warnings.simplefilter("ignore", ResumeWarning)
    X, y, X_missing = rows(seed)
    params = {"checkpoint_dir": checkpoint, "max_epochs": 20, "early_stopping": False}
    model(seed).set_params(**params).fit(X, y, X_missing=X_missing).save(file)


def save(source: Path, file: Path) -> None:
    """Save over a file until this process is killed."""
    estimator = load(source)
    while True:
        estimator.save(file)


def killed(target: Callable[..., None], args: tuple[Any, ...], sign: Path, wait: float) -> bool:
    """Kill a process so long after its file is there; return whether it was still running."""
    process = PROCESSES.Process(target=target, args=args)
    process.start()
    while process.is_alive() and not sign.exists():
        time.sleep(0.01)
    process.join(wait)
    was_running = process.is_alive()
    process.kill()
    process.join()
    process.close()
    return was_running


def resumed(folder: Path, seed: int, waits: np.ndarray) -> int:
    """Kill a fit again and again, let it end, and compare; return how often it was killed."""
    file, checkpoint = folder / "resumed.safetensors", folder / "checkpoint"
    sign, args = checkpoint / "checkpoint.safetensors", (seed, checkpoint, file)
    n_kills = sum(killed(fit, args, sign, wait) for wait in waits)
    process = PROCESSES.Process(target=fit, args=args)
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code == 0, f"a fit that went on from its checkpoint ended with the code {code}"
    fit(seed, folder / "other", folder / "at_once.safetensors")
    X = rows(seed)[0]
    paths = file, folder / "at_once.safetensors"
    went_on, at_once = (load(path).predict_proba(X) for path in paths)
    assert np.array_equal(went_on, at_once), "a fit that was killed and resumed is another one"
    return n_kills


def fitted_and_loaded(folder: Path, seed: int, n_jobs: int) -> None:
    """Fit, search and average; save all of them, load them, and compare."""
    X, y, X_missing = rows(seed)
    search = GridSearchCV(model(seed), {"omega": [0.8, 0.2]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y, X_missing=X_missing)
    ensemble = CMMDEnsemble(model(seed), n_estimators=2, random_state=seed)
    ensemble.fit(X, y, X_missing=X_missing)
    for name, estimator in (("one", search.best_estimator_), ("ensemble", ensemble)):
        estimator.save(folder / f"{name}.safetensors")
        again = load(folder / f"{name}.safetensors")
        for method in ("predict_proba", "transform", "generate_missing"):
            before, after = (getattr(each, method)(X) for each in (estimator, again))
            assert np.array_equal(before, after), f"{method} of {name} is not what was saved"


def one_round(number: int, n_jobs: int) -> Record:
    """Do everything once, with data and seeds of this round; return what it did."""
    rng = np.random.default_rng(number)
    with TemporaryDirectory() as name:
        folder = Path(name)
        fitted_and_loaded(folder, number, n_jobs)
        kills = resumed(folder, number, rng.uniform(0, 0.5, KILLS))
        file = folder / "over.safetensors"
        kills += killed(save, (folder / "one.safetensors", file), file, rng.uniform(0, 0.3))
        load(file)
    return {"kills": kills}


def state_of(process: psutil.Process) -> Record:
    """Return memory without the pages of files, open files and threads."""
    gc.collect()
    memory = process.memory_info()
    own = (memory.rss - memory.shared) / MIB
    return {"MiB": own, "files": process.num_fds(), "threads": process.num_threads()}


def rounds(args: Namespace) -> Iterator[Record]:
    """Yield the state after each round, until the time is over."""
    process, start, number = psutil.Process(), time.monotonic(), 0
    while number < 2 or time.monotonic() - start < 60 * args.minutes:
        did = one_round(number, args.jobs)
        number += 1
        yield {"round": number, "seconds": time.monotonic() - start} | did | state_of(process)


def judged(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Say how memory, files and threads went on in the second half, and which of them grow."""
    settled, said, grows = table[len(table) // 2 :], [], []
    for name in ("files", "threads"):
        first, last = settled[name].iloc[[0, -1]]
        said.append(f"{name}: {first} at first, {last} at last, {settled[name].max()} at most")
        grows += [name] if last > first else []
    if len(settled) < LEAST_ROUNDS:
        return [*said, "memory: too few rounds for a slope"], grows
    slope, _, low, high = stats.theilslopes(1024 * settled["MiB"], settled["round"])
    said.append(f"memory: {slope:+.1f} KiB a round, 95 % interval [{low:+.1f}, {high:+.1f}]")
    return said, grows + (["memory"] if low > 0 else [])


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--jobs", jobs=2)
    parser.add_argument("--minutes", type=float, default=60.0)


def run(args: Namespace) -> None:
    """Run all rounds, and write the table; an AssertionError says what was lost."""
    warnings.simplefilter("ignore", CMMDWarning)  # of fits that resume, and of searches that tie
    if args.quick:
        args.minutes, args.jobs = 0.0, 1
    load_average = os.getloadavg()[0]
    # As an array: a dictionary for each round would be what grows.
    table = pd.DataFrame(np.fromiter(map(tuple, map(dict.values, rounds(args))), STATES))
    minutes = table.seconds.iloc[-1] / 60
    done = f"{len(table)} rounds in {minutes:.1f} minutes, {table.kills.sum()} processes killed"
    some = table.iloc[np.unique(np.linspace(0, len(table) - 1, 12).astype(int))]
    said, grows = judged(table)
    text = [some.round(2).to_string(index=False), "", f"{done}, nothing lost", *said]
    publish("\n".join([*text, f"load average before the run {load_average:.1f}"]), args, table)
    if grows:
        sys.exit(f"Something grows: {', '.join(grows)}.")
