"""A grid search that trains its candidates together, and splits of partly labelled data."""

from sklearn_cmmd.model_selection._search import StackedGridSearchCV
from sklearn_cmmd.model_selection._split import SemiSupervisedSplit

__all__ = ["SemiSupervisedSplit", "StackedGridSearchCV"]
