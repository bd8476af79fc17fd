"""CMMDClassifier."""

import warnings
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._callers import Scored, encoders_of_callers, scored_with
from sklearn_cmmd.data.alignment import labels_of, warn_of_another_order
from sklearn_cmmd.data.labels import UNLABELLED, check_labels
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.data.targets import Classes
from sklearn_cmmd.exceptions import ReencodedLabelsWarning
from sklearn_cmmd.groups import parameters
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Bernoulli, Categorical
from sklearn_cmmd.params import CLASS_CONSTRAINTS, ClassWeight, documented

UNLABELLED_SCORES = (
    "Some rows to score have no label. Score labelled rows only; in a search, split with "
    "cv=sklearn_cmmd.model_selection.SemiSupervisedSplit(...), which keeps the others in every "
    "training part, and leave return_train_score=False."
)


class ClassProbabilities(ClassifierMixin):
    """Predictions of a classifier that has `_probabilities`, and a score of labelled rows."""

    classes_: np.ndarray

    @property
    def _targets(self) -> Classes:
        raise NotImplementedError

    def _probabilities(self, X: Any, log: bool) -> np.ndarray:
        """Return the probabilities of the classes, or their logarithms."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """Predict classes.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n,), or of shape (n, n_labels) for multilabel data
            The most probable class, or 1 for each label of a probability above one half.
        """
        probabilities = self._probabilities(X, log=False)  # raises NotFittedError
        return self._targets.decode(probabilities)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probabilities of the classes, p(y|z) at the mean of p(z|x_O).

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`; of an ensemble the mean over its members. Rows add up to
            one, but for multilabel data. float32 if `X` is float32, else float64.
        """
        return self._probabilities(X, log=False)

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
        return self._probabilities(X, log=True)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; of multilabel data, the share of rows with all labels right.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        y : array-like of shape (n,), or indicator matrix of shape (n, n_labels)
            The true labels.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            A share of the rows.

        Raises
        ------
        ValueError
            If a row has no label.
        """
        check_is_fitted(self)
        if y is None:
            raise ValueError("score compares predictions with y. Got None instead.")
        warn_of_another_order(labels_of(X=X, y=y, sample_weight=sample_weight))
        labels, labelled = check_labels(y, self.classes_)
        if not labelled.all():
            raise ValueError(UNLABELLED_SCORES)
        # By name, since an ensemble of classifiers borrows this method.
        return float(ClassifierMixin.score(self, X, labels, sample_weight))


@documented
@parameters
class CMMDClassifier(ClassProbabilities, BaseCMMD):
    r"""Classifier that learns from several modalities and predicts from some of them.

    Every row of the training data has observed modalities `X`, missing modalities `X_missing` and
    a label `y`. Later, from `X` alone, the classifier predicts the label, embeds the row and
    generates the missing modalities. With latent variables z it fits four networks, the prior
    :math:`p(z|x_O)`, the encoder :math:`q(z|x_O, x_M, y)`, the decoder :math:`p(x_M|x_O, z)` and
    the classifier :math:`p(y|z)`, by maximising [1]_

    .. math:: & E_q[\log p(x_M | x_O, z)] + \alpha \log p(y | z) \\
        & {} - \omega\, \mathrm{KL}[q(z | x_O, x_M, y) \,\|\, p(z | x_O)] \\
        & {} - (1 - \omega) \lambda\, \mathrm{MMD}[q, p],

    with z in :math:`p(y|z)` taken from the prior. At ω = 1 this is the conditional evidence lower
    bound but for that choice; ω < 1 adds (1 − ω) of the conditional mutual information of
    :math:`x_M` and z given :math:`x_O`.

    Parameters
    ----------
    {parameters}
    {class_weight}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, or the numbers of the labels of multilabel data.
    {attributes}

    See Also
    --------
    CMMDRegressor : The same for numbers.
    CMMDTransformer : The embedding and the generation alone, with or without labels.

    Notes
    -----
    Columns are standardised inside, by the statistics of the fit, and training is in float32.
    `partial_fit` and `warm_start` keep the statistics of the first call. Predictions are computed
    in float32 for float32 `X` and otherwise in float64.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).
       https://doi.org/10.1016/j.neunet.2023.10.048

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="fourier", missing="pixels")
    >>> X, X_test, M, M_test, y, y_test = train_test_split(
    ...     digits.data, digits.data_missing, digits.target, random_state=0)
    >>> clf = CMMDClassifier(max_epochs=30, random_state=0).fit(X, y, X_missing=M)
    >>> clf.score(X_test, y_test) > 0.7
    True
    >>> clf.generate_missing(X_test).shape
    (500, 240)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CLASS_CONSTRAINTS
    _watched: ClassVar[str] = "classification"

    class_weight: ClassWeight = None

    @property
    def _targets(self) -> Classes:
        return cast(Classes, self._plan.layout.targets)

    def _probabilities(self, X: Any, log: bool) -> np.ndarray:
        if log:
            return self._said(self._read(X))
        return self._predict(self._read(X), lambda module, x: module.predict(x).mean)

    def _said(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """Return logarithms of the probabilities of the classes, of some rows or of all."""

        def compute(module: CMMD, x: Tensor) -> Tensor:
            return cast(Bernoulli | Categorical, module.predict(x)).log_mean()

        return self._predict(table, compute, rows=rows)

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None. To learn without labels, use CMMDTransformer."
            )
        check_callers(y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_scored(y: Any, scored: Scored) -> None:
    labelled = check_labels(scored.y)[1]
    if not labelled[scored.test].all():
        raise ValueError(UNLABELLED_SCORES)
    known = _safe_indexing(scored.y, scored.test)
    if not scored.by_method and type_of_target(known) == "unknown":
        raise ValueError(
            "y is an array of objects that are numbers, which metrics of scikit-learn do not read. "
            "Make it one of ints, with -1 where a row has no label."
        )
    labels, _ = check_labels(y)
    if labels.ndim == 1 and UNLABELLED in labels.tolist() and not labelled.all():
        raise ValueError(
            "All labelled rows of this training part are of class 1, so that -1 would be the other "
            "class. Split with cv=sklearn_cmmd.model_selection.SemiSupervisedSplit(...)."
        )


def check_callers(y: Any) -> None:
    """Refuse, or warn of, what scikit-learn is about to do with rows that have no label.

    Raises
    ------
    ValueError
        If some of the rows that are going to be scored have no label, if the metric cannot read
        the labels, or if -1 would be a class in this part of the data alone.
    """
    scored = scored_with(y)
    if scored is not None:
        _check_scored(y, scored)
    if not sp.issparse(y):
        values = np.asarray(y, dtype=object).ravel()
        if any([isinstance(value, Real) and value == UNLABELLED for value in values]):
            return
    for classes in encoders_of_callers():
        known = classes.tolist()
        if UNLABELLED in known and known != [UNLABELLED, 1]:
            warnings.warn(
                f"A meta-estimator that called fit takes {UNLABELLED} for one of its classes, "
                f"{known}, so that rows without a label are learned as a class. Leave these rows "
                "out, or fit CMMDClassifier itself.",
                ReencodedLabelsWarning,
                stacklevel=3,
            )
            return
