"""Labels in any form that scikit-learn knows, to codes and back; and rows that have none.

A row without a label has a −1 among classes (in scikit-learn's convention), or None or NaN in an
array of objects, and −1 in every column of an indicator. Where −1 and only one other number occur,
they are two classes.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

__all__ = ["Labels", "check_labels", "check_two_classes", "unlabelled_rows"]

UNLABELLED = -1


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

    def encode(self, y: Any, labelled: np.ndarray | None = None) -> np.ndarray:
        """Return codes (n,) of dtype int64, or an indicator (n, n_classes) of dtype float32.

        They are zero where a row is not `labelled`.
        """
        if labelled is not None:
            known = self.encode(y[labelled])
            codes = np.zeros((len(y), *known.shape[1:]), known.dtype)
            codes[labelled] = known
            return codes
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
        if not y.shape[0]:
            return
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


def check_labels(y: Any, classes: Any = None) -> tuple[Any, np.ndarray | None]:
    """Check y.

    Parameters
    ----------
    y : array-like
        Classes, or an indicator matrix for multilabel data.
    classes : array-like, optional
        The classes, where they are known before.

    Returns
    -------
    y : array
        A 1-D array of classes or a 2-D indicator.
    labelled : ndarray of bool of shape (n,), or None
        Which rows have a label; None if all have.

    Raises
    ------
    ValueError
        If y is continuous, has missing numbers, is not 1-D or an indicator, or has no label at all.
    """
    y = _with_marks(y)
    is_object = not sp.issparse(y) and np.asarray(y).dtype.kind == "O"
    try:
        y = check_array(
            y,
            accept_sparse="csr",
            ensure_2d=False,
            allow_nd=True,
            dtype=None,
            ensure_all_finite="allow-nan" if is_object else True,
            input_name="y",
        )
    except ValueError as error:
        if "NaN" not in str(error):
            raise
        raise ValueError(f"{error}\nA row without a label has -1 in y instead.") from error
    if y.ndim > 2:
        raise ValueError(
            "y must have one label for each row, or an indicator matrix. Got an array of shape "
            f"{y.shape} instead; missing modalities are passed by name, as X_missing=..."
        )
    if y.ndim == 1 or y.shape[1] == 1:
        y = column_or_1d(y.toarray() if sp.issparse(y) else y, warn=True)
    unlabelled = unlabelled_rows(y, classes)
    if unlabelled is not None and unlabelled.all() and classes is None:
        raise ValueError(
            "y has no label: every row is marked as unlabelled. A classifier learns from at least "
            "two classes; to learn without labels, use CMMDTransformer."
        )
    known = y if unlabelled is None else y[~unlabelled]
    if known.shape[0]:
        _check_targets(known)
    return y, None if unlabelled is None else ~unlabelled


def _with_marks(y: Any) -> Any:
    """Keep NaN and -1 in a list of strings from being made strings."""
    if not isinstance(y, (list, tuple)) or np.asarray(y).dtype.kind != "U":
        return y
    others = [v for v in y if not isinstance(v, str)]
    are_marks = others and all(is_scalar_nan(v) or v == UNLABELLED for v in others)
    return np.array(y, dtype=object) if are_marks else y


def _check_targets(y: Any) -> None:
    if type_of_target(y).endswith("multioutput"):
        raise ValueError(
            "y has several columns that are not 0 or 1. Several labels a row are given as an "
            "indicator matrix, see sklearn.preprocessing.MultiLabelBinarizer, in which a row of -1 "
            "has none; missing modalities are passed by name, as X_missing=..."
        )
    check_classification_targets(y)


def unlabelled_rows(y: Any, classes: Any = None) -> np.ndarray | None:
    """Return which rows have no label, or None if all have.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_labels)
        Classes, or an indicator matrix.
    classes : array-like, optional
        The classes, where they are known before. If -1 is among them, it marks nothing.
    """
    if sp.issparse(y) or y.ndim > 2:
        return None
    if y.ndim == 2:
        mask = np.all(y == UNLABELLED, axis=1)
    elif y.dtype == object:
        mask = np.array([v is None or is_pandas_na(v) or is_scalar_nan(v) for v in y], bool)
        mask[~mask] = _marked(y[~mask], classes)
    elif y.dtype.kind in "iuf":
        mask = _marked(y, classes)
    else:
        return None
    return mask if mask.any() else None


def _marked(y: np.ndarray, classes: Any) -> np.ndarray:
    """Return where a -1 is no class; of two numbers one of which is -1, both are classes."""
    marked: np.ndarray = np.asarray(y == UNLABELLED, bool)
    others = set(y[~marked].tolist())
    if classes is None:
        is_class = len(others) == 1 and not isinstance(next(iter(others)), str)
    else:
        is_class = UNLABELLED in np.asarray(classes).tolist()
    return np.zeros_like(marked) if is_class else marked


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
