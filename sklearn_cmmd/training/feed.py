"""What a stack of models sees at each step, laid side by side along a leading axis.

Models of a search mostly share their rows, their order and their noise, so that each of these is
gathered or drawn once however many models there are.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sklearn_cmmd._random import generator
from sklearn_cmmd.networks.dropout import keep_mask
from sklearn_cmmd.objective.terms import Rows
from sklearn_cmmd.training.batches import Batches
from sklearn_cmmd.training.job import Job
from sklearn_cmmd.training.noise import NoiseSource

__all__ = ["Feed", "Step"]


class Step:
    """The input of one step of all models.

    Attributes
    ----------
    tensors : dict of str to Tensor
        By name, of shape (models, batch, ...), or (batch, ...) where all models share it.
    dims : dict of str to int or None
        By name, the axis of the models: 0, or None where they share it.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.dims: dict[str, int | None] = {}

    def put(self, name: str, each: Sequence[Tensor | None]) -> None:
        """Add the values of all models; those that are the same object are stored once."""
        values = [value for value in each if value is not None]
        if not values:
            return
        shared = all(value is values[0] for value in values)
        self.tensors[name] = values[0] if shared else torch.stack(values)
        self.dims[name] = None if shared else 0


class Feed:
    """The minibatches of a stack of models.

    Parameters
    ----------
    jobs : sequence of Job
        The models, with equally many minibatches in an epoch.
    training : bool
        Whether these are the rows to learn from, in a new order at each epoch and with masks for
        the dropout, or those to watch, with the same noise at each epoch.
    """

    def __init__(self, jobs: Sequence[Job], training: bool) -> None:
        self.jobs = jobs
        self.training = training
        self.batches: dict[Hashable, Batches] = {}
        self.noise: dict[Hashable, NoiseSource] = {}
        self.batches_of = [self._batches(job) for job in jobs]
        self.noise_of = [self._noise(job) for job in jobs]

    def _batches(self, job: Job) -> Hashable:
        """Return the key of a model's minibatches."""
        rows = job.rows if self.training else job.validation
        assert rows is not None
        order = job.streams.shuffle if self.training else None
        key = id(rows.observed), id(rows.missing), id(rows.y), rows.index.numpy().tobytes(), order
        if key not in self.batches:
            shuffle = None if order is None else generator(order)
            self.batches[key] = Batches(rows, job.settings.batch_size, shuffle)
        return key

    def _noise(self, job: Job) -> Hashable:
        """Return the key of a model's noise: its seeds, and what fixes the sizes of its batches."""
        streams, module = job.streams, job.module
        labelled, unlabelled = self.batches[self._batches(job)].rows.positions_by_label
        seed = streams.noise if self.training else streams.validation
        units = job.dropout_units if self._drops() else 0
        key = seed, streams.dropout, len(labelled), len(unlabelled)
        if key not in self.noise:
            parameter = next(module.parameters())
            self.noise[key] = NoiseSource(
                seed,
                streams.dropout,
                module.architecture.latent_dim,
                units,
                parameter.device,
                parameter.dtype,
            )
        return key

    def _drops(self) -> bool:
        return self.training and any(job.settings.dropout > 0 for job in self.jobs)

    def steps(self, active: Sequence[int]) -> Iterator[Step]:
        """Yield the steps of one epoch for the models with these numbers."""
        if not self.training:
            for source in self.noise.values():
                source.restart()
        sources = list(dict.fromkeys(self.batches_of[k] for k in active))
        for parts in zip(*(self.batches[key] for key in sources), strict=True):
            yield self._step(active, dict(zip(sources, parts, strict=True)))

    def _step(self, active: Sequence[int], batches: dict[Hashable, tuple[Rows, Any]]) -> Step:
        step = Step()
        features = self.jobs[0].module.label_features
        labelled = {
            key: (rows, None if y is None else features(y)) for key, (rows, y) in batches.items()
        }
        padded = _padded(labelled)
        rows = [padded[self.batches_of[k]] for k in active]
        for name in Rows._fields:
            step.put(name, [getattr(each, name) for each, _ in rows])
        step.put("labels", [labels for _, labels in rows])
        sizes = [len(batches[self.batches_of[k]][0].observed) for k in active]
        self._put_noise(step, active, sizes, len(rows[0][0].observed))
        return step

    def _put_noise(self, step: Step, active: Sequence[int], sizes: list[int], size: int) -> None:
        latent: dict[Hashable, Tensor] = {}
        bits: dict[Hashable, Tensor] = {}
        for k, n in zip(active, sizes, strict=True):
            key = self.noise_of[k]
            if key not in latent:
                noise = self.noise[key].draw(n)
                latent[key] = _pad(noise.latent, size)
                if noise.bits is not None:
                    bits[key] = _pad(noise.bits, size)
        step.put("latent", [latent[self.noise_of[k]] for k in active])
        if bits:
            drops = [(self.noise_of[k], self.jobs[k].settings.dropout) for k in active]
            keep = {(key, rate): keep_mask(bits[key], rate) for key, rate in set(drops)}
            step.put("keep", [keep[each] for each in drops])


def _padded(batches: dict[Hashable, tuple[Rows, Any]]) -> dict[Hashable, tuple[Rows, Any]]:
    """Fill batches of unequal sizes up with rows of weight zero."""
    sizes = {len(rows.observed) for rows, _ in batches.values()}
    if len(sizes) == 1:
        return batches
    return {key: _filled_up(*batch, max(sizes)) for key, batch in batches.items()}


def _filled_up(rows: Rows, y: Tensor | None, size: int) -> tuple[Rows, Tensor | None]:
    n = len(rows.observed)
    weight = rows.observed.new_ones(n) if rows.weight is None else rows.weight
    columns = (rows.missing, rows.labelled, rows.present)
    missing, labelled, present = (None if c is None else _pad(c, size) for c in columns)
    observed, n_rows = _pad(rows.observed, size), rows.observed.new_tensor(n)
    filled = Rows(observed, missing, _pad(weight, size), n_rows, labelled, present)
    return filled, None if y is None else _pad(y, size)


def _pad(values: Tensor, size: int) -> Tensor:
    if len(values) == size:
        return values
    return torch.cat([values, values.new_zeros(size - len(values), *values.shape[1:])])
