"""A grid search that trains its candidates together."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import product
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params
from tqdm.auto import tqdm

from sklearn_cmmd._classifier import CMMDClassifier
from sklearn_cmmd._continuation import prefitted
from sklearn_cmmd._device import resolve_device
from sklearn_cmmd._stacks import (
    Fit,
    FixedSplits,
    cut,
    divided_threads,
    fit_alone,
    prepared,
    shared_loader,
    statement,
    train_stack,
)
from sklearn_cmmd._transformer import CMMDTransformer
from sklearn_cmmd.model_selection._split import check_scored_rows
from sklearn_cmmd.training.stacked import stack_key

__all__ = ["StackedGridSearchCV"]


class StackedGridSearchCV(GridSearchCV):
    """Grid search that trains all candidates on all folds in one program.

    The search of scikit-learn's `GridSearchCV`, with its parameters, attributes and results, for
    `CMMDClassifier` and `CMMDTransformer`. Fits whose networks have the same shapes are trained
    as one stack of models, in which every operation works on all of them at once: ω, λ, α,
    learning rate, weight decay, dropout, `decode_prior` (if above 0 in all), `random_state` and
    everything about early stopping may differ within a stack. Each model is what its own `fit`
    makes, up to the rounding of the arithmetic.

    What cannot be stacked is fitted one by one in the same search, by `n_jobs` processes:
    estimators with callbacks, those with networks of the user's, and on a CPU large networks,
    whose time is in the matrix products, so that a stack would only outgrow the cache. An
    estimator inside a `Pipeline` is searched as by `GridSearchCV`, since its steps are fitted for
    every fold; put the scaling before the search, or leave it to the estimator, which scales
    within the fold.

    Parameters
    ----------
    estimator : CMMDClassifier or CMMDTransformer
        The estimator; any other is searched as by `GridSearchCV`.
    param_grid : dict of str to sequence, or sequence of such
        Parameters and the values to try.
    scoring : str, callable, list, tuple or dict, default=None
        How held-out rows are scored; None is the estimator's `score`.
    n_jobs : int, default=None
        Number of threads with a stack each, among which the CPU's cores are divided, and of
        processes for what cannot be stacked. None is 1, -1 is one for each core. Several threads
        are faster than one that uses all cores.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all rows, and by which score.
    cv : int, cross-validation generator or iterable, default=None
        How the rows are split. Rows without a label want `SemiSupervisedSplit`.
    verbose : int, default=0
        From 1 on, says how many models are trained together and in how much memory, and shows one
        progress bar over the epochs of all.
    pre_dispatch : int or str, default="2*n_jobs"
        For what is searched as by `GridSearchCV`.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=False
        Whether to score the training rows too.
    devices : list of str, default=None
        Devices that share the folds, such as `["cuda:0", "cuda:1"]`. None leaves all to the
        estimator's `device`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As of `GridSearchCV`. Fit times are equal shares of the time that a stack took.
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_
        As of `GridSearchCV`.
    stack_sizes_ : list of int
        Numbers of models that were trained together. Empty if there was nothing to stack.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : The same search, fit after fit.

    Notes
    -----
    As many models are stacked as fit into half of the memory that is free on the device when the
    search begins; on a CPU fewer, so that a step stays near its cache. The rows of a fold are held
    once for all candidates.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.model_selection import StackedGridSearchCV
    >>> digits = load_multiple_features(observed="zernike", missing="morphological")
    >>> search = StackedGridSearchCV(
    ...     CMMDClassifier(max_epochs=3, random_state=0), {"omega": [0, 0.5, 1]}, cv=2)
    >>> search = search.fit(digits.data, digits.target, X_missing=digits.data_missing)
    >>> search.stack_sizes_
    [6]
    >>> search.best_estimator_.generate_missing(digits.data).shape
    (2000, 6)
    """

    _parameter_constraints = GridSearchCV._parameter_constraints | {"devices": [list, tuple, None]}

    cv: Any
    n_jobs: Any
    _splits: FixedSplits

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        devices: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.devices = devices

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train all candidates on all folds, score them, and fit the best on all rows.

        Parameters
        ----------
        X : as the estimator's, of shape (n, ...)
            The observed modalities.
        y : array-like of shape (n,) or (n, n_labels), default=None
            Labels.
        **params : dict
            What the estimator's `fit` takes, such as `X_missing` and `sample_weight`, and
            `groups` for the splitter.

        Returns
        -------
        self : StackedGridSearchCV
            The fitted search.

        Raises
        ------
        ValueError, TypeError
            As `GridSearchCV` and the estimator raise them, and if a row to score has no label.
        """
        self._fits: list[Fit] = []
        self.stack_sizes_: list[int] = []
        if type(self.estimator) not in (CMMDClassifier, CMMDTransformer):
            return super().fit(X, y, **params)
        self._validate_params()
        self._get_scorers()
        for device in self.devices or ():
            resolve_device(device)
        cv, n_jobs = self.cv, self.n_jobs
        try:
            if self._train(X, y, params):
                # One after the other, in the order in which they were trained.
                self.n_jobs = 1
            self.cv = self._splits
            begun = [fit for fit in self._fits if not fit.refused]
            with prefitted([fit.estimator if fit.fitted else None for fit in begun]):
                super().fit(X, y, **params)
        finally:
            self.cv, self.n_jobs = cv, n_jobs
            for name in ("_fits", "_splits"):
                self.__dict__.pop(name, None)
        return self

    def _train(self, X: Any, y: Any, params: dict[str, Any]) -> bool:
        """Train every candidate on every fold, in scikit-learn's order.

        Returns
        -------
        bool
            False if there was nothing to stack, so that all is left to scikit-learn.
        """
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self._splits = FixedSplits(cv, X, y, routed.splitter.split)
        check_scored_rows(y, [test for _, test in self._splits.splits])
        candidates = list(ParameterGrid(self.param_grid))
        by_fold = [
            self._prepare_fold(X, y, routed.estimator.fit, number, candidates)
            for number in range(self._splits.get_n_splits())
        ]
        pairs = product(range(len(candidates)), by_fold)
        self._fits = [fold[candidate] for candidate, fold in pairs]
        alone = [fit for fit in self._fits if fit.job is None]
        if len(alone) == len(self._fits):
            self._fits = []
            return False
        self._train_stacks([fit for fit in self._fits if fit.job is not None])
        self._train_alone(alone, X, y, routed.estimator.fit)
        return True

    def _prepare_fold(
        self, X: Any, y: Any, params: dict[str, Any], number: int, candidates: list[dict[str, Any]]
    ) -> list[Fit]:
        """Prepare the fits of one fold, whose rows all candidates share."""
        train, _ = self._splits.splits[number]
        X_train, y_train = _safe_split(self.estimator, X, y, train)
        params = _check_method_params(X, params=params, indices=train)
        load = shared_loader()
        fits = []
        for candidate in candidates:
            estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
            if self.devices is not None:
                estimator.set_params(device=self.devices[number % len(self.devices)])
            fits.append(prepared(estimator, train, X_train, y_train, params, load))
        return fits

    def _train_stacks(self, fits: list[Fit]) -> None:
        """Train the fits that can be stacked, as many together as the memory allows."""
        groups: dict[Hashable, list[Fit]] = defaultdict(list)
        for fit in fits:
            assert fit.job is not None
            groups[stack_key(fit.job)].append(fit)
        n_devices = len({fit.estimator.device_ for fit in fits})
        n_threads = max(effective_n_jobs(self.n_jobs), n_devices)
        stacks = [part for group in groups.values() for part in cut(group, n_threads)]
        self.stack_sizes_ = [len(stack) for stack in stacks]
        if self.verbose and stacks:
            print(statement(stacks))
        total = sum(fit.job.settings.max_epochs for fit in fits if fit.job)
        with (
            tqdm(total=total, desc="stacked", unit="epoch", disable=not self.verbose) as bar,
            divided_threads(n_threads) as n_inner,
        ):
            run = Parallel(n_threads, backend="threading")
            run(delayed(train_stack)(stack, n_inner, bar.update) for stack in stacks)

    def _train_alone(self, fits: list[Fit], X: Any, y: Any, params: dict[str, Any]) -> None:
        """Fit one by one what cannot be stacked."""
        run = Parallel(self.n_jobs, pre_dispatch=self.pre_dispatch)
        results = run(delayed(fit_alone)(fit.estimator, X, y, params, fit.train) for fit in fits)
        for fit, (estimator, seconds) in zip(fits, results, strict=True):
            fit.fitted, fit.seconds = estimator is not None, seconds
            fit.estimator = estimator or fit.estimator

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None
    ) -> Any:
        """Add the time of the training, which scikit-learn did not see."""
        for result, fit in zip(out, self._fits, strict=False):
            result["fit_time"] += fit.seconds
        return super()._format_results(candidate_params, n_splits, out, more_results)
