"""GeneratedFeaturesDisplay: columns that were generated, against the true ones."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics import missing_rmse
from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._axes import COLORS, ink, one_legend, several_axes
from sklearn_cmmd.plotting._views import View, intervals_of, one_view


class GeneratedFeaturesDisplay:
    """True values against generated ones with their intervals, the worst columns first.

    Make one by `from_estimator` or `from_predictions`. A column of which x_O tells nothing has all
    its generated values near its mean: its points stand in a column, and its error is one.

    Parameters
    ----------
    true : ndarray of shape (n, n_features)
        True values, NaN where a row has none.
    mean : ndarray of shape (n, n_features)
        Generated values.
    lower, upper : ndarray of shape (n, n_features)
        Ends of the intervals.
    names : list of str
        Names of the columns.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each column shown.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend
        What the points are.
    features_ : ndarray of int
        Numbers of the columns shown.
    errors_ : ndarray of shape (n_features,)
        Root mean squared errors of all columns, over the standard deviations of the true values.
    points_ : list of tuple of matplotlib PathCollection
        For each column the points within their intervals, and those outside.
    intervals_ : list of matplotlib LineCollection
        For each column the intervals.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import GeneratedFeaturesDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="morphological")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> clf = clf.fit(digits.data[:1900], digits.target[:1900],
    ...               X_missing=digits.data_missing[:1900].astype(float))
    >>> display = GeneratedFeaturesDisplay.from_estimator(
    ...     clf, digits.data[1900:], digits.data_missing[1900:], n_features=3, random_state=0)
    >>> len(display.axes_)
    3
    """

    def __init__(
        self,
        *,
        true: np.ndarray,
        mean: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        names: Sequence[str],
    ) -> None:
        self.true = true
        self.mean = mean
        self.lower = lower
        self.upper = upper
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_missing: Any,
        *,
        modality: str | None = None,
        coverage: float = 0.9,
        n_features: int = 6,
        n_samples: int = 200,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Generate values and intervals, and draw them.

        Parameters
        ----------
        estimator : estimator with `generate_missing`, or a pipeline or search that has one
            Fitted estimator. The intervals of an ensemble are those of `generate_intervals`, those
            of a single estimator quantiles of its draws.
        X : as in `fit`, of shape (n, ...)
            The observed modalities.
        X_missing : as in `fit`, of shape (n, ...)
            The true missing modalities of the same rows.
        modality : str, default=None
            Name of the missing modality to show. None stands for the only one.
        coverage : float, default=0.9
            Coverage that the intervals are to have.
        n_features : int, default=6
            How many columns to show.
        n_samples : int, default=200
            Number of draws for each row, of a single estimator.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each. None makes a figure.

        Returns
        -------
        GeneratedFeaturesDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If this generates nothing, or there is no such modality.
        """
        estimator, X = generator_of(estimator, X)
        ends = intervals_of(estimator, X, [coverage], n_samples, random_state)
        lower, upper = ends[coverage]
        made = {"mean": estimator.generate_missing(X), "lower": lower, "upper": upper}
        view = one_view(X_missing, made, None, modality, estimator._missing_side)
        return cls._of(view).plot(ax, n_features=n_features)

    @classmethod
    def from_predictions(
        cls,
        X_missing: Any,
        generated: Any,
        lower: Any,
        upper: Any,
        *,
        modality: str | None = None,
        n_features: int = 6,
        ax: Any = None,
    ) -> Self:
        """Draw values and intervals that were generated.

        Parameters
        ----------
        X_missing : array-like, DataFrame or mapping of these, of shape (n, ...)
            True values. Rows may lack them (NaN).
        generated, lower, upper : as `X_missing`
            Generated values, and the ends of their intervals.
        modality : str, default=None
            Entry of the mappings to show. None stands for the only one.
        n_features : int, default=6
            How many columns to show.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each. None makes a figure.

        Returns
        -------
        GeneratedFeaturesDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If the data are not of the same rows and columns.
        """
        made = {"mean": generated, "lower": lower, "upper": upper}
        return cls._of(one_view(X_missing, made, None, modality)).plot(ax, n_features=n_features)

    @classmethod
    def _of(cls, view: View) -> Self:
        return cls(true=view.true, names=view.columns, **view.made)

    def plot(self, ax: Any = None, *, n_features: int = 6) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each. None makes a figure.
        n_features : int, default=6
            How many columns to show.

        Returns
        -------
        GeneratedFeaturesDisplay
            The display itself.
        """
        self.errors_ = np.asarray(
            missing_rmse(self.true, self.mean, scale="std", multioutput="raw_values")
        )
        self.features_ = np.argsort(-self.errors_, kind="stable")[:n_features]
        count = len(self.features_)
        self.axes_ = several_axes("GeneratedFeaturesDisplay.plot", ax, count, 3, (3.0, 2.8))
        self.figure_ = self.axes_[0].figure
        self.points_: list[tuple[Any, ...]] = []
        self.intervals_: list[Any] = []
        for axes, feature in zip(self.axes_, self.features_, strict=True):
            self._draw(axes, feature)
        self.legend_ = one_legend(self.axes_, ax)
        return self

    def _draw(self, axes: Any, feature: int) -> None:
        known = ~np.isnan(self.true[:, feature])
        parts = (self.true, self.mean, self.lower, self.upper)
        true, mean, lower, upper = (each[known, feature] for each in parts)
        self.intervals_.append(
            axes.vlines(mean, lower, upper, color=COLORS[0], alpha=0.25, label="interval")
        )
        covered = (lower <= true) & (true <= upper)
        looks = [(covered, COLORS[0], "o", "within"), (~covered, COLORS[1], "x", "outside")]
        self.points_.append(
            tuple(
                axes.scatter(mean[rows], true[rows], s=14, color=color, marker=marker, label=label)
                for rows, color, marker, label in looks
            )
        )
        axes.axline((mean.mean(),) * 2, slope=1, color=ink(), linestyle=":", linewidth=1, alpha=0.7)
        title = f"{self.names[feature]}: error {self.errors_[feature]:.2f} std"
        axes.set(title=title, xlabel="generated", ylabel="true")
