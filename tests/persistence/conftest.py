"""Fitted estimators, once for all tests: none of them changes one."""

import pytest

from tests.persistence.models import MODELS, fitted


@pytest.fixture(scope="session")
def known():
    """Return a function that gives a model by its name, and rows for it."""
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
