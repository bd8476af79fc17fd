"""What all estimators that generate the missing modalities have in common."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.plan import Plan


class GenerativeMixin:
    """Generation of the missing modalities, for estimators that have `_generated`."""

    _plan: Plan

    @property
    def _missing_side(self) -> Side:
        if self._plan.layout.missing is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without X_missing, so there is nothing "
                "to generate. Fit it with X_missing=..., the modalities to generate later."
            )
        return self._plan.layout.missing

    def _generated(self, X: Any, n_samples: int | None, seed: Any) -> tuple[np.ndarray, Any]:
        """Return values in units of the data, columns last, and the row index of X."""
        raise NotImplementedError

    def generate_missing(
        self,
        X: Any,
        n_samples: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool = False,
    ) -> Any:
        """Generate the missing modalities from the observed ones.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        n_samples : int, default=None
            Number of draws for each row, of z from p(z|x_O) and then of x_M from p(x_M|x_O, z); an
            ensemble adds errors of rows that its members left out to its mean. None returns the
            mean of p(x_M|x_O, z) at the mean of p(z|x_O); of an ensemble the mixture of its members
            and its regressions.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws. The draws of a row do not depend on the rows after it: those of
            ``X[:10]`` are the first ten of those of `X`.
        as_frame : bool, default=False
            Whether draws of modalities that were DataFrames of pandas come as DataFrames too, with
            the index of `X` and two levels of columns: the names of the fit, and the draws.

        Returns
        -------
        ndarray or DataFrame of shape (n, ...), or mapping of these
            In the form and the units of the `X_missing` of the fit, float32 if `X` is float32,
            else float64. Draws are arrays of shape (n, n_samples, ...), unless `as_frame` is set.

        Raises
        ------
        ValueError
            If the model was fitted without `X_missing`, or n_samples is not a positive int.
        """
        if n_samples is not None:
            check_n_samples(n_samples)
        check_is_fitted(self)
        side = self._missing_side
        values, index = self._generated(X, n_samples, random_state)
        return side.as_given(values, index, as_frame)

    def impute(
        self,
        X: Any,
        n_samples: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool = False,
    ) -> Any:
        """Generate the modalities that rows lack, and leave those that they have as they are.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit. A row that lacks one has NaN in all of
            its columns; in a mapping, one that no row has may be None or left out.
        n_samples : int, default=None
            Number of draws for each row, as in `generate_missing`. None returns means.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.
        as_frame : bool, default=False
            Whether draws of DataFrames come as DataFrames, as in `generate_missing`.

        Returns
        -------
        ndarray or DataFrame of shape (n, ...), or mapping of these
            `X` in the form of the fit, with all of its modalities and no NaN, float32 if `X` is
            float32, else float64. Draws are arrays of shape (n, n_samples, ...).

        Raises
        ------
        ValueError
            If the model was fitted without `optional`, a row has no modality at all, or lacks one
            that is not optional.
        """
        if n_samples is not None:
            check_n_samples(n_samples)
        check_is_fitted(self)
        side, values, index = self._imputed(X, n_samples, random_state)
        return side.as_given(values, index, as_frame)

    def _imputed(self, X: Any, n_samples: int | None, seed: Any) -> tuple[Side, np.ndarray, Any]:
        """Return the side, its values in units of the data, columns last, and the row index."""
        raise NotImplementedError


def check_n_samples(n_samples: Any) -> None:
    """Raise a ValueError unless this is a number of draws."""
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive int. Got {n_samples!r} instead.")
