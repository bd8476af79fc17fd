"""Shapes, standardisation and likelihoods of one side of a fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.data.columns import described
from sklearn_cmmd.data.layout import Side, weighted_by_size
from sklearn_cmmd.data.tables import presence, read_table
from sklearn_cmmd.datasets import IndexedArray

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(3, 2, (40, 5, 4, 3)) * [1, 10, 100]


def learn(data, modalities=None, name="X_missing", weight=None):
    table = read_table(data, name, CMMDClassifier(), gaps=name == "X_missing")
    found = described(modalities, table)
    weight = np.ones(table.n_rows) if weight is None else weight
    present = presence(table, found)
    return Side.learn(found, table, weight, present, generated=name == "X_missing"), table


def standardised(modalities, table):
    return modalities.standardised(table, slice(None), np.float64)


def test_an_array_is_standardised_as_a_whole():
    modalities, table = learn(IMAGES)
    want = (IMAGES - IMAGES.mean()) / IMAGES.std()
    np.testing.assert_allclose(standardised(modalities, table), want.reshape(40, -1))


@pytest.mark.parametrize("channels", ["first", "last"])
def test_channels_are_standardised_one_by_one(channels):
    images = IMAGES if channels == "last" else np.moveaxis(IMAGES, -1, 1)
    modalities, table = learn(images, [Modality("m", channels=channels)])
    found = standardised(modalities, table).reshape(images.shape)
    found = found if channels == "last" else np.moveaxis(found, 1, -1)
    want = StandardScaler().fit_transform(IMAGES.reshape(-1, 3)).reshape(IMAGES.shape)
    np.testing.assert_allclose(found, want)


def test_columns_with_a_shape_are_standardised_as_an_array_is():
    flat, _ = learn(IMAGES.reshape(40, -1), [Modality("m", shape=(5, 4, 3), channels="last")])
    array, _ = learn(IMAGES, [Modality("m", channels="last")])
    np.testing.assert_array_equal(flat.loc, array.loc)
    np.testing.assert_array_equal(flat.scale, array.scale)


def test_columns_without_a_shape_are_standardised_one_by_one():
    X = IMAGES.reshape(40, -1)
    modalities, table = learn(X)
    np.testing.assert_allclose(standardised(modalities, table), StandardScaler().fit_transform(X))


@given(value=st.floats(-1e6, 1e6), channels=st.sampled_from([None, "first", "last"]))
def test_a_constant_array_has_a_scale_of_one(value, channels):
    modalities, table = learn(np.full((6, 2, 3), value), [Modality("m", channels=channels)], "X")
    assert (modalities.scale == 1).all()
    np.testing.assert_allclose(standardised(modalities, table), 0, atol=1e-8 * max(1, abs(value)))


@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_an_indexed_array_are_those_of_its_rows(weighted):
    index = RNG.integers(30, size=100)  # some rows many times, some never
    array = RNG.normal(size=(30, 2, 3))
    weight = RNG.uniform(size=100) if weighted else None
    indexed, _ = learn(IndexedArray(array, index), weight=weight)
    plain, _ = learn(array[index], weight=weight)
    np.testing.assert_allclose(indexed.loc, plain.loc)
    np.testing.assert_allclose(indexed.scale, plain.scale)


def test_rows_that_the_index_leaves_out_do_not_count():
    array = np.array([[0.0], [1.0], [7.0]])
    modalities, _ = learn(IndexedArray(array, [0, 1, 1]))
    assert modalities.modalities[0].likelihood == "bernoulli"


def test_restore_is_the_inverse():
    modalities, table = learn(IMAGES, [Modality("m", channels="last")])
    restored = modalities.as_given(modalities.in_units(standardised(modalities, table)))
    np.testing.assert_allclose(restored, IMAGES)
    draws = np.stack([standardised(modalities, table)] * 2, axis=1)
    assert modalities.as_given(modalities.in_units(draws)).shape == (40, 2, 5, 4, 3)


def test_fixed_scale_is_in_the_units_of_the_data():
    modalities, _ = learn(IMAGES, [Modality("m", scale=4.0)])
    np.testing.assert_allclose(modalities.likelihood_scales[0], 4 / IMAGES.std())


def test_sizes_count_a_position_with_classes_once():
    words = np.eye(71)[RNG.integers(71, size=(10, 8))]
    modalities, _ = learn(
        {"photo": IMAGES[:10], "word": words},
        [
            Modality("photo", weight="size"),
            Modality("word", likelihood="categorical", weight="size"),
        ],
    )
    assert modalities.sizes == [60, 8]
    (resolved,) = weighted_by_size([modalities])
    assert [modality.weight for modality in resolved.modalities] == [1, 60 / 8]


@pytest.mark.parametrize("axis", [-1, 1, 0, -2])
def test_one_hot_along_an_axis(axis):
    codes = RNG.integers(5, size=(10, 8))
    words = np.eye(5)[codes]  # (10, 8, 5)
    words = words if axis in (-1, 1) else np.moveaxis(words, -1, 1)
    modalities, _ = learn(words, [Modality("m", likelihood="categorical", axis=axis)])
    assert modalities.modalities[0].axis == {1: -1, 0: -2}.get(axis, axis)


def test_soft_classes_are_categorical_too():
    soft = RNG.dirichlet(np.ones(5), size=(10, 8))
    learn(soft, [Modality("m", likelihood="categorical")])


@pytest.mark.parametrize(
    ("data", "modality", "message"),
    [
        (
            IMAGES,
            {"shape": (5, 4)},
            r"shape=\(5, 4\), but a row of X_missing has shape \(5, 4, 3\)",
        ),
        (IMAGES[:, 0, 0], {"shape": (2, 2)}, r"\(2, 2\) of modality 'm' holds 4 values.*3 columns"),
        (IMAGES[:, 0, 0], {"channels": "last"}, r"needs a shape of two axes or more.*\(3,\)"),
        (IMAGES, {"network": "conv2d"}, r"\(5, 4, 3\), and network='conv2d' must know"),
        (IMAGES[:, 0, 0], {"network": "conv2d"}, r"takes a shape such as \(height, width\)"),
        (IMAGES[..., 0], {"network": "conv1d"}, "Say channels='first' or channels='last'"),
        (
            IMAGES,
            {"network": {"decoder": "conv1d"}, "channels": "last"},
            r"conv1d.*shape \(5, 4, 3\) with channels='last'",
        ),
        (IMAGES, {"columns": [0, 1]}, "is one modality. Describe it by one Modality without"),
        (IMAGES, {"likelihood": "bernoulli"}, r"has values in \[0, 1\]"),
        (np.abs(IMAGES), {"likelihood": "categorical"}, "sum to one along axis=-1 of its shape"),
        (np.eye(4)[:, None], {"likelihood": "categorical", "axis": 3}, "axis=3 of modality 'm'"),
        (np.eye(4)[:, None], {"likelihood": "categorical", "axis": 0}, "sums from 0 to 1"),
        (np.eye(3) * 2 - 1 / 3, {"likelihood": "categorical"}, "values from -0.333"),
        (IMAGES, {"network": lambda shape: None}, "need different ones. Pass network={'encoder'"),
    ],
)
def test_what_does_not_go_together(data, modality, message):
    with pytest.raises(ValueError, match=message):
        learn(data, [Modality("m", **modality)])


@pytest.mark.parametrize(
    ("modality", "error", "message"),
    [
        ({"shape": (3, 0)}, ValueError, "shape of modality 'm' must be a tuple of positive ints"),
        ({"shape": 3}, ValueError, "shape of modality 'm' must be a tuple of positive ints"),
        ({"channels": "middle"}, ValueError, "channels of modality 'm' must be one of"),
        ({"channels": 1}, ValueError, "Got 1 instead"),
        ({"scale": "pixel"}, ValueError, "positive number or one of .'column', 'row'"),
        ({"scale": -1.0}, ValueError, "Got -1.0 instead"),
        ({"scale": True}, ValueError, "Got True instead"),
        ({"axis": 0.5}, TypeError, "axis of modality 'm' must be an int"),
        ({"network": {"prior": "cnn"}}, ValueError, "network of modality 'm' must be one of"),
        ({"network": {"prio": "mlp"}}, ValueError, r"names the roles \['prio'\]"),
        ({"network": 3}, ValueError, "Got 3 instead"),
    ],
)
def test_a_modality_that_cannot_be(modality, error, message):
    with pytest.raises(error, match=message):
        Modality("m", **modality)
