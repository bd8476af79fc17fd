"""Copies of a fitted estimator; `persistence/test_round_trip.py` reads them elsewhere."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import GradientNormClipping, LRScheduler

from sklearn_cmmd import CMMDClassifier, Modality


@pytest.fixture
def fitted(digits, small):
    X, M, y = digits
    observed = [Modality("low", slice(0, 9)), Modality("high", slice(9, None), network="mlp")]
    return CMMDClassifier(observed=observed, **small).fit(X, y, X_missing=M)


def by_joblib(estimator, path):
    joblib.dump(estimator, path / "model.joblib")
    return joblib.load(path / "model.joblib")


COPIES = {
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
    "joblib": by_joblib,
}


@pytest.mark.parametrize("method", COPIES)
def test_copies_are_equal_and_independent(fitted, digits, tmp_path, method):
    X, M, y = digits
    fitted.partial_fit(X, y, X_missing=M)
    twin = COPIES[method](fitted, tmp_path)
    assert np.array_equal(twin.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(twin.generate_missing(X), fitted.generate_missing(X))
    before = fitted.predict_proba(X)
    # Both go on in the same way: the optimizer and the random streams were copied too.
    twin.partial_fit(X, y, X_missing=M)
    assert np.array_equal(fitted.predict_proba(X), before)
    fitted.partial_fit(X, y, X_missing=M)
    assert np.array_equal(twin.predict_proba(X), fitted.predict_proba(X))


def test_clone_is_unfitted_with_equal_parameters(fitted, digits):
    X, M, y = digits
    twin = clone(fitted)
    with pytest.raises(NotFittedError):
        twin.predict(X)
    assert np.array_equal(twin.fit(X, y, X_missing=M).predict_proba(X), fitted.predict_proba(X))


def test_pickle_holds_no_data(digits, small):
    X, M, y = (np.tile(array.T, 20).T for array in digits)
    fitted = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, y, X_missing=M)
    fitted.predict(X)  # in float64, whose networks are kept, but not in the pickle
    n_bytes = 4 * sum(parameter.numel() for parameter in fitted.module_.parameters())
    assert len(pickle.dumps(fitted)) < n_bytes + 50_000 < X.nbytes
    # And the two moments of Adam, if a fit is to go on from them.
    fitted.set_params(warm_start=True).fit(X, y, X_missing=M)
    assert 2.5 * n_bytes < len(pickle.dumps(fitted)) < 3 * n_bytes + 50_000


def test_callbacks_are_pickled_without_what_they_learned(digits, small):
    X, M, y = digits
    callbacks = [LRScheduler("StepLR", step_size=2), ("clip", GradientNormClipping(1.0))]
    fitted = CMMDClassifier(**small | {"callbacks": callbacks}).fit(X, y, X_missing=M)
    assert hasattr(callbacks[0], "lr_scheduler_")
    loaded = pickle.loads(pickle.dumps(fitted))
    assert not any(name.endswith("_") for name in vars(loaded.callbacks[0]))
    assert hasattr(callbacks[0], "lr_scheduler_")
    loaded.fit(X, y, X_missing=M)
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_absent_device_on_load_is_warned_of(fitted, digits):
    fitted.set_params(device=f"cuda:{torch.cuda.device_count()}")
    state = pickle.dumps(fitted)
    with pytest.warns(UserWarning, match="torch finds . CUDA devices.*stays on the CPU"):
        loaded = pickle.loads(state)
    assert loaded.device_ == torch.device("cpu")
    assert np.array_equal(loaded.predict_proba(digits[0]), fitted.predict_proba(digits[0]))
