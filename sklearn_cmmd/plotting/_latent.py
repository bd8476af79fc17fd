"""LatentSpaceDisplay: the embedding, in two dimensions."""

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from sklearn_cmmd.data.labels import check_labels
from sklearn_cmmd.plotting._axes import COLORS, MARKERS, one_axes

# More classes than that are not told apart by colours and markers.
MOST_LABELS = 20


class LatentSpaceDisplay:
    """The embedding of rows in two dimensions, coloured by a label or by a number.

    Make one by `from_estimator` or `from_predictions`. Classes that lie apart can be told from x_O.
    Distances within a figure of t-SNE or UMAP mean little, those of PCA are of the embedding.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Places of the rows.
    y : array-like of shape (n,), default=None
        Labels or numbers of the rows; −1 or NaN where there is none. None gives all one colour.
    axis_names : tuple of str, default=('', '')
        Names of the two axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds them.
    points_ : list of matplotlib PathCollection
        The points: of each label, or all of them; those without a label come first.
    colorbar_ : matplotlib Colorbar or None
        The scale of colours, if `y` holds numbers.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import LatentSpaceDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> clf = clf.fit(digits.data, digits.target, X_missing=digits.data_missing)
    >>> display = LatentSpaceDisplay.from_estimator(clf, digits.data, digits.target)
    >>> len(display.points_)
    10
    """

    def __init__(
        self, *, points: np.ndarray, y: Any = None, axis_names: tuple[str, str] = ("", "")
    ) -> None:
        self.points = points
        self.y = y
        self.axis_names = axis_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        method: Any = "pca",
        name: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Embed rows by ``estimator.transform(X)``, and draw them.

        Parameters
        ----------
        estimator : estimator with `transform`
            Fitted estimator. Of an ensemble, the embeddings of all members stand side by side.
        X : as in `fit`, of shape (n, ...)
            The observed modalities.
        y : array-like of shape (n,), default=None
            What to colour rows by: strings, bools and at most 20 different ints are labels, all
            else are numbers.
        method : {"pca", "tsne", "umap"} or transformer, default="pca"
            How to come to two dimensions. "umap" needs the package umap-learn. A transformer is
            cloned and fitted to the embedding.
        name : str, default=None
            What `y` is called, for legend and scale of colours.
        random_state : int, RandomState instance or None, default=None
            Seed of t-SNE and UMAP.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.
        scatter_kw : dict, default=None
            Keywords for the points, passed on to matplotlib.

        Returns
        -------
        LatentSpaceDisplay
            The display.

        Raises
        ------
        ValueError, ImportError
            If the method is not known, or needs a package that is not there.
        """
        return cls.from_predictions(
            estimator.transform(X),
            y,
            method=method,
            name=name,
            random_state=random_state,
            ax=ax,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        embedding: Any,
        y: Any = None,
        *,
        method: Any = "pca",
        name: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n, latent_dim)
            What ``transform(X)`` returned.
        y : array-like of shape (n,), default=None
            What to colour rows by: strings, bools and at most 20 different ints are labels, all
            else are numbers.
        method : {"pca", "tsne", "umap"} or transformer, default="pca"
            How to come to two dimensions.
        name : str, default=None
            What `y` is called, for legend and scale of colours.
        random_state : int, RandomState instance or None, default=None
            Seed of t-SNE and UMAP.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.
        scatter_kw : dict, default=None
            Keywords for the points, passed on to matplotlib.

        Returns
        -------
        LatentSpaceDisplay
            The display.

        Raises
        ------
        ValueError, ImportError
            If the method is not known, or needs a package that is not there.
        """
        embedding = check_array(embedding, input_name="embedding")
        if y is not None:
            check_consistent_length(embedding, y)
        points, axis_names = _in_two(embedding, method, random_state)
        display = cls(points=points, y=y, axis_names=axis_names)
        return display.plot(ax, name=name, scatter_kw=scatter_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.
        name : str, default=None
            What `y` is called, for legend and scale of colours.
        scatter_kw : dict, default=None
            Keywords for the points, passed on to matplotlib.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.
        """
        self.ax_ = one_axes("LatentSpaceDisplay.plot", ax)
        self.figure_ = self.ax_.figure
        self.colorbar_ = None
        look = {"s": 18, "linewidths": 0} | (scatter_kw or {})
        if self.y is None:
            self.points_ = [self.ax_.scatter(*self.points.T, **{"color": COLORS[0]} | look)]
        elif _are_labels(self.y):
            self._draw_labels(name, look)
        else:
            self._draw_numbers(name, look)
        self.ax_.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        return self

    def _draw_labels(self, name: str | None, look: dict[str, Any]) -> None:
        labels, known = check_labels(self.y)
        self.points_ = [] if known.all() else [self._draw_unknown(~known, "no label", look)]
        for number, label in enumerate(np.unique(labels[known])):
            own = {
                "color": COLORS[number % len(COLORS)],
                "marker": MARKERS[number % len(MARKERS)],
                "label": str(label),
            }
            rows = known & (labels == label)
            self.points_.append(self.ax_.scatter(*self.points[rows].T, **own | look))
        beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
        self.ax_.legend(title=name, fontsize="small", markerscale=1.5, **beside)

    def _draw_numbers(self, name: str | None, look: dict[str, Any]) -> None:
        values = np.asarray(self.y, dtype=float)
        known = np.isfinite(values)
        self.points_ = [] if known.all() else [self._draw_unknown(~known, "", look)]
        # Grey edges keep the ends of the scale apart from a white and from a black background.
        own = {"c": values[known], "edgecolors": "0.5", "linewidths": 0.3, "cmap": "viridis"}
        shown = self.ax_.scatter(*self.points[known].T, **look | own)
        self.points_.append(shown)
        self.colorbar_ = self.figure_.colorbar(shown, ax=self.ax_, label=name or "")

    def _draw_unknown(self, rows: np.ndarray, label: str, look: dict[str, Any]) -> Any:
        own = {"color": "0.5", "alpha": 0.4, "label": label}
        return self.ax_.scatter(*self.points[rows].T, **look | own)


def _are_labels(y: Any) -> bool:
    values = np.asarray(y)
    if values.dtype.kind == "f":
        return False
    return values.dtype.kind not in "iu" or len(np.unique(values)) <= MOST_LABELS


def _in_two(
    embedding: np.ndarray, method: Any, random_state: Any
) -> tuple[np.ndarray, tuple[str, str]]:
    """Return places in the plane, and what its axes are."""
    if embedding.shape[1] == 2 and isinstance(method, str):
        return embedding, ("z 1", "z 2")
    if method == "pca":
        pca = PCA(2).fit(embedding)
        shares = pca.explained_variance_ratio_
        first, second = (
            f"PC {i} ({share:.0%} of the variance)" for i, share in enumerate(shares, 1)
        )
        return pca.transform(embedding), (first, second)
    if method == "tsne":
        # Its default perplexity, 30 neighbours, is too much for few rows.
        perplexity = min(30.0, (len(embedding) - 1) / 3)
        method, title = TSNE(perplexity=perplexity, random_state=random_state), "t-SNE"
    elif method == "umap":
        method, title = _umap(random_state), "UMAP"
    elif hasattr(method, "fit_transform"):
        method, title = clone(method), type(method).__name__
    else:
        raise ValueError(
            f'method must be "pca", "tsne", "umap" or a transformer. Got {method!r} instead.'
        )
    points = np.asarray(method.fit_transform(embedding))
    if points.shape != (len(embedding), 2):
        raise ValueError(
            f"method must come to two dimensions, but gave an array of shape {points.shape}. "
            "Set n_components=2."
        )
    return points, (f"{title} 1", f"{title} 2")


def _umap(random_state: Any) -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            'method="umap" needs the package umap-learn: pip install umap-learn. "tsne" needs none.'
        ) from error
    return UMAP(random_state=random_state)
