"""The callbacks of a training run: what keeps its weights, shows its progress and ends it."""

import copy
import sys
from collections.abc import Sequence
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, PrintLog
from tqdm.auto import tqdm

from sklearn_cmmd.training.job import TrainingSettings

__all__ = ["EpochBar", "LastGoodState", "in_order", "unfitted"]


def in_order(
    settings: TrainingSettings, has_validation: bool, users: Sequence[Any]
) -> list[tuple[str, Any]]:
    """Return the user's callbacks between ours; those that stop the training come last."""
    ours = [("last_good", LastGoodState())]
    named = [cb if isinstance(cb, tuple) else (f"callback{i}", cb) for i, cb in enumerate(users)]
    last: list[tuple[str, Any]] = []
    if settings.verbose:
        last.append(("progress", EpochBar() if sys.stderr.isatty() else PrintLog()))
    if has_validation:
        stopping = EarlyStopping(
            f"valid_{settings.watched}",
            patience=settings.patience,
            threshold=settings.tol,
            threshold_mode="abs",
            load_best=True,
            sink=_silent,
        )
        last.append(("early_stopping", stopping))
    return [*ours, *named, *last]


def _silent(*args: Any, **kwargs: Any) -> None:
    """Take no notice."""


def unfitted(callback: Any) -> Any:
    """Return a callback without what it learned in training, such as tensors on a device."""
    if isinstance(callback, tuple):
        return tuple(unfitted(part) for part in callback)
    if not isinstance(callback, Callback):
        return callback
    bare = copy.copy(callback)
    bare.__dict__ = {k: v for k, v in vars(callback).items() if not k.endswith("_")}
    return bare


class LastGoodState(Callback):
    """Keeps a copy of the weights after each epoch that ended with finite losses."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Copy the initial weights."""
        self.state_ = {k: v.clone() for k, v in net.module_.state_dict().items()}

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Overwrite the copy."""
        for name, value in net.module_.state_dict().items():
            self.state_[name].copy_(value)


class EpochBar(Callback):
    """One progress bar for the whole training, with the losses beside it."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="CMMD", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance the bar."""
        row = net.history[-1]
        self.bar_.set_postfix({k: f"{row[k]:.4g}" for k in net.losses if k in row}, refresh=False)
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar."""
        self.bar_.close()
