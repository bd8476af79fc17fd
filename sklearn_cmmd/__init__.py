"""Supervised multimodal learning with a conditional prior, for scikit-learn."""

from sklearn_cmmd._classifier import CMMDClassifier
from sklearn_cmmd._ensemble import CMMDEnsemble
from sklearn_cmmd._load import load
from sklearn_cmmd._regressor import CMMDRegressor
from sklearn_cmmd._transformer import CMMDTransformer
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.groups import Networks, Objective
from sklearn_cmmd.params import authors_preset
from sklearn_cmmd.persistence.saving import describe

__all__ = [
    "CMMDClassifier",
    "CMMDEnsemble",
    "CMMDRegressor",
    "CMMDTransformer",
    "Modality",
    "Networks",
    "Objective",
    "__version__",
    "authors_preset",
    "describe",
    "load",
]

__version__ = "0.1.0"
