"""Regressions of x_M on x_O that an ensemble mixes with its members, and the weights of each.

The weights w of the generators are those of the least squared error of their mixture for rows that
none of them saw [1]_, among all that are not negative and add up to one.

References
----------
.. [1] Breiman. "Stacked regressions." Machine Learning 24 (1996).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import has_fit_parameter

from sklearn_cmmd.crossfit.regressions import as_arrays
from sklearn_cmmd.data.modality import Modality

CMMD = "cmmd"
# The default regressions see at most so many rows.
MOST_ROWS = 5000
# Fewer pairs leave the generation to CMMD alone.
LEAST_PAIRS = 20
PENALTIES = np.logspace(-4.0, 2.0, 9)  # a row
N_TREES, LEAST_ROWS_OF_LEAF = 30, 2
# Trees grow on so many principal components of x_M, as good as on its columns and much faster.
MOST_COMPONENTS = 50

Regressors = Mapping[str, Any]


def default_regressors(n_rows: int, n_columns: int, seed: int) -> Regressors:
    """Return a ridge regression and extremely randomised trees."""
    trees = ExtraTreesRegressor(N_TREES, min_samples_leaf=LEAST_ROWS_OF_LEAF, random_state=seed)
    components = PCA(min(MOST_COMPONENTS, n_rows, n_columns), random_state=seed)
    return {
        "ridge": RidgeCV(n_rows * PENALTIES, alpha_per_target=True),
        "trees": TransformedTargetRegressor(trees, transformer=components, check_inverse=False),
    }


def check_generators(generators: Any) -> None:
    """Raise an error unless these are "auto", None or regressors by name."""
    if generators is None or generators == "auto":
        return
    for name, regressor in generators.items():
        if not isinstance(name, str) or name == CMMD:
            raise ValueError(
                f"generators are regressors by name, and {CMMD!r} stands for the members. Got the "
                f"name {name!r}."
            )
        if isinstance(regressor, type) or not (
            hasattr(regressor, "fit") and is_regressor(regressor)
        ):
            raise TypeError(
                f"generators[{name!r}] must be a scikit-learn regressor, such as RidgeCV(). Got "
                f"{regressor!r} instead."
            )


def names_of(generators: str | Regressors | None) -> list[str]:
    """Return the names of all generators, CMMD first."""
    if generators == "auto":
        return [CMMD, *default_regressors(2, 1, 0)]
    return [CMMD, *(generators or {})]


def fitted(
    generators: str | Regressors | None, x: np.ndarray, values: np.ndarray, weight: Any, seed: int
) -> list[Any]:
    """Fit the regressions of one modality, as arrays where they are known.

    Those that take no weights do without.
    """
    if isinstance(generators, str):
        generators = default_regressors(len(values), values.shape[1], seed)
    regressors = []
    for regressor in (generators or {}).values():
        # What transforms targets hands weights on to the regressor inside.
        takes = has_fit_parameter(getattr(regressor, "regressor", regressor), "sample_weight")
        weighted = takes and not (weight == 1).all()
        params = {"sample_weight": weight} if weighted else {}
        target = values[:, 0] if values.shape[1] == 1 else values
        regressors.append(as_arrays(clone(regressor).fit(x, target, **params)))
    return regressors


def predicted(regressors: Sequence[Any], x: np.ndarray, modality: Modality) -> list[np.ndarray]:
    """Return the predictions of one modality, each (n, columns)."""
    return [
        in_range(np.asarray(regressor.predict(x)).reshape(len(x), -1), modality)
        for regressor in regressors
    ]


def in_range(values: np.ndarray, modality: Modality) -> np.ndarray:
    """Bring means to values that the likelihood can have."""
    if modality.likelihood == "counts":
        return np.maximum(values, 0)
    if modality.likelihood not in ("bernoulli", "categorical"):
        return values
    values = np.clip(values, 0, 1)
    if modality.likelihood == "bernoulli":
        return values
    shaped = values.reshape(len(values), *(modality.shape or values.shape[1:]))
    total = shaped.sum(axis=modality.axis, keepdims=True)
    n_classes = shaped.shape[modality.axis]
    shares = np.where(total > 0, shaped / np.where(total > 0, total, 1), 1 / n_classes)
    return shares.reshape(values.shape)


def sampled(modality: Modality, means: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draw binary values or classes from their probabilities, (..., columns) as the noise."""
    if modality.likelihood == "bernoulli":
        return (uniform < means).astype(means.dtype)
    shape = modality.shape or means.shape[-1:]
    noisy = np.log(np.maximum(means, 1e-300)) - np.log(-np.log(uniform))
    noisy = noisy.reshape(*means.shape[:-1], *shape)
    classes = noisy.argmax(axis=modality.axis, keepdims=True)
    drawn = np.zeros_like(noisy)
    np.put_along_axis(drawn, classes, 1, axis=modality.axis)
    return drawn.reshape(means.shape)


def stacked(products: np.ndarray) -> np.ndarray:
    """Return the weights of the least squared error, given the mean products of errors.

    They are the non-negative least squares solution in which a row of great weight says that they
    add up to one.
    """
    n_generators = len(products)
    values, vectors = np.linalg.eigh(products)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    size = 1e4 * (float(np.sqrt(values[-1])) or 1.0)
    problem = np.vstack([root, np.full(n_generators, size)])
    weights, _ = nnls(problem, np.append(np.zeros(n_generators), size))
    return np.asarray(weights / weights.sum())
