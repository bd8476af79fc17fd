"""Distributions against torch.distributions, and by Monte Carlo."""

import pytest
import torch
from torch import distributions

from sklearn_cmmd.networks.likelihoods import (
    HEADS,
    Bernoulli,
    Categorical,
    Gaussian,
    GaussianHead,
    Joint,
)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def randn(rng, *shape):
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def test_gaussian_log_prob(rng):
    loc, log_var, x = randn(rng, 3, 4, 5)
    want = distributions.Normal(loc, (0.5 * log_var).exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(Gaussian(loc, log_var).log_prob(x), want, rtol=1e-12, atol=0)


def test_bernoulli_log_prob(rng):
    logits = 5 * randn(rng, 4, 6)
    x = torch.bernoulli(torch.full_like(logits, 0.5), generator=rng)
    want = distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), want, rtol=1e-12, atol=1e-12)


def test_bernoulli_soft_target_is_cross_entropy(rng):
    logits, x = randn(rng, 4, 6), torch.rand(4, 6, generator=rng, dtype=torch.float64)
    want = -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), want.sum(-1))


def test_categorical_log_prob(rng):
    logits = randn(rng, 4, 6)
    codes = torch.arange(4)
    x = torch.nn.functional.one_hot(codes, 6)
    want = distributions.Categorical(logits=logits).log_prob(codes)
    torch.testing.assert_close(Categorical(logits).log_prob(x), want, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "make",
    [lambda x: Gaussian(x, 0.3 * x), Bernoulli, Categorical],
    ids=["gaussian", "bernoulli", "categorical"],
)
def test_draws_have_the_mean(make, rng):
    distribution = make(randn(rng, 2, 3))
    big = type(distribution)(*(p.expand(20_000, 2, 3) for p in distribution))
    draws = big.sample(rng)
    error = draws.std(0) / 20_000**0.5
    assert ((draws.mean(0) - distribution.mean).abs() < 4.5 * error).all()


def test_gaussian_draws_have_the_variance(rng):
    log_var = randn(rng, 3)
    draws = Gaussian(log_var.new_zeros(50_000, 3), log_var.expand(50_000, 3)).sample(rng)
    torch.testing.assert_close(draws.var(0), log_var.exp(), rtol=0.04, atol=0)


def test_categorical_draws_are_one_hot(rng):
    draws = Categorical(randn(rng, 7, 3)).sample(rng)
    assert draws.sum(-1).eq(1).all()
    assert draws.max(-1).values.eq(1).all()


@pytest.mark.parametrize("distribution", [Bernoulli, Categorical])
def test_log_mean_where_the_mean_underflows(distribution):
    logits = torch.tensor([[-500.0, 0.0, 500.0]])
    assert distribution(logits).log_mean().isfinite().all()
    moderate = logits / 100
    torch.testing.assert_close(distribution(moderate).log_mean(), distribution(moderate).mean.log())


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bernoulli_gradient_is_finite_at_the_edges(value):
    logits = torch.tensor([[-100.0, 0.0, 100.0]], requires_grad=True)
    Bernoulli(logits).log_prob(torch.full((1, 3), value)).sum().backward()
    assert logits.grad.isfinite().all()


def test_variance_has_a_floor_and_a_ceiling():
    head = GaussianHead(1, 1, bound=7.0)
    head.init_weights(torch.Generator().manual_seed(0))
    head.both.weight.data.fill_(1e6)
    log_var = head(torch.tensor([[-1.0], [1.0]])).log_var
    assert log_var.flatten().tolist() == [-7.0, 7.0]


def test_variance_of_a_column_is_that_of_all_rows(rng):
    head = HEADS["gaussian"](5, 2)
    head.init_weights(rng)
    x = 3 * torch.randn(4000, 2, generator=rng) * torch.tensor([0.1, 1.0])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        (-head(torch.zeros(4000, 5)).log_prob(x).mean()).backward()
        optimizer.step()
    found = head(torch.zeros(1, 5)).log_var.exp().detach()[0]
    torch.testing.assert_close(found, x.var(0), rtol=0.05, atol=0)


@pytest.mark.parametrize("name", HEADS)
def test_heads_start_near_zero(name, rng):
    head = HEADS[name](64, 10)
    head.init_weights(rng)
    for parameter in head(torch.randn(100, 64, generator=rng)):
        assert parameter.abs().max() < 1


def test_joint_keeps_the_order_of_the_columns(rng):
    columns = (torch.tensor([3, 0]), torch.tensor([1, 2]))
    loc, logits = randn(rng, 5, 2), randn(rng, 5, 2)
    parts = (Gaussian(loc, torch.zeros_like(loc)), Bernoulli(logits))
    joint = Joint(parts, columns, (1.0, 2.5))
    x = randn(rng, 5, 4).abs().clamp(max=1)
    want = parts[0].log_prob(x[:, [3, 0]]) + 2.5 * parts[1].log_prob(x[:, [1, 2]])
    torch.testing.assert_close(joint.log_prob(x), want)
    assert torch.equal(joint.mean[:, [3, 0]], loc)
    assert torch.equal(joint.mean[:, [1, 2]], parts[1].mean)
