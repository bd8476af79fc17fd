"""How far predictions of numbers are off, from rows that members left out."""

from collections.abc import Sequence

import numpy as np

from sklearn_cmmd.crossfit.errors import Errors
from sklearn_cmmd.crossfit.members import LeftOut
from sklearn_cmmd.crossfit.views import shares_of_rows
from sklearn_cmmd.data.rows import FitData

# So many rows count beside those that were left out, of which the deviations are right.
PRIOR_ROWS = 2


def learned_errors(
    found: Sequence[LeftOut], data: FitData, groups: np.ndarray | None
) -> Errors | None:
    """Return errors of y over what the members said of their size; None if no row has a target."""
    rows = np.concatenate([part.labelled for part in found])
    if not len(rows):
        return None
    said = np.concatenate([part.said for part in found]).reshape(len(rows), 2, -1)
    errors = np.asarray(data.y)[rows].reshape(len(rows), -1) - said[:, 0]
    return Errors(errors, said[:, 1], shares_of_rows(groups, rows, data.weight))


def spread(errors: Errors | None) -> np.ndarray:
    """Return what standard deviations are multiplied by, for each number, so that they are right.

    It is the root of the mean square of errors over what they were expected to be.
    """
    if errors is None:
        return np.ones(1)
    squares = errors.weight @ np.square(errors.errors / errors.known)
    return np.sqrt((squares + PRIOR_ROWS) / (errors.weight.sum() + PRIOR_ROWS))
