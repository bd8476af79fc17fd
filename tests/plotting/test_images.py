"""GeneratedImagesDisplay: the right pictures in the right places, shapes and colours."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.plotting import GeneratedImagesDisplay
from tests import tiny

draw = GeneratedImagesDisplay.from_predictions


@pytest.fixture(scope="module")
def pictures():
    """Labels, a cheap view, pictures of 3 x 2 and numbers."""
    rng = np.random.default_rng(0)
    return tiny.X, rng.normal(size=(tiny.N, 3, 2)), rng.normal(size=(tiny.N, 4))


def shown(display, line):
    return np.stack([np.asarray(image.get_array()) for image in display.images_[line]])


def labels(display):
    return [axes.get_ylabel() for axes in display.axes_[:, 0]]


def test_lines_are_the_truth_the_mean_and_the_draws(rng):
    true, mean, draws = rng.random((5, 3, 2)), rng.random((5, 3, 2)), rng.random((5, 4, 3, 2))
    display = draw(true, mean, draws)
    assert labels(display) == ["true", "mean", "draw 1", "draw 2", "draw 3", "draw 4"]
    np.testing.assert_array_equal(shown(display, 0), true)
    np.testing.assert_array_equal(shown(display, 1), mean)
    np.testing.assert_array_equal(shown(display, 4), draws[:, 2])


def test_draws_may_be_left_out(rng):
    assert labels(draw(rng.random((2, 3, 2)), rng.random((2, 3, 2)))) == ["true", "mean"]


def test_all_pictures_have_the_scale_of_the_true_ones(rng):
    true = rng.random((3, 3, 2))
    display = draw(true, 10 * true)
    assert {image.get_clim() for image in display.images_.ravel()} == {(true.min(), true.max())}
    display = draw(true, true, imshow_kw={"vmin": -1, "cmap": "viridis"})
    assert display.images_[1, 0].get_clim() == (-1, true.max())
    assert display.images_[1, 0].get_cmap().name == "viridis"


def test_the_first_rows_are_shown_with_titles(rng):
    true = rng.random((20, 3, 2))
    display = draw(true, true, n_rows=4, titles=np.arange(4))
    assert display.images_.shape == (2, 4)
    assert [axes.get_title() for axes in display.axes_[0]] == ["0", "1", "2", "3"]


def test_a_row_of_a_table_is_brought_to_a_shape(rng):
    true = rng.random((4, 6))
    display = draw(true, true, image_shape=(3, 2))
    np.testing.assert_array_equal(shown(display, 0), true.reshape(4, 3, 2))
    for shape in (None, (2, 2), (6,)):
        with pytest.raises(ValueError, match=r"no picture. Say how .* of 6 values"):
            draw(true, true, image_shape=shape)


@pytest.mark.parametrize("channels", ["first", "last", None])
def test_colours_are_in_the_range_of_the_true_ones(rng, channels):
    true = rng.integers(20, 200, size=(2, 4, 5, 3)).astype(float)
    given = np.moveaxis(true, -1, 1) if channels == "first" else true
    expected = (true - true.min()) / (true.max() - true.min())
    np.testing.assert_allclose(shown(draw(given, given, channels=channels), 0), expected)
    doubled = draw(given, 2 * given, channels=channels)
    assert shown(doubled, 1).max() == 1


def test_a_single_channel_is_grey(rng):
    true = rng.random((2, 4, 5, 1))
    assert shown(draw(true, true), 0).shape == (2, 4, 5)
    with pytest.raises(ValueError, match=r"1, 3 or 4 channels. Got 5"):
        draw(np.moveaxis(true, -1, 1), np.moveaxis(true, -1, 1))


def test_a_row_without_a_picture_has_an_empty_place(rng):
    true = rng.random((3, 3, 2))
    made = true.copy()
    true[1] = np.nan
    display = draw(true, made)
    assert np.isnan(np.ma.filled(display.images_[0, 1].get_array(), np.nan)).all()
    assert display.images_[0, 0].get_clim() == (np.nanmin(true), np.nanmax(true))


def test_a_modality_of_several_is_named(rng):
    true = {"a": rng.random((3, 2, 2)), "b": rng.random((3, 4))}
    np.testing.assert_array_equal(shown(draw(true, true, modality="a"), 1), true["a"])
    with pytest.raises(ValueError, match=r"modality must be one of \['a', 'b'\]. Got None"):
        draw(true, true)


def test_an_estimator_generates_for_the_rows_shown(pictures):
    X, picture, numbers = pictures
    views = {"picture": picture, "numbers": numbers}
    clf = CMMDClassifier(**tiny.TINY).fit(X, tiny.Y, X_missing=views)
    display = GeneratedImagesDisplay.from_estimator(
        clf, X, views, modality="picture", n_rows=5, n_samples=3, random_state=0
    )
    draws = clf.generate_missing(X[:5], n_samples=3, random_state=0)["picture"]
    np.testing.assert_array_equal(shown(display, 0), picture[:5])
    np.testing.assert_array_equal(shown(display, 1), clf.generate_missing(X[:5])["picture"])
    np.testing.assert_array_equal(shown(display, 3), draws[:, 1])


def test_a_modality_may_be_some_columns_of_a_table(pictures):
    X, picture, numbers = pictures
    described = [
        Modality("numbers", columns=[0, 9, 1, 2]),
        Modality("picture", columns=range(3, 9), shape=(3, 2)),
    ]
    table = np.c_[numbers[:, :3], picture.reshape(-1, 6), numbers[:, 3]]
    clf = CMMDClassifier(**tiny.TINY, missing=described).fit(X, tiny.Y, X_missing=table)
    display = GeneratedImagesDisplay.from_estimator(clf, X, table, modality="picture", n_samples=0)
    np.testing.assert_array_equal(shown(display, 0), picture[:8])
    made = clf.generate_missing(X[:8])[:, 3:9].reshape(8, 3, 2)
    np.testing.assert_array_equal(shown(display, 1), made)


def test_an_ensemble_generates_too(ensemble):
    display = GeneratedImagesDisplay.from_estimator(
        ensemble, tiny.X, tiny.M, image_shape=(1, 3), random_state=0
    )
    made = ensemble.generate_missing(tiny.X[:8])
    np.testing.assert_allclose(shown(display, 1), made.reshape(8, 1, 3))


def test_what_holds_an_estimator_generates_by_it():
    pipe = make_pipeline(StandardScaler(), tiny.CMMDClassifier(**tiny.TINY))
    pipe.fit(tiny.X, tiny.Y, cmmdclassifier__X_missing=tiny.M)
    display = GeneratedImagesDisplay.from_estimator(
        pipe, tiny.X, tiny.M, image_shape=(1, 3), n_samples=0
    )
    made = pipe[-1].generate_missing(pipe[:-1].transform(tiny.X[:8]))
    np.testing.assert_array_equal(shown(display, 1), made.reshape(8, 1, 3))


def test_what_generates_nothing_is_refused():
    with pytest.raises(TypeError, match="StandardScaler generates nothing"):
        GeneratedImagesDisplay.from_estimator(StandardScaler(), tiny.X, tiny.M)
    with pytest.raises(ValueError, match="fitted without X_missing"):
        GeneratedImagesDisplay.from_estimator(tiny.fit(M=None), tiny.X, tiny.M)
