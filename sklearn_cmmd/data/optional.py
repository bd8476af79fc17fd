"""Modalities of X that a row may lack: which, which rows have them, and how they are left out."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from sklearn_cmmd.data.containers import is_mapping
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import Table, presence

# How often a modality that a row has is hidden in training, unless the user says otherwise.
HIDDEN = 0.5


def optional_of(optional: Any, modalities: Sequence[Modality]) -> dict[int, float]:
    """Return the numbers of the modalities that may be absent, and how often each is hidden.

    Raises
    ------
    ValueError, TypeError
        If `optional` names no modality of X, the same twice, or no probability in (0, 1).
    """
    names = [modality.name for modality in modalities]
    if optional is None:
        return {}
    asked = names if isinstance(optional, str) else list(optional)
    unknown = [name for name in asked if name not in names]
    if unknown or len(set(asked)) < len(asked):
        raise ValueError(
            f"optional names modalities of X that may be absent. X has {names}; got {asked}. A "
            "mapping has one for each of its entries, a table one for each Modality of observed=."
        )
    if len(names) == 1 and asked:
        raise ValueError(
            f"optional={optional!r} names the only modality of X, {names[0]!r}. A row needs one at "
            "least: pass several as a mapping of tables, or say which columns are which by "
            "observed=[Modality(name, columns=...), ...]."
        )
    often = optional if isinstance(optional, Mapping) else dict.fromkeys(asked, HIDDEN)
    for name, value in often.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < 1:
            raise ValueError(
                f"optional gives each name the probability with which it is absent, in (0, 1). Got "
                f"{value!r} for {name!r}."
            )
    return {names.index(name): float(often[name]) for name in sorted(asked, key=names.index)}


def at_hand(table: Table, modalities: Sequence[Modality], optional: Mapping[int, Any]) -> Any:
    """Return 1 where a row of X has a modality, else 0: float32 of shape (n_rows, n_modalities).

    Raises
    ------
    ValueError
        If a row has a modality in part, lacks one that is not optional, or lacks all.
    """
    has = presence(table, modalities)
    if not table.has_gaps:
        return has
    for number, modality in enumerate(modalities):
        lacks = np.flatnonzero(has[:, number] == 0)
        if len(lacks) and number not in optional:
            may = [modalities[other].name for other in optional]
            raise ValueError(
                f"{_rows(lacks)} of X lack {modality.name!r} (NaN in all of its columns), which is "
                f"not optional. What may be absent is {may}: name it in optional= before fit, or "
                "leave these rows out."
            )
    empty = np.flatnonzero(~has.any(axis=1))
    if len(empty):
        raise ValueError(
            f"{_rows(empty)} of X have no modality at all: everything is NaN. A row needs at least "
            "one; leave these rows out."
        )
    return has


def _rows(numbers: np.ndarray) -> str:
    some = ", ".join(map(str, numbers[:5].tolist()))
    return f"{len(numbers)} rows ({some}{', …' if len(numbers) > 5 else ''})"


def filled(X: Any, side: Any) -> Any:
    """Return new data with NaN in the place of whole modalities that are None or not there.

    `side` is what fit found of X. Anything else that is wrong is left to the checks that follow.
    """
    may = [side.modalities[number].name for number in side.optional]
    if not is_mapping(X) or not may or "" in side.widths:
        return X
    given = {key: part for key, part in X.items() if part is not None}
    absent = [key for key in side.widths if key not in given]
    fixed = [key for key in absent if key not in may]
    unknown = [key for key in X if key not in side.widths]
    if fixed or unknown or not given:
        raise ValueError(
            f"X must have the modalities of the fit, {list(side.widths)}; absent may be {may}, but "
            f"not all of them. Got {list(given)}."
        )
    n_rows = _num_samples(next(iter(given.values())))
    nothing = np.float32(np.nan)
    blank = {
        key: np.broadcast_to(nothing, (n_rows, *side.shapes.get(key, (side.widths[key],))))
        for key in absent
    }
    return {key: given.get(key, blank.get(key)) for key in side.widths}
