"""Plan: everything that depends on parameters and data, resolved once, in plain values.

Nowhere else is it decided what "auto" comes to.
"""

import warnings
from collections.abc import Container
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any

import numpy as np

from sklearn_cmmd.data.batches import epoch_rows
from sklearn_cmmd.data.layout import Layout, Side
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.rows import FitData, RowCounts, learn_layout, learn_targets
from sklearn_cmmd.exceptions import BatchSizeWarning, SingletonClassWarning
from sklearn_cmmd.groups import Networks, Objective
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.objective.loss import Loss

AUTO_BATCH_SIZE = 100
AUTO_EPOCHS, LEAST_UPDATES, MOST_UPDATES = 200, 500, 2000
# Numbers are learned by heart sooner than classes.
AUTO_STOPPING_ROWS = {"categorical": 500, "bernoulli": 500, "gaussian": 50}
AUTO_DROPOUT, AUTO_DROPOUT_FEW_LABELS = 0.3, 0.5
AUTO_LABEL_SMOOTHING = 0.1
AUTO_LATENT_DIM, AUTO_CLASSIFIER = 20, (50,)
# With more classes than these, of fewer rows each, the latent variables have to tell more apart,
# and a hidden layer of the classifier learns its few rows by heart.
MANY_CLASSES, FEW_ROWS = 40, 25
LATENT_DIM_MANY_CLASSES, CLASSIFIER_MANY_CLASSES = 64, ()
# The decoder alone keeps a training going while it gains so much of the likelihood of a value in
# half of the epochs that the label is given.
DECODER_TOLERANCE = 0.01
# A linear path with more, of 80 MB, is left out.
MOST_COEFFICIENTS = 20_000_000
# What may differ between networks and those that they start from.
FREE_AT_START = ("n_labels", "label_likelihood", "label_in_encoder", "classifier_hidden")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: parameters of the estimator, resolved.

    `validation_fraction` is zero without early stopping; `watched` are terms of the held-out loss,
    or "loss": the first for all networks, the second for the decoder. Training stops when none of
    them has fallen by more than its tolerance in so many epochs, its patience.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    labelled_share: float
    precision: str
    validation_fraction: float
    watched: dict[str, tuple[float, int]]


@dataclass(frozen=True)
class Plan:
    """What a fit is going to do: form of the data, networks, objective, schedule."""

    layout: Layout
    architecture: Architecture
    loss: Loss
    schedule: Schedule

    @property
    def teaches(self) -> bool:
        """Whether the encoder teaches the prior."""
        arch = self.architecture
        is_able = bool(arch.missing) and not arch.label_in_encoder and arch.n_labels > 0
        return is_able and self.loss.distillation > 0


def resolve(
    estimator: Any,
    data: FitData,
    caller: str = "fit",
    previous: Plan | None = None,
    classes: Any = None,
) -> Plan:
    """Resolve the parameters of an estimator for the data of a fit, both checked.

    `caller` is "fit", "warm_start", "partial_fit" or "init_from", which begins with the layout and
    the networks of another estimator; `previous` is the plan of the networks that the fit goes on
    from, or begins with. `classes` are all classes there are, on the first call of `partial_fit`.

    Raises
    ------
    ValueError
        If parameters and data, or previous networks, do not go together.
    """
    partial, counts = caller == "partial_fit", data.counts
    objective, networks = estimator.group("objective"), estimator.group("networks")
    if previous is None:
        layout = learn_layout(data, classes, partial)
    elif caller == "init_from":
        targets = learn_targets(data, before=previous.layout.targets)
        layout = replace(previous.layout, targets=targets)
    else:
        layout = previous.layout
    if previous is not None:
        data.check_form(layout, caller)
    sees_label = objective.label_in_encoder
    if sees_label == "auto":
        # A stream may bring rows without a label later, so that its first rows decide nothing.
        sees_label = not partial and counts.unlabelled == 0
        if previous is not None and caller != "init_from":
            sees_label = previous.architecture.label_in_encoder
    sizes = _sizes(counts, partial, previous, caller)
    architecture = _architecture(estimator, networks, layout, sees_label, sizes)
    if previous is not None:
        _check_networks(architecture, layout, previous, caller)
    few = 0.0 if partial else _few(objective.few_labels, counts)
    likelihood = architecture.label_likelihood
    loss = _loss(estimator, objective, few, 0 if partial else counts.pairs, likelihood)
    fraction = 0.0 if partial else _validation_fraction(estimator, counts, likelihood)
    precision, rounds = networks.precision, _rounds(layout)
    schedule = _schedule(estimator, objective, precision, counts, few, partial, fraction, rounds)
    schedule = replace(schedule, watched=_watched(estimator, objective, layout))
    plan = Plan(layout, architecture, loss, schedule)
    is_advised = _asks_classifiers(objective, likelihood) and plan.teaches and few > 0
    return replace(plan, loss=replace(loss, is_advised=is_advised))


def _asks_classifiers(objective: Objective, likelihood: str) -> bool:
    """Return whether classifiers are to say of which class a row is, and y is one class a row."""
    if objective.teacher is None:
        return False
    if likelihood != "categorical" and objective.teacher != "auto":
        raise ValueError(
            f"objective__teacher={objective.teacher!r} needs one class a row in y. Set it to "
            "'auto' or None for several labels a row, or numbers."
        )
    return likelihood == "categorical"


def _watched(estimator: Any, objective: Objective, layout: Layout) -> dict[str, tuple[float, int]]:
    """Return the held-out losses that early stopping watches, each with tolerance and patience."""
    patience = int(estimator.n_iter_no_change) * _rounds(layout)
    watched = {estimator._watched: (objective.tol, patience)}
    if estimator._watched != "loss" and layout.generated:
        term = "prior_reconstruction" if objective.decode_prior else "reconstruction"
        tolerance = objective.tol + DECODER_TOLERANCE * sum(
            sum(side.sizes) for side in layout.generated
        )
        watched[term] = tolerance, max(1, patience // 2)
    return watched


def _rounds(layout: Layout) -> int:
    """Return how many times as long to train: an epoch shows a row in one subset alone."""
    return max(1, len(layout.observed.optional))


def _sizes(
    counts: RowCounts, partial: bool, previous: Plan | None, caller: str
) -> tuple[int, tuple[int, ...]]:
    """Return what "auto" means for the latent variables and the classifier's hidden layers.

    Networks that a fit goes on from keep theirs; a new classifier on them is free.
    """
    n_classes = 0 if partial else len(counts.classes)
    is_many = n_classes > MANY_CLASSES and counts.labelled < FEW_ROWS * n_classes
    latent_dim = LATENT_DIM_MANY_CLASSES if is_many else AUTO_LATENT_DIM
    classifier: tuple[int, ...] = CLASSIFIER_MANY_CLASSES if is_many else AUTO_CLASSIFIER
    if previous is not None:
        latent_dim = previous.architecture.latent_dim
    if previous is not None and caller != "init_from":
        classifier = previous.architecture.classifier_hidden
    return latent_dim, classifier


def _few(few_labels: int, counts: RowCounts) -> float:
    """Return how few labels there are, between 0 and 1; `Objective` states the rule."""
    if not (few_labels and counts.labelled and counts.unlabelled):
        return 0.0
    by_number = np.clip((4 / 3 * few_labels - counts.labelled) / (2 / 3 * few_labels), 0, 1)
    return float(by_number * min(1, counts.unlabelled / counts.labelled))


def _loss(estimator: Any, objective: Objective, few: float, n_pairs: int, likelihood: str) -> Loss:
    """Put the objective together; without pairs there is no prior on scales.

    `likelihood` is that of y: numbers cannot be smoothed.
    """
    smoothing: Any = 0.0 if likelihood == "gaussian" else objective.label_smoothing
    bandwidth: Any = objective.bandwidth
    return Loss(
        omega=estimator.omega,
        lam=estimator.lam,
        alpha=estimator.alpha,
        kernel=objective.kernel,
        bandwidth=bandwidth if np.ndim(bandwidth) == 0 else tuple(map(float, bandwidth)),
        mmd_estimator=objective.mmd_estimator,
        classifier_input=objective.classifier_input,
        decode_prior=objective.decode_prior,
        distillation=objective.distillation,
        teacher_weight=objective.teacher_weight,
        label_smoothing=(1 - few) * AUTO_LABEL_SMOOTHING if smoothing == "auto" else smoothing,
        scale_prior=objective.scale_prior_rows / n_pairs if n_pairs else 0.0,
    )


def _architecture(
    estimator: Any,
    networks: Networks,
    layout: Layout,
    sees_label: bool,
    sizes: tuple[int, tuple[int, ...]],
) -> Architecture:
    """Return the shapes of the networks; `sizes` are those that "auto" stands for."""
    targets = layout.targets
    linear_from = None
    if networks.decoder_input == "linear":
        linear_from = sum(layout.observed.widths.values()) + len(layout.observed.optional)
    widths = {}
    for role in ("prior", "encoder", "decoder", "classifier"):
        own = getattr(networks, f"{role}_hidden")
        if own is None or isinstance(own, str):
            own = sizes[1] if role == "classifier" else estimator.hidden_layer_sizes
        widths[f"{role}_hidden"] = tuple(map(int, own))
    return Architecture(
        observed=tuple(_specs(layout.observed)),
        missing=_generated(layout, linear_from),
        n_labels=0 if targets is None else targets.n_columns,
        label_likelihood="categorical" if targets is None else targets.likelihood,
        latent_dim=sizes[0] if estimator.latent_dim == "auto" else int(estimator.latent_dim),
        activation=networks.activation,
        fusion=networks.fusion,
        decoder_input=networks.decoder_input,
        # Without x_M the label is all that the encoder can know beyond the prior.
        label_in_encoder=bool(sees_label) or not layout.generated,
        optional=tuple(layout.observed.optional),
        **widths,
    )


def _generated(layout: Layout, linear_from: int | None) -> tuple[ViewSpec, ...]:
    """Return all that the decoder generates, the columns of one side after those of the other."""
    specs: list[ViewSpec] = []
    for side in layout.generated:
        offset = sum([len(spec.columns) for spec in specs])
        specs += _specs(side, linear_from, offset)
    return tuple(specs)


def _specs(side: Side, linear_from: int | None = None, offset: int = 0) -> list[ViewSpec]:
    """Return the modalities as the networks see them, their columns from an offset on.

    Those of real values have a linear path from so many columns, None for none.
    """
    return [
        ViewSpec(
            columns=tuple((offset + modality.columns).tolist()),
            name=modality.name,
            grid=Grid(modality.shape or (), modality.channels),
            **modality.networks,
            likelihood=modality.likelihood,
            scale=scale,
            axis=modality.axis,
            weight=float(modality.weight),
            linear=linear_from is not None and _is_linear(modality, linear_from),
            rates=side.rates(modality) if modality.likelihood == "counts" else (),
            unit=side.unit(modality) if modality.likelihood == "counts" else (),
        )
        for modality, scale in zip(side.modalities, side.likelihood_scales, strict=True)
    ]


def _is_linear(modality: Modality, n_observed: int) -> bool:
    """Return whether a missing modality has a linear path; a user's network is left as it is."""
    is_real = modality.likelihood in ("gaussian", "laplace")
    is_ours = not callable(modality.networks["decoder"])
    return is_real and is_ours and len(modality.columns) * n_observed <= MOST_COEFFICIENTS


def _schedule(
    estimator: Any,
    objective: Objective,
    precision: str,
    counts: RowCounts,
    few: float,
    partial: bool,
    fraction: float,
    rounds: int,
) -> Schedule:
    """Resolve everything that depends on the numbers of rows; without labels all are labelled.

    `fraction` of the labelled ones is held out; there are so many times as many epochs as `rounds`.
    """
    batch_size = _batch_size(estimator.batch_size, counts.labelled + counts.unlabelled, partial)
    max_epochs = estimator.max_epochs
    if max_epochs == "auto":
        n_training = counts.labelled - ceil(fraction * counts.labelled)
        n_rows = epoch_rows(n_training, counts.unlabelled, objective.labelled_share)
        n_batches = ceil(n_rows / batch_size)
        least, most = ceil(LEAST_UPDATES / n_batches), ceil(MOST_UPDATES / n_batches)
        max_epochs = min(max(AUTO_EPOCHS, least), most) * rounds
    dropout = estimator.dropout
    if dropout == "auto":
        dropout = (1 - few) * AUTO_DROPOUT + few * AUTO_DROPOUT_FEW_LABELS
    return Schedule(
        max_epochs=1 if partial else int(max_epochs),
        batch_size=batch_size,
        learning_rate=estimator.learning_rate,
        weight_decay=estimator.weight_decay,
        dropout=dropout,
        labelled_share=objective.labelled_share,
        precision=precision,
        validation_fraction=fraction,
        watched={},
    )


def _batch_size(batch_size: int | str, n_rows: int, partial: bool) -> int:
    if batch_size == "auto":
        return min(AUTO_BATCH_SIZE, n_rows)
    if int(batch_size) > n_rows and not partial:
        warnings.warn(
            f"batch_size={batch_size} is larger than the data, which have {n_rows} rows: all of "
            "them are one minibatch.",
            BatchSizeWarning,
            stacklevel=2,
        )
    return min(int(batch_size), n_rows)


def _validation_fraction(estimator: Any, counts: RowCounts, likelihood: str) -> float:
    """Return the share of the labelled rows to hold out; zero without early stopping.

    Every class keeps a row to train on.
    """
    stops, fraction = estimator.early_stopping, estimator.validation_fraction
    n_classes, n_held_out = len(counts.classes), ceil(fraction * counts.labelled)
    n_free = counts.labelled - n_classes
    if stops == "auto":
        stops = counts.labelled >= AUTO_STOPPING_ROWS[likelihood] and n_free >= n_held_out
    if not stops:
        return 0.0
    if n_held_out == counts.labelled or n_free < 1:
        raise ValueError(
            f"validation_fraction={fraction} of {counts.labelled} rows leaves none to train on, or "
            f"none to hold out if each of {n_classes} classes keeps one. Lower it, or set "
            "early_stopping=False."
        )
    n_single = int(np.sum(counts.classes == 1))
    if n_single:
        warnings.warn(
            f"{n_single} of the {n_classes} classes have one row only. It is trained on, so that "
            "the rows held out for early stopping tell nothing about these classes.",
            SingletonClassWarning,
            stacklevel=2,
        )
    return float(fraction)


def _check_networks(
    architecture: Architecture, layout: Layout, previous: Plan, caller: str
) -> None:
    """Raise a ValueError if parameters or labels ask for other networks than those at hand."""
    if caller != "init_from":
        changed = _differences(architecture, previous.architecture)
        if changed:
            raise ValueError(
                "warm_start and partial_fit go on with the networks of the first fit, but "
                f"{changed} changed. Set warm_start=False and call fit to begin anew."
            )
        return
    changed = _differences(architecture, previous.architecture, FREE_AT_START)
    if changed:
        raise ValueError(
            f"init_from has other networks: {changed} differ. Give both estimators the same "
            "parameters."
        )
    before = previous.layout.targets
    if before is not None and not before.same_as(layout.targets):
        raise ValueError(
            f"init_from was fitted with {before}, which are not those of y. Fit it with the same "
            "labels, or without any."
        )


def _differences(one: Architecture, other: Architecture, free: Container[str] = ()) -> list[str]:
    names = [field.name for field in fields(one) if field.name not in free]
    return [name for name in names if getattr(one, name) != getattr(other, name)]
