"""The changes of the defaults that `defaults.py` measures.

Most are parameters. Some stand inside the package, and are put in its place for one fit; some stand
around an estimator: other columns, other numbers of fits, callbacks.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
from pairs import Pair
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from skorch.callbacks import Callback, LRScheduler

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Modality
from sklearn_cmmd.networks import mlp
from sklearn_cmmd.objective import loss, terms
from sklearn_cmmd.objective.terms import LossTerms

MOST_UPDATES, BATCH = 2000, 100
NETWORKS = ("prior_hidden", "encoder_hidden", "decoder_hidden")

ALL_LABELS = {
    "alpha=10 (the paper's)": {"alpha": 10},
    "alpha=30": {"alpha": 30},
    "alpha=300": {"alpha": 300},
    "alpha=1000 (its code's)": {"alpha": 1000},
    "decode_prior=0 (the paper's)": {"decode_prior": 0.0},
    "decode_prior=1": {"decode_prior": 1.0},
    "omega=0": {"omega": 0.0},
    "omega=1": {"omega": 1.0},
    "lam=1000 (the paper's)": {"lam": 1000},
    "kernel='imq'": {"kernel": "imq"},
    "bandwidth='authors'": {"bandwidth": "authors"},
    "bandwidth, four widths": {"bandwidth": [1.0, 2.0, 4.0, 8.0]},
    "mmd_estimator='v'": {"mmd_estimator": "v"},
    "mmd_estimator='closed'": {"mmd_estimator": "closed"},
    "classifier_input='draw' (the paper's)": {"classifier_input": "draw"},
    "encoder without label, teaches": {"label_in_encoder": False},
    "encoder without label, teaches a third": {"label_in_encoder": False, "distillation": 0.3},
    "encoder without label, teaches nothing": {"label_in_encoder": False, "distillation": 0.0},
    "dropout=0": {"dropout": 0.0},
    "dropout=0.1": {"dropout": 0.1},
    "dropout=0.2": {"dropout": 0.2},
    "dropout=0.4": {"dropout": 0.4},
    "dropout=0.5": {"dropout": 0.5},
    "label_smoothing=0 (the paper's)": {"label_smoothing": 0.0},
    "label_smoothing=0.05": {"label_smoothing": 0.05},
    "label_smoothing=0.2": {"label_smoothing": 0.2},
    "weight_decay=0 (the paper's)": {"weight_decay": 0.0},
    "weight_decay=0.3": {"weight_decay": 0.3},
    "learning_rate=1e-3": {"learning_rate": 1e-3},
    "learning_rate=4e-3": {"learning_rate": 4e-3},
    "activation='relu'": {"activation": "relu"},
    "activation='softplus' (the paper's)": {"activation": "softplus"},
    "latent_dim=10": {"latent_dim": 10},
    "latent_dim=50": {"latent_dim": 50},
    "widths 64": dict.fromkeys(NETWORKS, (64, 64)),
    "widths 256": dict.fromkeys(NETWORKS, (256, 256)),
    "widths 512": dict.fromkeys(NETWORKS, (512, 512)),
    "precision='bfloat16'": {"precision": "bfloat16"},
    "early_stopping=False": {"early_stopping": False},
    "early_stopping=True": {"early_stopping": True},
    "a variance for each row (the paper's)": {"missing": [Modality("x_M", scale="row")]},
}
# Where only some rows have a label.
FEW_LABELS = {
    "label_in_encoder=True (the paper's)": {"label_in_encoder": True},
    "label_in_encoder=True, dropout=0.2": {"label_in_encoder": True, "dropout": 0.2},
    "distillation=0": {"distillation": 0.0},
    "distillation=0.3": {"distillation": 0.3},
    "distillation=3": {"distillation": 3.0},
    "dropout=0.2": {"dropout": 0.2},
    "dropout=0.3": {"dropout": 0.3},
    "dropout=0.3, label_smoothing=0.1": {"dropout": 0.3, "label_smoothing": 0.1},
    "dropout=0.5": {"dropout": 0.5},
    "dropout=0.5, label_smoothing=0": {"dropout": 0.5, "label_smoothing": 0.0},
    "dropout=0.7": {"dropout": 0.7},
    "omega=1": {"omega": 1.0},
    "alpha=300": {"alpha": 300},
    "weight_decay=0.1": {"weight_decay": 0.1},
    "latent_dim=50": {"latent_dim": 50},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
}


def _under_dropout(objective, module, rows, noise, taught, dropout):
    return taught.mean.detach()


def _sharpened(temperature: float, plain=loss.Objective._target):
    def target(*args):
        powers = plain(*args) ** (1 / temperature)
        return powers / powers.sum(-1, keepdim=True)

    return target


def _evened(power: float, plain=loss.Objective._target):
    """Draw the classes that the teacher names in a minibatch to equal frequencies."""

    def target(*args):
        taught = plain(*args)
        evened = taught / taught.mean(0).clamp_min(1e-6) ** power
        return evened / evened.sum(-1, keepdim=True)

    return target


def _on_pairs(rows):
    of_pairs = dict.fromkeys(LossTerms._fields, rows.paired)
    labelled_pairs = rows.labelled if rows.paired is None else rows.labelled * rows.paired
    return of_pairs | {
        "classification": rows.labelled,
        "posterior_classification": labelled_pairs,
    }


def _tiny(layer, gain, fan_in, generator, plain=mlp.init_layer):
    plain(layer, 1e-3, 1, generator)


def _glorot(activation):
    return 1.0


# Choices that are no parameters: what stands where in the package.
INSIDE_FEW = {
    "teacher at half the temperature": (loss.Objective, "_target", _sharpened(0.5)),
    "teacher at a quarter": (loss.Objective, "_target", _sharpened(0.25)),
    "teacher's classes evened": (loss.Objective, "_target", _evened(1.0)),
    "teacher's classes half evened": (loss.Objective, "_target", _evened(0.5)),
    "labels under q three times": (loss, "TEACHER_SHARE", 3.0),
    "labels under q once": (loss, "TEACHER_SHARE", 1.0),
    "teacher under dropout": (loss.Objective, "_target", _under_dropout),
    "KL and teacher on pairs alone": (terms, "_having", _on_pairs),
}
INSIDE_ALL = {
    "stop by the whole loss": (CMMDClassifier, "_watched", "loss"),
    "weights N(0, .001²) at first (its code's)": (mlp, "init_layer", _tiny),
    "gain 1 at first": (mlp, "hidden_gain", _glorot),
}


class Average(Callback):
    """Exponential moving average of the weights, which replaces them at the end of the training."""

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        self.mean_ = net.flat_.values.detach().clone()

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.mean_.lerp_(net.flat_.values.detach(), 1 - self.decay)

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == net.max_epochs:
            net.flat_.values.data.copy_(self.mean_)


@dataclass
class Scaled:
    """A fit to other columns, whose generated view is put back."""

    clf: CMMDClassifier
    scaler: Any
    scaler_missing: Any

    def predict_proba(self, X):
        return self.clf.predict_proba(self.scaler.transform(X))

    def score(self, X, y):
        return self.clf.score(self.scaler.transform(X), y)

    def generate_missing(self, X):
        generated = self.clf.generate_missing(self.scaler.transform(X))
        return self.scaler_missing.inverse_transform(generated)


def _five(pair: Pair, seed: int) -> CMMDEnsemble:
    return CMMDEnsemble(random_state=seed).fit(pair.X, pair.y, X_missing=pair.X_missing)


def _scaled(scaler: Any, scaler_missing: Any, **params: Any) -> Callable[[Pair, int], Scaled]:
    def fit(pair: Pair, seed: int) -> Scaled:
        scaler.fit(pair.X), scaler_missing.fit(pair.X_missing)
        other = replace(
            pair, X=scaler.transform(pair.X), X_missing=scaler_missing.transform(pair.X_missing)
        )
        return Scaled(_plain(other, seed, **params), scaler, scaler_missing)

    return fit


def _refitted(pair: Pair, seed: int) -> CMMDClassifier:
    """Fit all rows for as many epochs as were best with rows held out."""
    first = _plain(pair, seed)
    if "valid_classification" not in first.history_:
        return first
    best = 1 + int(np.argmin(first.history_["valid_classification"]))
    return _plain(pair, seed, early_stopping=False, max_epochs=best)


def _n_epochs(pair: Pair, n_updates: float) -> int:
    """Return how many passes make so many updates."""
    return math.ceil(n_updates / math.ceil(len(pair.y) / BATCH))


def _cosine(pair: Pair, seed: int) -> CMMDClassifier:
    n_epochs = _n_epochs(pair, MOST_UPDATES)
    schedule = LRScheduler("CosineAnnealingLR", T_max=n_epochs)
    return _plain(pair, seed, early_stopping=False, max_epochs=n_epochs, callbacks=[schedule])


def _averaged(pair: Pair, seed: int) -> CMMDClassifier:
    return _plain(pair, seed, early_stopping=False, callbacks=[Average(0.995)])


def _plain(pair: Pair, seed: int, **params: Any) -> CMMDClassifier:
    clf = CMMDClassifier(random_state=seed, **params)
    return clf.fit(pair.X, pair.y, X_missing=pair.X_missing)


def _longer(times: float) -> Callable[[Pair, int], CMMDClassifier]:
    return lambda pair, seed: _plain(pair, seed, max_epochs=_n_epochs(pair, times * MOST_UPDATES))


AROUND = {
    "2,000 updates, however few rows": lambda pair, seed: _plain(
        pair, seed, max_epochs=_n_epochs(pair, MOST_UPDATES)
    ),
    "half the updates": _longer(0.5),
    "twice the updates": _longer(2),
    "early stopping, then all rows": _refitted,
    "no early stopping, cosine schedule": _cosine,
    "no early stopping, averaged weights": _averaged,
    "mean of 5 fits": _five,
    "quantiles of x_O": _scaled(
        QuantileTransformer(n_quantiles=100, output_distribution="normal"), StandardScaler()
    ),
}
AROUND |= {
    f"variance {scale**2:.2f}, fixed": _scaled(
        StandardScaler(), StandardScaler(), missing=[Modality("x_M", scale=scale)]
    )
    for scale in (1.0, 0.3162, 0.1)
}


def names(few_labels: bool) -> list[str]:
    """Return the changes that matter where every row has a label, or only some."""
    return [*FEW_LABELS, *INSIDE_FEW] if few_labels else [*ALL_LABELS, *INSIDE_ALL, *AROUND]


def fit(pair: Pair, variant: str, seed: int) -> Any:
    """Fit CMMD with one change of its defaults; what is returned scores and generates."""
    if variant in AROUND:
        return AROUND[variant](pair, seed)
    inside = (INSIDE_FEW | INSIDE_ALL).get(variant)
    params = (FEW_LABELS if (pair.y < 0).any() else ALL_LABELS).get(variant, {})
    with patch.object(*inside) if inside else nullcontext():
        return _plain(pair, seed, **params)
