"""Which rows have which missing modality: one that was not measured is NaN as a whole."""

from collections.abc import Sequence

import numpy as np

from sklearn_cmmd._validation import Table, dense_rows, row_chunks
from sklearn_cmmd.modalities.modality import Modality

__all__ = ["presence"]


def presence(table: Table, modalities: Sequence[Modality]) -> np.ndarray | None:
    """Return 1 where a row has a modality, else 0, of shape (n_rows, n_modalities).

    None stands for a table without gaps.

    Raises
    ------
    ValueError
        If a row has a modality in part.
    """
    if not table.has_gaps:
        return None
    return np.stack([_has(table, modality) for modality in modalities], axis=1)


def _has(table: Table, modality: Modality) -> np.ndarray:
    block = table.blocks[table.key_of(modality.name)]
    columns = np.arange(block.shape[1]) if table.is_mapping else modality.columns
    n_absent = np.concatenate(
        [
            np.isnan(dense_rows(block, rows)[:, columns]).sum(axis=1)
            for rows in row_chunks(*block.shape)
        ]
    )
    half = np.flatnonzero((n_absent > 0) & (n_absent < len(columns)))
    if len(half):
        row = half[0]
        raise ValueError(
            f"Row {row} of X_missing lacks {n_absent[row]} of the {len(columns)} values of "
            f"{modality.name!r}. A row has all values of a modality, or none of them (all NaN). "
            "Impute single values before fit, for instance by sklearn.impute.SimpleImputer, or "
            "say by missing=[Modality(...), ...] which columns are missing together."
        )
    has: np.ndarray = (n_absent == 0).astype(np.float32)
    return has
