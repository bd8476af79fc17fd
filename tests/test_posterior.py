"""Both distributions of z, and the deviations of what is generated, as users get them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality
from tests.tiny import TINY, M, N, X, Y

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")
KINDS = [CMMDClassifier, CMMDRegressor, CMMDTransformer]


def fit(kind=CMMDClassifier, y=Y, missing=M, **params):
    y = y.astype(float) if kind is CMMDRegressor and y is not None else y
    return kind(**TINY | params).fit(X, y, X_missing=missing), y


@pytest.mark.parametrize("kind", KINDS)
def test_their_divergence_is_that_of_the_history(kind):
    """The mean over the rows of an epoch with one batch and no dropout, before it learns."""
    quiet = {"dropout": 0.0, "batch_size": N, "learning_rate": 1e-12, "early_stopping": False}
    fitted, y = fit(kind, **quiet)
    prior, posterior = (
        Normal(*map(torch.from_numpy, pair))
        for pair in (fitted.transform(X, return_std=True), fitted.posterior(X, y, M))
    )
    found = kl_divergence(posterior, prior).sum(1).mean()
    assert found.item() == pytest.approx(fitted.history_["train_kl"][0], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_embedded_each_for_itself(kind):
    fitted, y = fit(kind)
    for whole, part in (
        (fitted.transform(X, return_std=True), fitted.transform(X[7:9], return_std=True)),
        (fitted.posterior(X, y, M), fitted.posterior(X[7:9], y[7:9], M[7:9])),
    ):
        for a, b in zip(whole, part, strict=True):
            assert a.shape == (N, 2)
            np.testing.assert_allclose(a[7:9], b, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_and_containers(dtype):
    fitted, y = fit()
    x = X.astype(dtype)
    pairs = fitted.transform(x, return_std=True), fitted.posterior(x, y, M)
    assert {each.dtype for pair in pairs for each in pair} == {np.dtype(dtype)}
    assert np.array_equal(fitted.transform(x), pairs[0][0])
    mean, std = fitted.set_output(transform="pandas").transform(x, return_std=True)
    assert isinstance(mean, pd.DataFrame)
    assert isinstance(std, np.ndarray)


def test_the_posterior_knows_what_the_encoder_sees():
    fitted, y = fit()
    moved = [
        fitted.posterior(X, y, M),
        fitted.posterior(X, (y + 1) % 3, M),
        fitted.posterior(X, y, M + 1),
        fitted.posterior(X, np.where(np.arange(N) == 0, -1, y), M),
        fitted.posterior(X, y, np.where(np.arange(N)[:, None] == 0, np.nan, M)),
    ]
    assert len({mean[0].tobytes() for mean, _ in moved}) == 5
    np.testing.assert_array_equal(moved[0][0][1:], moved[3][0][1:])
    np.testing.assert_array_equal(moved[0][1][1:], moved[4][1][1:])


def test_an_encoder_that_sees_no_label_needs_none():
    fitted, _ = fit(y=np.where(np.arange(N) % 2, Y, -1))
    assert not fitted.label_in_encoder_
    for one, other in zip(fitted.posterior(X, X_missing=M), fitted.posterior(X, Y, M), strict=True):
        assert np.array_equal(one, other)
    embed, _ = fit(CMMDTransformer, y=None)
    assert embed.posterior(X, X_missing=M)[0].shape == (N, 2)
    twin, _ = fit(missing=None)
    assert twin.posterior(X, Y)[0].shape == (N, 2)


def test_what_the_encoder_sees_must_be_given():
    fitted, y = fit()
    with pytest.raises(ValueError, match=r"encoder of this CMMDClassifier sees y, and got None"):
        fitted.posterior(X, X_missing=M)
    with pytest.raises(ValueError, match=r"sees X_missing, and got None"):
        fitted.posterior(X, y)
    with pytest.raises(ValueError, match="X has 3 rows, but X_missing has 40"):
        fitted.posterior(X[:3], y[:3], M)
    with pytest.raises(ValueError, match="first fitted without X_missing"):
        fit(missing=None)[0].posterior(X, y, M)


def test_views_of_x_that_may_be_absent():
    rows = {"a": X, "b": M}
    fitted = CMMDClassifier(**TINY, optional="all").fit(rows, Y)
    whole, without = fitted.posterior(rows, Y), fitted.posterior({"a": X}, Y)
    assert not np.array_equal(whole[0], without[0])


LIKELIHOODS = {
    "gaussian": M,
    "laplace": M,
    "bernoulli": (M > 4).astype(float),
    "counts": np.maximum(M - 3, 0),
    "categorical": np.eye(3)[Y],
}


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_deviations_of_what_is_generated_are_those_of_draws(likelihood):
    """Where z is of no account, nothing but p(x_M | x_O, z) is left in the draws."""
    described = [Modality("X_missing", likelihood=likelihood)]
    fitted = CMMDClassifier(**TINY, missing=described).fit(X, Y, X_missing=LIKELIHOODS[likelihood])
    for layer in fitted.module_.decoder.features[0].bodies[0].layers[:1]:
        layer.weight.data[:, -2:] = 0
    mean, std = fitted.generate_missing(X, return_std=True)
    assert np.array_equal(mean, fitted.generate_missing(X))
    draws = fitted.generate_missing(X, n_samples=2000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=5 * std.max() / 2000**0.5)
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.15, atol=0.02)


def test_deviations_have_the_form_of_what_is_generated():
    names = list("pqr")
    fitted, _ = fit(missing={"m": pd.DataFrame(M, columns=names), "n": M[:, :2]})
    frame = pd.DataFrame(X, index=np.arange(N) + 5)
    mean, std = fitted.generate_missing(frame, return_std=True)
    assert std["m"].columns.tolist() == names
    assert std["m"].index.equals(mean["m"].index)
    assert std["n"].shape == (N, 2)
    assert (std["m"].to_numpy() > 0).all()


def test_views_that_may_be_absent_do_not_mix_in():
    fitted = CMMDClassifier(**TINY, optional="all").fit({"a": X, "b": M}, Y, X_missing=M[:, :2])
    assert fitted.generate_missing({"a": X}, return_std=True)[1].shape == (N, 2)


def test_deviations_are_of_means_and_of_a_single_estimator():
    fitted, y = fit()
    with pytest.raises(ValueError, match="return_std=True goes with means"):
        fitted.generate_missing(X, n_samples=2, return_std=True)
    ensemble = CMMDEnsemble(CMMDClassifier(**TINY), n_estimators=2, random_state=0)
    ensemble.fit(X, y, X_missing=M)
    with pytest.raises(TypeError, match=r"for a single estimator\. .* take generate_intervals"):
        ensemble.generate_missing(X, return_std=True)
