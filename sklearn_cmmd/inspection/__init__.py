"""What a fitted model looks at, and whether it is sound: attributions, importances, checks."""

from sklearn_cmmd.inspection._attribution import integrated_gradients

__all__ = ["integrated_gradients"]
