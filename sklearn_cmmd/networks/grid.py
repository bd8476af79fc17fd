"""Grid: how the flat row of a modality is an image, a sequence or any other array."""

import math
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Shape of a modality's row as its user stores it, and where the channels stand, if any."""

    shape: tuple[int, ...]
    channels: str | None = None

    @property
    def numel(self) -> int:
        """Number of columns of a flat row."""
        return math.prod(self.shape)

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """The shape with the channels first, as torch's layers want it."""
        return (self.shape[-1], *self.shape[:-1]) if self.channels == "last" else self.shape

    def with_channels(self) -> "Grid":
        """Return the same grid with an axis of one channel if it has none."""
        if self.channels is not None:
            return self
        return replace(self, shape=(1, *self.shape), channels="first")

    def unflatten(self, x: Tensor) -> Tensor:
        """Bring flat rows, (batch, numel), to (batch, *torch_shape)."""
        x = x.unflatten(-1, self.shape)
        return x.movedim(-1, 1) if self.channels == "last" else x

    def flatten(self, x: Tensor, n_parts: int = 1) -> Tensor:
        """Bring (batch, n_parts · first axis, …) to flat rows, one part after the other."""
        parts = x.unflatten(1, (n_parts, -1))
        if self.channels == "last":
            parts = parts.movedim(2, -1)
        return parts.flatten(1)
