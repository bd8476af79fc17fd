"""The tables of ``subsets.py``, and what those of ``numbers.py`` have in common with them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.reports import mean_and_error

ONE, EACH, TWINS = "one CMMD", "one CMMD a subset", "its twin"
BY = ["share", "set"]


def by_set(rows: pd.DataFrame, metric: str, within: list[str]) -> pd.DataFrame:
    """Return means, a row for each set and share, a column for each method that has the metric.

    They are over the runs that `within` tells apart, of which all methods have the same.
    """
    rows = rows.dropna(subset=metric)
    table = rows.pivot_table(metric, [*BY, *within], "method", sort=False)
    return table.dropna().groupby(BY, sort=False).mean()


def differences(table: pd.DataFrame, ours: str) -> Iterator[str]:
    """Yield how far a method is above each other, with the standard error over the sets."""
    for share, part in table.groupby("share"):
        found = part.rsub(part[ours], axis=0).drop(columns=ours)
        told = pd.Series({name: mean_and_error(found[name]) for name in found}, dtype=object)
        yield f"share {share:g}, {len(part)} sets\n{told.to_string()}"


def ranks(table: pd.DataFrame, ascending: bool) -> str:
    """Write mean ranks of the methods over the sets, by the share."""
    ranked = table.rank(axis=1, ascending=ascending)
    return ranked.groupby("share").mean().round(2).T.to_string()


def compared(
    rows: pd.DataFrame, metric: str, within: list[str], ours: str, best: str = "least"
) -> Iterator[str]:
    """Yield the table of a metric, mean ranks, and differences to our method."""
    table = by_set(rows, metric, within)
    if table.empty:
        return
    yield f"{metric}\n{table.round(3).to_string()}"
    yield f"{metric}, mean ranks by the share\n{ranks(table, ascending=best == 'least')}"
    if ours in table and table.shape[1] > 1:
        yield "\n".join([f"{metric} of {ours} minus that of others", *differences(table, ours)])


def costs(rows: pd.DataFrame, ours: str) -> Iterator[str]:
    """Yield seconds of all fits and predictions, and how many times as long others take."""
    runs = rows.drop_duplicates([*BY, "split", "method"])
    table = runs.pivot_table("seconds", BY, "method", sort=False)
    yield f"seconds\n{table.round(1).to_string()}"
    if ours in table:
        ratio = np.exp(np.log(table.div(table[ours], axis=0)).mean())
        yield f"over those of {ours}, geometric means\n{ratio.round(2).to_string()}"


def by_size(rows: pd.DataFrame) -> str:
    """Write the accuracy by the number of views that are shown, mean over the sets."""
    table = rows.pivot_table("accuracy", ["share", "n_views", "set"], "method", sort=False)
    means = table.dropna().groupby(["share", "n_views"]).mean()
    return f"accuracy by the number of views shown\n{means.round(3).to_string()}"


def report(rows: pd.DataFrame) -> str:
    """Write every table, of means over the subsets; the share is that of the views hidden."""
    within = ["split", "subset"]
    parts = [
        *compared(rows, "accuracy", within, ONE, best="largest"),
        *compared(rows, "log_loss", within, ONE),
        *compared(rows, "rmse", within, ONE),
        by_size(rows),
        *costs(rows, ONE),
    ]
    return "\n\n".join(parts)
