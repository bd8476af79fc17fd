"""load: from a file to the estimator that was saved."""

import os
from collections.abc import Mapping
from typing import Any

from sklearn_cmmd._classifier import CMMDClassifier
from sklearn_cmmd._ensemble import CMMDEnsemble
from sklearn_cmmd._regressor import CMMDRegressor
from sklearn_cmmd._transformer import CMMDTransformer
from sklearn_cmmd.crossfit.saved import RECORDS
from sklearn_cmmd.persistence.model import PLAN
from sklearn_cmmd.persistence.saving import load_as

ESTIMATORS = (CMMDClassifier, CMMDRegressor, CMMDTransformer, CMMDEnsemble)
# A file can name these and nothing else.
KINDS = {kind.__name__: kind for kind in (*ESTIMATORS, *PLAN, *RECORDS)}


def load(
    path: str | os.PathLike[str],
    device: str = "auto",
    networks: Mapping[str, Any] | None = None,
) -> Any:
    """Load an estimator that was saved by its method `save`. No code in the file is run.

    Parameters
    ----------
    path : str or path
        The file.
    device : str, default="auto"
        Where the networks go: "cpu", "cuda" or "cuda:1", which becomes the parameter `device` of
        the estimator. "auto" leaves that as it was; if there is no such device, a `DeviceWarning`
        says that the networks stay on the CPU.
    networks : dict, default=None
        Functions that make networks of your own, by the names of the modalities and as in
        `Modality`, of an estimator that was saved with ``own_networks=True``. They must make the
        networks of the fit, whose weights are then those of the file.

    Returns
    -------
    estimator : CMMDClassifier, CMMDRegressor, CMMDTransformer or CMMDEnsemble
        The fitted estimator.

    Raises
    ------
    ModelFileError
        If the file is none of `save`, is damaged, or is of a later format.
    ValueError
        If networks of your own are needed and not given, or the device is not there.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_cmmd import CMMDClassifier, load
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="zernike", missing="morphological")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    >>> path = tempfile.mkdtemp() + "/digits.safetensors"
    >>> clf.fit(digits.data, digits.target, X_missing=digits.data_missing).save(path)
    >>> loaded = load(path)
    >>> bool((loaded.predict(digits.data) == clf.predict(digits.data)).all())
    True
    """
    return load_as(path, KINDS, device, networks or {})
