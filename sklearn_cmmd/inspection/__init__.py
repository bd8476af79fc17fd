"""What a fitted model looks at, and whether it is sound: attributions, importances, checks."""

from sklearn_cmmd.inspection._attribution import integrated_gradients
from sklearn_cmmd.inspection._check_model import check_model
from sklearn_cmmd.inspection._importance import permutation_importance_by_view
from sklearn_cmmd.inspection._report import Check, ModelReport

__all__ = [
    "Check",
    "ModelReport",
    "check_model",
    "integrated_gradients",
    "permutation_importance_by_view",
]
