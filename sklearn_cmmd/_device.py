"""The `device` parameter to a torch.device."""

import os

import torch


def resolve_device(device: str) -> torch.device:
    """Return the device that "auto", "cpu", "cuda" or "cuda:1" stands for.

    Raises
    ------
    ValueError
        If the name is none of these or the device does not exist.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # Each of the processes that torchrun starts on a machine has its own.
    own = int(os.environ.get("LOCAL_RANK", 0)) % max(1, n_gpus)
    if device == "auto":
        return torch.device("cuda", own) if n_gpus else torch.device("cpu")
    kind, _, index = device.partition(":")
    valid = kind == "cuda" and (index == "" or index.isdecimal())
    if device != "cpu" and not valid:
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>'. Got {device!r} instead."
        )
    if kind == "cuda" and int(index or 0) >= n_gpus:
        raise ValueError(
            f"device={device!r} was asked for, but torch finds {n_gpus} CUDA devices. "
            "Set device='auto' or device='cpu', or install a CUDA build of torch."
        )
    return torch.device("cuda", int(index or own)) if kind == "cuda" else torch.device("cpu")
