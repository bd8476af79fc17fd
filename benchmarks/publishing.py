"""What benchmarks print and keep: means with errors, and device, versions and command."""

import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch


def mean_and_error(values: pd.Series) -> str:
    """Write a mean over the seeds with its standard error."""
    if len(values) < 2:
        return f"{values.mean():.3f}"
    return f"{values.mean():.3f} ± {values.sem():.3f}"


def summarise(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return means over the seeds of every other column."""
    measured = [column for column in rows if column not in (*by, "seed")]
    return rows.groupby(by, sort=False)[measured].agg(mean_and_error)


def circumstances() -> str:
    """Return device, versions and command of this run."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("sklearn-cmmd", "torch", "scikit-learn", "numpy")
    )
    return (
        f"{device or platform.machine()}, Python {platform.python_version()}, {versions}\n"
        f"command: python {shlex.join(Path(arg).name if '/' in arg else arg for arg in sys.argv)}"
    )


def publish(text: str, rows: pd.DataFrame, out: Path | None) -> None:
    """Print a report and, if asked to, keep it beside its rows."""
    report = f"{text}\n\n{circumstances()}\n"
    print(report)
    if out is not None:
        out.with_suffix(".txt").write_text(report, "utf-8")
        rows.to_csv(out.with_suffix(".csv"), index=False)
