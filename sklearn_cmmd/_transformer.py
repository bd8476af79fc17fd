"""CMMDTransformer."""

from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._callers import is_scored_without
from sklearn_cmmd._inference import PREDICTION_ROWS
from sklearn_cmmd._random import generator
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.rows import read_fit_data
from sklearn_cmmd.groups import parameters
from sklearn_cmmd.objective.bound import lower_bound
from sklearn_cmmd.params import CLASS_CONSTRAINTS, ClassWeight, documented
from sklearn_cmmd.training.surroundings import surroundings

N_DRAWS = 10
NOTHING_TO_SCORE = (
    "score compares a model with y, X_missing or both, and got no row of either. Pass score(X, "
    "X_missing=...). In a search, switch metadata routing on, "
    "sklearn.set_config(enable_metadata_routing=True), and call "
    "set_fit_request(X_missing=True).set_score_request(X_missing=True) of the estimator."
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
            The missing modalities. In a search, scikit-learn passes them on to `score` by metadata
            routing: ``set_score_request(X_missing=True)``.
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
        X = self._opened(X)
        layout = self._plan.layout
        y = None if layout.targets is None else y
        if y is None and X_missing is None:
            raise ValueError(NOTHING_TO_SCORE)
        known = getattr(self, "classes_", None)
        data = read_fit_data(self, X, y, X_missing, sample_weight, layout, "score", known)
        data.check_form(layout, "score")
        if not data.counts.pairs and y is None:
            raise ValueError(NOTHING_TO_SCORE)
        rows = data.rows(layout, self.device_)
        noise = generator(0)
        bounds = []
        with surroundings(self.device_, self.module_, PREDICTION_ROWS), torch.inference_mode():
            for batch in Batches(rows, PREDICTION_ROWS):
                shape = batch.n_rows, N_DRAWS, self._plan.architecture.latent_dim
                drawn = torch.empty(shape, dtype=torch.float32, device="cpu")
                drawn = drawn.normal_(generator=noise).to(self.device_)
                bounds.append(lower_bound(self.module_, batch, drawn.transpose(0, 1)).cpu())
        mean = np.average(torch.cat(bounds).numpy(), weights=data.weight[data.weight > 0])
        if layout.missing is not None and data.x_missing is not None:
            # The density of standardised values is that of the data times their scales.
            logs = [np.log(layout.missing.scale[m.columns]).sum() for m in data.modalities[1]]
            mean -= np.average(data.present @ logs, weights=data.weight)
        return float(mean)

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None and X_missing is None and self.optional is None:
            raise ValueError(
                "CMMDTransformer learns what X tells of other data: pass X_missing, y, or both, or "
                "name modalities of X that are to tell of each other, optional='all'."
            )
        if y is None and is_scored_without("X_missing"):
            raise ValueError(NOTHING_TO_SCORE)
