"""Matrices that are gathered by row: all of them give the bits that NumPy gives."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.data import matrices
from sklearn_cmmd.datasets import IndexedArray

RNG = np.random.default_rng(0)
BYTES = RNG.integers(256, size=(25, 3, 3), dtype=np.uint8)
FLOATS = RNG.normal(1e4, 1, size=(25, 2)).astype(np.float32)
INDEX, OTHER = RNG.integers(25, size=(2, 120))
Y = np.arange(120) % 2


def fit(small, images, floats, **params):
    clf = CMMDClassifier(
        observed=[Modality("image", network="conv2d"), Modality("floats")],
        **small | {"max_epochs": 3} | params,
    )
    return clf.fit({"image": images, "floats": floats}, Y, X_missing=images)


@pytest.fixture
def rows():
    return IndexedArray(BYTES, INDEX, 1 / 255), IndexedArray(FLOATS, OTHER)


@pytest.mark.parametrize("resident", [0.25, 0], ids=["resident", "streamed"])
def test_an_indexed_array_is_the_array_that_it_stands_for(rows, small, monkeypatch, resident):
    """Fit, prediction and generation agree to the last bit, weights and all."""
    plain = fit(small, *(np.asarray(array) for array in rows))
    monkeypatch.setattr(matrices, "RESIDENT_SHARE", resident)
    indexed = fit(small, *rows)
    for one, other in zip(plain.module_.parameters(), indexed.module_.parameters(), strict=True):
        assert torch.equal(one, other)
    X = {"image": rows[0], "floats": rows[1]}
    dense = {key: np.asarray(value) for key, value in X.items()}
    assert np.array_equal(plain.predict_proba(dense), indexed.predict_proba(X))
    generated = indexed.generate_missing(X)
    assert generated.shape == (120, 3, 3)
    assert np.array_equal(plain.generate_missing(dense), generated)


def test_pairs_cost_their_index_alone(small, monkeypatch):
    """Forty thousand pairs are gathered batch by batch: no matrix of all pairs is made."""
    n = 40_000
    images = IndexedArray(BYTES, np.arange(n, dtype=np.int32) % 25, 1 / 255)
    largest = []

    def counted(self, dtype=None, copy=None):
        values = self._values(self.array[self.index])
        largest.append(values.nbytes)
        return values if dtype is None else values.astype(dtype, copy=False)

    monkeypatch.setattr(IndexedArray, "__array__", counted)
    y = np.arange(n) % 2
    clf = CMMDClassifier(**small | {"max_epochs": 1, "batch_size": 500, "early_stopping": False})
    clf.fit(images, y, X_missing=images)
    assert max(largest) < 1e6


def test_images_and_their_missing_halves_in_a_search(small, rows):
    clf = CMMDClassifier(**small | {"max_epochs": 2})
    search = GridSearchCV(clf, {"omega": [0.0, 1.0]}, cv=2, error_score="raise")
    search.fit(rows[0], Y, X_missing=rows[1])
    assert search.best_estimator_.generate_missing(rows[0][:5]).shape == (5, 2)
