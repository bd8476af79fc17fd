"""Shared fixtures: one torch thread, small networks, a part of the embedded digits."""

import hypothesis
import numpy as np
import pytest
import torch

from sklearn_cmmd._fit_data import FitData
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.training.engine import CMMDNet

torch.set_num_threads(1)
# No test reads the clock: what is loaded at first use would count as a slow example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SMALL = {
    "prior_hidden": (32,),
    "encoder_hidden": (32,),
    "decoder_hidden": (32,),
    "classifier_hidden": (16,),
    "latent_dim": 8,
    "activation": "relu",
    "learning_rate": 5e-3,
    "max_epochs": 15,
    "random_state": 0,
}


@pytest.fixture
def small():
    """Parameters of an estimator that fits in a fraction of a second."""
    return dict(SMALL)


@pytest.fixture
def no_training(monkeypatch):
    """Fail the test if a network is trained."""

    def refuse(self, *args, **kwargs):
        pytest.fail("training began before the error")

    monkeypatch.setattr(CMMDNet, "partial_fit", refuse)


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
def in_float64(monkeypatch):
    """Train in float64, where rounding cannot hide a difference or make one."""
    rows = FitData.rows

    def doubled(self, layout, device):
        part = rows(self, layout, device)
        for name in ("observed", "missing", "weight"):
            if getattr(part, name) is not None:
                setattr(part, name, getattr(part, name).double())
        return part

    monkeypatch.setattr(FitData, "rows", doubled)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
