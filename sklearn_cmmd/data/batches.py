"""Whole minibatches by index, from data that live on the device.

A `DataLoader` fetches row after row and then stacks them, which costs more than the arithmetic of
a small network. Here one index gathers a whole batch.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.paired import PairedRows


def epoch_rows(n_labelled: int, n_unlabelled: int, labelled_share: float) -> int:
    """Return the number of rows of an epoch of training, with the labelled ones repeated.

    `labelled_share` is the least share of labelled rows in an epoch.
    """
    if not n_labelled:
        return n_unlabelled
    least = math.ceil(n_unlabelled * labelled_share / (1 - labelled_share))
    return max(n_labelled, least) + n_unlabelled


class Batches:
    """Minibatches of nearly equal sizes, none larger than asked for.

    Cutting n rows into ⌈n / batch_size⌉ equal parts uses every row in every epoch and leaves no
    small remainder, whose MMD would be noise. With `shuffle`, a generator of the CPU, every epoch
    has a new order, and every batch the same share of labelled rows; where they are few, they are
    repeated until they are `labelled_share` of the epoch.
    """

    def __init__(
        self,
        rows: PairedRows,
        batch_size: int,
        shuffle: torch.Generator | None = None,
        labelled_share: float = 0.25,
    ) -> None:
        self.rows = rows
        self.shuffle = shuffle
        self.labelled, self.unlabelled = rows.positions_by_label
        self.n_rows = len(rows)
        if shuffle is not None:
            counts = len(self.labelled), len(self.unlabelled)
            self.n_rows = epoch_rows(*counts, labelled_share)
        self.n_batches = -(-self.n_rows // batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def numbers(self) -> Iterator[Tensor]:
        """Yield the numbers of the rows of each batch of one epoch, where `gather` wants them."""
        # One copy for the epoch. Rows that are streamed are asked for by numbers on the CPU.
        place = self.rows.device if self.rows.is_resident else torch.device("cpu")
        if self.shuffle is None:
            yield from torch.tensor_split(self.rows.index.to(place), len(self))
        elif not (len(self.labelled) and len(self.unlabelled)):
            order = self._new_order(np.arange(len(self.rows)), place)
            yield from torch.tensor_split(order, len(self))
        else:
            yield from self._mixed(place)

    def _mixed(self, place: torch.device) -> Iterator[Tensor]:
        """Give every batch its share of the labelled rows."""
        n_labelled = self.n_rows - len(self.unlabelled)
        n_passes = -(-n_labelled // len(self.labelled))
        passes = [self._new_order(self.labelled, place) for _ in range(n_passes)]
        few = torch.tensor_split(torch.cat(passes)[:n_labelled], len(self))
        # The larger parts of the one go with the smaller parts of the other.
        many = reversed(torch.tensor_split(self._new_order(self.unlabelled, place), len(self)))
        yield from map(torch.cat, zip(few, many, strict=True))

    def _new_order(self, positions: np.ndarray, place: torch.device) -> Tensor:
        order = torch.randperm(len(positions), generator=self.shuffle, device="cpu")
        return self.rows.index[torch.from_numpy(positions)[order]].to(place)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        return map(self.rows.gather, self.numbers())
