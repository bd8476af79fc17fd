"""Numbers as y: to standardised units and back; and rows that have none.

A row has no target where y is NaN, None or NA, or masked; of several numbers, where all of them
are. −1 is a number.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from sklearn_cmmd.data.containers import unwrapped
from sklearn_cmmd.data.labels import without_marks
from sklearn_cmmd.data.targets import Targets


@dataclass(frozen=True)
class Numbers(Targets):
    """One or several numbers a row, with their means and scales, each of shape (n_columns,).

    `is_flat` says whether y is of shape (n,), which has one column.
    """

    loc: np.ndarray
    scale: np.ndarray
    is_flat: bool

    unlabelled = "target (NaN, None or NA). They are used without one."

    @staticmethod
    def read(y: Any, classes: Any = None, going_on: bool = False) -> tuple[Any, np.ndarray]:
        """Check y; return it as an array, and which rows have a target; the others hold zeros.

        Raises
        ------
        ValueError, TypeError
            If y holds anything but finite numbers, is not of one or two axes, or, unless the fit is
            `going_on`, has no target at all.
        """
        y, absent = without_marks(unwrapped(y, "y"))
        if sp.issparse(y):
            raise TypeError("y is sparse, but numbers are dense. Pass y.toarray().")
        if y.ndim not in (1, 2) or 0 in y.shape[1:]:
            got = f"an array of shape {y.shape}" if y.ndim else repr(y.item())
            raise ValueError(
                f"y must have one number for each row, or a column for each of several. Got {got} "
                "instead; missing modalities are passed by name, as X_missing=..."
            )
        labelled = np.ones(len(y), bool) if absent is None else ~absent
        if not (labelled.any() or going_on):
            raise ValueError(
                "Input y contains NaN alone: no row has a target. A regressor learns from at least "
                "one. To learn without targets, fit a CMMDTransformer, without y."
            )
        values = np.zeros(y.shape)
        values[labelled] = _as_floats(y[labelled])
        return values, labelled

    @staticmethod
    def codes(y: Any) -> None:
        """Return the classes of rows, of which there are none."""

    @classmethod
    def learn(cls, y: Any, weight: np.ndarray, classes: Any, partial: bool) -> Self:
        """Learn means and scales of the rows of positive weight."""
        if not weight.any():
            raise ValueError(
                "No row of positive weight has a target, but a regressor learns from at least one. "
                "Raise a weight, or fit a CMMDTransformer, without y."
            )
        columns = y.reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            loc = np.average(columns, axis=0, weights=weight)
            scale = np.sqrt(np.average(np.square(columns - loc), axis=0, weights=weight))
        if not np.isfinite(scale).all():
            raise ValueError("The variance of y exceeds the range of float64. Rescale it.")
        # What rounding leaves of a constant is no scale.
        is_constant = scale <= 10 * np.finfo(float).eps * np.abs(loc)
        return cls(loc, np.where(is_constant, 1.0, scale), y.ndim == 1)

    def same_as(self, other: Targets | None) -> bool:
        """Return whether other targets are as many numbers a row."""
        return isinstance(other, Numbers) and self.n_columns == other.n_columns

    def after(self, before: Targets | None) -> Self:
        """Return these targets in the units of those that the networks were trained with."""
        if isinstance(before, Numbers) and self.same_as(before):
            return replace(self, loc=before.loc, scale=before.scale)
        return self

    def __str__(self) -> str:
        return f"{self.n_columns} numbers a row"

    @property
    def likelihood(self) -> str:
        """Name of the distribution of y given z."""
        return "gaussian"

    @property
    def n_columns(self) -> int:
        """How many numbers a row has."""
        return len(self.loc)

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes of an estimator."""
        return {"n_outputs_": self.n_columns}

    def encode(self, y: Any, labelled: np.ndarray) -> np.ndarray:
        """Return standardised numbers (n, n_columns) of dtype float32, zero where there is none."""
        standardised = (y.reshape(len(y), -1) - self.loc) / self.scale
        return np.where(labelled[:, None], standardised, 0).astype(np.float32)

    def decode(self, mean: np.ndarray) -> np.ndarray:
        """Bring standardised numbers to the units and the shape of y."""
        return self._shaped(mean * self.scale + self.loc)

    def decode_scale(self, scale: np.ndarray) -> np.ndarray:
        """Bring standard deviations of standardised numbers to the units and the shape of y."""
        return self._shaped(scale * self.scale)

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self.is_flat else values

    def check_known(self, y: Any, caller: str) -> None:
        """Raise a ValueError unless y has as many columns as in the first fit."""
        found = 1 if y.ndim == 1 else y.shape[1]
        if found != self.n_columns:
            raise ValueError(
                f"y has {found} numbers a row, but in the first fit it had {self.n_columns}. Pass "
                "the same columns, or set warm_start=False and call fit to begin anew."
            )


def are_numbers(y: Any) -> bool:
    """Return whether some targets are no whole numbers, so that they are no classes."""
    try:
        values, _ = Numbers.read(y, going_on=True)
    except (TypeError, ValueError):
        return False
    return bool((values != np.rint(values)).any())


def _as_floats(y: np.ndarray) -> np.ndarray:
    """Return targets as finite numbers."""
    # Strings of digits would become numbers.
    strings = y.dtype == object and any([isinstance(value, (str, bytes)) for value in y.flat])
    if strings or y.dtype.kind not in "biufO":
        raise _no_numbers(y)
    try:
        values = y.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_numbers(y) from error
    if not np.isfinite(values).all():
        raise ValueError(
            "Input y contains infinity or a value too large for float64. Leave these rows out, or "
            "put NaN where a row has no target."
        )
    return values


def _no_numbers(y: np.ndarray) -> TypeError:
    return TypeError(
        f"y must hold numbers, but it holds values such as {y.flat[0]!r}. To learn classes, fit a "
        "CMMDClassifier."
    )
