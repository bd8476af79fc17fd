"""Convolutional bodies and generators, for images and for sequences of any size.

Each halves the size until no axis is longer than four, then spans the rest with one kernel; a
generator goes the same way back. At 32 × 32 with three channels, and at eight positions with 71
symbols, these are the networks that the literature on MNIST-SVHN-Text uses (tables H.3 and H.5 of
[1]_).

References
----------
.. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. Discriminative multimodal learning via conditional
   priors in generative models. Neural Networks 169 (2024).
   https://doi.org/10.1016/j.neunet.2023.10.048
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.networks.mlp import ACTIVATIONS, HEAD_GAIN, hidden_gain, layer

WIDTH = 128
IMAGE_WIDTHS = (32, 64)  # of the first halving layer, and of the others
LAST_SIZE = 4
CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d}
TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}


@dataclass(frozen=True)
class ConvSpec:
    """A layer of a body: channels in and out, the size of its input, and what spans each axis."""

    channels: tuple[int, int]
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    @classmethod
    def halving(cls, channels: tuple[int, int], size: Sequence[int]) -> "ConvSpec":
        """Halve the axes that are still long, and keep the others."""
        spans = [(4, 2, 1) if n > LAST_SIZE else (3, 1, 1) if n > 2 else (1, 1, 0) for n in size]
        kernel, stride, padding = zip(*spans, strict=True)
        return cls(channels, tuple(size), kernel, stride, padding)

    @classmethod
    def pointwise(cls, channels: tuple[int, int], size: Sequence[int]) -> "ConvSpec":
        """Mix the channels only."""
        one = (1,) * len(size)
        return cls(channels, tuple(size), one, one, (0,) * len(size))

    @classmethod
    def spanning(cls, channels: tuple[int, int], size: Sequence[int]) -> "ConvSpec":
        """Cover all that is left with one kernel."""
        return cls(channels, tuple(size), tuple(size), (2,) * len(size), (0,) * len(size))

    @property
    def is_pointwise(self) -> bool:
        """Whether the layer keeps the size and mixes the channels only."""
        return math.prod(self.kernel) == math.prod(self.stride) == 1

    @property
    def fan_in(self) -> int:
        """Number of inputs of a unit."""
        return self.channels[0] * math.prod(self.kernel)

    @property
    def transposed_fan_in(self) -> float:
        """Number of inputs of a unit of the transposed layer, on average."""
        reach = 1 if self.size == self.kernel else math.prod(self.kernel) / math.prod(self.stride)
        return self.channels[1] * reach

    @property
    def output_padding(self) -> tuple[int, ...]:
        """What the transposed layer must add where the size was odd."""
        axes = zip(self.size, self.kernel, self.stride, self.padding, strict=True)
        return tuple((n + 2 * p - k) % s for n, k, s, p in axes)


def plan(shape: Sequence[int]) -> list[ConvSpec]:
    """Return the layers of a body for input of this shape, channels first."""
    channels, *size = shape
    layers = []
    width, next_width = IMAGE_WIDTHS
    if len(size) == 1:
        layers.append(ConvSpec.pointwise((channels, WIDTH), size))
        channels = width = next_width = WIDTH
    while max(size) > LAST_SIZE:
        layers.append(ConvSpec.halving((channels, width), size))
        channels, width = width, next_width
        size = [n // 2 if n > LAST_SIZE else n for n in size]
    return [*layers, ConvSpec.spanning((channels, WIDTH), size)]


class ConvBody(nn.Module):
    """Flat rows that are images or sequences to 128 features; without channels they have one."""

    def __init__(self, grid: Grid, activation: str) -> None:
        super().__init__()
        self.grid = grid.with_channels()
        self.specs = plan(self.grid.torch_shape)
        gain = hidden_gain(activation)
        self.layers = nn.ModuleList(_convolution(spec, gain) for spec in self.specs)
        self.activation = activation
        self.out_features = WIDTH

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, numel) to (batch, 128)."""
        activation = ACTIVATIONS[self.activation]
        x = self.grid.unflatten(x)
        for convolution in self.layers:
            x = activation(convolution(x))
        return x.flatten(1)


class ConvGenerator(nn.Module):
    """Features to the raw numbers of a likelihood, as flat rows: `ConvBody` run backwards.

    There are `per_value` raw numbers for each value of a row.
    """

    def __init__(self, in_features: int, grid: Grid, per_value: int, activation: str) -> None:
        super().__init__()
        self.grid = grid.with_channels()
        self.per_value = per_value
        self.activation = activation
        gain = hidden_gain(activation)
        self.first = layer(nn.Linear, in_features, WIDTH, gain=gain, fan_in=in_features)
        *hidden, last = self.specs = plan(self.grid.torch_shape)[::-1]
        self.layers = nn.ModuleList(_transposed(spec, spec.channels[0], gain) for spec in hidden)
        out_channels = per_value * self.grid.torch_shape[0]
        self.layers.append(_transposed(last, out_channels, HEAD_GAIN))

    def forward(self, features: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, in_features) to (batch, per_value · numel)."""
        activation = ACTIVATIONS[self.activation]
        x = self.first(features)
        x = x.unflatten(-1, (WIDTH, *[1] * len(self.specs[0].size)))
        for convolution in self.layers:
            x = convolution(activation(x))
        return self.grid.flatten(x, self.per_value)


def _convolution(spec: ConvSpec, gain: float) -> nn.Module:
    sizes = *spec.channels, spec.kernel, spec.stride, spec.padding
    made: nn.Module = layer(CONVOLUTIONS[len(spec.size)], *sizes, gain=gain, fan_in=spec.fan_in)
    return made


def _transposed(spec: ConvSpec, out_channels: int, gain: float) -> nn.Module:
    """Return the layer that undoes the size of `spec`; mixing channels needs no transposition."""
    kind = (CONVOLUTIONS if spec.is_pointwise else TRANSPOSED)[len(spec.size)]
    sizes: tuple[Any, ...] = (
        spec.channels[1],
        out_channels,
        spec.kernel,
        spec.stride,
        spec.padding,
    )
    if not spec.is_pointwise:
        sizes = (*sizes, spec.output_padding)
    made: nn.Module = layer(kind, *sizes, gain=gain, fan_in=spec.transposed_fan_in)
    return made
