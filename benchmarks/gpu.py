"""Everything that waits for a GPU, in the order of worth and within ten minutes.

Stages: the tests; a step of MNIST-SVHN-Text, in float32 and bfloat16, with a CUDA graph and without
(goal: under 0.4 ms); many fits, one after another and together; predictions a second; two views of
MNIST and MNIST-SVHN at the paper's size. Each writes its own files, gpu_<stage>.csv and .txt, at
once. One that fails leaves its traceback there, and the next goes on. When time is up, no stage
starts, and the one that runs stops.

    python -m benchmarks gpu --data FOLDER
    python -m benchmarks gpu --dry-run
"""

import subprocess
import sys
import time
import traceback
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from benchmarks.options import SHARED
from benchmarks.paper import mnist_svhn_text
from benchmarks.reports import Record, publish
from benchmarks.sizes import SMALL, TOY, Data, Size, ms_per_step
from sklearn_cmmd import CMMDClassifier

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
N_STEPS, N_EPOCHS, BATCH = 50, 6, 256
MANY, TOGETHER = 55, (1, 4, 16)
PREDICTED = (1, 1000, 100_000)


@dataclass
class Run:
    """What a stage is told, and what it notes beside its rows."""

    toy: bool
    data: Path | None
    deadline: float
    notes: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds until time is up."""
        return self.deadline - time.monotonic()

    @property
    def size(self) -> Size:
        """The default model's size; the data are random."""
        return TOY if self.toy else SMALL

    def command(self, *words: str | Path) -> int | None:
        """Run Python and note its output; return its exit status, None if time was up."""
        command = [sys.executable, *map(str, words)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        try:
            done = subprocess.run(command, cwd=ROOT, timeout=max(1, self.left), **pipes)
        except subprocess.TimeoutExpired as late:
            self.notes += [(late.stdout or b"").decode(), "Time was up: it was ended."]
            return None
        self.notes.append(done.stdout.decode())
        return done.returncode


def device() -> str:
    """Return where to compute; a dry run may be on a CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def gpu_tests(run: Run) -> Iterator[Record]:
    """Run the tests of the package that need a GPU."""
    start = time.perf_counter()
    status = run.command("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_gpu.py")
    yield {"exit status": status, "seconds": time.perf_counter() - start}


def images_and_words(n_rows: int) -> Data:
    """Draw MNIST-SVHN-Text at random."""
    rng = np.random.default_rng(0)
    symbols = rng.integers(mnist_svhn_text.N_SYMBOLS, size=(n_rows, 8))
    text = np.eye(mnist_svhn_text.N_SYMBOLS, dtype=np.float32)[symbols]
    mnist, svhn = (rng.random((n_rows, *shape), np.float32) for shape in ((28, 28), (32, 32, 3)))
    return {"mnist": mnist}, np.arange(n_rows) % 10, {"svhn": svhn, "text": text}


def steps(run: Run) -> Iterator[Record]:
    """Time a step of MNIST-SVHN-Text, from M, with the encoders of both sizes."""
    sizes, n_epochs, batch = ["small", "paper"], N_EPOCHS, BATCH
    if run.toy:
        sizes, n_epochs, batch = ["quick"], 2, 2
    data = images_and_words(batch * (2 if run.toy else N_STEPS))
    budget = {"batch_size": batch, "max_epochs": n_epochs, "device": device()}
    for size in sizes:
        widths = mnist_svhn_text.SIZES[size]
        for precision in ("float32", "bfloat16"):
            for graphs in (True, False):
                model = mnist_svhn_text.model("m", widths, 0, **budget)
                model.set_params(networks__precision=precision)
                ms = ms_per_step(model, data, graphs)
                about = {"encoder": str(widths.encoder), "precision": precision, "graph": graphs}
                yield about | {"batch": batch, "ms a step": ms}


def fit_once(size: Size, max_epochs: int | str, seed: int) -> CMMDClassifier:
    """Fit the defaults to random data on the GPU."""
    X, y, X_missing = size.draw()
    model = CMMDClassifier(max_epochs=max_epochs, device=device(), random_state=seed)
    return model.fit(X, y, X_missing=X_missing)


def fits(run: Run) -> Iterator[Record]:
    """Time one fit, many one after another, and several at a time in processes and threads."""
    max_epochs = 2 if run.toy else "auto"
    many, together = (3, (2,)) if run.toy else (MANY, TOGETHER)
    fit_once(run.size, 1, 0)  # loads what torch loads at first use
    for n_fits in (1, many):
        start, n_done = time.perf_counter(), 0
        while n_done < n_fits and (n_done == 0 or run.left > 0):
            fit_once(run.size, max_epochs, n_done)
            n_done += 1
        yield row_of_fits("one after another", n_done, start)
    for how, backend in (("processes", "loky"), ("threads", "threading")):
        for k in together:
            with Parallel(k, backend=backend) as pool:
                pool(delayed(fit_once)(run.size, 1, seed) for seed in range(k))
                start = time.perf_counter()
                pool(delayed(fit_once)(run.size, max_epochs, seed) for seed in range(k))
                yield row_of_fits(how, k, start)


def row_of_fits(how: str, n_fits: int, start: float) -> Record:
    """Return the time of so many fits since the start."""
    seconds = time.perf_counter() - start
    return {"how": how, "fits": n_fits, "seconds": seconds, "seconds a fit": seconds / n_fits}


def predictions(run: Run) -> Iterator[Record]:
    """Count the rows that are predicted in a second, by precision and number of rows."""
    model = fit_once(run.size, 1, 0)
    for dtype in ("float32", "float64"):
        model.set_params(networks__prediction=dtype)
        for n_rows in PREDICTED[:2] if run.toy else PREDICTED:
            X = run.size.draw(n_rows)[0].astype(dtype)
            for method in ("predict_proba", "generate_missing"):
                call, n_calls = getattr(model, method), 0
                call(X)
                start = time.perf_counter()
                while time.perf_counter() - start < (0.02 if run.toy else 1):
                    call(X)  # its result is on the CPU, so that it has waited for the GPU
                    n_calls += 1
                rate = n_calls * n_rows / (time.perf_counter() - start)
                yield {"method": method, "dtype": dtype, "rows": n_rows, "rows a second": rate}


def experiment(name: str) -> Callable[[Run], Iterator[Record]]:
    """Return a stage that runs one seed of an experiment of the paper, while time is left."""

    def stage(run: Run) -> Iterator[Record]:
        if run.data is None:
            run.notes.append("Not run: the images are absent. Say where they are by --data.")
            return
        size = ["--quick"] if run.toy else ["--size", "paper", "--seeds", "1"]
        with TemporaryDirectory() as folder:
            out = Path(folder, name)
            run.command("-m", "benchmarks", name, "--data", run.data, *size, "--out", out)
            file = out.with_suffix(".csv")
            if file.exists():
                yield from pd.read_csv(file).to_dict("records")

    return stage


STAGES: dict[str, Callable[[Run], Iterator[Record]]] = {
    "tests": gpu_tests,
    "steps": steps,
    "fits": fits,
    "predictions": predictions,
    "two_view_mnist": experiment("two_view_mnist"),
    "mnist_svhn": experiment("mnist_svhn"),
}


def perform(name: str, run: Run, out: Path, command: str) -> None:
    """Run a stage, keeping its rows as they come, and write what came of it."""
    rows: list[Record] = []
    run.notes = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            for row in STAGES[name](run):
                rows.append(row)
                pd.DataFrame(rows).to_csv(out.with_suffix(".csv"), index=False)
                if run.left <= 0:
                    run.notes.append("Time was up: what comes after these rows was left out.")
                    break
        except Exception:
            run.notes.append(traceback.format_exc())
    warned = dict.fromkeys(f"warning: {each.message}" for each in caught)
    table = pd.DataFrame(rows)
    tables = [table.to_string(index=False)] if rows else []
    text = "\n\n".join([name, *tables, *run.notes, *warned])
    publish(text, Namespace(out=out, command=command), table)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--data", **SHARED["--data"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument(
        "--dry-run", "--quick", action="store_true", help="toy sizes, on any device"
    )
    parser.add_argument("--out", type=Path, help="folder to write to; by default results/")


def run(args: Namespace) -> None:
    """Run the stages while time is left."""
    deadline = time.monotonic() + 60 * args.minutes
    if not (torch.cuda.is_available() or args.dry_run):
        sys.exit("torch finds no CUDA device. --dry-run tries every stage at toy size on a CPU.")
    folder = args.out or (Path(mkdtemp(prefix="gpu-")) if args.dry_run else RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    for name in args.stages:
        state = Run(args.dry_run, args.data, deadline)
        if state.left > 0:
            perform(name, state, folder / f"gpu_{name}", args.command)
        else:
            print(f"{name}: not started, time is up")
    print(f"The results are in {folder}.")
