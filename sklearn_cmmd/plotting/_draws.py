"""DrawCalibrationDisplay: places of true values among draws."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics import probability_integral_transform
from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._axes import ink, label_of, next_look, one_axes


class DrawCalibrationDisplay:
    """Places of the true values among draws: uniform if the draws are right.

    Make one by `from_estimator` or `from_predictions`. High at both ends, the draws are too narrow;
    high in the middle, too wide; high at one end, too low or too high.

    Parameters
    ----------
    places : dict of str to ndarray of shape (n, ...)
        For each modality the probability integral transforms, in [0, 1], NaN where rows lack it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds them.
    steps_ : list of matplotlib StepPatch
        Densities of the places, of each modality.
    level_ : matplotlib Line2D
        The density if the draws are right, one.

    See Also
    --------
    sklearn_cmmd.metrics.probability_integral_transform : The places.
    IntervalCalibrationDisplay : The same question, of intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.plotting import DrawCalibrationDisplay
    >>> rng = np.random.default_rng(0)
    >>> true, draws = rng.normal(size=(500, 2)), rng.normal(size=(500, 99, 2))
    >>> display = DrawCalibrationDisplay.from_predictions(true, draws, random_state=0)
    >>> display.places["X_missing"].shape
    (500, 2)
    """

    def __init__(self, *, places: Mapping[str, np.ndarray]) -> None:
        self.places = places

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_missing: Any,
        *,
        n_samples: int = 99,
        random_state: int | np.random.RandomState | None = None,
        n_bins: int = 20,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw from the model for rows of a test, and show where the true values are.

        Parameters
        ----------
        estimator : estimator with `generate_missing`, or a pipeline or search that has one
            Fitted estimator.
        X : as in `fit`, of shape (n, ...)
            The observed modalities of rows that were not in the fit.
        X_missing : as in `fit`, of shape (n, ...)
            Their true missing modalities.
        n_samples : int, default=99
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws, and of the places of values that equal some.
        n_bins : int, default=20
            Number of bins.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.

        Returns
        -------
        DrawCalibrationDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If this generates nothing, or the data are not of the same rows and columns.
        """
        estimator, X = generator_of(estimator, X)
        draws = estimator.generate_missing(X, n_samples=n_samples, random_state=random_state)
        return cls.from_predictions(
            X_missing, draws, random_state=random_state, n_bins=n_bins, name=name, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        X_missing: Any,
        draws: Any,
        *,
        random_state: int | np.random.RandomState | None = None,
        n_bins: int = 20,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw where true values are among draws.

        Parameters
        ----------
        X_missing : array-like, DataFrame or mapping of these, of shape (n, ...)
            True values. Rows may lack them (NaN).
        draws : array-like of shape (n, n_draws, ...), or mapping of these
            What ``generate_missing(X, n_samples=...)`` returned.
        random_state : int, RandomState instance or None, default=None
            Seed of the places of values that equal some draws.
        n_bins : int, default=20
            Number of bins.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.

        Returns
        -------
        DrawCalibrationDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If the data are not of the same rows and columns.
        """
        places = probability_integral_transform(X_missing, draws, random_state=random_state)
        named = places if isinstance(places, Mapping) else {"X_missing": places}
        return cls(places=named).plot(ax, n_bins=n_bins, name=name)

    def plot(self, ax: Any = None, *, n_bins: int = 20, name: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        n_bins : int, default=20
            Number of bins.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.

        Returns
        -------
        DrawCalibrationDisplay
            The display itself.
        """
        self.ax_ = one_axes("DrawCalibrationDisplay.plot", ax, (4.2, 3.8))
        self.figure_ = self.ax_.figure
        self.level_ = self.ax_.axhline(1, color=ink(), linestyle=":", linewidth=1, alpha=0.7)
        self.steps_ = []
        for key, places in self.places.items():
            values = places[np.isfinite(places)]
            density, edges = np.histogram(values, bins=n_bins, range=(0, 1), density=True)
            look = {"label": label_of(key, name, len(self.places)), "linewidth": 1.8}
            look |= next_look(self.ax_)
            self.steps_.append(self.ax_.stairs(density, edges, baseline=None, **look))
        self.ax_.set(xlabel="place of the true value among the draws", ylabel="density")
        self.ax_.set_xlim(0, 1)
        self.ax_.autoscale(axis="y")  # anew, where another display has set the limits
        self.ax_.set_ylim(bottom=0)
        self.ax_.legend(fontsize="small")
        return self
