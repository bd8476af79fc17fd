"""Plain values go through JSON and arrays and come back with their types and their bits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV

from sklearn_cmmd import Modality, Networks, Objective
from sklearn_cmmd._load import KINDS
from sklearn_cmmd.persistence.reading import Reader
from sklearn_cmmd.persistence.types import is_of
from sklearn_cmmd.persistence.writing import Writer


def again(value):
    writer = Writer(own_networks=False)
    text = json.dumps(writer.value(value, "here"), allow_nan=False)
    reader = Reader(writer.arrays, KINDS)
    twin = reader.value(json.loads(text), "here")
    assert reader.used == set(writer.arrays)
    return twin


def same(one, other):
    """Return whether two values are the same to the last bit, and of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        if one.dtype == object:
            return alike and same(one.tolist(), other.tolist())
        orders = [each.flags.f_contiguous for each in (one, other)]
        return alike and orders[0] == orders[1] and one.tobytes() == other.tobytes()
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (float, np.floating)):
        return np.asarray(one).tobytes() == np.asarray(other).tobytes()
    return repr(one) == repr(other)


DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="="),
    hnp.unsigned_integer_dtypes(endianness="="),
    hnp.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
    hnp.datetime64_dtypes(endianness="="),
    hnp.unicode_string_dtypes(endianness="=", min_len=1, max_len=5),
)
FINITE = {"allow_nan": False, "allow_infinity": False}
ARRAYS = hnp.arrays(
    DTYPES,
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
FINITE_ARRAYS = ARRAYS.filter(lambda array: array.dtype.kind != "f" or np.isfinite(array).all())
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.builds(np.float64, st.floats(**FINITE)),
    st.builds(np.float32, st.floats(width=32, **FINITE)),
    st.builds(np.int16, st.integers(-100, 100)),
    st.builds(np.bool_, st.booleans()),
    st.builds(slice, st.none() | st.integers(), st.none() | st.integers()),
    st.builds(range, st.integers(0, 9), st.integers(0, 9), st.integers(1, 3)),
    st.lists(st.integers(-(2**70), 2**70), min_size=17, max_size=30),
    st.lists(st.floats(**FINITE), min_size=17, max_size=30).map(tuple),
    FINITE_ARRAYS,
)
KEYS = st.text() | st.integers() | st.booleans() | st.floats(**FINITE)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=10,
)


@settings(max_examples=100)
@given(VALUES)
@example([1.0] * 16 + [-0.0])
@example((True,) * 20)
@example([-1] * 16 + [2**63])
@example([0] * 16 + [2**63])
@example(float("-inf"))
@example({"array": ["<f8", "C"]})
@example(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
@example(np.arange(12.0).reshape(3, 4)[:, ::2])
@example(np.arange(4.0).astype(">f8"))
@example(np.array([["a", "\U0010ffff"], ["", "ä"]]))
@example(np.array(["a", "", "ç"], dtype=object))
@example([5e-324, 2**-1022, 1.7976931348623157e308, 0.1] * 5)
def test_values_are_the_same_again(value):
    assert same(again(value), value)


@pytest.mark.parametrize(
    "value",
    [
        Path("some") / "folder",
        Modality("a", columns=pd.Index(["x", "y"]), scale=0.5, network={"prior": "mlp"}),
        Objective(kernel="imq", bandwidth=(0.1, 2)),
        Networks(encoder_hidden=np.array([3, 4])),
        {"a": RidgeCV([0.1, 2.0], alpha_per_target=True), "b": LinearRegression()},
        [ExtraTreesRegressor(3, max_features=0.3), RandomForestRegressor(4, random_state=1)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_records_are_the_same_again(value):
    assert repr(again(value)) == repr(value)


def test_a_series_of_names_is_an_index():
    assert again(pd.Series(["x", "y"], name="n")).equals(pd.Index(["x", "y"], name="n"))


def test_the_state_of_a_stream_is_kept():
    state = np.random.RandomState(3)
    state.normal(size=3)  # one number waits
    twin = again(state)
    np.testing.assert_array_equal(twin.normal(size=9), state.normal(size=9))


@pytest.mark.parametrize(
    "value",
    [
        1j,
        {1, 2},
        b"bytes",
        print,
        int,
        np.array([1j]),
        np.array([{}, []], dtype=object),
        np.longdouble(1),
        pd.DatetimeIndex(["2026-01-01"]),
        pd.DataFrame({"a": [1]}),
        np.random.default_rng(0),
        st,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_without_a_form_are_refused(value):
    with pytest.raises(TypeError, match=r"at here.*a file without code"):
        Writer(own_networks=False).value(value, "here")


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, int, True),
        (True, int, False),
        (np.True_, int, False),
        (2**200, int, True),
        (2**2000, float, True),
        (float("nan"), float, False),
        (np.float32("inf"), float, False),
        (np.float32(1), float, True),
        (3, float, True),
        ("3", float, False),
        (None, int | None, True),
        ((1, 2), tuple[int, ...], True),
        ((1, "2"), tuple[int, ...], False),
        ((1.5, 2), tuple[float, int], True),
        ((1.5,), tuple[float, int], False),
        ({"a": [1.0]}, dict[str, list[float]], True),
        ({1: [1.0]}, dict[str, list[float]], False),
        ([1.0, None], list[float], False),
        (np.zeros(2), np.ndarray, True),
    ],
)
def test_types_as_annotations_name_them(value, hint, expected):
    assert is_of(value, hint) is expected
