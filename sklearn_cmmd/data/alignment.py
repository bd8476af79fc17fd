"""Whether the rows of several tables belong together, as far as their labels tell."""

import warnings
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from sklearn_cmmd.data.containers import parts_of, row_labels, title, unwrapped
from sklearn_cmmd.exceptions import RowOrderWarning


def labels_of(**inputs: Any) -> dict[str, Any]:
    """Return the row labels of inputs by their names, None for those that have none."""
    return {
        title(name, key): row_labels(unwrapped(part, name))
        for name, data in inputs.items()
        for key, part in parts_of(data, name).items()
    }


def warn_of_another_order(labels: Mapping[str, Any]) -> None:
    """Warn once if two inputs have a row label at different positions.

    `labels` are their row labels by their names. Rows are paired by position, so nothing is
    changed.
    """
    labels = {name: index for name, index in labels.items() if index is not None}
    pairs = combinations(labels, 2)
    moved = [(a, b) for a, b in pairs if _is_moved(labels[a], labels[b])]
    if moved:
        first = moved[0][0]
        others = [b for a, b in moved if a == first]
        warnings.warn(
            f"{' and '.join(others)} and {first} have the same row labels at other positions, but "
            f"rows are paired by position. If that is not meant, align them first: "
            f"{others[0]}.loc[{first}.index].",
            RowOrderWarning,
            stacklevel=2,
        )


def _is_moved(reference: Any, labels: Any) -> bool:
    """Return whether a label of the reference is among the others at another position."""
    if len(reference) != len(labels) or reference.equals(labels):
        return False
    # Sets compare by hash and identity first, so that NA, which is equal to nothing, is no trouble.
    pairs = zip(reference.tolist(), labels.tolist(), strict=True)
    differ = [(a, b) for a, b in pairs if b not in {a}]
    elsewhere = {b for _, b in differ}
    return any(a in elsewhere for a, _ in differ)
