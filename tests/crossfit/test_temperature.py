"""Temperature: a known one is found, and numbers stay probabilities."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax

from sklearn_cmmd.crossfit.temperature import best_temperature, log_odds, tempered


@pytest.mark.parametrize("known", [0.5, 1.0, 2.0])
def test_known_temperature_of_classes(known):
    random = np.random.default_rng(0)
    true = 2 * random.normal(size=(4000, 4))
    y = np.array([random.choice(4, p=p) for p in softmax(true, axis=1)])
    said = log_softmax(true * known, axis=1)
    assert best_temperature(said, y, False, np.ones(len(y))) == pytest.approx(known, rel=0.06)
    found = np.exp(tempered(said, known, False))
    np.testing.assert_allclose(found, softmax(true, axis=1), rtol=1e-10)


def test_known_temperature_of_labels():
    random = np.random.default_rng(0)
    true = 2 * random.normal(size=(4000, 3))
    y = (random.random(true.shape) < expit(true)).astype(np.float32)
    said = log_odds(np.log(expit(2 * true)), True)
    np.testing.assert_allclose(said, 2 * true, rtol=1e-6)
    assert best_temperature(said, y, True, np.ones(len(y))) == pytest.approx(2, rel=0.06)


def test_few_rows_hardly_change_anything():
    sure = np.log([[0.9, 0.1]])
    assert 0.7 < best_temperature(sure, np.array([0]), False, np.ones(1)) < 1
    assert best_temperature(sure[:0], np.array([], int), False, np.ones(0)) == 1


def test_a_probability_of_one():
    assert np.isfinite(log_odds(np.zeros((1, 1)), True)).all()
    assert logit(0.25) == pytest.approx(log_odds(np.log([[0.25]]), True)[0, 0])
