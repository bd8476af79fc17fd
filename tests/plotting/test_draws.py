"""DrawCalibrationDisplay: densities of the places of true values among draws."""

import numpy as np
import pytest

from sklearn_cmmd.metrics import probability_integral_transform
from sklearn_cmmd.plotting import DrawCalibrationDisplay
from tests import tiny

draw = DrawCalibrationDisplay.from_predictions


def densities(display, number=0):
    return display.steps_[number].get_data().values


def test_steps_are_the_density_of_the_places(rng):
    true, draws = rng.normal(size=(200, 3)), rng.normal(size=(200, 19, 3))
    display = draw(true, draws, random_state=0, n_bins=5)
    places = probability_integral_transform(true, draws, random_state=0)
    np.testing.assert_array_equal(display.places["X_missing"], places)
    counts = np.histogram(places, bins=np.linspace(0, 1, 6))[0]
    np.testing.assert_allclose(densities(display), counts / 600 * 5)
    assert set(display.level_.get_ydata()) == {1}


def test_right_draws_are_flat_narrow_ones_high_at_the_ends(rng):
    true, draws = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 39, 1))
    right = densities(draw(true, draws, random_state=0, n_bins=10))
    # Four standard errors of a share of a tenth of 4,000 values.
    assert np.abs(right - 1).max() < 40 * np.sqrt(0.09 / 4000)
    narrow = densities(draw(true, 0.3 * draws, random_state=0, n_bins=10))
    assert min(narrow[0], narrow[-1]) > 2 > narrow[5]


def test_rows_that_lack_a_value_do_not_count(rng):
    true, draws = rng.normal(size=(200, 2)), rng.normal(size=(200, 19, 2))
    half = draw(true[:100], draws[:100], random_state=0)
    true[100:] = np.nan
    np.testing.assert_allclose(densities(draw(true, draws, random_state=0)), densities(half))


def test_each_modality_has_steps(rng):
    true = {"a": rng.normal(size=(50, 2)), "b": rng.normal(size=(50, 2, 2))}
    draws = {"a": rng.normal(size=(50, 9, 2)), "b": rng.normal(size=(50, 9, 2, 2))}
    display = draw(true, draws, name="one")
    assert [steps.get_label() for steps in display.steps_] == ["one, a", "one, b"]


def test_a_display_on_the_same_axes_fits_in(rng):
    true, draws = rng.normal(size=(500, 1)), rng.normal(size=(500, 19, 1))
    first = draw(true, draws, name="right")
    second = draw(true, 0.01 * draws, name="narrow", ax=first.ax_)
    assert densities(second).max() < first.ax_.get_ylim()[1]
    assert first.ax_.get_ylim()[0] == 0
    assert first.steps_[0].get_edgecolor() != second.steps_[0].get_edgecolor()


@pytest.mark.parametrize("which", ["fitted", "ensemble"])
def test_an_estimator_draws_for_the_rows(which, request):
    estimator = request.getfixturevalue(which)
    display = DrawCalibrationDisplay.from_estimator(
        estimator, tiny.X, tiny.M, n_samples=9, random_state=0
    )
    draws = estimator.generate_missing(tiny.X, n_samples=9, random_state=0)
    places = probability_integral_transform(tiny.M, draws, random_state=0)
    np.testing.assert_array_equal(display.places["X_missing"], places)
