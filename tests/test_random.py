"""One seed decides everything, and nothing else does."""

import hashlib
import threading

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd._random import Seeds, seed_sequence
from sklearn_cmmd.datasets import load_multiple_features
from tests.conftest import SMALL


def fingerprint(seed=0, **params):
    """Hash of everything a fit produces, in one torch thread."""
    torch.set_num_threads(1)
    digits = load_multiple_features(observed="zernike", missing="morphological")
    rows = slice(None, None, 10)
    params = SMALL | {"max_epochs": 4, "early_stopping": True, "random_state": seed} | params
    clf = CMMDClassifier(**params).fit(
        digits.data[rows], digits.target[rows], X_missing=digits.data_missing[rows]
    )
    state = b"".join(value.numpy().tobytes() for value in clf.module_.state_dict().values())
    outputs = (
        clf.predict_proba(digits.data).tobytes()
        + clf.generate_missing(digits.data, n_samples=2, random_state=1).tobytes()
    )
    return hashlib.sha256(state + outputs + repr(clf.history_).encode()).hexdigest()


@pytest.fixture(scope="module")
def expected():
    return fingerprint()


def test_two_fits_are_identical(expected):
    assert fingerprint() == expected


def test_other_seeds_differ(expected):
    assert fingerprint(seed=1) != expected
    assert fingerprint(seed=None) != fingerprint(seed=None)


def test_after_other_torch_and_numpy_work(expected):
    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002
    torch.nn.functional.dropout(torch.randn(100, 100), 0.3)
    assert fingerprint() == expected


def test_beside_other_torch_work_in_the_process(expected):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            torch.randn(10)
            torch.manual_seed(1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert fingerprint() == expected
    finally:
        stop.set()
        thread.join()


def test_in_other_processes(expected):
    found = Parallel(n_jobs=2)(delayed(fingerprint)() for _ in range(2))
    assert found == [expected, expected]


def test_in_parallel_threads(expected):
    found = Parallel(n_jobs=2, backend="threading")(delayed(fingerprint)() for _ in range(2))
    assert found == [expected, expected]


def test_more_threads_of_torch(expected):
    torch.set_num_threads(2)
    try:
        assert fingerprint() == expected
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("seed", [0, None])
def test_global_streams_are_untouched(seed):
    before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    fingerprint(seed)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert repr(np.random.get_state()) == before[1]  # noqa: NPY002


def test_random_state_instance_is_advanced():
    state = np.random.RandomState(0)
    first, second = fingerprint(state), fingerprint(state)
    assert first != second
    assert fingerprint(np.random.RandomState(0)) == first


def test_streams_are_distinct_and_repeatable():
    root = seed_sequence(7)
    one, two = Seeds.spawn(root), Seeds.spawn(root)
    seeds = [*vars(one).values(), *vars(two).values()]
    assert len(set(seeds)) == len(seeds)
    assert Seeds.spawn(seed_sequence(7)) == one


def test_dropping_global_state_does_not_matter_to_draws():
    digits = load_multiple_features(observed="zernike", missing="morphological")
    clf = CMMDClassifier(**SMALL | {"max_epochs": 1}).fit(
        digits.data, digits.target, X_missing=digits.data_missing
    )
    X = digits.data[:5]
    one = clf.generate_missing(X, n_samples=3, random_state=0)
    assert np.array_equal(one, clf.generate_missing(X, n_samples=3, random_state=0))
    assert not np.array_equal(one, clf.generate_missing(X, n_samples=3, random_state=1))
    assert not np.array_equal(one[:, 0], one[:, 1])


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace", "bernoulli"])
def test_draws_of_the_first_rows_are_the_first_draws(monkeypatch, likelihood):
    """Whatever rows follow, and however many go through the networks at a time."""
    digits = load_multiple_features(observed="zernike", missing="pixels")
    missing = [Modality("m", likelihood=likelihood)]
    params = SMALL | {"max_epochs": 1, "missing": missing}
    X_missing = (digits.data_missing > 3).astype(float)
    clf = CMMDClassifier(**params).fit(digits.data, digits.target, X_missing=X_missing)
    X = digits.data[:50].astype(float)
    whole = clf.generate_missing(X, n_samples=3, random_state=0)
    np.testing.assert_allclose(clf.generate_missing(X[:10], 3, 0), whole[:10], rtol=1e-10)
    monkeypatch.setattr("sklearn_cmmd._inference.PREDICTION_ROWS", 21)
    np.testing.assert_allclose(clf.generate_missing(X, 3, 0), whole, rtol=1e-10)
