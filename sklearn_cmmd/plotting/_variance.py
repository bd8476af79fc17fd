"""VarianceDisplay: shares of generated columns that hardly vary."""

from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics import variance_collapse_curve
from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._collapse import CollapseCurve


class VarianceDisplay(CollapseCurve):
    r"""Share of generated columns whose variance is small, by what counts as small.

    Make one by `from_estimator` or `from_predictions`; several of them go on the same axes. The
    earlier the curve rises, the surer the model is. It is right to be sure only where its errors
    are small, which `DrawCalibrationDisplay` shows.

    Parameters
    ----------
    collapsed : ndarray of shape (n_thresholds,)
        Share of the columns that are below each threshold.
    thresholds : ndarray of shape (n_thresholds,)
        Variances, over those of the columns.
    name : str, default=None
        What the line is called in the legend. None makes no legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds them.
    line_ : matplotlib Line2D
        The curve.

    See Also
    --------
    sklearn_cmmd.metrics.variance_collapse_curve : The curve.
    PosteriorCollapseDisplay : The same for latent variables.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDTransformer
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import VarianceDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> embed = CMMDTransformer(hidden_layer_sizes=(16,), max_epochs=3, random_state=0)
    >>> embed = embed.fit(digits.data, X_missing=digits.data_missing)
    >>> display = VarianceDisplay.from_estimator(embed, digits.data)
    >>> float(display.collapsed[0])
    0.0
    """

    _labels = "variance ε, over that of the column", "share of columns below ε"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        delta: float = 0.01,
        thresholds: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the variances of p(x_M|x_O, z) at the mean of p(z|x_O).

        Parameters
        ----------
        estimator : CMMDClassifier, CMMDRegressor or CMMDTransformer, or what holds one
            Fitted estimator. Of an ensemble take each of ``estimators_``.
        X : as in `fit`, of shape (n, ...)
            The observed modalities.
        delta : float, default=0.01
            Share of the rows that may be above ε.
        thresholds : array-like of shape (n_thresholds,), default=None
            Values of ε. None stands for 40 from 0 to 1.
        name : str, default=None
            What the line is called in the legend. None makes no legend.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        line_kw : dict, default=None
            Keywords for the line, passed on to matplotlib.

        Returns
        -------
        VarianceDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If this generates nothing, or is not a single estimator.
        """
        estimator, X = generator_of(estimator, X)
        _, deviations = estimator.generate_missing(X, return_std=True)
        side = estimator._missing_side
        blocks = deviations.values() if len(side.widths) > 1 else [deviations]
        flat = [np.reshape(np.asarray(block), (len(block), -1)) for block in blocks]
        variance = np.square(np.hstack(flat) / side.scale)
        return cls.from_predictions(
            variance, delta=delta, thresholds=thresholds, name=name, ax=ax, line_kw=line_kw
        )

    @classmethod
    def from_predictions(
        cls,
        variance: Any,
        *,
        delta: float = 0.01,
        thresholds: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw variances.

        Parameters
        ----------
        variance : array-like of shape (n, n_columns)
            Variances by row and column, over those of the columns.
        delta : float, default=0.01
            Share of the rows that may be above ε.
        thresholds : array-like of shape (n_thresholds,), default=None
            Values of ε. None stands for 40 from 0 to 1.
        name : str, default=None
            What the line is called in the legend. None makes no legend.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        line_kw : dict, default=None
            Keywords for the line, passed on to matplotlib.

        Returns
        -------
        VarianceDisplay
            The display.

        Raises
        ------
        ValueError
            If a variance is negative.
        """
        if thresholds is None:
            thresholds = np.linspace(0, 1, 40)
        collapsed, thresholds = variance_collapse_curve(
            variance, delta=delta, thresholds=thresholds
        )
        return cls(collapsed=collapsed, thresholds=thresholds, name=name).plot(ax, line_kw=line_kw)
