"""Data sets with several modalities."""

from sklearn_cmmd.datasets._multiple_features import load_multiple_features

__all__ = ["load_multiple_features"]
