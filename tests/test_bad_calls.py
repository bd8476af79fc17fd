"""Mistakes in what is asked of a fitted estimator, and in what is passed on by searches."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from skorch.helper import SliceDict

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDTransformer,
)
from tests.test_bad_input import M, X, Y, with_value


@pytest.fixture
def fitted(small):
    return CMMDClassifier(**small | {"max_epochs": 1}).fit(X, Y, X_missing=M)


METHODS = ["predict", "predict_proba", "predict_log_proba", "transform", "generate_missing"]


@pytest.mark.parametrize("method", METHODS)
class TestPredict:
    def test_wrong_width(self, method, fitted):
        with pytest.raises(ValueError, match="X has 3 features, but CMMDClassifier is expecting 4"):
            getattr(fitted, method)(X[:, :3])

    def test_nan(self, method, fitted):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            getattr(fitted, method)(with_value(X, np.nan))

    def test_not_fitted(self, method):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(CMMDClassifier(), method)(X)

    def test_wrong_column_names(self, method, small):
        frame = pd.DataFrame(X, columns=list("abcd"))
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(frame, Y, X_missing=M)
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(clf, method)(frame[list("bacd")])
        with pytest.raises(ValueError, match=r"Feature names unseen at fit time:\n- z"):
            getattr(clf, method)(frame.rename(columns={"a": "z"}))

    def test_views_of_the_fit(self, method, small):
        views = {"sound": pd.DataFrame(X, columns=list("abcd")), "text": M}
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(views, Y, X_missing=M)
        call = getattr(clf, method)
        with pytest.raises(ValueError, match=r"Unknown: \['image'\]; absent: \['text'\]"):
            call({"sound": X, "image": M})
        with pytest.raises(ValueError, match=r"Unknown: \[\]; absent: \['text'\]"):
            call({"sound": X})
        with pytest.raises(ValueError, match=r"X\['text'\] has 4 features, but it had 3"):
            call({"sound": X, "text": X})
        with pytest.raises(ValueError, match=r"was a mapping of the modalities .* but is an array"):
            call(np.hstack([X, M]))
        with pytest.raises(ValueError, match=r"X\['sound'\] must have the columns of the fit"):
            call({"sound": views["sound"][list("bacd")], "text": M})

    def test_mapping_after_an_array(self, method, fitted):
        with pytest.raises(ValueError, match="X was an array in fit, but is a mapping now"):
            getattr(fitted, method)({"a": X})


@pytest.mark.parametrize("random_state", [-1, "a", np.random.default_rng(0)])
def test_bad_seed_of_draws(fitted, random_state):
    with pytest.raises(ValueError, match="random_state must be a non-negative int"):
        fitted.generate_missing(X, n_samples=1, random_state=random_state)


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"y": Y, "classes": [1, 2]}, None, "`y` has classes not in `self.classes_`"),
        (
            {"y": np.eye(2, dtype=int)[Y], "classes": [0, 1, 2]},
            None,
            "y has 2 columns, but there are 3 classes",
        ),
        (
            {"y": np.eye(3, dtype=int)[Y], "classes": [0, 1, 2]},
            {"y": np.eye(2, dtype=int)[Y]},
            "y has 2 columns, but there are 3 classes",
        ),
        (
            {"y": Y, "classes": [0, 1], "X_missing": (M > 0).astype(float)},
            {"y": Y, "X_missing": 50 * M},
            "has values in .0, 1., but 'X_missing' .*first fit on, where 'auto' chose Bernoulli",
        ),
        (
            {"y": Y, "classes": [0, 1], "X_missing": {"a": np.tanh(M) ** 2, "b": 1.0 * (M > 0)}},
            {"y": Y, "X_missing": {"b": 50 * M, "a": np.tanh(M) ** 2}},
            "has values in .0, 1., but 'b' of X_missing ranges",
        ),
    ],
    ids=["classes", "columns of y", "fewer columns of y", "Bernoulli", "of two"],
)
def test_bad_chunk_for_partial_fit(small, first, then, message):
    clf = CMMDClassifier(**small)
    if then is not None:
        clf.partial_fit(X, **{"X_missing": M} | first)
    epochs = getattr(clf, "n_iter_", None)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, **{"X_missing": M} | (then or first))
    assert getattr(clf, "n_iter_", None) == epochs


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "all", True])
def test_bad_number_of_draws(fitted, n_samples):
    with pytest.raises(ValueError, match="n_samples must be a positive int"):
        fitted.generate_missing(X, n_samples=n_samples)


def test_nothing_to_generate(small):
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"CMMDClassifier was fitted without X_missing.*Fit it with"
    ):
        clf.generate_missing(X)


def test_nothing_to_learn(small, no_training):
    with pytest.raises(ValueError, match="pass X_missing, y, or both"):
        CMMDTransformer(**small).fit(X)
    with pytest.raises(ValueError, match="pass X_missing, y, or both"):
        CMMDTransformer(**small).partial_fit(X)


def test_plain_dict_in_a_search(small, no_training):
    """scikit-learn passes a dict of X_missing on as it is, and the fold's rows do not fit it."""
    search = GridSearchCV(
        CMMDClassifier(**small), {"omega": [0, 1]}, cv=2, error_score="raise", refit=False
    )
    with pytest.raises(ValueError, match=r"X_missing has 30.*skorch\.helper\.SliceDict"):
        search.fit(X, Y, X_missing={"a": M, "b": X})


def test_plain_dict_of_x_in_a_search(small, no_training):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_validate(CMMDClassifier(**small), {"a": M, "b": X}, Y, cv=2, error_score="raise")


def test_row_labels_in_another_order_are_warned_of(small):
    frame, missing = pd.DataFrame(X), pd.DataFrame(M)
    with pytest.warns(UserWarning, match=r"paired by position.*X_missing\.loc\[X\.index\]"):
        CMMDClassifier(**small | {"max_epochs": 1}).fit(frame, Y, X_missing=missing[::-1])


def test_slice_dict_is_a_mapping(small):
    views = SliceDict(a=X, b=M)
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(views, Y)
    assert clf.n_features_in_ == 7
    assert clf.predict(views).shape == (30,)


def test_dict_of_keys_matrices_are_not_mappings(small):
    matrix = sp.dok_matrix(X)
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(matrix, Y)
    assert clf.predict(matrix).shape == (30,)
