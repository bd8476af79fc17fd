"""BaseCMMD: fit, embedding, generation and pickling, as all estimators share them."""

import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._callers import is_called_by, tie_of_callers
from sklearn_cmmd._device import resolve_device
from sklearn_cmmd._fitting import (
    DivergedError,
    Fitted,
    check_feature_names,
    check_partial_fit,
    prepare,
    take_in,
    unchanged_by_errors,
)
from sklearn_cmmd._generative import GenerativeMixin
from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.data.alignment import warn_of_another_order
from sklearn_cmmd.data.blocks import CHUNK_NUMBERS
from sklearn_cmmd.data.containers import unwrapped
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.optional import at_hand, filled
from sklearn_cmmd.data.tables import Table, read_table
from sklearn_cmmd.data.targets import Classes, Targets
from sklearn_cmmd.exceptions import (
    DerailedWarning,
    DeviceWarning,
    InterruptedWarning,
    TiedSearchWarning,
)
from sklearn_cmmd.groups import GroupedParameters, Networks, Objective, parameters
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.params import CONSTRAINTS
from sklearn_cmmd.training.callbacks import unfitted
from sklearn_cmmd.training.surroundings import surroundings

# Rows that go through the networks at a time in prediction, if they are not very long.
PREDICTION_ROWS = 2048


@parameters
class BaseCMMD(
    GenerativeMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, Fitted, GroupedParameters
):
    """What `CMMDClassifier`, `CMMDRegressor` and `CMMDTransformer` have in common."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    # The loss of rows held out that early stopping watches.
    _watched: ClassVar[str] = "loss"
    _kind_of_y: ClassVar[type[Targets]] = Classes

    observed: Sequence[Modality] | None = None
    missing: Sequence[Modality] | None = None
    optional: str | Sequence[str] | dict[str, float] | None = None
    omega: float = 0.5
    lam: float = 100.0
    alpha: float = 100.0
    latent_dim: int = 20
    hidden_layer_sizes: Sequence[int] = (128, 128)
    dropout: float | str = "auto"
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    early_stopping: bool | str = "auto"
    validation_fraction: float = 0.1
    n_iter_no_change: int = 20
    objective: Objective | None = None
    networks: Networks | None = None
    callbacks: Sequence[Any] | None = None
    device: str = "auto"
    checkpoint_dir: str | PathLike[str] | None = None
    random_state: int | np.random.RandomState | None = None
    warm_start: bool = False
    verbose: int = 0

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
        init_from: Any = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix, IndexedArray or mapping, of shape (n, ...)
            The modalities that are always available: a table of shape (n, n_features), or an array
            with more axes, one modality with a shape. A mapping holds one of these for each
            modality; inside cross-validation, wrap it in `skorch.helper.SliceDict`.
        y : array-like of shape (n,) or (n, n_labels), default=None
            Classes, or an indicator matrix for multilabel data, 1 where a row has the label. A row
            without any has −1, NaN, None or NA, in an indicator a row of −1. If −1 and 1 are the
            only values, they are two classes. A classifier needs it. A regressor needs numbers, one
            or several a row, and NaN, None or NA where a row has none.
        X_missing : as `X`, default=None
            The modalities that are missing later. None stands for a model without a decoder. A row
            that lacks a modality has NaN in all of its columns.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows. Only their ratios matter: a weight of two is the row twice.
        init_from : CMMDTransformer, CMMDClassifier or CMMDRegressor, default=None
            A fitted estimator with the same parameters, whose networks are where training starts,
            and whose modalities and scales are taken over. Fitted with the same labels, it gives
            all its weights. Fitted without, it is the first of two stages in which the paper learns
            from data of which few are labelled: the classifier and the encoder's weights for the
            labels start at random.

        Returns
        -------
        self : estimator
            The fitted estimator. Interrupted from the keyboard, it has the weights of the last
            complete epoch and warns; inside a search, the interrupt goes on to the search.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not valid; before any training.
        FloatingPointError
            If the loss becomes infinite or NaN. The weights of the last good epoch are kept, and
            the estimator is fitted with them.
        """
        self._check_something_to_learn(y, X_missing)
        warn_of_tie(tie_of_callers())
        return self._fit(X, y, X_missing, sample_weight, init_from)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        X_missing: Any = None,
        sample_weight: Any = None,
        classes: Any = None,
    ) -> Self:
        """Train for one epoch on the given rows.

        Parameters
        ----------
        X, y, X_missing, sample_weight
            As for `fit`. The columns are standardised by the statistics of the first call.
        classes : array-like of shape (n_classes,), default=None
            All classes there are. A classifier needs it on the first call, a regressor has none.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            As for `fit`, if `early_stopping=True`, or if `classes` is not given on the first call
            of a classifier or differs from it later.
        """
        self._check_something_to_learn(y, X_missing)
        check_partial_fit(self, classes)
        return self._fit(X, y, X_missing, sample_weight, partial=True, classes=classes)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit_without(
        self, left_out: np.ndarray, X: Any, y: Any, X_missing: Any, sample_weight: Any
    ) -> Self:
        """Train on the rows that are not left out, a mask; the others say when to stop."""
        self._check_something_to_learn(y, X_missing)
        return self._fit(X, y, X_missing, sample_weight, left_out=left_out)

    def transform(self, X: Any) -> np.ndarray:
        """Embed rows: the mean of p(z|x_O).

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.

        Returns
        -------
        ndarray of shape (n, latent_dim)
            float32 if `X` is float32, else float64. `set_output` changes the container.
        """
        return self._predict(self._read(X), lambda module, x: module.embed(x).mean)

    def _generated(self, X: Any, n_samples: int | None, seed: Any) -> tuple[np.ndarray, Any]:
        table = self._read(X)
        if n_samples is None:
            return self._means(table), table.index
        return self._draws(table, n_samples, seed), table.index

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
        table, layout = self._read(X), self._plan.layout
        if layout.optional is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without optional=, so that rows of X have "
                "all modalities. Name those that may be absent, optional=[...] or 'all'."
            )
        own = self._decoded(table, layout.optional, n_samples, seed)
        values = layout.observed.read(table, slice(None)).astype(own.dtype)
        if n_samples is not None:
            values = np.repeat(values[:, None], n_samples, axis=1)
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

    def _module_for(self, dtype: np.dtype) -> CMMD:
        """Return the networks in the precision in which rows of this dtype are predicted."""
        asked = self.group("networks").prediction
        if asked == "auto":
            asked = "float32" if self.device_.type == "cuda" else dtype.name
        if asked == "float32":
            return self.module_
        return in_double(self.module_)

    def _check_something_to_learn(self, y: Any, X_missing: Any) -> None:
        raise NotImplementedError

    def _fit(
        self,
        X: Any,
        y: Any,
        X_missing: Any,
        sample_weight: Any,
        init_from: Any = None,
        partial: bool = False,
        classes: Any = None,
        left_out: np.ndarray | None = None,
    ) -> Self:
        """Check everything, then build the networks or take them over, then train them."""
        with unchanged_by_errors(self), torch.inference_mode(False):
            loop, checkpoint = prepare(
                self, X, y, X_missing, sample_weight, init_from, partial, classes, left_out
            )
            with surroundings(self.device_, self.module_, self._plan.schedule.batch_size):
                trained = loop.run() if checkpoint is None else loop.run(checkpoint.keep)
            if trained.interrupted and is_called_by("joblib"):  # as one fit of several
                raise KeyboardInterrupt
            take_in(self, trained, partial)
            if trained.failure is not None:
                raise DivergedError(trained.failure)
        if trained.interrupted:
            warnings.warn(
                f"Training interrupted by user: the estimator is fitted with the weights that it "
                f"had after epoch {self.best_epoch_}.",
                InterruptedWarning,
                stacklevel=4,
            )
        if trained.derailed is not None:
            warnings.warn(trained.derailed, DerailedWarning, stacklevel=4)
        return self

    @property
    def _n_features_out(self) -> int:
        return self._plan.architecture.latent_dim

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "module_") and is_called_by("skops"):
            raise TypeError(
                f"skops does not write networks of torch, so that it cannot keep a fitted "
                f"{type(self).__name__}. Use pickle or joblib, and load files that you trust only."
            )
        state = super().__getstate__().copy()
        if state["callbacks"]:
            state["callbacks"] = [unfitted(callback) for callback in state["callbacks"]]
        if "module_" in state and state["device_"].type != "cpu":
            state["module_"] = state["module_"].copied().cpu()
            moments = state["_moments"].items()
            state["_moments"] = {name: value.cpu() for name, value in moments}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if not hasattr(self, "module_"):
            return
        try:
            self.device_ = resolve_device(self.device)
        except ValueError as error:
            message = f"{error} The loaded model stays on the CPU."
            warnings.warn(message, DeviceWarning, stacklevel=2)
            self.device_ = torch.device("cpu")
        self.module_.to(self.device_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.optional is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


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
        known = _DOUBLES[module] = (versions, module.copied().double())
    return known[1]


def warn_of_tie(refitted: dict[str, Any] | None) -> None:
    """Say that a search told its best candidates not apart, unless there is nothing to say."""
    if refitted is not None:
        warnings.warn(
            "Several candidates of the search have the best score, or all have none. It takes the "
            f"first one, {refitted}. Choose by a score that tells them apart, such as neg_log_loss "
            "or what is generated.",
            TiedSearchWarning,
            stacklevel=3,
        )
