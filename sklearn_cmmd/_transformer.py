"""CMMDTransformer."""

from typing import Any, Self

from sklearn.base import _fit_context

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.params import documented

__all__ = ["CMMDTransformer"]


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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
        init_from: Any = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix, IndexedArray or mapping, of shape (n, ...)
            The modalities that are always available: a table of shape (n, n_features), or an array
            with more axes, one modality with a shape. A mapping holds one of these for each
            modality; inside cross-validation, wrap it in `skorch.helper.SliceDict`.
        y : array-like of shape (n,), or indicator matrix of shape (n, n_labels), default=None
            Labels, if there are any.
        X_missing : as `X`, default=None
            The modalities that are missing later, NaN in all columns of those that a row lacks. It
            can be left out if there are labels.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows. Only their ratios matter: a weight of two is the row twice.
        init_from : CMMDTransformer or CMMDClassifier, default=None
            A fitted estimator with the same parameters, whose networks are where training starts,
            and whose modalities and scales are taken over. Fitted with the same labels, it gives
            all its weights. Fitted without, it is the first of two stages in which [1]_ learns
            from data of which few are labelled: the classifier and the encoder's weights for the
            labels start at random.

        Returns
        -------
        self : CMMDTransformer
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not valid; before any training.
        FloatingPointError
            If the loss becomes infinite or NaN. The weights of the last good epoch are kept, and
            the estimator is fitted with them.
        """
        self._check_something_to_learn(y, X_missing)
        return self._fit(X, y, X_missing, sample_weight, init_from)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
        classes: Any = None,
    ) -> Self:
        """Train for one epoch on the given rows.

        Parameters
        ----------
        X, y, X_missing, sample_weight
            As for `fit`. The columns are standardised by the statistics of the first call.
        classes : array-like of shape (n_classes,), default=None
            All classes there are, if the first call has labels but not all of them.

        Returns
        -------
        self : CMMDTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            As for `fit`, if `early_stopping=True`, or if `classes` differs from those of the first
            call.
        """
        self._check_something_to_learn(y, X_missing)
        return self._partial_fit(X, y, X_missing, sample_weight, classes)

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        if y is None and X_missing is None:
            raise ValueError(
                "CMMDTransformer learns what X tells of other data: pass X_missing, y, or both."
            )
