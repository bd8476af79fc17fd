"""Figures of what was learned, as Displays in scikit-learn's form. They need matplotlib."""

from sklearn_cmmd.plotting._collapse import PosteriorCollapseDisplay
from sklearn_cmmd.plotting._draws import DrawCalibrationDisplay
from sklearn_cmmd.plotting._features import GeneratedFeaturesDisplay
from sklearn_cmmd.plotting._images import GeneratedImagesDisplay
from sklearn_cmmd.plotting._intervals import IntervalCalibrationDisplay
from sklearn_cmmd.plotting._latent import LatentSpaceDisplay
from sklearn_cmmd.plotting._omega import OmegaCurveDisplay
from sklearn_cmmd.plotting._training import TrainingDisplay
from sklearn_cmmd.plotting._variance import VarianceDisplay

__all__ = [
    "DrawCalibrationDisplay",
    "GeneratedFeaturesDisplay",
    "GeneratedImagesDisplay",
    "IntervalCalibrationDisplay",
    "LatentSpaceDisplay",
    "OmegaCurveDisplay",
    "PosteriorCollapseDisplay",
    "TrainingDisplay",
    "VarianceDisplay",
]
