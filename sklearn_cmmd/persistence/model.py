"""A fitted estimator as plain values and arrays, and back."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier, is_regressor
from torch import Tensor

from sklearn_cmmd._fitting import attributes_of, described
from sklearn_cmmd._random import state_of
from sklearn_cmmd.data.layout import Layout, Side
from sklearn_cmmd.data.modality import ROLES, Modality
from sklearn_cmmd.data.numbers import Numbers
from sklearn_cmmd.data.targets import Classes, Targets
from sklearn_cmmd.groups import Networks, Objective
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.objective.loss import Loss
from sklearn_cmmd.persistence.checks import check_plan, require
from sklearn_cmmd.persistence.container import Damaged
from sklearn_cmmd.persistence.reading import Reader
from sklearn_cmmd.persistence.types import is_of
from sklearn_cmmd.persistence.writing import Writer
from sklearn_cmmd.plan import Plan, Schedule
from sklearn_cmmd.training.state import MOMENTS
from sklearn_cmmd.training.surroundings import surroundings

# What the plan of a fit consists of, and parameters may.
PLAN = (
    Plan,
    Layout,
    Side,
    Classes,
    Numbers,
    Architecture,
    ViewSpec,
    Grid,
    Loss,
    Schedule,
    Modality,
    Objective,
    Networks,
)
MOST_LABELS = 20
COUNTS = {"n_iter_": int, "best_epoch_": int, "best_validation_score_": float | None}


def fitted_state(estimator: Any, writer: Writer, at: str) -> dict[str, Any]:
    """Write what a fit left behind, but for what follows from it."""
    for group in estimator._groups:
        estimator.group(group).validate()
    for name, value in estimator.module_.state_dict().items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"A network of your own keeps {name!r}, which is no tensor, so that no file "
                "without code can hold it. Save with joblib.dump."
            )
        writer.array(value.numpy(force=True), f"{at}weights/{name}")
    for name, value in estimator._moments.items():
        writer.array(value.numpy(force=True), f"{at}moments/{name}")
    rest = {
        **{name: getattr(estimator, name) for name in COUNTS},
        "plan": estimator._plan,
        "history_": estimator.history_,
        "seeds": state_of(estimator._seeds),
        "split_seed": estimator._split_seed,
        "is_described": estimator._described == described(estimator),
        "feature_names": _feature_names(estimator),
    }
    return {name: writer.value(value, f"{at}{name}") for name, value in rest.items()}


def _is_history(history: Any) -> bool:
    """Return whether this is a list of numbers by name; they may be NaN, where a term was not."""
    if not is_of(history, dict[str, list[Any]]):
        return False
    return all([isinstance(value, Real) for values in history.values() for value in values])


def restore(estimator: Any, state: Mapping[str, Any], reader: Reader, at: str) -> None:
    """Give an estimator that is not fitted what a fit left behind; its networks are on the CPU."""
    rest = {name: reader.value(value, f"{at}{name}") for name, value in state.items()}
    plan, names = rest["plan"], rest["feature_names"]
    require(isinstance(plan, Plan), "the plan")
    require(all([is_of(rest[name], kind) for name, kind in COUNTS.items()]), "a count of epochs")
    require(_is_history(rest["history_"]), "the history")
    require(is_of(rest["split_seed"], int), "a seed")
    _check_kind(estimator, plan)
    weights = _arrays(reader, f"{at}weights/")
    check_plan(plan, list(weights.values()))
    module = CMMD(plan.architecture)
    _fill(module, weights)
    _check_answers(module)
    estimator.__dict__.update(
        attributes_of(plan),
        **{name: rest[name] for name in (*COUNTS, "history_")},
        module_=module,
        device_=torch.device("cpu"),
        _plan=plan,
        _seeds=_seeds(rest["seeds"]),
        _split_seed=rest["split_seed"],
        _moments=_moments(module, _arrays(reader, f"{at}moments/")),
        _described=described(estimator) if rest["is_described"] else "",
    )
    if names is not None:
        known = _names_of_columns(plan) if names is True else names
        require(known is not None and len(known) == estimator.n_features_in_, "a feature's name")
        estimator.feature_names_in_ = known


def summary(estimator: Any) -> dict[str, Any]:
    """Return what there is to say of a fitted estimator in a few lines, in plain values."""
    layout, module = estimator._plan.layout, estimator.module_
    sides = {"observed": layout.observed, "missing": layout.missing}
    names = [layout.observed.modalities[number].name for number in layout.observed.optional]
    parts = module.architecture.observed + module.architecture.missing
    own = [each.name for each in parts if any(callable(getattr(each, role)) for role in ROLES)]
    return {
        "estimator": type(estimator).__name__,
        "parameters": repr(estimator),
        **{name: _forms(side) for name, side in sides.items() if side is not None},
        "optional": names,
        "labels": None if layout.targets is None else _labels(layout.targets),
        "latent_dim": module.architecture.latent_dim,
        "epochs": estimator.n_iter_,
        "weights": sum([value.numel() for value in module.state_dict().values()]),
        "moments": bool(estimator._moments),
        "own_networks": sorted(set(own)),
    }


def _forms(side: Side) -> dict[str, str]:
    forms = {}
    for each in side.modalities:
        n_columns = len(each.columns)
        shape = tuple(each.shape or ())
        form = f"shape {shape}" if len(shape) > 1 else f"{n_columns} columns"
        is_known = each.likelihood != "auto"
        forms[each.name] = f"{form}, {each.likelihood}" if is_known else form
    return forms


def _labels(targets: Targets) -> Any:
    if isinstance(targets, Classes):
        labels = targets.classes.tolist()[:MOST_LABELS]
        return [each if type(each) in (int, float, bool) else str(each) for each in labels]
    return str(targets)


def _feature_names(estimator: Any) -> Any:
    """Return the names of features; True if they are those of the columns, None if there are none.

    They may be many, and so are not written twice.
    """
    names = getattr(estimator, "feature_names_in_", None)
    return True if names is not None and _names_of_columns(estimator._plan) is not None else names


def _names_of_columns(plan: Plan) -> np.ndarray | None:
    names = plan.layout.observed.column_names.get("")
    return None if names is None else np.asarray(list(names), dtype=object)


def _arrays(reader: Reader, prefix: str) -> dict[str, np.ndarray]:
    names = [name for name in reader.arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): reader.array(name) for name in names}


def _seeds(state: Any) -> np.random.SeedSequence:
    require(is_of(state, dict[str, int | list[int]]), "a seed")
    names = "entropy", "n_children_spawned"
    return np.random.SeedSequence(**{name: state[name] for name in names})


def _check_kind(estimator: Any, plan: Plan) -> None:
    """Raise `Damaged` unless this kind of estimator can have such a plan."""
    targets = plan.layout.targets
    predicts = is_classifier(estimator) or is_regressor(estimator)
    is_mine = isinstance(targets, estimator._kind_of_y)
    require(is_mine or (targets is None and not predicts), "what is predicted")
    require(isinstance(estimator.device, str), "the device")
    for name in ("objective", "networks"):
        group = estimator.group(name)
        require(type(group) is estimator._groups[name], name)
        group.validate()


@torch.no_grad()
def _fill(module: CMMD, weights: Mapping[str, np.ndarray]) -> None:
    """Copy weights into networks that were just built."""
    state = module.state_dict()
    if set(state) != set(weights):
        other = sorted(set(state) ^ set(weights))
        raise Damaged(f"its networks have other weights than it says, such as {other[0]!r}")
    for name, value in state.items():
        source = torch.from_numpy(weights[name])
        if source.shape != value.shape or source.dtype != value.dtype:
            raise Damaged(
                f"the weights {name!r} are {source.dtype} of shape {tuple(source.shape)}, and not "
                f"{value.dtype} of shape {tuple(value.shape)}"
            )
        value.copy_(source)
    module.eval().requires_grad_(True)


def _check_answers(module: CMMD) -> None:
    """Ask the networks about one row: what does not go together fails now, and not later."""
    architecture = module.architecture
    cpu = torch.device("cpu")
    x = torch.zeros(1, architecture.n_observed, dtype=torch.float32, device=cpu)
    with surroundings(cpu, module, 1), torch.inference_mode():
        found = [(module.embed(x).mean, architecture.latent_dim)]
        if module.classifier is not None:
            found.append((module.predict(x).mean, architecture.n_labels))
        if module.decoder is not None:
            found.append((module.reconstruct(x).mean, architecture.n_missing))
    require(all([mean.shape == (1, width) for mean, width in found]), "what the networks say")


def _moments(module: CMMD, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return moments of the optimizer: all three of a parameter, or none."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, parameter in module.named_parameters():
        if f"{name}.step" in arrays:
            shapes |= {f"{name}.{moment}": tuple(parameter.shape) for moment in MOMENTS}
            shapes[f"{name}.step"] = ()
    found = {name: array.shape for name, array in arrays.items() if array.dtype == np.float32}
    require(found == shapes and len(found) == len(arrays), "a moment of the optimizer")
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
