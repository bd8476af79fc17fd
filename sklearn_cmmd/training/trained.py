"""What a training run leaves behind, and what is to be said of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from sklearn_cmmd.exceptions import CMMDWarning, CollapsedTeacherWarning, DerailedWarning

# A loss so many times its first size above the first epoch's is no noise.
FAR = 10


@dataclass(frozen=True)
class Trained:
    """What a training run leaves behind, besides the weights.

    The moments of the optimizer belong to the weights, which were taken after the epoch
    `best_epoch`, with this loss of the rows held out, if any. `collapsed` is the epoch in which the
    teacher lost most classes, if it did. `failure` says why training broke off, if numbers were not
    finite; `interrupted` whether it was stopped from the keyboard.
    """

    history: dict[str, list[float]]
    moments: dict[str, Tensor]
    n_epochs: int
    best_epoch: int
    best_loss: float | None
    collapsed: int | None = None
    failure: str | None = None
    interrupted: bool = False

    def remarks(self) -> Iterator[CMMDWarning]:
        """Yield a warning for each thing that went wrong without an error."""
        epoch = self._derailed()
        if epoch is not None:
            first, loss = (self.history["train_loss"][i] for i in (0, epoch - 1))
            yield DerailedWarning(
                f"The training loss rose in epoch {epoch}, from {first:.3g} in the first epoch to "
                f"{loss:.3g}: the steps were too long, as they easily are for wide networks. Lower "
                "learning_rate, or clip gradients with "
                "callbacks=[skorch.callbacks.GradientNormClipping(1.0)]."
            )
        if self.collapsed is not None:
            yield CollapsedTeacherWarning(
                "The encoder, which teaches the prior, has lost classes: what it taught of the "
                f"rows without a label in epoch {self.collapsed} had less than half of the entropy "
                "of the classes. Since then it teaches no more. Give labels to more rows, or set "
                "objective__distillation=0."
            )

    def _derailed(self) -> int | None:
        """Return the epoch in which the training loss rose far above the first one's, if any."""
        losses = self.history.get("train_loss", [])
        far = (i for i, x in enumerate(losses, 1) if x > losses[0] + FAR * (abs(losses[0]) + 1))
        return next(far, None)
