"""PosteriorCollapseDisplay and VarianceDisplay: the curves of the metrics, of whose divergence."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklearn_cmmd.plotting import PosteriorCollapseDisplay, VarianceDisplay
from tests import tiny


def by_definition(values, thresholds):
    """Return the share of columns of which 99 % of the rows are within each threshold."""
    return [((values <= t).mean(axis=0) >= 0.99).mean() for t in thresholds]


def kl(p, q):
    p, q = (Normal(*map(torch.from_numpy, each)) for each in (p, q))
    return kl_divergence(p, q).numpy()


@pytest.mark.parametrize("of", ["encoder", "prior"])
def test_the_curve_is_of_the_divergence_named(fitted, of):
    display = PosteriorCollapseDisplay.from_estimator(fitted, tiny.X, tiny.Y, tiny.M, of=of)
    prior = fitted.transform(tiny.X, return_std=True)
    if of == "encoder":
        divergence = kl(fitted.posterior(tiny.X, tiny.Y, tiny.M), prior)
    else:
        divergence = kl(prior, (np.zeros_like(prior[0]), np.ones_like(prior[1])))
    np.testing.assert_allclose(
        display.line_.get_ydata(), by_definition(divergence, display.thresholds)
    )
    np.testing.assert_array_equal(display.line_.get_xdata(), display.thresholds)


def test_curves_on_the_same_axes_differ_and_have_names(rng):
    ax = None
    for name, loc in (("none", np.zeros((50, 4))), ("some", rng.normal(size=(50, 4)) + 5)):
        display = PosteriorCollapseDisplay.from_predictions(loc, np.ones((50, 4)), name=name, ax=ax)
        ax = display.ax_
    collapsed, alive = ax.get_lines()
    assert collapsed.get_ydata().tolist() == [1.0] * 40
    assert alive.get_ydata()[0] == 0.0
    assert collapsed.get_linestyle() != alive.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["none", "some"]


def test_without_a_name_there_is_no_legend(rng):
    display = VarianceDisplay.from_predictions(rng.random((20, 3)))
    assert display.ax_.get_legend() is None
    assert display.plot(name="later").ax_.get_legend() is not None


def test_variances_are_over_those_of_the_columns_in_the_fit():
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(tiny.N, 2)) * 100, "b": rng.normal(size=(tiny.N, 2, 2))}
    clf = tiny.fit(M=views)
    display = VarianceDisplay.from_estimator(clf, tiny.X)
    _, std = clf.generate_missing(tiny.X, return_std=True)
    shares = np.c_[
        (std["a"] / views["a"].std(axis=0)) ** 2,
        ((std["b"] / views["b"].std()) ** 2).reshape(-1, 4),
    ]
    np.testing.assert_allclose(display.line_.get_ydata(), by_definition(shares, display.thresholds))
    assert display.thresholds[[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize("display", [PosteriorCollapseDisplay, VarianceDisplay])
def test_an_ensemble_has_a_curve_for_each_member(ensemble, display):
    with pytest.raises(TypeError, match=r"single estimator|of an ensemble take each"):
        display.from_estimator(ensemble, tiny.X)


def test_errors_say_what_is_asked_for(fitted):
    with pytest.raises(ValueError, match=r'of must be "encoder" or "prior". Got \'decoder\''):
        PosteriorCollapseDisplay.from_estimator(fitted, tiny.X, of="decoder")


@pytest.mark.parametrize("of", ["encoder", "prior"])
def test_thresholds_may_be_ones_own(fitted, of):
    thresholds = np.geomspace(0.01, 100, 7)
    display = PosteriorCollapseDisplay.from_estimator(
        fitted, tiny.X, tiny.Y, tiny.M, of=of, thresholds=thresholds
    )
    np.testing.assert_array_equal(display.line_.get_xdata(), thresholds)


def test_keywords_reach_the_line(rng):
    display = VarianceDisplay.from_predictions(rng.random((9, 2)), line_kw={"color": "#123456"})
    assert display.line_.get_color() == "#123456"
