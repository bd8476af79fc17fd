"""Rows of the table of `speed.py`, how they are measured, and the cases about training."""

import operator
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.engine import train
from sklearn_cmmd.training.job import Job
from speed_rivals import (
    IMAGES,
    PAPER,
    SMALL,
    WIDE,
    BareCMMD,
    Clock,
    Size,
    cmmd_loss,
    matrix_products,
    multivae_ms,
    skorch_net,
    train_plainly,
)
from torch.utils.data import TensorDataset

from sklearn_cmmd.model_selection import StackedGridSearchCV

ALL_THREADS = torch.get_num_threads()
THREADS = sorted({1, ALL_THREADS})
# Rows and epochs of what is measured on a GPU.
ON_GPU = 16_384, 12
OMEGAS = np.linspace(0, 1, 11)
N_FOLDS = 5
# Fits of a search are nearer to real ones, so that preparing and scoring have their true share.
LONGER_IN_SEARCHES = 5


@dataclass(frozen=True)
class Run:
    """What the command line asks for."""

    quick: bool
    repeats: int
    peers_python: str | None

    def budget(self, size: Size) -> tuple[int, int]:
        """Return numbers of rows and of epochs."""
        return size.quick if self.quick else size.full

    @property
    def threads(self) -> list[int]:
        """Numbers of threads in cases (c) and (e)."""
        return THREADS[:1] if self.quick else THREADS

    @property
    def few(self) -> int:
        """How often what takes long is repeated."""
        return 1 if self.quick else min(self.repeats, 3)

    def measure(self, size: Size, n_threads: int, *sides: Callable[[], float]) -> np.ndarray:
        """Measure sides in turn; what is slow, not so often and without a warm-up."""
        repeats = self.few if size.is_slow else self.repeats
        return in_turn(n_threads, repeats, *sides, warm_up=not size.is_slow)


@dataclass(frozen=True)
class Row:
    """A row of the table: figures of each repeat, of which A and B are the two sides.

    `target` is an operator and a number, or "-". `values` are by default the ratios A / B.
    """

    letter: str
    what: str
    size: str
    threads: int | str
    sides: np.ndarray
    unit: str = "ms"
    target: str = "-"
    values: np.ndarray | None = None

    def figures(self) -> dict[str, Any]:
        """Return the cells by column."""
        values = self.sides[:, 0] / self.sides[:, 1] if self.values is None else self.values
        ratio, low, high = np.quantile(values, (0.5, 0.25, 0.75))
        a, b = np.median(self.sides, axis=0)
        return {
            "letter": self.letter,
            "what": self.what,
            "size": self.size,
            "threads": self.threads,
            "ratio": ratio,
            "low": low,
            "high": high,
            "A": a,
            "B": b,
            "unit": self.unit,
            "target": self.target,
            "met": self._met(ratio),
        }

    def _met(self, ratio: float) -> str:
        if self.target == "-" or np.isnan(ratio):
            return "-"
        sign, number = self.target.split()
        compare = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}[sign]
        return "yes" if compare(ratio, float(number)) else "no"


def in_turn(
    n_threads: int, repeats: int, *sides: Callable[[], float], warm_up: bool = True
) -> np.ndarray:
    """Measure the sides one after the other, again and again; of shape (repeats, sides)."""
    torch.set_num_threads(n_threads)
    if warm_up:
        for side in sides:
            side()
    measured = np.array([[side() for side in sides] for _ in range(repeats)])
    torch.set_num_threads(ALL_THREADS)
    return measured


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def seconds_per_call(function: Callable[[], Any], at_least: float = 0.05) -> float:
    """Call so often that it takes so long."""
    n_calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < at_least:
        function()
        n_calls += 1
    return elapsed / n_calls


class ClockedRows(PairedRows):
    """The rows of a job, with a clock that is told of every minibatch."""

    def __init__(self, rows: PairedRows, clock: Clock) -> None:
        super().__init__(rows.observed, rows.missing, rows.y, index=rows.index)
        self.clock = clock

    def gather(self, rows: torch.Tensor) -> Any:
        self.clock.tick()
        return super().gather(rows)


def prepare(size: Size, run: Run, device: str = "cpu") -> Job:
    n_rows, n_epochs = run.budget(size) if device == "cpu" else ON_GPU
    X, y, X_missing = size.draw(n_rows)
    return size.model(max_epochs=n_epochs, device=device)._prepare(X, y, X_missing)


def n_updates(job: Job) -> int:
    return job.settings.max_epochs * -(-len(job.rows) // job.settings.batch_size)


def fit_step(size: Size, run: Run, device: str = "cpu") -> Callable[[], float]:
    """Return a function that trains as `fit` does, and returns milliseconds per update."""
    job = prepare(size, run, device)
    return partial(clocked_ms if device == "cpu" else difference_ms, job)


def clocked_ms(job: Job) -> float:
    clock = Clock(n_updates(job), job.rows.device)
    train(replace(job, rows=ClockedRows(job.rows, clock)))
    return clock.ms


def difference_ms(job: Job) -> float:
    """Take the time of all epochs less that of two; replayed CUDA graphs touch no clock."""
    few = replace(job, settings=replace(job.settings, max_epochs=2))
    more = seconds(lambda: train(job)) - seconds(lambda: train(few))
    return 1000 * more / (n_updates(job) - n_updates(few))


def bare_step(size: Size, run: Run, device: str = "cpu") -> Callable[[], float]:
    """Return a function that runs the bare loop, and returns milliseconds per step."""
    job = prepare(size, run, device)
    tensors = job.rows.observed, job.rows.missing, job.rows.y
    if size is IMAGES:
        module = job.module.train()

        def loss(*batch: torch.Tensor) -> torch.Tensor:
            return cmmd_loss(module, job.objective, job.settings.dropout, *batch)
    else:
        module = loss = BareCMMD(size, job.objective, job.settings.dropout).to(device)

    def measure() -> float:
        clock = Clock(n_updates(job), job.rows.device)
        batch_size = job.settings.batch_size
        return train_plainly(loss, module.parameters(), tensors, batch_size, clock)

    return measure


def products_of_step(size: Size) -> Callable[[], float]:
    """Return a function that returns milliseconds for the matrix products of a step."""
    multiply = matrix_products(size)
    return lambda: 1000 * seconds_per_call(multiply, at_least=0.2)


def steps(run: Run) -> Iterator[Row]:
    """Compare a step of `fit` with one of a bare loop (a)."""
    what = "step of fit / bare loop"
    devices: list[tuple[str, int | str]] = [("cpu", n) for n in THREADS]
    if torch.cuda.is_available():
        devices.append(("cuda", "cuda"))
    for size in (SMALL, WIDE, PAPER, IMAGES):
        target = "<= 0.6" if size is SMALL else "<= 1.05"
        for device, threads in devices:
            n_threads = ALL_THREADS if device == "cuda" else threads
            sides = fit_step(size, run, device), bare_step(size, run, device)
            measured = run.measure(size, n_threads, *sides)
            yield Row("a", what, size.name, threads, measured, target=target)
            if device == "cuda" and size is IMAGES:
                ms = measured[:, 0]
                target = "<= 0.4"
                yield Row("a", "ms of a step", size.name, threads, measured, "ms", target, ms)


def products(run: Run) -> Iterator[Row]:
    """Compare a step of `fit` with its matrix products alone (b)."""
    for size, target in ((SMALL, "<= 2.5"), (WIDE, "<= 1.15"), (PAPER, "<= 1.05")):
        sides = fit_step(size, run), products_of_step(size)
        for n in THREADS:
            measured = run.measure(size, n, *sides)
            yield Row("b", "step of fit / its products", size.name, n, measured, target=target)


def precisions(run: Run) -> Iterator[Row]:
    """Compare a step of `fit` in float32 with one in bfloat16 (h)."""
    for size in (SMALL, WIDE, PAPER):
        job = prepare(size, run)
        half = replace(job, settings=replace(job.settings, precision="bfloat16"))
        sides = partial(clocked_ms, job), partial(clocked_ms, half)
        for n in THREADS:
            measured = run.measure(size, n, *sides)
            yield Row("h", "step in float32 / bfloat16", size.name, n, measured)


def libraries(run: Run) -> Iterator[Row]:
    """Compare a whole `fit` with other libraries' trainers, per update (c)."""
    for size in (SMALL, WIDE):
        for n in run.threads:
            yield against_skorch(size, run, n)
            yield against_multivae(size, run, n)


def whole_fit(size: Size, run: Run) -> Callable[[], float]:
    """Return a function that fits, and returns milliseconds per update."""
    n_rows, n_epochs = run.budget(size)
    X, y, X_missing = size.draw(n_rows)
    model = size.model(max_epochs=n_epochs)
    n = n_epochs * -(-n_rows // model.batch_size)
    return lambda: 1000 * seconds(lambda: model.fit(X, y, X_missing=X_missing)) / n


def against_multivae(size: Size, run: Run, n_threads: int) -> Row:
    what, measured = "fit / multivae's CVAE trainer", np.full((1, 2), np.nan)
    if run.peers_python is not None:
        theirs = partial(multivae_ms, run.peers_python, size, *run.budget(size), n_threads)
        measured = in_turn(n_threads, run.few, whole_fit(size, run), theirs, warm_up=False)
    if np.isnan(measured).any():
        what = f"{what}: not installed"
    return Row("c", what, size.name, n_threads, measured, target="< 1")


def against_skorch(size: Size, run: Run, n_threads: int) -> Row:
    X, y, X_missing = size.draw(run.budget(size)[0])
    rows = TensorDataset(*map(torch.from_numpy, (X, X_missing, y)))
    job = prepare(size, run)
    net = skorch_net(job)

    def theirs() -> float:
        return 1000 * seconds(lambda: net.fit(rows, None)) / n_updates(job)

    measured = run.measure(size, n_threads, whole_fit(size, run), theirs)
    return Row("c", "fit / skorch's own loader", size.name, n_threads, measured, target="< 1")


def searches(run: Run) -> Iterator[Row]:
    """Compare searches of 11 ω on 5 folds, one by one and stacked, and a single fit (d)."""
    sizes = [(SMALL, ">= 4"), (WIDE, ">= 1.5")]
    for size, target in sizes[:1] if run.quick else sizes:
        measured = search_times(size, run)
        what = "GridSearchCV / StackedGridSearchCV"
        yield Row("d", what, size.name, "all", measured[:, :2], "s", target)
        yield Row("d", "StackedGridSearchCV / one fit", size.name, "all", measured[:, 1:], "s")


def search_times(size: Size, run: Run) -> np.ndarray:
    """Return seconds of both searches, and of a fit on the rows of one fold."""
    n_rows, n_epochs = run.budget(size)
    if not run.quick:
        n_epochs *= LONGER_IN_SEARCHES
    X, y, X_missing = size.draw(n_rows)

    def search(kind: type[GridSearchCV], omegas: np.ndarray, n_epochs: int) -> float:
        model = size.model(max_epochs=n_epochs)
        made = kind(model, {"omega": omegas}, n_jobs=-1, refit=False, cv=N_FOLDS)
        return seconds(lambda: made.fit(X, y, X_missing=X_missing))

    def fit_once() -> float:
        n, model = n_rows * (N_FOLDS - 1) // N_FOLDS, size.model(max_epochs=n_epochs)
        return seconds(lambda: model.fit(X[:n], y[:n], X_missing=X_missing[:n]))

    kinds = GridSearchCV, StackedGridSearchCV
    for kind in kinds:  # starts the processes of the one
        search(kind, OMEGAS[:2], 1)
    sides = [partial(search, kind, OMEGAS, n_epochs) for kind in kinds]
    return in_turn(ALL_THREADS, run.few, *sides, fit_once, warm_up=False)
