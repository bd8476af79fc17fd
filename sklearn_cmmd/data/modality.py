"""Modality: how a user describes values that were measured together."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any

from sklearn_cmmd._spelling import Spelled

LIKELIHOODS = ("auto", "gaussian", "laplace", "bernoulli", "categorical", "counts")
NETWORKS = ("auto", "mlp", "conv1d", "conv2d")
ROLES = ("prior", "encoder", "decoder")
SCALINGS = ("auto", "column", "common", "root")
NUMBERS_OR = {"weight": ("size",), "scale": ("column", "row")}

Network = str | Callable[..., Any]


# Columns may be an array, of which equality is no single answer.
@dataclass(frozen=True, eq=False)
class Modality(Spelled):
    r"""Columns of X or X_missing that were measured together, or an array of any shape.

    Parameters
    ----------
    name : str
        Name of the modality; the key, where the data are given as a mapping.
    columns : slice, sequence of int or of str, default=None
        Its columns, by position or, for DataFrames, by name; an Index or a Series of names will do.
        None stands for all columns, or, for mappings, for the entry with this name.
    shape : tuple of int, default=None
        Shape of a row, such as (28, 28), which the columns fill in the order in which they are
        named. None takes it from the data: arrays with more than two axes bring their own, columns
        are flat.
    likelihood : str, default="auto"
        Distribution of a missing modality given x_O and z. "gaussian" and "laplace" are for real
        values, which are standardised inside and given back in their own units; "bernoulli" for
        values in [0, 1]; "categorical" for classes in one-hot form along `axis`; "counts" for whole
        numbers from 0 on, as negative binomial variables. "auto" takes "bernoulli" if all values
        are 0 or 1; "counts" if they are whole numbers, at least half of them zero and their
        variance above their mean; else "gaussian". Without effect on an observed modality.
    network : str, callable or dict, default="auto"
        Network of the modality, one of

        - "auto": it goes, flattened, through one fully connected network together with all
          others that say so;
        - "mlp": a fully connected network of its own, with the widths that the estimator names;
        - "conv1d", "conv2d": a convolutional network of its own, for sequences and images of any
          size, and the same backwards to generate them;
        - a function that takes the shape of a row, channels first, and returns a
          `torch.nn.Module` from (batch, \*shape) to (batch, features), whatever the number of
          features. It must work in float32 and in float64, in which predictions from float64 data
          are computed;
        - a dict that names one of these for each role, ``{"prior": ..., "encoder": ...,
          "decoder": ...}``, of which those left out are "auto". In the decoder, an observed
          modality is read. A missing one has no role in the prior, and its "decoder" may be a
          function that takes the width of the input and the shape of the output, channels first,
          and returns a module from (batch, width) to (batch, \*shape): values in standardised
          units for "gaussian" and "laplace", log-odds for "bernoulli", unnormalised
          log-probabilities for "categorical", logarithms of means over those of the columns for
          "counts". With scale="row" the shape's first axis is twice as
          long, for values and logarithms of scales.
    weight : float or "size", default=1.0
        Weight of a missing modality's log-likelihood. "size" is the number of values of the
        largest modality of the fit over that of this one, so that all count alike; a position
        with classes counts once. Without effect on an observed modality.
    channels : {"first", "last"}, default=None
        Which axis of the shape holds channels, if one does. Arrays with more than one axis are
        standardised as a whole, or each channel by itself.
    scale : {"column", "row"} or float, default="column"
        Standard deviation of "gaussian", scale b of "laplace", r of "counts", whose variance is
        mean + mean² / r. "column" learns one for each column; but for counts, a prior worth 300
        rows pulls it towards the column's standard deviation (see `Objective`). "row" learns one
        for each row and column, as in the paper. Learned scales are at least 3 % of the column's
        standard deviation. A number fixes the scale, in the units of the data; but for counts.
    scaling : {"auto", "column", "common", "root"}, default="auto"
        In which units the networks read an observed modality: "column" divides each column by its
        own standard deviation; "common" divides all by one, so that columns of large variance, such
        as the first principal components, count more; "root" takes square roots of the values
        first (of negative ones, minus the root of the amount), as for counts and histograms. "auto"
        lets a ridge regression of the label decide, or of x_M where there are no labels, by rows
        left out: "common" if it errs less than "column" by a standard error, "root" if it errs
        clearly less or is right more often. Arrays with more than one axis have one scale, or one
        for each channel. Without effect on a missing modality.
    axis : int, default=-1
        Axis of the shape along which the classes of "categorical" are.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, Modality
    >>> tags = Modality("tags", columns=slice(0, 20), likelihood="bernoulli")
    >>> sound = Modality("sound", columns=range(20, 50), network="mlp")
    >>> clf = CMMDClassifier(missing=[tags, sound])
    >>> photo = Modality("photo", shape=(32, 32, 3), channels="last", network="conv2d")
    >>> word = Modality("word", shape=(8, 71), channels="last", network="conv1d",
    ...                 likelihood="categorical", weight="size")
    >>> clf = CMMDClassifier(observed=[photo], missing=[word])
    """

    name: str
    columns: Any = None
    shape: tuple[int, ...] | None = None
    likelihood: str = "auto"
    network: Network | Mapping[str, Network] = "auto"
    weight: float | str = 1.0
    channels: str | None = None
    scale: float | str = "column"
    scaling: str = "auto"
    axis: int = -1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"The name of a Modality must be a string. Got {self.name!r} instead.")
        self._check_choices()
        for parameter, names in NUMBERS_OR.items():
            value = getattr(self, parameter)
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            is_name = isinstance(value, str) and value in names
            if not is_name and not (is_number and 0 < float(value) < inf):
                raise ValueError(
                    f"{parameter} of modality {self.name!r} must be a positive number or one of "
                    f"{list(names)}. Got {value!r} instead."
                )
        if self.likelihood == "counts" and not isinstance(self.scale, str):
            raise ValueError(
                f"scale of modality {self.name!r} must be 'column' or 'row', since r of counts is "
                f"learned. Got {self.scale!r} instead."
            )
        if not isinstance(self.axis, Integral):
            raise TypeError(f"axis of modality {self.name!r} must be an int. Got {self.axis!r}.")
        if self.shape is not None:
            self._check_shape()

    @property
    def networks(self) -> dict[str, Network]:
        """The network of each role."""
        if isinstance(self.network, Mapping):
            return {role: self.network.get(role, "auto") for role in ROLES}
        return dict.fromkeys(ROLES, self.network)

    def resolved(self, **changes: Any) -> "Modality":
        """Return a copy with fields that were found in the data."""
        twin = copy.copy(self)
        for name, value in changes.items():
            object.__setattr__(twin, name, value)
        return twin

    def _check_choices(self) -> None:
        """Raise a ValueError for a name that is none of those that there are."""
        roles = list(self.network) if isinstance(self.network, Mapping) else []
        unknown = [role for role in roles if role not in ROLES]
        if unknown:
            raise ValueError(
                f"network of modality {self.name!r} names the roles {unknown}, but there are "
                f"{list(ROLES)}."
            )
        found: list[tuple[str, Any, tuple[Any, ...]]] = [
            ("likelihood", self.likelihood, LIKELIHOODS),
            ("scaling", self.scaling, SCALINGS),
            ("channels", self.channels, (None, "first", "last")),
            *[("network", each, NETWORKS) for each in self.networks.values() if not callable(each)],
        ]
        for parameter, value, allowed in found:
            if not (value is None or isinstance(value, str)) or value not in allowed:
                raise ValueError(
                    f"{parameter} of modality {self.name!r} must be one of {list(allowed)}. "
                    f"Got {value!r} instead."
                )

    def _check_shape(self) -> None:
        shape = self.shape
        is_shape = isinstance(shape, (tuple, list)) and len(shape) > 0
        if not is_shape or any(not isinstance(n, Integral) or n < 1 for n in shape or ()):
            raise ValueError(
                f"shape of modality {self.name!r} must be a tuple of positive ints, the shape of "
                f"one row. Got {shape!r} instead."
            )
