"""What kind of values a missing modality has: its likelihood, found in the data or checked."""

import warnings
from collections.abc import Sequence
from numbers import Real

import numpy as np

from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.statistics import ColumnStatistics, range_of_class_sums
from sklearn_cmmd.data.tables import Table
from sklearn_cmmd.exceptions import CodesWarning

# Whole numbers up to the one, in a modality of columns up to the other, may be codes of classes.
LARGEST_CODE, MOST_CODE_COLUMNS = 9, 20
# The least share of zeros among whole numbers that are taken for counts.
MANY_ZEROS = 0.5


def with_likelihood(
    modality: Modality, statistics: ColumnStatistics, table: Table, weight: np.ndarray
) -> Modality:
    """Resolve "auto", and check that the values are ones that the likelihood can have."""
    mine = statistics.of_columns(modality.columns)
    if modality.likelihood != "auto":
        check_values(modality, mine, table, weight)
        return modality
    likelihood = "gaussian"
    if mine.least.min() >= 0 and mine.integer.all():
        if mine.greatest.max() <= 1:
            likelihood = "bernoulli"
        elif _are_counts(mine) and not isinstance(modality.scale, Real):
            likelihood = "counts"
    return modality.resolved(likelihood=likelihood)


def _are_counts(statistics: ColumnStatistics) -> bool:
    """Return whether whole numbers are counts: many of them zero, spread wider than their mean."""
    is_wide = statistics.variance.mean() > statistics.mean.mean()
    return bool(is_wide and statistics.zero.mean() >= MANY_ZEROS)


def check_values(
    modality: Modality, statistics: ColumnStatistics, table: Table, weight: np.ndarray
) -> None:
    """Raise a ValueError if values are none that the likelihood of a modality can have."""
    low, high = statistics.least.min(), statistics.greatest.max()
    if modality.likelihood == "counts" and not (low >= 0 and statistics.integer.all()):
        raise ValueError(
            f"Counts are whole numbers from 0 on, but {modality.name!r} of {table.name} has "
            f"others, from {low:g} to {high:g}. Use likelihood='gaussian' (from the first fit on, "
            "where 'auto' chose counts by its values)."
        )
    if modality.likelihood == "bernoulli" and (low < 0 or high > 1):
        raise ValueError(
            f"A Bernoulli modality has values in [0, 1], but {modality.name!r} of {table.name} "
            f"ranges from {low:g} to {high:g}. Rescale it, or use likelihood='gaussian' (from the "
            "first fit on, where 'auto' chose Bernoulli by its values)."
        )
    if modality.likelihood != "categorical":
        return
    least, greatest = range_of_class_sums(table, modality, weight)
    if low < 0 or not np.allclose((least, greatest), 1.0, rtol=0, atol=1e-5):
        raise ValueError(
            f"A categorical modality has values in [0, 1] that sum to one along axis="
            f"{modality.axis} of its shape {modality.shape}, but {modality.name!r} of {table.name} "
            f"has values from {low:g} on, and sums from {least:g} to {greatest:g}. Encode it "
            "one-hot, or name another axis."
        )


def warn_of_codes(modalities: Sequence[Modality], statistics: ColumnStatistics, name: str) -> None:
    """Warn once of columns that hold whole numbers such as 0 to 3, and are taken as Gaussian."""
    found = {}
    for modality in modalities:
        columns = modality.columns
        if modality.likelihood != "auto" or len(columns) > MOST_CODE_COLUMNS:
            continue
        least, greatest = statistics.least[columns], statistics.greatest[columns]
        starts = (least >= -1) & (least <= 1)
        ends = (greatest > 1) & (greatest <= LARGEST_CODE)
        codes = np.flatnonzero(statistics.integer[columns] & starts & ends)
        if len(codes):
            found[modality.name] = codes.tolist()
    if found:
        warnings.warn(
            f"Columns of {name} hold a few whole numbers only and are taken as Gaussian: {found}"
            " (positions within the modality). If they are codes of classes, encode them one-hot "
            "and say Modality(..., likelihood='categorical'). If they are amounts, say "
            "likelihood='gaussian', and this warning does not come.",
            CodesWarning,
            stacklevel=2,
        )
