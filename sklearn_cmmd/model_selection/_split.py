"""Splits of data of which only a part is labelled."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.model_selection._split import GroupsConsumerMixin

from sklearn_cmmd.data.numbers import Numbers, are_numbers
from sklearn_cmmd.data.targets import Classes, Targets


class SemiSupervisedSplit(GroupsConsumerMixin, BaseCrossValidator):
    """Cross-validation on the labelled rows, with all others in every training part.

    Another splitter splits the labelled rows as if there were no others, so that scores are of
    rows whose label is known. The rows without a label are added to every training part.

    Parameters
    ----------
    cv : int, cross-validation generator or iterable, default=5
        How the labelled rows are split, as in `GridSearchCV`: an int is the number of stratified
        folds.

    Notes
    -----
    Groups reach the inner splitter, for the labelled rows. An unlabelled row of a group stays in
    the training part also where the labelled rows of its group are tested: leave such rows out
    where that would give something away.

    Targets of a `CMMDRegressor` are split as numbers if some of them are not whole; of whole
    numbers −1 marks a row without a target, as of classes.

    See Also
    --------
    sklearn_cmmd.CMMDClassifier : Says which rows count as unlabelled.
    sklearn_cmmd.CMMDRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.model_selection import SemiSupervisedSplit
    >>> y = np.array([0, 0, 1, 1, -1, -1])
    >>> for train, test in SemiSupervisedSplit(cv=2).split(np.zeros((6, 1)), y):
    ...     print(train.tolist(), test.tolist())
    [1, 3, 4, 5] [0, 2]
    [0, 2, 4, 5] [1, 3]
    """

    def __init__(self, cv: Any = 5) -> None:
        self.cv = cv

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            The data, of which the number of rows counts.
        y : array-like of shape (n,) or (n, n_labels)
            Labels, of which some rows may have none.
        groups : array-like of shape (n,), default=None
            Groups of rows, for the inner splitter.

        Yields
        ------
        train, test : ndarray of int
            Row numbers, in ascending order those of training.

        Raises
        ------
        ValueError
            If `y` is None or has no label at all, or if the labelled rows of a training part are
            all of one class.
        """
        if y is None:
            raise ValueError("SemiSupervisedSplit splits by the labels: pass y.")
        kind, y, has, of_labelled = _labelled_part(y, groups)
        lacks = np.setdiff1d(np.arange(y.shape[0]), has)
        if isinstance(self.cv, type):
            raise TypeError(f"cv must be a splitter, such as {self.cv.__name__}(). Got the class.")
        inner = check_cv(self.cv, y[has], classifier=kind is Classes)
        for train, test in inner.split(np.zeros(len(has)), y[has], of_labelled):
            if max(np.max(train, initial=0), np.max(test, initial=0)) >= len(has):
                raise ValueError(
                    f"cv splits the {len(has)} labelled rows, numbered from 0 on, but it names row "
                    f"{max(np.max(train), np.max(test))}."
                )
            if len(kind.count(y[has[train]])) == 1:
                raise ValueError(
                    f"The labelled rows of a training part are all of class "
                    f"{y[has[train[:1]]].tolist()[0]!r}. "
                    "Take fewer or stratified folds, or label more rows."
                )
            yield np.sort(np.append(has[train], lacks)), has[test]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : array-like, default=None
            Ignored.
        y : array-like, default=None
            Labels, if the number depends on them.
        groups : array-like, default=None
            Groups, if the number depends on them.

        Returns
        -------
        int
            The number of splits of the labelled rows.
        """
        kind: type[Targets] = Classes
        if y is not None:
            kind, y, has, groups = _labelled_part(y, groups)
            X, y = np.zeros(len(has)), y[has]
        inner = check_cv(self.cv, y, classifier=kind is Classes)
        n_splits: int = inner.get_n_splits(X, y, groups)
        return n_splits


def _labelled_part(y: Any, groups: Any) -> tuple[type[Targets], Any, np.ndarray, np.ndarray | None]:
    """Return what y holds, y itself, the numbers of its rows with a label, and their groups."""
    kind = Numbers if are_numbers(y) else Classes
    y, labelled = kind.read(y)
    has = np.flatnonzero(labelled)
    return kind, y, has, None if groups is None else np.asarray(groups)[has]
