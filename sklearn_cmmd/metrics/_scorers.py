"""Scorers of the generated view, for searches and cross-validation."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from sklearn_cmmd._callers import UNROUTED
from sklearn_cmmd.data.containers import is_mapping
from sklearn_cmmd.metrics._draws import energy_score
from sklearn_cmmd.metrics._errors import missing_rmse
from sklearn_cmmd.metrics._intervals import ends_of_draws, interval_coverage

RESPONSES = ("mean", "draws", "interval")
COVERAGE = 0.9
# Of so many draws, the fifth from either end are the ends of an interval of 90 %.
N_SAMPLES = 99


class GenerationScorer(BaseEstimator):
    """Scorer that compares what a fitted estimator generates with X_missing of the same rows."""

    needs: ClassVar[tuple[str, ...]] = ("X_missing",)
    __metadata_request__score: ClassVar[dict[str, Any]] = {"estimator": UNUSED, "X_missing": True}

    def __init__(
        self,
        metric: Callable[..., float],
        response: str,
        greater_is_better: bool,
        n_samples: int,
        metric_params: dict[str, Any] | None,
    ) -> None:
        self.metric = metric
        self.response = response
        self.greater_is_better = greater_is_better
        self.n_samples = n_samples
        self.metric_params = metric_params

    def __call__(self, estimator: Any, X: Any, y: Any = None, **metadata: Any) -> float:
        return self.score(estimator, X, y, **metadata)

    def score(
        self,
        estimator: Any,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Return the metric, negative if smaller values are better."""
        if X_missing is None:
            raise ValueError(UNROUTED)
        params = dict(self.metric_params or {})
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        value = self.metric(X_missing, *self._made(*generator_of(estimator, X)), **params)
        return float(value if self.greater_is_better else -value)

    def _made(self, estimator: Any, X: Any) -> tuple[Any, ...]:
        if self.response == "mean":
            return (estimator.generate_missing(X),)
        if self.response == "interval" and hasattr(estimator, "generate_intervals"):
            return tuple(estimator.generate_intervals(X, COVERAGE))
        draws = estimator.generate_missing(X, n_samples=self.n_samples, random_state=0)
        return (draws,) if self.response == "draws" else ends_of_draws(draws, COVERAGE)

    def _accept_sample_weight(self) -> bool:
        """Tell a search without metadata routing, which asks, that weights are of use."""
        return True


def make_generation_scorer(
    metric: Callable[..., float],
    *,
    response: str = "mean",
    greater_is_better: bool = False,
    n_samples: int = N_SAMPLES,
    **metric_params: Any,
) -> GenerationScorer:
    """Make a scorer of a metric of the generated view.

    A search passes X_missing of the held-out rows on to the scorer where metadata routing is on.
    The scorer finds the estimator that generates in pipelines and searches.

    Parameters
    ----------
    metric : callable
        ``metric(X_missing, generated)`` that returns a float, such as `missing_rmse` or `crps`.
    response : {"mean", "draws", "interval"}, default="mean"
        What the metric gets after X_missing: what ``generate_missing(X)`` returns; draws; or the
        lower and upper ends of intervals of 90 %, those of ``generate_intervals`` of an ensemble,
        else quantiles of draws.
    greater_is_better : bool, default=False
        Whether the score is the metric itself, or its negative.
    n_samples : int, default=99
        Number of draws, the same ones at every call.
    **metric_params
        Further keywords of the metric, such as ``scale="std"``.

    Returns
    -------
    callable
        ``scorer(estimator, X, y, X_missing=...)``, for ``scoring=``.

    Examples
    --------
    >>> import sklearn
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.metrics import crps, make_generation_scorer
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> X, y, M = digits.data[::8], digits.target[::8], digits.data_missing[::8]
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> scorer = make_generation_scorer(crps, response="draws", scale=M.std(axis=0))
    >>> search = GridSearchCV(clf, {"omega": [0.2, 0.8]}, cv=2, scoring=scorer)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     search = search.fit(X, y, X_missing=M)
    >>> bool(-1 < search.best_score_ < 0)
    True
    """
    if response not in RESPONSES:
        raise ValueError(f"response must be one of {RESPONSES}. Got {response!r} instead.")
    return GenerationScorer(metric, response, greater_is_better, n_samples, metric_params)


def generator_of(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return what generates in an estimator, and its X: through pipelines and fitted searches."""
    if hasattr(estimator, "generate_missing"):
        return estimator, X
    if hasattr(estimator, "best_estimator_"):
        return generator_of(estimator.best_estimator_, X)
    if isinstance(estimator, Pipeline):
        for number, (_, step) in enumerate(estimator.steps):
            if hasattr(step, "generate_missing") or isinstance(step, Pipeline):
                return generator_of(step, estimator[:number].transform(X) if number else X)
    raise TypeError(
        f"{type(estimator).__name__} generates nothing: a scorer of the generated view needs an "
        "estimator of sklearn_cmmd, or a pipeline or search that has one."
    )


def coverage_error(X_missing: Any, lower: Any, upper: Any, sample_weight: Any = None) -> float:
    """Return by how much coverages of columns differ from 90 %, on average."""
    shares = interval_coverage(
        X_missing, lower, upper, sample_weight=sample_weight, multioutput="raw_values"
    )
    parts = shares.values() if is_mapping(shares) else [shares]
    return float(np.mean([np.abs(part - COVERAGE).mean() for part in parts]))


neg_missing_rmse_scorer = make_generation_scorer(missing_rmse, scale="std")
neg_energy_score_scorer = make_generation_scorer(energy_score, response="draws", scale="std")
neg_coverage_error_scorer = make_generation_scorer(coverage_error, response="interval")
