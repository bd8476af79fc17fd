r"""Temperature: how sure the probabilities of an ensemble are, from rows that were left out.

Logarithms of probabilities are divided by T and normalised anew. T has the least log-loss of the
rows that were left out [1]_, together with a normal prior on log T, which counts as a few rows.

References
----------
.. [1] Guo, Pleiss, Sun, Weinberger. "On calibration of modern neural networks." ICML (2017).
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from sklearn_cmmd.crossfit.members import LeftOut
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.data.targets import Targets

# Standard deviation of the prior on log T, and how far T is looked for.
SPREAD, FARTHEST = 0.5, 2.0


def tempered(log_odds: np.ndarray, temperature: float, multilabel: bool) -> np.ndarray:
    """Return logarithms of probabilities at a temperature.

    Takes logarithms of probabilities, or those of the odds of each label.
    """
    scaled = log_odds / log_odds.dtype.type(temperature)
    return np.asarray(log_expit(scaled) if multilabel else log_softmax(scaled, axis=1))


def log_odds(log_proba: np.ndarray, multilabel: bool) -> np.ndarray:
    """Return what a temperature divides: logarithms of probabilities, or of the odds of a label."""
    if not multilabel:
        return log_proba
    # A probability that is rounded to one has finite odds all the same.
    rest = np.maximum(-np.expm1(log_proba), np.finfo(log_proba.dtype).tiny)
    return np.asarray(log_proba - np.log(rest))


def best_temperature(
    log_odds: np.ndarray, y: np.ndarray, multilabel: bool, weight: np.ndarray
) -> float:
    """Return the temperature for codes of classes (n,), or an indicator of labels (n, n_labels)."""

    def loss(log_temperature: float) -> float:
        signs = 2 * y - 1 if multilabel else 1
        logs = tempered(signs * log_odds, np.exp(log_temperature), multilabel)
        of_rows = logs.sum(axis=1) if multilabel else logs[np.arange(len(y)), y]
        return float(0.5 * (log_temperature / SPREAD) ** 2 - weight @ of_rows)

    if not len(y):
        return 1.0
    return float(np.exp(minimize_scalar(loss, bounds=(-FARTHEST, FARTHEST), method="bounded").x))


def learned_temperature(found: Sequence[LeftOut], data: FitData, targets: Targets) -> float:
    """Return the best temperature for the labelled rows that members left out."""
    rows = np.concatenate([part.labelled for part in found])
    odds = log_odds(np.concatenate([part.said for part in found]), targets.multilabel)
    y = targets.encode(data.y, data.labelled)[rows]
    return best_temperature(odds, y, targets.multilabel, data.weight[rows])
