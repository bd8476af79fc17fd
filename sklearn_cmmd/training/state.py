"""The state of a training run after an epoch: all that it takes to go on as if it never stopped."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

__all__ = ["Snapshot", "TrainingState", "load_moments", "moments_of"]

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Snapshot:
    """Networks and optimizer after an epoch.

    Attributes
    ----------
    epoch : int
        Number of epochs run; 0 before the first.
    weights : dict of str to Tensor
        The module's `state_dict`, copied.
    moments : dict of str to Tensor
        What the optimizer knows of each parameter, under ``<parameter>.<name>``.
    """

    epoch: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]

    @classmethod
    def take(cls, epoch: int, module: nn.Module, optimizer: torch.optim.Optimizer) -> "Snapshot":
        """Copy weights and moments."""
        weights = {name: value.clone() for name, value in module.state_dict().items()}
        return cls(epoch, weights, moments_of(optimizer, module))

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Bring weights and moments back."""
        module.load_state_dict(self.weights)
        load_moments(optimizer, module, self.moments)


@dataclass
class TrainingState:
    """Where a training run stands.

    Attributes
    ----------
    last : Snapshot
        After the last epoch that ended with finite losses.
    streams : dict of str to Tensor
        States of the random streams after it.
    history : dict of str to list of float
        The mean of every term for each epoch.
    best : Snapshot or None
        After the best epoch, if rows are held out.
    best_loss : float
        The watched loss of that epoch.
    misses : int
        Number of epochs since, without an improvement.
    """

    last: Snapshot
    streams: dict[str, Tensor]
    history: dict[str, list[float]] = field(default_factory=dict)
    best: Snapshot | None = None
    best_loss: float = float("inf")
    misses: int = 0

    @property
    def epoch(self) -> int:
        """Number of epochs run."""
        return self.last.epoch

    def record(self, losses: dict[str, float]) -> None:
        """Add the means of an epoch to the history."""
        for name, value in losses.items():
            self.history.setdefault(name, []).append(value)

    def watch(self, loss: float, tol: float) -> None:
        """Note whether the held-out loss has fallen by more than the tolerance."""
        if loss < self.best_loss - (tol if self.best is not None else 0):
            self.best, self.best_loss, self.misses = self.last, loss, 0
        else:
            self.misses += 1


def moments_of(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Return copies of the optimizer's moments by the names of the parameters."""
    return {
        f"{name}.{moment}": value.clone()
        for name, parameter in module.named_parameters()
        for moment, value in optimizer.state.get(parameter, {}).items()
    }


def load_moments(
    optimizer: torch.optim.Optimizer, module: nn.Module, moments: dict[str, Tensor]
) -> None:
    """Give an optimizer these moments, and none to parameters that they do not name."""
    optimizer.state.clear()
    for name, parameter in module.named_parameters():
        if f"{name}.step" in moments:
            optimizer.state[parameter] = {
                moment: moments[f"{name}.{moment}"].clone().to(parameter.device)
                for moment in MOMENTS
            }
