"""CMMDRegressor."""

from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._callers import scored_with
from sklearn_cmmd.data.alignment import labels_of, warn_of_another_order
from sklearn_cmmd.data.numbers import Numbers
from sklearn_cmmd.data.statistics import dtype_in_units
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.data.targets import Targets
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.params import documented

UNKNOWN_SCORES = (
    "Some rows to score have no target. Score rows with a target only; in a search, split with "
    "cv=sklearn_cmmd.model_selection.SemiSupervisedSplit(...), which keeps the others in every "
    "training part, and leave return_train_score=False."
)


class NumberPredictions(RegressorMixin):
    """Predictions of a regressor that has `_numbers`, and a score of rows with a target."""

    @property
    def _targets(self) -> Numbers:
        raise NotImplementedError

    def _numbers(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, in the shape and the units of y."""
        raise NotImplementedError

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict numbers: the mean of p(y|z) at the mean of p(z|x_O).

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        return_std : bool, default=False
            Whether to return the standard deviation of p(y|z) as well.

        Returns
        -------
        ndarray, or two of them, of shape (n,) or (n, n_outputs)
            In the shape and the units of the `y` of the fit, float32 if `X` is float32 and that
            tells the numbers of `y` apart, else float64.
        """
        mean, std = self._numbers(X)
        return (mean, std) if return_std else mean

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the share of the variance that is predicted; of several numbers the mean.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        y : array-like of shape (n,) or (n, n_outputs)
            The true numbers.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 is the best; 0 is what the mean of `y` comes to.

        Raises
        ------
        ValueError
            If a row has no target.
        """
        check_is_fitted(self)
        if y is None:
            raise ValueError("score compares predictions with y. Got None instead.")
        warn_of_another_order(labels_of(X=X, y=y, sample_weight=sample_weight))
        values, known = Numbers.read(y, going_on=True)
        if not known.all():
            raise ValueError(UNKNOWN_SCORES)
        self._targets.check_known(values, "score")
        return float(RegressorMixin.score(self, X, values, sample_weight))


@documented
class CMMDRegressor(NumberPredictions, BaseCMMD):
    r"""Regressor that learns from several modalities and predicts from some of them.

    It is the model of `CMMDClassifier` [1]_, of which p(y|z) is a normal distribution: of one
    number, or of several independent ones. Each has a standard deviation, which varies with z by a
    factor of at most 1.65 up or down.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    n_outputs_ : int
        How many numbers `y` has for each row.
    {attributes}

    See Also
    --------
    CMMDClassifier : The same for classes.
    CMMDTransformer : The embedding and the generation alone.

    Notes
    -----
    `y` is standardised inside, over the rows that have a target. Losses are in nats of standardised
    numbers. Label smoothing is for classes and without effect. An encoder that sees `y` also sees
    whether a row has one. `partial_fit` and `warm_start` keep the statistics of the first call.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).
       https://doi.org/10.1016/j.neunet.2023.10.048

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_cmmd import CMMDRegressor
    >>> data, target = load_diabetes(return_X_y=True)
    >>> X, X_test, M, M_test, y, y_test = train_test_split(
    ...     data[:, :5], data[:, 5:], target, random_state=0)
    >>> reg = CMMDRegressor(max_epochs=30, random_state=0).fit(X, y, X_missing=M)
    >>> mean, std = reg.predict(X_test, return_std=True)
    >>> mean.shape, std.shape
    ((111,), (111,))
    """

    _watched: ClassVar[str] = "classification"
    _kind_of_y: ClassVar[type[Targets]] = Numbers

    @property
    def _targets(self) -> Numbers:
        return cast(Numbers, self._plan.layout.targets)

    def _numbers(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        said = self._said(self._read(X))
        return said[:, 0], said[:, 1]

    def _said(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """Return means and standard deviations of some rows, (n, 2) or (n, 2, n_outputs)."""
        targets = self._targets

        def compute(module: CMMD, x: Tensor) -> Tensor:
            return cast(Gaussian, module.predict(x)).moments()

        def in_units(values: np.ndarray) -> np.ndarray:
            found = targets.decode(values[:, 0]), targets.decode_scale(values[:, 1])
            dtype = dtype_in_units(targets.loc, targets.scale, values.dtype)
            return np.stack(found, axis=1).astype(dtype, copy=False)

        return self._predict(table, compute, in_units, rows=rows)

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None. To learn without targets, use CMMDTransformer."
            )
        scored = scored_with(y)
        if scored is not None and not Numbers.read(scored.y)[1][scored.test].all():
            raise ValueError(UNKNOWN_SCORES)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
