"""The changes of the defaults that `defaults.py` measures.

Most are parameters, written as keywords; any others will do too. The rest are callbacks that act on
the networks, and what stands around an estimator.
"""

import ast
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from sklearn.preprocessing import QuantileTransformer
from skorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.tasks import Method, Outcome, Task, both, outcome_of
from sklearn_cmmd import CMMDEnsemble, Modality, plan
from sklearn_cmmd.networks.likelihoods import Head
from sklearn_cmmd.networks.mlp import HEAD_GAIN, MLP

MOST_UPDATES, BATCH, DECAY = 2000, 100, 0.995
# The paper's values, or those of its code, and others.
ALL_LABELS = (
    "alpha=10; alpha=30; alpha=1000; omega=0.0; omega=1.0; lam=1000",
    "dropout=0.0; dropout=0.2; dropout=0.4; weight_decay=0.0; weight_decay=0.3",
    "learning_rate=1e-3; learning_rate=4e-3; latent_dim=10; latent_dim=50",
    "hidden_layer_sizes=(64, 64); hidden_layer_sizes=(256, 256); early_stopping=True",
    "objective__label_smoothing=0.0; objective__label_smoothing=0.05",
    "objective__label_smoothing=0.2; objective__label_in_encoder=False",
    "objective__kernel='imq'; objective__bandwidth='authors'; objective__mmd_estimator='v'",
    "objective__mmd_estimator='closed'; objective__classifier_input='draw'",
    "objective__decode_prior=0.0; objective__decode_prior=1.0; objective__scale_prior_rows=0.0",
    "objective__scale_prior_rows=100.0; objective__scale_prior_rows=1000.0",
    "networks__activation='relu'; networks__activation='softplus'; networks__decoder_input='both'",
)
# Where only some rows have a label.
FEW_LABELS = (
    "objective__label_in_encoder=True; objective__label_in_encoder=True, dropout=0.2",
    "objective__distillation=0.0; objective__distillation=0.3; objective__distillation=3.0",
    "objective__teacher_weight=1.0; objective__teacher_weight=3.0; dropout=0.2; dropout=0.3",
    "dropout=0.3, objective__label_smoothing=0.1; dropout=0.5, objective__label_smoothing=0.0",
    "dropout=0.7; omega=1.0; alpha=300; weight_decay=0.1; latent_dim=50",
)


def parameters(keywords: str) -> dict[str, Any]:
    """Read parameters that are written as keywords of a call."""
    try:
        call: Any = ast.parse(f"call({keywords})", mode="eval").body
        return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        sys.exit(f"{keywords!r} is neither 'parameter=value' nor one of {list(OTHERS)}.")


def with_params(**params: Any) -> Method:
    """Return a method that changes parameters."""
    return lambda task: both(task, task.cmmd(**params))


class AtStart(Callback):
    """Changes every part of the networks before the first step."""

    def __init__(self, change: Callable[[Any], None]) -> None:
        self.change = change

    @torch.no_grad()
    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        for part in net.module_.modules():
            self.change(part)


def hidden_gain_one(part: Any) -> None:
    """Scale hidden layers from He's variance, 2 / inputs, to 1 / inputs."""
    for layer in part.layers if isinstance(part, MLP) else ():
        layer.weight.mul_(0.5**0.5)


def full_heads(part: Any) -> None:
    """Scale last layers up to the variance 1 / inputs."""
    if isinstance(part, Head):
        part.layer.weight.div_(HEAD_GAIN)


def tiny(part: Any) -> None:
    """Scale all weights to N(0, .001²)."""
    if hasattr(part, "init_std"):
        part.weight.mul_(1e-3 / part.init_std)


class Average(Callback):
    """Exponential moving average of the weights, which replaces them at the end of the training."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.mean_ = AveragedModel(net.module_, multi_avg_fn=get_ema_multi_avg_fn(DECAY))

    def on_batch_end(self, net: Any, training: bool, **kwargs: Any) -> None:
        if training:
            self.mean_.update_parameters(net.module_)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if len(net.history) == net.max_epochs:
            net.module_.load_state_dict(self.mean_.module.state_dict())


def stopped_by(loss: str) -> Method:
    """Return a method that stops, with one best epoch of all networks, by one held-out loss."""

    def method(task: Task) -> Outcome:
        def watched(estimator: Any, objective: Any, *args: Any) -> dict[str, tuple[float, int]]:
            return {loss: (objective.tol, estimator.n_iter_no_change)}

        with patch.object(plan, "_watched", watched):
            return both(task, task.cmmd())

    return method


def updates(task: Task) -> Outcome:
    """Make 2,000 updates, however few rows there are."""
    n_batches = math.ceil(len(task.y) / BATCH)
    return both(task, task.cmmd(max_epochs=math.ceil(MOST_UPDATES / n_batches)))


def refitted(task: Task) -> Outcome:
    """Fit all rows for as many epochs as were best with rows held out."""
    first = task.cmmd().fit(task.X, task.y, X_missing=task.X_missing)
    if not first.early_stopping_:
        return outcome_of(first, task, generates=True)
    return both(task, task.cmmd(early_stopping=False, max_epochs=first.best_epoch_))


def quantiles(task: Task) -> Outcome:
    """Bring the columns of x_O to normal distributions."""
    scaler = QuantileTransformer(n_quantiles=100, output_distribution="normal").fit(task.X)
    X, X_test = (scaler.transform(part) for part in (task.X, task.X_test))
    return both(replace(task, X=X, X_test=X_test), task.cmmd())


def _with_scale(scale: Any) -> Method:
    return with_params(missing=[Modality("x_M", scale=scale)])  # its columns are standardised


OTHERS: dict[str, Method] = {
    "a variance for each row": _with_scale("row"),
    "variance 1.00, fixed": _with_scale(1.0),
    "variance 0.10, fixed": _with_scale(0.1**0.5),
    "variance 0.01, fixed": _with_scale(0.1),
    "stop by the whole loss": stopped_by("loss"),
    "stop by the label alone": stopped_by("classification"),
    "weights N(0, .001²) at first": with_params(callbacks=[AtStart(tiny)]),
    "gain 1 at first": with_params(callbacks=[AtStart(hidden_gain_one)]),
    "averaged weights": with_params(early_stopping=False, callbacks=[Average()]),
    "2,000 updates, however few rows": updates,
    "early stopping, then all rows": refitted,
    "mean of 5 fits": lambda task: both(task, CMMDEnsemble(task.cmmd(), random_state=task.seed)),
    "quantiles of x_O": quantiles,
    "x_O by column": with_params(observed=[Modality("x_O", scaling="column")]),
}


def names(few_labels: bool) -> list[str]:
    """Return the changes that matter where every row has a label, or only some."""
    lines = FEW_LABELS if few_labels else ALL_LABELS
    return "; ".join(lines).split("; ") + ([] if few_labels else list(OTHERS))


def variant(name: str) -> Method:
    """Return the method of a name, or that of parameters."""
    return OTHERS[name] if name in OTHERS else with_params(**parameters(name))
