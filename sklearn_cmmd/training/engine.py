"""One model in training: a private skorch net around the four networks and their objective."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.utils import to_numpy
from torch import Tensor

from sklearn_cmmd._random import Streams, generator
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.dropout import Dropout, keep_mask
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows
from sklearn_cmmd.training.batches import Batches, PairedRows
from sklearn_cmmd.training.callbacks import in_order
from sklearn_cmmd.training.flat import FlatParameters
from sklearn_cmmd.training.graph import GraphedSteps
from sklearn_cmmd.training.job import Job, Trained
from sklearn_cmmd.training.losses import (
    LossesOf,
    compiled_losses,
    give_up_compiling,
    losses_of,
)
from sklearn_cmmd.training.noise import Noise, NoiseSource
from sklearn_cmmd.training.precision import networks_in, products_in

__all__ = ["CMMDNet", "train"]


def train(
    job: Job,
    callbacks: Sequence[Any] = (),
    optimizer_state: dict[str, Any] | None = None,
) -> Trained:
    """Train the networks of a job in place.

    Parameters
    ----------
    job : Job
        What to train.
    callbacks : sequence of skorch callbacks
        Called as skorch calls them.
    optimizer_state : dict, optional
        State of an optimizer to go on from.

    Returns
    -------
    Trained
        History and state of the optimizer; `diverged` says why training broke off.
    """
    settings, module = job.settings, job.module
    net = CMMDNet(
        module,
        criterion=job.objective,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        optimizer__capturable=job.rows.device.type == "cuda",
        optimizer__weight_decay=settings.weight_decay,
        lr=settings.learning_rate,
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size,
        train_split=_Fixed(job.validation),
        callbacks=in_order(settings, job.validation is not None, callbacks),
        device=str(job.rows.device),
        verbose=settings.verbose,
        dropout=settings.dropout,
        dropout_units=job.dropout_units,
        precision=settings.precision,
        compile_losses=settings.compile_losses,
        streams=job.streams,
        watched=bool(callbacks),
    )
    net.initialize()
    if optimizer_state is not None:
        net.optimizer_.load_state_dict(copy.deepcopy(optimizer_state))
        # Not those of the parameters and the device that the state was learned with.
        for name in ("lr", "weight_decay", "capturable"):
            net.optimizer_.param_groups[0][name] = net.optimizer_.defaults[name]
    state: dict[str, Any] | None
    diverged = None
    try:
        with products_in(settings.precision, job.rows.device):
            net.partial_fit(job.rows)
        state = net.optimizer_.state_dict()
    except FloatingPointError as error:
        diverged = str(error)
        # The moments have met what made the loss diverge, so that they are not kept.
        state = None
        module.load_state_dict(dict(net.callbacks_)["last_good"].state_)
    module.eval()
    net.flat_.release()
    if net.interrupted_:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    return Trained(net.complete_history(), state, net.n_complete_, diverged)


@dataclass(frozen=True)
class _Fixed:
    """A skorch train_split whose validation rows were chosen before."""

    validation: PairedRows | None

    def __call__(self, rows: PairedRows) -> tuple[PairedRows, PairedRows | None]:
        return rows, self.validation


class CMMDNet(ClassifierMixin, NeuralNet):
    """The skorch net: losses by term, fetched from the device once an epoch.

    For callbacks it is a classifier: `predict_proba` and `predict` work on a `PairedRows`, and
    `history` has `train_loss`, `valid_loss` and every term of both.
    """

    losses = ("train_loss", "valid_loss")

    def __init__(
        self,
        module: CMMD,
        *,
        dropout: float,
        dropout_units: int,
        precision: str,
        compile_losses: bool,
        streams: Streams,
        watched: bool,
        **kwargs: Any,
    ) -> None:
        self.dropout = dropout
        self.dropout_units = dropout_units
        self.precision = precision
        self.compile_losses = compile_losses
        self.streams = streams
        # Callbacks of the user's may want to be told of every batch.
        self.watched = watched
        super().__init__(module, **kwargs)

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return []

    @property
    def classes_(self) -> np.ndarray:
        """Codes of the classes."""
        return np.arange(self.module_.architecture.n_labels)

    def initialize_criterion(self) -> "CMMDNet":
        """Take the objective as it is; it has no parameters of its own."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self) -> "CMMDNet":
        """Give the optimizer all weights as one tensor."""
        self.flat_ = FlatParameters(self.module_)
        _, kwargs = self.get_params_for_optimizer("optimizer", [])
        self.optimizer_ = self.optimizer([self.flat_.values], **kwargs)
        return self

    def on_train_begin(self, net: "CMMDNet", *args: Any, **kwargs: Any) -> None:
        """Start the random streams and the record of this run."""
        self.shuffle_ = generator(self.streams.shuffle)
        self.training_noise_ = self._noise(self.streams.noise, training=True)
        self.graphs_: GraphedSteps | None = None
        self.names_: list[str] = []
        self.epoch_terms_: dict[str, list[float]] = {}
        self.n_complete_ = 0
        self.interrupted_ = False

    def on_epoch_end(self, net: "CMMDNet", *args: Any, **kwargs: Any) -> None:
        """Count the epochs that came to their end."""
        self.n_complete_ += 1

    def complete_history(self) -> dict[str, list[float]]:
        """Return the mean of every term, for each epoch that came to its end."""
        return {name: values[: self.n_complete_] for name, values in self.epoch_terms_.items()}

    def get_iterator(self, dataset: PairedRows, training: bool = False) -> Batches:
        """Return minibatches, in a new order at each epoch of training."""
        return Batches(dataset, self.batch_size, self.shuffle_ if training else None)

    def run_single_epoch(
        self,
        iterator: Batches | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, Any]],
        **fit_params: Any,
    ) -> None:
        """Run one pass over the batches and record the mean of every term."""
        if iterator is None:
            return
        self._set_training(training)
        # The same noise at every validation, so that its loss changes with the weights alone.
        fixed = self._noise(self.streams.validation, training=False)
        self.noise_ = self.training_noise_ if training else fixed
        if training and self._is_graphable(iterator.rows):
            steps = self._graphed_steps(iterator)
        else:
            steps = self._plain_steps(iterator, training, partial(step_fn, **fit_params))
        total = n_rows = torch.zeros((), device=self.device)
        try:
            for tally in steps:
                means, counts = tally.unbind()
                total, n_rows = total + means * counts, n_rows + counts
        except KeyboardInterrupt:
            self.interrupted_ = True
            raise
        means = total / n_rows.clamp_min(1)
        terms = dict(zip(self.names_, means.tolist(), strict=True))
        self._record(prefix, terms | {"loss": float(means @ self.shares_)})

    def _plain_steps(
        self, iterator: Batches, training: bool, step_fn: Callable[..., dict[str, Any]]
    ) -> Iterator[Tensor]:
        """Yield, for every minibatch, means of the terms and over how many rows, (2, terms)."""
        for batch in iterator:
            self._notify_watcher("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            self._notify_watcher("on_batch_end", batch=batch, training=training, **step)
            yield step["tally"]

    def _graphed_steps(self, iterator: Batches) -> Iterator[Tensor]:
        """Yield the same of training steps, each one CUDA graph."""
        if self.graphs_ is None:
            self.graphs_ = GraphedSteps(
                lambda index: self.train_step(iterator.rows.gather(index))["tally"],
                (self.noise_.latent, self.noise_.dropout),
            )
        for index in iterator.indices():
            yield self.graphs_(index)

    def _is_graphable(self, rows: PairedRows) -> bool:
        """Whether a step is the same work on the device alone, however often it is run."""
        if self.watched or rows.device.type != "cuda" or not rows.is_resident:
            return False
        return not self.module_.custom_networks

    def _noise(self, seed: int, training: bool) -> NoiseSource:
        units = 0
        if training and self.dropout > 0:
            units = self.dropout_units
        latent_dim, dtype = self.module_.architecture.latent_dim, self.flat_.values.dtype
        device = torch.device(self.device)
        return NoiseSource(seed, self.streams.dropout, latent_dim, units, device, dtype)

    def _notify_watcher(self, method: str, **kwargs: Any) -> None:
        if self.watched:
            self.notify(method, **kwargs)

    def _record(self, prefix: str, terms: dict[str, float]) -> None:
        norm = float(self.flat_.values.detach().norm())
        _check_finite(terms | {"norm of the weights": norm}, len(self.history), prefix)
        for name, value in terms.items():
            earlier = self.epoch_terms_.get(f"{prefix}_{name}", [])
            self.history.record(f"{prefix}_{name}_best", value < min(earlier, default=np.inf))
            self.history.record(f"{prefix}_{name}", value)
            self.epoch_terms_.setdefault(f"{prefix}_{name}", []).append(value)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Update the weights by the gradients of a minibatch."""
        noise = self.noise_.draw(len(batch[0].observed))
        keep = None if noise.bits is None else keep_mask(noise.bits, self.dropout)
        step = self._differentiated(batch, noise, keep)
        if self.watched:
            named = list(self.module_.named_parameters())
            self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        self.flat_.step(self.optimizer_)
        return step

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the losses of a minibatch."""
        with torch.inference_mode():
            return self._step(losses_of, batch, self.noise_.draw(len(batch[0].observed)))

    def _differentiated(self, batch: Any, noise: Noise, keep: Tensor | None) -> dict[str, Any]:
        """Compute losses and gradients, by a compiled program if it is wanted and can be made."""
        if self.compile_losses:
            try:
                return self._backward(compiled_losses(self.module_), batch, noise, keep)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                self.compile_losses = False
                give_up_compiling(self.module_, error)
        return self._backward(losses_of, batch, noise, keep)

    def _backward(
        self, losses: LossesOf, batch: Any, noise: Noise, keep: Tensor | None
    ) -> dict[str, Any]:
        self.flat_.gradient.zero_()
        step = self._step(losses, batch, noise, Dropout(keep, self.noise_.dropout))
        step["loss"].backward()
        return step

    def _step(
        self,
        losses: LossesOf,
        batch: tuple[Rows, Tensor | None],
        noise: Noise,
        dropout: Dropout | None = None,
    ) -> dict[str, Any]:
        objective: Objective = self.criterion_
        with networks_in(self.precision, torch.device(self.device)):
            means, counts, names, labels = losses(
                objective, self.module_, *batch, noise.latent, dropout
            )
        if not self.names_:
            self.names_ = names
            self.shares_ = means.new_tensor(objective.shares(names))
        step = {"loss": means @ self.shares_, "tally": torch.stack([means.detach(), counts])}
        if self.watched:
            step["y_pred"] = means[:0] if labels is None else labels.mean.detach()
        return step

    def evaluation_step(self, batch: Any, training: bool = False) -> Tensor:
        """Compute the probabilities of the classes."""
        self._set_training(training)
        with torch.inference_mode():
            probabilities: Tensor = self.module_.predict(batch[0].observed).mean
            return probabilities

    def predict_proba(self, X: PairedRows) -> np.ndarray:
        """Return the probabilities of the classes."""
        return np.concatenate([to_numpy(batch) for batch in self.forward_iter(X)])

    def predict(self, X: PairedRows) -> np.ndarray:
        """Return the codes of the classes, or an indicator matrix for multilabel data."""
        probabilities = self.predict_proba(X)
        if self.module_.architecture.label_likelihood == "categorical":
            codes: np.ndarray = probabilities.argmax(axis=1)
            return codes
        return (probabilities > 0.5).astype(int)


def _check_finite(values: dict[str, float], epoch: int, prefix: str) -> None:
    for name, value in values.items():
        if not np.isfinite(value):
            part = {"train": "training", "valid": "validation"}[prefix]
            raise FloatingPointError(
                f"Training stopped in epoch {epoch}: the {name} over the {part} rows became "
                f"{value}. The weights of the last good epoch are kept. Lower learning_rate, "
                "clip gradients with callbacks=[skorch.callbacks.GradientNormClipping(1.0)], "
                "or look for extreme values in X and X_missing."
            )
