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
from sklearn_cmmd.data.rows import FitData, learn_layout, learn_targets
from sklearn_cmmd.exceptions import SingletonClassWarning
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.objective.loss import Loss

AUTO_BATCH_SIZE = 100
AUTO_EPOCHS, LEAST_UPDATES, MOST_UPDATES = 200, 500, 2000
AUTO_STOPPING_ROWS = 500
AUTO_DROPOUT, AUTO_DROPOUT_FEW_LABELS = 0.3, 0.5
AUTO_LABEL_SMOOTHING = 0.1
# What may differ between networks and those that they start from.
FREE_AT_START = ("n_labels", "label_likelihood", "label_in_encoder", "classifier_hidden")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: parameters of the estimator, resolved.

    `validation_fraction` is zero without early stopping; `watched` is the term of the held-out
    loss, or "loss", that is to improve.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    labelled_share: float
    precision: str
    validation_fraction: float
    watched: str
    n_iter_no_change: int
    tol: float


@dataclass(frozen=True)
class Plan:
    """What a fit is going to do: form of the data, networks, objective, schedule."""

    layout: Layout
    architecture: Architecture
    loss: Loss
    schedule: Schedule


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
    partial = caller == "partial_fit"
    n_labelled, n_unlabelled = data.n_by_label
    if previous is None:
        layout = learn_layout(data, classes, partial)
    elif caller == "init_from":
        layout = replace(previous.layout, targets=learn_targets(data))
    else:
        layout = previous.layout
    if previous is not None:
        data.check_form(layout, caller)
    # A stream may bring rows without a label later, so that its first rows decide nothing.
    sees_label = not partial and n_unlabelled == 0
    if previous is not None and caller != "init_from":
        sees_label = previous.architecture.label_in_encoder
    architecture = _architecture(estimator, layout, sees_label)
    if previous is not None:
        _check_networks(architecture, layout, previous, caller)
    few = 0.0 if partial else _few(estimator, n_labelled, n_unlabelled)
    loss = _loss(estimator, few, 0 if partial else data.n_pairs)
    schedule = _schedule(estimator, data, layout, few, partial)
    return Plan(layout, architecture, loss, schedule)


def _few(estimator: Any, n_labelled: int, n_unlabelled: int) -> float:
    """Return how few labels there are, between 0 and 1; `Objective` states the rule."""
    number = estimator.group("objective").few_labels
    if not (number and n_labelled and n_unlabelled):
        return 0.0
    by_number = np.clip((4 / 3 * number - n_labelled) / (2 / 3 * number), 0, 1)
    return float(by_number * min(1, n_unlabelled / n_labelled))


def _loss(estimator: Any, few: float, n_pairs: int) -> Loss:
    """Put the objective together; without pairs there is no prior on scales."""
    group = estimator.group("objective")
    smoothing = group.label_smoothing
    bandwidth: Any = group.bandwidth
    return Loss(
        omega=estimator.omega,
        lam=estimator.lam,
        alpha=estimator.alpha,
        kernel=group.kernel,
        bandwidth=bandwidth if np.ndim(bandwidth) == 0 else tuple(map(float, bandwidth)),
        mmd_estimator=group.mmd_estimator,
        classifier_input=group.classifier_input,
        decode_prior=group.decode_prior,
        distillation=group.distillation,
        teacher_weight=group.teacher_weight,
        label_smoothing=(1 - few) * AUTO_LABEL_SMOOTHING if smoothing == "auto" else smoothing,
        scale_prior=group.scale_prior_rows / n_pairs if n_pairs else 0.0,
    )


def _architecture(estimator: Any, layout: Layout, sees_label: bool) -> Architecture:
    """Return the shapes of the networks; `sees_label` says what "auto" comes to."""
    targets, group = layout.targets, estimator.group("networks")
    choice = estimator.group("objective").label_in_encoder
    widths = {}
    for role in ("prior", "encoder", "decoder", "classifier"):
        own = getattr(group, f"{role}_hidden")
        widths[f"{role}_hidden"] = tuple(
            map(int, estimator.hidden_layer_sizes if own is None else own)
        )
    return Architecture(
        observed=_specs(layout.observed),
        missing=_specs(layout.missing),
        n_labels=0 if targets is None else len(targets.classes),
        label_likelihood="categorical" if targets is None else targets.likelihood,
        latent_dim=int(estimator.latent_dim),
        activation=group.activation,
        fusion=group.fusion,
        decoder_input=group.decoder_input,
        # Without x_M the label is all that the encoder can know beyond the prior.
        label_in_encoder=bool(sees_label if choice == "auto" else choice) or layout.missing is None,
        **widths,
    )


def _specs(side: Side | None) -> tuple[ViewSpec, ...]:
    """Return the modalities as the networks see them."""
    return (
        ()
        if side is None
        else tuple(
            [
                ViewSpec(
                    columns=tuple(modality.columns.tolist()),
                    name=modality.name,
                    grid=Grid(modality.shape or (), modality.channels),
                    **modality.networks,
                    likelihood=modality.likelihood,
                    scale=side.scale_of(modality),
                    axis=modality.axis,
                    weight=float(modality.weight),
                )
                for modality in side.modalities
            ]
        )
    )


def _schedule(estimator: Any, data: FitData, layout: Layout, few: float, partial: bool) -> Schedule:
    """Resolve everything that depends on the numbers of rows; without labels all are labelled."""
    group = estimator.group("objective")
    n_labelled, n_unlabelled = data.n_by_label
    batch_size = _batch_size(estimator, n_labelled + n_unlabelled, partial)
    fraction = 0.0 if partial else _validation_fraction(estimator, data, layout)
    n_training = n_labelled - ceil(fraction * n_labelled)
    max_epochs = estimator.max_epochs
    if max_epochs == "auto":
        n_rows = epoch_rows(n_training, n_unlabelled, group.labelled_share)
        n_batches = ceil(n_rows / batch_size)
        least, most = ceil(LEAST_UPDATES / n_batches), ceil(MOST_UPDATES / n_batches)
        max_epochs = min(max(AUTO_EPOCHS, least), most)
    dropout = estimator.dropout
    if dropout == "auto":
        dropout = (1 - few) * AUTO_DROPOUT + few * AUTO_DROPOUT_FEW_LABELS
    return Schedule(
        max_epochs=1 if partial else int(max_epochs),
        batch_size=batch_size,
        learning_rate=estimator.learning_rate,
        weight_decay=estimator.weight_decay,
        dropout=dropout,
        labelled_share=group.labelled_share,
        precision=estimator.group("networks").precision,
        validation_fraction=fraction,
        watched=estimator._watched,
        n_iter_no_change=estimator.n_iter_no_change,
        tol=group.tol,
    )


def _batch_size(estimator: Any, n_rows: int, partial: bool) -> int:
    if estimator.batch_size == "auto":
        return min(AUTO_BATCH_SIZE, n_rows)
    if estimator.batch_size > n_rows and not partial:
        warnings.warn(
            f"batch_size={estimator.batch_size} is larger than the data, which have {n_rows} rows: "
            "all of them are one minibatch.",
            UserWarning,
            stacklevel=2,
        )
    return min(int(estimator.batch_size), n_rows)


def _validation_fraction(estimator: Any, data: FitData, layout: Layout) -> float:
    """Return the share of the labelled rows to hold out; zero without early stopping.

    Every class keeps a row to train on.
    """
    n_labelled, _ = data.n_by_label
    stops, fraction = estimator.early_stopping, estimator.validation_fraction
    counts = _class_counts(data, layout)
    n_free = n_labelled - len(counts)
    if stops == "auto":
        stops = n_labelled >= AUTO_STOPPING_ROWS and n_free >= ceil(fraction * n_labelled)
    if not stops:
        return 0.0
    n_kept = n_labelled - ceil(fraction * n_labelled)
    if n_kept < 1 or n_free < 1:
        raise ValueError(
            f"validation_fraction={fraction} of {n_labelled} rows leaves none to train on, or none "
            f"to hold out if each of {len(counts)} classes keeps one. Lower it, or set "
            "early_stopping=False."
        )
    n_single = int(np.sum(counts == 1))
    if n_single:
        warnings.warn(
            f"{n_single} of the {len(counts)} classes have one row only. It is trained on, so that "
            "the rows held out for early stopping tell nothing about these classes.",
            SingletonClassWarning,
            stacklevel=2,
        )
    return float(fraction)


def _class_counts(data: FitData, layout: Layout) -> np.ndarray:
    """Return the number of labelled rows of positive weight of each class that occurs."""
    if layout.targets is None or layout.targets.multilabel:
        return np.zeros(0, int)
    counts: np.ndarray = np.unique(data.known_y, return_counts=True)[1]
    return counts


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
            f"init_from was fitted with the labels {before.classes.tolist()}, which are not those "
            "of y. Fit it with the same labels, or without any."
        )


def _differences(one: Architecture, other: Architecture, free: Container[str] = ()) -> list[str]:
    names = [field.name for field in fields(one) if field.name not in free]
    return [name for name in names if getattr(one, name) != getattr(other, name)]
