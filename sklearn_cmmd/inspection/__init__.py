"""What a fitted model looks at, and whether it is sound: attributions, importances, checks."""

from sklearn_cmmd.inspection._attribution import integrated_gradients
from sklearn_cmmd.inspection._importance import permutation_importance_by_view

__all__ = ["integrated_gradients", "permutation_importance_by_view"]
