"""A training state in a file: written at once or not at all, read without running anything.

The file is one of safetensors: the tensors, and beside them as JSON what the fit was, so that
another one is told apart.
"""

import json
import os
import time
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sklearn_cmmd._files import replacing
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.training.state import Snapshot, TrainingState, Watch

FORMAT = "3"
# Writing takes at most this share of the time.
WRITING_SHARE = 0.1


class Checkpoint:
    """The checkpoint of one fit in a folder, which is made if it is not there.

    `identity` says what the fit is: each parameter, and a hash of each input.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: dict[str, str]) -> None:
        self.path = Path(folder) / "checkpoint.safetensors"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"checkpoint_dir={str(folder)!r} cannot be a folder: {error}."
            ) from None
        self.identity = identity
        # The root of the random streams, as `numpy.random.SeedSequence` takes it.
        self.seeds: dict[str, Any] = {}
        self.seconds = 0.0
        self.written = -float("inf")

    def read(self) -> tuple[TrainingState, dict[str, Any]] | None:
        """Return the state and the root of the random streams, or None if there is no file.

        A ValueError says that the file is of another fit, or no checkpoint at all.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                about = file.metadata() or {}
            tensors = load_file(self.path)
        except (OSError, safetensors.SafetensorError) as error:
            raise ValueError(
                f"{self.path} is no checkpoint ({error}). Remove it to begin anew."
            ) from error
        self._check(about)
        return _state_from(tensors, json.loads(about["state"])), json.loads(about["seeds"])

    def _check(self, about: dict[str, str]) -> None:
        if about.get("format") != FORMAT:
            raise ValueError(
                f"{self.path} is a checkpoint of format {about.get('format')}, but this version "
                f"reads format {FORMAT}. Remove it to begin anew."
            )
        theirs = json.loads(about["identity"])
        for name in self.identity | theirs:
            before, now = theirs.get(name), self.identity.get(name)
            if before != now:
                raise ValueError(
                    f"The checkpoint in {self.path.parent} is of another fit: {name} was {before} "
                    f"and is {now} now. Call fit as before to go on from it, take another "
                    "checkpoint_dir, or remove the file to begin anew."
                )

    def keep(self, state: TrainingState) -> None:
        """Write a state, unless one was written a moment ago."""
        start = time.perf_counter()
        if start - self.written >= self.seconds / WRITING_SHARE:
            self.write(state)
            self.written = time.perf_counter()
            self.seconds = self.written - start

    def write(self, state: TrainingState) -> None:
        """Write a state: into a new file, which then takes the place of the old one."""
        tensors, about = _tensors_of(state)
        metadata = {
            "format": FORMAT,
            "identity": json.dumps(self.identity),
            "seeds": json.dumps(self.seeds),
            "state": json.dumps(about),
        }
        with replacing(self.path) as new:
            save_file(tensors, new, metadata)


def _tensors_of(state: TrainingState) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a state by name, and the rest of it."""
    tensors = {f"stream/{name}": value for name, value in state.streams.items()}
    snapshots = {"last": state.last}
    snapshots |= {name: watch.best for name, watch in state.watches.items() if watch.best}
    for kind, snapshot in snapshots.items():
        for part in ("weights", "moments"):
            values = getattr(snapshot, part).items()
            tensors |= {f"{kind}/{part}/{name}": value for name, value in values}
    about = {
        "epochs": {kind: each.epoch for kind, each in snapshots.items()},
        "history": state.history,
        "watches": {
            name: [watch.loss, watch.reached, watch.misses] for name, watch in state.watches.items()
        },
    }
    # A file of safetensors holds each piece of memory once.
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}, about


def _state_from(tensors: dict[str, Tensor], about: dict[str, Any]) -> TrainingState:
    def under(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }

    snapshots = {
        kind: Snapshot(epoch, under(f"{kind}/weights/"), under(f"{kind}/moments/"))
        for kind, epoch in about["epochs"].items()
    }
    watches = {name: Watch(snapshots.get(name), *rest) for name, rest in about["watches"].items()}
    return TrainingState(snapshots["last"], under("stream/"), about["history"], watches)


def identity_of(
    estimator: Any, data: FitData, device: torch.device, start: torch.nn.Module | None
) -> dict[str, str]:
    """Return what a fit is: its parameters as text, and a hash of each input.

    What does not change the result, and callbacks, which cannot be told apart, are left out.
    `start` are the networks that it starts from.
    """
    left_out = ("callbacks", "checkpoint_dir", "device", "verbose", "objective", "networks")
    params = {k: _written(v) for k, v in estimator.get_params().items() if k not in left_out}
    if not isinstance(estimator.random_state, Integral):
        del params["random_state"]  # the checkpoint has the seed
    tables = {"X": data.x, "X_missing": data.x_missing}
    inputs: dict[str, Any] = {
        name: [block.array for block in table.blocks.values()]
        for name, table in tables.items()
        if table is not None
    }
    inputs |= {"y": (data.y, data.labelled), "sample_weight": data.weight}
    if start is not None:
        weights = [part.numpy(force=True) for part in start.parameters()]
        inputs["the networks at the start"] = weights
    hashes = {name: f"of hash {joblib.hash(value)[:12]}" for name, value in inputs.items()}
    return {"the estimator": type(estimator).__name__, "device": device.type, **params, **hashes}


def _written(value: Any) -> str:
    """Write a parameter as it is in every process: functions by their names, no addresses."""
    if isinstance(value, Modality):
        fields = ", ".join(f"{k}={_written(v)}" for k, v in vars(value).items())
        return f"Modality({fields})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(map(_written, value)) + "]"
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
    return repr(value)
