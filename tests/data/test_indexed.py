import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import _safe_indexing, shuffle

from sklearn_cmmd.datasets import IndexedArray

DISTINCT = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
INDEX = np.array([5, 0, 3, 3, 1], dtype=np.int32)

indices = st.lists(st.integers(0, 5), max_size=8)
slices = st.slices(8)


@pytest.fixture
def pairs():
    return IndexedArray(DISTINCT, INDEX)


@given(indices, slices)
def test_slices_like_an_array(index, rows):
    taken = IndexedArray(DISTINCT, np.array(index, dtype=np.int64))
    assert len(taken) == len(index)
    assert np.array_equal(np.asarray(taken), np.take(DISTINCT, taken.index, axis=0))
    assert isinstance(taken[rows], IndexedArray)
    assert np.array_equal(taken[rows], np.asarray(taken)[rows])


@pytest.mark.parametrize(
    "rows",
    [
        [4, 0, 0],
        np.array([-1, 2]),
        np.array([True, False, False, True, True]),
        [],
        (slice(1, None), Ellipsis),
    ],
    ids=str,
)
def test_indexes_like_an_array(pairs, rows):
    assert isinstance(pairs[rows], IndexedArray)
    assert np.array_equal(pairs[rows], np.asarray(pairs)[rows])


def test_one_row(pairs):
    assert type(pairs[-1]) is np.ndarray
    assert pairs[-1].tolist() == DISTINCT[1].tolist()
    assert [row.tolist() for row in pairs] == np.asarray(pairs).tolist()
    with pytest.raises(IndexError):
        pairs[5]


def test_describes_itself(pairs):
    assert (pairs.shape, pairs.ndim, pairs.dtype) == ((5, 2, 2), 3, np.uint8)
    assert repr(pairs) == "IndexedArray of shape (5, 2, 2) and uint8, from 6 rows"


def test_factor():
    bytes_ = np.array([[0, 51, 255]], dtype=np.uint8)
    pairs = IndexedArray(bytes_, [0, 0], factor=1 / 255)
    assert pairs.dtype == np.asarray(pairs).dtype == pairs[0].dtype == np.float32
    np.testing.assert_allclose(np.asarray(pairs), [[0, 0.2, 1]] * 2, rtol=1e-6)
    assert np.asarray(pairs).max() <= 1
    assert np.array_equal(pairs[1:], np.asarray(pairs)[1:])
    assert np.asarray(pairs, dtype=np.float64).dtype == np.float64
    assert IndexedArray(bytes_.astype(np.float64), [0], factor=0.5).dtype == np.float64


def test_other_array_of_the_same_rows(pairs):
    flat = pairs.with_array(DISTINCT.reshape(6, 4))
    assert np.array_equal(flat, np.asarray(pairs).reshape(5, 4))
    scaled = IndexedArray(DISTINCT, INDEX, factor=0.5).with_array(DISTINCT)
    assert np.array_equal(scaled, 0.5 * np.asarray(pairs))


def test_scikit_learn_slices_it(pairs):
    whole = np.asarray(pairs)
    for rows in ([0, 2], np.array([True, False, True, True, False]), slice(1, 4)):
        assert isinstance(_safe_indexing(pairs, rows), IndexedArray)
        assert np.array_equal(_safe_indexing(pairs, rows), whole[rows])
    y = np.arange(5)
    train, test, y_train, y_test = train_test_split(pairs, y, random_state=0)
    assert isinstance(train, IndexedArray)
    assert np.array_equal(train, whole[y_train])
    assert np.array_equal(test, whole[y_test])
    assert np.array_equal(*map(np.asarray, shuffle(pairs, whole, random_state=0)))
    assert [len(test) for _, test in KFold(5).split(pairs)] == [1] * 5


def test_nothing_is_copied_until_it_is_asked_for():
    """Ten million rows of a megabyte each could not be had."""
    distinct = np.zeros((2, 1000, 1000), dtype=np.uint8)
    pairs = IndexedArray(distinct, np.ones(10**7, dtype=np.int8), factor=0.5)
    part = pairs[5:]
    assert part.shape == (10**7 - 5, 1000, 1000)
    assert part.array is pairs.array is distinct
    assert np.shares_memory(part.index, pairs.index)


def test_pickles(pairs):
    again = pickle.loads(pickle.dumps(IndexedArray(DISTINCT, INDEX, factor=0.25)))
    assert np.array_equal(again, 0.25 * np.asarray(pairs))
    assert again.index.dtype == np.int32


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 6], "index must be between 0 and 5.* Got numbers from 0 to 6"),
        ([-1, 2], "Got numbers from -1 to 2"),
        ([0.0, 1.0], r"one integer for each row. Got an array of float64 of shape \(2,\)"),
        ([True, False], "Got an array of bool"),
        ([[0], [1]], r"shape \(2, 1\)"),
        (3, r"shape \(\)"),
    ],
)
def test_wrong_index(index, message):
    with pytest.raises(ValueError, match=message):
        IndexedArray(DISTINCT, index)


def test_what_it_does_not_do(pairs):
    with pytest.raises(IndexError, match="along its rows only"):
        pairs[:, 0]
    with pytest.raises(ValueError, match="without a copy"):
        np.array(pairs, copy=False)


@pytest.mark.parametrize("factor", ["1/255", None, np.nan, np.inf, [1.0]])
def test_wrong_factor(factor):
    with pytest.raises(ValueError, match="factor must be a finite number"):
        IndexedArray(np.zeros((3, 2)), [0], factor)


def test_a_sparse_matrix_has_no_rows_to_index():
    with pytest.raises(ValueError, match="not sparse"):
        IndexedArray(csr_matrix(np.eye(3)), [0])


def test_an_empty_index():
    assert np.asarray(IndexedArray(np.zeros((3, 2)), [])).shape == (0, 2)
