"""A grid search that trains its candidates together."""

from sklearn_cmmd.model_selection._search import StackedGridSearchCV

__all__ = ["StackedGridSearchCV"]
