"""Batch: the tensors of a minibatch, as the networks and the objective see them."""

from typing import NamedTuple

import torch
from torch import Tensor


class View(NamedTuple):
    """The modalities of one side, observed or missing."""

    values: Tensor  # (batch, n_columns), standardised, zero where the row lacks the modality
    mask: Tensor | None = None  # (batch, n_modalities), 1 where the row has it; None if all have

    def to(self, dtype: torch.dtype) -> "View":
        """Return the same rows with values in a precision."""
        return self._replace(values=self.values.to(dtype))

    def repeated(self, times: int) -> "View":
        """Return all rows so many times, one after the other."""
        mask = None if self.mask is None else self.mask.repeat(times, 1)
        return View(self.values.repeat(times, 1), mask)


class Batch(NamedTuple):
    """Rows of a fit; what the model does not have is None.

    A weight of zero leaves a row out of a mean, and None counts all rows alike. Each column of
    weights has a mean of one over the rows of the fit that it does not leave out.
    """

    observed: View
    missing: View | None = None
    y: Tensor | None = None  # (batch,) codes of classes, or (batch, n_labels)
    weight: Tensor | None = None  # (batch,), of every row
    label_weight: Tensor | None = None  # (batch,), of the rows that have a label
    pair_weight: Tensor | None = None  # (batch,), of the rows that have something of x_M
    advice: Tensor | None = None  # (batch, classes) probabilities, NaN of rows without any

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.observed.values)

    def to(self, dtype: torch.dtype) -> "Batch":
        """Return the same rows with the values of both sides in a precision."""
        missing = None if self.missing is None else self.missing.to(dtype)
        return self._replace(observed=self.observed.to(dtype), missing=missing)
