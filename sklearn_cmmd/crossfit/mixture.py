"""The missing modalities as an ensemble generates them: members, regressions, errors together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.crossfit.generators import sampled
from sklearn_cmmd.crossfit.members import Member
from sklearn_cmmd.crossfit.views import View, usual_shares
from sklearn_cmmd.data.blocks import row_chunks
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.tables import Table


@dataclass
class Mixture:
    """Members, and for each missing modality the weights of their generators and their errors.

    Values are in the units of the data, as float64, and rows go through it a part at a time.
    """

    members: list[Member]
    views: list[View]

    @property
    def side(self) -> Side:
        """The missing modalities as the first member, whose units errors have, found them."""
        return self.members[0].side

    def means(self, table: Table) -> np.ndarray:
        """Return the means of x_M, (n, columns)."""
        values = np.empty((table.n_rows, len(self.side.scale)))
        for rows, _, means in self._parts(table):
            values[rows] = means
        return values

    def intervals(self, table: Table, coverage: float) -> list[np.ndarray]:
        """Return lower and upper ends, each (n, columns)."""
        bounds = [view.known_errors.bound(coverage) for view in self.views]
        ends = [np.empty((table.n_rows, len(self.side.scale))) for _ in ("lower", "upper")]
        for rows, x, means in self._parts(table):
            for view, bound in zip(self.views, bounds, strict=True):
                columns = view.modality.columns
                part = view.interval(means[:, columns], x, bound)
                for end, values in zip(ends, part, strict=True):
                    end[rows[:, None], columns] = values
        return ends

    def usual_shares(self, table: Table, missing: Table) -> np.ndarray:
        """Return how usual the missing modalities of each row are for its observed ones, (n,)."""
        squares = np.full((table.n_rows, len(self.views)), np.nan)
        for rows, x, means in self._parts(table):
            values = self.side.read(missing, rows)
            for number, view in enumerate(self.views):
                columns = view.modality.columns
                squares[rows, number] = view.squares(values[:, columns], means[:, columns], x)
        return usual_shares(self.views, squares)

    def draws(self, table: Table, n_samples: int, seed: Any) -> np.ndarray:
        """Return draws of x_M, (n, n_samples, columns)."""
        for_errors, for_members, *for_others = uniform_streams(seed, 4)
        draws = np.empty((table.n_rows, n_samples, len(self.side.scale)))
        if not all(view.adds_errors for view in self.views):
            estimators = [member.estimator for member in self.members]
            draws[:] = drawn_in_turn(
                estimators, lambda each, *share: each._draws(table, *share), n_samples, for_members
            )
        every = np.arange(n_samples)[:, None]
        for rows, x, means in self._parts(table, n_samples):
            uniform = for_errors.random((len(rows), n_samples))
            for view in self.views:
                columns = view.modality.columns
                if view.adds_errors:
                    drawn = view.drawn(means[:, columns], x, uniform)
                    draws[rows[:, None, None], every, columns] = drawn
        self._draw_of_regressions(draws, table, *for_others)
        return draws

    def _parts(
        self, table: Table, n_draws: int = 1
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield numbers of rows, their standardised x_O, and the means of their x_M."""
        for rows in self._chunks(table, n_draws):
            each, mixed = (
                self._of_generators(table, rows),
                np.empty((len(rows), len(self.side.scale))),
            )
            for view in self.views:
                columns = view.modality.columns
                mixed[:, columns] = np.tensordot(view.weights, each[:, :, columns], 1)
            yield rows, self.members[0].standardised(table, rows), mixed

    def _chunks(self, table: Table, n_draws: int) -> Iterator[np.ndarray]:
        """Yield the numbers of rows, so many at a time that their draws stay small."""
        width = max(n_draws * len(self.side.scale), table.n_columns)
        for part in row_chunks(table.n_rows, width):
            yield np.arange(table.n_rows)[part]

    def _of_generators(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Return the means of x_M by generator, (generators, n, columns), over the members."""
        total = sum(member.means(table, rows) for member in self.members)
        return np.asarray(total, np.float64) / len(self.members)

    def _draw_of_regressions(
        self,
        draws: np.ndarray,
        table: Table,
        for_generator: np.random.Generator,
        for_values: np.random.Generator,
    ) -> None:
        """Replace draws of binary values and classes, as many as the regressions have weight."""
        views = [view for view in self.views if not view.adds_errors and view.weights[0] < 1]
        if not views:
            return
        n_samples = draws.shape[1]
        for rows in self._chunks(table, n_samples):
            each = self._of_generators(table, rows)
            uniform = for_generator.random((len(rows), n_samples))
            noise = for_values.random((len(rows), *draws.shape[1:]))
            for view in views:
                columns = view.modality.columns
                generator = np.searchsorted(np.cumsum(view.weights)[:-1], uniform, side="right")
                row, draw = np.nonzero(generator)
                means = each[generator[row, draw], row][:, columns]
                values = sampled(view.modality, means, noise[row, draw][:, columns])
                draws[rows[row][:, None], draw[:, None], columns] = values


def drawn_in_turn(
    members: Sequence[Any],
    draw: Callable[[Any, int, int], np.ndarray],
    n_samples: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw from the members, each of which has its share of the draws.

    `draw` takes a member, a number of draws and a seed, and returns (n, draws, columns).
    """
    n_members = len(members)
    # Member by member in a random order, so that few draws are not always of the first.
    of_member = random.permutation(n_members)[np.arange(n_samples) % n_members]
    draws = []
    for number, member in enumerate(members):
        n_mine, seed = int(np.sum(of_member == number)), int(random.integers(2**31))
        if n_mine:
            draws.append(draw(member, n_mine, seed))
    order = np.argsort(np.argsort(of_member, kind="stable"))
    return np.concatenate(draws, axis=1)[:, order]
