"""A missing modality as an ensemble generates it: mixture, intervals, draws, how usual a row is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_cmmd.crossfit.errors import ViewErrors
from sklearn_cmmd.crossfit.generators import stacked
from sklearn_cmmd.crossfit.members import LeftOut, Member
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.rows import FitData

REAL = ("gaussian", "laplace")


@dataclass
class View:
    """A missing modality: the weights of its generators, and the errors of their mixture.

    `rows` are those of the fit that the errors are of, `scale` their unit by column. There are no
    errors if no row that was left out has the modality; then the members alone generate it.
    """

    modality: Modality
    weights: np.ndarray
    rows: np.ndarray
    scale: np.ndarray
    errors: ViewErrors | None

    @property
    def is_real(self) -> bool:
        """Whether values are of any size, so that errors can be added to them."""
        return self.modality.likelihood in REAL

    @property
    def adds_errors(self) -> bool:
        """Whether draws are means and errors of rows of the fit."""
        is_counts = self.modality.likelihood == "counts"
        return self.errors is not None and (self.is_real or is_counts)

    @property
    def known_errors(self) -> ViewErrors:
        """The errors; a ValueError if there are none."""
        if self.errors is None:
            raise ValueError(
                f"No member left out a row that has {self.modality.name!r}, so that nothing is "
                "known of the errors. Fit with more rows that have it."
            )
        return self.errors

    def interval(
        self, means: np.ndarray, x: np.ndarray, bound: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends around the means, (n, columns), in the units of the data."""
        errors = self.known_errors
        half = bound * errors.sizes.expected(x) * self.scale
        lower, upper = means - half, means + half
        if self.is_real:
            return lower, upper
        lower, upper = (_within(end, self.modality) for end in (lower, upper))
        # Of whole numbers those within; if there is none, the nearest.
        first, last = np.ceil(lower - 1e-9), np.floor(upper + 1e-9)
        nearest, is_empty = np.rint(means), first > last
        lower = np.where(errors.whole, np.where(is_empty, nearest, first), lower)
        return lower, np.where(errors.whole, np.where(is_empty, nearest, last), upper)

    def drawn(self, means: np.ndarray, x: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Add errors of whole rows to the means: (n, draws, columns) from noise (n, draws)."""
        errors = self.known_errors
        drawn = errors.drawn(errors.sizes.expected(x), uniform) * self.scale
        drawn += means[:, None]
        return drawn if self.is_real else np.rint(np.maximum(drawn, 0))

    def squares(self, values: np.ndarray, means: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return how far values are from the means, a sum of squares for each row."""
        errors = self.known_errors
        return errors.squares((values - means) / self.scale, errors.sizes.expected(x))

    def known_squares(self) -> np.ndarray:
        """Return the same for the rows of the fit."""
        errors = self.known_errors
        return errors.squares(errors.errors, errors.known)


def _within(ends: np.ndarray, modality: Modality) -> np.ndarray:
    """Bring ends of intervals to values that the likelihood can have."""
    return np.clip(ends, 0, 1) if modality.likelihood != "counts" else np.maximum(ends, 0)


def learned_views(
    members: Sequence[Member],
    found: Sequence[LeftOut],
    data: FitData,
    groups: np.ndarray | None,
    seed: int,
) -> list[View]:
    """Mix the generators of each modality, and learn the errors of the mixture."""
    if data.x_missing is None:
        return []
    side, pairs = members[0].side, np.concatenate([part.pairs for part in found])
    # In units of the scales of the first member.
    parts = [
        (part.errors * (member.side.scale / side.scale), part.whole)
        for member, part in zip(members, found, strict=True)
        if len(part.pairs)
    ]
    learned, x = [], _seen(members[0], found, data)
    for modality, has in zip(side.modalities, data.present.T, strict=True):
        here, columns = has[pairs] > 0, modality.columns
        rows, scale = pairs[here], side.scale[columns]
        if not len(rows):
            weights = np.eye(1, 1 + len(members[0].regressors[0]))[0]
            learned.append(View(modality, weights, rows, scale, None))
            continue
        errors = np.concatenate([each[:, :, columns] for each, _ in parts], axis=1)
        errors = errors[:, here].astype(np.float64)
        shares = shares_of_rows(groups, rows, data.weight)
        flat, by_value = errors.reshape(len(errors), -1), np.repeat(shares, len(columns))
        weights = stacked(flat * by_value @ flat.T / by_value.sum())
        errors_of_view = ViewErrors.of(
            x[here],
            np.tensordot(weights, errors, 1),
            shares,
            np.all([whole[columns] for _, whole in parts], axis=0),
            # Other rows of a group would tell of its errors, as no row of a new one does.
            modality.likelihood in REAL and groups is None,
            seed,
        )
        learned.append(View(modality, weights, rows, scale, errors_of_view))
    return learned


def _seen(member: Member, found: Sequence[LeftOut], data: FitData) -> np.ndarray:
    """Return x_O of the rows that members left out, as it was shown to them, standardised."""
    if all(part.shown is None for part in found):
        return member.standardised(data.x, np.concatenate([part.pairs for part in found]))
    tables = [part.shown for part in found if part.shown is not None]
    return np.vstack([member.standardised(table, np.arange(table.n_rows)) for table in tables])


def shares_of_rows(groups: np.ndarray | None, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weights of rows; those of a group add up to one."""
    weight = weight[rows]
    if groups is None:
        return weight
    return np.asarray(weight / np.bincount(groups[rows], weight)[groups[rows]])


def usual_shares(views: Sequence[View], squares: np.ndarray) -> np.ndarray:
    """Return the share of the rows of the fit that are as far from their means as new rows.

    `squares`, (n, modalities), are those of the new rows, NaN where a row lacks a modality. Each
    row is compared with those of the fit that have what it has; without any, it has NaN.
    """
    n_rows = 1 + max([int(view.rows.max(initial=-1)) for view in views])
    known, weight = np.full((n_rows, len(views)), np.nan), np.zeros((n_rows, len(views)))
    for number, view in enumerate(views):
        if view.errors is not None:
            known[view.rows, number] = view.known_squares()
            weight[view.rows, number] = view.errors.weight
    shares, has = np.full(len(squares), np.nan), np.isfinite(squares)
    for pattern in np.unique(has[has.any(axis=1)], axis=0):
        new = (has == pattern).all(axis=1)
        old = known[:, pattern].sum(axis=1)
        complete = np.isfinite(old)
        if not complete.any():
            continue
        order = np.argsort(old[complete])
        below = np.append(0, np.cumsum(weight[complete][:, pattern][order, 0]))
        place = np.searchsorted(old[complete][order], squares[new][:, pattern].sum(axis=1))
        shares[new] = (below[-1] - below[place] + 1) / (below[-1] + 1)
    return shares
