"""CMMDEnsemble: estimators that leave out other rows, and what these rows tell."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._averaged import AveragedPredictions
from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._classifier import CMMDClassifier
from sklearn_cmmd._fitting import unchanged_by_errors
from sklearn_cmmd._generative import GenerativeMixin
from sklearn_cmmd._random import seed_sequence, uniform_streams
from sklearn_cmmd.crossfit.errors import check_coverage
from sklearn_cmmd.crossfit.exported import ExportedEnsemble
from sklearn_cmmd.crossfit.folds import asked_rows, checked_groups, fold_of_rows
from sklearn_cmmd.crossfit.generators import LEAST_PAIRS, check_generators, names_of
from sklearn_cmmd.crossfit.members import LeftOut, fit_members, ignore_what_was_said
from sklearn_cmmd.crossfit.mixture import Mixture, drawn_in_turn
from sklearn_cmmd.crossfit.numbers import learned_errors, spread
from sklearn_cmmd.crossfit.saved import SavedEnsemble
from sklearn_cmmd.crossfit.teachers import agreement
from sklearn_cmmd.crossfit.temperature import learned_temperature
from sklearn_cmmd.crossfit.views import learned_views
from sklearn_cmmd.data.alignment import warn_of_another_order
from sklearn_cmmd.data.containers import unwrapped
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.rows import FitData, read_fit_data
from sklearn_cmmd.data.tables import check_row_counts, presence, read_table
from sklearn_cmmd.groups import GroupedParameters
from sklearn_cmmd.plan import Plan


@dataclass(eq=False, repr=False)
class CMMDEnsemble(
    ExportedEnsemble,
    SavedEnsemble,
    AveragedPredictions,
    GenerativeMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    MetaEstimatorMixin,
    GroupedParameters,
):
    r"""Several estimators that leave out other rows each, averaged and calibrated.

    It predicts what its members predict: classes, numbers, or nothing but the missing modalities.

    Networks that begin elsewhere and see other rows make different mistakes. So their mean is
    better than one of them [1]_. Each row is left out by one member. What the members say of the
    rows that they left out, and nothing else, decides three things:

    - how much ridge regression and trees add to the generated view, one weight for each of them
      and each missing modality [2]_;
    - the intervals of the generated view, whose probability holds for new rows that are like those
      of the fit, whatever the networks believe [3]_;
    - a temperature, which makes the probabilities of the classes, or the standard deviations of
      numbers, neither too sure nor too unsure.

    If modalities of `X` are `optional`, some of them are hidden from the rows left out as in
    training. So all of this holds on average over rows that lack some, not for each subset: of rows
    that have all modalities, intervals and standard deviations are too wide.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor or CMMDTransformer, default=None
        Estimator to fit; each member is a clone with its own seed. None stands for
        `CMMDClassifier()`. Its `random_state` is not used, and of a `checkpoint_dir` each member
        has a folder. Early stopping watches the rows that a member leaves out, so that
        `validation_fraction` is not used.
    n_estimators : int, default=5
        Number of members, at least two. Each leaves out one in so many rows.
    generators : "auto", dict or None, default="auto"
        Regressions of `X_missing` on `X` that are mixed into the generated view, beside CMMD: names
        and scikit-learn regressors that take several targets. "auto" stands for a ridge regression
        and extremely randomised trees, on at most 5,000 rows of each fold. None or an empty dict
        leaves CMMD alone. They read standardised columns.
    n_jobs : int, default=None
        Number of members that are fitted at a time, by joblib. None is 1 unless in a
        `joblib.parallel_config` context, -1 is one for each core.
    random_state : int, RandomState instance or None, default=None
        Root of the seeds of the members. An int makes fits repeatable.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members.
    classes_ : ndarray of shape (n_classes,)
        Class labels, or the numbers of the labels of multilabel data, if members know any.
    n_outputs_ : int
        How many numbers `y` has for each row; of an ensemble of regressors.
    folds_ : ndarray of shape (n_rows,)
        Number of the member that left a row out; −1 for the only row of a class.
    temperature_ : float or ndarray of shape (n_outputs,)
        What logarithms of probabilities are divided by, or what standard deviations of numbers are
        multiplied by; below one, members are too unsure. Transformers have none.
    weights_ : dict
        Weights of the generators by name, for each missing modality by its name. They add up to
        one; that of the members is called "cmmd".
    teacher_agreement_ : float or None
        How often two encoders see one class in a row with x_M and no label; None without teaching.
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
    .. [2] Breiman. "Stacked regressions." Machine Learning 24 (1996).
    .. [3] Vovk. "Cross-conformal predictors." Annals of Mathematics and Artificial Intelligence 74
       (2015).

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> X, X_test, M, M_test, y, y_test = train_test_split(
    ...     digits.data, digits.data_missing, digits.target, random_state=0)
    >>> ensemble = CMMDEnsemble(CMMDClassifier(max_epochs=15), n_estimators=3, random_state=0)
    >>> ensemble = ensemble.fit(X, y, X_missing=M)
    >>> ensemble.score(X_test, y_test) > 0.8
    True
    >>> lower, upper = ensemble.generate_intervals(X_test, coverage=0.9)
    >>> bool(0.88 < ((lower <= M_test) & (M_test <= upper)).mean() < 0.92)
    True
    """

    _groups: ClassVar[dict[str, Any]] = {"estimator": CMMDClassifier}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [BaseCMMD, None],
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
        "generators": [StrOptions({"auto"}), Mapping, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    estimator: BaseCMMD | None = None
    n_estimators: int = 5
    generators: str | Mapping[str, Any] | None = field(default="auto", kw_only=True)
    n_jobs: int | None = field(default=None, kw_only=True)
    random_state: int | np.random.RandomState | None = field(default=None, kw_only=True)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Train the members, and learn from the rows that they leave out.

        Parameters
        ----------
        X, y, X_missing, sample_weight
            As for `fit` of the members.
        groups : array-like of shape (n,), default=None
            What rows belong to, such as people or sites: a member leaves out groups whole. Then the
            intervals are for rows of new groups.

        Returns
        -------
        self : CMMDEnsemble
            The fitted ensemble.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As `fit` of the members raises them; also if there are fewer rows or groups than
            members, or `generators` are no regressors.
        """
        self._member()._check_fit(y, X_missing)
        check_generators(self.generators)
        with unchanged_by_errors(self):
            return self._fit(unwrapped(X, "X"), y, X_missing, sample_weight, groups)

    def _fit(self, X: Any, y: Any, X_missing: Any, sample_weight: Any, groups: Any) -> Self:
        """Check everything, fit the members, and take in what they say of rows left out."""
        data = self._data(X, y, X_missing, sample_weight)
        root = seed_sequence(self.random_state)
        own, *of_members = (root.generate_state(self.n_estimators + 1) >> 1).tolist()
        codes = None if groups is None else checked_groups(groups, data.x)
        fold = fold_of_rows(data, self.n_estimators, codes, own)
        generators = self.generators
        pairs = data.present[data.weight > 0].sum(axis=0)
        if generators == "auto" and pairs.min(initial=LEAST_PAIRS) < LEAST_PAIRS:
            generators = None
        asked, given = asked_rows(data, fold, own), (X, y, X_missing, sample_weight)
        members, found = fit_members(
            self._unfitted(of_members), fold, asked, generators, self.n_jobs, given
        )
        self.folds_ = fold
        self.estimators_ = [member.estimator for member in members]
        self.teacher_agreement_ = agreement([each.taught for each in found])
        self._take_over()
        self._calibrate(found, data, codes)
        views = learned_views(members, found, data, codes, own)
        self._mixture, names = Mixture(members, views), names_of(generators)
        self.weights_ = {
            view.modality.name: dict(zip(names, view.weights.tolist(), strict=True))
            for view in views
        }
        return self

    def _calibrate(
        self, found: Sequence[LeftOut], data: FitData, groups: np.ndarray | None
    ) -> None:
        """Learn how sure the members may be of y."""
        for name in ("temperature_", "_errors"):
            self.__dict__.pop(name, None)
        if is_classifier(self):
            self.temperature_ = learned_temperature(found, data, self._targets)
        elif is_regressor(self):
            self._errors = learned_errors(found, data, groups)
            self.temperature_ = spread(self._errors)

    def _data(self, X: Any, y: Any, X_missing: Any, sample_weight: Any) -> FitData:
        """Check the data; the first member says what there is to say of them."""
        with warnings.catch_warnings():
            ignore_what_was_said()
            return read_fit_data(self._member(), X, y, X_missing, sample_weight)

    def _take_over(self) -> None:
        """Say what the members found in the data."""
        for name in ("classes_", "n_outputs_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.estimators_[0], name):
                setattr(self, name, getattr(self.estimators_[0], name))

    @property
    def _targets(self) -> Any:
        return self._plan.layout.targets

    @property
    def _plan(self) -> Plan:  # type: ignore[override]
        return self.estimators_[0]._plan

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

    def generate_intervals(self, X: Any, coverage: float = 0.9) -> tuple[Any, Any]:
        """Generate intervals that hold the missing modalities with a given probability.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        coverage : float, default=0.9
            Probability, between 0 and 1, with which a value lies within its interval; of new rows
            that are like those of the fit, or if `groups` were given, of new groups; with
            `optional` modalities, of rows from which some are hidden as in training.

        Returns
        -------
        lower, upper : ndarray or DataFrame of shape (n, ...), or mapping of these
            In the form and the units of the `X_missing` of the fit. Those of binary values, one-hot
            classes and counts are whole numbers: an interval from 0 to 1 leaves both open.

        Raises
        ------
        ValueError
            If the ensemble was fitted without `X_missing`, coverage is not between 0 and 1, or the
            fit had too few rows for it.
        """
        check_coverage(coverage)
        check_is_fitted(self)
        side, table = self._missing_side, self.estimators_[0]._read(X)
        lower, upper = (
            side.as_given(end.astype(side.dtype_of(table.dtype)), table.index)
            for end in self._mixture.intervals(table, coverage)
        )
        return lower, upper

    def score_pairs(self, X: Any, X_missing: Any) -> np.ndarray:
        """Say how usual each row's missing modalities are for its observed ones.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        X_missing : as in `fit`, of shape (n, ...)
            The missing modalities of the same rows. A row may lack some.

        Returns
        -------
        ndarray of shape (n,)
            Share of the rows of the fit whose two sides went together no better, when they were
            left out. A small one says that the sides may be of different rows: of new rows like
            those of the fit, about a share of p has p or less. NaN where a row has no missing
            modality.

        Raises
        ------
        ValueError
            If the ensemble was fitted without `X_missing`, or the data are not in its form.
        """
        check_is_fitted(self)
        side, table = self._missing_side, self.estimators_[0]._read(X)
        missing = read_table(X_missing, "X_missing", self, gaps=True)
        check_row_counts(table.n_rows, {"X_missing": missing})
        side.check(missing)
        presence(missing, side.modalities)
        warn_of_another_order(table.row_labels | missing.row_labels)
        return self._mixture.usual_shares(table, missing)

    def _generated(self, X: Any, n_samples: int | None, seed: Any) -> tuple[np.ndarray, Any]:
        table = self.estimators_[0]._read(X)
        if n_samples is None:
            values = self._mixture.means(table)
        else:
            values = self._mixture.draws(table, n_samples, seed)
        return values.astype(self._missing_side.dtype_of(table.dtype)), table.index

    def _imputed(self, X: Any, n_samples: int | None, seed: Any) -> tuple[Side, np.ndarray, Any]:
        first, members = self.estimators_[0], self.estimators_
        table = first._read(X)
        if n_samples is None:
            own = np.mean([member._optional_ones(table) for member in members], axis=0)
        else:
            (random,) = uniform_streams(seed, 1)
            own = drawn_in_turn(
                members, lambda each, *share: each._optional_ones(table, *share), n_samples, random
            )
        return first._filled_in(table, own)

    def _one_by_one(self) -> Iterator[Any]:
        """Yield the members. What is wrong with the data is said once, by the first."""
        for number, member in enumerate(self.estimators_):
            with warnings.catch_warnings():
                if number:
                    warnings.simplefilter("ignore")
                yield member

    def _unfitted(self, seeds: Sequence[int]) -> list[BaseCMMD]:
        """Return the members, not yet fitted, each with a seed and a folder of its own."""
        members = [self._member().set_params(random_state=seed) for seed in seeds]
        for number, member in enumerate(members):
            if member.checkpoint_dir is not None:
                if not isinstance(self.random_state, Integral):
                    raise ValueError(
                        "checkpoint_dir of an ensemble needs random_state, an int: without it, the "
                        "next fit has other members."
                    )
                member.checkpoint_dir = Path(member.checkpoint_dir) / f"member-{number}"
        return members

    def _member(self) -> BaseCMMD:
        """Return a new member, not yet fitted."""
        member: BaseCMMD = clone(self.group("estimator"))
        return member

    @property
    def _n_features_out(self) -> int:
        return sum(member._n_features_out for member in self.estimators_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        member = get_tags(self._member())
        for name in ("estimator_type", "input_tags", "target_tags", "transformer_tags"):
            setattr(tags, name, getattr(member, name))
        tags.classifier_tags, tags.regressor_tags = member.classifier_tags, member.regressor_tags
        return tags
