"""Collapse curves: how much of z or of x_M varies at all."""

from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from sklearn_cmmd.data.tables import check_weight


def posterior_collapse_curve(
    loc: Any,
    scale: Any,
    reference: tuple[Any, Any] | None = None,
    *,
    delta: float = 0.01,
    thresholds: Any = None,
    sample_weight: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Share of latent dimensions that tell nothing, by the divergence that counts as nothing.

    A dimension i of normal variables z is collapsed at ε if

    .. math:: Pr(KL[z_i \,\|\, r_i] \le \varepsilon) \ge 1 - \delta

    over the rows, r being what z is compared with [1]_ [2]_:

    - p(z|x_O) against N(0, I): ``posterior_collapse_curve(*clf.transform(X, return_std=True))``. If
      it is collapsed, the embedding does not depend on x_O.
    - p(z|x_O) against q(z|x_O, x_M, y), or the latter against the former, with ``reference=`` the
      second of them. If it is collapsed, z holds nothing of x_M that x_O does not tell.

    Parameters
    ----------
    loc : array-like of shape (n, latent_dim)
        Means of z.
    scale : array-like of shape (n, latent_dim)
        Standard deviations of z.
    reference : tuple of two array-likes of shape (n, latent_dim), default=None
        Means and standard deviations of r. None stands for N(0, I).
    delta : float, default=0.01
        Share of the rows that may be above ε.
    thresholds : array-like of shape (n_thresholds,), default=None
        Values of ε, in nats. None stands for the paper's, 40 from 0 to 6.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    collapsed : ndarray of shape (n_thresholds,)
        Share of the dimensions that are collapsed at each ε, which never falls.
    thresholds : ndarray of shape (n_thresholds,)
        The values of ε.

    Raises
    ------
    ValueError
        If shapes differ, a deviation is not positive, or delta is not in [0, 1).

    See Also
    --------
    sklearn_cmmd.CMMDClassifier.transform : Means and deviations of p(z|x_O).
    sklearn_cmmd.CMMDClassifier.posterior : Means and deviations of q(z|x_O, x_M, y).
    variance_collapse_curve : The same for the variances of what is generated.

    References
    ----------
    .. [1] Lucas, Tucker, Grosse, Norouzi. "Don't blame the ELBO! A linear VAE perspective on
       posterior collapse." NeurIPS (2019).
    .. [2] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024), figures 3 and 6.

    Examples
    --------
    One of two dimensions is always N(0, 1).

    >>> import numpy as np
    >>> from sklearn_cmmd.metrics import posterior_collapse_curve
    >>> loc = np.array([[0.0, 3.0], [0.0, -2.0]])
    >>> collapsed, _ = posterior_collapse_curve(loc, np.ones((2, 2)), thresholds=[1, 4, 5])
    >>> collapsed
    array([0.5, 0.5, 1. ])
    """
    loc, scale = _moments(loc, scale, "loc", "scale")
    if reference is None:
        reference = np.zeros_like(loc), np.ones_like(scale)
    other, spread = _moments(*reference, "means of reference", "deviations of reference")
    if other.shape != loc.shape:
        raise ValueError(
            f"reference must have the shape of loc, {loc.shape}. Got {other.shape} instead."
        )
    log_ratio = 2 * (np.log(scale) - np.log(spread))
    divergence = 0.5 * (np.expm1(log_ratio) - log_ratio + np.square((loc - other) / spread))
    return _share_within(divergence, delta, thresholds, 6.0, sample_weight)


def variance_collapse_curve(
    variance: Any, *, delta: float = 0.01, thresholds: Any = None, sample_weight: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Share of columns whose variance is small, by what counts as small.

    A column j is below ε if :math:`Pr(\sigma_j^2 \le \varepsilon) \ge 1 - \delta` over the rows
    [1]_. The earlier the curve rises, the surer the model is of what it generates; of two models
    with the same errors the one whose curve rises later has the wider draws.

    Parameters
    ----------
    variance : array-like of shape (n, n_columns)
        Variances of x_M by row and column, in units that columns share: those of
        ``clf.generate_missing(X, return_std=True)`` over those of the columns.
    delta : float, default=0.01
        Share of the rows that may be above ε.
    thresholds : array-like of shape (n_thresholds,), default=None
        Values of ε. None stands for those of the paper's code, 40 from 0 to 0.13.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    collapsed : ndarray of shape (n_thresholds,)
        Share of the columns that are below each ε, which never falls.
    thresholds : ndarray of shape (n_thresholds,)
        The values of ε.

    Raises
    ------
    ValueError
        If a variance is negative, or delta is not in [0, 1).

    See Also
    --------
    posterior_collapse_curve : The same for latent variables.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024), figure 3.

    Examples
    --------
    >>> from sklearn_cmmd.metrics import variance_collapse_curve
    >>> collapsed, _ = variance_collapse_curve([[0.01, 0.2], [0.02, 0.1]], thresholds=[0.02, 0.15])
    >>> collapsed
    array([0.5, 0.5])
    """
    variance = check_array(variance, input_name="variance")
    if (variance < 0).any():
        raise ValueError("variance must not be negative. Square standard deviations first.")
    return _share_within(variance, delta, thresholds, 0.13, sample_weight)


def _moments(loc: Any, scale: Any, *names: str) -> tuple[np.ndarray, np.ndarray]:
    """Check means and standard deviations."""
    loc, scale = (
        check_array(each, dtype=np.float64, input_name=name)
        for each, name in zip((loc, scale), names, strict=True)
    )
    check_consistent_length(loc, scale)
    if loc.shape != scale.shape:
        raise ValueError(f"{names[0]} and {names[1]} differ in shape: {loc.shape}, {scale.shape}.")
    if (scale <= 0).any():
        raise ValueError(f"{names[1]} must be positive. Pass deviations, not their logarithms.")
    return loc, scale


def _share_within(
    values: np.ndarray, delta: float, thresholds: Any, highest: float, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of columns of which all rows but a share of `delta` are within each."""
    if not 0 <= delta < 1:
        raise ValueError(f"delta must be in [0, 1). Got {delta!r} instead.")
    thresholds = np.linspace(0, highest, 40) if thresholds is None else np.asarray(thresholds)
    weight = check_weight(sample_weight, len(values))
    # A share of rows that is a decimal fraction may be off by a rounding error.
    above = [weight @ (values > threshold) for threshold in thresholds]
    collapsed = np.array([(w <= (delta + 1e-12) * weight.sum()).mean() for w in above])
    return collapsed, thresholds
