"""What the checks of a model look at: rows, their predictions, and models to compare with."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._ensemble import CMMDEnsemble
from sklearn_cmmd.crossfit.generators import MOST_ROWS, default_regressors, predicted
from sklearn_cmmd.crossfit.temperature import log_odds
from sklearn_cmmd.data.containers import is_mapping
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.exceptions import CMMDWarning
from sklearn_cmmd.inspection._outputs import members_of
from sklearn_cmmd.model_selection import SemiSupervisedSplit
from sklearn_cmmd.networks.distributions import Gaussian

# Draws of so many values in all are kept, and so many rows compared with one another.
MOST_DRAWN, MOST_COMPARED = 20_000_000, 1000


class NotApplicableError(Exception):
    """A check cannot be made of this model, or of these data; says why."""


class Rows(NamedTuple):
    """Rows as a user passes them; y or X_missing may be None."""

    X: Any
    y: Any = None
    X_missing: Any = None

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some of the rows."""
        return Rows(*[_taken(part, rows) for part in self])


def _taken(data: Any, rows: np.ndarray) -> Any:
    if data is None:
        return None
    if is_mapping(data):
        return {key: _taken(part, rows) for key, part in data.items()}
    return _safe_indexing(data, rows)


@dataclass
class Evidence:
    """A fitted model, rows that it has not seen, and the rows that it was trained on, if known.

    `cv` splits the training rows, or without them the others. A model without labels has no `y`.
    """

    estimator: Any
    rows: Rows
    train: Rows | None
    cv: Any
    coverage: float
    random_state: int
    n_jobs: int | None

    def __post_init__(self) -> None:
        self.members: list[BaseCMMD] = members_of(self.estimator)
        if self.estimator._plan.layout.targets is None:
            self.rows = self.rows._replace(y=None)
            self.train = None if self.train is None else self.train._replace(y=None)
        # All of it is checked before anything is computed.
        self.data = self.read(self.rows)
        self.train_data = None if self.train is None else self.read(self.train)

    def read(self, rows: Rows) -> FitData:
        """Check rows against those of the fit."""
        return self.members[0]._read_pairs(*rows)

    @property
    def to_learn_from(self) -> Rows:
        """The rows that other models are fitted to; a NotApplicableError if y is not known."""
        rows = self.rows if self.train is None else self.train
        if rows.y is None:
            raise NotApplicableError("Pass y of the training rows.")
        return rows

    @property
    def is_ensemble(self) -> bool:
        """Whether the model has several members."""
        return isinstance(self.estimator, CMMDEnsemble)

    def need_label(self) -> None:
        """Raise a NotApplicableError unless the model predicts y, which is known."""
        if not (is_classifier(self.estimator) or is_regressor(self.estimator)):
            raise NotApplicableError("The model predicts no y.")
        if self.data.y is None or not self.data.labelled.any():
            raise NotApplicableError("Pass y of the rows.")

    def need_view(self) -> Side:
        """Return the missing side; raise a NotApplicableError unless x_M of the rows is known."""
        side = self.members[0]._plan.layout.missing
        if side is None:
            raise NotApplicableError("The model was fitted without X_missing.")
        if self.data.x_missing is None:
            raise NotApplicableError("Pass X_missing of the rows.")
        return side

    def need_train(self) -> FitData:
        """Return the training rows; raise a NotApplicableError if they were not given."""
        if self.train_data is None:
            raise NotApplicableError("Pass train=(X, y, X_missing), the rows of the fit.")
        return self.train_data

    def need_cv(self) -> None:
        """Raise a NotApplicableError unless x_M itself is to be judged."""
        if self.cv is None:
            raise NotApplicableError("Pass cv=5, which fits model and twin five times each.")

    def some(self, rows: np.ndarray, most: int) -> np.ndarray:
        """Return some row numbers, drawn at random if there are too many."""
        drawn = np.random.default_rng(self.random_state).permutation(rows)[:most]
        return np.sort(drawn)

    @cached_property
    def complete(self) -> np.ndarray:
        """Numbers of the rows that have all missing modalities."""
        self.need_view()
        rows = np.flatnonzero(self.data.present.all(axis=1))
        if len(rows) < 2:
            raise NotApplicableError("Fewer than two rows have all of X_missing.")
        return rows

    def true(self, rows: np.ndarray) -> np.ndarray:
        """Return x_M of some rows, (n, columns), in the units of the data."""
        side, table = self.need_view(), cast(Table, self.data.x_missing)
        return side.read(table, rows)

    def generated(self, rows: np.ndarray, n_draws: int | None = None) -> np.ndarray:
        """Return means or draws of x_M of some rows, columns last, in the units of the data."""
        X = self.rows.take(rows).X
        values, _ = self.estimator._generated(X, n_draws, self.random_state)
        return np.asarray(values)

    @cached_property
    def latent(self) -> list[tuple[Gaussian, Gaussian]]:
        """Posterior and prior of z of the rows, of each member."""
        self.need_view()
        if self.members[0]._plan.architecture.n_label_columns and self.rows.y is None:
            raise NotApplicableError("Pass y of the rows, which the encoder sees.")
        X = self.rows.X
        return [
            (gaussian(*member.posterior(*self.rows)), gaussian(*member.transform(X, True)))
            for member in self.members
        ]

    @cached_property
    def twin(self) -> Any:
        """A model of the same size that was fitted to x_O and y of the training rows alone."""
        self.need_train()
        rows = labelled(self.estimator, self.to_learn_from)
        return fitted_quietly(twin_of(self.estimator), rows)

    def ridge(self, rows: np.ndarray) -> np.ndarray:
        """Return x_M of some rows by ridge regressions on the training rows, standardised."""
        train, side = self.need_train(), self.need_view()
        if train.x_missing is None:
            raise NotApplicableError("Pass X_missing of the training rows.")
        observed = self.members[0]._plan.layout.observed
        x = observed.standardised(self.data.x, rows, np.float64)
        made = np.empty((len(rows), len(side.scale)))
        for modality, has in zip(side.modalities, train.present.T, strict=True):
            learned = self.some(np.flatnonzero(has), MOST_ROWS)
            values = side.standardised(train.x_missing, learned, np.float64)[:, modality.columns]
            regressor = default_regressors(len(learned), values.shape[1], 0)["ridge"]
            regressor.fit(observed.standardised(train.x, learned, np.float64), values)
            made[:, modality.columns] = predicted([regressor], x, modality)[0]
        return made

    def cross_validated(self) -> tuple[float, float]:
        """Return how much better the model's scores are than the twin's, and the error of that.

        It is the mean over the folds, with the standard error of Nadeau and Bengio, which allows
        for training parts that overlap.
        """
        rows = self.to_learn_from
        splits = list(SemiSupervisedSplit(self.cv).split(rows.X, rows.y))
        jobs = [delayed(difference_of_fold)(self.estimator, rows, *split) for split in splits]
        found = np.array(Parallel(self.n_jobs)(jobs))
        ratio = np.mean([len(test) / len(train) for train, test in splits])
        variance = found.var(ddof=1) if len(found) > 1 else np.nan
        return float(found.mean()), float(np.sqrt((1 / len(found) + ratio) * variance))


def gaussian(mean: Any, std: Any) -> Gaussian:
    """Return normal variables of some means and standard deviations."""
    loc, scale = (torch.from_numpy(np.asarray(each, np.float64)) for each in (mean, std))
    return Gaussian(loc, 2 * torch.log(scale))


def twin_of(estimator: Any) -> Any:
    """Return the same prior and head, of the same size and budget, to fit to x_O and y alone."""
    prefix = "estimator__" if isinstance(estimator, CMMDEnsemble) else ""
    alone = {"missing": None, "omega": 0, "lam": 0, "networks__encoder_hidden": ()}
    twin = anew(estimator).set_params(**{prefix + name: value for name, value in alone.items()})
    return twin.set_params(generators=None) if prefix else twin


def anew(estimator: Any) -> Any:
    """Return the estimator before it was fitted; it does not go on from anywhere."""
    prefix = "estimator__" if isinstance(estimator, CMMDEnsemble) else ""
    fresh = {"checkpoint_dir": None, "warm_start": False}
    return clone(estimator).set_params(**{prefix + name: value for name, value in fresh.items()})


def fitted_quietly(estimator: Any, rows: Rows) -> Any:
    """Fit an estimator; what there is to say of the data was said at the first fit."""
    with warnings.catch_warnings():
        for category in (CMMDWarning, DataConversionWarning):
            warnings.simplefilter("ignore", category)
        return estimator.fit(*rows)


def labelled(estimator: Any, rows: Rows) -> Rows:
    """Return X and y of the rows that have a label."""
    kind: Any = members_of(estimator)[0]._kind_of_y
    known = kind.read(rows.y, getattr(estimator, "classes_", None))[1]
    return rows.take(np.flatnonzero(known))._replace(X_missing=None)


def scores(estimator: Any, rows: Rows) -> np.ndarray:
    """Return what the model's predictions of y are worth, row by row; all have a label.

    It is log p(y|x_O) of classes, and minus the squared error of numbers, standardised.
    """
    X, y, _ = rows
    targets: Any = estimator._plan.layout.targets
    data = members_of(estimator)[0]._read_pairs(X, y, None)
    if is_regressor(estimator):
        errors = (np.asarray(estimator.predict(X)) - data.y).reshape(len(data.y), -1)
        return -np.square(errors / targets.scale).mean(axis=1)
    codes = targets.encode(data.y, data.labelled)
    logs = np.asarray(estimator.predict_log_proba(X))
    if targets.multilabel:
        return -np.logaddexp(0, (1 - 2 * codes) * log_odds(logs, multilabel=True)).sum(axis=1)
    return logs[np.arange(len(codes)), codes]


def difference_of_fold(estimator: Any, rows: Rows, train: np.ndarray, test: np.ndarray) -> float:
    """Fit the model and its twin to some rows; return how much better it is on others."""
    part, out = rows.take(train), rows.take(test)
    model = fitted_quietly(anew(estimator), part)
    twin = fitted_quietly(twin_of(estimator), labelled(estimator, part))
    return float((scores(model, out) - scores(twin, out)).mean())
