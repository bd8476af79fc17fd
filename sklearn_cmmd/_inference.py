"""Rows through fitted networks: read, standardised, a part at a time, in the right precision."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._fitting import Fitted, check_feature_names
from sklearn_cmmd._generative import GenerativeMixin
from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.data.alignment import warn_of_another_order
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.blocks import CHUNK_NUMBERS
from sklearn_cmmd.data.containers import unwrapped
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.optional import at_hand, filled
from sklearn_cmmd.data.rows import FitData, read_fit_data
from sklearn_cmmd.data.tables import Table, read_table
from sklearn_cmmd.groups import GroupedParameters
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.training.surroundings import surroundings

# Rows that go through the networks at a time in prediction, if they are not very long.
PREDICTION_ROWS = 2048


class Inference(GenerativeMixin, Fitted, GroupedParameters):
    """What fitted networks say of rows."""

    def _generated(self, X: Any, n_samples: int | None, seed: Any) -> tuple[np.ndarray, Any]:
        table = self._read(X)
        if n_samples is None:
            return self._means(table), table.index
        return self._draws(table, n_samples, seed), table.index

    def _deviations(self, X: Any) -> tuple[np.ndarray, Any]:
        table, side = self._read(X), self._missing_side

        def deviations(module: CMMD, x: Tensor) -> Tensor:
            return module.reconstruct(x).variance.sqrt()[:, : len(side.scale)]

        def in_units(std: np.ndarray) -> np.ndarray:
            return (std * side.scale).astype(side.dtype_of(std.dtype), copy=False)

        return self._predict(table, deviations, in_units), table.index

    def _means(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the means of x_M of some rows, None for all, in the units of the data."""
        return self._decoded(table, self._missing_side, rows=rows)

    def _draws(self, table: Table, n_samples: int, seed: Any) -> np.ndarray:
        return self._decoded(table, self._missing_side, n_samples, seed)

    def _decoded(
        self,
        table: Table,
        side: Side,
        n_samples: int | None = None,
        seed: Any = None,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return what the decoder says of one of the sides that it generates, in its units."""
        sides = self._plan.layout.generated
        start = sum([len(other.scale) for other in sides[: sides.index(side)]])
        span = slice(start, start + len(side.scale))

        def means(module: CMMD, x: Tensor) -> Tensor:
            return module.reconstruct(x).mean[:, span]

        if n_samples is None:
            return self._predict(table, means, side.in_units, rows=rows)
        draw = self._drawing(n_samples, seed)

        def draws(module: CMMD, x: Tensor) -> Tensor:
            return draw(module, x)[..., span]

        return self._predict(table, draws, side.in_units, n_draws=n_samples)

    def _imputed(self, X: Any, n_samples: int | None, seed: Any) -> tuple[Side, np.ndarray, Any]:
        table = self._read(X)
        return self._filled_in(table, self._optional_ones(table, n_samples, seed))

    def _optional_ones(
        self, table: Table, n_samples: int | None = None, seed: Any = None
    ) -> np.ndarray:
        """Return all modalities that may be absent as they are generated, means or draws."""
        side = self._plan.layout.optional
        if side is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without optional=, so that rows of X have "
                "all modalities. Name those that may be absent, optional=[...] or 'all'."
            )
        return self._decoded(table, side, n_samples, seed)

    def _filled_in(self, table: Table, own: np.ndarray) -> tuple[Side, np.ndarray, Any]:
        """Put what is generated in the place of what is not there."""
        layout = self._plan.layout
        values = layout.observed.read(table, slice(None)).astype(own.dtype)
        if own.ndim > 2:
            values = np.repeat(values[:, None], own.shape[1], axis=1)
        columns = layout.optional_columns
        known = values[..., columns]
        values[..., columns] = np.where(np.isnan(known), own, known)
        return layout.observed, values, table.index

    def _drawing(self, n_samples: int, random_state: Any) -> Callable[[CMMD, Tensor], Tensor]:
        """Return a function that draws x_M for rows, which it must see in their order."""
        for_z, for_x = uniform_streams(random_state, 2)
        architecture = self._plan.architecture

        def draw(module: CMMD, x: Tensor) -> Tensor:
            widths = (for_z, architecture.latent_dim), (for_x, architecture.n_missing)
            uniform = [
                torch.from_numpy(stream.random((len(x), n_samples, width)))
                for stream, width in widths
            ]
            # Inverse distribution functions are infinite at zero.
            return module.draw_missing(x, *[u.clamp_min_(2.0**-54).to(x.device) for u in uniform])

        return draw

    def _opened(self, X: Any) -> Any:
        """Check that there was a fit, and the names of the columns; return X, if lazy, computed."""
        check_is_fitted(self)
        X = unwrapped(X, "X")
        check_feature_names(self, X, reset=False)
        return X

    def _read(self, X: Any) -> Table:
        """Check new rows against those of the fit."""
        X = self._opened(X)
        side = self._plan.layout.observed
        table = read_table(filled(X, side), "X", self, gaps=bool(side.optional))
        side.check(table)
        at_hand(table, side.modalities, side.optional)
        if table.is_mapping:
            warn_of_another_order(table.row_labels)
        return table

    def _predict(
        self,
        table: Table,
        compute: Callable[[CMMD, Tensor], Tensor],
        finish: Callable[[np.ndarray], np.ndarray] = lambda output: output,
        n_draws: int = 1,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Run some rows, None for all, through the networks, standardised, a part at a time."""
        widest = max(table.n_columns, self._plan.architecture.n_missing)
        step = max(1, min(PREDICTION_ROWS, CHUNK_NUMBERS // widest) // n_draws)
        n_rows = table.n_rows if rows is None else len(rows)
        if not n_rows:  # one row says what none looks like
            some = np.zeros(1, int)
            return self._predict(table, compute, finish, n_draws, some)[:0]
        module, values = self._module_for(table.dtype), np.empty(0)
        dtype = next(module.parameters()).dtype
        observed = self._plan.layout.observed
        at_once = min(step * n_draws, n_rows)
        with surroundings(self.device_, module, at_once), torch.inference_mode():
            for start in range(0, n_rows, step):
                part = slice(start, start + step)
                here = part if rows is None else rows[part]
                x = torch.from_numpy(observed.standardised(table, here, table.dtype))
                result = compute(module, x.to(self.device_, dtype)).numpy(force=True)
                output = finish(result.astype(table.dtype, copy=False))
                if start == 0:
                    values = np.empty((n_rows, *output.shape[1:]), output.dtype)
                values[part] = output
        return values

    def _read_pairs(self, X: Any, y: Any, X_missing: Any, sample_weight: Any = None) -> FitData:
        """Check new rows, and what is known of them besides, against those of the fit."""
        X, layout = self._opened(X), self._plan.layout
        known = getattr(self, "classes_", None)
        data = read_fit_data(self, X, y, X_missing, sample_weight, layout, "score", known)
        data.check_form(layout, "score")
        return data

    def _read_all(self, X: Any, y: Any, X_missing: Any) -> FitData:
        """Check new rows, of which everything is known that the encoder sees."""
        plan = self._plan
        sees = {
            "y": (plan.architecture.n_label_columns > 0, y),
            "X_missing": (plan.layout.missing is not None, X_missing),
        }
        for name, (is_seen, data) in sees.items():
            if is_seen and data is None:
                raise ValueError(
                    f"The encoder of this {type(self).__name__} sees {name}, and got None. Pass "
                    f"{name}=... as in fit, with the marks of what rows lack."
                )
        return self._read_pairs(X, y if sees["y"][0] else None, X_missing)

    def _over_pairs(
        self, data: FitData, compute: Callable[[CMMD, Batch], Tensor], n_draws: int = 1
    ) -> np.ndarray:
        """Run the rows of positive weight through the networks, a part at a time."""
        rows, module = data.rows(self._plan.layout, self.device_), self._module_for(data.x.dtype)
        dtype = next(module.parameters()).dtype
        step = max(1, PREDICTION_ROWS // n_draws)
        with surroundings(self.device_, module, step * n_draws), torch.inference_mode():
            parts = [
                compute(module, batch.to(dtype)).numpy(force=True) for batch in Batches(rows, step)
            ]
        return np.concatenate(parts)

    def _latent_noise(self, n_draws: int, random_state: Any) -> Callable[[Batch], Tensor]:
        """Return a function that draws noise for rows, which it must see in their order.

        It is standard normal, of shape (n_draws, batch, latent_dim).
        """
        (stream,) = uniform_streams(random_state, 1)
        latent_dim = self._plan.architecture.latent_dim

        def draw(batch: Batch) -> Tensor:
            drawn = torch.from_numpy(stream.standard_normal((batch.n_rows, n_draws, latent_dim)))
            return drawn.to(batch.observed.values).transpose(0, 1)

        return draw

    def _log_units(self, data: FitData) -> np.ndarray:
        """Return by how much a log-density of each row is less in the units of X_missing."""
        side = self._plan.layout.missing
        if side is None or data.x_missing is None:
            return np.zeros(data.x.n_rows)
        scaled = [modality.likelihood in ("gaussian", "laplace") for modality in side.modalities]
        logs = [np.log(side.scale[modality.columns]).sum() for modality in side.modalities]
        return np.asarray(data.present @ np.where(scaled, logs, 0.0))

    def _module_for(self, dtype: np.dtype) -> CMMD:
        """Return the networks in the precision in which rows of this dtype are predicted."""
        asked = self.group("networks").prediction
        if asked == "auto":
            asked = "float32" if self.device_.type == "cuda" else dtype.name
        if asked == "float32":
            return self.module_
        return in_double(self.module_)


# Networks and their copies in float64, with the versions of the weights that were copied.
_DOUBLES: WeakKeyDictionary[CMMD, tuple[list[int], CMMD]] = WeakKeyDictionary()


def in_double(module: CMMD) -> CMMD:
    """Return networks in float64; a copy is kept until the weights change.

    In float64 each row's result is independent of the rows beside it to 1e-15. In float32 it is
    not, since the order of summation in a product changes with the number of rows.
    """
    versions = [value._version for value in (*module.parameters(), *module.buffers())]
    known = _DOUBLES.get(module)
    if known is None or known[0] != versions:
        with torch.inference_mode(False):  # so that gradients can flow through the copy
            known = _DOUBLES[module] = (versions, module.copied().double())
    return known[1]
