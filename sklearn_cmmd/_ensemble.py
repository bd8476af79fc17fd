"""CMMDEnsemble: several classifiers that differ in their seeds, averaged."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from scipy.special import logsumexp
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._classifier import ClassProbabilities, CMMDClassifier, check_callers
from sklearn_cmmd._generative import GenerativeMixin
from sklearn_cmmd._random import seed_sequence
from sklearn_cmmd.data.targets import Targets
from sklearn_cmmd.exceptions import CMMDWarning, DerailedWarning, ReencodedLabelsWarning
from sklearn_cmmd.groups import GroupedParameters
from sklearn_cmmd.plan import Plan


@dataclass(eq=False, repr=False)
class CMMDEnsemble(
    GenerativeMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassProbabilities,
    TransformerMixin,
    MetaEstimatorMixin,
    GroupedParameters,
):
    r"""Several `CMMDClassifier` that differ in their seeds, averaged.

    Networks that begin elsewhere, see the rows in another order and hold out other rows make
    different mistakes. So their mean is better than one of them, in accuracy, in log-loss and in
    what is generated [1]_.

    Parameters
    ----------
    estimator : CMMDClassifier, default=None
        Classifier to fit; each member is a clone with its own seed. None stands for
        `CMMDClassifier()`. Its `random_state` is not used, and of a `checkpoint_dir` each member
        has a folder.
    n_estimators : int, default=5
        Number of members.
    n_jobs : int, default=None
        Number of members that are fitted at a time, by joblib. None is 1 unless in a
        `joblib.parallel_config` context, -1 is one for each core.
    random_state : int, RandomState instance or None, default=None
        Root of the seeds of the members. An int makes fits repeatable. No global generator is
        touched.

    Attributes
    ----------
    estimators_ : list of CMMDClassifier
        The fitted members.
    classes_ : ndarray of shape (n_classes,)
        Class labels, or the numbers of the labels of multilabel data.
    n_features_in_ : int
        Number of features of `X`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if `X` was a DataFrame whose columns are all strings.

    See Also
    --------
    CMMDClassifier : A single member.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel, Blundell. "Simple and scalable predictive uncertainty
       estimation using deep ensembles." NeurIPS (2017).

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="fourier", missing="pixels")
    >>> X, X_test, M, M_test, y, y_test = train_test_split(
    ...     digits.data, digits.data_missing, digits.target, random_state=0)
    >>> ensemble = CMMDEnsemble(CMMDClassifier(max_epochs=30), n_estimators=3, random_state=0)
    >>> ensemble = ensemble.fit(X, y, X_missing=M)
    >>> ensemble.score(X_test, y_test) > 0.8
    True
    >>> ensemble.generate_missing(X_test).shape
    (500, 240)
    """

    _groups: ClassVar[dict[str, Any]] = {"estimator": CMMDClassifier}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [CMMDClassifier, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    estimator: CMMDClassifier | None = None
    n_estimators: int = 5
    n_jobs: int | None = field(default=None, kw_only=True)
    random_state: int | np.random.RandomState | None = field(default=None, kw_only=True)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, X_missing: Any = None, sample_weight: Any = None) -> Self:
        """Train the members.

        Parameters
        ----------
        X, y, X_missing, sample_weight
            As for `CMMDClassifier.fit`.

        Returns
        -------
        self : CMMDEnsemble
            The fitted ensemble.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As `CMMDClassifier.fit` raises them.
        """
        if y is not None:
            check_callers(y)
        params = {"X_missing": X_missing, "sample_weight": sample_weight}
        run = Parallel(self.n_jobs)
        self.estimators_ = run(
            delayed(_fitted)(member, number == 0, X, y, **params)
            for number, member in enumerate(self._members())
        )
        first = self.estimators_[0]
        self.classes_ = first.classes_
        self.n_features_in_ = first.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(first, "feature_names_in_"):
            self.feature_names_in_ = first.feature_names_in_
        return self

    @property
    def _targets(self) -> Targets:  # type: ignore[override]
        return self.estimators_[0]._targets

    def _probabilities(self, X: Any, log: bool) -> np.ndarray:
        check_is_fitted(self)
        each = np.stack([member._probabilities(X, log) for member in self._one_by_one()])
        if not log:
            return np.asarray(each.mean(axis=0))
        return np.asarray(logsumexp(each, axis=0) - np.log(each.dtype.type(len(each))))

    def transform(self, X: Any) -> np.ndarray:
        """Embed rows: the means of p(z|x_O) of all members, side by side.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n, n_estimators · latent_dim)
            float32 if `X` is float32, else float64. `set_output` changes the container.
        """
        check_is_fitted(self)
        return np.hstack([np.asarray(member.transform(X)) for member in self._one_by_one()])

    def _one_by_one(self) -> Iterator[CMMDClassifier]:
        """Yield the members. What is wrong with the data is said once, by the first."""
        for number, member in enumerate(self.estimators_):
            with warnings.catch_warnings():
                if number:
                    warnings.simplefilter("ignore")
                yield member

    @property
    def _plan(self) -> Plan:  # type: ignore[override]
        return self.estimators_[0]._plan

    def _generated(self, X: Any, n_samples: int | None, seed: Any) -> tuple[np.ndarray, Any]:
        if n_samples is None:
            each = [member._generated(X, None, None) for member in self._one_by_one()]
            return np.mean([values for values, _ in each], axis=0), each[0][1]
        random = np.random.default_rng(seed_sequence(seed))
        n_members = len(self.estimators_)
        # Member by member in a random order, so that few draws are not always of the first.
        of_member = random.permutation(n_members)[np.arange(n_samples) % n_members]
        index, draws = None, []
        for number, member in enumerate(self._one_by_one()):
            n_mine = int(np.sum(of_member == number))
            if n_mine:
                values, index = member._generated(X, n_mine, int(random.integers(2**31)))
                draws.append(values)
        order = np.argsort(np.argsort(of_member, kind="stable"))
        return np.concatenate(draws, axis=1)[:, order], index

    def _members(self) -> list[CMMDClassifier]:
        """Return the members, not yet fitted, each with a seed and a folder of its own."""
        seeds = seed_sequence(self.random_state).generate_state(self.n_estimators) >> 1
        members = [self._member().set_params(random_state=int(seed)) for seed in seeds]
        for number, member in enumerate(members):
            if member.checkpoint_dir is not None:
                member.checkpoint_dir = Path(member.checkpoint_dir) / f"member-{number}"
        return members

    def _member(self) -> CMMDClassifier:
        """Return a new member, not yet fitted."""
        member: CMMDClassifier = clone(self.group("estimator"))
        return member

    @property
    def _n_features_out(self) -> int:
        return sum(member._n_features_out for member in self.estimators_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        member = get_tags(self._member())
        tags.input_tags = member.input_tags
        tags.classifier_tags = member.classifier_tags
        tags.transformer_tags = member.transformer_tags
        return tags


def _fitted(member: CMMDClassifier, is_first: bool, *args: Any, **params: Any) -> CMMDClassifier:
    """Fit a member. What is wrong with the data is said once, by the first."""
    with warnings.catch_warnings():
        # The ensemble has looked at the callers itself.
        warnings.simplefilter("ignore", ReencodedLabelsWarning)
        if not is_first:
            for category in (CMMDWarning, DataConversionWarning):
                warnings.simplefilter("ignore", category)
            warnings.simplefilter("default", DerailedWarning)
        return member.fit(*args, **params)
