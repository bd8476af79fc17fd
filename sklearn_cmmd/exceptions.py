"""Warnings and errors of the package, so that each can be told by its class."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AttributionWarning",
    "BatchSizeWarning",
    "CMMDWarning",
    "CodesWarning",
    "CollapsedTeacherWarning",
    "DerailedWarning",
    "DeviceWarning",
    "InterruptedWarning",
    "ModelFileError",
    "ReencodedLabelsWarning",
    "ResumeWarning",
    "RowOrderWarning",
    "SingletonClassWarning",
    "TiedSearchWarning",
    "UnlabelledRowsWarning",
]


class CMMDWarning(UserWarning):
    """Any warning of this package."""


class RowOrderWarning(CMMDWarning):
    """Two tables share row labels, but have them at other positions."""


class UnlabelledRowsWarning(CMMDWarning):
    """Some rows of y have no label; says how many."""


class ReencodedLabelsWarning(CMMDWarning):
    """A meta-estimator may have made the mark of unlabelled rows a class."""


class SingletonClassWarning(CMMDWarning):
    """Classes of a single row can be trained or held out, but not both."""


class CodesWarning(CMMDWarning):
    """Columns of X_missing look like codes of classes, but are taken as Gaussian."""


class BatchSizeWarning(CMMDWarning):
    """A minibatch was asked for that is larger than the data."""


class DerailedWarning(CMMDWarning, ConvergenceWarning):
    """The training loss rose far above that of the first epoch."""


class CollapsedTeacherWarning(CMMDWarning, ConvergenceWarning):
    """What an encoder of few labels teaches has lost most classes; it teaches no more."""


class DeviceWarning(CMMDWarning):
    """A model was loaded whose device is not there."""


class ResumeWarning(CMMDWarning):
    """A fit goes on from a checkpoint; says from which epoch."""


class InterruptedWarning(CMMDWarning):
    """A fit was interrupted; the weights that it had reached are kept."""


class TiedSearchWarning(CMMDWarning):
    """Candidates of a search have one score, and the first of them is refitted."""


class AttributionWarning(CMMDWarning):
    """Contributions do not add up to what they explain, for want of steps."""


class ModelFileError(ValueError):
    """A file is not one that `save` wrote, is damaged, or is of a later format."""
