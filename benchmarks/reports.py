"""What benchmarks print and keep: figures of single runs, means with errors, circumstances."""

import platform
from argparse import Namespace
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from joblib import Parallel
from scipy import stats
from tqdm import tqdm

Key = tuple[Any, ...]
Record = dict[str, Any]
PACKAGES = ("sklearn-cmmd", "torch", "scikit-learn", "numpy")


def known(out: Path | None, columns: list[str]) -> set[Key]:
    """Return what these columns hold in the csv file of an earlier run, row by row."""
    if out is None or not out.with_suffix(".csv").exists():
        return set()
    rows = pd.read_csv(out.with_suffix(".csv"))[columns]
    return set(rows.itertuples(index=False, name=None))


def in_parallel(jobs: Iterable[Any], n_jobs: int, order: str = "") -> Iterator[Any]:
    """Run delayed functions, so many at a time, and yield what they return.

    With the `order` "_unordered" each comes as soon as it is there.
    """
    jobs = list(jobs)
    results = Parallel(n_jobs, return_as=f"generator{order}")(jobs)
    yield from tqdm(results, total=len(jobs), disable=None)


def gather(jobs: Iterable[Any], columns: list[str], args: Namespace) -> pd.DataFrame:
    """Run delayed functions that return records, and return all records.

    With ``--out`` they are appended to its csv file as they come, so that a run that was broken off
    can go on.
    """
    parts = []
    for records in in_parallel(jobs, args.jobs, "_unordered"):
        parts.append(pd.DataFrame(records, columns=columns))
        if args.out is not None:
            append(parts[-1], args.out.with_suffix(".csv"))
    if args.out is not None:
        return pd.read_csv(args.out.with_suffix(".csv"))
    return pd.concat(parts, ignore_index=True)


def append(rows: pd.DataFrame, file: Path) -> None:
    """Append rows to a csv file, in the columns that it has."""
    if file.exists():
        rows = rows.reindex(columns=pd.read_csv(file, nrows=0).columns)
    rows.to_csv(file, mode="a", header=not file.exists(), index=False, float_format="%.6g")


def mean_and_error(values: pd.Series, digits: int = 3) -> str:
    """Write a mean with its standard error."""
    values = values.dropna()
    if len(values) < 2:
        return f"{values.mean():.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.sem():.{digits}f}"


def summarise(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return means over the seeds of every other column, with standard errors."""
    measured = [column for column in rows if column not in (*by, "seed")]
    return rows.groupby(by, sort=False)[measured].agg(mean_and_error)


def interval(values: pd.Series) -> str:
    """Write a mean with its 95 % interval, by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.sem()
    return f"{values.mean():+.1f} [{values.mean() - half:+.1f}, {values.mean() + half:+.1f}]"


def circumstances(args: Namespace) -> str:
    """Return device, versions and command of this run."""
    device = platform.processor() or platform.machine()
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = f"Python {platform.python_version()}"
    return f"{device}, {python}, {versions}\ncommand: {args.command}"


def publish(text: str, args: Namespace, rows: pd.DataFrame | None = None) -> None:
    """Print a report and, with ``--out``, keep it, and rows that are not kept yet, beside it."""
    report = f"{text}\n\n{circumstances(args)}\n"
    print(report)
    if args.out is not None:
        args.out.with_suffix(".txt").write_text(report, "utf-8")
        if rows is not None:
            rows.to_csv(args.out.with_suffix(".csv"), index=False)
