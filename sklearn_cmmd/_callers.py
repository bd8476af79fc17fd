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


def is_called_by(package: str) -> bool:
    """Return whether a function of this package is on the stack."""
    return any(_module(frame).split(".")[0] == package for frame in _frames())


def rows_to_score() -> tuple[Any, Any]:
    """Return all labels, and the rows to score, if scikit-learn is about to score this fit."""
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score" and _module(frame).startswith("sklearn."):
            return frame.f_locals["y"], frame.f_locals["test"]
    return None, None


def is_scored_without(name: str) -> bool:
    """Return whether a search is about to call the estimator's `score` without this argument."""
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score" and _module(frame).startswith("sklearn."):
            params = frame.f_locals.get("score_params") or {}
            by_method = type(frame.f_locals["scorer"]).__name__ == "_PassthroughScorer"
            return by_method and params.get(name) is None
    return False


def tie_of_callers() -> dict[str, Any] | None:
    """Return the parameters that a search is about to refit, if no candidate scored better."""
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score":
            return None
        if _module(frame) == "sklearn.model_selection._search" and "results" in frame.f_locals:
            search, results = frame.f_locals["self"], frame.f_locals["results"]
            metric = search.refit if isinstance(search.refit, str) else "score"
            scores = np.asarray(results.get(f"mean_test_{metric}", ()))
            if len(scores) > 1 and (scores == scores[0]).all():
                return dict(search.best_params_)
    return None


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
