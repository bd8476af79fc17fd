"""skorch's callbacks: they are told of the training by a net that looks like skorch's own."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.utils import to_numpy
from torch import Tensor

from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.plan import Schedule


class Observers:
    """A user's callbacks in a training run. Without any, nothing is told."""

    def __init__(
        self,
        callbacks: Sequence[Any],
        schedule: Schedule,
        module: CMMD,
        optimizer: torch.optim.Optimizer,
        rows: PairedRows,
        held_out: PairedRows | None,
    ) -> None:
        self.net: ObservedNet | None = None
        self.data: dict[str, Any] = {"dataset_train": rows, "dataset_valid": held_out}
        if callbacks:
            named = [
                each if isinstance(each, tuple) else (f"callback{i}", each)
                for i, each in enumerate(callbacks)
            ]
            self.net = ObservedNet(
                module,
                criterion=torch.nn.Identity,
                optimizer=lambda *args, **kwargs: optimizer,
                lr=schedule.learning_rate,
                max_epochs=schedule.max_epochs,
                batch_size=schedule.batch_size,
                train_split=None,
                callbacks=named,
                device=str(rows.device),
                verbose=0,
            )
            self.net.initialize()

    def __bool__(self) -> bool:
        return self.net is not None

    def tell(self, event: str, batch: Batch | None = None, **told: Any) -> None:
        """Tell of an event by skorch's name for it."""
        if self.net is None:
            return
        if event.startswith("on_train"):
            told = {"X": self.data["dataset_train"], "y": None}
        elif event.startswith("on_epoch"):
            told = self.data
        elif batch is not None:
            told["batch"] = batch, batch.y
        if event == "on_grad_computed":
            told["named_parameters"] = list(self.net.module_.named_parameters())
        self.net.notify(event, **told)

    def record(self, losses: dict[str, float], history: dict[str, list[float]]) -> None:
        """Show the losses of an epoch, and which are the least so far, in the net's history."""
        if self.net is None:
            return
        for name, value in losses.items():
            earlier = history.get(name, [])
            self.net.history.record(f"{name}_best", value < min(earlier, default=np.inf))
            self.net.history.record(name, value)

    def recall(self, history: dict[str, list[float]], n_epochs: int) -> None:
        """Show the epochs of a run that goes on."""
        if self.net is None:
            return
        for epoch in range(n_epochs):
            self.net.on_epoch_begin(self.net)
            losses = {name: values[epoch] for name, values in history.items()}
            self.record(losses, {name: values[:epoch] for name, values in history.items()})


class ObservedNet(ClassifierMixin, NeuralNet):
    """What callbacks see: history, module, optimizer, and predictions on a `PairedRows`.

    It trains nothing by itself. For scorers it is a classifier.
    """

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    @property
    def classes_(self) -> np.ndarray:
        """Codes of the classes."""
        return np.arange(self.module_.architecture.n_labels)

    def get_iterator(self, dataset: PairedRows, training: bool = False) -> Any:
        """Return minibatches in the order of the rows, each with its labels."""
        return ((batch, batch.y) for batch in Batches(dataset, self.batch_size))

    def evaluation_step(self, batch: Any, training: bool = False) -> Tensor:
        """Compute the probabilities of the classes, or the means of numbers."""
        self._set_training(training)
        with torch.no_grad():
            probabilities: Tensor = self.module_.predict(batch[0].observed.values).mean
            return probabilities

    def predict_proba(self, X: PairedRows) -> np.ndarray:
        """Return the probabilities of the classes, or the means of numbers."""
        return np.concatenate([to_numpy(batch) for batch in self.forward_iter(X)])

    def predict(self, X: PairedRows) -> np.ndarray:
        """Return codes of classes, an indicator matrix for multilabel data, or standard numbers."""
        means = self.predict_proba(X)
        likelihood = self.module_.architecture.label_likelihood
        if likelihood == "categorical":
            codes: np.ndarray = means.argmax(axis=1)
            return codes
        return (means > 0.5).astype(int) if likelihood == "bernoulli" else means


def unfitted(callback: Any) -> Any:
    """Return a callback without what it learned in training, such as tensors on a device."""
    if isinstance(callback, tuple):
        return tuple(unfitted(part) for part in callback)
    if not isinstance(callback, Callback):
        return callback
    bare = copy.copy(callback)
    bare.__dict__ = {k: v for k, v in vars(callback).items() if not k.endswith("_")}
    return bare
