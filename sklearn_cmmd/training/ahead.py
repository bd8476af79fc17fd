"""Minibatches that are read and sent to the device while the one before is in use."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

__all__ = ["ahead"]


def ahead(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """Yield the same batches, each of which a thread has prepared during the step before.

    On a GPU the copy runs on a stream of its own, beside the arithmetic.
    """
    on_gpu = device.type == "cuda"
    prepare = _on_its_own_stream(device) if on_gpu else next
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(prepare, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(prepare, batches, None)
            yield _arrived(batch, device) if on_gpu else batch


def _on_its_own_stream(device: torch.device) -> Callable[[Iterator[Any], Any], Any]:
    stream = torch.cuda.Stream(device)

    def prepare(batches: Iterator[Any], default: Any) -> Any:
        with torch.cuda.stream(stream):
            batch = next(batches, default)
            return None if batch is None else (batch, stream.record_event())

    return prepare


def _arrived(prepared: Any, device: torch.device) -> Any:
    """Let the device wait for the copy, and keep its memory until it has been used."""
    (rows, y), event = prepared
    here = torch.cuda.current_stream(device)
    here.wait_event(event)
    for tensor in (*rows, y):
        if tensor is not None:
            tensor.record_stream(here)
    return rows, y
