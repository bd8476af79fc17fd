"""Fixtures of figures: each test begins and ends without any."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_cmmd import CMMDEnsemble
from tests import tiny


@pytest.fixture(autouse=True)
def no_figures():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def fitted():
    """A classifier with rows held out."""
    return tiny.fit(max_epochs=3, early_stopping=True, validation_fraction=0.3)


@pytest.fixture(scope="session")
def ensemble():
    member = tiny.CMMDClassifier(**tiny.TINY | {"max_epochs": 2})
    ensemble = CMMDEnsemble(member, n_estimators=3, generators=None, random_state=0)
    return ensemble.fit(tiny.X, tiny.Y, X_missing=tiny.M)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
