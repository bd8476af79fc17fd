"""LatentSpaceDisplay: places, colours by labels and by numbers, ways to two dimensions."""

import sys
from types import ModuleType

import numpy as np
import pytest
from sklearn.decomposition import PCA, FastICA

from sklearn_cmmd.plotting import LatentSpaceDisplay
from tests import tiny

draw = LatentSpaceDisplay.from_predictions


@pytest.fixture
def embedding(rng):
    return rng.normal(size=(30, 5)) * [9, 7, 1, 1, 1]


def offsets(display):
    return np.concatenate([np.asarray(each.get_offsets()) for each in display.points_])


def names(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_the_plane_is_that_of_the_principal_components(embedding):
    display = draw(embedding)
    pca = PCA(2).fit(embedding)
    np.testing.assert_allclose(offsets(display), pca.transform(embedding))
    share = pca.explained_variance_ratio_[1]
    assert display.ax_.get_ylabel() == f"PC 2 ({share:.0%} of the variance)"


def test_an_estimator_embeds_the_rows(fitted):
    display = LatentSpaceDisplay.from_estimator(fitted, tiny.X, tiny.Y)
    z = fitted.transform(tiny.X)
    assert z.shape[1] == 2
    for label, points in enumerate(display.points_):
        np.testing.assert_array_equal(points.get_offsets(), z[label == tiny.Y])


def test_the_members_of_an_ensemble_are_embedded_together(ensemble):
    display = LatentSpaceDisplay.from_estimator(ensemble, tiny.X)
    np.testing.assert_allclose(offsets(display), PCA(2).fit_transform(ensemble.transform(tiny.X)))


def test_labels_differ_in_colour_and_marker(embedding):
    y = np.array([f"kind {i % 9}" for i in range(30)])
    display = draw(embedding, y, name="kind")
    looks = {
        (tuple(each.get_facecolor()[0]), each.get_paths()[0].vertices.tobytes())
        for each in display.points_
    }
    assert len(looks) == 9
    assert names(display) == sorted(set(y))
    assert display.ax_.get_legend().get_title().get_text() == "kind"
    assert display.colorbar_ is None


@pytest.mark.parametrize("y", [np.array([0, 1, -1] * 10), [None, "a", "b"] * 10])
def test_rows_without_a_label_lie_below_the_others(embedding, y):
    display = draw(embedding, y)
    assert [len(each.get_offsets()) for each in display.points_] == [10, 10, 10]
    assert names(display)[0] == "no label"


def test_minus_one_is_a_class_beside_one(embedding):
    assert names(draw(embedding, np.array([-1, 1] * 15))) == ["-1", "1"]


@pytest.mark.parametrize("y", [np.linspace(0, 1, 30), np.arange(30)])
def test_numbers_have_a_scale_of_colours(embedding, y):
    display = draw(embedding, y, name="age")
    (points,) = display.points_
    np.testing.assert_array_equal(points.get_array(), y)
    assert display.colorbar_.ax.get_ylabel() == "age"
    assert display.ax_.get_legend() is None


def test_rows_without_a_number_are_grey(embedding):
    y = np.where(np.arange(30) < 10, np.nan, np.arange(30))
    unknown, known = draw(embedding, y).points_
    assert (len(unknown.get_offsets()), len(known.get_offsets())) == (10, 20)


def test_tsne_is_repeatable(embedding):
    first, second = (draw(embedding, method="tsne", random_state=0) for _ in range(2))
    np.testing.assert_array_equal(offsets(first), offsets(second))
    assert first.ax_.get_xlabel() == "t-SNE 1"


def test_umap_is_taken_if_it_is_there(embedding, monkeypatch):
    class UMAP:
        def __init__(self, random_state):
            self.random_state = random_state

        def fit_transform(self, values):
            return values[:, :2] + self.random_state

    module = ModuleType("umap")
    module.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", module)
    display = draw(embedding, method="umap", random_state=3)
    np.testing.assert_array_equal(offsets(display), embedding[:, :2] + 3)
    assert display.ax_.get_xlabel() == "UMAP 1"
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        draw(embedding, method="umap")


def test_a_transformer_of_ones_own(embedding):
    ica = FastICA(2, random_state=0)
    display = draw(embedding, method=ica)
    np.testing.assert_array_equal(
        offsets(display), FastICA(2, random_state=0).fit_transform(embedding)
    )
    assert not hasattr(ica, "components_")
    assert display.ax_.get_xlabel() == "FastICA 1"


def test_errors_say_what_is_wrong(embedding):
    with pytest.raises(ValueError, match='method must be "pca", "tsne", "umap" or a transformer'):
        draw(embedding, method="lda")
    with pytest.raises(ValueError, match=r"shape \(30, 3\). Set n_components=2"):
        draw(embedding, method=PCA(3))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(embedding, [1, 2])
    with pytest.raises(ValueError, match="embedding contains NaN"):
        draw(np.where(embedding > 3, np.nan, embedding))


def test_keywords_reach_the_points(embedding):
    display = draw(embedding, np.arange(30) % 2, scatter_kw={"s": 77})
    assert {float(each.get_sizes()[0]) for each in display.points_} == {77.0}
