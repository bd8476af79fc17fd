"""Everything random of a training step, drawn in two calls."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_cmmd._random import generator

__all__ = ["Noise", "NoiseSource"]


@dataclass(frozen=True)
class Noise:
    """What one step draws.

    Attributes
    ----------
    latent : Tensor of shape (batch, latent_dim)
        Standard normal noise.
    bits : Tensor of int16 of shape (batch, units), or None
        Uniform over all values, from which the masks of the dropout are made.
    """

    latent: Tensor
    bits: Tensor | None


class NoiseSource:
    """The noise of one model's training, step after step.

    Parameters
    ----------
    noise, dropout : int
        Seeds of two streams, so that models of unlike dropout can share their noise.
    latent_dim, units : int
        Columns of what is drawn. Without units there are no bits.
    device : torch.device
        Where it is drawn.
    dtype : torch.dtype
        Of the normal noise.
    """

    def __init__(
        self,
        noise: int,
        dropout: int,
        latent_dim: int,
        units: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.latent = generator(noise, device)
        self.dropout = generator(dropout, device)
        self.seeds = noise, dropout
        self.latent_dim = latent_dim
        self.units = units
        self.dtype = dtype

    def restart(self) -> None:
        """Begin again with the first draw."""
        noise, dropout = self.seeds
        self.latent.manual_seed(noise)
        self.dropout.manual_seed(dropout)

    def draw(self, n_rows: int) -> Noise:
        """Draw the noise of a minibatch."""
        shape, device = (n_rows, self.latent_dim), self.latent.device
        latent = torch.empty(shape, dtype=self.dtype, device=device).normal_(generator=self.latent)
        return Noise(latent, self._bits(n_rows) if self.units else None)

    def _bits(self, n_rows: int) -> Tensor:
        """Cut random 64-bit numbers in four, which costs a tenth of as many draws."""
        n = n_rows * self.units
        words = torch.empty(-(-n // 4), dtype=torch.int64, device=self.dropout.device)
        words.random_(-(2**63), None, generator=self.dropout)
        return words.view(torch.int16)[:n].view(n_rows, self.units)
