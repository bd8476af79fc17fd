"""What called a fit, as far as the stack tells.

scikit-learn gives a fit no means to know that it is one of many, or which rows are going to be
scored. Some mistakes can be told only by that, and not after hours of training.
"""

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn.utils import _safe_indexing

UNROUTED = (
    "The generated view is to be scored, but X_missing of the held-out rows does not reach the "
    "scorer. scikit-learn passes it on where metadata routing is on: write "
    "'with sklearn.config_context(enable_metadata_routing=True):' around the search, and pass "
    "X_missing=... to its fit by this name."
)


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


def _scoring() -> dict[str, Any] | None:
    """Return what scikit-learn knows where it is about to score what it fits now."""
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score" and _module(frame).startswith("sklearn."):
            return frame.f_locals
    return None


def _scorers(scoring: dict[str, Any]) -> list[Any]:
    scorer = scoring["scorer"]
    return list(getattr(scorer, "_scorers", {"score": scorer}).values())


def _by_method(scoring: dict[str, Any]) -> bool:
    """Return whether the estimator's own `score` is what is asked for, alone."""
    return all(type(each).__name__ == "_PassthroughScorer" for each in _scorers(scoring))


class Scored(NamedTuple):
    """All labels of a cross-validation, the rows to score, and whether by the method `score`."""

    y: Any
    test: Any
    by_method: bool


def scored_with(y: Any) -> Scored | None:
    """Return how scikit-learn is about to score a fit to these labels; None if it is not.

    A fit within another estimator's, to labels of its own, is not what is scored.
    """
    scoring = _scoring()
    if scoring is None or scoring["y"] is None:
        return None
    trained = _safe_indexing(scoring["y"], scoring["train"])
    if joblib.hash(trained) != joblib.hash(y):
        return None
    return Scored(scoring["y"], scoring["test"], _by_method(scoring))


def is_scored_without(name: str) -> bool:
    """Return whether a search is about to call the estimator's `score` without this argument."""
    scoring = _scoring()
    if scoring is None:
        return False
    return _by_method(scoring) and _is_absent(name, scoring)


def check_scorers() -> None:
    """Raise a ValueError if a search is about to score the generated view, and passes none on.

    Scorers say by `needs` what they cannot do without.
    """
    scoring = _scoring()
    if scoring is None or not _is_absent("X_missing", scoring):
        return
    if any("X_missing" in getattr(each, "needs", ()) for each in _scorers(scoring)):
        raise ValueError(UNROUTED)


def _is_absent(name: str, scoring: dict[str, Any]) -> bool:
    return (scoring.get("score_params") or {}).get(name) is None


def tie_of_callers() -> dict[str, Any] | None:
    """Return the parameters that a search is about to refit, if no score chose them.

    This is so if all candidates have one score, or none, and if ω = 0 only comes before another
    candidate with the same score: with ``decode_prior=0`` its prior is hardly trained.
    """
    for frame in _frames():
        if frame.f_code.co_name == "_fit_and_score":
            return None
        if _module(frame) == "sklearn.model_selection._search" and "results" in frame.f_locals:
            search, results = frame.f_locals["self"], frame.f_locals["results"]
            metric = search.refit if isinstance(search.refit, str) else "score"
            scores = np.asarray(results.get(f"mean_test_{metric}", ()), float)
            best = dict(search.best_params_)
            scores = np.where(np.isnan(scores), -np.inf, scores)
            n_best = int(np.sum(scores == np.max(scores, initial=-np.inf)))
            without = [v == 0 for k, v in best.items() if k.split("__")[-1] == "omega"]
            is_tie = n_best == len(scores) or (n_best > 1 and any(without))
            return best if len(scores) > 1 and is_tie else None
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
