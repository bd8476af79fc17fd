"""Collapse curves against the definition, torch's divergences and the figures of the paper."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.distributions import Normal, kl_divergence

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.metrics import posterior_collapse_curve, variance_collapse_curve

RNG = np.random.default_rng(0)


def moments(n=200, d=7):
    return RNG.normal(size=(n, d)) * np.linspace(0, 3, d), np.exp(RNG.normal(size=(n, d)) / 3)


def by_definition(values, thresholds, delta):
    """Loop over thresholds, columns and rows."""
    return [
        np.mean([sum(v <= eps for v in column) >= (1 - delta) * len(column) for column in values.T])
        for eps in thresholds
    ]


@pytest.mark.parametrize("compared", [True, False], ids=["another", "standard normal"])
@pytest.mark.parametrize("delta", [0.01, 0.2])
def test_posterior_collapse_is_as_defined(compared, delta):
    (loc, scale), (other, spread) = moments(), moments()
    if not compared:
        other, spread = np.zeros_like(loc), np.ones_like(scale)
    p, q = (Normal(*map(torch.from_numpy, pair)) for pair in ((loc, scale), (other, spread)))
    collapsed, thresholds = posterior_collapse_curve(
        loc, scale, (other, spread) if compared else None, delta=delta
    )
    assert collapsed.tolist() == by_definition(kl_divergence(p, q).numpy(), thresholds, delta)
    assert collapsed.max() > 0


def test_the_two_directions_differ():
    one, other = moments(), moments()
    thresholds = np.linspace(0, 50, 100)
    forth = posterior_collapse_curve(*one, other, thresholds=thresholds)[0]
    back = posterior_collapse_curve(*other, one, thresholds=thresholds)[0]
    assert not np.array_equal(forth, back)


def test_thresholds_are_those_of_the_paper():
    _, thresholds = posterior_collapse_curve(*moments())
    np.testing.assert_allclose(thresholds, np.linspace(0, 6, 40))
    _, thresholds = variance_collapse_curve(np.ones((2, 2)))
    np.testing.assert_allclose(thresholds, np.linspace(0, 0.13, 40))


def test_what_is_the_reference_itself_is_collapsed_at_zero():
    loc, scale = moments()
    assert posterior_collapse_curve(loc, scale, (loc, scale))[0].min() == 1


def test_a_share_of_delta_of_the_rows_may_be_above():
    for n_rows in (100, 300, 700):
        for above, want in ((n_rows // 100, 1.0), (n_rows // 100 + 1, 0.0)):
            variance = np.where(np.arange(n_rows) < above, 1.0, 0.0)[:, None]
            assert variance_collapse_curve(variance, thresholds=[0.5])[0].tolist() == [want]


@given(arrays(np.float64, (9, 3), elements=st.floats(0, 0.2)), st.floats(0, 0.99))
def test_curves_rise_and_ignore_the_order_of_rows_and_columns(variance, delta):
    collapsed, _ = variance_collapse_curve(variance, delta=delta)
    assert (np.diff(collapsed) >= 0).all()
    assert ((collapsed >= 0) & (collapsed <= 1)).all()
    turned = variance_collapse_curve(variance[::-1, ::-1], delta=delta)[0]
    assert np.array_equal(collapsed, turned)


def test_a_weight_is_so_many_rows():
    loc, scale = moments(50)
    weight = RNG.integers(0, 4, size=50)
    repeated = posterior_collapse_curve(*(np.repeat(each, weight, axis=0) for each in (loc, scale)))
    weighted = posterior_collapse_curve(loc, scale, sample_weight=weight)
    assert np.array_equal(repeated[0], weighted[0])


def test_bad_input_is_said():
    loc, scale = moments(5, 2)
    with pytest.raises(ValueError, match="scale must be positive"):
        posterior_collapse_curve(loc, np.log(scale))
    with pytest.raises(ValueError, match="loc and scale differ in shape"):
        posterior_collapse_curve(loc, scale[:, :1])
    with pytest.raises(ValueError, match=r"reference must have the shape of loc, \(5, 2\)"):
        posterior_collapse_curve(loc, scale, moments(5, 3))
    with pytest.raises(ValueError, match=r"delta must be in \[0, 1\)"):
        posterior_collapse_curve(loc, scale, delta=1)
    with pytest.raises(ValueError, match="variance must not be negative"):
        variance_collapse_curve(loc - 10)


def test_a_model_trained_for_the_divergence_alone_collapses(digits, small):
    """As in figure 6: ω = 1 brings the posterior to the prior, ω = 0 does not."""
    X, M, y = digits
    collapsed = {}
    for omega in (0.0, 1.0):
        clf = CMMDClassifier(**small | {"omega": omega, "lam": 1.0}).fit(X, y, X_missing=M)
        prior, posterior = clf.transform(X, return_std=True), clf.posterior(X, y, M)
        collapsed[omega] = posterior_collapse_curve(*posterior, prior)[0]
    assert collapsed[1.0].mean() > collapsed[0.0].mean() + 0.3
