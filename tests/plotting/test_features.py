"""GeneratedFeaturesDisplay: the worst columns first, points and intervals where they belong."""

import numpy as np
import pandas as pd
import pytest

from sklearn_cmmd.plotting import GeneratedFeaturesDisplay
from tests import tiny

draw = GeneratedFeaturesDisplay.from_predictions


@pytest.fixture
def made(rng):
    """True values of five columns, generated with errors that differ, and intervals."""
    true = rng.normal(size=(80, 5)) * [1, 10, 100, 1, 1]
    mean = true + rng.normal(size=(80, 5)) * [0.3, 9, 10, 2, 0.6]
    return true, mean, mean - 1, mean + 0.7


def test_the_worst_columns_come_first(made):
    true, mean, *_ = made
    display = draw(*made, n_features=4)
    errors = np.sqrt(((true - mean) ** 2).mean(axis=0)) / true.std(axis=0)
    np.testing.assert_allclose(display.errors_, errors)
    assert display.features_.tolist() == np.argsort(-errors)[:4].tolist()
    first = display.features_[0]
    assert display.axes_[0].get_title() == f"{first}: error {errors[first]:.2f} std"


def test_points_and_intervals_are_at_the_generated_values(made):
    true, mean, lower, upper = made
    display = draw(*made)
    for feature, (within, outside), segments in zip(
        display.features_, display.points_, display.intervals_, strict=True
    ):
        column = [each[:, feature] for each in (true, mean, lower, upper)]
        covered = (column[2] <= column[0]) & (column[0] <= column[3])
        np.testing.assert_array_equal(within.get_offsets(), np.c_[column[1], column[0]][covered])
        np.testing.assert_array_equal(outside.get_offsets(), np.c_[column[1], column[0]][~covered])
        ends = np.stack([segment[:, 1] for segment in segments.get_segments()])
        np.testing.assert_array_equal(ends, np.c_[column[2], column[3]])


def test_points_outside_differ_in_more_than_colour(made):
    within, outside = draw(*made).points_[0]
    assert within.get_paths()[0].vertices.shape != outside.get_paths()[0].vertices.shape


def test_rows_without_a_value_are_left_out(made):
    true, *rest = made
    true[:30] = np.nan
    display = draw(true, *rest)
    assert sum(len(points.get_offsets()) for points in display.points_[0]) == 50
    assert len(display.intervals_[0].get_segments()) == 50


def test_columns_have_their_names(made):
    frames = [pd.DataFrame(each, columns=list("vwxyz")) for each in made]
    display = draw(*frames)
    titles = [axes.get_title().split(":")[0] for axes in display.axes_]
    assert titles == ["vwxyz"[feature] for feature in display.features_]


def test_a_modality_of_several_is_named(made):
    views = [{"a": each, "b": each[:, :1]} for each in made]
    assert len(draw(*views, modality="b").axes_) == 1
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\]. Got 'c'"):
        draw(*views, modality="c")


def test_the_intervals_of_an_ensemble_are_its_own(ensemble):
    display = GeneratedFeaturesDisplay.from_estimator(ensemble, tiny.X, tiny.M, coverage=0.8)
    lower, upper = ensemble.generate_intervals(tiny.X, coverage=0.8)
    np.testing.assert_array_equal(display.lower, lower)
    np.testing.assert_array_equal(display.upper, upper)
    np.testing.assert_array_equal(display.mean, ensemble.generate_missing(tiny.X))


def test_the_intervals_of_one_estimator_are_quantiles_of_its_draws(fitted):
    display = GeneratedFeaturesDisplay.from_estimator(
        fitted, tiny.X, tiny.M, coverage=0.8, n_samples=99, random_state=0
    )
    draws = np.sort(fitted.generate_missing(tiny.X, n_samples=99, random_state=0), axis=1)
    # Of 99 draws and a value like them, a tenth of the values is below the tenth draw.
    np.testing.assert_allclose(display.lower, draws[:, 9])
    np.testing.assert_allclose(display.upper, draws[:, 89])


def test_a_single_column_is_a_single_panel(made):
    display = draw(*[each[:, :1] for each in made])
    assert len(display.axes_) == 1
