"""Fully connected bodies: layers whose randomness is handed in."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from sklearn_cmmd.networks.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "softplus": nn.functional.softplus,
    "tanh": torch.tanh,
    "silu": nn.functional.silu,
    "gelu": nn.functional.gelu,
}

# Last layers start near zero, so that q ≈ p ≈ N(0, I) and all classes are alike before training.
HEAD_GAIN = 0.1


def layer(kind: Any, *sizes: Any, gain: float, fan_in: float) -> Any:
    """Return a layer of torch whose weights are to be drawn with the variance gain² / fan_in.

    Until `init_weights` they are undefined; nothing of torch's global state matters.
    """
    made = skip_init(kind, *sizes, dtype=torch.float32)
    made.init_std = gain / fan_in**0.5
    return made


def init_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all layers in a module, and set their biases to zero."""
    for part in module.modules():
        if hasattr(part, "init_std"):
            made: Any = part
            nn.init.normal_(made.weight, std=made.init_std, generator=generator)
            nn.init.zeros_(made.bias)


def hidden_gain(activation: str) -> float:
    """Return the gain with which activations keep their scale from layer to layer."""
    return nn.init.calculate_gain("tanh" if activation == "tanh" else "relu")


class MLP(nn.Module):
    """Hidden layers of a fully connected network, each followed by activation and dropout.

    Without layers it is the identity. The masks of the dropout are drawn elsewhere, for all
    networks in one call; see `Dropout`.
    """

    def __init__(self, in_features: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        widths, gain = (in_features, *hidden), hidden_gain(activation)
        self.hidden = tuple(hidden)
        self.layers = nn.ModuleList()
        for a, b in pairwise(widths):
            self.layers.append(layer(nn.Linear, a, b, gain=gain, fan_in=a))
        self.activation = activation
        self.out_features = widths[-1]

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, in_features) to (batch, out_features)."""
        activation = ACTIVATIONS[self.activation]
        for linear in self.layers:
            x = activation(linear(x))
            if dropout is not None:
                x = dropout(x)
        return x


def n_units(network: nn.Module) -> int:
    """Count the units of all hidden layers that dropout may silence."""
    return sum([sum(part.hidden) for part in network.modules() if isinstance(part, MLP)])
