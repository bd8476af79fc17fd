"""Modalities: which columns they are, how they are standardised, how they are given back."""

from sklearn_cmmd.modalities.modality import Modality
from sklearn_cmmd.modalities.sets import ModalitySet

__all__ = ["Modality", "ModalitySet"]
