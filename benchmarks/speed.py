"""How fast and how large everything is, beside what else there is: one table of ratios.

    python benchmarks/speed.py --peers-python .venv-peers/bin/python --out benchmarks/results/speed

Both sides of a ratio A / B are measured in turn in this one run; the table gives the median and
the quartiles of the ratios, and the medians of A and B. Cases: (a) a step of `fit` against a bare
torch loop, (b) against its matrix products, (c) `fit` against multivae's and skorch's trainers,
(d) the stacked search, (e) predictions against the forward pass, (f) the import, (g) memory, (h)
float32 against bfloat16.

It takes about 40 minutes on two cores that are free, which they must be: with several threads one
busy neighbour makes a step ten times as slow. ``--quick`` takes three: shorter runs, and some
rows less.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from publishing import publish
from speed_cases import (
    ALL_THREADS,
    Row,
    Run,
    in_turn,
    libraries,
    precisions,
    products,
    searches,
    seconds_per_call,
    steps,
)
from speed_rivals import SMALL

from sklearn_cmmd import CMMDClassifier

LIBRARIES = "torch, sklearn.model_selection"
PREDICTED = (1, 10, 1000, 100_000, 1_000_000)
FORWARD = {
    "predict_proba": lambda module, x: module.predict(x).mean,
    "transform": lambda module, x: module.embed(x).mean,
    "generate_missing": lambda module, x: module.reconstruct(x).mean,
}
MIB = 2**20
CHUNK_ROWS = 4096

NO_GPU = (
    "GPU: none here, these rows are left open: step of the MNIST-SVHN-Text models at batch 256 "
    "(target 0.4 ms on an H100); 55 stacked models against one; share of the products' own time"
)


def predictions(run: Run) -> Iterator[Row]:
    """Compare rows per second of the methods with those of the bare forward pass (e)."""
    X, y, X_missing = SMALL.draw(1000)
    model = SMALL.model(max_epochs=1).fit(X, y, X_missing=X_missing)
    rows = SMALL.draw(PREDICTED[-2 if run.quick else -1])[0]
    for method in FORWARD:
        for n_threads in run.threads:
            for n_rows in PREDICTED:
                if n_rows <= len(rows):
                    yield from against_forward(model, method, rows[:n_rows], n_threads, run)


def against_forward(
    model: CMMDClassifier, method: str, X: np.ndarray, n_threads: int, run: Run
) -> Iterator[Row]:
    """Compare a method with the bare forward pass; for one row the difference too."""
    parts = torch.from_numpy(X).split(CHUNK_ROWS)

    @torch.inference_mode()
    def bare() -> None:
        for part in parts:
            FORWARD[method](model.module_, part)

    def full() -> None:
        getattr(model, method)(X)

    sides = [lambda f=f: len(X) / seconds_per_call(f) for f in (full, bare)]
    is_slow = len(X) >= PREDICTED[-2]
    repeats = run.few if is_slow else run.repeats
    rates = in_turn(n_threads, repeats, *sides, warm_up=not is_slow)
    target = ">= 0.9" if len(X) >= 1000 else "-"
    what, size = f"{method} / forward pass", f"2x128, n = {len(X):,}"
    yield Row("e", what, size, n_threads, rates, "rows/s", target)
    if len(X) == 1:
        ms = 1000 / rates
        values = ms[:, 0] - ms[:, 1]
        yield Row("e", f"{method} - forward pass, ms", size, n_threads, ms, "ms", "< 1", values)


def imports(run: Run) -> Iterator[Row]:
    """Compare the import with that of torch and scikit-learn, in fresh processes (f)."""
    sides = [partial(import_ms, names) for names in ("sklearn_cmmd", LIBRARIES)]
    measured = in_turn(ALL_THREADS, run.few if run.quick else run.repeats, *sides)
    what = f"import sklearn_cmmd / {LIBRARIES}"
    yield Row("f", what, "-", "-", measured, target="<= 1.15")


def import_ms(names: str) -> float:
    code = f"import time; t = time.perf_counter(); import {names}; print(time.perf_counter() - t)"
    return 1000 * float(in_fresh_process(code))


def in_fresh_process(code: str) -> str:
    # Compiled modules are kept, as they are for users. Without huge pages, memory is what was
    # written to, not that rounded up to 2 MiB for each array.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "NUMPY_MADVISE_HUGEPAGE": "0"}
    options = {"cwd": Path(__file__).parent, "env": environment, "text": True, "check": True}
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, **options).stdout


def memory(run: Run) -> Iterator[Row]:
    """Compare the peak memory of a fit with the data, and that of predictions (g)."""
    n_bytes = 10**8 if run.quick else 4 * 10**8
    fit = json.loads(in_fresh_process(f"import speed; speed.print_fit_memory({n_bytes})"))
    size = f"2x128, {fit['data']:.0f} MiB"
    with_data = np.array([[fit["peak"] - fit["imported"], fit["data"] + fit["model"]]])
    what = "peak of fit / data and model"
    yield Row("g", what, size, "-", with_data, "MiB", "<= 1.3")
    beside = np.array([[fit["peak"] - fit["drawn"], fit["data"]]])
    yield Row("g", "more memory in fit / data", size, "-", beside, "MiB")
    code = "import speed; speed.print_predict_memory({})"
    more = [
        [float(in_fresh_process(code.format(n))) for n in (800_000, 100_000)]
        for _ in range(run.repeats)
    ]
    what = "predict_proba beside its output, 800k / 100k rows"
    yield Row("g", what, "2x128", "-", np.array(more), "MiB", "<= 1.1")


def memory_mib(name: str) -> float:
    """Return "VmRSS", the memory held now, or "VmHWM", the most that was held."""
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024


def print_fit_memory(n_bytes: int) -> None:
    imported = memory_mib("VmRSS")
    data = SMALL.draw(n_bytes // (4 * (SMALL.n_observed + SMALL.n_missing)))
    drawn = memory_mib("VmRSS")
    X, y, X_missing = data
    model = SMALL.model(max_epochs=1).fit(X, y, X_missing=X_missing)
    figures = {
        "imported": imported,
        "drawn": drawn,
        "peak": memory_mib("VmHWM"),
        "data": sum(array.nbytes for array in data) / MIB,
        "model": sum(part.nbytes for part in model.module_.parameters()) / MIB,
    }
    print(json.dumps(figures))


def print_predict_memory(n_rows: int) -> None:
    X, y, X_missing = SMALL.draw(1000)
    model = SMALL.model(max_epochs=1).fit(X, y, X_missing=X_missing)
    model.predict_proba(X)
    rows = SMALL.draw(n_rows)[0]
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
    before = memory_mib("VmRSS")
    output = model.predict_proba(rows)
    print(memory_mib("VmHWM") - before - output.nbytes / MIB)


CASES = {
    "a": steps,
    "b": products,
    "c": libraries,
    "d": searches,
    "e": predictions,
    "f": imports,
    "g": memory,
    "h": precisions,
}


def figure(value: float) -> str:
    """Write a number with three significant digits, or as an integer."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def processor() -> str:
    """Return the model of the CPU, the number of torch's threads, and how busy the machine is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "CPU")
    return f"{model}, {ALL_THREADS} threads, load average before the run {os.getloadavg()[0]:.1f}"


def measure(letters: list[str], run: Run) -> pd.DataFrame:
    """Run the cases, with a line for each row as it comes."""
    rows = []
    for letter in letters:
        for row in CASES[letter](run):
            rows.append(row.figures())
            cells = (figure(v) if isinstance(v, float) else str(v) for v in rows[-1].values())
            print(" | ".join(cells), file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="cases")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--peers-python", help="interpreter of the peers' environment")
    parser.add_argument("--repeats", type=int, help="at most; by default 5, or 3 if quick")
    parser.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    return parser.parse_args()


def main() -> None:
    args = parse()
    run = Run(args.quick, args.repeats or (3 if args.quick else 5), args.peers_python)
    notes = [processor()] if torch.cuda.is_available() else [NO_GPU, processor()]
    table = measure(args.only, run)
    text = table.to_string(index=False, float_format=figure, na_rep="-")
    publish("\n\n".join([text, "\n".join(notes)]), table, args.out)


if __name__ == "__main__":
    main()
