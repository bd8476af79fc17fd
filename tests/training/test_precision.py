"""Training in bfloat16: networks in it, everything made of their output not."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.loss import Loss
from tests.objective.test_loss import model

N = 40
BFLOAT16 = torch.autocast("cpu", torch.bfloat16)


def fitted(digits, params, precision):
    X, M, y = digits
    clf = CMMDClassifier(**params).set_params(networks__precision=precision)
    return clf.fit(X, y, X_missing=M)


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    x, m, noise = (torch.randn(N, width, generator=rng) for width in (5, 6, 3))
    return Batch(View(x), View(m), torch.arange(N) % 4), noise


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
def test_terms_are_in_float32_and_near(batch, estimator):
    module: CMMD = model().float()
    loss = Loss(omega=0.5, lam=1, alpha=1, mmd_estimator=estimator, decode_prior=0.5)
    seen = []
    layer = module.prior.features.bodies[0].layers[0]
    layer.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    exact, _ = loss.evaluate(module, *batch)
    terms, _ = loss.evaluate(module, *batch, networks_in=BFLOAT16)
    assert seen == [torch.float32, torch.bfloat16]
    for name in terms.names:
        mine, true = getattr(terms, name), getattr(exact, name)
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.mean(), true.mean(), rtol=0.05, atol=0.01)


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
def test_mmd_keeps_its_digits(batch, estimator):
    """Whatever the networks compute in, the divergence of what they say is in float32.

    Where both networks say the same, the statistic is zero but for the rounding of float32.
    """
    rows, noise = batch
    plain = model(n_missing=0, n_labels=0).float()
    plain.encoder.load_state_dict(plain.prior.state_dict())
    loss = Loss(omega=0.5, lam=1, alpha=1, mmd_estimator=estimator)
    whole = rows._replace(missing=None, y=None)
    terms, _ = loss.evaluate(plain, whole, noise, networks_in=BFLOAT16)
    assert abs(float(terms.mmd.detach())) < 1e-6


def test_learns_as_in_float32(digits, small):
    one, other = (fitted(digits, small, precision) for precision in ("float32", "bfloat16"))
    assert other.history_["train_loss"][-1] == pytest.approx(
        one.history_["train_loss"][-1], rel=0.1
    )
    assert {part.dtype for part in other.module_.parameters()} == {torch.float32}
    assert other.score(digits[0], digits[2]) > 0.8


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_flags_of_the_process_are_left_alone(digits, small, precision):
    """Not changed for a moment, so that other code in the process may read and set them."""
    seen = []

    def flags():
        backends = torch.backends
        return (
            backends.cuda.matmul.fp32_precision,
            backends.cuda.matmul.allow_tf32,
            backends.cudnn.conv.fp32_precision,
            torch.get_float32_matmul_precision(),
            torch.is_autocast_enabled("cpu"),
        )

    class Look(Callback):
        def on_batch_end(self, net, **kwargs):
            seen.append(flags())

    before = flags()
    fitted(digits, small | {"max_epochs": 1, "callbacks": [Look()]}, precision)
    assert set(seen) == {before} == {flags()}


@pytest.mark.parametrize("asked", ["float32", "float64"])
def test_predictions_in_the_precision_that_is_asked_for(digits, small, asked):
    X, M, y = digits
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    proba = {kind: clf.predict_proba(X.astype(kind)) for kind in ("float32", "float64")}
    clf.set_params(networks__prediction=asked)
    for kind in proba:
        found = clf.predict_proba(X.astype(kind))
        assert found.dtype == kind
        np.testing.assert_allclose(found, proba[asked], rtol=1e-3, atol=1e-5)
    assert np.array_equal(clf.predict_proba(X.astype(asked)), proba[asked])
