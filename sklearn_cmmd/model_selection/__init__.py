"""Splits of partly labelled data, for searches."""

from sklearn_cmmd.model_selection._split import SemiSupervisedSplit

__all__ = ["SemiSupervisedSplit"]
