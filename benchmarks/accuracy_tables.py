"""Tables of the benchmark of accuracy, from the figures of single runs."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.baselines import CLASSIFIERS, IMPUTERS, ORACLES, PEERS, REGRESSIONS, SEARCHED, TWIN
from benchmarks.pairs import kind_of
from benchmarks.reports import interval

MARGIN = 0.05  # by which an oracle must beat the best of x_O to show that x_M tells something
TWIN_OF = {
    "CMMD": TWIN,
    "CMMD × 5": "twin × 5",
    "CMMD, searched": "twin, searched",
    "CMMD × 5, searched": "twin × 5, searched",
}
OURS = list(TWIN_OF)
DEFAULTS = ["CMMD", "CMMD × 5", "authors' preset", TWIN, "twin × 5", *CLASSIFIERS, *PEERS]
CHOSEN = [name for pair in TWIN_OF.items() for name in pair if "searched" in name] + list(SEARCHED)
GENERATORS = [*OURS, "authors' preset", *IMPUTERS, *PEERS]


def parts(
    results: pd.DataFrame, names: list[str], needed: str
) -> Iterator[tuple[pd.DataFrame, str]]:
    """Yield what ran on all splits of a method, then all methods on the splits they share."""
    results = results[results.method.isin([*names, *ORACLES])]
    if needed not in set(results.method):
        return
    index = pd.MultiIndex.from_frame(results[["pair", "split"]])
    wanted = index[results.method == needed]
    whole = results[index.isin(wanted)]
    counts = whole.method.value_counts()
    whole = whole[whole.method.isin(counts.index[counts == len(wanted)])]
    ran = results.groupby(["pair", "split"]).method.transform("nunique")
    common = results[ran == results.method.nunique()]
    yield whole, ""
    if set(common.method) - set(whole.method):
        yield common, ", splits that all ran on"


def by_pair(results: pd.DataFrame, metric: str, methods: list[str]) -> pd.DataFrame:
    """Mean over the splits, a row for each pair, a column for each method that has the metric."""
    means = results.dropna(subset=metric).pivot_table(metric, "pair", "method", sort=False)
    return means[[name for name in methods if name in means]]


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Unpack which test rows were misclassified: 1 or 0, a column for each method."""
    rows = {}
    for record in results.dropna(subset="accuracy").itertuples():
        packed = np.frombuffer(bytes.fromhex(record.wrong[1:]), np.uint8)
        wrong = np.unpackbits(packed)[: int(record.n_test)]
        rows[record.method, record.pair, record.split] = pd.Series(wrong.astype(float))
    return pd.concat(rows, names=["method", "pair", "split", "row"]).unstack("method")


def difference(wrong: pd.DataFrame, one: str, other: str) -> tuple[float, float]:
    """Points by which a method is above another, and the standard error over the test rows.

    A row of a published split is tested with every seed, and counts once.
    """
    apart = 100 * (wrong[other] - wrong[one]).dropna()
    return apart.mean(), apart.groupby("row").mean().sem()


def advantages(wrong: pd.DataFrame, ours: str, rivals: list[str]) -> pd.DataFrame:
    """Points of ours above the best of the others and above the twin, for each pair."""
    others = [name for name in rivals if name not in TWIN_OF.values()]
    rows = []
    for pair, part in wrong.groupby("pair", sort=False):
        means = part.mean()
        best = means[others].idxmin()
        points, error = difference(part, ours, best)
        ran = TWIN_OF[ours] in part
        above = difference(part, ours, TWIN_OF[ours]) if ran else (np.nan, np.nan)
        told = means[rivals].min() - means[list(ORACLES)].min() >= MARGIN
        rows.append([pair, best, points, error, points < -2 * error, *above, told])
    columns = ["pair", "best rival", "above it", "±", "far below", "above the twin", "± "]
    return pd.DataFrame(rows, columns=[*columns, "x_M tells"])


def ranking(table: pd.DataFrame, ours: str, higher_is_better: bool = True) -> pd.DataFrame:
    """Mean rank over the pairs, mean, and the difference from ours with an interval."""
    table = table.dropna(axis=1)
    ranks = table.rank(axis=1, ascending=not higher_is_better).mean()
    values, unit = (table, "points") if higher_is_better else (np.log(table), "%")
    apart = (100 * values.sub(values[ours], axis=0)).apply(interval)
    rows = {"mean rank": ranks.round(2), "mean": table.mean().round(3)}
    return pd.DataFrame(rows | {f"{unit} above {ours}": apart}).sort_values("mean rank")


def by_kind(table: pd.DataFrame, ours: str) -> pd.DataFrame:
    """Mean accuracy over the pairs of a kind, and points above the rival with the best mean."""
    kinds = table.groupby(table.index.map(kind_of))
    means = kinds.mean()
    best = means.drop(columns=[ours, *TWIN_OF.values()], errors="ignore")
    found = means.assign(pairs=kinds.size(), best=best.idxmax(axis=1))
    return found.assign(points=100 * (means[ours] - best.max(axis=1))).round(3)


def verdict(gains: pd.DataFrame, ours: str) -> str:
    """Say how often ours is far below the best rival, and what it gains over the twin."""
    n_below = gains["far below"].sum()
    lines = [f"{ours} is far below the best rival (two errors) on {n_below} of {len(gains)} pairs"]
    gains = gains.dropna(subset="above the twin")
    for title, part in (("where x_M tells", gains[gains["x_M tells"]]), ("on all", gains)):
        if len(part) > 1:
            points = interval(part["above the twin"])
            lines.append(f"above the twin {title}, {len(part)} pairs: {points} points")
    return "\n".join(lines)


def classification(results: pd.DataFrame, title: str, names: list[str]) -> Iterator[str]:
    """Yield the tables of one group of classifiers."""
    accuracy = by_pair(results, "accuracy", [*names, *ORACLES])
    yield f"Accuracy, {title}\n{accuracy.round(3).to_string()}"
    wrong = errors(results)
    for ours in OURS:
        if not {ours, *ORACLES} <= set(accuracy):
            continue
        # A single fit is not compared with five.
        larger = () if "5" in ours else ("twin × 5", "twin × 5, searched")
        rivals = [name for name in accuracy if name not in (*OURS, *ORACLES, *larger)]
        ranks = ranking(accuracy[[ours, *rivals]], ours)
        yield f"{ours} and its rivals\n{ranks.to_string()}"
        gains = advantages(wrong.dropna(subset=ours), ours, rivals)
        yield f"{gains.round(1).to_string(index=False)}\n{verdict(gains, ours)}"
        yield f"{ours}, by kind of x_O\n{by_kind(accuracy[[ours, *rivals]], ours).to_string()}"
    means = {
        metric: by_pair(results, metric, names).mean() for metric in ("log_loss", "calibration")
    }
    yield f"Probabilities, means over the pairs\n{pd.DataFrame(means).round(3).to_string()}"


def generation(results: pd.DataFrame, where: str) -> Iterator[str]:
    """Yield the tables of the generated view."""
    rmse = by_pair(results, "rmse", GENERATORS)
    yield f"rmse of x_M, relative to the mean's{where}\n{rmse.round(3).to_string()}"
    if set(REGRESSIONS) <= set(rmse):
        ratio = rmse[rmse.columns.intersection(OURS)].div(
            rmse[list(REGRESSIONS)].min(axis=1), axis=0
        )
        counts = {"below all": (ratio < 1).sum(), "2 % above the best": (ratio > 1.02).sum()}
        table = pd.concat([ratio.round(3), pd.DataFrame(counts).T]).to_string()
        yield f"rmse over that of the best regression, and numbers of pairs\n{table}"
        yield f"rmse, ranks\n{ranking(rmse, OURS[0], False).to_string()}"
    covered = by_pair(results, "coverage", GENERATORS)
    yield f"coverage of 90 % intervals\n{covered.round(3).to_string()}"


def report(results: pd.DataFrame) -> str:
    """Return all tables; what did not run on every split is compared on those it ran on."""
    counts = results[results.method == OURS[0]].groupby("pair", sort=False).split.nunique()
    texts = [f"Splits\n{counts.to_string()}"]
    groups = (("defaults", DEFAULTS, OURS[0]), ("searched in training rows", CHOSEN, OURS[2]))
    for title, names, needed in groups:
        for part, where in parts(results, names, needed):
            texts += classification(part, title + where, names)
    for part, where in parts(results, GENERATORS, OURS[0]):
        texts += generation(part, where)
    return "\n\n".join(texts)
