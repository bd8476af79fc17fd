"""check_model: all checks of a fitted model, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_cmmd.crossfit.errors import check_coverage
from sklearn_cmmd.inspection import _checks
from sklearn_cmmd.inspection._checks import Outcome
from sklearn_cmmd.inspection._evidence import Evidence, NotApplicableError, Rows
from sklearn_cmmd.inspection._report import FAILED, NOT_APPLICABLE, PASSED, Check, ModelReport


@dataclass(frozen=True)
class Rule:
    """A check by its function, what it means if it fails, and what to do then."""

    function: Callable[[Evidence], Outcome]
    meaning: str
    remedy: str

    def applied(self, evidence: Evidence) -> Check:
        """Make the check."""
        name = self.function.__name__
        try:
            found = self.function(evidence)
        except NotApplicableError as reason:
            return Check(name, NOT_APPLICABLE, np.nan, str(reason), self.meaning, self.remedy)
        status = PASSED if found.passed else FAILED
        return Check(name, status, found.value, found.figure, self.meaning, self.remedy)


RULES = (
    Rule(
        _checks.prior_collapse,
        "All rows have the same embedding, whatever x_O is.",
        "Train longer or with a higher learning_rate. If that does not help, x_O may tell nothing "
        "of y and x_M.",
    ),
    Rule(
        _checks.posterior_collapse,
        "z holds nothing of y and x_M that x_O does not tell, so that generated views do not vary "
        "with z.",
        "Lower omega, or take Networks(decoder_input='latent'), by which x_M depends on z alone. "
        "If x_M is a function of x_O and noise, nothing is lost.",
    ),
    Rule(
        _checks.prior_posterior_gap,
        "z of new rows comes from the prior, which is far from the posterior. A decoder that was "
        "trained on z of the posterior alone (decode_prior=0) does not know such z.",
        "Raise omega or lam. If you want omega=0, leave objective__decode_prior above zero.",
    ),
    Rule(
        _checks.epoch_budget,
        "Training ended because its epochs were over, while the held-out loss still fell.",
        "Raise max_epochs.",
    ),
    Rule(
        _checks.draws,
        "Draws of the missing view vary too little around the true values.",
        "Take CMMDEnsemble, whose draws come from errors of rows left out, and leave the scale of "
        "modalities to be learned. If it fails too, these rows are unlike those of the fit: if "
        "they belong to groups, fit it with groups=...",
    ),
    Rule(
        _checks.pairs,
        "The two sides of some rows may belong to different rows, or these rows are unlike those "
        "of the fit. No better than chance may also mean that x_O tells nothing of x_M.",
        "Look at the rows that are named, at the order of the tables, and at the keys by which "
        "they were joined.",
    ),
    Rule(
        _checks.twin,
        "The label is predicted worse than by the twin, which never saw x_M.",
        "Predict the label by the twin, the same estimator with omega=0 and lam=0, fitted without "
        "X_missing; or raise alpha.",
    ),
    Rule(
        _checks.ridge,
        "A ridge regression of x_M on x_O has smaller errors than the generated view.",
        "Take CMMDEnsemble, which mixes such a regression in, or the regression itself if means "
        "are all you need.",
    ),
    Rule(
        _checks.worth_measuring,
        "It is not shown that x_M of the training rows helps to predict the label.",
        "Measure x_M if you want it generated. For the label, collect more pairs without a label "
        "if labels are few; else leave x_M out.",
    ),
    Rule(
        _checks.shared_information,
        "Predictions of y from x_M agree with those from x_O no better than x_O agrees with y. "
        "Where that is so, a teacher that sees x_M seldom helps.",
        "Trust worth_measuring more, which tries it out. If both fail, expect no better label from "
        "x_M.",
    ),
)


def check_model(
    estimator: Any,
    X: Any,
    y: Any = None,
    X_missing: Any = None,
    *,
    train: tuple[Any, ...] | None = None,
    cv: Any = None,
    coverage: float = 0.9,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> ModelReport:
    """Check a fitted model for what goes wrong most often.

    With rows that the model was not trained on, these are checked:

    - *prior_collapse*: p(z|x_O) is within 0.1 nats of N(0, I), in every dimension of z and in 99 %
      of the rows;
    - *posterior_collapse*: the same of q(z|x_O, x_M, y) and p(z|x_O) [1]_;
    - *prior_posterior_gap*: in the median row, KL[q, p] is a nat or more for each dimension of z;
    - *epoch_budget*: early stopping was on, but the best epoch is among the last of `max_epochs`;
    - *draws*: intervals from 99 draws hold less than `coverage` by more than five points;
    - *pairs*: of an ensemble, more rows than one in a hundred fit worse than one in a hundred rows
      of the fit (`CMMDEnsemble.score_pairs`); of a single estimator, x_M of a row is no nearer to
      what its own x_O generates than to what those of other rows do. The latter finds tables in
      another order, not a few swapped rows;

    With the training rows, other models are fitted to them and compared with:

    - *twin*: the log-loss of classes, or the squared error of standardised numbers, is more than
      0.01 above that of the same estimator fitted without `X_missing`;
    - *ridge*: the error of the generated view is more than 1 % above that of a ridge regression.

    With `cv`, it is asked whether x_M of the training rows is worth measuring for the label:

    - *worth_measuring*: by cross-validation, the model is not better than its twin;
    - *shared_information*: the classes that a logistic regression predicts from x_M share no more
      information with those that one predicts from x_O than these share with y; of numbers, ridge
      regressions and correlations. It is a crude form of a criterion for distillation [2]_.

    Differences must be larger than two standard errors. So about one check in forty of sound models
    fails by chance. Where all rows have a label, the last two fail as a rule: they say something of
    x_M, not of the model.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor, CMMDTransformer or CMMDEnsemble
        A fitted estimator.
    X : as in `fit`, of shape (n, ...)
        Rows that the estimator was not trained on. Some hundred make the figures precise.
    y : as in `fit`, default=None
        What is true of the rows.
    X_missing : as in `fit`, default=None
        The missing modalities of the rows.
    train : tuple of (X, y) or (X, y, X_missing), default=None
        The rows that the estimator was trained on. The twin takes somewhat less time than the fit
        did, the ridge regression little. None leaves *twin* and *ridge* out.
    cv : int or cross-validation generator, default=None
        Splits of the training rows, or without `train` of `X`. The estimator and its twin are
        fitted anew for each: 5 takes some ten times as long as the fit. None leaves
        *worth_measuring* out.
    coverage : float, default=0.9
        Probability, between 0 and 1, of the intervals that draws are checked by.
    random_state : int, default=0
        Seed of the draws, and of the rows that are taken where there are very many.
    n_jobs : int, default=None
        Number of folds of `cv` that are fitted at a time, by joblib.

    Returns
    -------
    ModelReport
        The checks, each with its figure, what it means and what to do. It prints as a table.

    Raises
    ------
    ValueError, TypeError
        If the estimator is none of this package's, or the data are not in the form of the fit.

    See Also
    --------
    CMMDEnsemble.score_pairs : How usual each row's missing modalities are.
    sklearn_cmmd.metrics.posterior_collapse_curve : Collapse for all thresholds.

    Notes
    -----
    Models to compare with are fitted without `sample_weight`, `groups` and `init_from`, whatever
    the estimator was fitted with. Rows without a label count in checks of x_M alone. Where there
    are very many rows, some are drawn: 1,000 in *pairs*, 5,000 in *ridge*, and in *draws* so many
    that there are 20 million numbers.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).
    .. [2] Xie, Xu, Sanguinetti. "Information-theoretic criteria for knowledge distillation in
       multimodal learning." arXiv 2510.13182 (2025).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.inspection import check_model
    >>> data, target = load_iris(return_X_y=True)
    >>> X, X_test, M, M_test, y, y_test = train_test_split(
    ...     data[:, :2], data[:, 2:], target, random_state=0)
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=40, random_state=0)
    >>> clf = clf.fit(X, y, X_missing=M)
    >>> report = check_model(clf, X_test, y_test, M_test)
    >>> report["epoch_budget"].status
    'not applicable'
    """
    check_coverage(coverage)
    if not isinstance(random_state, Integral):
        raise TypeError(f"random_state must be an int. Got {random_state!r} instead.")
    if train is not None and not (isinstance(train, tuple) and len(train) in (2, 3)):
        raise TypeError(
            "train must be a tuple (X, y, X_missing) of the rows of the fit. Got "
            f"{type(train).__name__} instead."
        )
    learned = None if train is None else Rows(*train)
    rows, seed = Rows(X, y, X_missing), int(random_state)
    evidence = Evidence(estimator, rows, learned, cv, coverage, seed, n_jobs)
    checks = tuple([rule.applied(evidence) for rule in RULES])
    return ModelReport(type(estimator).__name__, checks)
