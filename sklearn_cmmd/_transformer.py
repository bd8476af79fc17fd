"""CMMDTransformer."""

from typing import Any

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.params import documented


@documented
class CMMDTransformer(BaseCMMD):
    r"""Embedding of some modalities that knows of the others, with or without labels.

    With labels it is the model of `CMMDClassifier`. Without, there is no classifier and the
    encoder :math:`q(z|x_O, x_M)` does not see a label: the first stage of the two that [1]_
    trains on data most of which are unlabelled.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    n_features_in_ : int
        Number of features of `X`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if `X` was a DataFrame whose columns are all strings.
    classes_ : ndarray of shape (n_classes,)
        Class labels, if there were any.
    observed_, missing_ : list of Modality
        The modalities with their columns, and the likelihoods of the missing ones, resolved.
    module_ : torch.nn.Module
        The networks: `prior`, `encoder`, `decoder` and `classifier`.
    device_ : torch.device
        Where they are.
    history_ : dict of str to list of float
        The loss and its terms for each epoch; see `CMMDClassifier`.
    n_iter_, best_epoch_ : int
        Number of epochs run, and the one whose weights were kept.
    best_validation_score_ : float or None
        The held-out loss of that epoch with its sign turned, in nats per row; None without early
        stopping.
    batch_size_, max_epochs_, dropout_, label_smoothing_, label_in_encoder_, early_stopping_
        What these parameters came to in the last fit.

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

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None and X_missing is None:
            raise ValueError(
                "CMMDTransformer learns what X tells of other data: pass X_missing, y, or both."
            )
