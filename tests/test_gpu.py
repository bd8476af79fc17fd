"""What must hold on a CUDA device."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.data import matrices
from sklearn_cmmd.datasets import IndexedArray
from sklearn_cmmd.training import graphs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.fixture
def fitted(digits, small):
    X, M, y = digits
    return CMMDClassifier(device="cuda", **small).fit(X, y, X_missing=M)


def test_auto_takes_the_device(digits, small, fitted):
    X, M, y = digits
    auto = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, y, X_missing=M)
    assert auto.device_ == fitted.device_ == torch.device("cuda:0")


def test_learns_as_on_the_cpu(digits, small, fitted):
    X, M, y = digits
    cpu = CMMDClassifier(device="cpu", **small).fit(X, y, X_missing=M)
    assert fitted.history_["train_loss"][-1] == pytest.approx(
        cpu.history_["train_loss"][-1], rel=0.1
    )
    assert fitted.score(X, y) > 0.8


def test_pickle_holds_cpu_tensors(digits, small):
    X, M, y = digits
    fitted = CMMDClassifier(device="cuda", warm_start=True, **small).fit(X, y, X_missing=M)
    state = fitted.__getstate__()
    assert {part.device.type for part in state["module_"].parameters()} == {"cpu"}
    assert {value.device.type for value in state["_moments"].values()} == {"cpu"}
    assert next(fitted.module_.parameters()).is_cuda
    loaded = pickle.loads(pickle.dumps(fitted))
    assert np.allclose(loaded.predict_proba(X), fitted.predict_proba(X))


def test_global_cuda_stream_is_untouched(digits, small):
    X, M, y = digits
    before = torch.cuda.get_rng_state()
    CMMDClassifier(device="cuda", **small | {"max_epochs": 1}).fit(X, y, X_missing=M)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_images_gathered_by_index(small):
    """Convolutional networks over bytes that live on the device learn as on the CPU."""
    rng = np.random.default_rng(0)
    images = IndexedArray(
        rng.integers(256, size=(40, 9, 9), dtype=np.uint8), np.arange(40), 1 / 255
    )
    y, fits = np.arange(40) % 2, []
    for device in ("cpu", "cuda"):
        clf = CMMDClassifier(
            observed=[Modality("a", network="conv2d")],
            missing=[Modality("b", network="conv2d")],
            device=device,
            **small,
        )
        fits.append(clf.fit(images, y, X_missing=images))
    losses = [fit.history_["train_loss"][-1] for fit in fits]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert fits[1].generate_missing(images).shape == (40, 9, 9)


def test_a_users_network_leaves_the_global_cuda_stream_alone(digits, small):
    X, _, y = digits
    body = torch.nn.Sequential(torch.nn.LazyLinear(8), torch.nn.Dropout(0.5))
    clf = CMMDClassifier(observed=[Modality("a", network=lambda shape: body)], **small)
    before = torch.cuda.get_rng_state()
    clf.set_params(device="cuda", max_epochs=1).fit(X, y)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def weights(clf):
    return torch.cat([part.detach().flatten().cpu() for part in clf.module_.parameters()])


class Watcher(Callback):
    """Does nothing, but is told of every batch, so that steps are not captured."""


def both_ways(digits, params):
    """Fit with captured steps and with plain ones, and make of any warning an error."""
    X, M, y = digits
    missing = [Modality("m", likelihood="gaussian")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [
            CMMDClassifier(missing=missing, callbacks=callbacks, **params).fit(X, y, X_missing=M)
            for callbacks in (None, [Watcher()])
        ]


@pytest.mark.parametrize("device", range(max(1, torch.cuda.device_count())))
def test_captured_steps_are_plain_ones(digits, small, device):
    """On every device: a graph of another one would be empty, and nothing would be learned."""
    fits = both_ways(digits, small | {"max_epochs": 30, "device": f"cuda:{device}"})
    torch.testing.assert_close(*map(weights, fits), rtol=1e-4, atol=1e-5)
    one, other = (fit.history_["train_loss"] for fit in fits)
    assert one == pytest.approx(other, rel=1e-4)


def test_with_the_teacher_and_gaps_too(digits, small):
    X, M, y = digits
    M, few = M.copy(), np.where(np.arange(len(y)) % 3, -1, y)
    M[::4] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("error", message="A training step could not be captured")
        clf = CMMDClassifier(device="cuda", **small).fit(X, few, X_missing=M)
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_steps_are_captured_and_do_not_wait_for_the_host(digits, small, monkeypatch):
    X, M, y = digits
    seen = []
    replay = graphs.GraphedSteps.__call__

    def spied(self, index):
        seen.append(len(index) in self.graphs)
        torch.cuda.set_sync_debug_mode("error" if seen[-1] else "default")
        try:
            return replay(self, index)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(graphs.GraphedSteps, "__call__", spied)
    CMMDClassifier(device="cuda", **small).fit(X, y, X_missing=M)
    assert seen.count(True) > seen.count(False)


def test_plain_steps_do_not_wait_for_the_host(digits, small, monkeypatch):
    """But for the first ones, in which libraries prepare what they need."""
    X, M, y = digits
    warm_up = graphs.GraphedSteps._warm_up
    n_calls = []

    def spied(self, index):
        n_calls.append(1)
        torch.cuda.set_sync_debug_mode("error" if len(n_calls) > 2 else "default")
        try:
            return warm_up(self, index)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(graphs.GraphedSteps, "_warm_up", spied)
    CMMDClassifier(device="cuda", **small).fit(X, y, X_missing=M)
    assert len(n_calls) > 2


def test_what_cannot_be_captured_goes_on_as_plain_steps(digits, small, monkeypatch):
    """A step that reads a value breaks its capture; the draws afterwards are as without it."""
    X, M, y = digits
    want = weights(
        CMMDClassifier(device="cuda", callbacks=[Watcher()], **small).fit(X, y, X_missing=M)
    )
    capture = graphs.GraphedSteps._capture

    def broken(self, index):
        step = self.step
        self.step = lambda rows: step(rows) + float(rows.sum()) * 0
        try:
            return capture(self, index)
        finally:
            self.step = step

    monkeypatch.setattr(graphs.GraphedSteps, "_capture", broken)
    with pytest.warns(UserWarning, match="could not be captured"):
        clf = CMMDClassifier(device="cuda", **small).fit(X, y, X_missing=M)
    torch.testing.assert_close(weights(clf), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0, 0.9])
def test_streamed_rows_are_the_resident_ones(digits, small, monkeypatch, share):
    X, M, y = digits
    params = small | {"max_epochs": 5, "device": "cuda", "callbacks": [Watcher()]}
    want = CMMDClassifier(**params).fit(X, y, X_missing=M)
    monkeypatch.setattr(matrices, "RESIDENT_SHARE", share)
    clf = CMMDClassifier(**params).fit(X, y, X_missing=M)
    torch.testing.assert_close(weights(clf), weights(want), rtol=1e-4, atol=1e-5)


def test_bfloat16_learns_as_well(digits, small, fitted):
    X, M, y = digits
    fast = CMMDClassifier(device="cuda", **small).set_params(networks__precision="bfloat16")
    fast.fit(X, y, X_missing=M)
    assert fast.history_["train_loss"][-1] == pytest.approx(
        fitted.history_["train_loss"][-1], rel=0.1
    )


def test_float64_rows_are_predicted_in_float32_unless_asked_for(digits, fitted):
    X = digits[0]
    fast = fitted.predict_proba(X)
    assert fast.dtype == np.float64
    exact = fitted.set_params(networks__prediction="float64").predict_proba(X)
    assert not np.array_equal(fast, exact)
    np.testing.assert_allclose(fast, exact, rtol=1e-2, atol=1e-4)


def test_draws_are_those_of_the_cpu(digits, fitted):
    """The noise comes from the seed alone, whatever the device."""
    X = digits[0][:20]
    there = fitted.generate_missing(X, n_samples=3, random_state=0)
    here = pickle.loads(pickle.dumps(fitted.set_params(device="cpu")))
    np.testing.assert_allclose(
        here.generate_missing(X, n_samples=3, random_state=0), there, rtol=1e-2, atol=1e-2
    )


def test_a_fit_that_was_stopped_goes_on(digits, small, tmp_path):
    X, M, y = digits
    params = small | {"device": "cuda"}

    class Stop(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 5:
                raise ZeroDivisionError

    want = CMMDClassifier(**params).fit(X, y, X_missing=M)
    clf = CMMDClassifier(**params, checkpoint_dir=tmp_path)
    with pytest.raises(ZeroDivisionError):
        clf.set_params(callbacks=[Stop()]).fit(X, y, X_missing=M)
    with pytest.warns(UserWarning, match="goes on after epoch"):
        clf.set_params(callbacks=None).fit(X, y, X_missing=M)
    torch.testing.assert_close(weights(clf), weights(want), rtol=1e-4, atol=1e-5)
