"""What a fit takes y for: classes, to codes and back."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import type_of_target, unique_labels

from sklearn_cmmd.data.labels import check_labels
from sklearn_cmmd.exceptions import UnlabelledRowsWarning


class Targets(ABC):
    """What a fit learned of y, and what it takes y for: classes or numbers."""

    multilabel: bool = False
    # How the warning of rows without a label ends.
    unlabelled: ClassVar[str]

    @staticmethod
    @abstractmethod
    def read(y: Any, classes: Any = None, going_on: bool = False) -> tuple[Any, np.ndarray]:
        """Check y; return it as an array, and which rows have a label.

        `classes` are those that are known before; what is `going_on` after a fit may have none.
        """

    @classmethod
    def warn_of_unlabelled(cls, labelled: np.ndarray) -> None:
        """Say how many rows have no label, if any."""
        if not labelled.all():
            warnings.warn(
                f"{np.sum(~labelled)} of the {len(labelled)} rows of y have no {cls.unlabelled}",
                UnlabelledRowsWarning,
                stacklevel=2,
            )

    @classmethod
    def count(cls, y: Any) -> np.ndarray:
        """Return the numbers of rows of each class; of none, if there are no exclusive classes."""
        codes = cls.codes(y)
        return np.zeros(0, int) if codes is None else np.bincount(codes)

    @staticmethod
    @abstractmethod
    def codes(y: Any) -> np.ndarray | None:
        """Return the classes of rows as numbers from 0 on; None if they are not exclusive."""

    @classmethod
    @abstractmethod
    def learn(cls, y: Any, weight: np.ndarray, classes: Any, partial: bool) -> Self:
        """Learn from labelled rows and their weights.

        `classes` are all that there are, if given; data that are `partial` may lack some.
        """

    @property
    @abstractmethod
    def likelihood(self) -> str:
        """Name of the distribution of y given z."""

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Number of variables of that distribution."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes of an estimator."""

    @abstractmethod
    def encode(self, y: Any, labelled: np.ndarray) -> np.ndarray:
        """Return y as the networks see it; zero where a row is not `labelled`."""

    @abstractmethod
    def decode(self, mean: np.ndarray) -> np.ndarray:
        """Bring means of the distribution to the form of y."""

    @abstractmethod
    def check_known(self, y: Any, caller: str) -> None:
        """Raise a ValueError if labels do not go with those of the first fit."""

    @abstractmethod
    def same_as(self, other: "Targets | None") -> bool:
        """Return whether networks for other targets are networks for these."""

    def after(self, before: "Targets | None") -> Self:
        """Return these targets for networks that were trained with those before."""
        return self


@dataclass(frozen=True, eq=False)
class Classes(Targets):
    """The classes of a fit, sorted, or the numbers of the labels of multilabel data."""

    classes: np.ndarray
    multilabel: bool = False

    unlabelled = (
        "label (-1, NaN, None or NA). They are used without one. If -1 is a class of "
        "yours, rename it."
    )

    @staticmethod
    def read(y: Any, classes: Any = None, going_on: bool = False) -> tuple[Any, np.ndarray]:
        """Check y, which has a label if no classes are known before."""
        return check_labels(y, classes)

    @staticmethod
    def codes(y: Any) -> np.ndarray | None:
        """Return the classes that occur as numbers from 0 on; None if y is an indicator."""
        return np.unique(y, return_inverse=True)[1] if y.ndim == 1 else None

    @classmethod
    def learn(cls, y: Any, weight: np.ndarray, classes: Any, partial: bool) -> Self:
        """Learn the classes; all of them must be among `classes` if these are given."""
        multilabel = type_of_target(y).startswith("multilabel")
        targets = cls(unique_labels(y if classes is None else classes), multilabel)
        if classes is not None:
            targets.check_known(y, "partial_fit")
        counted = y[weight > 0]
        if len(cls.count(counted)) < 2 and not (partial or targets.multilabel):
            raise ValueError(
                "y must have at least two classes among the rows of positive weight. Got the class "
                f"{np.unique(counted).tolist()} alone. -1 marks rows without a label; it is a "
                "class only where the other is 1."
            )
        return targets

    @property
    def likelihood(self) -> str:
        """Name of the distribution of y given z."""
        return "bernoulli" if self.multilabel else "categorical"

    @property
    def n_columns(self) -> int:
        """Number of classes, or of labels."""
        return len(self.classes)

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes of an estimator."""
        return {"classes_": self.classes}

    def same_as(self, other: Targets | None) -> bool:
        """Return whether other labels are the same, in their kind and their order."""
        return (
            isinstance(other, Classes)
            and self.multilabel == other.multilabel
            and np.array_equal(self.classes, other.classes)
        )

    def __str__(self) -> str:
        return f"the labels {self.classes.tolist()}"

    def encode(self, y: Any, labelled: np.ndarray) -> np.ndarray:
        """Return codes (n,) of dtype int64, or an indicator (n, n_classes) of dtype float32.

        They are zero where a row is not `labelled`.
        """
        known = y[labelled]
        if self.multilabel:
            known = (known.toarray() if sp.issparse(known) else known).astype(np.float32)
        else:
            known = np.searchsorted(self.classes, known).astype(np.int64)
        codes = np.zeros((len(labelled), *known.shape[1:]), known.dtype)
        codes[labelled] = known
        return codes

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
