"""Everything random of a training run: the order of the rows, the noise, the dropout."""

from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_cmmd._random import Seeds, generator


class Noise(NamedTuple):
    """What one step draws."""

    latent: Tensor  # (batch, latent_dim), standard normal
    bits: Tensor | None  # (batch, units) of int16, uniform; masks of the dropout are made of them
    hiding: Tensor | None  # (batch, n), uniform in [0, 1), for modalities that are hidden


class NoiseSource:
    """The noise of one model's training, step after step.

    Without units there are no bits; `n_hiding` numbers a row say what is hidden, if anything.
    """

    def __init__(
        self,
        latent: torch.Generator,
        dropout: torch.Generator,
        latent_dim: int,
        units: int,
        n_hiding: int = 0,
    ) -> None:
        self.latent = latent
        self.dropout = dropout
        self.latent_dim = latent_dim
        self.units = units
        self.n_hiding = n_hiding

    def draw(self, n_rows: int) -> Noise:
        """Draw the noise of a minibatch."""
        shape, device = (n_rows, self.latent_dim), self.latent.device
        latent = torch.empty(shape, dtype=torch.float32, device=device)
        latent.normal_(generator=self.latent)
        hiding = None
        if self.n_hiding:
            hiding = torch.empty((n_rows, self.n_hiding), dtype=torch.float32, device=device)
            hiding.uniform_(generator=self.latent)
        return Noise(latent, self._bits(n_rows) if self.units else None, hiding)

    def _bits(self, n_rows: int) -> Tensor:
        """Cut random 64-bit numbers in four, which costs a tenth of as many draws."""
        n = n_rows * self.units
        words = torch.empty(-(-n // 4), dtype=torch.int64, device=self.dropout.device)
        words.random_(-(2**63), None, generator=self.dropout)
        return words.view(torch.int16)[:n].view(n_rows, self.units)


class Streams:
    """The generators of one training run.

    Noise is drawn on the device, the order of the rows on the CPU, so that minibatches agree
    across devices.
    """

    def __init__(self, seeds: Seeds, device: torch.device) -> None:
        self.seeds = seeds
        self.shuffle = generator(seeds.shuffle)
        self.latent = generator(seeds.noise, device)
        self.dropout = generator(seeds.dropout, device)

    @property
    def validation(self) -> torch.Generator:
        """A stream that begins anew, so that held-out losses change with the weights alone."""
        return generator(self.seeds.validation, self.latent.device)

    def states(self) -> dict[str, Tensor]:
        """Return where the streams are."""
        return {name: getattr(self, name).get_state() for name in ("shuffle", "latent", "dropout")}

    def restore(self, states: dict[str, Tensor]) -> None:
        """Go on from where streams were."""
        for name, state in states.items():
            getattr(self, name).set_state(state)
