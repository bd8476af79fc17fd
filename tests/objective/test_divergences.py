"""KL and MMD against torch.distributions, double loops, closed forms and their own statistics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.objective.divergences import (
    bandwidths,
    expected_kernel_minus_one,
    gaussian_kl,
    kernel_minus_one,
    mmd,
)

KERNEL_VALUES = {
    "gaussian": lambda squared, width: math.exp(-squared / (2 * width**2)),
    "imq": lambda squared, width: 1 / (1 + squared / (2 * width**2)),
}


def gaussians(seed, n=6, d=3, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    loc = torch.randn(n, d, generator=rng, dtype=torch.float64) + shift
    return Gaussian(loc, 0.5 * torch.randn(n, d, generator=rng, dtype=torch.float64))


def standard_noise(seed, n=6, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kl_against_torch():
    q, p = gaussians(0), gaussians(1)
    want = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.loc, (0.5 * q.log_var).exp()),
        torch.distributions.Normal(p.loc, (0.5 * p.log_var).exp()),
    ).sum(-1)
    torch.testing.assert_close(gaussian_kl(q, p), want, rtol=1e-12, atol=0)


@given(
    loc=st.floats(-50, 50),
    log_var=st.floats(-8, 8),
    other=st.floats(-50, 50),
    other_log_var=st.floats(-8, 8),
)
def test_kl_is_never_negative(loc, log_var, other, other_log_var):
    q = Gaussian(torch.tensor([loc]), torch.tensor([log_var]))
    p = Gaussian(torch.tensor([other]), torch.tensor([other_log_var]))
    assert gaussian_kl(q, p) >= 0
    assert gaussian_kl(q, q) == 0


def of_noise(q, p, noise, **params):
    """MMD with draws that share their noise."""
    return mmd(q, p, q.rsample(noise), p.rsample(noise), **params)


def slow_mmd(x, y, name, widths, unbiased):
    """Average of the pair kernel, one pair at a time."""

    def k(a, b):
        squared = float(((a - b) ** 2).sum())
        return sum(KERNEL_VALUES[name](squared, width) for width in widths) / len(widths)

    values = [
        k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j])
        for i in range(len(x))
        for j in range(len(x))
        if not (unbiased and i == j)
    ]
    return sum(values) / len(values)


@pytest.mark.parametrize("name", ["gaussian", "imq"])
@pytest.mark.parametrize("estimator", ["u", "v"])
@pytest.mark.parametrize("bandwidth", [0.7, (0.5, 1.0, 2.0), "dimension", "authors"])
def test_mmd_against_a_double_loop(name, estimator, bandwidth):
    q, p, noise = gaussians(0), gaussians(1, shift=0.5), standard_noise(2)
    got = of_noise(q, p, noise, kernel=name, bandwidth=bandwidth, estimator=estimator)
    widths = bandwidths(bandwidth, 3)
    want = slow_mmd(q.rsample(noise), p.rsample(noise), name, widths, unbiased=estimator == "u")
    assert float(got) == pytest.approx(want, rel=1e-10)


def test_named_bandwidths():
    assert bandwidths("dimension", 16) == (4.0,)
    assert bandwidths(np.int64(2), 16) == bandwidths(np.float32(2), 16) == (2.0,)
    # exp(−‖z − z'‖² / d²) of the released code, written as exp(−‖z − z'‖² / 2h²).
    (width,) = bandwidths("authors", 20)
    assert 2 * width**2 == pytest.approx(20**2)


@pytest.mark.parametrize(("dim", "mean"), [(20, 0.905), (50, 0.961), (1024, 0.998)])
def test_the_authors_kernel_is_flat_in_high_dimension(dim, mean):
    standard = Gaussian(torch.zeros(1, dim), torch.zeros(1, dim))
    value = 1 + expected_kernel_minus_one(standard, standard, bandwidths("authors", dim))
    assert float(value) == pytest.approx(mean, abs=0.001)


def test_closed_form_against_many_draws():
    a, b = gaussians(3, n=1, d=2), gaussians(4, n=1, d=2)
    n = 200_000
    x = Gaussian(*(t.expand(n, 2) for t in a)).rsample(standard_noise(5, n, 2))
    y = Gaussian(*(t.expand(n, 2) for t in b)).rsample(standard_noise(6, n, 2))
    squared = (x - y).square().sum(-1)
    values = sum(kernel_minus_one(squared / (-2 * h**2), "gaussian") for h in (0.8, 1.5)) / 2
    want = float(expected_kernel_minus_one(a, b, (0.8, 1.5)))
    assert abs(float(values.mean()) - want) < 4 * float(values.std()) / n**0.5


def population_mmd(q, p, width):
    """MMD between the mixtures with these components, of which the batch is the population."""
    both = [[expected_kernel_minus_one(a, b, (width,)).mean() for b in (q, p)] for a in (q, p)]
    return float(both[0][0] + both[1][1] - both[0][1] - both[1][0])


@pytest.mark.parametrize("estimator", ["u", "closed"])
def test_paired_u_statistic_is_unbiased(estimator):
    """Rows drawn from a population of pairs, each pair with shared noise."""
    population = 200
    q, p = gaussians(7, population), gaussians(8, population, shift=0.3)
    want = population_mmd(q, p, 3**0.5)
    rng = torch.Generator().manual_seed(9)
    values = []
    for _ in range(4000):
        rows = torch.randint(population, (10,), generator=rng)
        noise = torch.randn(10, 3, generator=rng, dtype=torch.float64)
        batch = [Gaussian(g.loc[rows], g.log_var[rows]) for g in (q, p)]
        values.append(float(of_noise(*batch, noise, estimator=estimator)))
    values = torch.tensor(values)
    assert abs(values.mean() - want) < 4 * values.std() / len(values) ** 0.5
    # The test could tell: the V-statistic's bias is many times that tolerance.
    biased = float(of_noise(q, p, standard_noise(1, population), estimator="v"))
    assert biased != pytest.approx(want, rel=1e-3)


def test_v_statistic_is_biased_upwards():
    q = gaussians(7, 8)
    wider = Gaussian(q.loc, q.log_var + 1)
    draws = [
        float(of_noise(q, wider, standard_noise(i, 8), estimator=estimator))
        for i in range(500)
        for estimator in ("u", "v")
    ]
    u, v = torch.tensor(draws[::2]), torch.tensor(draws[1::2])
    assert (v >= 0).all()
    assert v.mean() > u.mean() + 5 * (u.std() + v.std()) / 500**0.5


def test_closed_form_is_the_mean_of_the_u_statistic():
    q, p = gaussians(0, 5), gaussians(1, 5, shift=0.4)
    values = torch.tensor([float(of_noise(q, p, standard_noise(i, 5))) for i in range(4000)])
    want = float(of_noise(q, p, standard_noise(0, 5), estimator="closed"))
    assert abs(values.mean() - want) < 4 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
@pytest.mark.parametrize("name", ["gaussian", "imq"])
def test_mmd_of_a_marginal_with_itself_is_zero(estimator, name):
    q = gaussians(0)
    if (name, estimator) != ("imq", "closed"):
        assert float(
            of_noise(q, q, standard_noise(1), kernel=name, estimator=estimator)
        ) == pytest.approx(0, abs=1e-15)


@settings(max_examples=30)
@given(st.permutations(range(6)))
def test_mmd_does_not_depend_on_the_order_of_the_rows(order):
    q, p, noise = gaussians(0), gaussians(1), standard_noise(2)
    shuffled = [Gaussian(g.loc[order], g.log_var[order]) for g in (q, p)]
    torch.testing.assert_close(of_noise(*shuffled, noise[order]), of_noise(q, p, noise))


def test_one_row_has_no_pairs():
    q, p, noise = gaussians(0, 1), gaussians(1, 1), standard_noise(2, 1)
    assert float(of_noise(q, p, noise)) == 0
    assert float(of_noise(q, p, noise, estimator="closed")) == 0


def test_float32_keeps_the_digits_of_a_flat_kernel():
    q, p, noise = gaussians(0, 50, 1024), gaussians(1, 50, 1024), standard_noise(2, 50, 1024)
    single = [Gaussian(*(t.float() for t in g)) for g in (q, p)]
    want = float(of_noise(q, p, noise, bandwidth="authors"))
    assert float(of_noise(*single, noise.float(), bandwidth="authors")) == pytest.approx(
        want, rel=0.01
    )


def test_integer_weights_are_repeated_rows_up_to_pairs_of_a_row_with_itself():
    q, p, noise = gaussians(0), gaussians(1, shift=0.5), standard_noise(2)
    weight = torch.tensor([1.0, 2.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    repeated = torch.tensor([0, 1, 1, 2, 4, 5])
    got = of_noise(q, p, noise, estimator="v", weight=weight)
    twice = [Gaussian(g.loc[repeated], g.log_var[repeated]) for g in (q, p)]
    torch.testing.assert_close(got, of_noise(*twice, noise[repeated], estimator="v"))


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
def test_gradcheck_mmd(estimator):
    q, p, noise = gaussians(0, 4, 2), gaussians(1, 4, 2), standard_noise(2, 4, 2)

    def function(*parameters):
        return of_noise(
            Gaussian(*parameters[:2]), Gaussian(*parameters[2:]), noise, estimator=estimator
        )

    assert torch.autograd.gradcheck(function, [t.requires_grad_() for t in (*q, *p)])


def test_gradcheck_kl():
    q, p = gaussians(0), gaussians(1)
    assert torch.autograd.gradcheck(
        lambda *ps: gaussian_kl(Gaussian(*ps[:2]), Gaussian(*ps[2:])),
        [t.requires_grad_() for t in (*q, *p)],
    )
