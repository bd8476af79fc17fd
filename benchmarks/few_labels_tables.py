"""Tables and figure of the benchmark of few labels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.baselines import MOPOE, ORACLES, TWIN
from benchmarks.splits import ALL

OURS = "CMMD"
SIMPLE = ["LR", "SVM", "HGB", "MLP", "self-training", "label spreading"]
LINES = {
    OURS: "C3-o",
    "best that sees x_M": "k:",
    "best of 6 classifiers": "C0-s",
    "LR on CCA": "C2-",
    MOPOE: "C5-",
    "two stages": "C4-",
    "paper's form": "C1-",
    TWIN: "C7-",
}
PAIRS_AT = 10  # labels a class at which numbers of pairs are compared
DIGITS = 9  # of a lead, so that one of exactly the margin counts
MARGIN = 0.05  # by which an oracle must beat the best of x_O to show that x_M tells something


def rivals(means: pd.Series) -> pd.Series:
    """Everything but CMMD and the oracles."""
    return means.drop([OURS, *ORACLES], errors="ignore")


def advantage(part: pd.DataFrame) -> pd.Series:
    """Points by which CMMD is above the best of the others and its twin, with their errors.

    `part` are the runs of one pair; an error is that of the draws of the labels.
    """
    by_draw = 100 * part.pivot_table("accuracy", "draw", "method")
    means = by_draw.mean()
    best = rivals(means).idxmax()
    above, above_twin = (by_draw[OURS] - by_draw[name] for name in (best, TWIN))
    lead = means.reindex(list(ORACLES)).max() - means[best]
    found = {"best other": best, "above it": above.mean(), "±": above.sem()}
    found |= {"above the twin": above_twin.mean(), "± ": above_twin.sem()}
    return pd.Series(found | {"x_M tells": round(lead, DIGITS) >= 100 * MARGIN})


def in_common(results: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the mean accuracy of the draws that have all columns, by pair, and over the pairs."""
    results = results.replace({key: {ALL: np.inf} for key in ("labels", "unlabelled")})
    draws = results.pivot_table("accuracy", ["pair", "draw"], columns).dropna()
    means = draws.groupby("pair").mean().rename(columns={np.inf: "all"})
    means.loc["mean"] = means.mean()
    return means


def titled(title: str, rows: pd.DataFrame, digits: int = 1) -> str:
    return f"{title}\n{rows.round(digits).to_string()}"


def cell_tables(cell: pd.DataFrame, methods: list[str]) -> Iterator[str]:
    """Yield the tables of one number of labels and share of rows without x_M."""
    labels, lacking = cell.labels.iloc[0], cell.lacking.iloc[0]
    means = cell.pivot_table("accuracy", "pair", "method", sort=False)
    means = means[[name for name in methods if name in means]]
    title = f"{labels or 'all'} labels a class, {lacking:.0%} of the rows without x_M"
    yield titled(title, means, 3)
    gains = cell.groupby("pair", sort=False)[cell.columns].apply(advantage)
    yield titled("CMMD, points", gains.infer_objects())
    told = gains.index[gains["x_M tells"].astype(bool)]
    if len(told) > 1:
        points = 100 * means.loc[told].rsub(means.loc[told, OURS], axis=0).drop(columns=OURS)
        points.insert(0, "best of the others", gains.loc[told, "above it"])
        title = f"CMMD above each of the others where x_M tells, {len(told)} pairs"
        yield titled(title, points.astype(float).agg(["mean", "sem"]).T)


def report(results: pd.DataFrame, methods: list[str]) -> str:
    """Return all tables, those of every method of the draws in which all of them ran."""
    main = results[results.unlabelled == ALL]
    wanted = set(methods) & set(main.method) | {OURS, TWIN}
    draws = main.groupby(["pair", "labels", "lacking", "draw"])
    main = draws.filter(lambda part: wanted <= set(part.method))
    texts = [
        text
        for _, cell in main.groupby(["lacking", "labels"])
        for text in cell_tables(cell, methods)
    ]
    whole = results[(results.lacking == 0) & results.method.isin([OURS, TWIN])]
    by_labels = in_common(whole[whole.unlabelled == ALL], ["method", "labels"])
    texts.append(titled("CMMD and its twin by labels a class", by_labels, 3))
    by_pairs = whole[(whole.method == OURS) & (whole.labels == PAIRS_AT)]
    if by_pairs.unlabelled.nunique() > 1:
        title = f"CMMD by pairs without a label, {PAIRS_AT} labels a class"
        texts.append(titled(title, in_common(by_pairs, ["unlabelled"]), 3))
    return "\n\n".join(texts)


def figure(results: pd.DataFrame, file: Path) -> None:
    """Draw accuracy against labels, a panel for each pair that has several numbers of them."""
    import matplotlib.pyplot as plt

    results = results.query("lacking == 0 and unlabelled == @ALL")
    results = results.groupby("pair").filter(lambda part: part.labels.nunique() > 1)
    if results.empty:
        return
    names = list(results.pair.unique())
    ticks = {n: n or "all" for n in sorted(set(results.labels), key=lambda n: n or np.inf)}
    place = {n: i for i, n in enumerate(ticks)}
    shape = -(-len(names) // 4), 4
    fig, axes = plt.subplots(*shape, figsize=(13, 2.9 * shape[0]), layout="constrained")
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        means = results[results.pair == name].pivot_table("accuracy", "labels", "method")
        means.index = means.index.map(place)
        bests = {"best of 6 classifiers": SIMPLE, "best that sees x_M": ORACLES}
        for title, some in bests.items():
            means[title] = means[means.columns.intersection(list(some))].max(axis=1)
        for method in means.columns.intersection(list(LINES)):
            means[method].sort_index().plot(ax=ax, style=LINES[method], ms=4, label=method)
        ax.set(title=name, xlabel="", xticks=list(place.values()), xticklabels=list(ticks.values()))
    fig.supxlabel("labels a class")
    fig.supylabel("accuracy from x_O alone")
    fig.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=8)
    fig.savefig(file, dpi=110)
    plt.close(fig)
