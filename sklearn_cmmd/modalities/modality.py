"""Modality: how a user describes some columns that were measured together."""

from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

__all__ = ["Modality"]

LIKELIHOODS = ("auto", "gaussian", "heteroscedastic", "bernoulli")
NETWORKS = ("auto", "mlp")


# Columns may be an array, of which equality is no single answer.
@dataclass(frozen=True, eq=False)
class Modality:
    """Some columns of X or X_missing that were measured together.

    Parameters
    ----------
    name : str
        Name of the modality; the key, where the data are given as a mapping.
    columns : slice, sequence of int or of str, default=None
        Its columns, by position or, for DataFrames, by name. None stands for all columns, or,
        for mappings, for the entry with this name.
    likelihood : {"auto", "gaussian", "heteroscedastic", "bernoulli"}, default="auto"
        Distribution of a missing modality given x_O and z. "gaussian" is for real values, which
        are standardised inside and given back in their own units, with one variance for each
        column; "heteroscedastic" the same with a variance for each row and column, as in the
        paper; "bernoulli" for values in [0, 1]. "auto" takes "bernoulli" if all values are 0 or
        1, else "gaussian". Without effect on an observed modality.
    network : {"auto", "mlp"}, default="auto"
        "auto" sends the modality through one network together with all others that say so;
        "mlp" gives it a network of its own, whose features are joined with the rest.
    weight : float, default=1.0
        Weight of a missing modality's log-likelihood. Without effect on an observed one.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, Modality
    >>> tags = Modality("tags", columns=slice(0, 20), likelihood="bernoulli")
    >>> sound = Modality("sound", columns=range(20, 50), network="mlp")
    >>> clf = CMMDClassifier(missing=[tags, sound])
    """

    name: str
    columns: Any = None
    likelihood: str = "auto"
    network: str = "auto"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"The name of a Modality must be a string. Got {self.name!r} instead.")
        for parameter, allowed in (("likelihood", LIKELIHOODS), ("network", NETWORKS)):
            value = getattr(self, parameter)
            if value not in allowed:
                raise ValueError(
                    f"{parameter} of modality {self.name!r} must be one of {list(allowed)}. "
                    f"Got {value!r} instead."
                )
        if not isinstance(self.weight, Real) or not 0 < self.weight < inf:
            raise ValueError(
                f"weight of modality {self.name!r} must be a positive number. "
                f"Got {self.weight!r} instead."
            )
