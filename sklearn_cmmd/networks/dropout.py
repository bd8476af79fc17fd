"""Dropout whose masks are drawn for all layers of a training step in one call."""

import torch
from torch import Tensor

LEVELS = 2**16


class Dropout:
    """What one pass through the networks in training draws on, in the order in which layers ask.

    `keep`, of shape (batch, units), has for each row and each hidden unit the factor of its output,
    0 or 1 / (1 − rate), the units of all layers side by side. Those of a layer that sees r draws of
    every row, one set after the other, are there r times. None silences no unit. The generator is
    the source of the randomness of users' networks.
    """

    def __init__(self, keep: Tensor | None, generator: torch.Generator | None = None) -> None:
        self.keep = keep
        self.generator = generator
        self.used = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Silence some units of a layer's output of shape (draws · batch, width)."""
        if self.keep is None:
            return x
        width = x.shape[-1]
        keep = []
        for _ in range(x.shape[0] // self.keep.shape[0]):
            keep.append(self.keep[:, self.used : self.used + width])
            self.used += width
        return x * (keep[0] if len(keep) == 1 else torch.cat(keep))


def keep_mask(bits: Tensor, rate: float) -> Tensor:
    """Return 0 with probability `rate`, else what keeps the mean at one, as float32.

    The bits are int16, uniform over all values, so that the rate is met to 1 / 65,536.
    """
    silenced = min(round(rate * LEVELS), LEVELS - 1)
    # Written straight into floats: a third of the time of a comparison and a conversion.
    keep = torch.empty(bits.shape, dtype=torch.float32, device=bits.device)
    torch.ge(bits, silenced - LEVELS // 2, out=keep)
    return keep.mul_(LEVELS / (LEVELS - silenced))
