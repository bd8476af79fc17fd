"""Fitted regressions as the arrays that they predict from, whatever library fitted them.

They predict to the last bit what the estimators of scikit-learn do that they are made from, are
smaller, and do not depend on how a version of scikit-learn keeps its trees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV

LINEAR = (LinearRegression, Ridge, RidgeCV)
FORESTS = (ExtraTreesRegressor, RandomForestRegressor)


@dataclass(frozen=True)
class LinearMap:
    """A linear map: coefficients (columns, features) or (features,), and what is added to it."""

    coef: np.ndarray
    intercept: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Map (n, features) to (n, columns) or (n,)."""
        return np.asarray(x @ self.coef.T + self.intercept)


@dataclass(frozen=True)
class Forest:
    """Trees whose predictions are averaged; the nodes of all of them one after the other.

    A node sends a row to the node `left` if the value of its `feature`, in float32, is at most its
    `threshold`, else to the node `right`. A leaf sends every row to itself. Other nodes come before
    their children. `roots` are the first nodes of the trees, `values` (leaves, columns) or
    (leaves,) what the leaves predict, in their order.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, trees: list[Any]) -> "Forest":
        """Take over fitted trees of scikit-learn."""
        counts = [tree.tree_.node_count for tree in trees]
        roots = np.cumsum([0, *counts[:-1]])
        own = np.arange(sum(counts))
        left, right, feature = (
            np.concatenate([getattr(tree.tree_, name) for tree in trees])
            for name in ("children_left", "children_right", "feature")
        )
        is_leaf, first = left < 0, np.repeat(roots, counts)
        left, right = (np.where(is_leaf, own, child + first) for child in (left, right))
        values = np.concatenate(
            [tree.tree_.value[tree.tree_.children_left < 0, :, 0] for tree in trees]
        )
        return cls(
            roots,
            left.astype(np.int32),
            right.astype(np.int32),
            np.where(is_leaf, 0, feature).astype(np.int32),
            np.concatenate([tree.tree_.threshold for tree in trees]),
            values[:, 0] if values.shape[1] == 1 else values,
        )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the means over the trees: (n, columns) or (n,), from (n, features)."""
        n_rows, n_features = x.shape
        flat, start = x.astype(np.float32).ravel(), np.arange(n_rows) * n_features
        is_leaf = self.left == np.arange(len(self.left))
        children = np.stack([self.right, self.left], axis=1).ravel()
        number_of_leaf = np.cumsum(is_leaf) - 1
        total = np.zeros((n_rows, *self.values.shape[1:]))
        for root in self.roots:
            node, rows = np.full(n_rows, root, np.int64), np.arange(n_rows)
            while len(rows):  # those that are not at a leaf
                here = node[rows]
                goes_left = flat[start[rows] + self.feature[here]] <= self.threshold[here]
                node[rows] = here = children[2 * here + goes_left]
                rows = rows[~is_leaf[here]]
            total += self.values[number_of_leaf[node]]
        return total / len(self.roots)


@dataclass(frozen=True)
class OfComponents:
    """A regression of the principal components of what is predicted, which it then puts together.

    The components are of shape (components, columns), their `mean` of shape (columns,).
    """

    regression: LinearMap | Forest
    components: np.ndarray
    mean: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Map (n, features) to (n, columns)."""
        return self.joined(self.regression.predict(x))

    def joined(self, scores: np.ndarray) -> np.ndarray:
        """Return what has these components, (n, components), or (n,) if there is one."""
        return np.asarray(scores.reshape(len(scores), -1) @ self.components + self.mean)


Regression = LinearMap | Forest | OfComponents


def check_arrays(weights: Mapping[str, Mapping[str, float]], regressions: Any) -> None:
    """Raise a TypeError unless the regressions of all members are arrays.

    `weights` are those of the generators of each modality, by name.
    """
    names = [name for of_view in weights.values() for name in list(of_view)[1:]]
    fits = [fit for of_view in regressions[0] for fit in of_view]
    for name, fit in zip(names, fits, strict=True):
        if not isinstance(fit, Regression):
            raise TypeError(
                f"generators[{name!r}] is a {type(fit).__name__}, which is code and can be in no "
                "file without code: of scikit-learn, linear and ridge regressions, extra trees "
                "and random forests can. Fit with generators='auto' or None, or save with "
                "joblib.dump, and load only files that you trust."
            )


def as_arrays(fitted: Any) -> Any:
    """Return a fitted estimator of scikit-learn as arrays; of another kind the estimator itself."""
    if type(fitted) in LINEAR:
        return LinearMap(fitted.coef_, np.asarray(fitted.intercept_))
    if type(fitted) in FORESTS:
        return Forest.of(fitted.estimators_)
    if type(fitted) is TransformedTargetRegressor and type(fitted.transformer_) is PCA:
        inner, transformer = as_arrays(fitted.regressor_), fitted.transformer_
        if isinstance(inner, (LinearMap, Forest)) and not transformer.whiten:
            return OfComponents(inner, transformer.components_, transformer.mean_)
    return fitted
