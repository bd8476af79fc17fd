"""Whether draws of a generated view are like the true one."""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist, pdist

from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.metrics._pairs import averaged, read_pairs


def crps(
    X_missing: Any,
    draws: Any,
    *,
    scale: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    r"""Continuous ranked probability score of draws, column by column.

    With S draws :math:`x_s` of a value x it is

    .. math:: \frac1S \sum_s |x_s - x| - \frac{1}{2 S (S - 1)} \sum_{s, t} |x_s - x_t|,

    whose expectation does not depend on S [1]_. Of whole numbers, it is the ranked probability
    score; of zeros and ones, the squared error of the probability.

    Parameters
    ----------
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values. A row that lacks some (NaN) does not count in these columns.
    draws : array-like of shape (n, n_draws, ...), DataFrame, or mapping of these
        What ``generate_missing(X, n_samples=...)`` returned, with ``as_frame=True`` or without; at
        least two draws.
    scale : None, "std", number, array-like of the shape of a row, or mapping, default=None
        What scores are divided by, as in `missing_rmse`.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"}, default="uniform_average"
        "raw_values" returns the scores of all columns. "uniform_average" returns their mean; of
        several modalities the mean of their means.

    Returns
    -------
    float, ndarray of the shape of a row, or mapping of these
        In the units of the columns, or of `scale`; the smaller, the better.

    Raises
    ------
    ValueError, TypeError
        If the two are not of the same rows and columns, or there is a single draw.

    See Also
    --------
    energy_score : The same for whole rows.

    References
    ----------
    .. [1] Ferro. "Fair scores for ensemble forecasts." Quarterly Journal of the Royal
       Meteorological Society 140 (2014).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.metrics import crps
    >>> draws = np.random.default_rng(0).normal(size=(200, 50, 1))
    >>> sharp, wide = crps(np.zeros((200, 1)), draws), crps(np.zeros((200, 1)), 3 * draws)
    >>> bool(sharp < wide)
    True
    """
    pairs = read_pairs(X_missing, {"draws": draws}, sample_weight, draws=True)
    scores = {key: pair.mean(_crps) / pair.units(scale, key) for key, pair in pairs.items()}
    return averaged(scores, pairs, multioutput)


def _crps(true: np.ndarray, draws: np.ndarray) -> np.ndarray:
    n_draws = _at_least_two(draws)
    error = np.abs(draws - true[:, None]).mean(axis=1)
    # A sorted draw is the larger of as many pairs as draws are below it.
    rank = 2 * np.arange(n_draws) + 1 - n_draws
    spread = np.einsum("s,nsc->nc", rank, np.sort(draws, axis=1))
    return np.asarray(error - spread / (n_draws * (n_draws - 1)))


def energy_score(
    X_missing: Any,
    draws: Any,
    *,
    scale: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    r"""Energy score of draws of whole rows.

    With S draws :math:`x_s` of a row x it is

    .. math:: \frac1S \sum_s \|x_s - x\| - \frac{1}{2 S (S - 1)} \sum_{s, t} \|x_s - x_t\|.

    It is smallest if the draws are of the distribution of the rows [1]_. Unlike `crps` it depends
    on how columns go together, though weakly.

    Parameters
    ----------
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values. A row that lacks some columns of a modality (NaN) does not count in it.
    draws : array-like of shape (n, n_draws, ...), DataFrame, or mapping of these
        What ``generate_missing(X, n_samples=...)`` returned, with ``as_frame=True`` or without; at
        least two draws.
    scale : None, "std", number, array-like of the shape of a row, or mapping, default=None
        What columns are divided by, as in `missing_rmse`. In their own units, columns of large
        numbers decide the score.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"}, default="uniform_average"
        "raw_values" returns the scores of all modalities, "uniform_average" their mean.

    Returns
    -------
    float, or mapping of floats
        The smaller, the better. It grows with the root of the number of columns.

    Raises
    ------
    ValueError, TypeError
        If the two are not of the same rows and columns, or there is a single draw.

    See Also
    --------
    crps : The same for single columns.

    References
    ----------
    .. [1] Gneiting, Raftery. "Strictly proper scoring rules, prediction, and estimation." Journal
       of the American Statistical Association 102 (2007).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.metrics import energy_score
    >>> rng = np.random.default_rng(0)
    >>> draws = rng.normal(size=(200, 50, 2))
    >>> true = rng.normal(size=(200, 2))
    >>> bool(energy_score(true, draws) < energy_score(true, draws + 1))
    True
    """
    pairs = read_pairs(X_missing, {"draws": draws}, sample_weight, draws=True)
    scores = {}
    for key, pair in pairs.items():
        units = pair.units(scale, key)
        scores[key] = pair.mean(lambda true, made, by=units: _energy(true / by, made / by))
    return averaged(scores, pairs, multioutput)


def _energy(true: np.ndarray, draws: np.ndarray) -> np.ndarray:
    _at_least_two(draws)
    return np.array(
        [
            cdist(row[None], drawn).mean() - pdist(drawn).mean() / 2
            for row, drawn in zip(true, draws, strict=True)
        ]
    )


def _at_least_two(draws: np.ndarray) -> int:
    n_draws = draws.shape[1]
    if n_draws < 2:
        raise ValueError("A score of draws needs at least two of them: n_samples=100, say. Got 1.")
    return n_draws


def probability_integral_transform(
    X_missing: Any, draws: Any, *, random_state: int | np.random.RandomState | None = None
) -> Any:
    r"""Where true values are among draws: uniform in (0, 1) if the draws are right.

    Of S draws, r below the true value and t equal to it, it is :math:`(r + u (t + 1)) / (S + 1)`
    with u uniform, so that it is uniform for whole numbers too [1]_. A histogram that is high at
    both ends says that the draws are too narrow, one that is high in the middle that they are too
    wide.

    Parameters
    ----------
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values, NaN where a row lacks some.
    draws : array-like of shape (n, n_draws, ...), DataFrame, or mapping of these
        What ``generate_missing(X, n_samples=...)`` returned, with ``as_frame=True`` or without.
    random_state : int, RandomState instance or None, default=None
        Seed of u.

    Returns
    -------
    ndarray of shape (n, ...), or mapping of these
        The places, NaN where a row lacks a value.

    Raises
    ------
    ValueError, TypeError
        If the two are not of the same rows and columns.

    References
    ----------
    .. [1] Czado, Gneiting, Held. "Predictive model assessment for count data." Biometrics 65
       (2009).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.metrics import probability_integral_transform
    >>> rng = np.random.default_rng(0)
    >>> places = probability_integral_transform(
    ...     rng.normal(size=(1000, 1)), rng.normal(size=(1000, 99, 1)), random_state=0)
    >>> bool(abs(places.mean() - 0.5) < 0.03)
    True
    """
    pairs = read_pairs(X_missing, {"draws": draws}, draws=True)
    (stream,) = uniform_streams(random_state, 1)

    def places(true: np.ndarray, made: np.ndarray) -> np.ndarray:
        below = (made < true[:, None]).sum(axis=1)
        equal = (made == true[:, None]).sum(axis=1)
        found = (below + stream.random(true.shape) * (equal + 1)) / (made.shape[1] + 1)
        return np.where(np.isnan(true), np.nan, found)

    found = {
        key: pair.map(places).reshape(len(pair.weight), *pair.shape) for key, pair in pairs.items()
    }
    return found.get("", found)
