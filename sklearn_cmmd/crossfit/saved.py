"""An ensemble as plain values and arrays, and back."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from sklearn.base import is_classifier, is_regressor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.crossfit.errors import Errors, ErrorSizes, ViewErrors
from sklearn_cmmd.crossfit.members import Member
from sklearn_cmmd.crossfit.mixture import Mixture
from sklearn_cmmd.crossfit.regressions import (
    Forest,
    LinearMap,
    OfComponents,
    Regression,
    check_arrays,
)
from sklearn_cmmd.crossfit.views import View
from sklearn_cmmd.groups import GroupedParameters
from sklearn_cmmd.persistence.checks import is_vector, require
from sklearn_cmmd.persistence.reading import Reader
from sklearn_cmmd.persistence.saving import Saveable, record_of, restored
from sklearn_cmmd.persistence.types import is_of
from sklearn_cmmd.persistence.writing import Writer

# What an ensemble learns from rows that its members left out.
RECORDS = (View, ViewErrors, Errors, ErrorSizes, LinearMap, Forest, OfComponents)


class SavedEnsemble(Saveable):
    """Saving of an ensemble."""

    estimator: Any
    estimators_: list[Any]
    folds_: np.ndarray
    weights_: dict[str, dict[str, float]]
    temperature_: Any
    teacher_agreement_: float | None
    _mixture: Mixture
    _errors: Errors | None

    def _take_over(self) -> None:
        raise NotImplementedError

    def _summary(self) -> dict[str, Any]:
        members = [member._summary() for member in self.estimators_]
        return members[0] | {
            "estimator": type(self).__name__,
            "parameters": repr(self),
            "epochs": [member["epochs"] for member in members],
            "weights": sum([member["weights"] for member in members]),
            "generators": self._generator_names,
        }

    @property
    def _generator_names(self) -> list[str]:
        return list(next(iter(self.weights_.values()), {}))

    def _state(self, writer: Writer, at: str) -> dict[str, Any]:
        regressions = [member.regressors for member in self._mixture.members]
        check_arrays(self.weights_, regressions)
        rest = {
            "folds": self.folds_,
            "regressions": regressions,
            "views": self._mixture.views,
            "generators": self._generator_names,
            "temperature": getattr(self, "temperature_", None),
            "errors": getattr(self, "_errors", None),
            "agreement": self.teacher_agreement_,
        }
        members = [
            record_of(member, writer, f"{at}members/{number}/")
            for number, member in enumerate(self.estimators_)
        ]
        written = {name: writer.value(value, f"{at}{name}") for name, value in rest.items()}
        return written | {"members": members}

    def _restore(self, state: Mapping[str, Any], reader: Reader, at: str) -> None:
        rest = {
            name: reader.value(value, f"{at}{name}")
            for name, value in state.items()
            if name != "members"
        }
        template: Any = cast(GroupedParameters, self).group("estimator")
        self.estimators_ = [
            restored(record, reader, f"{at}members/{number}/")
            for number, record in enumerate(state["members"])
        ]
        check_members(self.estimators_, template)
        members = check_regressions(self.estimators_, rest["regressions"])
        check_views(rest["views"], members, rest["folds"])
        agreement = self.teacher_agreement_ = rest.get("agreement")
        require(agreement is None or is_of(agreement, float), "the agreement of the teachers")
        self.folds_, self._mixture = rest["folds"], Mixture(members, rest["views"])
        self.weights_ = {
            view.modality.name: dict(zip(rest["generators"], view.weights.tolist(), strict=True))
            for view in rest["views"]
        }
        self._take_over()
        self._restore_calibration(rest["temperature"], rest["errors"])

    def _restore_calibration(self, temperature: Any, errors: Any) -> None:
        targets = self.estimators_[0]._plan.layout.targets
        if is_regressor(self):
            n_outputs = targets.n_columns
            require(is_vector(temperature, n_outputs), "the temperature")
            if errors is not None:
                check_errors(errors, len(errors.weight), n_outputs)
            self._errors = errors
        if is_classifier(self):
            require(is_of(temperature, float) and temperature > 0, "the temperature")
        if temperature is not None:
            self.temperature_ = temperature

    def _place(self, device: str) -> None:
        template = self.estimator
        if device != "auto" and template is not None:
            template.device = device
        for member in self.estimators_:
            member._place(device)


def check_members(members: list[Any], template: Any) -> None:
    """Raise `Damaged` unless all members are of one kind and see the same columns."""
    require(isinstance(template, BaseCMMD) and members, "the estimator of the members")
    require(all([type(each) is type(template) for each in members]), "a member")
    require(all([_seen(each) == _seen(members[0]) for each in members]), "what a member sees")


def _seen(member: Any) -> list[Any]:
    layout = member._plan.layout
    columns = [
        (side.widths, [(each.name, each.columns.tobytes()) for each in side.modalities])
        for side in (layout.observed, *layout.generated)
    ]
    return [*columns, None if layout.targets is None else layout.targets.n_columns]


def check_regressions(estimators: list[Any], regressions: Any) -> list[Member]:
    """Return members with their regressions, each of which was asked about one row."""
    require(is_of(regressions, list[list[list[Regression]]]), "a regression")
    require(len(regressions) == len(estimators), "the number of regressions")
    layout = estimators[0]._plan.layout
    views = () if layout.missing is None else layout.missing.modalities
    row = np.zeros((1, len(layout.observed.loc) + len(layout.observed.optional)))
    for fits in regressions:
        require(len({len(each) for each in fits}) < 2, "the number of regressions")
        for view, of_view in zip(views, fits, strict=True):
            for each in of_view:
                check_regression(each, row, len(view.columns))
    pairs = zip(estimators, regressions, strict=True)
    return [Member(estimator, fits) for estimator, fits in pairs]


def check_regression(regression: Any, row: np.ndarray, n_columns: int) -> None:
    """Raise `Damaged` unless a regression predicts so many columns from such a row."""
    inner = regression.regression if isinstance(regression, OfComponents) else regression
    if isinstance(inner, Forest):
        _check_forest(inner, row.shape[1])
    require(regression.predict(row).size == n_columns, "what a regression predicts")


def _check_forest(forest: Forest, n_features: int) -> None:
    """Raise `Damaged` unless each way through a tree goes onwards in it, and ends at a leaf."""
    n_nodes, n_trees = forest.left.size, forest.roots.size
    own, children = np.arange(n_nodes), (forest.left, forest.right)
    require(is_vector(forest.roots, n_trees, "i"), "a tree")
    require(is_vector(forest.threshold, n_nodes), "a tree")
    require(all([is_vector(each, n_nodes, "i") for each in (forest.feature, *children)]), "a tree")
    sizes = np.diff(np.append(forest.roots, n_nodes))
    require(n_trees and forest.roots[0] == 0 and sizes.min() > 0, "the first node of a tree")
    ends = np.repeat(np.append(forest.roots[1:], n_nodes), sizes)
    is_leaf = forest.left == own
    require((forest.right[is_leaf] == own[is_leaf]).all(), "a leaf")
    for child in children:
        require(((child > own) | is_leaf).all() and (child < ends).all(), "the way in a tree")
    require(((forest.feature >= 0) & (forest.feature < n_features)).all(), "what a tree asks")
    require(len(forest.values) == is_leaf.sum(), "what leaves predict")


def check_views(views: Any, members: list[Member], folds: Any) -> None:
    """Raise `Damaged` unless views are those of the members, and errors of rows of the fit."""
    require(is_of(views, list[View]) and is_vector(folds, np.size(folds), "i"), "the views")
    layout = members[0].estimator._plan.layout
    modalities = () if layout.missing is None else layout.missing.modalities
    row = np.zeros((1, len(layout.observed.loc) + len(layout.observed.optional)))
    for number, (view, modality) in enumerate(zip(views, modalities, strict=True)):
        n_columns, n_rows = len(modality.columns), len(view.rows)
        require(np.array_equal(view.modality.columns, modality.columns), "the columns of a view")
        require(is_vector(view.weights, 1 + len(members[0].regressors[number])), "a weight")
        require(is_vector(view.scale, n_columns), "a unit of errors")
        require(is_vector(view.rows, n_rows, "i"), "a row of the fit")
        require(((view.rows >= 0) & (view.rows < len(folds))).all(), "a row of the fit")
        if view.errors is not None:
            check_errors(view.errors, n_rows, n_columns)
            sizes = view.errors.sizes
            require(is_vector(view.errors.whole, n_columns, "b"), "whole numbers")
            require(is_vector(sizes.mean, n_columns), "a size of errors")
            if sizes.trees is not None:
                check_regression(sizes.trees, row, n_columns)


def check_errors(errors: Errors, n_rows: int, n_columns: int) -> None:
    """Raise `Damaged` unless errors are of so many rows and columns."""
    require(is_vector(errors.weight, n_rows) and n_rows, "the weights of errors")
    for values in (errors.errors, errors.known):
        require(values.shape == (n_rows, n_columns) and values.dtype.kind == "f", "the errors")
