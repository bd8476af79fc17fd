"""IntervalCalibrationDisplay: coverage held, against coverage promised."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics import interval_coverage
from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._axes import ink, label_of, next_look, one_axes
from sklearn_cmmd.plotting._views import intervals_of

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class IntervalCalibrationDisplay:
    """Share of true values within their intervals, against the share that was promised.

    Make one by `from_estimator` or `from_predictions`. Below the diagonal, intervals are too
    narrow; above it, too wide. The band holds four fifths of the columns: it is wide where some
    columns have intervals that are too narrow and others too wide.

    It is for intervals. For probabilities of classes take
    :class:`sklearn.calibration.CalibrationDisplay`.

    Parameters
    ----------
    promised : ndarray of shape (n_coverages,)
        Coverages that were asked for.
    held : dict of str to ndarray of shape (n_coverages, n_columns)
        For each modality the shares of the true values within their intervals.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds them.
    lines_ : list of matplotlib Line2D
        Mean over the columns, of each modality.
    bands_ : list of matplotlib PolyCollection
        From the 10th to the 90th percentile of the columns, of each modality with several.
    diagonal_ : matplotlib Line2D
        Where promises are held.

    See Also
    --------
    sklearn_cmmd.metrics.interval_coverage : A single coverage.
    DrawCalibrationDisplay : The same question, of draws.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.plotting import IntervalCalibrationDisplay
    >>> true = np.random.default_rng(0).uniform(size=(500, 2))
    >>> ends = {share: (np.zeros((500, 2)), np.full((500, 2), share)) for share in (0.5, 0.9)}
    >>> display = IntervalCalibrationDisplay.from_predictions(true, ends)
    >>> bool(abs(display.held["X_missing"].mean(axis=1) - [0.5, 0.9]).max() < 0.03)
    True
    """

    def __init__(self, *, promised: np.ndarray, held: Mapping[str, np.ndarray]) -> None:
        self.promised = promised
        self.held = held

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_missing: Any,
        *,
        coverages: Sequence[float] = COVERAGES,
        n_samples: int = 200,
        random_state: int | np.random.RandomState | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Generate intervals of several coverages for rows of a test, and draw what they hold.

        Parameters
        ----------
        estimator : estimator with `generate_missing`, or a pipeline or search that has one
            Fitted estimator. The intervals of an ensemble are those of `generate_intervals`, those
            of a single estimator quantiles of its draws.
        X : as in `fit`, of shape (n, ...)
            The observed modalities of rows that were not in the fit.
        X_missing : as in `fit`, of shape (n, ...)
            Their true missing modalities.
        coverages : sequence of float, default=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
            Coverages to ask for.
        n_samples : int, default=200
            Number of draws for each row, of a single estimator.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.

        Returns
        -------
        IntervalCalibrationDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If this generates nothing, or a coverage is not between 0 and 1.
        """
        estimator, X = generator_of(estimator, X)
        intervals = intervals_of(estimator, X, coverages, n_samples, random_state)
        return cls.from_predictions(X_missing, intervals, name=name, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        X_missing: Any,
        intervals: Mapping[float, tuple[Any, Any]],
        *,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw what intervals hold that were generated, or those of numbers that were predicted.

        Parameters
        ----------
        X_missing : array-like, DataFrame or mapping of these, of shape (n, ...) or (n,)
            True values. Rows may lack them (NaN).
        intervals : dict of float to tuple
            For each coverage that was asked for the lower and the upper ends, as
            ``generate_intervals(X, coverage)`` or ``predict_interval(X, coverage)`` returned them.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.

        Returns
        -------
        IntervalCalibrationDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If the data are not of the same rows and columns.
        """
        promised = np.array(sorted(intervals), dtype=float)
        if not len(promised) or promised[0] <= 0 or promised[-1] >= 1:
            raise ValueError(
                f"intervals must have coverages between 0 and 1 as keys. Got {list(intervals)}."
            )
        shares = [
            interval_coverage(
                *[_as_columns(each) for each in (X_missing, *intervals[coverage])],
                multioutput="raw_values",
            )
            for coverage in sorted(intervals)
        ]
        keys = list(shares[0]) if isinstance(shares[0], Mapping) else [None]
        held = {
            key or "X_missing": np.stack(
                [np.ravel(share if key is None else share[key]) for share in shares]
            )
            for key in keys
        }
        return cls(promised=promised, held=held).plot(ax, name=name)

    def plot(self, ax: Any = None, *, name: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        name : str, default=None
            What the line is called in the legend. None stands for the name of the modality.

        Returns
        -------
        IntervalCalibrationDisplay
            The display itself.
        """
        self.ax_ = one_axes("IntervalCalibrationDisplay.plot", ax, (4.2, 3.8))
        self.figure_ = self.ax_.figure
        faint = {"linestyle": ":", "linewidth": 1, "alpha": 0.7}
        (self.diagonal_,) = self.ax_.plot([0, 1], [0, 1], color=ink(), **faint)
        self.lines_, self.bands_ = [], []
        for key, shares in self.held.items():
            look = next_look(self.ax_, markers=True)
            label = label_of(key, name, len(self.held))
            self.lines_ += self.ax_.plot(self.promised, shares.mean(axis=1), label=label, **look)
            if shares.shape[1] > 1:
                ends = np.percentile(shares, [10, 90], axis=1)
                self.bands_.append(
                    self.ax_.fill_between(
                        self.promised, *ends, color=look["color"], alpha=0.2, linewidth=0
                    )
                )
        self.ax_.set(xlabel="coverage promised", ylabel="coverage held", xlim=(0, 1), ylim=(0, 1))
        self.ax_.legend(fontsize="small", loc="upper left")
        return self


def _as_columns(values: Any) -> Any:
    """Return numbers of one column as a table."""
    if not isinstance(values, Mapping) and np.ndim(values) == 1:
        return np.reshape(values, (-1, 1))
    return values
