"""Labels in any form that scikit-learn knows, to codes and back."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

__all__ = ["Labels", "check_labels", "check_two_classes"]


class Labels:
    """The classes of a fit.

    Parameters
    ----------
    y : array-like
        Classes, or an indicator matrix for multilabel data.
    classes : array-like, optional
        All classes there are, where `y` is a part of the data.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted classes, or the numbers of the labels.
    multilabel : bool
        Whether each row may have several labels.
    """

    def __init__(self, y: Any, classes: Any = None) -> None:
        self.multilabel = type_of_target(y).startswith("multilabel")
        self.classes = unique_labels(y if classes is None else classes)

    def same_as(self, other: "Labels | None") -> bool:
        """Return whether other labels are the same, in their kind and their order."""
        return (
            other is not None
            and self.multilabel == other.multilabel
            and np.array_equal(self.classes, other.classes)
        )

    @property
    def likelihood(self) -> str:
        """Name of the distribution of y given z."""
        return "bernoulli" if self.multilabel else "categorical"

    def encode(self, y: Any) -> np.ndarray:
        """Return codes (n,) of dtype int64, or an indicator (n, n_classes) of dtype float32."""
        if self.multilabel:
            dense = y.toarray() if sp.issparse(y) else np.asarray(y)
            return dense.astype(np.float32)
        encoder = LabelEncoder()
        encoder.classes_ = self.classes
        return encoder.transform(y).astype(np.int64)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable class, or an indicator of the labels above one half."""
        if self.multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes[probabilities.argmax(axis=1)]

    def check_known(self, y: Any, caller: str) -> None:
        """Raise a ValueError if the classes of y are not those of the first fit.

        For "warm_start" they must be the same, for "partial_fit" among them.
        """
        if type_of_target(y).startswith("multilabel") != self.multilabel:
            raise ValueError("y changed between classes and a multilabel indicator.")
        if self.multilabel and y.shape[1] != len(self.classes):
            raise ValueError(
                f"y has {y.shape[1]} columns, but there are {len(self.classes)} classes: "
                f"{self.classes}. An indicator has a column for each."
            )
        found = unique_labels(y)
        if caller == "warm_start" and not np.array_equal(found, self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes}, `y` has {found}."
            )
        if len(np.setdiff1d(found, self.classes)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes}. "
                f"'y' has {found}."
            )


def check_labels(y: Any) -> Any:
    """Check y and return it as a 1-D array of classes or a 2-D indicator.

    Raises
    ------
    ValueError
        If y is continuous, has missing values, or is not 1-D or an indicator.
    """
    y = check_array(
        y, accept_sparse="csr", ensure_2d=False, allow_nd=True, dtype=None, input_name="y"
    )
    if y.ndim > 2:
        raise ValueError(
            "y must have one label for each row, or an indicator matrix. Got an array of shape "
            f"{y.shape} instead; missing modalities are passed by name, as X_missing=..."
        )
    if y.ndim == 1 or y.shape[1] == 1:
        y = column_or_1d(y.toarray() if sp.issparse(y) else y, warn=True)
    if type_of_target(y).endswith("multioutput"):
        raise ValueError(
            "y has several columns that are not 0 or 1. Several labels a row are given as an "
            "indicator matrix, see sklearn.preprocessing.MultiLabelBinarizer; missing modalities "
            "are passed by name, as X_missing=..."
        )
    check_classification_targets(y)
    return y


def check_two_classes(y: Any, weight: np.ndarray | None, labels: Labels) -> None:
    """Raise a ValueError if the rows of positive weight have one class only."""
    if labels.multilabel:
        return
    present = np.unique(y if weight is None else y[weight > 0])
    if len(present) < 2:
        raise ValueError(
            f"y must have at least two classes among the rows of positive weight. Got the class "
            f"{present.tolist()} alone."
        )
