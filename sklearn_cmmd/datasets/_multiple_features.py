"""The embedded data set: 2,000 handwritten digits seen in six ways."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from sklearn.utils import Bunch

PACKAGE = "sklearn_cmmd.datasets"
FILE = "multiple_features.npz"
VIEWS = ("fourier", "karhunen_loeve", "profiles", "pixels", "zernike", "morphological")


def load_multiple_features(
    *,
    observed: str | Sequence[str] = "fourier",
    missing: str | Sequence[str] | None = "pixels",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the UCI Multiple Features data: handwritten digits seen in six ways.

    ==============  ====================
    Classes                           10
    Samples                        2,000
    Views                              6
    Dimensionality                   649
    Features        integers or float32
    ==============  ====================

    Parameters
    ----------
    observed : str or sequence of str, default="fourier"
        Views for `data`, out of "fourier", "karhunen_loeve", "profiles", "pixels", "zernike" and
        "morphological". Several are laid side by side.
    missing : str, sequence of str or None, default="pixels"
        Views for `data_missing`. None leaves it out.
    return_X_y : bool, default=False
        Whether to return a tuple instead of a Bunch.
    as_frame : bool, default=False
        Whether to return DataFrames and a Series; needs pandas.

    Returns
    -------
    Bunch, or tuple if `return_X_y`
        The tuple is (data, target), or (data, data_missing, target) unless `missing` is None. The
        Bunch has

        data : ndarray or DataFrame of shape (2000, n_features)
            The observed views.
        data_missing : ndarray or DataFrame of shape (2000, n_missing), or None
            The missing views.
        target : ndarray or Series of shape (2000,)
            The digits.
        feature_names, missing_feature_names : list of str
            Names of the columns.
        target_names : ndarray of shape (10,)
            The ten digits.
        views : dict of str to ndarray or DataFrame
            All six views by name.
        images : ndarray of shape (2000, 16, 15)
            The pixel view as images with values from 0 to 6.
        DESCR : str
            Description, source and licence.

    Raises
    ------
    ValueError
        If a view is unknown or both observed and missing.

    Examples
    --------
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed=["fourier", "zernike"], missing="pixels")
    >>> digits.data.shape, digits.data_missing.shape
    ((2000, 123), (2000, 240))
    >>> digits.feature_names[:2]
    ['fourier_0', 'fourier_1']
    """
    observed_names, missing_names = _names(observed, "observed"), _names(missing, "missing")
    both = set(observed_names) & set(missing_names)
    if both:
        raise ValueError(
            f"Views {sorted(both)} are both observed and missing. Choose one for each; "
            "missing=None leaves out the pixels, which are missing by default."
        )
    views, target = _read()
    images = views["pixels"].reshape(-1, 16, 15)
    columns = {name: [f"{name}_{i}" for i in range(view.shape[1])] for name, view in views.items()}
    data = np.hstack([views[name] for name in observed_names])
    data_missing = np.hstack([views[name] for name in missing_names]) if missing_names else None
    feature_names = [column for name in observed_names for column in columns[name]]
    missing_feature_names = [column for name in missing_names for column in columns[name]]
    if as_frame:
        import pandas as pd

        views = {name: pd.DataFrame(view, columns=columns[name]) for name, view in views.items()}
        data = pd.DataFrame(data, columns=feature_names)
        if missing_names:
            data_missing = pd.DataFrame(data_missing, columns=missing_feature_names)
        target = pd.Series(target, name="digit")
    if return_X_y:
        return (data, data_missing, target) if missing_names else (data, target)
    return Bunch(
        data=data,
        data_missing=data_missing,
        target=target,
        feature_names=feature_names,
        missing_feature_names=missing_feature_names,
        target_names=np.arange(10),
        views=views,
        images=images,
        DESCR=(resources.files(PACKAGE) / "descr" / "multiple_features.rst").read_text("utf-8"),
    )


def _names(views: str | Sequence[str] | None, parameter: str) -> list[str]:
    names = [] if views is None else [views] if isinstance(views, str) else list(views)
    unknown = [name for name in names if name not in VIEWS]
    if unknown or (parameter == "observed" and not names):
        raise ValueError(
            f"{parameter} must name views out of {list(VIEWS)}. Got {views!r} instead."
        )
    return names


def _read() -> tuple[dict[str, Any], Any]:
    path = resources.files(PACKAGE) / "data" / FILE
    with path.open("rb") as file, np.load(file) as archive:
        return {name: archive[name] for name in VIEWS}, archive["target"].astype(np.int64)
