"""Distributions against torch.distributions, and by Monte Carlo."""

import math

import pytest
import torch
from scipy.stats import kstest
from torch import distributions

from sklearn_cmmd.networks.conditional import Columns
from sklearn_cmmd.networks.distributions import (
    Bernoulli,
    Categorical,
    CategoricalGrid,
    Gaussian,
    Joint,
    Laplace,
    NegativeBinomial,
)
from sklearn_cmmd.networks.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    Head,
    LaplaceLikelihood,
    VariedGaussianLikelihood,
    gaussian_head,
)
from sklearn_cmmd.networks.mlp import init_weights

SCALES = ("column", "row", (0.5,) * 10)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def randn(rng, *shape):
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def uniform(rng, *shape):
    return torch.rand(*shape, generator=rng, dtype=torch.float64).clamp_min(2.0**-54)


def test_gaussian_log_prob(rng):
    loc, log_var, x = randn(rng, 3, 4, 5)
    want = distributions.Normal(loc, (0.5 * log_var).exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(Gaussian(loc, log_var).log_prob(x), want, rtol=1e-12, atol=0)


@pytest.mark.parametrize("own", [(5,), (4, 5)], ids=["one scale", "by row"])
@pytest.mark.parametrize("others", [(5,), (4, 5)], ids=["one scale", "by row"])
def test_gaussian_cross_entropy(rng, own, others):
    """It is the entropy and the divergence, and the mean over draws."""
    one = Gaussian(randn(rng, 4, 5), randn(rng, *own))
    other = Gaussian(randn(rng, 4, 5), randn(rng, *others))
    p, q = (distributions.Normal(g.loc, (0.5 * g.log_var).exp()) for g in (one, other))
    want = (p.entropy() + distributions.kl_divergence(p, q)).sum(-1)
    torch.testing.assert_close(one.cross_entropy(other), want, rtol=1e-12, atol=0)
    draws = one.rsample(randn(rng, 40_000, 4, 5))
    torch.testing.assert_close(-other.log_prob(draws).mean(0), want, rtol=0.05, atol=0)


def test_variances(rng):
    a, b, by_column = randn(rng, 4, 6), randn(rng, 4, 6), randn(rng, 6)
    unit = torch.tensor([1.0, 2, 4, 1, 2, 4]).double()
    r = by_column.exp().expand(4, 6)
    counts = distributions.NegativeBinomial(r, logits=a - by_column)
    one_hot = distributions.OneHotCategorical(logits=a)
    grid = distributions.OneHotCategorical(logits=a.view(4, 2, 3)).variance.flatten(1)
    both = Joint(
        (Gaussian(a[:, :2], b[:, :2]), Laplace(a[:, :4], by_column[:4])),
        (),
        (),
        torch.tensor([5, 4, 3, 2, 1, 0]),
    )
    parts = b[:, :2].exp(), 2 * (2 * by_column[:4]).exp().expand(4, 4)
    for found, want in [
        (Gaussian(a, b), b.exp()),
        (Gaussian(a, by_column), by_column.exp().expand(4, 6)),
        (Laplace(a, b), distributions.Laplace(a, b.exp()).variance),
        (Bernoulli(a), distributions.Bernoulli(logits=a).variance),
        (NegativeBinomial(a, by_column, unit), counts.variance / unit**2),
        (Categorical(a), one_hot.variance),
        (CategoricalGrid(a, (2, 3), -1), grid),
        (both, torch.cat(parts, dim=1).flip(1)),
    ]:
        torch.testing.assert_close(found.variance, want, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [Bernoulli, Categorical])
def test_cross_entropy_of_classes(rng, kind):
    one, other = kind(randn(rng, 4, 5)), kind(randn(rng, 4, 5))
    assert torch.equal(one.cross_entropy(other), -other.log_prob(one.mean))
    if kind is Categorical:
        p, q = (distributions.Categorical(logits=each.logits) for each in (one, other))
        want = p.entropy() + distributions.kl_divergence(p, q)
    else:
        p, q = (distributions.Bernoulli(logits=each.logits) for each in (one, other))
        want = (p.entropy() + distributions.kl_divergence(p, q)).sum(-1)
    torch.testing.assert_close(one.cross_entropy(other), want, rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    "whole",
    [
        Bernoulli(torch.arange(12.0).reshape(6, 2)),
        Categorical(torch.arange(12.0).reshape(6, 2)),
        Gaussian(torch.arange(12.0).reshape(6, 2), -torch.arange(12.0).reshape(6, 2)),
        Gaussian(torch.arange(12.0).reshape(6, 2), torch.tensor([1.0, 2.0])),
    ],
    ids=["bernoulli", "categorical", "by row", "one scale"],
)
def test_halves_are_the_distributions_of_the_rows(whole):
    x = torch.tensor([[0.0, 1.0]]).expand(6, 2)
    both = [half.log_prob(x[:3]) for half in whole.halves()]
    assert torch.equal(torch.cat(both), whole.log_prob(x))


def test_deviations_vary_within_bounds_about_a_common_one(rng):
    likelihood = VariedGaussianLikelihood(3)
    likelihood.common.raw.data.copy_(torch.tensor([-100.0, 0.0, 100.0]))
    for raw, factor in ((-1e6, -1), (0.0, 0), (1e6, 1)):
        found = likelihood(torch.full((2, 6), raw))
        want = torch.tensor([-7.0, 0.0, 7.0]) + factor
        torch.testing.assert_close(found.log_var, want.expand(2, 3))
        assert torch.equal(found.loc, torch.full((2, 3), raw))


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
    [lambda x: Gaussian(x, 0.3 * x), lambda x: Laplace(x, 0.3 * x), Bernoulli, Categorical],
    ids=["gaussian", "laplace", "bernoulli", "categorical"],
)
def test_draws_have_the_mean(make, rng):
    distribution = make(randn(rng, 2, 3))
    big = type(distribution)(*(p.expand(20_000, 2, 3) for p in distribution))
    draws = big.sample(uniform(rng, 20_000, 2, 3))
    error = draws.std(0) / 20_000**0.5
    assert ((draws.mean(0) - distribution.mean).abs() < 4.5 * error).all()


def test_gaussian_draws_have_the_variance(rng):
    log_var = randn(rng, 3)
    draws = Gaussian(log_var.new_zeros(50_000, 3), log_var.expand(50_000, 3)).sample(
        uniform(rng, 50_000, 3)
    )
    torch.testing.assert_close(draws.var(0), log_var.exp(), rtol=0.04, atol=0)


def test_categorical_draws_are_one_hot(rng):
    draws = Categorical(randn(rng, 7, 3)).sample(uniform(rng, 7, 3))
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
    head = gaussian_head(1, 1, bound=7.0)
    init_weights(head, torch.Generator().manual_seed(0))
    head.layer.weight.data.fill_(1e6)
    log_var = head(torch.tensor([[-1.0], [1.0]])).log_var
    assert log_var.flatten().tolist() == [-7.0, 7.0]


@pytest.mark.parametrize("likelihood", [GaussianLikelihood, LaplaceLikelihood])
def test_scale_of_a_column_is_that_of_all_rows(likelihood, rng):
    """The maximum-likelihood scale: the standard deviation, or the mean absolute deviation."""
    x = 3 * torch.randn(4000, 2, generator=rng) * torch.tensor([0.1, 1.0])
    head = Head(5, likelihood(2))
    init_weights(head, rng)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        (-head(torch.zeros(4000, 5)).log_prob(x).mean()).backward()
        optimizer.step()
    _, log_scale = head(torch.zeros(1, 5))
    want = {GaussianLikelihood: x.var(0), LaplaceLikelihood: x.abs().mean(0)}[likelihood]
    torch.testing.assert_close(log_scale.exp().detach(), want, rtol=0.05, atol=0)


@pytest.mark.parametrize("likelihood", [GaussianLikelihood, LaplaceLikelihood])
def test_fixed_scale(likelihood, rng):
    raw, x = randn(rng, 4, 3), randn(rng, 4, 3)
    scale = torch.tensor([0.5, 1.0, 3.0])
    family = {GaussianLikelihood: distributions.Normal, LaplaceLikelihood: distributions.Laplace}
    want = family[likelihood](raw, scale).log_prob(x).sum(-1)
    found = likelihood(3, tuple(scale.tolist())).double()(raw).log_prob(x)
    torch.testing.assert_close(found, want)
    assert not list(likelihood(3, (1.0, 1.0, 1.0)).parameters())


@pytest.mark.parametrize("likelihood", [GaussianLikelihood, LaplaceLikelihood])
def test_prior_of_scales_is_as_good_as_further_rows(likelihood, rng):
    """The scale that is best of n rows and k imaginary ones is that of n + k rows."""
    x = 0.3 * randn(rng, 50, 2)
    one = likelihood(2).double()
    optimizer = torch.optim.LBFGS(one.parameters(), max_iter=100, tolerance_grad=1e-10)

    def loss():
        optimizer.zero_grad()
        value = -one(torch.zeros_like(x)).log_prob(x).sum() + 30 * one.prior_loss()
        value.backward()
        return value

    optimizer.step(loss)
    deviation = {GaussianLikelihood: x.square(), LaplaceLikelihood: x.abs()}[likelihood]
    want = (deviation.sum(0) + 30) / (50 + 30)
    found = one(torch.zeros_like(x))[1].exp().detach()
    torch.testing.assert_close(found, want, rtol=1e-6, atol=0)


def test_only_learned_scales_have_a_prior():
    none = [BernoulliLikelihood(3), CategoricalLikelihood(3)]
    none += [GaussianLikelihood(3, scale) for scale in ("row", (1.0, 1.0, 1.0))]
    assert all(likelihood.prior_loss() is None for likelihood in none)


LIKELIHOODS = [
    BernoulliLikelihood(10),
    CategoricalLikelihood(10),
    CategoricalLikelihood(10, (2, 5)),
    *(kind(10, scale) for kind in (GaussianLikelihood, LaplaceLikelihood) for scale in SCALES),
]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_heads_start_near_zero(likelihood, rng):
    head = Head(64, likelihood)
    init_weights(head, rng)
    distribution = head(torch.randn(100, 64, generator=rng))
    assert distribution[0].shape == (100, 10)
    assert distribution[0].abs().max() < 1


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_gradients_are_finite_at_the_edges(likelihood, value):
    """Pixels and probabilities of exactly 0 and 1, for outputs as extreme as they come."""
    raw = torch.tensor([-100.0, 0.0, 0.5, 1.0, 100.0]).repeat(likelihood.per_value * 2)
    raw = raw.expand(3, -1).clone().requires_grad_()
    log_prob = likelihood(raw).log_prob(torch.full((3, 10), value))
    log_prob.sum().backward()
    assert log_prob.isfinite().all()
    assert raw.grad.isfinite().all()


def test_laplace_log_prob(rng):
    loc, log_scale, x = randn(rng, 3, 4, 5)
    want = distributions.Laplace(loc, log_scale.exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(Laplace(loc, log_scale).log_prob(x), want, rtol=1e-12, atol=0)


def test_laplace_draws_have_the_distribution(rng):
    laplace = Laplace(torch.full((5000,), 2.0), torch.full((5000,), 0.7))
    draws = laplace.sample(uniform(rng, 5000))
    assert kstest(draws.numpy(), "laplace", args=(2.0, math.exp(0.7))).pvalue > 1e-3


@pytest.mark.parametrize("axis", [-1, -2])
def test_categorical_grid_log_prob(axis, rng):
    """A loop over the positions, each with a torch.distributions.Categorical."""
    shape = (4, 3)
    logits = randn(rng, 5, *shape)
    n_classes, n_positions = shape[axis], shape[-3 - axis]
    codes = torch.randint(n_classes, (5, n_positions), generator=rng)
    x = torch.nn.functional.one_hot(codes, n_classes).movedim(-1, axis)
    grid = CategoricalGrid(logits.flatten(1), shape, axis)
    want = torch.zeros(5, dtype=torch.float64)
    for position in range(n_positions):
        at = logits.select(-3 - axis, position)
        want += distributions.Categorical(logits=at).log_prob(codes[:, position])
    torch.testing.assert_close(grid.log_prob(x.flatten(1)), want)
    sums = grid.mean.unflatten(-1, shape).sum(axis)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("axis", [-1, -2])
def test_categorical_grid_draws(axis, rng):
    grid = CategoricalGrid(randn(rng, 12), (4, 3), axis)
    big = grid._replace(logits=grid.logits.expand(20_000, 12))
    draws = big.sample(uniform(rng, 20_000, 12))
    sums = draws.unflatten(-1, (4, 3)).sum(axis)
    assert sums.eq(1).all()
    assert ((draws.mean(0) - grid.mean).abs() < 4.5 * draws.std(0) / 20_000**0.5).all()


def test_joint_keeps_the_order_of_the_columns(rng):
    take = (Columns([3, 0], 4), Columns([1, 2], 4))
    loc, logits = randn(rng, 5, 2), randn(rng, 5, 2)
    parts = (Gaussian(loc, torch.zeros_like(loc)), Bernoulli(logits))
    joint = Joint(parts, take, (1.0, 2.5), torch.tensor([3, 0, 1, 2]).argsort())
    x = randn(rng, 5, 4).abs().clamp(max=1)
    want = parts[0].log_prob(x[:, [3, 0]]) + 2.5 * parts[1].log_prob(x[:, [1, 2]])
    torch.testing.assert_close(joint.log_prob(x), want)
    assert torch.equal(joint.mean[:, [3, 0]], loc)
    assert torch.equal(joint.mean[:, [1, 2]], parts[1].mean)


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_draw_is_made_of_its_own_noise(axis, rng):
    """Whatever noise the other rows and columns get."""
    take = (Columns([3, 0], 7), Columns([1, 2], 7), Columns([4, 5, 6], 7))
    loc = randn(rng, 5, 2)
    parts = (Gaussian(loc, loc), Laplace(loc, loc), Categorical(randn(rng, 5, 3)))
    joint = Joint(parts, take, (1.0,) * 3, torch.tensor([3, 0, 1, 2, 4, 5, 6]).argsort())
    noise = uniform(rng, 5, 7)
    draws = joint.sample(noise)
    for row in range(5):
        alone = Joint(
            tuple(type(part)(*(p[row : row + 1] for p in part)) for part in parts), *joint[1:]
        )
        torch.testing.assert_close(alone.sample(noise[row : row + 1]), draws[row : row + 1])
    other = noise.clone()
    other[:, 1] = 0.5
    changed = (joint.sample(other) != draws).any(0)
    assert changed.tolist() == [False, True, False, False, False, False, False]
    grid = CategoricalGrid(randn(rng, 5, 12), (4, 3), axis)
    noise = uniform(rng, 5, 12)
    one = grid._replace(logits=grid.logits[2:3]).sample(noise[2:3])
    assert torch.equal(one, grid.sample(noise)[2:3])
