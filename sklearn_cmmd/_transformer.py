"""CMMDTransformer."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._callers import is_scored_without
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.groups import parameters
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.bound import lower_bound
from sklearn_cmmd.params import CLASS_CONSTRAINTS, ClassWeight, documented

N_DRAWS = 10
NOTHING_TO_SCORE = (
    "score compares a model with y, X_missing or both, and got no row of either. Pass score(X, "
    "X_missing=...). In a search, X_missing reaches score where metadata routing is on: write "
    "'with sklearn.config_context(enable_metadata_routing=True):' around it."
)


@documented
@parameters
class CMMDTransformer(BaseCMMD):
    r"""Embedding of some modalities that knows of the others, with or without labels.

    With labels it is the model of `CMMDClassifier`. Without, there is no classifier and the
    encoder :math:`q(z|x_O, x_M)` does not see a label: the first stage of the two that [1]_
    trains on data most of which are unlabelled.

    Parameters
    ----------
    {parameters}
    {class_weight}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, if there were any.
    {attributes}

    See Also
    --------
    CMMDClassifier : The same model, with predictions of the label.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).
       https://doi.org/10.1016/j.neunet.2023.10.048

    Examples
    --------
    >>> from sklearn_cmmd import CMMDTransformer
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="zernike", missing="profiles")
    >>> embed = CMMDTransformer(latent_dim=8, max_epochs=5, random_state=0)
    >>> embed.fit_transform(digits.data, X_missing=digits.data_missing).shape
    (2000, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CLASS_CONSTRAINTS
    __metadata_request__score: ClassVar[dict[str, bool]] = {"X_missing": True}

    class_weight: ClassWeight = None

    def score(
        self, X: Any, y: Any = None, X_missing: Any = None, sample_weight: Any = None
    ) -> float:
        r"""Return a lower bound of the mean of log p(x_M, y | x_O), to compare models by.

        It is estimated from ten draws of z, the same ones at every call:

        .. math:: E_q[\log p(x_M | x_O, z) + \log p(y | z)]
            - \mathrm{KL}[q(z | x_O, x_M, y) \,\|\, p(z | x_O)].

        With `y` alone it is a bound of log p(y | x_O), with z drawn from the prior. So is the part
        of a row that has no x_M.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        y : as in `fit`, default=None
            The labels. They are ignored if the estimator was fitted without any.
        X_missing : as in `fit`, default=None
            The missing modalities. A search passes them on to `score` where metadata routing is on,
            ``sklearn.config_context(enable_metadata_routing=True)``.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            In nats per row, of densities in the units of `X_missing`; greater is better.

        Raises
        ------
        ValueError
            If there is nothing to compare with.
        """
        check_is_fitted(self)
        y = None if self._plan.layout.targets is None else y
        if y is None and X_missing is None:
            raise ValueError(NOTHING_TO_SCORE)
        data = self._read_pairs(X, y, X_missing, sample_weight)
        if not data.counts.pairs and y is None:
            raise ValueError(NOTHING_TO_SCORE)
        noise = self._latent_noise(N_DRAWS, 0)

        def bound(module: CMMD, batch: Batch) -> Tensor:
            return lower_bound(module, batch, noise(batch))

        counts = data.weight > 0
        bounds = self._over_pairs(data, bound, N_DRAWS) - self._log_units(data)[counts]
        return float(np.average(bounds, weights=data.weight[counts]))

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None and X_missing is None and self.optional is None:
            raise ValueError(
                "CMMDTransformer learns what X tells of other data: pass X_missing, y, or both, or "
                "name modalities of X that are to tell of each other, optional='all'."
            )
        if y is None and is_scored_without("X_missing"):
            raise ValueError(NOTHING_TO_SCORE)
