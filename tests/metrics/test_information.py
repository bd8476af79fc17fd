"""Densities and information beside the exact values of linear Gaussian models."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, nbinom
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDRegressor,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
)
from sklearn_cmmd.metrics import conditional_log_likelihood, conditional_mutual_information

# Networks without hidden layers, so that p(x_M | x_O) is normal.
LINEAR = {
    "hidden_layer_sizes": (),
    "latent_dim": 2,
    "omega": 1,
    "dropout": 0.0,
    "learning_rate": 0.03,
    "max_epochs": 60,
    "random_state": 0,
}
N, D, C = 300, 3, 4


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X, hidden = rng.normal(size=(N, D)), rng.normal(size=(N, 2))
    M = X @ rng.normal(size=(D, C)) + hidden @ rng.normal(size=(2, C))
    y = (hidden[:, 0] + X[:, 0] > 0).astype(int)
    return X, 10 * (M + 0.3 * rng.normal(size=(N, C))) + 5, y


@pytest.fixture(scope="module")
def linear(data):
    X, M, _ = data
    objective = Objective(decode_prior=0, scale_prior_rows=0)
    return CMMDTransformer(**LINEAR, objective=objective).fit(X, X_missing=M)


def exact(estimator, X):
    """Means and covariances of p(x_M | x_O), by what the estimator says and a slope."""
    _, spread = estimator.transform(X, return_std=True)
    mean, noise = estimator.generate_missing(X, return_std=True)
    head = estimator.module_.decoder.heads[0].layer.weight.detach().double().numpy()
    slope = head[:, -2:] * estimator._plan.layout.missing.scale[:, None]
    return mean, [
        slope @ np.diag(s**2) @ slope.T + np.diag(d**2) for s, d in zip(spread, noise, strict=True)
    ]


def test_it_is_the_density_of_a_linear_gaussian_model(data, linear):
    X, M, _ = data
    want = [
        multivariate_normal(mean, cov).logpdf(row)
        for row, mean, cov in zip(M, *exact(linear, X), strict=True)
    ]
    found = conditional_log_likelihood(linear, X, M, n_samples=2000, random_state=0)
    assert found.mean() == pytest.approx(np.mean(want), abs=0.02)
    assert np.abs(found - want).max() < 0.5


def test_it_rises_to_the_density_with_more_draws_and_is_above_the_lower_bound(data, linear):
    X, M, _ = data
    means = [
        conditional_log_likelihood(linear, X, M, n_samples=n, random_state=0).mean()
        for n in (1, 10, 1000)
    ]
    assert means[0] < means[1] < means[2]
    assert linear.score(X, X_missing=M) < means[2]


def test_a_model_that_ignores_z_is_the_likelihood_of_its_decoder(data):
    X, M, _ = data
    clf = CMMDTransformer(**LINEAR | {"max_epochs": 1}).fit(X, X_missing=M)
    clf.module_.decoder.heads[0].layer.weight.data[:, -2:] = 0
    mean, std = clf.generate_missing(X, return_std=True)
    want = -0.5 * np.square((M - mean) / std) - np.log(std) - 0.5 * np.log(2 * np.pi)
    # Weights of draws of q average to one.
    found = conditional_log_likelihood(clf, X, M, n_samples=1000, random_state=0)
    np.testing.assert_allclose(found, want.sum(axis=1), atol=0.5)
    assert found.mean() == pytest.approx(want.sum(axis=1).mean(), abs=0.01)


def test_probabilities_of_counts_are_in_no_unit(data):
    """Without z they are those of scipy, though counts are scaled inside."""
    X, _, _ = data
    rng = np.random.default_rng(1)
    counts = rng.poisson(np.exp(X[:, :1] - 1) * rng.gamma(1, size=(N, 2)))
    described = [Modality("X_missing", likelihood="counts")]
    embed = CMMDTransformer(**LINEAR, missing=described).fit(X, X_missing=counts)
    embed.module_.decoder.heads[0].layer.weight.data[:, -2:] = 0
    mean, std = embed.generate_missing(X, return_std=True)
    r = mean**2 / (std**2 - mean)
    want = nbinom(r, r / (r + mean)).logpmf(counts).sum(axis=1)
    found = conditional_log_likelihood(embed, X, counts, n_samples=500, random_state=0)
    np.testing.assert_allclose(found, want, atol=0.5)
    assert found.mean() == pytest.approx(want.mean(), abs=0.02)


@pytest.mark.parametrize("kind", [CMMDClassifier, CMMDRegressor])
def test_the_label_only_helps_to_find_z(data, kind):
    """Whatever the encoder sees, the density is that of x_M given x_O."""
    X, M, y = data
    fitted = kind(**LINEAR).fit(X, y.astype(float) if kind is CMMDRegressor else y, X_missing=M)
    want = np.mean(
        [
            multivariate_normal(mean, cov).logpdf(row)
            for row, mean, cov in zip(M, *exact(fitted, X), strict=True)
        ]
    )
    found = conditional_log_likelihood(fitted, X, M, y, n_samples=2000, random_state=0)
    assert found.mean() == pytest.approx(want, abs=0.05)
    with pytest.raises(ValueError, match="sees y, and got None"):
        conditional_log_likelihood(fitted, X, M)


def set_to_truth(estimator, tell):
    """Make the networks a model whose posterior is known, in standardised units.

    z ~ N(0, I), and x_M | z ~ N(tell · z, I).
    """
    module = estimator.module_
    log_var, bound = -np.log1p(tell**2), module.encoder.head.likelihood.bound
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.decoder.heads[0].layer.weight[:, -2:] = tell * torch.eye(2)
        layer = module.encoder.head.layer
        layer.weight[:2, D : D + 2] = tell / (1 + tell**2) * torch.eye(2)
        layer.bias[2:] = bound * np.arctanh(log_var / bound)


def test_information_of_a_known_model():
    """With the true posterior the bound is the information, and the estimate reaches it."""
    tell = 1.5
    rng = np.random.default_rng(2)
    X, z = rng.normal(size=(2000, D)), rng.normal(size=(2000, 2))
    M = tell * z + rng.normal(size=z.shape)
    embed = CMMDTransformer(**LINEAR | {"max_epochs": 1}, networks=Networks(decoder_input="both"))
    side = embed.fit(X, X_missing=M)._plan.layout.missing
    set_to_truth(embed, tell)
    as_given = M * side.scale + side.loc
    found = conditional_mutual_information(embed, X, as_given, n_samples=300, random_state=0)
    assert found.bound == pytest.approx(np.log1p(tell**2), abs=0.05)
    assert found.estimate == pytest.approx(np.log1p(tell**2), abs=0.08)
    few = conditional_mutual_information(embed, X, as_given, n_samples=1, random_state=0)
    assert few.estimate < np.log(2)


def test_an_encoder_that_ignores_the_view_has_no_information(data):
    X, M, y = data
    clf = CMMDClassifier(**LINEAR | {"max_epochs": 1}).fit(X, y, X_missing=M)
    clf.module_.encoder.head.layer.weight.data[:, D:] = 0
    found = conditional_mutual_information(clf, X, M, y, n_samples=5, random_state=0)
    assert found.estimate == pytest.approx(0, abs=1e-9)
    assert found.bound > 0


@pytest.mark.parametrize("kind", [CMMDClassifier, CMMDRegressor])
def test_gaps_and_mixed_likelihoods(data, kind):
    """Rows without a view do not count, whatever else is in them."""
    X, M, y = data
    y = y.astype(float) if kind is CMMDRegressor else y
    views = {
        "real": M.copy(),
        "flags": (M > 5).astype(float),
        "class": np.eye(2)[(M[:, 0] > 5) * 1],
    }
    described = [Modality("real"), Modality("flags"), Modality("class", likelihood="categorical")]
    for number, view in enumerate(views.values()):
        view[number::4] = np.nan
    lacking = slice(3, None, 4)
    for view in views.values():
        view[lacking] = np.nan
    fitted = kind(**LINEAR | {"max_epochs": 2}, missing=described).fit(X, y, X_missing=views)
    asked = {"n_samples": 4, "random_state": 0}
    found = conditional_log_likelihood(fitted, X, views, y, **asked)
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(3, N, 4))
    before = conditional_mutual_information(fitted, X, views, y, **asked)
    assert np.isfinite(before).all()
    with pytest.raises(ValueError, match="No row of X_missing has any modality"):
        conditional_mutual_information(
            fitted, X[lacking], {k: v[lacking] for k, v in views.items()}, y[lacking]
        )


def test_views_of_x_that_may_be_absent(data):
    """They are on the observed side, and what is not there counts nothing."""
    X, M, y = data
    rows = {"a": X.copy(), "b": M.copy()}
    rows["a"][::2] = np.nan
    fitted = CMMDClassifier(**LINEAR | {"max_epochs": 2}, optional="all").fit(rows, y, X_missing=M)
    found = conditional_log_likelihood(fitted, rows, M, y, n_samples=4, random_state=0)
    assert np.isfinite(found).all()
    assert np.isfinite(
        conditional_mutual_information(fitted, rows, M, y, n_samples=4, random_state=0)
    ).all()


def test_who_is_asked(data, linear):
    X, M, y = data
    for estimator in (CMMDEnsemble(), make_pipeline(StandardScaler(), linear)):
        with pytest.raises(TypeError, match=r"Of an ensemble ask each of estimators_"):
            conditional_log_likelihood(estimator, X, M)
    with pytest.raises(ValueError, match="fitted without X_missing"):
        conditional_mutual_information(CMMDClassifier(**LINEAR).fit(X, y), X, M, y)
    with pytest.raises(ValueError, match="n_samples must be a positive int"):
        conditional_log_likelihood(linear, X, M, n_samples=0)
    with pytest.raises(ValueError, match="sees X_missing, and got None"):
        conditional_log_likelihood(linear, X, None)
