"""Fits of a search or an ensemble: prepared, cut into stacks that fit into memory, and trained."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
import torch
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._fit_data import FitData, Layout
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.job import Job
from sklearn_cmmd.training.stacked import activations_of, bytes_of, stack_key, train_stacked

__all__ = [
    "Fit",
    "FixedSplits",
    "cut",
    "divided_threads",
    "fit_alone",
    "prepared",
    "shared_loader",
    "statement",
    "train_stack",
]

# Share of the free memory that the stacks in training may take together.
MEMORY_SHARE = 0.5
# On a CPU: numbers that a stack's layers may put out, beyond which every operation waits for
# memory, and the fewest models that are worth a stack. Larger networks are faster alone.
CACHED_NUMBERS = 4_000_000
SMALLEST_STACK = 8


@dataclass
class Fit:
    """One candidate on one fold.

    `seconds` are its share of the time that its stack took; `fitted` says whether it was trained,
    `refused` that its parameters are wrong, so that its fit raises an error before all else.
    """

    estimator: BaseCMMD
    train: np.ndarray
    job: Job | None = None
    refused: bool = False
    fitted: bool = False
    seconds: float = 0.0


class FixedSplits:
    """The splits that a splitter gave once, in its place, with its wishes as to metadata."""

    def __init__(self, splitter: Any, X: Any, y: Any, params: dict[str, Any]) -> None:
        self.splitter = splitter
        self.splits = list(splitter.split(X, y, **params))

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Any]:
        """Yield row numbers of training and test rows."""
        yield from self.splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        return len(self.splits)

    def get_metadata_routing(self) -> Any:
        """Return what the splitter asks for."""
        return self.splitter.get_metadata_routing()


def shared_loader() -> Callable[[FitData, Layout, torch.device], PairedRows]:
    """Return a loader that brings the rows of a fold to a device once for each layout."""
    loaded: dict[Hashable, PairedRows] = {}

    def load(data: FitData, layout: Layout, device: torch.device) -> PairedRows:
        sides = [side for side in (layout.observed, layout.missing) if side is not None]
        scales = tuple((side.loc.tobytes(), side.scale.tobytes()) for side in sides)
        # Where there are gaps, each modality has a mask.
        parts = tuple(m.columns.tobytes() for side in sides for m in side.modalities)
        key = scales, parts, device
        if key not in loaded:
            loaded[key] = data.rows(layout, device)
        return loaded[key]

    return load


def prepared(
    estimator: BaseCMMD,
    train: np.ndarray,
    X: Any,
    y: Any,
    params: dict[str, Any],
    load: Callable[[FitData, Layout, torch.device], PairedRows],
) -> Fit:
    """Return a fit with its job, or without one if it is to be fitted alone, or to fail there."""
    fit = Fit(estimator, train, refused=_is_refused(estimator))
    if fit.refused or estimator.callbacks:
        return fit
    # What is fitted alone must be as new: a warm start or a shared RandomState would go on.
    trial = clone(estimator)
    try:
        job = trial._prepare(X, y, **params, load=load)
    except Exception:
        return fit
    if stack_key(job) is not None and _largest_stack(job) >= SMALLEST_STACK:
        fit.estimator, fit.job = trial, job
    return fit


def _is_refused(estimator: BaseCMMD) -> bool:
    """Return whether scikit-learn refuses the parameters before a fit begins."""
    if get_config()["skip_parameter_validation"]:
        return False
    try:
        estimator._validate_params()
    except InvalidParameterError:
        return True
    return False


def fit_alone(
    estimator: BaseCMMD, X: Any, y: Any, params: dict[str, Any], train: np.ndarray
) -> tuple[BaseCMMD | None, float]:
    """Return a fitted estimator, or None if its fit failed and is to fail again; and seconds."""
    start = time.perf_counter()
    params = _check_method_params(X, params=params, indices=train)
    X, y = _safe_split(estimator, X, y, train)
    try:
        estimator.fit(X, y, **params)
    except Exception:
        return None, 0.0
    return estimator, time.perf_counter() - start


def train_stack(fits: list[Fit], n_threads: int, advance: Callable[[int], Any]) -> None:
    """Train fits together, and let their estimators take in the results."""
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    jobs = [fit.job for fit in fits if fit.job is not None]
    results = train_stacked(jobs, advance)
    seconds = (time.perf_counter() - start) / len(fits)
    for fit, trained in zip(fits, results, strict=True):
        fit.job, fit.seconds = None, seconds
        if trained is not None:
            fit.estimator._finish(trained)
            fit.fitted = True


@contextmanager
def divided_threads(n_parts: int) -> Iterator[int]:
    """Give the number of torch's threads that each of so many threads may use, and restore it."""
    before = torch.get_num_threads()
    try:
        yield max(1, before // n_parts)
    finally:
        torch.set_num_threads(before)


def cut(fits: list[Fit], n_threads: int) -> list[list[Fit]]:
    """Cut fits of one form into stacks: as many for each thread, more if the memory is short."""
    assert fits[0].job is not None
    room = MEMORY_SHARE * _free_bytes(fits[0].job.rows.device) / n_threads
    largest = max(1, min(int(room // bytes_of(fits[0].job)), _largest_stack(fits[0].job)))
    n_rounds = -(-len(fits) // (largest * n_threads))
    n_stacks = min(n_rounds * n_threads, len(fits))
    # Models of a fold side by side: they share their minibatches.
    fits = sorted(fits, key=lambda fit: fit.train.tobytes())
    bounds = np.linspace(0, len(fits), n_stacks + 1).round().astype(int)
    return [fits[start:stop] for start, stop in pairwise(bounds)]


def _largest_stack(job: Job) -> int:
    """Return the number of models beyond which a stack is no faster, or slower."""
    if job.rows.device.type == "cuda":
        return 2**31
    return CACHED_NUMBERS // activations_of(job)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def statement(stacks: list[list[Fit]]) -> str:
    """Say how many models are trained together, and in how much memory."""
    sizes = [len(stack) for stack in stacks]
    jobs = [stack[0].job for stack in stacks]
    largest = max(size * bytes_of(job) for size, job in zip(sizes, jobs, strict=True) if job)
    device = jobs[0].rows.device if jobs[0] else torch.device("cpu")
    free = _free_bytes(device)
    return (
        f"Training {sum(sizes)} models in {len(stacks)} stacks of at most {max(sizes)}, "
        f"each in about {largest / 2**20:.0f} MiB ({free / 2**20:.0f} MiB are free)"
    )
