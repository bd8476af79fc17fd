"""The loop around one model: a step, an epoch, when to stop, and what is kept of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd._random import Seeds
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Distribution
from sklearn_cmmd.networks.dropout import Dropout, keep_mask
from sklearn_cmmd.plan import Plan
from sklearn_cmmd.training.callbacks import Observers
from sklearn_cmmd.training.graphs import GraphedSteps
from sklearn_cmmd.training.noise import Noise, NoiseSource, Streams
from sklearn_cmmd.training.progress import Progress
from sklearn_cmmd.training.ranks import Ranks
from sklearn_cmmd.training.state import Snapshot, TrainingState, Watch, load_moments
from sklearn_cmmd.training.teacher import entropy_of_classes
from sklearn_cmmd.training.trained import Trained

# A teacher whose classes, over all rows, have less than this part of the entropy that the labels,
# or plain classifiers, give them has lost some: it would teach the prior to do so too.
LEAST_ENTROPY = 0.5


class NotFiniteError(Exception):
    """A loss or a weight became infinite or NaN."""


class Losses(NamedTuple):
    """What a minibatch comes to."""

    means: Tensor  # (terms,), over the rows that count in each
    counts: Tensor  # (terms,), how many rows these are
    total: Tensor  # ()
    labels: Distribution | None


class Loop:
    """One training run.

    The module is on the device of the rows, and trained in place. With rows held out, training
    stops early and the weights of the best epoch are restored. `seeds` say where the random streams
    begin, `moments` are those of an optimizer to go on from, as in `Trained`.
    """

    def __init__(
        self,
        plan: Plan,
        module: CMMD,
        rows: PairedRows,
        held_out: PairedRows | None,
        seeds: Seeds,
        callbacks: Sequence[Any] = (),
        verbose: int = 0,
        moments: dict[str, Tensor] | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        schedule, device = plan.schedule, rows.device
        self.plan = plan
        self.ranks = ranks or Ranks()
        self.module = module.requires_grad_(True)
        self.device = device
        self.rows = rows
        self.held_out = held_out
        self.hiding = rows.hiding
        self.verbose = verbose
        # The list of parameters is kept as it is, so that a callback may freeze some.
        self.optimizer = torch.optim.AdamW(
            module.parameters(),
            lr=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
            fused=True,
        )
        load_moments(self.optimizer, module, moments or {})
        self.streams = Streams(seeds, device)
        share = schedule.labelled_share
        self.batches = Batches(rows, schedule.batch_size, self.streams.shuffle, share)
        self.ranks.check_sizes(self.batches)
        if held_out is not None:
            self.ranks.check_sizes(Batches(held_out, schedule.batch_size))
        units = 0
        if schedule.dropout > 0:
            n_classifications = plan.loss.n_classifications(module)
            units = module.dropout_units(plan.loss.n_decodings, n_classifications)
        latent_dim = module.architecture.latent_dim
        n_hiding = 0 if self.hiding is None else self.hiding.n_optional
        self.noise = NoiseSource(
            self.streams.latent, self.streams.dropout, latent_dim, units, n_hiding
        )
        self.observers = Observers(callbacks, schedule, module, self.optimizer, rows, held_out)
        self.graphs: GraphedSteps | None = None
        self.least_entropy = LEAST_ENTROPY * entropy_of_classes(rows)
        # A step is the same work on the device alone, however often it is run, unless a callback
        # looks on, rows are streamed, or a user's network draws from torch's global stream.
        is_alone = rows.is_resident and not self.observers and not module.custom_networks
        is_alone = is_alone and self.ranks.n == 1
        self.can_graph = device.type == "cuda" and is_alone
        self._graph()
        self.names: list[str] = []
        first = Snapshot.take(0, module, self.optimizer)
        watches = {name: Watch() for name in schedule.watched if held_out is not None}
        self.state = TrainingState(first, self.streams.states(), watches=watches)
        self.is_stopped = False

    def _graph(self) -> None:
        """Let steps be captured anew, as they are now."""
        if self.can_graph:
            generators = self.streams.latent, self.streams.dropout
            self.graphs = GraphedSteps(self._step, generators, self.optimizer, self.device)

    def _look_at_teacher(self) -> None:
        """Let the encoder teach no more once it has lost most of the classes."""
        loss = self.plan.loss
        if self._collapsed is not None and loss.teacher_share > 0:
            self.plan = replace(self.plan, loss=replace(loss, teacher_share=0.0))
            self._graph()

    @property
    def _collapsed(self) -> int | None:
        """The first epoch in which what the encoder teaches was far less varied than the labels."""
        entropies = self.state.history.get("train_teacher_entropy", [])
        low = (epoch for epoch, each in enumerate(entropies, 1) if each < self.least_entropy)
        return next(low, None)

    def run(self, keep: Callable[[TrainingState], None] = lambda state: None) -> Trained:
        """Train until the end; `keep` is given the state after every epoch."""
        failure, interrupted = None, False
        progress = Progress(self.verbose, self.state.epoch, self.plan.schedule.max_epochs)
        self.observers.recall(self.state.history, self.state.epoch)
        self.observers.tell("on_train_begin")
        try:
            while not self._is_done:
                losses = self._epoch()
                keep(self.state)
                progress.epoch(self.state.epoch, losses)
        except NotFiniteError as error:
            failure = str(error)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.close(self._is_done)
        self.observers.tell("on_train_end")
        return self._finished(failure, interrupted)

    @property
    def _is_done(self) -> bool:
        schedule, watches = self.plan.schedule, self.state.watches
        waited = [watch.misses >= schedule.watched[name][1] for name, watch in watches.items()]
        if waited and all(waited):
            return True
        return self.is_stopped or self.state.epoch >= schedule.max_epochs

    def _finished(self, failure: str | None, interrupted: bool) -> Trained:
        """Bring back the weights of the best epoch, or of the last good one, with their moments."""
        state, best_loss = self.state, None
        kept = state.last
        if self.held_out is not None and all(watch.best for watch in state.watches.values()):
            best_loss = next(iter(state.watches.values())).loss
            kept = state.last if failure else self._best(self.held_out)
        kept.restore(self.module, self.optimizer)
        self.module.eval().requires_grad_(True)
        # An interrupt may have come between two lines of an epoch's end.
        history = {name: values[: state.epoch] for name, values in state.history.items()}
        # What made numbers infinite may be in the moments of the last good epoch already.
        moments = {} if failure else kept.moments
        ended = self._collapsed, failure, interrupted
        return Trained(history, moments, state.epoch, kept.epoch, best_loss, *ended)

    def _best(self, held_out: PairedRows) -> Snapshot:
        """Return the best epoch; with the decoder of its own best one, if they go together.

        So what the decoder learns does not depend on when the label is learned.
        """
        (_, first), *others = self.state.watches.items()
        best = cast(Snapshot, first.best)
        for name, watch in others:
            mixed = best.with_network("decoder", cast(Snapshot, watch.best))
            # Of equal ones the first: such is a loss of rows none of which has x_M.
            best = min(best, mixed, key=lambda each: self._loss_of(each, name, held_out))
        return best

    def _loss_of(self, snapshot: Snapshot, name: str, held_out: PairedRows) -> float:
        snapshot.restore(self.module, self.optimizer)
        self.module.eval()
        return self._means("valid", self._validation_steps(held_out, told=False))[f"valid_{name}"]

    def resume(self, state: TrainingState) -> None:
        """Go on from a state, as if the run that it is of had not stopped."""
        state.last.restore(self.module, self.optimizer)
        self.streams.restore(state.streams)
        self.state = state
        self._look_at_teacher()

    def _epoch(self) -> dict[str, float]:
        """Train on every row once, look at those held out, and bring the state up to date."""
        number = self.state.epoch + 1
        self.observers.tell("on_epoch_begin")
        self.module.train()
        losses = self._means("train", self._training_steps())
        self._check_finite(losses, number)
        if self.held_out is not None:
            self.module.eval()
            held_out = self._means("valid", self._validation_steps(self.held_out))
            self._check_finite(held_out, number)
            losses |= held_out
        self.observers.record(losses, self.state.history)
        try:
            self.observers.tell("on_epoch_end")
        except KeyboardInterrupt:  # so a callback says that it is enough
            self.is_stopped = True
        self.state.record(losses)
        self._look_at_teacher()
        self.state.last = Snapshot.take(number, self.module, self.optimizer)
        self.state.streams = self.streams.states()
        if self.held_out is not None:
            for name, (tolerance, _) in self.plan.schedule.watched.items():
                watch = self.state.watches[name]
                watch.note(losses[f"valid_{name}"], self.state.last, tolerance)
        return losses

    def _means(self, prefix: str, tallies: Iterator[Tensor]) -> dict[str, float]:
        """Return the mean of every term over the rows that count in it, and the loss."""
        sums, counts = self.ranks.summed(torch.stack(list(tallies)).sum(0))
        means = sums / counts.clamp_min(1)
        # The one time in an epoch that the host waits for the device.
        values = torch.cat([means, self.plan.loss.total(self.names, means)[None]]).tolist()
        return {
            f"{prefix}_{name}": value
            for name, value in zip([*self.names, "loss"], values, strict=True)
        }

    def _check_finite(self, losses: dict[str, float], epoch: int) -> None:
        weights = [part.detach() for part in self.module.parameters()]
        norm = float(torch.nn.utils.get_total_norm(weights))
        checked = losses | {"train_norm of the weights": norm}
        for name, value in checked.items():
            if not np.isfinite(value):
                prefix, term = name.split("_", 1)
                part = {"train": "training", "valid": "validation"}[prefix]
                raise NotFiniteError(
                    f"Training stopped in epoch {epoch}: the {term} over the {part} rows became "
                    f"{value}. The weights of the last good epoch are kept. Lower learning_rate, "
                    "clip gradients with callbacks=[skorch.callbacks.GradientNormClipping(1.0)], "
                    "or look for extreme values in X and X_missing."
                )

    def _training_steps(self) -> Iterator[Tensor]:
        """Yield, for every minibatch, sums of the terms and over how many rows, (2, terms)."""
        yield from map(self.graphs or self._step, self.batches.numbers())

    def _validation_steps(self, held_out: PairedRows, told: bool = True) -> Iterator[Tensor]:
        own = self.noise
        noise = NoiseSource(
            self.streams.validation, self.streams.dropout, own.latent_dim, 0, own.n_hiding
        )
        with torch.no_grad():
            for numbers in Batches(held_out, self.plan.schedule.batch_size).numbers():
                batch = held_out.gather(self.ranks.share(numbers))
                if told:
                    self.observers.tell("on_batch_begin", batch, training=False)
                losses = self._losses(batch, self._own(noise.draw(len(numbers))))
                yield self._tally(batch, losses, training=False, told=told)

    def _own(self, noise: Noise) -> Noise:
        """Return the noise of the rows of a minibatch that are this process's."""
        latent, *others = [None if part is None else self.ranks.share(part) for part in noise]
        return Noise(cast(Tensor, latent), *others)

    def _step(self, numbers: Tensor) -> Tensor:
        """Update the weights by the gradients of a minibatch, the rows with these numbers."""
        batch = self.rows.gather(self.ranks.share(numbers))
        self.observers.tell("on_batch_begin", batch, training=True)
        drawn = self._own(self.noise.draw(len(numbers)))
        keep = None if drawn.bits is None else keep_mask(drawn.bits, self.plan.schedule.dropout)
        losses = self._losses(batch, drawn, Dropout(keep, self.noise.dropout))
        # Made anew at each step, in a graph at one place; see `graphs`.
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        self.ranks.sum_gradients(self.module.parameters())
        self.observers.tell("on_grad_computed", batch, training=True)
        self.optimizer.step()
        return self._tally(batch, losses, training=True)

    def _losses(self, batch: Batch, noise: Noise, dropout: Dropout | None = None) -> Losses:
        loss, networks_in = self.plan.loss, self._networks_in()
        if self.hiding is not None and noise.hiding is not None:
            batch = self.hiding.hide(batch, noise.hiding)
        joined = None if self.ranks.n == 1 else self.ranks.joined
        terms, labels = loss.evaluate(
            self.module, batch, noise.latent, dropout, networks_in, joined
        )
        self.names = terms.names
        means, counts = terms.means(batch), terms.counts(batch)
        total = loss.total(self.names, means * self._parts(counts))
        return Losses(means, counts, total, labels)

    def _parts(self, counts: Tensor) -> Tensor | float:
        """Return which part of each mean over a minibatch the own rows, so many, make up.

        Every process has the terms of the whole minibatch. Their gradients add up if they reach the
        own rows alone, as those of the MMD, and are divided among the processes otherwise.
        """
        if self.ranks.n == 1:
            return 1.0
        parts = counts / self.ranks.summed(counts).clamp_min(1)
        of_batch = {"mmd": 1.0, "scale_prior": 1 / self.ranks.n}
        for number, name in enumerate(self.names):
            if name in of_batch:
                parts[number] = of_batch[name]
        return parts

    def _tally(self, batch: Batch, losses: Losses, training: bool, told: bool = True) -> Tensor:
        """Return sums of the terms and over how many rows they are, and tell of the minibatch."""
        means, counts, total, labels = losses
        if self.observers and told:
            predicted = means[:0] if labels is None else labels.mean
            found = {"loss": total.detach(), "y_pred": predicted.detach()}
            self.observers.tell("on_batch_end", batch, training=training, **found)
        return torch.stack([means.detach() * counts, counts])

    def _networks_in(self) -> AbstractContextManager[Any]:
        """Return the context in which the networks compute in the precision of the schedule."""
        if self.plan.schedule.precision == "bfloat16":
            # torch empties its cache of weights when the outermost autocast ends, which may be one
            # around the whole training.
            return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        return nullcontext()
