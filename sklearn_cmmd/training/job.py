"""What a training run needs, and what it leaves behind, in plain values."""

from dataclasses import dataclass
from typing import Any

from sklearn_cmmd._random import Streams
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.training.batches import PairedRows

__all__ = ["Job", "Trained", "TrainingSettings"]

# A loss so many times its first size above the first epoch's is no noise.
FAR = 10


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train, in plain values.

    `validation_fraction` is the share of the rows held out; `watched` the term of their loss, or
    "loss", that is to improve; `patience` the number of epochs without an improvement of it by
    `tol` after which training stops; `compile_losses` whether torch.compile makes one program of
    the losses of a step.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    precision: str
    compile_losses: bool
    validation_fraction: float
    watched: str
    patience: int
    tol: float
    verbose: int


@dataclass(frozen=True)
class Job:
    """One training run, complete but for callbacks and an optimizer to go on from.

    Attributes
    ----------
    module : CMMD
        The networks, on the device of the rows; they are trained in place.
    objective : Objective
        What they are trained for.
    rows, validation : PairedRows
        Rows to learn from, and rows to watch. With the latter, training stops early and the
        weights of the best epoch are restored.
    settings : TrainingSettings
        How long and how fast.
    streams : Streams
        Seeds of the order of the rows, the noise and the dropout.
    """

    module: CMMD
    objective: Objective
    rows: PairedRows
    validation: PairedRows | None
    settings: TrainingSettings
    streams: Streams

    @property
    def dropout_units(self) -> int:
        """Number of units that dropout may silence in a step."""
        n_classifications = self.objective.n_classifications(self.module)
        return self.module.dropout_units(self.objective.n_decodings, n_classifications)


@dataclass(frozen=True)
class Trained:
    """What a training run leaves behind, besides the weights."""

    history: dict[str, list[float]]
    optimizer_state: dict[str, Any] | None
    n_epochs: int
    diverged: str | None

    @property
    def derailed(self) -> str | None:
        """Say in which epoch the training loss rose far above the first one's, if it did."""
        losses = self.history.get("train_loss", [])
        for epoch, loss in enumerate(losses, 1):
            if loss > losses[0] + FAR * (abs(losses[0]) + 1):
                return (
                    f"The training loss rose in epoch {epoch}, from {losses[0]:.3g} in the first "
                    f"epoch to {loss:.3g}: the steps were too long, as they easily are for wide "
                    "networks. Lower learning_rate, or clip gradients with "
                    "callbacks=[skorch.callbacks.GradientNormClipping(1.0)]."
                )
        return None
