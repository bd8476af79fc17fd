r"""Errors of the generated view for rows that its members did not see: intervals, draws, scores.

The error of a column, over its expected size s for the row, is as likely to be the k-th smallest of
those of n rows and a new one, for every k. So the new one lies within the ⌈(n + 1) coverage⌉-th
smallest size with at least this probability, if the new row is like the others [1]_. Where rows
belong to groups, each group counts as one row, whose weight its rows share.

The expected size is a regression of the absolute errors on x_O, by trees that are asked about rows
that they did not see, either.

References
----------
.. [1] Vovk. "Cross-conformal predictors." Annals of Mathematics and Artificial Intelligence 74
   (2015).
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor

from sklearn_cmmd.crossfit.regressions import Forest, OfComponents

N_TREES, LEAST_ROWS_OF_LEAF, N_COMPONENTS = 50, 10, 10
# Fewer rows tell nothing of how large the errors of one row are.
LEAST_ROWS = 50
# No error is expected to be smaller than this share of the column's mean.
LEAST_SHARE = 0.25


@dataclass(frozen=True)
class ErrorSizes:
    """The expected sizes of errors, by row and column, from x_O.

    Trees predict the first principal components of the sizes. Without them the sizes are the means
    of the columns.
    """

    mean: np.ndarray
    trees: OfComponents | None

    @classmethod
    def learn(
        cls, x: np.ndarray, errors: np.ndarray, depends_on_row: bool, seed: int
    ) -> tuple["ErrorSizes", np.ndarray]:
        """Learn the sizes; return them, and what trees that left a row out expect of it."""
        sizes = np.abs(errors)
        mean = sizes.mean(axis=0)
        # A column without any error has some size all the same, since it is divided by.
        mean[mean == 0] = np.finfo(np.float32).eps
        if not depends_on_row or len(x) < LEAST_ROWS:
            return cls(mean, None), np.broadcast_to(mean, sizes.shape)
        components = PCA(min(N_COMPONENTS, *sizes.shape), random_state=seed).fit(sizes)
        trees = RandomForestRegressor(
            N_TREES,
            min_samples_leaf=LEAST_ROWS_OF_LEAF,
            max_features=0.5,
            bootstrap=True,
            oob_score=True,
            random_state=seed,
        )
        targets = components.transform(sizes)
        trees.fit(x, targets[:, 0] if targets.shape[1] == 1 else targets)
        forest = Forest.of(trees.estimators_)
        joined = OfComponents(forest, components.components_, components.mean_)
        return cls(mean, joined), cls._bounded(joined.joined(trees.oob_prediction_), mean)

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Return the expected sizes, (n, columns)."""
        if self.trees is None:
            return np.broadcast_to(self.mean, (len(x), len(self.mean)))
        return self._bounded(self.trees.predict(x), self.mean)

    @staticmethod
    def _bounded(sizes: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return np.maximum(sizes, LEAST_SHARE * mean)


@dataclass
class Errors:
    """Errors, and `known`, their expected sizes, both of shape (n, columns).

    `weight`, (n,), adds up to one for each group, so that it is one where there are no groups.
    """

    errors: np.ndarray
    known: np.ndarray
    weight: np.ndarray

    def bound(self, coverage: float) -> np.ndarray:
        """Return how many expected sizes an error is below with this probability, (columns,).

        A ValueError says that there are too few rows or groups.
        """
        ratios = np.abs(self.errors) / self.known
        order = np.argsort(ratios, axis=0)
        reached = np.cumsum(self.weight[order], axis=0)
        n = float(self.weight.sum())
        # What adds up to a whole number of rows may be off by a rounding error.
        needed = coverage * (n + 1) - 1e-6
        if needed > n:
            raise ValueError(
                f"coverage={coverage} takes {int(np.ceil(coverage / (1 - coverage) - 1e-6))} rows "
                f"to learn from, or groups of them, but fit had {n:.0f}. Lower coverage."
            )
        last = (reached >= needed).argmax(axis=0)
        return np.asarray(np.take_along_axis(ratios, order, axis=0)[last, np.arange(len(last))])


@dataclass
class ViewErrors(Errors):
    """Errors of one modality, in standardised units, and what follows from them.

    `whole` says which columns hold whole numbers alone, `sizes` how large errors of new rows are
    expected to be.
    """

    whole: np.ndarray
    sizes: ErrorSizes

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        errors: np.ndarray,
        weight: np.ndarray,
        whole: np.ndarray,
        depends_on_row: bool,
        seed: int,
    ) -> "ViewErrors":
        """Learn the expected sizes of errors."""
        sizes, known = ErrorSizes.learn(x, errors, depends_on_row, seed)
        return cls(errors.astype(np.float32), known.astype(np.float32), weight, whole, sizes)

    def drawn(self, expected: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Draw errors of whole rows: (n, draws, columns) from uniform noise (n, draws).

        They are those of rows of the fit, and as much larger as the row is expected to have larger
        ones. So columns go together as they do in the data.
        """
        total = np.cumsum(self.weight)
        chosen = np.searchsorted(total, uniform * total[-1], side="right").clip(0, len(total) - 1)
        here, there = (np.sqrt(np.square(each).mean(axis=1)) for each in (expected, self.known))
        ratio = here[:, None] / there[chosen]
        return self.errors[chosen] * ratio[:, :, None]

    def squares(self, errors: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Return the sum over the columns of squared errors over their mean squares, (n,)."""
        of_column = np.square(self.errors / self.known).mean(axis=0)
        of_column = np.maximum(of_column, np.finfo(np.float32).eps)
        ratios = np.square(errors / expected) / of_column
        # No more than a row of the fit can have, which is part of the mean.
        return np.asarray(np.minimum(ratios, len(self.errors)).sum(axis=1))


def check_coverage(coverage: Any) -> None:
    """Raise a ValueError unless this is a probability between 0 and 1."""
    if not isinstance(coverage, Real) or isinstance(coverage, bool) or not 0 < float(coverage) < 1:
        raise ValueError(f"coverage must be a number between 0 and 1. Got {coverage!r} instead.")
