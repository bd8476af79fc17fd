"""Counts as a missing modality: the density against scipy, and what it is good for."""

import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Modality
from sklearn_cmmd.networks.distributions import NegativeBinomial
from sklearn_cmmd.networks.likelihoods import CountsLikelihood
from tests.conftest import SMALL

COUNTS = Modality("X_missing", likelihood="counts")


def words(n, seed):
    """Rare counts whose rates depend on x_O; a column in three never occurs without it."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    rates = np.exp(x[:, :3] - 1.5)
    return x, random.negative_binomial(2, 2 / (2 + rates)).astype(float), (x[:, 0] > 0).astype(int)


def fitted(**params):
    x, m, y = words(400, 0)
    return CMMDClassifier(**SMALL | {"max_epochs": 60, "random_state": 0} | params).fit(
        x, y, X_missing=m
    )


def test_density_is_that_of_scipy():
    rates, unit = [0.2, 3.0, 400.0], [0.5, 2.0, 50.0]
    likelihood = CountsLikelihood(3, "row", rates, unit).double()
    raw = torch.tensor([[0.3, -0.4, 0.0, 1.0, -2.0, 0.1]], dtype=torch.float64)
    counts = np.array([[0.0, 7.0, 350.0]])
    found = likelihood(raw)
    mean = np.array(rates) * np.exp(4 * np.tanh(raw[0, :3].numpy() / 4))
    r = np.exp(7 * np.tanh(raw[0, 3:].numpy() / 7))
    expected = nbinom.logpmf(counts, r, r / (r + mean)).sum()
    np.testing.assert_allclose(found.log_prob(torch.tensor(counts / unit)), expected, rtol=1e-6)
    np.testing.assert_allclose(found.mean[0] * torch.tensor(unit), mean, rtol=1e-6)


def test_draws_are_negative_binomial():
    likelihood = CountsLikelihood(1, "column", [2.0], [0.5])
    uniform = torch.rand(20000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    with torch.no_grad():
        drawn = likelihood(torch.zeros(20000, 1)).sample(uniform) * 0.5
    assert (drawn == drawn.round()).all()
    # r is one, so that the variance is 2 + 4.
    assert drawn.mean() == pytest.approx(2, abs=0.08)
    assert drawn.var() == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize(("rate", "r"), [(0.05, 0.1), (2.0, 0.5), (30.0, 4.0), (2000.0, 200.0)])
def test_draws_are_those_of_scipy(rate, r):
    parts = [torch.tensor([each], dtype=torch.float64).log() for each in (rate, r)]
    uniform = torch.rand(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = NegativeBinomial(*parts, torch.ones(1)).sample(uniform)[:, 0].numpy()
    truth = nbinom(r, r / (r + rate))
    grid = np.unique(truth.ppf([0.05, 0.3, 0.5, 0.8, 0.95, 0.99]))
    found = (drawn[:, None] <= grid).mean(axis=0)
    np.testing.assert_allclose(found, truth.cdf(grid), atol=4 * 0.5 / np.sqrt(4000))


def test_density_has_gradients_everywhere():
    likelihood = CountsLikelihood(2, "row", [1e-3, 1e3], [1.0, 1.0])
    raw = torch.tensor([[50.0, -50, 50, -50]], requires_grad=True)
    likelihood(raw).log_prob(torch.tensor([[0.0, 5000.0]])).backward()
    assert torch.isfinite(raw.grad).all()
    assert likelihood.prior_loss() is None


def test_counts_are_found_by_their_values():
    _, m, _ = words(200, 0)

    def likelihood(values):
        x, y = np.arange(200.0)[:, None] % 7, np.arange(200) % 2
        clf = CMMDClassifier(**SMALL | {"max_epochs": 1})
        return clf.fit(x, y, X_missing=values).missing_[0].likelihood

    assert likelihood(m) == "counts"
    assert likelihood(np.minimum(m, 1)) == "bernoulli"
    assert likelihood(m + 0.5) == "gaussian"
    assert likelihood(m - 1) == "gaussian"
    with pytest.warns(UserWarning, match="whole numbers"):
        assert likelihood(m + 1) == "gaussian"  # no zeros


def test_means_are_found():
    x, m, _ = words(2000, 1)
    clf = fitted()
    generated = clf.generate_missing(x)
    truth = np.exp(x[:, :3] - 1.5)
    assert generated.min() > 0
    assert np.corrcoef(generated.ravel(), truth.ravel())[0, 1] > 0.8
    np.testing.assert_allclose(generated.mean(axis=0), m.mean(axis=0), rtol=0.25)
    draws = clf.generate_missing(x[:100], 50, random_state=0)
    np.testing.assert_array_equal(draws, np.rint(draws))
    assert draws.min() == 0


def test_likelihood_of_new_counts_is_higher_than_that_of_normal_variables():
    """Of a count, a normal density is integrated over the unit around it: a generous comparison."""
    x, m, _ = words(500, 1)
    draws = {}
    for name in ("counts", "gaussian"):
        clf = fitted(missing=[Modality("X_missing", likelihood=name)])
        draws[name] = clf.generate_missing(x, 60, random_state=0)
    # CRPS by its definition, E|D − m| − E|D − D'| / 2.
    crps = {
        name: np.mean(
            np.abs(each - m[:, None]).mean(axis=1)
            - np.abs(each[:, :30] - each[:, 30:]).mean(axis=1) / 2
        )
        for name, each in draws.items()
    }
    assert crps["counts"] < 0.95 * crps["gaussian"]


def test_ensemble_of_counts():
    x, m, y = words(400, 0)
    model = CMMDEnsemble(CMMDClassifier(**SMALL), n_estimators=3, random_state=0)
    model.fit(x, y, X_missing=m)
    new_x, new_m, _ = words(1000, 1)
    lower, upper = model.generate_intervals(new_x)
    for end in (lower, upper):
        np.testing.assert_array_equal(end, np.rint(end))
    assert lower.min() == 0
    assert np.mean((lower <= new_m) & (new_m <= upper)) > 0.88
    assert model.generate_missing(new_x).min() >= 0
    draws = model.generate_missing(new_x[:50], 100, random_state=0)
    np.testing.assert_array_equal(draws, np.rint(draws))
    assert draws.min() == 0


@pytest.mark.parametrize("bad", [-1.0, 0.5])
def test_what_is_no_count(bad, no_training):
    x, m, y = words(50, 0)
    m[3, 1] = bad
    clf = CMMDClassifier(**SMALL, missing=[COUNTS])
    with pytest.raises(ValueError, match=r"Counts are whole numbers from 0 on, but 'X_missing'"):
        clf.fit(x, y, X_missing=m)


def test_further_rows_are_counts_too():
    x, m, y = words(50, 0)
    clf = CMMDClassifier(**SMALL).partial_fit(x, y, X_missing=m, classes=[0, 1])
    assert clf.missing_[0].likelihood == "counts"
    with pytest.raises(ValueError, match="'auto' chose counts by its values"):
        clf.partial_fit(x, y, X_missing=m + 0.5)


def test_r_is_learned():
    with pytest.raises(ValueError, match="r of counts is learned"):
        Modality("m", likelihood="counts", scale=2.0)
    by_row = fitted(missing=[Modality("X_missing", likelihood="counts", scale="row")])
    assert np.isfinite(by_row.generate_missing(words(5, 1)[0])).all()
