"""A modality to draw: its true values, and what an estimator generated for the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.tables import read_table
from sklearn_cmmd.metrics._intervals import ends_of_draws
from sklearn_cmmd.metrics._pairs import Pair, read_pairs


@dataclass(frozen=True)
class View:
    """One modality of some rows, its columns side by side.

    `shape` is that of a row, `channels` says which of its axes holds channels. `true` and what was
    `made` are of shape (n, n_columns), draws of shape (n, n_draws, n_columns).
    """

    name: str
    shape: tuple[int, ...]
    channels: str | None
    columns: list[str]
    true: np.ndarray
    made: dict[str, np.ndarray]


def first_rows(data: Any, n_rows: int) -> Any:
    """Return the first rows of whatever an estimator takes."""
    if isinstance(data, Mapping):
        return {name: None if part is None else part[:n_rows] for name, part in data.items()}
    return data[:n_rows]


def intervals_of(
    estimator: Any, X: Any, coverages: Sequence[float], n_samples: int, random_state: Any
) -> dict[float, tuple[Any, Any]]:
    """Return intervals of some coverages: those of an ensemble, or quantiles of draws."""
    if hasattr(estimator, "generate_intervals"):
        return {each: estimator.generate_intervals(X, coverage=each) for each in coverages}
    draws = estimator.generate_missing(X, n_samples=n_samples, random_state=random_state)
    return {each: ends_of_draws(draws, each) for each in coverages}


def one_view(
    X_missing: Any,
    made: Mapping[str, Any],
    draws: Any = None,
    modality: str | None = None,
    side: Side | None = None,
) -> View:
    """Return one modality, by its name; None stands for the only one.

    `side` is what a fit learned of the modalities; without it, each table or array is one.

    Raises
    ------
    ValueError, TypeError
        If the data are not of the same rows and columns, or there is no such modality.
    """
    sets = [(dict(made), False)] + ([] if draws is None else [({"draws": draws}, True)])
    read = [(list(said), read_pairs(X_missing, said, draws=are)) for said, are in sets]
    first = read[0][1]
    blocks = list(first) if side is None else list(side.widths)
    name, columns, shape, channels = _chosen(first, blocks, modality, side)

    def side_by_side(pairs: Mapping[str, Pair], number: int) -> np.ndarray:
        parts = [pairs[key].map(lambda *all: all[number]) for key in blocks]
        return np.concatenate(parts, axis=-1)[..., columns]

    found = {
        said: side_by_side(pairs, number)
        for names, pairs in read
        for number, said in enumerate(names, 1)
    }
    titles = np.array(_titles(X_missing, blocks, first), dtype=object)[columns]
    return View(name, shape, channels, list(titles), side_by_side(first, 0), found)


def _chosen(
    pairs: Mapping[str, Pair], blocks: list[str], modality: str | None, side: Side | None
) -> tuple[str, np.ndarray, tuple[int, ...], str | None]:
    """Return name, columns, shape and channels of a modality."""
    if side is not None:
        known = {
            each.name: (each.columns, each.shape or (len(each.columns),), each.channels)
            for each in side.modalities
        }
    else:
        ends = np.cumsum([pairs[key].true.shape[1] for key in blocks])
        known = {
            key or "X_missing": (np.arange(end - pairs[key].true.shape[1], end), shape, None)
            for key, end in zip(blocks, ends.tolist(), strict=True)
            for shape in (pairs[key].shape,)
        }
    if modality is None and len(known) == 1:
        modality = next(iter(known))
    if modality not in known:
        raise ValueError(f"modality must be one of {list(known)}. Got {modality!r} instead.")
    return modality, *known[modality]


def _titles(X_missing: Any, blocks: list[str], pairs: Mapping[str, Pair]) -> list[str]:
    """Return what all columns are called, numbers where they have no names."""
    names = read_table(X_missing, "X_missing", None, gaps=True).names
    return [
        str(title)
        for key in blocks
        for title in (names[key] if key in names else range(pairs[key].true.shape[1]))
    ]
