"""How far off the means of a generated view are."""

from typing import Any

import numpy as np

from sklearn_cmmd.metrics._pairs import averaged, read_pairs


def missing_rmse(
    X_missing: Any,
    generated: Any,
    *,
    scale: Any = None,
    sample_weight: Any = None,
    multioutput: str = "uniform_average",
) -> Any:
    """Root mean squared error of a generated view.

    Parameters
    ----------
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values. A row that lacks some (NaN) does not count in these columns.
    generated : as `X_missing`
        What ``generate_missing(X)`` returned for the same rows.
    scale : None, "std", number, array-like of the shape of a row, or mapping, default=None
        What errors are divided by: None leaves them in the units of the columns, "std" takes the
        standard deviations of `X_missing`, so that means of columns have an error of one. Pass
        ``M_train.std(axis=0)`` for those of the training rows.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"}, default="uniform_average"
        "raw_values" returns the errors of all columns. "uniform_average" returns their mean; of
        several modalities the mean of their means.

    Returns
    -------
    float, ndarray of the shape of a row, or mapping of these
        The smaller, the better.

    Raises
    ------
    ValueError, TypeError
        If the two are not of the same rows and columns, or no row has a column.

    See Also
    --------
    sklearn.metrics.root_mean_squared_error : The same of tables without gaps.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.metrics import missing_rmse
    >>> true = np.array([[0.0, 10.0], [2.0, 30.0], [np.nan, np.nan]])
    >>> made = np.array([[1.0, 10.0], [1.0, 10.0], [1.0, 10.0]])
    >>> missing_rmse(true, made, multioutput="raw_values")
    array([ 1.        , 14.14213562])
    >>> missing_rmse(true, made, scale="std", multioutput="raw_values")
    array([1.        , 1.41421356])
    """
    pairs = read_pairs(X_missing, {"generated": generated}, sample_weight)
    errors = {
        key: np.sqrt(pair.mean(lambda true, made: np.square(true - made))) / pair.units(scale, key)
        for key, pair in pairs.items()
    }
    return averaged(errors, pairs, multioutput)
