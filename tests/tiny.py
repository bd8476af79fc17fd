"""Tiny data of whole numbers, and fits of one epoch, for tests of what input means."""

import warnings

import numpy as np

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.exceptions import CMMDWarning

N = 40
RNG = np.random.default_rng(0)
Y = np.arange(N) % 3
# Whole numbers, which every dtype holds.
X = (RNG.integers(0, 9, size=(N, 4)) + Y[:, None]).astype(float)
M = (RNG.integers(0, 9, size=(N, 3)) + 3 * Y[:, None]).astype(float)
TINY = {"hidden_layer_sizes": (8,), "latent_dim": 2, "max_epochs": 1, "random_state": 0}
IDS = [f"s{i}" for i in range(N)]
SOME_GAPS = np.arange(N) % 4 == 1


def fit(X=X, y=Y, M=M, **params):
    return CMMDClassifier(**TINY | params).fit(X, y, X_missing=M)


def caught(category=CMMDWarning, **data):
    """Return the messages of one category that a fit gives, all of them as often as they come."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(**data)
    return [str(each.message) for each in found if issubclass(each.category, category)]


def with_objects(values, gaps, mark):
    values = values.astype(object)
    values[gaps] = mark
    return values


def with_nan(values, gaps):
    values = values.astype(float)
    values[gaps] = np.nan
    return values
