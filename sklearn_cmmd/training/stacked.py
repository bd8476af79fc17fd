"""Many models in one program: their weights stacked, every step one pass for all of them.

A step of a small network is overhead of many small operations. Here each operation works on all
models at once: `torch.vmap` turns matrix products into batched ones, and Adam is elementwise. Each
model keeps its own weights of the objective, learning rate, weight decay, dropout, seeds, rows and
early stopping, and becomes what `train` makes of it alone.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows
from sklearn_cmmd.training.batches import Batches
from sklearn_cmmd.training.feed import Feed, Step
from sklearn_cmmd.training.job import Job, Trained
from sklearn_cmmd.training.precision import networks_in, products_in
from sklearn_cmmd.training.stacked_weights import StackedWeights

__all__ = ["activations_of", "bytes_of", "stack_key", "train_stacked"]

# Copies of the weights: values, gradients (autograd's and ours), two moments, the best.
WEIGHT_COPIES = 6
# What a layer's output brings along in training: activation, mask, their gradients.
ACTIVATION_COPIES = 6


def stack_key(job: Job) -> Hashable:
    """Return what jobs must have in common to be trained in one program.

    None says that a job cannot be: users' networks draw from torch's global stream.
    """
    if job.module.custom_networks:
        return None
    both = (job.rows, job.validation)
    return (
        job.module.architecture,
        replace(
            job.objective,
            omega=0,
            lam=0,
            alpha=0,
            decode_prior=job.objective.n_decodings,
            distillation=job.objective.n_classifications(job.module),
            scale_prior=float(job.objective.scale_prior > 0),
        ),
        [
            len(Batches(rows, job.settings.batch_size)) for rows in both if rows is not None
        ].__repr__(),
        [
            [column is None for column in (rows.missing, rows.weight, rows.labelled, rows.present)]
            for rows in both
            if rows is not None
        ].__repr__(),
        job.rows.device,
        job.settings.precision,
    )


def bytes_of(job: Job) -> int:
    """Estimate the memory that a model takes in training, besides the rows of the fold."""
    parameters = list(job.module.parameters())
    weights = sum(part.numel() for part in parameters)
    numbers = WEIGHT_COPIES * weights + ACTIVATION_COPIES * activations_of(job)
    return numbers * parameters[0].element_size()


def activations_of(job: Job) -> int:
    """Count what the layers of a model put out for a minibatch, and the entries of its kernel."""
    outputs: list[int] = []
    layers = [part for part in job.module.modules() if hasattr(part, "weight")]
    hooks = [
        layer.register_forward_hook(lambda *call: outputs.append(call[-1].numel()))
        for layer in layers
    ]
    rows, y = next(iter(Batches(job.rows, job.settings.batch_size)))
    noise = rows.observed.new_zeros(len(rows.observed), job.module.architecture.latent_dim)
    with torch.inference_mode():
        job.objective.evaluate(job.module, rows, y, noise)
    for hook in hooks:
        hook.remove()
    return sum(outputs) + (2 * len(noise)) ** 2


def train_stacked(
    jobs: Sequence[Job], advance: Callable[[int], None] = lambda n_epochs: None
) -> list[Trained | None]:
    """Train the networks of all jobs in place.

    Parameters
    ----------
    jobs : sequence of Job
        With the same `stack_key`.
    advance : callable
        Told of the number of epochs, over all models, that are done or will not be run.

    Returns
    -------
    list of Trained or None
        For each job what `train` returns, or None if its loss diverged: its networks are then in
        no defined state.
    """
    # Models of one learning rate and weight decay are updated together.
    order = sorted(range(len(jobs)), key=lambda k: _update_of(jobs[k]))
    stack = Stack([jobs[k] for k in order])
    with products_in(stack.precision, stack.weights.values.device):
        while stack.active:
            advance(stack.run_epoch())
    results: list[Trained | None] = [None] * len(jobs)
    for k, trained in zip(order, stack.results, strict=True):
        results[k] = trained
    return results


def _update_of(job: Job) -> tuple[float, float]:
    return job.settings.learning_rate, job.settings.weight_decay


class Tally(nn.Module):
    """The tally of one model's minibatch, as a module, so that weights can be lent."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.cmmd = job.module
        self.objective: Objective = job.objective
        self.names: list[str] = []

    def forward(self, tensors: dict[str, Tensor]) -> Tensor:
        """Return means of the terms, in the order of `names`, and over how many rows they are."""
        optional = (tensors.get(name) for name in Rows._fields[1:])
        rows = Rows(tensors["observed"], *optional)
        keep = tensors.get("keep")
        dropout = None if keep is None else Dropout(keep)
        terms, _ = self.objective.evaluate(
            self.cmmd, rows, tensors.get("labels"), tensors["latent"], dropout
        )
        self.names = terms.names
        return torch.stack([terms.means(rows), terms.counts(rows)])


class Stack:
    """The models in training.

    Attributes
    ----------
    active : list of int
        Numbers of the models that are not yet done.
    results : list of Trained or None
        What `train` would return for each model; None before, and if it diverged.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.active = list(range(len(jobs)))
        self.results: list[Trained | None] = [None] * len(jobs)
        self.records = [Record(job) for job in jobs]
        self.weights = StackedWeights(
            [job.module for job in jobs], [_update_of(job) for job in jobs]
        )
        self.tally = Tally(jobs[0])
        self.precision = jobs[0].settings.precision
        self.training = Feed(jobs, training=True)
        self.validation = None if jobs[0].validation is None else Feed(jobs, training=False)
        self.best = self.weights.values.detach().clone() if self.validation else None

    def run_epoch(self) -> int:
        """Train every model for an epoch, and end those that are done.

        Returns
        -------
        int
            Number of epochs that are done, or will not be run.
        """
        self._pass(self.training, "train")
        if self.validation is not None:
            with torch.inference_mode():
                self._pass(self.validation, "valid")
            self._keep_best()
        done = [k for k in self.active if self.records[k].is_done]
        n_epochs = len(self.active) + sum(self.records[k].n_left for k in done)
        if done:
            self._end(done)
        return n_epochs

    def _pass(self, feed: Feed, prefix: str) -> None:
        """Run one pass over the batches and record the mean of every term."""
        self.tally.train(feed.training)
        total, n_rows = torch.zeros(()), torch.zeros(())
        for step in feed.steps(self.active):
            means, counts = self._evaluate(step).unbind(1)
            if feed.training:
                self.weights.update((means * self.shares(means)).sum())
            total = total.to(means) + means.detach() * counts
            n_rows = n_rows.to(counts) + counts
        averages = total / n_rows.clamp_min(1)
        losses = (averages * self.shares(averages)).sum(-1)
        norms = self.weights.values.detach().norm(dim=1).tolist()
        for k, row, loss, norm in zip(
            self.active, averages.tolist(), losses.tolist(), norms, strict=True
        ):
            terms = dict(zip(self.tally.names, row, strict=True)) | {"loss": loss}
            self.records[k].add(prefix, terms, norm)

    def _evaluate(self, step: Step) -> Tensor:
        """Return means of the terms and numbers of rows, of shape (models, 2, terms)."""

        def evaluate(weights: dict[str, Tensor], tensors: dict[str, Tensor]) -> Tensor:
            tally: Tensor = torch.func.functional_call(self.tally, weights, (tensors,))
            return tally

        named: dict[str, Tensor] = {
            f"cmmd.{name}": value for name, value in self.weights.parameters.items()
        }
        with networks_in(self.precision, self.weights.values.device):
            tallies: Tensor = torch.vmap(evaluate, in_dims=(0, step.dims))(named, step.tensors)
            return tallies

    def shares(self, like: Tensor) -> Tensor:
        """Return the weights of the terms in the loss of each model, (models, terms)."""
        return like.new_tensor(
            [self.jobs[k].objective.shares(self.tally.names) for k in self.active]
        )

    def _keep_best(self) -> None:
        """Copy the weights of the models that have become better."""
        assert self.best is not None
        improved = [i for i, k in enumerate(self.active) if self.records[k].watch()]
        rows = torch.tensor(improved, dtype=torch.int64, device=self.best.device)
        self.best[rows] = self.weights.values.detach()[rows]

    def _end(self, done: list[int]) -> None:
        """Bring the weights of models back to their modules, and leave them out from here on."""
        final = self.weights.values.detach() if self.best is None else self.best
        for k in done:
            i = self.active.index(k)
            if self.records[k].is_finite:
                self.weights.bring_back(final[i], self.jobs[k].module)
                state = self.weights.optimizer_state(i)
                self.results[k] = self.records[k].trained(state)
        stay = [i for i, k in enumerate(self.active) if k not in done]
        self.active = [self.active[i] for i in stay]
        self.weights.keep(stay)
        if self.best is not None:
            self.best = self.best[stay]


class Record:
    """History and early stopping of one model."""

    def __init__(self, job: Job) -> None:
        self.settings = job.settings
        self.history: dict[str, list[float]] = {}
        self.threshold = np.inf
        self.n_misses = 0
        self.is_finite = True

    def add(self, prefix: str, terms: dict[str, float], norm: float) -> None:
        """Record the means of a pass over the rows."""
        self.is_finite &= bool(np.isfinite([*terms.values(), norm]).all())
        for name, value in terms.items():
            self.history.setdefault(f"{prefix}_{name}", []).append(value)

    def watch(self) -> bool:
        """Return whether what is watched of the rows held out fell by more than the tolerance."""
        loss = self.history[f"valid_{self.settings.watched}"][-1]
        if loss < self.threshold:
            self.threshold, self.n_misses = loss - self.settings.tol, 0
            return True
        self.n_misses += 1
        return False

    @property
    def n_epochs(self) -> int:
        """Number of epochs run."""
        return len(self.history["train_loss"])

    @property
    def n_left(self) -> int:
        """Number of epochs that were allowed and are not needed."""
        return self.settings.max_epochs - self.n_epochs

    @property
    def is_done(self) -> bool:
        """Whether training ends here."""
        stops = self.n_misses == self.settings.patience
        return stops or self.n_left == 0 or not self.is_finite

    def trained(self, optimizer_state: dict[str, Any]) -> Trained:
        """Return what is left behind."""
        return Trained(self.history, optimizer_state, self.n_epochs, None)
