"""The training loop: callbacks of skorch, early stopping, divergence."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    TensorBoard,
)
from torch.utils.tensorboard import SummaryWriter

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Networks, Objective
from sklearn_cmmd.training.trained import Trained


@pytest.fixture
def stopping(small):
    return small | {"early_stopping": True, "validation_fraction": 0.25}


def fit(digits, **params):
    X, M, y = digits
    return CMMDClassifier(**params).fit(X, y, X_missing=M)


class Spy(Callback):
    """Keeps what the net shows at the end of each epoch."""

    def __init__(self):
        self.rows, self.learning_rates, self.norms = [], [], []

    def on_epoch_end(self, net, **kwargs):
        self.rows.append({k: v for k, v in net.history[-1].items() if k != "batches"})
        self.learning_rates.append(net.optimizer_.param_groups[0]["lr"])


def test_learning_rate_scheduler(digits, small):
    spy = Spy()
    schedule = LRScheduler("StepLR", step_size=2, gamma=0.1)
    fit(digits, **small | {"callbacks": [schedule, spy], "max_epochs": 6})
    rates = np.array(spy.learning_rates) / small["learning_rate"]
    assert rates == pytest.approx([1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_scheduler_that_watches_the_validation_loss(digits, stopping):
    spy = Spy()
    schedule = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=0, threshold=1e9)
    fit(digits, **stopping | {"callbacks": [schedule, spy], "max_epochs": 4})
    assert spy.learning_rates[-1] < stopping["learning_rate"]


def test_checkpoint(digits, stopping, tmp_path):
    checkpoint = Checkpoint(monitor="valid_classification_best", dirname=tmp_path, load_best=False)
    clf = fit(digits, **stopping | {"callbacks": [checkpoint]})
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    # Early stopping restored the best epoch, which the checkpoint saved too, but for the decoder.
    for name, value in clf.module_.state_dict().items():
        assert name.startswith("decoder.") or torch.equal(saved[name], value)
    assert (tmp_path / "history.json").exists()


def test_epoch_scoring(digits, stopping):
    spy = Spy()
    scores = [
        EpochScoring("accuracy", lower_is_better=False, name="accuracy"),
        EpochScoring("neg_log_loss", lower_is_better=False, name="log_loss"),
        EpochScoring("accuracy", lower_is_better=False, name="train_accuracy", on_train=True),
    ]
    few = {"objective": Objective(tol=1e9, label_smoothing=0), "max_epochs": 8}
    clf = fit(digits, **stopping | {"callbacks": [*scores, spy], **few})
    last = spy.rows[-1]
    assert last["accuracy"] > 0.5
    assert last["train_accuracy"] > 0.5
    assert last["log_loss"] == pytest.approx(-clf.history_["valid_classification"][-1], rel=1e-4)


def test_tensorboard(digits, stopping, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = SummaryWriter(tmp_path)
    clf = fit(digits, **stopping | {"callbacks": [TensorBoard(writer)], "max_epochs": 3})
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    logged = [event.value for event in events.Scalars("Loss/train_loss")]
    assert logged == pytest.approx(clf.history_["train_loss"])


def test_gradient_clipping_sees_the_gradients(digits, small):
    clipped = fit(digits, **small | {"callbacks": [("clip", GradientNormClipping(1e-9))]})
    free = fit(digits, **small)
    assert clipped.history_["train_loss"] != free.history_["train_loss"]


def test_callbacks_of_the_transformer_without_labels(digits, small):
    X, M, _ = digits
    spy = Spy()
    CMMDTransformer(**small | {"callbacks": [spy], "early_stopping": True}).fit(X, X_missing=M)
    assert "valid_kl" in spy.rows[0]
    assert "valid_classification" not in spy.rows[0]


def test_history_has_every_term(digits, stopping):
    clf = fit(digits, **stopping)
    terms = {"loss", "reconstruction", "prior_reconstruction", "classification", "kl", "mmd"}
    terms |= {"scale_prior"}
    assert set(clf.history_) == {f"{part}_{term}" for part in ("train", "valid") for term in terms}
    assert {len(values) for values in clf.history_.values()} == {clf.n_iter_}
    h = {name: np.array(values) for name, values in clf.history_.items()}
    total = (
        0.5 * (h["valid_reconstruction"] + h["valid_prior_reconstruction"])
        + clf.alpha * h["valid_classification"]
        + clf.omega * h["valid_kl"]
        + (1 - clf.omega) * clf.lam * h["valid_mmd"]
        + Objective().scale_prior_rows / len(digits[0]) * h["valid_scale_prior"]
    )
    assert total == pytest.approx(h["valid_loss"], rel=1e-5)
    assert h["train_loss"][-1] < h["train_loss"][0]


@pytest.mark.parametrize(
    ("cls", "watched"),
    [(CMMDClassifier, "valid_classification"), (CMMDTransformer, "valid_loss")],
)
def test_best_state_is_restored(digits, stopping, cls, watched):
    class Keep(Callback):
        def on_train_begin(self, net, **kwargs):
            self.states = []

        def on_epoch_end(self, net, **kwargs):
            state = net.module_.state_dict()
            self.states.append({name: value.clone() for name, value in state.items()})

    keep = Keep()
    noisy = stopping | {"learning_rate": 0.05, "max_epochs": 40, "n_iter_no_change": 5}
    X, M, y = digits
    clf = cls(**noisy | {"callbacks": [keep]}).fit(X, y, X_missing=M)
    best = of_decoder = int(np.argmin(clf.history_[watched]))
    assert best < clf.n_iter_ - 1
    if cls is CMMDClassifier:
        of_decoder = int(np.argmin(clf.history_["valid_prior_reconstruction"]))
    choices = []
    for name, value in clf.module_.state_dict().items():
        kept = [torch.equal(value, keep.states[i][name]) for i in (best, of_decoder)]
        if name.startswith("decoder."):
            choices.append(kept)
        else:
            assert kept[0]
    # All of the decoder is of one epoch.
    assert np.all(choices, axis=0).any()


def test_the_decoder_has_its_own_best_epoch():
    """With views that tell nothing of each other, which a decoder can only learn by heart."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X, M = rng.normal(size=(200, 6)) + y[:, None], rng.normal(size=(200, 40))
    clf = CMMDClassifier(
        hidden_layer_sizes=(64,),
        networks=Networks(decoder_hidden=(512,)),
        alpha=1.0,
        dropout=0.0,
        max_epochs=150,
        early_stopping=True,
        validation_fraction=0.3,
        random_state=0,
    )
    clf.fit(X, y, X_missing=M)
    held_out = clf.history_["valid_prior_reconstruction"]
    best = int(np.argmin(held_out))
    assert best + 1 < clf.best_epoch_
    test = rng.normal(size=(1000, 40))
    error = np.mean((clf.generate_missing(rng.normal(size=(1000, 6))) - test) ** 2)
    assert error < 1.1


def test_rows_held_out_without_x_m_choose_no_decoder(digits, stopping):
    X, M, y = digits
    M = M.copy()
    M[1:] = np.nan
    states = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append({k: v.clone() for k, v in net.module_.decoder.state_dict().items()})

    # Of 5 seeds one at most holds out the only pair.
    for seed in range(2):
        states.clear()
        params = stopping | {"random_state": seed, "callbacks": [Keep()]}
        clf = CMMDClassifier(**params).fit(X, y, X_missing=M)
        if set(clf.history_["valid_prior_reconstruction"]) == {0.0}:
            break
    kept = clf.module_.decoder.state_dict()
    assert all(torch.equal(value, kept[k]) for k, value in states[clf.best_epoch_ - 1].items())


def test_stops_after_epochs_without_change(digits, stopping):
    clf = fit(
        digits,
        **stopping | {"objective": Objective(tol=1e9), "n_iter_no_change": 4, "max_epochs": 50},
    )
    assert clf.n_iter_ <= 5


def test_early_stopping_may_be_left_out(digits, small):
    clf = fit(digits, **small | {"early_stopping": False, "max_epochs": 7})
    assert clf.n_iter_ == 7
    assert not any(name.startswith("valid_") for name in clf.history_)


class Poison(Callback):
    """Turns a weight into NaN after some epochs."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.before_ = {k: v.clone() for k, v in net.module_.state_dict().items()}
            net.module_.prior.head.layer.bias.data[0] = torch.nan


@pytest.mark.parametrize("early_stopping", [True, False])
def test_divergence_keeps_the_last_good_state(digits, small, early_stopping):
    X, M, y = digits
    poison = Poison(epoch=5)
    clf = CMMDClassifier(**small | {"callbacks": [poison], "early_stopping": early_stopping})
    with pytest.raises(
        FloatingPointError, match=r"epoch 5: the \w+ over the training rows .* learning_rate"
    ):
        clf.fit(X, y, X_missing=M)
    assert clf.n_iter_ == 4
    assert {len(values) for values in clf.history_.values()} == {4}
    assert np.isfinite(clf.predict_proba(X)).all()
    for name, value in clf.module_.state_dict().items():
        assert torch.equal(value, poison.before_[name])


def test_a_learning_rate_that_diverges_by_itself(digits, small):
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        fit(digits, **small | {"learning_rate": 1e30})


class Stride(Callback):
    """Make the steps far too long from an epoch on."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 4:
            net.optimizer_.param_groups[0]["lr"] = 1.0


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_loss_that_rises_far_warns(digits, small, early_stopping):
    changed = {"callbacks": [Stride()], "early_stopping": early_stopping, "max_epochs": 6}
    with pytest.warns(ConvergenceWarning, match=r"rose in epoch 4, from .* Lower learning_rate"):
        fit(digits, **small | changed)


@pytest.mark.parametrize("losses", [[], [3.0, 12.0], [-50.0, 400.0], [1e9, 1.0, 2.0]])
def test_a_loss_that_rises_a_little_is_not_far(losses):
    n_epochs = len(losses)
    assert not list(Trained({"train_loss": losses}, {}, n_epochs, n_epochs, None).remarks())


def test_interrupt_keeps_what_was_learned(digits, small):
    class Interrupt(Callback):
        def on_batch_begin(self, net, training, **kwargs):
            if len(net.history) == 4:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf = fit(digits, **small | {"callbacks": [Interrupt()]})
    assert clf.n_iter_ == len(clf.history_["train_loss"]) == 3
    assert clf.score(digits[0], digits[2]) > 0.5
