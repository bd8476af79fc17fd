"""Supervised multimodal learning with a conditional prior, for scikit-learn."""

from importlib.metadata import version

from sklearn_cmmd._classifier import CMMDClassifier
from sklearn_cmmd._ensemble import CMMDEnsemble
from sklearn_cmmd._parameters import authors_preset
from sklearn_cmmd._transformer import CMMDTransformer
from sklearn_cmmd.modalities import Modality

__all__ = [
    "CMMDClassifier",
    "CMMDEnsemble",
    "CMMDTransformer",
    "Modality",
    "__version__",
    "authors_preset",
]

__version__ = version("sklearn-cmmd")
