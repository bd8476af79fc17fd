"""Figures of what was learned, as Displays in scikit-learn's form. They need matplotlib."""

from sklearn_cmmd.plotting._training import TrainingDisplay

__all__ = [
    "TrainingDisplay",
]
