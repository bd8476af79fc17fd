"""GeneratedImagesDisplay: true pictures, beside what was generated."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sklearn_cmmd.metrics._scorers import generator_of
from sklearn_cmmd.plotting._axes import several_axes
from sklearn_cmmd.plotting._views import View, first_rows, one_view


class GeneratedImagesDisplay:
    """True pictures in the first line, below them the mean and draws for the same rows.

    Make one by `from_estimator` or `from_predictions`. A mean is blurred where x_O leaves the
    picture open. Draws show what it may look like; if they all look alike, the model is sure.

    Parameters
    ----------
    true : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        True pictures, NaN where a row has none.
    mean : ndarray of the same shape
        Means.
    draws : ndarray of shape (n, n_draws, height, width, ...), default=None
        Draws.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (n_lines, n)
        One for each picture.
    figure_ : matplotlib Figure
        The figure that holds them.
    images_ : ndarray of matplotlib AxesImage, of shape (n_lines, n)
        The pictures.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import GeneratedImagesDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="pixels")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> clf = clf.fit(digits.data, digits.target, X_missing=digits.data_missing)
    >>> display = GeneratedImagesDisplay.from_estimator(
    ...     clf, digits.data[::200], digits.data_missing[::200], image_shape=(16, 15))
    >>> display.images_.shape
    (4, 8)
    """

    def __init__(
        self, *, true: np.ndarray, mean: np.ndarray, draws: np.ndarray | None = None
    ) -> None:
        self.true = true
        self.mean = mean
        self.draws = draws

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_missing: Any,
        *,
        modality: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        n_rows: int = 8,
        n_samples: int = 2,
        random_state: int | np.random.RandomState | None = None,
        titles: Sequence[Any] | None = None,
        ax: Any = None,
        imshow_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Generate pictures for the first rows, and draw them.

        Parameters
        ----------
        estimator : estimator with `generate_missing`, or a pipeline or search that has one
            Fitted estimator.
        X : as in `fit`, of shape (n, ...)
            The observed modalities.
        X_missing : as in `fit`, of shape (n, ...)
            The true missing modalities of the same rows.
        modality : str, default=None
            Name of the missing modality to show. None stands for the only one.
        image_shape : tuple of int, default=None
            Shape of a picture, for one that is a row of a table. None takes that of the modality.
        n_rows : int, default=8
            How many rows to show, the first ones.
        n_samples : int, default=2
            Number of draws for each row; 0 shows none.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.
        titles : list, default=None
            What to write above the pictures, such as labels of the rows.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the pictures are drawn, or one for each. None makes a figure.
        imshow_kw : dict, default=None
            Keywords for the pictures, passed on to matplotlib.

        Returns
        -------
        GeneratedImagesDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If this generates nothing, or the modality has no shape of a picture.
        """
        estimator, X = generator_of(estimator, X)
        X, X_missing = first_rows(X, n_rows), first_rows(X_missing, n_rows)
        mean, draws = estimator.generate_missing(X), None
        if n_samples:
            draws = estimator.generate_missing(X, n_samples=n_samples, random_state=random_state)
        view = one_view(X_missing, {"mean": mean}, draws, modality, estimator._missing_side)
        return cls._of(view, image_shape, view.channels).plot(
            ax, titles=titles, imshow_kw=imshow_kw
        )

    @classmethod
    def from_predictions(
        cls,
        X_missing: Any,
        generated: Any,
        draws: Any = None,
        *,
        modality: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        channels: str | None = None,
        n_rows: int = 8,
        titles: Sequence[Any] | None = None,
        ax: Any = None,
        imshow_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw pictures that were generated.

        Parameters
        ----------
        X_missing : array-like or mapping of these, of shape (n, ...)
            True pictures. Rows may lack them (NaN).
        generated : as `X_missing`
            What ``generate_missing(X)`` or ``impute(X)`` returned for the same rows.
        draws : array-like of shape (n, n_draws, ...) or mapping of these, default=None
            What ``generate_missing(X, n_samples=...)`` returned.
        modality : str, default=None
            Entry of the mappings to show. None stands for the only one.
        image_shape : tuple of int, default=None
            Shape of a picture, for one that is a row of a table.
        channels : {"first", "last"}, default=None
            Which axis holds channels. None takes the last one, if there are three.
        n_rows : int, default=8
            How many rows to show, the first ones.
        titles : list, default=None
            What to write above the pictures, such as labels of the rows.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the pictures are drawn, or one for each. None makes a figure.
        imshow_kw : dict, default=None
            Keywords for the pictures, passed on to matplotlib.

        Returns
        -------
        GeneratedImagesDisplay
            The display.

        Raises
        ------
        ValueError, TypeError
            If the data are not of the same rows and columns, or have no shape of a picture.
        """
        true, mean = first_rows(X_missing, n_rows), first_rows(generated, n_rows)
        some = None if draws is None else first_rows(draws, n_rows)
        view = one_view(true, {"mean": mean}, some, modality)
        return cls._of(view, image_shape, channels).plot(ax, titles=titles, imshow_kw=imshow_kw)

    @classmethod
    def _of(cls, view: View, shape: tuple[int, ...] | None, channels: str | None) -> Self:
        shape = view.shape if shape is None else tuple(shape)
        if len(shape) not in (2, 3) or np.prod(shape) != len(view.columns):
            raise ValueError(
                f"A row of {view.name} has shape {view.shape}, which is no picture. Say how it "
                f"makes one: image_shape=(height, width) of {len(view.columns)} values."
            )
        arrays = {"true": view.true} | view.made
        return cls(**{name: _pictures(each, shape, channels) for name, each in arrays.items()})

    def plot(
        self,
        ax: Any = None,
        *,
        titles: Sequence[Any] | None = None,
        imshow_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the pictures are drawn, or one for each. None makes a figure.
        titles : list, default=None
            What to write above the pictures, such as labels of the rows.
        imshow_kw : dict, default=None
            Keywords for the pictures, passed on to matplotlib.

        Returns
        -------
        GeneratedImagesDisplay
            The display itself.
        """
        lines = {"true": self.true, "mean": self.mean}
        if self.draws is not None:
            lines |= {f"draw {i}": each for i, each in enumerate(np.moveaxis(self.draws, 1, 0), 1)}
        n_rows, height, width = self.true.shape[:3]
        size = (0.9, 0.9 * height / width)
        count = len(lines) * n_rows
        axes = several_axes("GeneratedImagesDisplay.plot", ax, count, n_rows, size)
        self.axes_ = axes.reshape(len(lines), n_rows)
        self.figure_ = axes[0].figure
        self.images_ = np.empty(self.axes_.shape, dtype=object)
        low, high = np.nanmin(self.true), np.nanmax(self.true)
        look = {"cmap": "gray", "vmin": low, "vmax": high} | (imshow_kw or {})
        for number, (name, pictures) in enumerate(lines.items()):
            for row, picture in enumerate(pictures):
                shown = _in_colour(picture, low, high) if picture.ndim == 3 else picture
                self.images_[number, row] = self.axes_[number, row].imshow(shown, **look)
                self.axes_[number, row].set(xticks=[], yticks=[])
            label = self.axes_[number, 0].set_ylabel(name, rotation=0, ha="right", va="center")
            label.set_fontsize("medium")
        for axes, title in zip(self.axes_[0], titles if titles is not None else (), strict=False):
            axes.set_title(title)
        return self


def _pictures(values: np.ndarray, shape: tuple[int, ...], channels: str | None) -> np.ndarray:
    """Bring columns to the shape of a picture, channels last and left out if there is one."""
    pictures = values.reshape(*values.shape[:-1], *shape)
    if len(shape) == 2:
        return pictures
    if channels == "first":
        pictures = np.moveaxis(pictures, -3, -1)
    if pictures.shape[-1] == 1:
        return pictures[..., 0]
    if pictures.shape[-1] not in (3, 4):
        raise ValueError(
            f"A picture has 1, 3 or 4 channels. Got {pictures.shape[-1]}, from the shape {shape} "
            f"with channels={channels!r}."
        )
    return pictures


def _in_colour(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring values to [0, 1], as matplotlib wants those of colours."""
    return np.clip((picture - low) / max(high - low, 1e-12), 0, 1)
