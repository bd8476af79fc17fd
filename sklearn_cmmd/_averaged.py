"""What an ensemble says of y: classes or numbers, as its members predict them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import is_regressor
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._classifier import ClassProbabilities
from sklearn_cmmd._regressor import NumberPredictions
from sklearn_cmmd._report import Facts, Reported, facts_of_ensemble
from sklearn_cmmd.crossfit.errors import Errors, check_coverage
from sklearn_cmmd.crossfit.temperature import log_odds, tempered


def _has(name: str) -> Callable[[Any], bool]:
    """Return whether the members of an ensemble predict so."""
    return lambda ensemble: hasattr(ensemble._predictions, name)


class AveragedPredictions(Reported):
    """Predictions of several estimators together, for an ensemble that yields them one by one."""

    temperature_: Any
    _errors: Errors | None
    _targets: Any

    def _one_by_one(self) -> Iterator[Any]:
        """Yield the members."""
        raise NotImplementedError

    def _facts(self) -> list[Facts]:
        return facts_of_ensemble(self) if hasattr(self, "estimators_") else []

    @property
    def _predictions(self) -> Any:
        """What predicts from `_probabilities` or `_numbers`; None if members predict nothing."""
        kinds = {"classifier": ClassProbabilities, "regressor": NumberPredictions}
        return kinds.get(str(get_tags(self).estimator_type))

    @available_if(_has("predict"))
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict classes or numbers, as the members do.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        return_std : bool, default=False
            Whether to return standard deviations as well; of numbers alone.

        Returns
        -------
        ndarray, or two of them, of shape (n,), (n, n_labels) or (n, n_outputs)
            The most probable classes, or numbers in the form of `y`.
        """
        if return_std and not is_regressor(self):
            raise TypeError("return_std=True is for numbers. Classes have predict_proba.")
        asked = {"return_std": True} if return_std else {}
        return self._predictions.predict(self, X, **asked)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probabilities of the classes: means over the members, at the temperature.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return np.asarray(self._predictions.predict_proba(self, X))

    @available_if(_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithms of `predict_proba`, finite where the probability underflows.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return np.asarray(self._predictions.predict_log_proba(self, X))

    @available_if(_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of classes, or R² of numbers.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        y : as in `fit`
            What is true of the rows.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The greater, the better.
        """
        return float(self._predictions.score(self, X, y, sample_weight))

    @available_if(lambda self: self._predictions is NumberPredictions)
    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Predict intervals that hold numbers with a given probability.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        coverage : float, default=0.9
            Probability, between 0 and 1, with which a number lies within its interval; of new rows
            that are like those of the fit, or if `groups` were given, of new groups; with
            `optional` modalities, of rows from which some are hidden as in training.

        Returns
        -------
        lower, upper : ndarray of shape (n,) or (n, n_outputs)
            In the form and the units of the `y` of the fit.

        Raises
        ------
        ValueError
            If coverage is not between 0 and 1, or the fit had too few rows with a target for it.
        """
        check_coverage(coverage)
        mean, std = self._untempered(X)
        if self._errors is None:
            raise ValueError("No member left out a row with a target. Fit with more of them.")
        bound = self._errors.bound(coverage)
        half = std * (bound[0] if std.ndim == 1 else bound)
        return mean - half, mean + half

    def _numbers(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        mean, std = self._untempered(X)
        factor = self.temperature_[0] if std.ndim == 1 else self.temperature_
        return mean, (std * factor).astype(std.dtype)

    def _untempered(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the members' distributions together."""
        check_is_fitted(self)
        each = [member._numbers(X) for member in self._one_by_one()]
        means, stds = (np.stack(parts) for parts in zip(*each, strict=True))
        return means.mean(axis=0), np.sqrt(np.square(stds).mean(axis=0) + means.var(axis=0))

    def _probabilities(self, X: Any, log: bool) -> np.ndarray:
        check_is_fitted(self)
        each = np.stack([member._probabilities(X, log=True) for member in self._one_by_one()])
        mean = logsumexp(each, axis=0) - np.log(each.dtype.type(len(each)))
        multilabel = self._targets.multilabel
        logs = tempered(log_odds(mean, multilabel), self.temperature_, multilabel)
        return logs if log else np.exp(logs)
