"""PosteriorCollapseDisplay: shares of latent dimensions that tell nothing."""

from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics import posterior_collapse_curve
from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._axes import next_look, one_axes


class CollapseCurve:
    """A curve that rises from the left; several of them go on the same axes."""

    _labels: tuple[str, str]

    def __init__(
        self, *, collapsed: np.ndarray, thresholds: np.ndarray, name: str | None = None
    ) -> None:
        self.collapsed = collapsed
        self.thresholds = thresholds
        self.name = name

    def plot(
        self, ax: Any = None, *, name: str | None = None, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        name : str, default=None
            What the line is called in the legend. None takes the name of the display.
        line_kw : dict, default=None
            Keywords for the line, passed on to matplotlib.

        Returns
        -------
        Display
            The display itself.
        """
        self.ax_ = one_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = self.ax_.figure
        label = self.name if name is None else name
        look = next_look(self.ax_) | {"label": label} | (line_kw or {})
        (self.line_,) = self.ax_.plot(self.thresholds, self.collapsed, **look)
        self.ax_.set(xlabel=self._labels[0], ylabel=self._labels[1], ylim=(-0.03, 1.03))
        if label is not None:
            self.ax_.legend(fontsize="small")
        return self


class PosteriorCollapseDisplay(CollapseCurve):
    r"""Share of latent dimensions that tell nothing, by the divergence that counts as nothing.

    Make one by `from_estimator` or `from_predictions`; several of them go on the same axes. It is
    the top panel of figure 6 of [1]_. A curve that starts high is of a model whose latent variables
    tell little of what they were shown. A lower ω cures it.

    Parameters
    ----------
    collapsed : ndarray of shape (n_thresholds,)
        Share of the dimensions that are collapsed at each threshold.
    thresholds : ndarray of shape (n_thresholds,)
        Divergences, in nats.
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
    sklearn_cmmd.metrics.posterior_collapse_curve : The curve.
    VarianceDisplay : The same for what is generated.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).

    Examples
    --------
    >>> from sklearn_cmmd import CMMDTransformer
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import PosteriorCollapseDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> ax = None
    >>> for omega in (0.0, 1.0):
    ...     embed = CMMDTransformer(
    ...         omega=omega, hidden_layer_sizes=(16,), max_epochs=3, random_state=0)
    ...     embed = embed.fit(digits.data, X_missing=digits.data_missing)
    ...     display = PosteriorCollapseDisplay.from_estimator(
    ...         embed, digits.data, X_missing=digits.data_missing, name=f"ω = {omega}", ax=ax)
    ...     ax = display.ax_
    >>> len(ax.get_lines())
    2
    """

    _labels = "divergence ε, nats", "share of latent dimensions below ε"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        *,
        of: str = "encoder",
        delta: float = 0.01,
        thresholds: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Compare the latent variables of a fitted estimator, and draw the curve.

        Parameters
        ----------
        estimator : CMMDClassifier, CMMDRegressor or CMMDTransformer, or what holds one
            Fitted estimator. Of an ensemble take each of ``estimators_``.
        X : as in `fit`, of shape (n, ...)
            The observed modalities.
        y : as in `fit`, default=None
            What is true of the rows, for an encoder that sees it.
        X_missing : as in `fit`, default=None
            The missing modalities of the same rows.
        of : {"encoder", "prior"}, default="encoder"
            Whose divergence. "encoder" is that of q(z|x_O, x_M, y) from p(z|x_O): what x_M and y
            add. "prior" is that of p(z|x_O) from N(0, I): what x_O tells.
        delta : float, default=0.01
            Share of the rows that may be above ε.
        thresholds : array-like of shape (n_thresholds,), default=None
            Values of ε, in nats. None stands for the paper's, 40 from 0 to 6.
        name : str, default=None
            What the line is called in the legend. None makes no legend.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        line_kw : dict, default=None
            Keywords for the line, passed on to matplotlib.

        Returns
        -------
        PosteriorCollapseDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If the encoder needs what was not given, or this is not a single estimator.
        """
        estimator, X = generator_of(estimator, X)
        if not hasattr(estimator, "posterior"):
            raise TypeError(
                "estimator must be a CMMDClassifier, CMMDRegressor or CMMDTransformer. Got "
                f"{type(estimator).__name__}; of an ensemble take each of estimators_."
            )
        if of not in ("encoder", "prior"):
            raise ValueError(f'of must be "encoder" or "prior". Got {of!r} instead.')
        prior = estimator.transform(X, return_std=True)
        is_prior = of == "prior"
        loc, scale = prior if is_prior else estimator.posterior(X, y, X_missing)
        reference = None if is_prior else prior
        return cls.from_predictions(
            loc,
            scale,
            reference,
            delta=delta,
            thresholds=thresholds,
            name=name,
            ax=ax,
            line_kw=line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        loc: Any,
        scale: Any,
        reference: tuple[Any, Any] | None = None,
        *,
        delta: float = 0.01,
        thresholds: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Compare normal variables, and draw the curve.

        Parameters
        ----------
        loc, scale : array-like of shape (n, latent_dim)
            Means and standard deviations, as ``transform(X, return_std=True)`` or
            ``posterior(X, y, X_missing)`` returned them.
        reference : tuple of two array-likes of shape (n, latent_dim), default=None
            Means and standard deviations of what they are compared with. None stands for N(0, I).
        delta : float, default=0.01
            Share of the rows that may be above ε.
        thresholds : array-like of shape (n_thresholds,), default=None
            Values of ε, in nats. None stands for the paper's, 40 from 0 to 6.
        name : str, default=None
            What the line is called in the legend. None makes no legend.
        ax : matplotlib Axes, default=None
            Axes to draw on, such as those of another display. None makes a figure.
        line_kw : dict, default=None
            Keywords for the line, passed on to matplotlib.

        Returns
        -------
        PosteriorCollapseDisplay
            The display.

        Raises
        ------
        ValueError
            If shapes differ, or a deviation is not positive.
        """
        collapsed, thresholds = posterior_collapse_curve(
            loc, scale, reference, delta=delta, thresholds=thresholds
        )
        return cls(collapsed=collapsed, thresholds=thresholds, name=name).plot(ax, line_kw=line_kw)
