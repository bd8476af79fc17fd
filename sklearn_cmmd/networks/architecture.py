"""Everything that fixes the shapes of the networks, in plain values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.networks.likelihoods import Scale

# "auto", the name of a network, or a factory of one.
Network = str | Callable[..., Any]
FLAT = Grid(())


@dataclass(frozen=True)
class ViewSpec:
    """A modality as the networks see it.

    `prior`, `encoder` and `decoder` say which network it has in each of the three; those that say
    "auto" go through one network together, each of the others through its own. In the decoder, an
    observed modality is read and a missing one is generated. `linear` says whether a missing one
    has a linear path from x_O. Counts are in units of `unit`, and of the means `rates`, by column.
    """

    columns: tuple[int, ...]
    name: str = ""
    grid: Grid = FLAT
    prior: Network = "auto"
    encoder: Network = "auto"
    decoder: Network = "auto"
    likelihood: str = "gaussian"
    scale: Scale = "column"
    axis: int = -1
    weight: float = 1.0
    linear: bool = False
    rates: tuple[float, ...] = ()
    unit: tuple[float, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """Modalities of both sides, labels, and the widths and forms of the networks.

    An optional modality is on both sides: a row either has it or lacks it.
    """

    observed: tuple[ViewSpec, ...]
    missing: tuple[ViewSpec, ...]
    n_labels: int
    label_likelihood: str
    latent_dim: int
    prior_hidden: tuple[int, ...]
    encoder_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    classifier_hidden: tuple[int, ...]
    activation: str
    fusion: str = "joint"
    decoder_input: str = "linear"
    label_in_encoder: bool = True
    # Numbers of the observed modalities that a row may lack, each with a column of x_O that says
    # whether it has it, after the columns of values.
    optional: tuple[int, ...] = ()

    n_observed: int = field(init=False)  # number of columns of x_O
    n_missing: int = field(init=False)  # number of columns of x_M

    def __post_init__(self) -> None:
        for side in ("observed", "missing"):
            n_columns = sum([len(view.columns) for view in getattr(self, side)])
            object.__setattr__(self, f"n_{side}", n_columns)
        object.__setattr__(self, "n_observed", self.n_observed + len(self.optional))

    @property
    def masks(self) -> range:
        """The columns of x_O that say which optional modalities a row has."""
        return range(self.n_observed - len(self.optional), self.n_observed)

    @property
    def marks_labels(self) -> bool:
        """Whether the encoder reads beside y if there is one: of numbers, zero is the mean."""
        return self.label_likelihood == "gaussian"

    @property
    def n_label_columns(self) -> int:
        """How many columns the encoder reads of y."""
        return self.n_labels + self.marks_labels if self.label_in_encoder else 0
