"""Time and memory of fits from files that do not fit into memory, beside data in memory.

All fits are of the same rows. Those from files read every minibatch from there, as if memory were
full. "ratio" is the time of a fit over that of data in memory, and "with copy" adds the time to
write the rows of zarr, HDF5 or parquet files, or of a Dask array, into a file of NumPy, block by
block. Seconds are those of the processor, which other work on the machine changes little; the files
are in the system's cache. "added MiB" is the memory beyond that of the process before, pages of
files left out. The sides are measured in turn, and the table has medians.

    python -m benchmarks large --out benchmarks/results/large
"""

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import zarr

from benchmarks.options import add_shared
from benchmarks.reports import publish
from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.data import matrices

BLOCK = 5_000
WIDTHS = {"x": 300, "m": 200}
MIB = 2**20
Blocks = Iterator[np.ndarray]


def slices(n_rows: int) -> Iterator[slice]:
    """Yield the rows by blocks."""
    return (slice(start, start + BLOCK) for start in range(0, n_rows, BLOCK))


def as_zarr(path: Path, rows: np.ndarray) -> Callable[[], Blocks]:
    stored = zarr.create_array(path, data=rows, chunks=(BLOCK, rows.shape[1]))
    return lambda: (np.asarray(stored[part]) for part in slices(len(rows)))


def as_hdf5(path: Path, rows: np.ndarray) -> Callable[[], Blocks]:
    options = {"chunks": (min(BLOCK, len(rows)), rows.shape[1]), "compression": "lzf"}
    stored = h5py.File(path, "w").create_dataset("rows", data=rows, **options)
    return lambda: (stored[part] for part in slices(len(rows)))


def as_parquet(path: Path, rows: np.ndarray) -> Callable[[], Blocks]:
    table = pa.table({str(number): column for number, column in enumerate(rows.T)})
    sizes = {"max_rows_per_file": BLOCK, "max_rows_per_group": BLOCK}
    pa.dataset.write_dataset(table, path, format="parquet", **sizes)
    # By their numbers: a dataset takes the files of a folder by their names.
    parts = sorted(path.glob("*.parquet"), key=lambda part: int(part.stem.rpartition("-")[2]))
    files = pa.dataset.dataset(parts)
    return lambda: (np.column_stack(batch.columns) for batch in files.to_batches())


def as_dask(path: Path, rows: np.ndarray) -> Callable[[], Blocks]:
    lazy = da.from_array(np.load(path.parent / f"{path.stem}.npy", "r"), chunks=(BLOCK, -1))
    return lambda: (block.compute() for block in lazy.blocks)


SOURCES = {"zarr": as_zarr, "HDF5": as_hdf5, "parquet": as_parquet, "Dask array": as_dask}


def written(path: Path, blocks: Blocks, shape: tuple[int, ...]) -> np.ndarray:
    """Write blocks of rows into a file of NumPy, one after the other, and open it."""
    rows, start = np.lib.format.open_memmap(path, "w+", "float32", shape), 0
    for block in blocks:
        rows[start : start + len(block)] = block
        start += len(block)
    rows.flush()
    return np.load(path, mmap_mode="r")


class Watch:
    """Processor time of a block, and the most memory that it added, pages of files left out."""

    def __enter__(self) -> "Watch":
        self.before = self.most = self._memory()
        self.over = Event()
        self.thread = Thread(target=self._look)
        self.thread.start()
        self.start = time.process_time()
        return self

    def __exit__(self, *error: Any) -> None:
        self.seconds = time.process_time() - self.start
        self.over.set()
        self.thread.join()
        self.added = (self.most - self.before) / MIB

    def _look(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, self._memory())

    def _memory(self) -> int:
        pages = Path(f"/proc/{os.getpid()}/statm").read_text("utf-8").split()
        return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def fit_seconds(model: CMMDClassifier, x: Any, y: Any, m: Any, from_files: bool) -> Watch:
    """Fit once; from files, as if nothing else were left of the memory."""
    full = patch.object(matrices, "RESIDENT_SHARE", 0) if from_files else nullcontext()
    with full, Watch() as watch:
        model.fit(x, y, X_missing=m)
    return watch


def measured(args: Namespace) -> Iterator[dict[str, Any]]:
    """Yield time and memory of every fit and copy, one repetition after the other."""
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=args.rows)
    model = CMMDClassifier(max_epochs=1 if args.quick else args.epochs, random_state=0)
    with TemporaryDirectory() as name:
        folder, sources = Path(name), {source: {} for source in SOURCES}
        here, mapped = {}, {}
        for view, width in WIDTHS.items():
            values = rng.normal(size=(args.rows, width)) + y[:, None] % 3
            here[view] = values.astype("float32")
            np.save(folder / f"{view}.npy", here[view])
            mapped[view] = np.load(folder / f"{view}.npy", mmap_mode="r")
            for source, store in SOURCES.items():
                sources[source][view] = store(folder / f"{view}.{source[:4]}", here[view])
        model.fit(here["x"][:500], y[:500], X_missing=here["m"][:500])  # loads what a fit needs
        for repeat in range(args.repeats):
            fit = fit_seconds(model, here["x"], y, here["m"], False)
            yield row("memory", repeat, fit, 0.0)
            fit = fit_seconds(model, mapped["x"], y, mapped["m"], True)
            yield row("memmap", repeat, fit, 0.0)
            for source, views in sources.items():
                with Watch() as copy:
                    files = {
                        view: written(folder / f"copy_{view}.npy", blocks(), here[view].shape)
                        for view, blocks in views.items()
                    }
                fit = fit_seconds(model, files["x"], y, files["m"], True)
                assert all(np.array_equal(files[view], here[view]) for view in WIDTHS)
                yield row(source, repeat, fit, copy.seconds, copy.added)


def row(source: str, repeat: int, fit: Watch, copied: float, added: float = 0.0) -> dict[str, Any]:
    """Return a row of figures of one fit."""
    most = max(fit.added, added)
    return {
        "data": source,
        "repeat": repeat,
        "copy, s": copied,
        "fit, s": fit.seconds,
        "added MiB": most,
    }


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return medians, with the ratios to data in memory in the same repetition."""
    memory = rows[rows.data == "memory"].set_index("repeat")["fit, s"]
    base = rows["repeat"].map(memory)
    rows = rows.assign(ratio=rows["fit, s"] / base)
    rows["with copy"] = (rows["fit, s"] + rows["copy, s"]) / base
    return rows.groupby("data", sort=False).median().drop(columns="repeat")


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)


def run(args: Namespace) -> None:
    """Measure, and write the table."""
    load = f"load average before the run {os.getloadavg()[0]:.1f}"
    if args.quick:
        args.rows, args.repeats = 600, 1
    rows = pd.DataFrame(measured(args))
    size = args.rows * sum(WIDTHS.values()) * 4 / MIB
    about = f"{args.rows:,} rows of {WIDTHS['x']} + {WIDTHS['m']} columns, {size:,.0f} MiB; {load}"
    publish(f"{table(rows).round(2).to_string()}\n\n{about}", args, rows)
