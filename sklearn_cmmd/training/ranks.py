"""Ranks: one training run divided among the processes that torchrun starts.

Every process has all rows and draws the same random numbers. Of each minibatch it computes a part;
the sums over all parts are what one process would have found, so that all have the same weights.
"""

import atexit
import multiprocessing
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sklearn_cmmd.data.batches import Batches

Value = TypeVar("Value")


class Ranks:
    """The `n` processes of a training run, of which this is the one with the number `rank`."""

    def __init__(self, rank: int = 0, n: int = 1) -> None:
        self.rank = rank
        self.n = n

    @classmethod
    def at_hand(cls) -> "Ranks":
        """Return the processes of the default group of `torch.distributed`.

        Under torchrun it is made here. Threads and processes that work for this one are no part of
        it: several fits at a time would mistake the sums of one for those of another.
        """
        is_main = multiprocessing.current_process().name == "MainProcess"
        if not (is_main and threading.current_thread() is threading.main_thread()):
            return cls()
        if not dist.is_available():
            return cls()
        if not dist.is_initialized():
            if not dist.is_torchelastic_launched():
                return cls()
            dist.init_process_group()
            atexit.register(dist.destroy_process_group)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return the part of the rows that is this process's; parts are nearly equal."""
        return rows if self.n == 1 else rows.tensor_split(self.n)[self.rank]

    def check_sizes(self, batches: Batches) -> None:
        """Raise a ValueError if a part of a minibatch would be without a row."""
        least = batches.n_rows // len(batches)
        if least < self.n:
            raise ValueError(
                f"A minibatch, of training rows or of those held out, has {least} rows, which "
                f"{self.n} processes cannot divide. Start fewer, or raise batch_size or "
                "validation_fraction."
            )

    def joined(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in their order; gradients flow to the own ones."""
        with _together():
            sizes = [rows.new_empty((), dtype=torch.int64) for _ in range(self.n)]
            dist.all_gather(sizes, sizes[0].new_tensor(len(rows)))
            largest = max(map(int, sizes))
            padded = nn.functional.pad(rows.detach(), (0, 0, 0, largest - len(rows)))
            parts = [torch.empty_like(padded) for _ in range(self.n)]
            dist.all_gather(parts, padded)
        cut = [part[: int(size)] for part, size in zip(parts, sizes, strict=True)]
        return torch.cat([*cut[: self.rank], rows, *cut[self.rank + 1 :]])

    def summed(self, values: Tensor) -> Tensor:
        """Return the sums over all processes."""
        if self.n > 1:
            with _together():
                dist.all_reduce(values := values.clone())
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add the gradients of all processes up, in place."""
        if self.n > 1:
            gradients = [each.grad for each in parameters if each.grad is not None]
            total = self.summed(nn.utils.parameters_to_vector(gradients))
            nn.utils.vector_to_parameters(total, gradients)

    def spread(self, module: nn.Module) -> None:
        """Give all processes the weights that the first one has."""
        if self.n > 1:
            with _together():
                for weights in module.state_dict().values():
                    dist.broadcast(weights, src=0)

    def agreed(self, value: Value) -> Value:
        """Return the value that the first process has."""
        if self.n == 1:
            return value
        values = [value]
        with _together():
            dist.broadcast_object_list(values)
        return values[0]

    def check_same(self, identity: dict[str, Any]) -> None:
        """Raise a ValueError unless all processes do the same with the same data."""
        if self.n == 1:
            return
        theirs: list[dict[str, Any]] = [{} for _ in range(self.n)]
        with _together():
            dist.all_gather_object(theirs, identity)
        for number, each in enumerate(theirs):
            for name in identity | each:
                if each.get(name) != theirs[0].get(name):
                    raise ValueError(
                        "All processes of a fit need the same parameters and the same rows, which "
                        f"it divides itself. In process 0 {name} is {theirs[0].get(name)}, in "
                        f"process {number} it is {each.get(name)}."
                    )


@contextmanager
def _together() -> Iterator[None]:
    """Say what it means if the processes cannot exchange anything."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            "Another process of this fit has ended, or cannot be reached. See its message for the "
            "cause. With checkpoint_dir=..., the same command goes on from the last epoch kept, "
            f"with any number of processes. ({error})"
        ) from error
