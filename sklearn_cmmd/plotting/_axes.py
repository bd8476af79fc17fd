"""Where a Display draws, and colours that print and hold on light and dark backgrounds."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

# Ten colours by Petroff (https://arxiv.org/abs/2107.02270), which the colour-blind tell apart. The
# first six have a contrast of three and more with white and with black.
COLORS = (
    "#3f90da",
    "#e76300",
    "#832db6",
    "#a96b59",
    "#bd1f01",
    "#717581",
    "#b9ac70",
    "#94a4a2",
    "#ffa90e",
    "#92dadd",
)
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def one_axes(caller: str, ax: Any, size: tuple[float, float] = (5.0, 3.6)) -> Any:
    """Return the axes to draw on, those of a new figure if they are None."""
    check_matplotlib_support(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def several_axes(
    caller: str,
    ax: Any,
    n_panels: int,
    n_columns: int,
    size: tuple[float, float],
) -> np.ndarray:
    """Return axes for so many panels: in a new figure, in the place of one axes, or those given.

    `size` is that of a panel in inches.
    """
    check_matplotlib_support(caller)
    if n_panels == 1 and ax is not None:
        ax = [ax] if np.ndim(ax) == 0 else ax
    if isinstance(ax, (Sequence, np.ndarray)):
        given = np.ravel(np.asarray(ax, dtype=object))
        if len(given) != n_panels:
            raise ValueError(f"ax must hold {n_panels} axes, one a panel. Got {len(given)}.")
        return given
    n_columns = min(n_columns, n_panels)
    n_rows = ceil(n_panels / n_columns)
    if ax is None:
        import matplotlib.pyplot as plt

        figsize = (size[0] * n_columns, size[1] * n_rows)
        figure = plt.figure(figsize=figsize, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        figure, grid = ax.figure, _divided(ax, n_rows, n_columns)
    return np.array([figure.add_subplot(grid[i]) for i in range(n_panels)], dtype=object)


def _divided(ax: Any, n_rows: int, n_columns: int) -> Any:
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "These axes have no place in a grid that could be divided. Make them with "
            "plt.subplots(), or pass an array of axes, one a panel."
        )
    ax.set_axis_off()
    return place.subgridspec(n_rows, n_columns)


def one_legend(axes: np.ndarray, ax: Any, title: str | None = None) -> Any:
    """Return a legend for all panels: above them in a new figure, in the first on given axes."""
    handles, labels = axes[0].get_legend_handles_labels()
    look = {"fontsize": "small", "title": title, "title_fontsize": "small"}
    if ax is not None:
        return axes[0].legend(handles, labels, **look)
    above = {"loc": "outside upper center", "ncols": min(len(labels), 4), "frameon": False}
    return axes[0].figure.legend(handles, labels, **look, **above)


def ink() -> Any:
    """Return the colour of text, which is legible on whatever the background is."""
    import matplotlib as mpl

    return mpl.rcParams["text.color"]


def next_look(ax: Any, markers: bool = False) -> dict[str, str]:
    """Return a look that differs from those of what is in the legend of the axes already."""
    number = len(ax.get_legend_handles_labels()[1])
    look = {"color": COLORS[number % len(COLORS)], "linestyle": LINES[number % len(LINES)]}
    return look | ({"marker": MARKERS[number % len(MARKERS)]} if markers else {})


def label_of(modality: str, name: str | None, n_modalities: int) -> str:
    """Return what a legend calls a modality, of something with a name."""
    if name is None:
        return modality
    return name if n_modalities == 1 else f"{name}, {modality}"
