"""Figures of what was learned, as Displays in scikit-learn's form. They need matplotlib."""

from sklearn_cmmd.plotting._latent import LatentSpaceDisplay
from sklearn_cmmd.plotting._omega import OmegaCurveDisplay
from sklearn_cmmd.plotting._training import TrainingDisplay

__all__ = [
    "LatentSpaceDisplay",
    "OmegaCurveDisplay",
    "TrainingDisplay",
]
