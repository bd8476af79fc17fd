"""What all Displays have in common: where they draw, in which colours, and what they need."""

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from sklearn_cmmd import plotting
from sklearn_cmmd.plotting import (
    DrawCalibrationDisplay,
    GeneratedFeaturesDisplay,
    GeneratedImagesDisplay,
    IntervalCalibrationDisplay,
    LatentSpaceDisplay,
    OmegaCurveDisplay,
    PosteriorCollapseDisplay,
    TrainingDisplay,
    VarianceDisplay,
)

RNG = np.random.default_rng(0)
TRUE = RNG.normal(size=(30, 4))
HISTORY = {"train_loss": [3.0, 2.0, 1.5], "train_kl": [1.0, 2.0, 3.0], "valid_loss": [3.0, 2, 2]}
CURVES = {
    f"lam={lam}": (
        np.array([0.0, 1.0]),
        {"a": RNG.random((2, 3)), "b": RNG.random((2, 3))},
    )
    for lam in (1, 10)
}

# Each makes a display, on axes if these are given; those of several panels say how many.
ONE = {
    "latent labels": lambda ax=None: LatentSpaceDisplay.from_predictions(
        TRUE, np.arange(30) % 3, name="kind", ax=ax
    ),
    "latent numbers": lambda ax=None: LatentSpaceDisplay.from_predictions(TRUE, TRUE[:, 0], ax=ax),
    "intervals": lambda ax=None: IntervalCalibrationDisplay.from_predictions(
        TRUE, {0.5: (TRUE - 1, TRUE + 1), 0.9: (TRUE - 2, TRUE + 2)}, ax=ax
    ),
    "draws": lambda ax=None: DrawCalibrationDisplay.from_predictions(
        TRUE, RNG.normal(size=(30, 9, 4)), ax=ax
    ),
    "collapse": lambda ax=None: PosteriorCollapseDisplay.from_predictions(
        TRUE, np.ones_like(TRUE), name="one", ax=ax
    ),
    "variance": lambda ax=None: VarianceDisplay.from_predictions(TRUE**2, name="one", ax=ax),
}
SEVERAL = {
    "training": (2, lambda ax=None: TrainingDisplay.from_history(HISTORY, kept=2, ax=ax)),
    "omega": (2, lambda ax=None: OmegaCurveDisplay(curves=CURVES, chosen=1.0).plot(ax)),
    "images": (
        12,
        lambda ax=None: GeneratedImagesDisplay.from_predictions(
            TRUE[:4], TRUE[:4], TRUE[:4, None], image_shape=(2, 2), titles="abcd", ax=ax
        ),
    ),
    "features": (
        4,
        lambda ax=None: GeneratedFeaturesDisplay.from_predictions(
            TRUE, TRUE * 0.9, TRUE - 1, TRUE + 0.1, ax=ax
        ),
    ),
}
ALL = ONE | {name: make for name, (_, make) in SEVERAL.items()}


def test_each_display_is_tried_here():
    shown = {type(make()).__name__ for make in ALL.values()}
    assert shown == set(plotting.__all__)


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_without_axes_there_is_one_new_figure(make):
    display = make()
    assert plt.get_fignums() == [display.figure_.number]


@pytest.mark.parametrize("make", ONE.values(), ids=ONE)
def test_all_is_drawn_on_the_axes_given(make):
    left, right = Figure(layout="constrained").subplots(1, 2)
    display = make(left)
    assert display.ax_ is left
    assert display.figure_ is left.figure
    assert left.has_data()
    assert not right.has_data()
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("count", "make"), SEVERAL.values(), ids=SEVERAL)
def test_panels_take_the_place_of_the_axes_given(count, make):
    left, right = Figure(layout="constrained").subplots(1, 2)
    display = make(left)
    assert display.figure_ is left.figure
    assert not left.axison
    display.figure_.canvas.draw()
    for panel in display.axes_.ravel():
        assert panel.has_data()
        assert panel.get_position().x1 < right.get_position().x0
    assert not right.has_data()
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("count", "make"), SEVERAL.values(), ids=SEVERAL)
def test_each_panel_may_have_axes_of_its_own(count, make):
    axes = Figure().subplots(2, count // 2)
    display = make(axes)
    assert display.axes_.ravel().tolist() == axes.ravel().tolist()
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match=f"ax must hold {count} axes, one a panel. Got 1"):
        make(axes.ravel()[:1])


def test_a_single_panel_is_drawn_on_the_axes_given():
    ax = Figure().subplots()
    (panel,) = TrainingDisplay.from_history(HISTORY, terms=["kl"], ax=ax).axes_
    assert panel is ax
    assert ax.axison


@pytest.mark.parametrize("make", [make for _, make in SEVERAL.values()], ids=SEVERAL)
def test_axes_without_a_place_in_a_grid_cannot_be_divided(make):
    ax = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="have no place in a grid"):
        make(ax)
    assert ax.axison


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_display_is_drawn_again_elsewhere(make):
    display = make()
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first
    assert len(plt.get_fignums()) == 2


STYLE = {"text.color": "#010203", "axes.labelcolor": "#020304", "xtick.color": "#030405"}
STYLE |= {"ytick.color": "#040506", "figure.facecolor": "#050607", "axes.facecolor": "none"}


@pytest.fixture(scope="module", params=ALL.values(), ids=ALL)
def drawn(request):
    """Draw a figure in a style whose colours are nobody's."""
    with mpl.rc_context(STYLE):
        figure = request.param().figure_
        figure.canvas.draw()
    return figure


def test_texts_have_the_colours_of_the_style(drawn):
    texts = [text for text in drawn.findobj(Text) if text.get_text() and text.get_visible()]
    assert {mpl.colors.to_hex(text.get_color()) for text in texts} <= set(list(STYLE.values())[:4])


def test_backgrounds_are_those_of_the_style(drawn):
    assert mpl.colors.to_hex(drawn.get_facecolor()) == STYLE["figure.facecolor"]
    assert {axes.get_facecolor()[3] for axes in drawn.axes if axes.axison} <= {0.0}


def test_nothing_is_cut_off_and_no_letters_are_tiny(drawn):
    box, (width, height) = drawn.get_tightbbox(), drawn.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
    assert min(text.get_fontsize() for text in drawn.findobj(Text) if text.get_text()) >= 8


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_matplotlib_is_asked_for_by_name(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display.plot requires matplotlib"):
        make()
