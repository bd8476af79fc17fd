"""In which precision the matrix products of a training run are computed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

__all__ = ["PRECISIONS", "networks_in", "products_in"]

PRECISIONS = ("auto", "float32", "bfloat16")


def networks_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Run networks in bfloat16 if asked for; what is made of their output stays in float32."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@contextmanager
def products_in(precision: str, device: torch.device) -> Iterator[None]:
    """Let a GPU multiply float32 numbers by tensor cores (TF32) under "auto", and put it back."""
    if precision != "auto" or device.type != "cuda":
        yield
        return
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        matmul.fp32_precision = before
