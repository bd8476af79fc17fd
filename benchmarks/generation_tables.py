"""The tables of ``generation.py``."""

import numpy as np
import pandas as pd

from benchmarks.reports import mean_and_error

REGRESSIONS = ["ridge", "k-nearest neighbours", "extra trees", "MLP regression"]
REGRESSIONS += ["boosting", "partial least squares"]
OURS, MEMBERS = "ensemble", "its members alone"


def by_pair(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return means over the splits, a row for each pair and a column for each method."""
    table = rows.pivot_table(index="pair", columns="method", values=metric, sort=False)
    return table.dropna(axis=1, how="all")


def report(rows: pd.DataFrame) -> str:
    """Write every table, and what they come to."""
    with pd.option_context("display.width", 250, "display.max_columns", 30):
        parts = [errors(rows), intervals(rows), draws(rows), labels(rows), costs(rows)]
    return "\n\n".join(parts)


def errors(rows: pd.DataFrame) -> str:
    """How near the generated mean is."""
    table = by_pair(rows, "rmse")
    columns = [name for name in [OURS, MEMBERS, "CMMD", *REGRESSIONS] if name in table]
    table = table[columns]
    lines = ["rmse over the standard deviation", table.round(3).to_string()]
    rivals = table[[name for name in REGRESSIONS if name in table]]
    if OURS in table and rivals.shape[1]:
        whole = table[OURS].notna() & rivals.notna().all(axis=1)
        ratio = (table[OURS] / rivals.min(axis=1))[whole]
        ranks = table.loc[whole, [OURS, *rivals.columns]].rank(axis=1)
        lines += [
            f"below every regression on {(ratio < 1).sum()} of {len(ratio)} pairs",
            f"over the best of them: {mean_and_error(ratio)}, at worst {ratio.max():.3f}",
            f"mean ranks: {ranks.mean().round(2).to_dict()}",
        ]
    if OURS in table and MEMBERS in table:
        large = rows.groupby("pair")["n_train"].mean() >= 2000
        ratio = table[OURS] / table[MEMBERS]
        of_large = ratio[large.reindex(ratio.index)]
        lines.append(
            f"over its members alone: {mean_and_error(ratio)}; of 2,000 rows and more "
            f"{mean_and_error(of_large)}, at worst {of_large.max():.3f}"
        )
    return "\n".join(lines)


def intervals(rows: pd.DataFrame) -> str:
    """How often 90 % intervals hold, how evenly by column, and how wide they are."""
    table = pd.concat(
        {name: by_pair(rows, name) for name in ("covered", "deviation", "width")}, axis=1
    )
    lines = ["90 % intervals", table.round(3).to_string()]
    ours = table.xs(OURS, axis=1, level=1) if OURS in table["covered"] else None
    if ours is not None:
        ours = ours.dropna()
        about = rows.groupby("pair", sort=False)[["n_test", "grouped"]].first().loc[ours.index]
        alike = ~about["grouped"].astype(bool)
        good = ours["covered"].between(0.88, 0.92)
        many = alike & (about["n_test"] >= 200)
        lines += [
            f"between .88 and .92 on {(good & alike).sum()} of {alike.sum()} pairs without groups",
            f"deviation where 200 rows test it: {mean_and_error(ours['deviation'][many])}, at most "
            f"{ours['deviation'][many].max():.3f}",
        ]
        if "conformal ridge" in table["width"]:
            ratio = ours["width"] / table["width"]["conformal ridge"]
            lines.append(
                f"width over a conformal ridge's: {mean_and_error(ratio)}, below it on "
                f"{(ratio < 1).sum()} of {ratio.notna().sum()}"
            )
    return "\n".join(lines)


def draws(rows: pd.DataFrame) -> str:
    """Whether draws are right together."""
    table = pd.concat(
        {name: by_pair(rows, name) for name in ("energy", "crps", "sums_covered")}, axis=1
    )
    lines = ["draws: energy score over the root of the columns, CRPS, coverage of sums of ten"]
    lines.append(table.round(3).to_string())
    if OURS in table["energy"] and MEMBERS in table["energy"]:
        ratio = table["energy"][OURS] / table["energy"][MEMBERS]
        sums = (table["sums_covered"] - 0.9).abs()
        lines += [
            f"energy over the members': {mean_and_error(ratio)}",
            f"distance of the coverage of sums from .9: {mean_and_error(sums[OURS])}, "
            f"of the members {mean_and_error(sums[MEMBERS])}",
        ]
    return "\n".join(lines)


def labels(rows: pd.DataFrame) -> str:
    """What is said of the labels beside."""
    means = {}
    for metric in ("accuracy", "log_loss", "calibration"):
        table = by_pair(rows, metric)
        means[metric] = table.dropna().mean() if len(table) else pd.Series(dtype=float)
    return "labels, means over the pairs\n" + pd.DataFrame(means).round(3).to_string()


def costs(rows: pd.DataFrame) -> str:
    """How long fits and predictions take."""
    table = by_pair(rows, "seconds")
    lines = ["seconds", table.round(1).to_string()]
    fits = by_pair(rows, "fit_seconds")
    if OURS in fits and "CMMD" in fits:
        ratio = fits[OURS] / (5 * fits["CMMD"])
        lines.append(f"an ensemble over five single fits: {np.exp(np.log(ratio).mean()):.2f}")
    return "\n".join(lines)
