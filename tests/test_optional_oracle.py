"""Absent views against a linear-Gaussian model, of which everything is known for every subset."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from sklearn_cmmd import CMMDClassifier, Objective

pytestmark = pytest.mark.slow

VIEWS, NOISE, WIDTH = ("a", "b", "c"), 0.7, 3
N_ROWS = 5000
SUBSETS = [s for size in (1, 2, 3) for s in combinations(VIEWS, size)]
PARAMS = {
    "hidden_layer_sizes": (48,),
    "latent_dim": 4,
    "dropout": 0.25,
    "learning_rate": 1e-2,
    "batch_size": 250,
    "max_epochs": 15,
    "early_stopping": False,
    "objective": Objective(label_smoothing=0),
    "random_state": 0,
}


class Truth:
    """w ~ N(0, I), x_v = A_v w + noise, y = 1 where b·w and a standard normal noise are above 0."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.maps = {name: rng.normal(size=(WIDTH, 2)) for name in VIEWS}
        self.direction = np.array([1.0, -0.5])

    def rows(self, n, seed):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=(n, 2))
        X = {name: w @ A.T + NOISE * rng.normal(size=(n, WIDTH)) for name, A in self.maps.items()}
        return X, (w @ self.direction + rng.normal(size=n) > 0).astype(int)

    def posterior(self, X):
        """Mean (n, 2) and covariance of w given the views in X."""
        precision, total = np.eye(2), 0.0
        for name, x in X.items():
            precision = precision + self.maps[name].T @ self.maps[name] / NOISE**2
            total = total + x @ self.maps[name] / NOISE**2
        cov = np.linalg.inv(precision)
        return total @ cov, cov

    def probability(self, X):
        mean, cov = self.posterior(X)
        spread = np.sqrt(1 + self.direction @ cov @ self.direction)
        return norm.cdf(mean @ self.direction / spread)

    def view(self, X, name):
        """Mean of a view, and standard deviations of its columns, given the views in X."""
        mean, cov = self.posterior(X)
        A = self.maps[name]
        return mean @ A.T, np.sqrt(np.diag(A @ cov @ A.T) + NOISE**2)


@pytest.fixture(scope="module")
def truth():
    return Truth()


@pytest.fixture(scope="module")
def fitted(truth):
    return CMMDClassifier(optional="all", **PARAMS).fit(*truth.rows(N_ROWS, 1))


@pytest.fixture(scope="module")
def new(truth):
    return truth.rows(2000, 2)


def some(X, names):
    return {name: X[name] for name in names}


@pytest.mark.parametrize("names", SUBSETS, ids="".join)
def test_labels_and_views_of_every_subset(truth, fitted, new, names):
    X = some(new[0], names)
    found = fitted.predict_proba(X)[:, 1]
    assert np.abs(found - truth.probability(X)).mean() < 0.065
    whole, drawn = fitted.impute(X), fitted.impute(X, n_samples=50, random_state=0)
    for name in set(VIEWS) - set(names):
        mean, spread = truth.view(X, name)
        # The error beyond that of the true mean, over the spread of the view.
        assert np.sqrt(((whole[name] - mean) ** 2).mean()) < 0.15 * new[0][name].std()
        # One scale for each column serves all subsets, so that draws are right on average alone.
        of_draws = (drawn[name] - mean[:, None]).std(axis=(0, 1))
        assert 0.75 < (of_draws / spread).mean() < 1.4


def test_a_view_of_noise_changes_nothing(truth, new):
    X, y = truth.rows(N_ROWS, 1)
    noise = [
        np.random.default_rng(seed).normal(size=(n, 3)) for seed, n in ((3, N_ROWS), (4, 2000))
    ]
    clf = CMMDClassifier(optional="all", **PARAMS).fit(some(X, "ab") | {"noise": noise[0]}, y)
    known = some(new[0], "ab")
    for names in ("a", "ab"):
        X = some(known, names)
        without, with_noise = (
            clf.predict_proba(each)[:, 1] for each in (X, X | {"noise": noise[1]})
        )
        assert np.abs(with_noise - truth.probability(X)).mean() < 0.065
        assert np.abs(with_noise - without).mean() < 0.04
    # Nothing tells of noise, and it tells of nothing: its mean is zero, and views have theirs.
    assert np.abs(clf.impute(known)["noise"]).mean() < 0.1
    alone = clf.predict_proba({"noise": noise[1]})[:, 1]
    assert np.abs(alone - 0.5).mean() < 0.065


def test_a_view_given_twice_makes_at_most_a_third_surer_than_the_truth(truth, new):
    X, y = truth.rows(N_ROWS, 1)
    clf = CMMDClassifier(optional="all", **PARAMS).fit(some(X, "ab") | {"again": X["a"]}, y)
    once, twice = some(new[0], "a"), some(new[0], "a") | {"again": new[0]["a"]}

    def surety(X):
        logs = clf.predict_log_proba(X)
        return np.abs(logs[:, 1] - logs[:, 0]).mean()

    expected = truth.probability(once)
    true = np.abs(np.log(expected) - np.log1p(-expected)).mean()
    assert surety(once) < 1.3 * true
    assert surety(twice) < 1.3 * true
