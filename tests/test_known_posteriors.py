"""Few labels and many pairs of a model whose posteriors, and so whose Bayes error, are known."""

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import entropy

from sklearn_cmmd import CMMDClassifier, Networks, Objective

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")

CLASSES, D_X, D_M, LABELS = 4, 30, 6, 5
MEANS = 0.42 * np.random.RandomState(5).standard_normal((CLASSES, D_X))
MEANS_MISSING = 3.0 * np.random.RandomState(6).standard_normal((CLASSES, D_M))


def draw(n, seed):
    """x_O | y ~ N(μ_y, I) tells part of y; x_M | y ~ N(ν_y, I), independent of it, nearly all."""
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.arange(n) % CLASSES)
    X = MEANS[y] + rng.standard_normal((n, D_X))
    return X, MEANS_MISSING[y] + rng.standard_normal((n, D_M)), y


def log_posterior(X):
    """log p(y | x_O), exactly."""
    return log_softmax(X @ MEANS.T - (MEANS**2).sum(axis=1) / 2, axis=1)


@pytest.fixture(scope="module")
def held_out():
    X, _, y = draw(4000, seed=1)
    return X, y


def fit(n_pairs):
    """Fit to five labelled rows a class and so many pairs without; the twin where there is none."""
    X, M, y = draw(CLASSES * LABELS, seed=3)
    params = {
        "hidden_layer_sizes": (64,),
        "networks": Networks(classifier_hidden=()),
        "latent_dim": 8,
        "learning_rate": 4e-3,
        "objective": Objective(label_smoothing=0.0),
        "random_state": 0,
    }
    if not n_pairs:
        return CMMDClassifier(**params, omega=0, lam=0, max_epochs=500).fit(X, y)
    X_more, M_more, _ = draw(n_pairs, seed=4)
    n_batches = n_pairs // 75  # a quarter of each holds labels
    clf = CMMDClassifier(**params, max_epochs=500 // n_batches)
    y = np.append(y, np.full(n_pairs, -1))
    return clf.fit(np.vstack([X, X_more]), y, X_missing=np.vstack([M, M_more]))


@pytest.mark.slow
def test_pairs_without_labels_lead_to_the_posterior(held_out):
    """Error and divergence from the true posterior fall as pairs grow; the twin cannot use them."""
    X, y = held_out
    truth = log_posterior(X)
    bayes = np.mean(truth.argmax(axis=1) != y)
    excess, divergence = {}, {}
    for n_pairs in (0, 150, 6000):
        proba = fit(n_pairs).predict_proba(X)
        excess[n_pairs] = np.mean(proba.argmax(axis=1) != y) - bayes
        divergence[n_pairs] = entropy(np.exp(truth), proba, axis=1).mean()
    assert 0.13 < bayes < 0.17
    assert excess[0] > excess[150] > excess[6000]
    assert divergence[0] > divergence[150] > divergence[6000]
    assert excess[0] > 0.1
    assert excess[6000] < min(0.05, excess[0] / 3)
    assert divergence[6000] < 0.15
