"""The state of a training run after an epoch: all that it takes to go on as if it never stopped."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Snapshot:
    """Weights of the networks and moments of the optimizer after so many epochs, copied.

    The moments are under ``<parameter>.<name of the moment>``.
    """

    epoch: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]

    def with_network(self, name: str, other: "Snapshot") -> "Snapshot":
        """Return the same, but for one network, which is that of another epoch."""
        parts = [
            mine | {key: value for key, value in theirs.items() if key.startswith(f"{name}.")}
            for mine, theirs in ((self.weights, other.weights), (self.moments, other.moments))
        ]
        return Snapshot(self.epoch, *parts)

    @classmethod
    def take(cls, epoch: int, module: nn.Module, optimizer: torch.optim.Optimizer) -> "Snapshot":
        """Copy weights and moments."""
        weights = {name: value.clone() for name, value in module.state_dict().items()}
        moments = {
            f"{name}.{moment}": value.clone()
            for name, parameter in module.named_parameters()
            for moment, value in optimizer.state.get(parameter, {}).items()
        }
        return cls(epoch, weights, moments)

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Bring weights and moments back."""
        module.load_state_dict(self.weights)
        load_moments(optimizer, module, self.moments)


@dataclass
class Watch:
    """The best epoch by one loss of the rows held out, and how long it has been waited for more.

    `misses` are the epochs since the loss fell by more than a tolerance, to `reached`.
    """

    best: Snapshot | None = None
    loss: float = float("inf")
    reached: float = float("inf")
    misses: int = 0

    def note(self, loss: float, last: Snapshot, tol: float) -> None:
        """Note the loss of the last epoch."""
        if self.best is None or loss < self.loss:
            self.best, self.loss = last, loss
        self.misses += 1
        if self.reached == float("inf") or loss < self.reached - tol:
            self.reached, self.misses = loss, 0


@dataclass
class TrainingState:
    """Where a training run stands.

    `last` is the last epoch that ended with finite losses, `streams` are the states of the random
    streams after it, `watches` are those of the losses that early stopping watches, by name.
    """

    last: Snapshot
    streams: dict[str, Tensor]
    history: dict[str, list[float]] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Number of epochs run."""
        return self.last.epoch

    def record(self, losses: dict[str, float]) -> None:
        """Add the means of an epoch to the history."""
        for name, value in losses.items():
            self.history.setdefault(name, []).append(value)


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
