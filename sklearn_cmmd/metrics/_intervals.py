"""Whether intervals hold true values, and how wide they are."""

from typing import Any

import numpy as np

from sklearn_cmmd.data.containers import is_mapping
from sklearn_cmmd.metrics._pairs import averaged, read_pairs


def interval_coverage(
    X_missing: Any,
    lower: Any,
    upper: Any,
    *,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Share of true values that lie within their intervals, the ends included.

    Parameters
    ----------
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values. A row that lacks some (NaN) does not count in these columns.
    lower, upper : as `X_missing`
        Ends of the intervals, as ``generate_intervals(X)`` of an ensemble returns them, or
        quantiles of draws.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"}, default="uniform_average"
        "raw_values" returns the shares of all columns. "uniform_average" returns their mean; of
        several modalities the mean of their means.

    Returns
    -------
    float, ndarray of the shape of a row, or mapping of these
        Shares, to be compared with the coverage that was asked for.

    Raises
    ------
    ValueError, TypeError
        If they are not of the same rows and columns, or a lower end is above the upper one.

    See Also
    --------
    interval_width : What such a coverage costs.

    Examples
    --------
    >>> from sklearn_cmmd.metrics import interval_coverage
    >>> interval_coverage([[0.5], [3.0]], lower=[[0.0], [0.0]], upper=[[1.0], [1.0]])
    0.5
    """
    pairs = read_pairs(X_missing, {"lower": lower, "upper": upper}, sample_weight)

    def within(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        _check_ends(low, high)
        return np.where(np.isnan(true), np.nan, (low <= true) & (true <= high))

    return averaged({key: pair.mean(within) for key, pair in pairs.items()}, pairs, multioutput)


def interval_width(
    lower: Any,
    upper: Any,
    *,
    scale: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Mean width of intervals.

    Parameters
    ----------
    lower, upper : array-like, DataFrame, or mapping of these, of shape (n, ...)
        Ends of the intervals, as ``generate_intervals(X)`` of an ensemble returns them, or
        quantiles of draws.
    scale : None, number, array-like of the shape of a row, or mapping, default=None
        What widths are divided by, such as ``M_train.std(axis=0)``.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"}, default="uniform_average"
        "raw_values" returns the widths of all columns. "uniform_average" returns their mean; of
        several modalities the mean of their means.

    Returns
    -------
    float, ndarray of the shape of a row, or mapping of these
        Of intervals with the same coverage, the narrower ones are better.

    Raises
    ------
    ValueError, TypeError
        If they are not of the same rows and columns, or a lower end is above the upper one.

    Examples
    --------
    >>> from sklearn_cmmd.metrics import interval_width
    >>> interval_width([[0.0, 5.0]], [[1.0, 25.0]], multioutput="raw_values")
    array([ 1., 20.])
    """
    if isinstance(scale, str):
        raise ValueError(f"scale must be None or numbers. Got {scale!r}; there are no true values.")
    pairs = read_pairs(lower, {"upper": upper}, sample_weight, name="lower")

    def width(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        _check_ends(low, high)
        return high - low

    widths = {key: pair.mean(width) / pair.units(scale, key) for key, pair in pairs.items()}
    return averaged(widths, pairs, multioutput)


def _check_ends(lower: np.ndarray, upper: np.ndarray) -> None:
    if (lower > upper).any():
        raise ValueError("Some values of lower are above those of upper. Are they swapped?")


def ends_of_draws(draws: Any, coverage: float) -> tuple[Any, Any]:
    """Return the ends of intervals in which a value like the draws, (n, n_draws, ...), is expected.

    The k-th smallest of n draws has the share k / (n + 1) of such values below it.
    """
    if is_mapping(draws):
        ends = {key: ends_of_draws(part, coverage) for key, part in draws.items()}
        lower, upper = ({key: pair[i] for key, pair in ends.items()} for i in (0, 1))
        return lower, upper
    outside = (1 - coverage) / 2
    low, high = np.quantile(draws, [outside, 1 - outside], axis=1, method="weibull")
    return low, high
