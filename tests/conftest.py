"""Shared fixtures: one thread a process, small networks, a part of the embedded digits."""

import os

import hypothesis
import numpy as np
import pytest
import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sklearn_cmmd import Networks
from sklearn_cmmd.datasets import load_multiple_features
from tests.fitted import MODELS, fitted

# Threads of small problems wait for one another, and for those of the process beside them.
torch.set_num_threads(1)
threadpool_limits(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of processes that tests start
os.environ.setdefault("MPLBACKEND", "Agg")  # no window opens
# No test reads the clock: what is loaded at first use would count as a slow example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SMALL = {
    "hidden_layer_sizes": (32,),
    "latent_dim": 8,
    "networks": Networks(classifier_hidden=(16,), activation="relu"),
    "learning_rate": 5e-3,
    "max_epochs": 15,
    "random_state": 0,
}


@pytest.fixture
def small():
    """Parameters of an estimator that fits in a fraction of a second."""
    return SMALL | {"networks": clone(SMALL["networks"])}


@pytest.fixture
def no_training(monkeypatch):
    """Fail the test if a network is trained."""

    def refuse(self, *args, **kwargs):
        pytest.fail("training began before the error")

    monkeypatch.setattr(torch.optim.AdamW, "step", refuse)


@pytest.fixture(scope="session")
def digits():
    """Three classes of real digits: Zernike moments, morphology, and labels."""
    bunch = load_multiple_features(observed="zernike", missing="morphological")
    three = np.flatnonzero(bunch.target < 3)
    rows = np.random.RandomState(0).permutation(three)[:240]
    return (
        bunch.data[rows].astype(float),
        bunch.data_missing[rows].astype(float),
        bunch.target[rows],
    )


@pytest.fixture
def split(digits):
    X, M, y = digits
    return X[:160], M[:160], y[:160], X[160:], M[160:], y[160:]


@pytest.fixture(scope="session")
def known():
    """Return a function that gives a fitted estimator by its name, and rows; do not change it."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = fitted(name)
        return made[name]

    return get


@pytest.fixture(params=MODELS)
def model(request, known):
    """One model after the other, and rows for it."""
    return known(request.param)
