"""What must hold on a CUDA device."""

import pickle

import numpy as np
import pytest
import torch

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import IndexedArray

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
