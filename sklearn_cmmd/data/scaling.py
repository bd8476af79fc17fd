r"""In which units the networks read the columns of x_O: those from which a linear model tells most.

Each column by its own deviation is right for columns in units of their own. Where the columns of a
modality are of one kind, such as principal components, their deviations tell how much they matter,
and one scale for all of them keeps that. Counts and shares are better told apart by their square
roots, whose noise is the same whatever the mean [1]_.

The judge is a ridge regression of the label on the modality, or of x_M where there are no labels,
in which each row is predicted without it: with the hat matrix H of the best penalty, a row that is
left out has the residual :math:`(y_i - \hat y_i) / (1 - H_{ii})`. Only the mean is that of all
rows: in the mean of the others the row's own class is rarer, which would speak against it. This
takes n² p + n³ operations for p columns and n rows, at most `MOST_ROWS`, for each of two or three
units. `sklearn.linear_model.RidgeCV` says how far rows left out are missed, but not for which class
each is taken.

References
----------
.. [1] Bartlett. The square root transformation in analysis of variance. Supplement to the Journal
   of the Royal Statistical Society 3 (1936).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import sem
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd.data.matrices import signed_root
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.statistics import ColumnStatistics, pool
from sklearn_cmmd.data.tables import Table

UNSCALED = ("bernoulli", "categorical")
MOST_ROWS = 800
PENALTIES = 10.0 ** np.arange(-3, 4)  # times the mean of the eigenvalues
TINY = np.finfo(float).tiny
# Other units than each column's own are taken if rows are told right more often by so many standard
# errors, or as often and with less than this share of the squared error, by one standard error.
# Roots need more of a reason, since what is linear in x_O is not linear in them.
ERRORS = 2.5
SHARES = {"common": 0.995, "root": 0.95}


class Example(NamedTuple):
    """Some rows, and what x_O is to tell of them, (n, n_targets); classes in one-hot form."""

    rows: np.ndarray
    told: np.ndarray
    of_classes: bool


class Verdict(NamedTuple):
    """What is said of rows left out: their squared errors, and which classes are right, if any."""

    errors: np.ndarray
    right: np.ndarray | None

    def is_better(self, other: "Verdict", share: float) -> bool:
        """Return whether more rows are told right, or as many with such a share of the error."""
        gains = share * other.errors - self.errors
        has_less_error = bool(gains.mean() > sem(gains))
        if self.right is None or other.right is None:
            return has_less_error
        gained = self.right.astype(int) - other.right.astype(int)
        surplus = float(gained.sum() / np.sqrt((gained != 0).sum() or 1))
        return surplus > ERRORS or (has_less_error and surplus >= 0)


def some_of(rows: np.ndarray) -> np.ndarray:
    """Return at most `MOST_ROWS` of some rows."""
    places = np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS))
    return rows[places.astype(int)]


def with_scaling(
    modalities: Sequence[Modality], table: Table, has: np.ndarray, example: Example | None
) -> list[Modality]:
    """Return observed modalities with the units in which they are read.

    `has`, (n, n_modalities), says which rows have which modality.
    """
    found = []
    for number, modality in enumerate(modalities):
        name = modality.scaling
        if len(modality.shape or ()) > 1:  # the values of an array have one scale in any case
            name = "common"
        elif name == "auto":
            name = "column"
            if example is not None:
                here = has[example.rows, number] > 0
                rows, told = example.rows[here], example.told[here]
                name = _best(table.columns_of(modality).read(rows), told, example.of_classes)
        found.append(modality.resolved(scaling=name))
    return found


def _best(values: np.ndarray, told: np.ndarray, of_classes: bool) -> str:
    """Return the name of the units from which a ridge regression tells most."""
    best, found = "column", None
    if min(values.shape) < 2:
        return best
    for name, read in _readings(values):
        verdict = _verdict(read, told, of_classes)
        if found is None or verdict.is_better(found, SHARES[name]):
            best, found = name, verdict
    return best


def _readings(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield values in each of the units there are."""
    yield "column", StandardScaler().fit_transform(values)
    yield "common", values / (values.std(axis=0).max() or 1)
    if values.min() >= 0 and not np.isin(values, (0, 1)).all():
        yield "root", StandardScaler().fit_transform(signed_root(values))


def _verdict(x: np.ndarray, y: np.ndarray, of_classes: bool) -> Verdict:
    """Regress y on x with the penalty of the least error of rows left out."""
    x, centred = x - x.mean(axis=0), y - y.mean(axis=0)
    values, vectors = np.linalg.eigh(x @ x.T)
    values = np.maximum(values, 0)
    cross = vectors.T @ centred
    left_out = np.full_like(centred, np.inf)
    for penalty in PENALTIES * (values.mean() or 1):
        shrunk = 1 / (values + penalty)
        # (y − ŷ) / (1 − H), whose two parts have a factor in common. The mean has no penalty: else
        # the other rows, which have the rest of the mean, would tell the one that is left out.
        share = vectors**2 @ shrunk - 1 / (len(x) * penalty)
        errors = vectors @ (shrunk[:, None] * cross) / np.maximum(share, TINY)[:, None]
        # The mean of the others would speak against the class of the row.
        errors -= centred / (len(x) - 1)
        left_out = min(left_out, errors, key=_mean_square)
    right = (centred - left_out + y.mean(axis=0)).argmax(axis=1) == y.argmax(axis=1)
    return Verdict((left_out**2).mean(axis=1), right if of_classes else None)


def _mean_square(values: np.ndarray) -> float:
    return float((values**2).mean())


def standardisation(
    modalities: Sequence[Modality], statistics: ColumnStatistics, generated: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is subtracted from the columns, and by what they are then divided.

    Columns have their own units, unless they are said or found to have common ones; the values of
    an array are of one kind.
    """
    loc, scale = statistics.mean.copy(), statistics.scale.copy()
    for modality in modalities:
        columns = modality.columns
        if generated and modality.likelihood in UNSCALED:
            loc[columns], scale[columns] = 0.0, 1.0
        elif generated and modality.likelihood == "counts":
            loc[columns] = 0.0
            # A power of two, so that counts are whole again when they come back.
            scale[columns] = 2 ** np.rint(np.log2(scale[columns]))
        elif len(modality.shape or ()) > 1:
            loc[columns], scale[columns] = pool(statistics, modality)
        elif modality.scaling == "common" and not generated:
            scale[columns] = _common(statistics.of_columns(columns))
    return loc, scale


def _common(statistics: ColumnStatistics) -> float:
    """Return one scale for all columns, of which constant ones have none."""
    varies = statistics.variance > 0
    return float(np.sqrt((statistics.scale[varies] ** 2).mean())) if varies.any() else 1.0
