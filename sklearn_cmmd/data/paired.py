"""PairedRows: the rows of a fit on a device, from which minibatches are gathered."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.data.hiding import Hiding
from sklearn_cmmd.data.matrices import Matrix


@dataclass(eq=False)
class PairedRows(torch.utils.data.Dataset[Any]):
    """Rows of a fit on a device; the columns are those of a `Batch`, and what is not there is None.

    `hiding` knows the modalities of `observed` that rows may lack.

    `labelled` says which rows have a label, None if all have. `advice` is what classifiers of both
    views say. The numbers of the rows that belong
    to this set are its `index`.
    """

    observed: Matrix
    missing: Matrix | None = None
    present: Tensor | None = None
    y: Tensor | None = None
    weight: Tensor | None = None
    label_weight: Tensor | None = None
    pair_weight: Tensor | None = None
    labelled: np.ndarray | None = None
    hiding: Hiding | None = None
    advice: Tensor | None = None

    def __post_init__(self) -> None:
        self.device = self.observed.device
        self.index = torch.arange(len(self.observed), device="cpu")

    def subset(self, positions: np.ndarray) -> "PairedRows":
        """Return the set of the rows at these positions, which shares their storage."""
        part = copy(self)
        part.index = self.index[torch.from_numpy(positions)]
        return part

    @property
    def positions_by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows with a label, and of the others."""
        if self.labelled is None:
            return np.arange(len(self)), np.arange(0)
        has = self.labelled[self.index.numpy()]
        return np.flatnonzero(has), np.flatnonzero(~has)

    def codes(self) -> np.ndarray | None:
        """Return the codes of the classes, or None if there are none or several a row."""
        if self.y is None or self.y.dim() > 1:
            return None
        codes: np.ndarray = self.y.numpy(force=True)[self.index.numpy()]
        return codes

    def __len__(self) -> int:
        return len(self.index)

    @property
    def is_resident(self) -> bool:
        """Whether all rows live on the device."""
        sides = [side for side in (self.observed, self.missing) if side is not None]
        return all(getattr(side, "is_resident", True) for side in sides)

    def gather(self, numbers: Tensor) -> Batch:
        """Return the minibatch of the rows with these numbers.

        The numbers are on the device if the rows are resident, else on the CPU.
        """
        weights = self.weight, self.label_weight, self.pair_weight
        columns = self.present, self.y, *weights, self.advice
        here = numbers.to(self.device)
        present, y, *others = [
            None if column is None else column.index_select(0, here) for column in columns
        ]
        observed = View(self.observed.index_select(0, numbers))
        missing = None
        if self.missing is not None:
            missing = View(self.missing.index_select(0, numbers), present)
        if self.hiding is not None:
            missing = self.hiding.paired(observed.values, missing)
        return Batch(observed, missing, y, *others)

    def apart(self, left_out: np.ndarray) -> tuple["PairedRows", "PairedRows"]:
        """Return the rows that are not left out, and those that are, by a mask of all there are."""
        out = left_out[self.index.numpy()]
        return self.subset(np.flatnonzero(~out)), self.subset(np.flatnonzero(out))

    def split(self, fraction: float, seed: int) -> tuple["PairedRows", "PairedRows"]:
        """Hold out a fraction of the labelled rows.

        Every class keeps a row to train on, and has its share of the rows held out if possible.
        """
        has, lacks = self.positions_by_label
        codes = self.codes()
        kept, held_out = _split(has, None if codes is None else codes[has], fraction, seed)
        return self.subset(np.sort(np.append(kept, lacks))), self.subset(np.sort(held_out))


def _split(
    positions: np.ndarray, codes: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    n_held_out = int(np.ceil(fraction * len(positions)))
    if codes is None:
        kept, held_out = train_test_split(positions, test_size=n_held_out, random_state=seed)
        return kept, held_out
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    if counts.min() >= 2 and min(n_held_out, len(codes) - n_held_out) >= len(counts):
        kept, held_out, kept_codes, _ = train_test_split(
            positions, codes, test_size=n_held_out, random_state=seed, stratify=codes
        )
        if len(np.unique(kept_codes)) == len(counts):
            return kept, held_out
    # One row of each class, whichever comes first in a random order, is not held out.
    order = np.random.RandomState(seed).permutation(len(positions))
    first = np.unique(codes[order], return_index=True)[1]
    held = np.delete(order, first)[:n_held_out]
    return np.delete(positions, held), positions[held]
