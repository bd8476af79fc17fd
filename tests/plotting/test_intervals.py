"""IntervalCalibrationDisplay: shares held, by coverage promised, modality and column."""

import numpy as np
import pytest

from sklearn_cmmd.plotting import IntervalCalibrationDisplay
from tests import tiny

draw = IntervalCalibrationDisplay.from_predictions


def ends_for(true, coverages, width):
    return {c: (np.zeros_like(true), np.full_like(true, c * width)) for c in coverages}


def test_the_line_is_the_share_of_values_within(rng):
    true = rng.uniform(size=(400, 3))
    display = draw(true, ends_for(true, (0.9, 0.2, 0.5), 1.0))
    (line,) = display.lines_
    assert line.get_xdata().tolist() == [0.2, 0.5, 0.9]
    held = [(true <= c).mean() for c in (0.2, 0.5, 0.9)]
    np.testing.assert_allclose(line.get_ydata(), held)


def test_the_band_holds_four_fifths_of_the_columns(rng):
    true = rng.uniform(size=(200, 11))
    (band,) = draw(true, ends_for(true, (0.2, 0.5), 1.0)).bands_
    drawn = band.get_paths()[0].vertices
    at = drawn[drawn[:, 0] == 0.5, 1]
    expected = np.percentile((true <= 0.5).mean(axis=0), [10, 90])
    assert (at.min(), at.max()) == pytest.approx(tuple(expected))


def test_the_diagonal_is_where_promises_are_held(rng):
    true = rng.uniform(size=(50, 1))
    display = draw(true, ends_for(true, (0.5,), 1.0))
    assert display.diagonal_.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert display.bands_ == []
    assert display.ax_.get_xlim() == display.ax_.get_ylim() == (0, 1)


def test_narrow_intervals_are_below_the_diagonal_and_wide_ones_above(rng):
    true = rng.uniform(size=(400, 2))
    (narrow,) = draw(true, ends_for(true, (0.3, 0.6), 0.5)).lines_
    (wide,) = draw(true, ends_for(true, (0.3, 0.6), 1.4)).lines_
    assert (narrow.get_ydata() < narrow.get_xdata()).all()
    assert (wide.get_ydata() > wide.get_xdata()).all()


def test_each_modality_has_a_line(rng):
    true = {"a": rng.uniform(size=(90, 2)), "b": rng.uniform(size=(90, 2, 2))}
    ends = {
        c: tuple({k: v[i] for k, v in parts.items()} for i in (0, 1))
        for c, parts in {
            c: {k: ends_for(v, (c,), 1.0)[c] for k, v in true.items()} for c in (0.3, 0.8)
        }.items()
    }
    display = draw(true, ends, name="one")
    assert [line.get_label() for line in display.lines_] == ["one, a", "one, b"]
    np.testing.assert_allclose(
        display.lines_[1].get_ydata(), [(true["b"] <= c).mean() for c in (0.3, 0.8)]
    )


def test_two_displays_on_the_same_axes_differ(rng):
    true = rng.uniform(size=(50, 2))
    first = draw(true, ends_for(true, (0.5,), 1.0), name="one")
    second = draw(true, ends_for(true, (0.5,), 0.5), name="two", ax=first.ax_)
    (a,), (b,) = first.lines_, second.lines_
    assert a.get_color() != b.get_color()
    assert a.get_marker() != b.get_marker()
    texts = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert texts == ["one", "two"]


def test_intervals_of_predicted_numbers_are_drawn_too(rng):
    y = rng.uniform(size=100)
    (line,) = draw(y, {0.5: (y * 0, y * 0 + 0.5)}).lines_
    assert line.get_ydata() == pytest.approx([(y <= 0.5).mean()])


def test_rows_that_lack_a_value_do_not_count(rng):
    true = rng.uniform(size=(60, 2))
    ends = ends_for(true, (0.5,), 1.0)
    true[:30] = np.nan
    (line,) = draw(true, ends).lines_
    assert line.get_ydata() == pytest.approx([(true[30:] <= 0.5).mean()])


def test_draws_like_the_truth_hold_what_they_promise(rng):
    class Exchangeable:
        """Draws what the true values were drawn from."""

        def generate_missing(self, X, n_samples, random_state):
            return rng.normal(size=(len(X), n_samples, 4))

    X, true = np.zeros((1000, 1)), rng.normal(size=(1000, 4))
    display = IntervalCalibrationDisplay.from_estimator(
        Exchangeable(), X, true, coverages=[0.2, 0.5, 0.8, 0.95], n_samples=39
    )
    (line,) = display.lines_
    # Four standard errors of a share of 4,000 values.
    assert np.abs(line.get_ydata() - line.get_xdata()).max() < 4 * np.sqrt(0.25 / 4000)


def test_the_intervals_of_an_ensemble_are_its_own(ensemble):
    display = IntervalCalibrationDisplay.from_estimator(
        ensemble, tiny.X, tiny.M, coverages=[0.4, 0.8]
    )
    lower, upper = ensemble.generate_intervals(tiny.X, coverage=0.8)
    held = ((lower <= tiny.M) & (upper >= tiny.M)).mean(axis=0)
    np.testing.assert_allclose(display.held["X_missing"][1], held)


@pytest.mark.parametrize("coverages", [[], [0.0, 0.5], [0.5, 1.0]])
def test_coverages_are_between_zero_and_one(coverages):
    true = np.zeros((3, 1))
    with pytest.raises(ValueError, match="coverages between 0 and 1 as keys"):
        draw(true, dict.fromkeys(coverages, (true, true)))
