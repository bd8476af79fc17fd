"""A fit from what the user passes to the loop: check, plan, build, load, and go on if asked to."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from sklearn_cmmd._device import resolve_device
from sklearn_cmmd._random import Seeds, generator, seed_sequence, state_of
from sklearn_cmmd.data.containers import is_mapping, unwrapped
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.data.rows import FitData, read_fit_data
from sklearn_cmmd.exceptions import ResumeWarning
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.params import check_consistent
from sklearn_cmmd.plan import Plan, resolve
from sklearn_cmmd.training.checkpoint import Checkpoint, identity_of
from sklearn_cmmd.training.loop import Loop
from sklearn_cmmd.training.ranks import Ranks
from sklearn_cmmd.training.ridge import begin_linear_paths
from sklearn_cmmd.training.surroundings import surroundings
from sklearn_cmmd.training.teacher import advise
from sklearn_cmmd.training.trained import Trained


class Fitted:
    """Attributes of a fitted estimator that its methods rely on."""

    module_: CMMD
    device_: torch.device
    _plan: Plan
    _moments: dict[str, torch.Tensor]


class DivergedError(FloatingPointError):
    """The loss became infinite or NaN; the estimator has the weights of the last good epoch."""


@contextmanager
def unchanged_by_errors(estimator: Any) -> Iterator[None]:
    """Bring an estimator back to what it was before, if what is done to it fails.

    Of a training that diverged, the weights of the last good epoch are kept.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except DivergedError:
        raise
    except BaseException:
        estimator.__dict__ = before
        raise


def prepare(
    estimator: Any,
    X: Any,
    y: Any,
    X_missing: Any = None,
    sample_weight: Any = None,
    init_from: Any = None,
    partial: bool = False,
    classes: Any = None,
    left_out: np.ndarray | None = None,
) -> tuple[Loop, Checkpoint | None]:
    """Do everything of a fit but the training: give the estimator its fitted attributes.

    Takes what `fit` or, if `partial`, `partial_fit` was given. Of the rows that are `left_out`, a
    mask, nothing is learned but when to stop. Returns the training, ready to run, and where its
    state is to be kept.
    """
    check_consistent(estimator)
    device = resolve_device(estimator.device)
    going_on = hasattr(estimator, "module_") and (partial or estimator.warm_start)
    check_init_from(estimator, init_from, going_on)
    caller = "partial_fit" if partial else "warm_start" if going_on else "fit"
    previous: Plan | None = estimator._plan if going_on else None
    if init_from is not None:
        caller, previous = "init_from", init_from._plan
    # First of all, since names tell of a mix-up best.
    X = unwrapped(X, "X")
    check_feature_names(estimator, X, reset=not going_on)
    if going_on:
        _check_described(estimator)
    known = getattr(estimator, "classes_", classes) if going_on else classes
    layout = None if previous is None else previous.layout
    data = read_fit_data(estimator, X, y, X_missing, sample_weight, layout, caller, known)
    learned = data if left_out is None else data.without(left_out)
    plan = resolve(estimator, learned, caller, previous, classes)
    start = estimator if going_on else init_from
    checkpoint, ranks = None, Ranks.at_hand()
    keeps = estimator.checkpoint_dir is not None and not partial
    if keeps or ranks.n > 1:
        identity = identity_of(estimator, learned, device, start and start.module_)
        ranks.check_same(identity)
        checkpoint = Checkpoint(estimator.checkpoint_dir, identity) if keeps else None
    resumed = ranks.agreed(None if checkpoint is None else checkpoint.read())
    if going_on:
        estimator.module_ = estimator.module_.copied()
        root = estimator._seeds
    else:
        root = seed_sequence(estimator.random_state)
    root = np.random.SeedSequence(**(resumed[1] if resumed else ranks.agreed(state_of(root))))
    if checkpoint is not None:
        checkpoint.seeds = state_of(root)
    if not going_on:
        _begin(estimator, plan, root, init_from)
    estimator._plan, estimator._seeds, estimator.device_ = plan, root, device
    begins = not going_on and init_from is None
    loop = _loop(estimator, data, device, begins, left_out, ranks)
    if resumed is not None:
        _go_on(loop, resumed[0], estimator)
    return loop, checkpoint if ranks.is_first else None


def _begin(estimator: Any, plan: Plan, root: np.random.SeedSequence, init_from: Any) -> None:
    """Build the networks, and replace what an earlier fit left behind."""
    module, seeds = CMMD(plan.architecture), Seeds.spawn(root)
    module.init_weights(generator(seeds.init))
    if init_from is not None:
        module.start_from(init_from.module_)
    # Rows once held out stay held out when a warm start goes on.
    estimator._split_seed = seeds.split
    estimator._moments = {}
    estimator.module_ = module
    estimator._described = described(estimator)
    estimator.history_ = {}
    estimator.n_iter_ = 0
    estimator.__dict__.pop("classes_", None)


def described(estimator: Any) -> str:
    """Return how the parameters describe the modalities, to compare."""
    return repr((estimator.observed, estimator.missing, estimator.optional))


def check_feature_names(estimator: Any, X: Any, reset: bool) -> None:
    """Learn the names of the columns of X, or raise a ValueError if they are not those of fit."""
    try:
        _check_feature_names(estimator, None if is_mapping(X) else X, reset=reset)
    except ValueError:
        raise
    except Exception as error:  # of a library that reads names for scikit-learn
        raise ValueError(f"The columns of X have no names to tell them apart: {error}") from error


def _check_described(estimator: Any) -> None:
    """Raise a ValueError if modalities are described otherwise than when the networks were made."""
    if described(estimator) != estimator._described:
        raise ValueError(
            "warm_start and partial_fit go on with the modalities of the first fit, but observed=, "
            "missing= or optional= changed. Set warm_start=False and call fit to begin anew."
        )


def _loop(
    estimator: Any,
    data: FitData,
    device: torch.device,
    begins: bool,
    left_out: np.ndarray | None,
    ranks: Ranks,
) -> Loop:
    """Bring the rows to the device and set up the training, which `begins` or goes on."""
    plan, held_out = estimator._plan, None
    rows, fraction = data.rows(plan.layout, device), plan.schedule.validation_fraction
    if left_out is not None:
        rows, out = rows.apart(left_out)
        has_label = bool(len(out.positions_by_label[0]))
        held_out = out if fraction and has_label else None
    elif fraction:
        rows, held_out = rows.split(fraction, estimator._split_seed)
    module = estimator.module_.to(device)
    if begins:
        with surroundings(device, module, plan.schedule.batch_size):
            begin_linear_paths(module, rows)
    if plan.loss.is_advised:
        plan = estimator._plan = _advised(
            plan, rows, held_out, estimator.group("objective").teacher
        )
    ranks.spread(module)
    return Loop(
        plan,
        module,
        rows,
        held_out,
        Seeds.spawn(estimator._seeds),
        estimator.callbacks or (),
        int(estimator.verbose) if ranks.is_first else 0,
        estimator._moments,
        ranks,
    )


def _advised(plan: Plan, rows: PairedRows, held_out: PairedRows | None, teacher: Any) -> Plan:
    """Give the rows what classifiers of both views say, and the plan how far to trust them."""
    advice = advise(rows, teacher, plan.architecture.n_labels)
    if advice is None:
        return replace(plan, loss=replace(plan.loss, is_advised=False))
    for part in (rows, held_out):
        if part is not None:
            part.advice = advice.probabilities
    return replace(plan, loss=replace(plan.loss, teacher_share=advice.share))


def _go_on(loop: Loop, state: Any, estimator: Any) -> None:
    """Bring the loop to where a checkpoint was, and say so."""
    loop.resume(state)
    callbacks = " Its callbacks begin anew." if estimator.callbacks else ""
    warnings.warn(
        f"This fit goes on after epoch {state.epoch} of at most {loop.plan.schedule.max_epochs}, "
        f"from the checkpoint in {estimator.checkpoint_dir}.{callbacks}",
        ResumeWarning,
        stacklevel=2,
    )


def check_partial_fit(estimator: Any, classes: Any) -> None:
    """Raise a ValueError if `partial_fit` cannot do what it is asked to."""
    if estimator.early_stopping is True:
        raise ValueError(
            "partial_fit does not support early_stopping=True. Set it to 'auto' or False."
        )
    known = getattr(estimator, "classes_", None)
    if is_classifier(estimator) and known is None and classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if classes is None:
        return
    if is_regressor(estimator):
        raise ValueError(f"A regressor has no classes. Leave classes={classes!r} out.")
    try:
        found = unique_labels(classes)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"classes must be a list of all classes, of one type. Got {classes!r} ({error})."
        ) from error
    if not (known is None or np.array_equal(known, found)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )


def check_init_from(estimator: Any, init_from: Any, going_on: bool) -> None:
    """Raise an error unless an estimator can start from `init_from`, or that is None."""
    if init_from is None:
        return
    if not hasattr(init_from, "_watched"):
        raise TypeError(
            "init_from must be a fitted CMMDTransformer, CMMDClassifier or CMMDRegressor. "
            f"Got {type(init_from).__name__} instead."
        )
    check_is_fitted(init_from)
    if going_on:
        raise ValueError(
            "warm_start=True goes on from the estimator's own networks. Set it to False to start "
            "from those of init_from."
        )
    for side in ("observed", "missing", "optional"):
        described = getattr(estimator, side)
        # Copies of one list of modalities, as clone makes them, are written alike.
        if described is not None and repr(described) != repr(getattr(init_from, side)):
            raise ValueError(
                f"init_from was fitted with other modalities: {side}= differs. Leave it out to "
                "take over those of init_from."
            )


def take_in(estimator: Any, trained: Trained, partial: bool) -> None:
    """Give an estimator what a training leaves behind besides the weights."""
    # They are worth three times the weights, and only a fit that goes on needs them.
    estimator._moments = trained.moments if partial or estimator.warm_start else {}
    estimator.best_epoch_ = estimator.n_iter_ + trained.best_epoch
    before, after = [np.nan] * estimator.n_iter_, [np.nan] * trained.n_epochs
    earlier, later = estimator.history_, trained.history
    estimator.history_ = {
        name: earlier.get(name, before) + later.get(name, after) for name in earlier | later
    }
    estimator.n_iter_ += trained.n_epochs
    estimator.best_validation_score_ = None if trained.best_loss is None else -trained.best_loss
    estimator.__dict__.update(attributes_of(estimator._plan))


def attributes_of(plan: Plan) -> dict[str, Any]:
    """Return the fitted attributes that follow from the plan alone."""
    layout, schedule = plan.layout, plan.schedule
    attributes = {
        "observed_": list(layout.observed.modalities),
        "missing_": [] if layout.missing is None else list(layout.missing.modalities),
        "n_features_in_": sum(layout.observed.widths.values()),
        "batch_size_": schedule.batch_size,
        "max_epochs_": schedule.max_epochs,
        "latent_dim_": plan.architecture.latent_dim,
        "dropout_": schedule.dropout,
        "early_stopping_": schedule.validation_fraction > 0,
        "label_smoothing_": plan.loss.label_smoothing,
        "label_in_encoder_": plan.architecture.label_in_encoder,
        "teacher_share_": plan.loss.teacher_share if plan.teaches else None,
    }
    return attributes if layout.targets is None else attributes | layout.targets.attributes
