"""What is around a computation: torch's global settings, kept from having any influence on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# Multiplications of a pass over a minibatch, below which a second thread gains nothing. On a busy
# machine it costs much: threads wait for one another after every small product.
MULTIPLICATIONS_FOR_THREADS = 30_000_000


@contextmanager
def surroundings(device: torch.device, module: nn.Module, n_rows: int) -> Iterator[None]:
    """Compute with gradients, without autocast, and with as many threads as are of use.

    That depends on the number of rows that go through the networks at a time.
    """
    before = torch.get_num_threads()
    n_weights = sum([part.numel() for part in module.parameters()])
    few = device.type == "cpu" and n_weights * n_rows < MULTIPLICATIONS_FOR_THREADS
    if few:
        torch.set_num_threads(1)
    try:
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        if few:
            torch.set_num_threads(before)
