"""What a fitted estimator says of x_M given x_O, and what z tells of x_M beyond that."""

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd._generative import check_n_samples
from sklearn_cmmd._random import seed_sequence, uniform_streams
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.information import importance_weighted, information, n_drawn


class Information(NamedTuple):
    """Conditional mutual information of x_M and z, in nats."""

    estimate: float
    bound: float


def conditional_log_likelihood(
    estimator: BaseCMMD,
    X: Any,
    X_missing: Any,
    y: Any = None,
    *,
    n_samples: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Log-density of the missing modalities given the observed ones, row by row.

    It is estimated by importance sampling [1]_ from the encoder,

    .. math:: \log p(x_M | x_O) \approx
        \log \frac1K \sum_k p(x_M | x_O, z_k)\, p(z_k | x_O) / q(z_k | x_O, x_M, y),

    which is below the true value on average, and comes the nearer the more draws there are. Where
    the estimate still rises with `n_samples`, it is too low. With likelihoods of different kinds it
    is the sum of log-densities of real values and log-probabilities of classes and counts.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor or CMMDTransformer
        Fitted estimator. Of an ensemble ask each of ``estimators_``, of a pipeline the last step.
    X : as in `fit`, of shape (n, ...)
        The observed modalities.
    X_missing : as in `fit`, of shape (n, ...)
        The missing modalities of the same rows. What a row lacks (NaN) counts nothing.
    y : as in `fit`, default=None
        What is true of the rows. It is no part of the density: an encoder that sees it needs it to
        draw z (`label_in_encoder_`).
    n_samples : int, default=100
        Number K of draws of z for each row.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    ndarray of shape (n,)
        In nats, of densities in the units of `X_missing`; greater is better. NaN where a row has
        none of the missing modalities.

    Raises
    ------
    ValueError, TypeError
        If this is not a single estimator that was fitted with `X_missing`, or the data are not in
        the form of the fit.

    See Also
    --------
    sklearn_cmmd.CMMDTransformer.score : A lower bound with y, for searches.

    References
    ----------
    .. [1] Burda, Grosse, Salakhutdinov. "Importance weighted autoencoders." ICLR (2016).

    Examples
    --------
    >>> from sklearn_cmmd import CMMDTransformer
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.metrics import conditional_log_likelihood
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> X, M = digits.data[::4], digits.data_missing[::4]
    >>> embed = CMMDTransformer(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> embed = embed.fit(X, X_missing=M)
    >>> own = conditional_log_likelihood(embed, X, M, random_state=0)
    >>> others = conditional_log_likelihood(embed, X, M[::-1], random_state=0)
    >>> bool(own.mean() > others.mean())
    True
    """
    pairs = _pairs(estimator, X, X_missing, y, n_samples)
    noise = estimator._latent_noise(n_samples, random_state)

    def compute(module: CMMD, batch: Batch) -> Tensor:
        return importance_weighted(module, batch, noise(batch))

    found = estimator._over_pairs(pairs, compute, n_samples) - estimator._log_units(pairs)
    return np.where(pairs.present.any(axis=1), found, np.nan)


def conditional_mutual_information(
    estimator: BaseCMMD,
    X: Any,
    X_missing: Any,
    y: Any = None,
    *,
    n_samples: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> Information:
    r"""Estimate what z tells of the missing modalities beyond the observed ones, with a bound.

    The encoder's mutual information is bounded from above [1]_ (eq. 2),

    .. math:: I(x_M, z | x_O) \le E\, KL[q(z | x_O, x_M, y) \,\|\, p(z | x_O)].

    A bound of zero is posterior collapse. The estimate takes the encoder's average over x_M and y
    from draws of the model, :math:`x_M^{(k)}, y^{(k)}` for the same x_O,

    .. math:: E_q \log \frac{q(z | x_O, x_M, y)}
        {\frac{1}{K + 1} \sum_{k=0}^K q(z | x_O, x_M^{(k)}, y^{(k)})},

    with k = 0 the row itself. It is right as far as the model's draws are like the data, and never
    above log(K + 1): where it comes near to that, take more draws.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor or CMMDTransformer
        Fitted estimator. Of an ensemble ask each of ``estimators_``, of a pipeline the last step.
    X : as in `fit`, of shape (n, ...)
        The observed modalities.
    X_missing : as in `fit`, of shape (n, ...)
        The missing modalities of the same rows. Rows that have none (NaN) do not count.
    y : as in `fit`, default=None
        What is true of the rows, for an encoder that sees it (`label_in_encoder_`). Then the
        information is that of x_M and y together.
    n_samples : int, default=100
        Number K of draws for each row.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    Information
        A named tuple of two floats, ``estimate`` and ``bound``, in nats.

    Raises
    ------
    ValueError, TypeError
        As for `conditional_log_likelihood`, or if no row has something of the missing modalities.

    See Also
    --------
    posterior_collapse_curve : The same question, dimension by dimension.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).

    Examples
    --------
    >>> from sklearn_cmmd import CMMDTransformer
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.metrics import conditional_mutual_information
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> X, M = digits.data[::4], digits.data_missing[::4]
    >>> embed = CMMDTransformer(omega=0, hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> found = conditional_mutual_information(embed.fit(X, X_missing=M), X, M, random_state=0)
    >>> found.estimate < found.bound
    True
    """
    pairs = _pairs(estimator, X, X_missing, y, n_samples)
    counts = pairs.present.any(axis=1)
    if not counts.any():
        raise ValueError("No row of X_missing has any modality: all values are NaN.")
    of_z, of_draws = seed_sequence(random_state).generate_state(2).tolist()
    noise, (stream,) = estimator._latent_noise(1, of_z), uniform_streams(of_draws, 1)

    def compute(module: CMMD, batch: Batch) -> Tensor:
        shape = batch.n_rows, n_samples, n_drawn(module)
        uniform = torch.from_numpy(stream.random(shape)).clamp_min(2.0**-54).transpose(0, 1)
        return information(module, batch, noise(batch)[0], uniform.to(batch.observed.values.device))

    found = estimator._over_pairs(pairs, compute, n_samples)[counts].mean(axis=0)
    return Information(*found.tolist())


def _pairs(estimator: Any, X: Any, X_missing: Any, y: Any, n_samples: Any) -> FitData:
    check_n_samples(n_samples)
    if not isinstance(estimator, BaseCMMD):
        raise TypeError(
            "estimator must be a fitted CMMDClassifier, CMMDRegressor or CMMDTransformer. Got "
            f"{type(estimator).__name__} instead. Of an ensemble ask each of estimators_, of a "
            "pipeline pipe[-1], with pipe[:-1].transform(X)."
        )
    check_is_fitted(estimator)
    _ = estimator._missing_side  # raises if there is none
    return estimator._read_all(X, y, X_missing)
