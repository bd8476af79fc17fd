"""Tables of the benchmark of accuracy, from the figures of single runs.

python benchmarks/accuracy_report.py benchmarks/results/accuracy.csv
"""

import sys

import numpy as np
import pandas as pd
from accuracy_methods import CMMD, MEAN, ORACLES, REGRESSIONS, RIDGE, SEARCHED, TUNED, TWIN, UNTUNED
from defaults import environment
from scipy import stats

MARGIN = 0.05  # by which an oracle must beat the best of x_O to show that x_M tells something
REGRESSORS = [name for name in REGRESSIONS if name != MEAN]


def by_pair(results: pd.DataFrame, metric: str, methods: list[str]) -> pd.DataFrame:
    """Mean over the splits, a row for each pair, of the methods that ran on every pair."""
    means = results.pivot_table(metric, "pair", "method", sort=False)
    return means[[name for name in methods if name in means]]


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Unpack which test rows were misclassified: a column of bools for each method."""
    rows = {}
    for (pair, split, method), part in results.dropna(subset="accuracy").groupby(
        ["pair", "split", "method"], sort=False
    ):
        packed = np.frombuffer(bytes.fromhex(part.wrong.iloc[0][1:]), np.uint8)
        wrong = np.unpackbits(packed)[: int(part.n_test.iloc[0])]
        rows[method, pair, split] = pd.Series(wrong.astype(float))
    stacked = pd.concat(rows, names=["method", "pair", "split", "row"])
    return stacked.unstack("method")


def difference(wrong: pd.DataFrame, one: str, other: str) -> tuple[float, float]:
    """Points by which a method is above another, and the standard error over the test rows."""
    apart = 100 * (wrong[other] - wrong[one]).dropna()
    return apart.mean(), apart.sem()


def against_best(results: pd.DataFrame, ours: str, others: list[str]) -> pd.DataFrame:
    """Points of ours above the best of the others, for each pair."""
    rows = []
    for pair, wrong in errors(results).groupby("pair", sort=False):
        means = wrong.mean()
        best = means[[name for name in others if name in means]].idxmin()
        points, error = difference(wrong, ours, best)
        twin_points, twin_error = difference(wrong, ours, TWIN)
        told = means[best] - means[list(ORACLES)].min() >= MARGIN
        rows.append([pair, best, points, error, points < -2 * error, twin_points, twin_error, told])
    columns = ["pair", "best other", f"{ours} − it", "±", "far below", f"{ours} − twin", "± "]
    return pd.DataFrame(rows, columns=[*columns, "x_M tells"])


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


def told_by_missing(gains: pd.DataFrame, ours: str) -> str:
    """Say what ours gains over the twin where x_M tells something, and over all."""
    parts = []
    for title, part in (("where x_M tells", gains[gains["x_M tells"]]), ("all", gains)):
        if len(part) > 1:
            parts.append(f"{title} ({len(part)} pairs): {interval(part[f'{ours} − twin'])}")
    return f"{ours} − twin, points: " + "; ".join(parts)


def generation(results: pd.DataFrame) -> list[str]:
    """Return the tables of the generated view."""
    everything = [CMMD, SEARCHED, "authors' preset", *REGRESSIONS, "CVAE"]
    everything += ["LR on MoPoE", "LR on MVAE", "LR on MMVAE"]
    rmse = by_pair(results, "rmse", everything)
    best = rmse[REGRESSORS].min(axis=1)
    ratio = (rmse[CMMD] / best).rename("CMMD / best regression")
    below = f"lower than every regression on {(ratio < 1).sum()} of {len(ratio)} pairs, "
    below += f"by more than 2 % worse on {(ratio > 1.02).sum()}"
    parts = [
        f"rmse of x_M, relative to the mean's\n{rmse.join(ratio).round(3).to_string()}\n{below}",
        f"rmse, ranks\n{ranking(rmse, CMMD, False).to_string()}",
        f"energy score\n{by_pair(results, 'energy', everything).round(3).to_string()}",
        "coverage of 90 % intervals\n"
        + by_pair(results.dropna(subset="coverage"), "coverage", everything).round(3).to_string(),
    ]
    return parts


def report(results: pd.DataFrame) -> str:
    """Return all tables."""
    parts = [environment()]
    for title, group, ours in (
        ("scikit-learn's and our defaults", UNTUNED, CMMD),
        ("searched inside the training rows", TUNED, SEARCHED),
    ):
        if ours not in set(results.method):
            continue
        accuracy = by_pair(results, "accuracy", [*group, *ORACLES])
        parts.append(f"Accuracy, {title}\n{accuracy.round(3).to_string()}")
        rivals = accuracy.drop(columns=list(ORACLES))
        parts.append(f"Ranks, {title}\n{ranking(rivals, ours).to_string()}")
        gains = against_best(results, ours, [name for name in group if name != ours])
        parts.append(f"Points, {title}\n{gains.round(1).to_string(index=False)}")
        parts.append(told_by_missing(gains, ours))
        for metric in ("log_loss", "calibration"):
            table = by_pair(results, metric, list(group)).dropna(axis=1)
            parts.append(f"{metric}, {title}\n{table.round(3).to_string()}")
            parts.append(f"{metric}, means\n{table.mean().round(3).to_string()}")
    return "\n\n".join([*parts, *(generation(results) if RIDGE in set(results.method) else [])])


if __name__ == "__main__":
    print(report(pd.read_csv(sys.argv[1])))
