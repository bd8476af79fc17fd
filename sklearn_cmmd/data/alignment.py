"""Whether the rows of several tables belong together, as far as their labels tell."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from sklearn_cmmd.data.containers import row_labels
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.exceptions import RowOrderWarning


def warn_of_another_order(tables: list[Table], others: Mapping[str, Any]) -> None:
    """Warn once if two inputs have the same row labels at other positions.

    All are compared with the first DataFrame: those of the tables, and `others` by their names.
    Rows are paired by position, so nothing is changed.
    """
    labelled = {
        table.title(key): labels for table in tables for key, labels in table.labels.items()
    }
    labelled |= {name: row_labels(data) for name, data in others.items()}
    labelled = {name: labels for name, labels in labelled.items() if labels is not None}
    if len(labelled) < 2:
        return
    (first, reference), *rest = labelled.items()
    moved = [name for name, labels in rest if _is_moved(reference, labels)]
    if moved:
        warnings.warn(
            f"{' and '.join(moved)} and {first} have the same row labels at other positions, but "
            f"rows are paired by position. If that is not meant, align them first: "
            f"{moved[0]}.loc[{first}.index].",
            RowOrderWarning,
            stacklevel=2,
        )


def _is_moved(reference: Any, labels: Any) -> bool:
    """Return whether a label of the reference is among the others at another position."""
    if len(reference) != len(labels) or reference.equals(labels):
        return False
    differs = np.asarray(reference != labels)
    return bool(reference[differs].isin(labels).any())
