"""The numbers that a fitted model computes from x_O, one at a time: by method and target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._ensemble import CMMDEnsemble
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.numbers import Numbers
from sklearn_cmmd.data.targets import Classes
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Bernoulli, Categorical

METHODS = ("predict_log_proba", "predict_proba", "predict", "transform", "generate_missing")


@dataclass(frozen=True)
class Output:
    """One number a row: `compute` in standardised units, times `unit` in those of the data."""

    compute: Callable[[CMMD, Tensor], Tensor]
    unit: float = 1.0


def members_of(estimator: Any) -> list[BaseCMMD]:
    """Return the fitted estimators that an ensemble holds, or the one that it is.

    Raises
    ------
    TypeError, NotFittedError
        If it is no estimator of this package, or is not fitted.
    """
    if not isinstance(estimator, (BaseCMMD, CMMDEnsemble)):
        raise TypeError(
            "estimator must be a fitted CMMDClassifier, CMMDRegressor, CMMDTransformer or "
            f"CMMDEnsemble. Got {type(estimator).__name__} instead; of a Pipeline pass its last "
            "step, pipe[-1], and X as pipe[:-1].transform(X)."
        )
    check_is_fitted(estimator)
    return estimator.estimators_ if isinstance(estimator, CMMDEnsemble) else [estimator]


def resolve_method(estimator: Any, method: str) -> str:
    """Return the method that "auto" stands for; a ValueError says that the estimator lacks one."""
    if method == "auto":
        method = "predict_log_proba" if is_classifier(estimator) else "predict"
    usable = [name for name in METHODS if _can(estimator, name)]
    if method not in usable:
        raise ValueError(
            f"response_method must be one of {usable} for this {type(estimator).__name__}. Got "
            f"{method!r} instead."
        )
    return method


def _can(estimator: Any, method: str) -> bool:
    if method == "generate_missing":
        return estimator._plan.layout.missing is not None
    # Classes have no gradient, their probabilities have.
    return hasattr(estimator, method) and (method != "predict" or is_regressor(estimator))


def output_of(member: BaseCMMD, method: str, number: int) -> Output:
    """Return the output of a member with a number among those of the method."""

    def of_labels(log: bool) -> Callable[[CMMD, Tensor], Tensor]:
        def compute(module: CMMD, x: Tensor) -> Tensor:
            y = cast(Bernoulli | Categorical, module.predict(x))
            return (y.log_mean() if log else y.mean)[:, number]

        return compute

    layout = member._plan.layout
    if method == "transform":
        return Output(lambda module, x: module.embed(x).mean[:, number])
    if method == "generate_missing":
        unit = float(cast(Side, layout.missing).scale[number])
        return Output(lambda module, x: module.reconstruct(x).mean[:, number], unit)
    if method == "predict":
        unit = float(cast(Numbers, layout.targets).scale[number])
        return Output(lambda module, x: module.predict(x).mean[:, number], unit)
    return Output(of_labels(method == "predict_log_proba"))


def number_of(estimator: Any, method: str, target: Any) -> int | None:
    """Return the number of a target among the outputs; None for the class that is predicted.

    Raises
    ------
    ValueError
        If there is no such target, or it must be named.
    """
    layout = estimator._plan.layout
    if method == "generate_missing":
        return _column(layout.missing, target)
    if method == "transform":
        return _position(target, estimator._n_features_out, "a coordinate of the embedding")
    if method == "predict":
        n_outputs = layout.targets.n_columns
        only = target is None and n_outputs == 1
        return 0 if only else _position(target, n_outputs, "a number of y")
    return _class(layout.targets, target)


def _class(targets: Classes, target: Any) -> int | None:
    if target is None and not targets.multilabel:
        return None
    known = targets.classes.tolist()
    value = target.item() if isinstance(target, np.generic) else target
    if value not in known:
        raise ValueError(f"target must be one of the classes, {known}. Got {target!r} instead.")
    return known.index(value)


def _position(target: Any, n: int, what: str) -> int:
    if not isinstance(target, Integral) or isinstance(target, bool) or int(target) not in range(n):
        raise ValueError(f"target must be {what}, from 0 to {n - 1}. Got {target!r} instead.")
    return int(target)


def _column(side: Side, target: Any) -> int:
    """Return the number of a generated column, named as in X_missing."""
    key, column = "", target
    if "" not in side.widths:
        is_pair = isinstance(target, Sequence) and not isinstance(target, str) and len(target) == 2
        if not is_pair or target[0] not in side.widths:
            raise ValueError(
                f"target must be a pair of a modality of X_missing, one of {list(side.widths)}, "
                f"and a column of it. Got {target!r} instead."
            )
        key, column = target
    keys = list(side.widths)
    start = sum([side.widths[other] for other in keys[: keys.index(key)]])
    return start + _within(side, key, column)


def _within(side: Side, key: str, column: Any) -> int:
    shape, names = side.shapes.get(key), side.column_names.get(key)
    if shape is not None and isinstance(column, tuple):
        try:
            return int(np.ravel_multi_index(column, shape))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"target must be a place in a row of shape {shape}. Got {column!r} instead."
            ) from error
    if names is not None and column in (known := list(names)):
        return known.index(column)
    return _position(column, side.widths[key], "a column of X_missing, by its name or its number")
