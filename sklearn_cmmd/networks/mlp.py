"""Fully connected bodies: layers whose randomness is handed in."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

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


def linear(in_features: int, out_features: int) -> nn.Linear:
    """Return a linear layer with undefined weights; nothing of torch's global state matters."""
    layer = skip_init(nn.Linear, in_features, out_features, dtype=torch.float32)
    assert isinstance(layer, nn.Linear)
    return layer


def init_layer(layer: nn.Module, gain: float, fan_in: float, generator: torch.Generator) -> None:
    """Draw the weights of variance gain² / fan_in, and set the biases to zero."""
    nn.init.normal_(cast(Tensor, layer.weight), std=gain / fan_in**0.5, generator=generator)
    nn.init.zeros_(cast(Tensor, layer.bias))


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
        widths = (in_features, *hidden)
        self.in_features = in_features
        self.hidden = tuple(hidden)
        self.layers = nn.ModuleList([linear(a, b) for a, b in pairwise(widths)])
        self.activation = activation
        self.out_features = widths[-1]

    def init_weights(self, generator: torch.Generator) -> None:
        gain, fan_in = hidden_gain(self.activation), self.in_features
        for layer, width in zip(self.layers, self.hidden, strict=True):
            init_layer(layer, gain, fan_in, generator)
            fan_in = width

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, in_features) to (batch, out_features)."""
        activation = ACTIVATIONS[self.activation]
        for layer in self.layers:
            x = activation(layer(x))
            if dropout is not None:
                x = dropout(x)
        return x


def n_units(network: nn.Module) -> int:
    """Count the units of all hidden layers that dropout may silence."""
    return sum([sum(part.hidden) for part in network.modules() if isinstance(part, MLP)])
