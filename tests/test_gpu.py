"""What must hold on a CUDA device."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch._dynamo.utils import counters

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import IndexedArray
from sklearn_cmmd.training import matrices
from sklearn_cmmd.training.engine import train
from sklearn_cmmd.training.graph import GraphedSteps
from sklearn_cmmd.training.stacked import train_stacked

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


def test_pickle_holds_cpu_tensors(digits, fitted):
    X = digits[0]
    state = fitted.__getstate__()
    assert {p.device.type for p in state["module_"].parameters()} == {"cpu"}
    moments = state["_optimizer_state"]["state"].values()
    assert {m["exp_avg"].device.type for m in moments} == {"cpu"}
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


def test_captured_steps_are_plain_ones(digits, small):
    X, M, y = digits
    fits = [
        CMMDClassifier(
            device="cuda", precision="float32", callbacks=callbacks, **small | {"max_epochs": 30}
        ).fit(X, y, X_missing=M)
        for callbacks in (None, [Watcher()])
    ]
    torch.testing.assert_close(*map(weights, fits), rtol=1e-4, atol=1e-5)
    one, other = (fit.history_["train_loss"] for fit in fits)
    assert one == pytest.approx(other, rel=1e-4)


def test_steps_are_captured_and_do_not_wait_for_the_host(digits, small):
    X, M, y = digits
    job = CMMDClassifier(device="cuda", **small)._prepare(X, y, M)
    seen = []
    replay = GraphedSteps.__call__

    def spied(self, index):
        seen.append(len(index) in self.graphs)
        torch.cuda.set_sync_debug_mode("error" if seen[-1] else "default")
        try:
            return replay(self, index)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphedSteps, "__call__", spied)
        train(job)
    assert seen.count(True) > seen.count(False)


@pytest.mark.filterwarnings("error:compile=True", "error:A training step could not")
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_a_compiled_fit_learns_as_the_plain_one(digits, small, precision):
    X, M, y = digits
    params = small | {"max_epochs": 30, "precision": precision}
    counters.clear()
    plain, compiled = (
        CMMDClassifier(device="cuda", compile=each, **params).fit(X, y, X_missing=M)
        for each in (False, True)
    )
    assert counters["stats"]["unique_graphs"] > 0
    rel = 1e-3 if precision == "float32" else 0.1
    assert compiled.history_["train_loss"][-1] == pytest.approx(
        plain.history_["train_loss"][-1], rel=rel
    )


@pytest.mark.parametrize("limit", [0, 2**30])
def test_streamed_rows_are_the_resident_ones(digits, small, monkeypatch, limit):
    X, M, y = digits
    monkeypatch.setattr(matrices, "RESIDENT_BYTES", limit)
    params = small | {"max_epochs": 5, "precision": "float32"}
    clf = CMMDClassifier(device="cuda", callbacks=[Watcher()], **params).fit(X, y, X_missing=M)
    monkeypatch.setattr(matrices, "RESIDENT_BYTES", 2**31)
    want = CMMDClassifier(device="cuda", callbacks=[Watcher()], **params).fit(X, y, X_missing=M)
    torch.testing.assert_close(weights(clf), weights(want), rtol=1e-4, atol=1e-5)


def test_a_stack_is_its_models(digits, small):
    X, M, y = digits
    params = small | {"max_epochs": 10, "precision": "float32"}
    jobs = [
        [CMMDClassifier(device="cuda", omega=w, **params)._prepare(X, y, M) for w in (0.1, 0.9)]
        for _ in range(2)
    ]
    train_stacked(jobs[0])
    for one, other in zip(*jobs, strict=True):
        train(other)
        for a, b in zip(one.module.parameters(), other.module.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_fast_products_learn_as_well(digits, small, precision):
    X, M, y = digits
    fast, exact = (
        CMMDClassifier(device="cuda", precision=p, **small).fit(X, y, X_missing=M)
        for p in (precision, "float32")
    )
    assert fast.history_["train_loss"][-1] == pytest.approx(
        exact.history_["train_loss"][-1], rel=0.1
    )
