"""Tables of the benchmark of accuracy, from the figures of single runs.

python benchmarks/accuracy_report.py benchmarks/results/accuracy.csv
"""

import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
from accuracy_methods import (
    CMMD,
    CMMD_5,
    MEAN,
    ORACLES,
    PRESET,
    REGRESSIONS,
    RIDGE,
    SEARCHED,
    SEARCHED_5,
    TUNED,
    TWIN,
    TWIN_5,
    TWIN_SEARCHED,
    TWIN_SEARCHED_5,
    UNTUNED,
)
from defaults import environment
from scipy import stats

MARGIN = 0.05  # by which an oracle must beat the best of x_O to show that x_M tells something
REGRESSORS = [name for name in REGRESSIONS if name != MEAN]
OURS = [CMMD, CMMD_5, SEARCHED, SEARCHED_5]
GENERATORS = [*OURS, PRESET, *REGRESSIONS, "CVAE", "LR on MoPoE", "LR on MVAE", "LR on MMVAE"]
TWIN_OF = {
    CMMD: TWIN,
    CMMD_5: TWIN_5,
    SEARCHED: TWIN_SEARCHED,
    SEARCHED_5: TWIN_SEARCHED_5,
}


def alike(results: pd.DataFrame, needed: str) -> pd.DataFrame:
    """Keep the splits that one method ran on, and the methods that ran on all of them."""
    index = pd.MultiIndex.from_frame(results[["pair", "split"]])
    wanted = index[results.method == needed]
    kept = results[index.isin(wanted)]
    counts = kept.method.value_counts()
    return kept[kept.method.isin(counts.index[counts == len(wanted)])]


def shared(results: pd.DataFrame) -> pd.DataFrame:
    """Keep the splits that every method ran on."""
    ran = results.groupby(["pair", "split"]).method.transform("nunique")
    return results[ran == results.method.nunique()]


def by_pair(results: pd.DataFrame, metric: str, methods: list[str]) -> pd.DataFrame:
    """Mean over the splits, a row for each pair, a column for each method that ran."""
    means = results.pivot_table(metric, "pair", "method", sort=False)
    return means[[name for name in methods if name in means]]


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Unpack which test rows were misclassified: 1 or 0, a column for each method."""
    rows = {}
    for record in results.dropna(subset="accuracy").itertuples():
        packed = np.frombuffer(bytes.fromhex(record.wrong[1:]), np.uint8)
        wrong = np.unpackbits(packed)[: int(record.n_test)]
        rows[record.method, record.pair, record.split] = pd.Series(wrong.astype(float))
    return pd.concat(rows, names=["method", "pair", "split", "row"]).unstack("method")


def rivals_of(ours: str, names: list[str]) -> list[str]:
    """Return the methods that are not CMMD; of the twins, none of a larger size."""
    larger = () if ours in (CMMD_5, SEARCHED_5) else (TWIN_5, TWIN_SEARCHED_5)
    return [name for name in names if name not in (*OURS, *larger)]


def difference(wrong: pd.DataFrame, one: str, other: str) -> tuple[float, float]:
    """Points by which a method is above another, and the standard error over the test rows.

    A row of a published split is tested with every seed, and counts once.
    """
    apart = 100 * (wrong[other] - wrong[one]).dropna()
    return apart.mean(), apart.groupby("row").mean().sem()


def advantages(wrong: pd.DataFrame, ours: str, rivals: list[str]) -> pd.DataFrame:
    """Points of ours above the best of the rivals and above the twin, for each pair."""
    rows = []
    for pair, part in wrong.groupby("pair", sort=False):
        means = part.mean()
        best = means[rivals].idxmin()
        points, error = difference(part, ours, best)
        row = [pair, best, points, error, points < -2 * error]
        told = means[rivals].min() - means[list(ORACLES)].min() >= MARGIN
        rows.append([*row, *difference(part, ours, TWIN_OF[ours]), told])
    columns = ["pair", "best rival", f"{ours} − it", "±", "far below"]
    return pd.DataFrame(rows, columns=[*columns, f"{ours} − twin", "± ", "x_M tells"])


def interval(values: pd.Series) -> str:
    """Write a mean over the pairs with its 95 % interval, by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.sem()
    return f"{values.mean():+.1f} [{values.mean() - half:+.1f}, {values.mean() + half:+.1f}]"


def ranking(table: pd.DataFrame, ours: str, higher_is_better: bool = True) -> pd.DataFrame:
    """Mean rank over the pairs, mean, and the difference from ours with an interval."""
    table = table.dropna(axis=1)
    ranks = table.rank(axis=1, ascending=not higher_is_better).mean()
    if higher_is_better:
        apart = 100 * table.sub(table[ours], axis=0)
        name = f"points above {ours}"
    else:
        apart = 100 * table.div(table[ours], axis=0).apply(np.log)
        name = f"% above {ours}"
    rows = {"mean rank": ranks.round(2), "mean": table.mean().round(3), name: apart.apply(interval)}
    return pd.DataFrame(rows).sort_values("mean rank")


def verdict(gains: pd.DataFrame, ours: str) -> str:
    """Say how often ours is far below the best rival, and what it gains over the twin."""
    parts = [f"{ours} is below the best rival by more than two errors on "]
    parts[0] += f"{gains['far below'].sum()} of {len(gains)} pairs"
    for title, part in (("where x_M tells", gains[gains["x_M tells"]]), ("on all", gains)):
        if len(part) > 1:
            points = interval(part[f"{ours} − twin"])
            parts.append(f"{ours} − twin, {title} ({len(part)} pairs): {points} points")
    return "\n".join(parts)


def generation(results: pd.DataFrame, where: str) -> list[str]:
    """Return the tables of the generated view."""
    rmse = by_pair(results, "rmse", GENERATORS)
    best = rmse[[name for name in REGRESSORS if name in rmse]].min(axis=1)
    ours = [name for name in OURS if name in rmse]
    ratio = rmse[ours].div(best, axis=0)
    lower, worse = (ratio < 1).sum(), (ratio > 1.02).sum()
    below = pd.DataFrame({"lower than every regression": lower, "worse by over 2 %": worse})
    parts = [
        f"rmse of x_M, relative to the mean's{where}\n{rmse.round(3).to_string()}",
        f"rmse over that of the best regression\n{ratio.round(3).to_string()}",
        f"of {len(ratio)} pairs\n{below.to_string()}",
        f"rmse, ranks\n{ranking(rmse, CMMD, False).to_string()}",
        f"energy score\n{by_pair(results, 'energy', GENERATORS).round(3).to_string()}",
        "coverage of 90 % intervals\n"
        + by_pair(results.dropna(subset="coverage"), "coverage", GENERATORS).round(3).to_string(),
    ]
    return parts


def classification(results: pd.DataFrame, title: str, names: list[str]) -> list[str]:
    """Return the tables of one group of classifiers."""
    accuracy = by_pair(results, "accuracy", [*names, *ORACLES])
    parts = [f"Accuracy, {title}\n{accuracy.round(3).to_string()}"]
    wrong = errors(results)
    for ours in (name for name in OURS if name in names and name in accuracy):
        if not {TWIN_OF[ours], *ORACLES} <= set(accuracy):
            continue
        rivals = [name for name in rivals_of(ours, names) if name in accuracy]
        ranks = ranking(accuracy[[ours, *rivals]], ours)
        parts.append(f"Ranks of {ours} and its rivals\n{ranks.to_string()}")
        gains = advantages(wrong, ours, rivals)
        parts.append(f"{gains.round(1).to_string(index=False)}\n{verdict(gains, ours)}")
    probabilistic = pd.DataFrame(
        {metric: by_pair(results, metric, names).mean() for metric in ("log_loss", "calibration")}
    )
    parts.append(f"Probabilities, means over the pairs\n{probabilistic.round(3).to_string()}")
    return parts


def report(results: pd.DataFrame) -> str:
    """Return all tables; what did not run on every split is compared on those it ran on."""
    counts = results[results.method == CMMD].groupby("pair", sort=False).split.nunique()
    parts = [environment(), f"Splits\n{counts.to_string()}"]
    searched = [*TUNED, SEARCHED_5, TWIN_SEARCHED_5]
    for title, names, needed in (
        ("defaults", list(UNTUNED), CMMD),
        ("searched inside the training rows", searched, SEARCHED),
    ):
        for part, where in _parts(results, names, needed):
            parts += classification(part, title + where, names)
    if RIDGE in set(results.method):
        for part, where in _parts(results, GENERATORS, CMMD):
            parts += generation(part, where)
    return "\n\n".join(parts)


def _parts(
    results: pd.DataFrame, names: list[str], needed: str
) -> Iterator[tuple[pd.DataFrame, str]]:
    """Yield what ran on all splits of a method, then all methods on the splits they share."""
    results = results[results.method.isin([*names, *ORACLES])]
    whole, common = alike(results, needed), shared(results)
    if len(whole):
        yield whole, ""
    if set(common.method) - set(whole.method):
        yield common, ", splits that all ran on"


if __name__ == "__main__":
    print(report(pd.read_csv(sys.argv[1])))
