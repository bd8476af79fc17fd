"""What called a fit, as far as the stack tells.

scikit-learn gives a fit no means to know that it is one of many, or which rows are going to be
scored. Some mistakes can be told only by that, and not after hours of training.
"""

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def is_part_of_more() -> bool:
    """Return whether a fit is one of several, as in a search: whether joblib has called it."""
    return any(_module(frame).startswith("joblib.") for frame in _frames())


def rows_to_score() -> tuple[Any, Any]:
    """Return all labels, and the rows to score, if scikit-learn is about to score this fit."""
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score" and _module(frame).startswith("sklearn."):
            return frame.f_locals["y"], frame.f_locals["test"]
    return None, None


def encoders_of_callers() -> Iterator[np.ndarray]:
    """Yield the classes of every meta-estimator of scikit-learn that has called this fit."""
    for frame in _frames():
        name = _module(frame)
        # sklearn.base holds the estimator itself, around its own fit.
        if not name.startswith("sklearn.") or name == "sklearn.base":
            continue
        for value in frame.f_locals.values():
            classes = getattr(value, "classes_", None)
            if isinstance(classes, np.ndarray) and classes.ndim == 1:
                yield classes
