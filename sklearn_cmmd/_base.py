"""BaseCMMD: fit, embedding, generation and pickling, as both estimators share them."""

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_feature_names, check_is_fitted
from torch import Tensor

from sklearn_cmmd._continuation import (
    DivergedError,
    check_init_from,
    check_partial_fit,
    check_same_networks,
    check_start,
    next_prefitted,
    unchanged_by_errors,
)
from sklearn_cmmd._device import resolve_device, to_cpu
from sklearn_cmmd._fit_data import (
    FitData,
    Layout,
    adopt_layout,
    learn_layout,
    read_fit_data,
    split_rows,
)
from sklearn_cmmd._parameters import (
    CONSTRAINTS,
    architecture_of,
    are_few_labels,
    check_consistent,
    objective_of,
    training_settings,
)
from sklearn_cmmd._random import Streams, generator, seed_sequence
from sklearn_cmmd._validation import CHUNK_NUMBERS, Table, is_mapping, read_table
from sklearn_cmmd.modalities import Modality
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.callbacks import unfitted
from sklearn_cmmd.training.engine import train
from sklearn_cmmd.training.job import Job, Trained

__all__ = ["BaseCMMD"]

# Rows that go through the networks at a time in prediction, if they are not very long.
PREDICTION_ROWS = 2048


class BaseCMMD(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What `CMMDClassifier` and `CMMDTransformer` have in common."""

    _parameter_constraints = CONSTRAINTS
    # The loss of rows held out that early stopping watches.
    _watched = "loss"
    module_: CMMD

    def __init__(
        self,
        *,
        observed: Sequence[Modality] | None = None,
        missing: Sequence[Modality] | None = None,
        omega: float = 0.5,
        lam: float = 100.0,
        alpha: float = 100.0,
        latent_dim: int = 20,
        prior_hidden: Sequence[int] = (128, 128),
        encoder_hidden: Sequence[int] = (128, 128),
        decoder_hidden: Sequence[int] = (128, 128),
        classifier_hidden: Sequence[int] = (50,),
        activation: str = "silu",
        dropout: float | str = "auto",
        kernel: str = "gaussian",
        bandwidth: float | str | Sequence[float] = "dimension",
        mmd_estimator: str = "u",
        classifier_input: str = "mean",
        decode_prior: float = 0.5,
        label_in_encoder: bool | str = "auto",
        distillation: float = 1.0,
        label_smoothing: float | str = "auto",
        decoder_input: str = "both",
        fusion: str = "joint",
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 1e-4,
        callbacks: Sequence[Any] | None = None,
        device: str = "auto",
        precision: str = "auto",
        compile: bool = False,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.observed = observed
        self.missing = missing
        self.omega = omega
        self.lam = lam
        self.alpha = alpha
        self.latent_dim = latent_dim
        self.prior_hidden = prior_hidden
        self.encoder_hidden = encoder_hidden
        self.decoder_hidden = decoder_hidden
        self.classifier_hidden = classifier_hidden
        self.activation = activation
        self.dropout = dropout
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.mmd_estimator = mmd_estimator
        self.classifier_input = classifier_input
        self.decode_prior = decode_prior
        self.label_in_encoder = label_in_encoder
        self.distillation = distillation
        self.label_smoothing = label_smoothing
        self.decoder_input = decoder_input
        self.fusion = fusion
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.compile = compile
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

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

    def generate_missing(
        self,
        X: Any,
        n_samples: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> Any:
        """Generate the missing modalities from the observed ones.

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        n_samples : int, default=None
            Number of draws for each row, of z from p(z|x_O) and then of x_M from p(x_M|x_O, z).
            None returns the mean of p(x_M|x_O, z) at the mean of p(z|x_O).
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.

        Returns
        -------
        ndarray or DataFrame of shape (n, ...), or mapping of these
            In the form and the units of the `X_missing` of the fit, float32 if `X` is float32,
            else float64. Draws are arrays of shape (n, n_samples, ...).

        Raises
        ------
        ValueError
            If the model was fitted without `X_missing`.
        """
        table = self._read(X)
        missing = self._layout.missing
        if missing is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without X_missing, so there is nothing "
                "to generate. Fit it with X_missing=..., the modalities to generate later."
            )
        if n_samples is None:
            values = self._predict(
                table, lambda module, x: module.reconstruct(x).mean, missing.in_units
            )
        else:
            if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
                raise ValueError(f"n_samples must be a positive int. Got {n_samples!r} instead.")
            noise = generator(Streams.spawn(seed_sequence(random_state)).noise, self.device_)
            values = self._predict(
                table,
                lambda module, x: module.draw_missing(x, n_samples, noise),
                missing.in_units,
                n_samples,
            )
        return missing.as_given(values, table.index)

    def _read(self, X: Any) -> Table:
        """Check new rows against those of the fit."""
        check_is_fitted(self)
        self._check_feature_names(X)
        table = read_table(X, "X", self)
        self._check_n_features(table)
        self._layout.observed.check(table)
        return table

    def _predict(
        self,
        table: Table,
        compute: Callable[[CMMD, Tensor], Tensor],
        finish: Callable[[np.ndarray], np.ndarray] = lambda output: output,
        n_draws: int = 1,
    ) -> np.ndarray:
        """Run standardised rows through the networks, a part of them at a time."""
        widest = max(table.n_columns, self.module_.architecture.n_missing)
        n_rows = max(1, min(PREDICTION_ROWS, CHUNK_NUMBERS // widest) // n_draws)
        precision = torch.float64 if table.dtype == np.float64 else torch.float32
        module = self.module_.in_precision(precision)
        values = np.empty(0)
        with torch.inference_mode():
            for start in range(0, table.n_rows, n_rows):
                rows = slice(start, start + n_rows)
                x = self._layout.observed.standardised(table, rows, table.dtype)
                output = finish(
                    compute(module, torch.from_numpy(x).to(self.device_)).numpy(force=True)
                )
                if start == 0:
                    values = np.empty((table.n_rows, *output.shape[1:]), output.dtype)
                values[rows] = output
        return values

    def _fit(
        self,
        X: Any,
        y: Any,
        X_missing: Any,
        sample_weight: Any,
        init_from: Any = None,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        """Check everything, then build the networks or take them over, then train them."""
        fitted = next_prefitted()
        if fitted is not None:
            self.__dict__.update(fitted.__dict__)
            return self
        with unchanged_by_errors(self):
            job = self._prepare(X, y, X_missing, sample_weight, init_from, incremental, classes)
            self._finish(train(job, self.callbacks or (), self._optimizer_state))
        return self

    def _prepare(
        self,
        X: Any,
        y: Any,
        X_missing: Any = None,
        sample_weight: Any = None,
        init_from: Any = None,
        incremental: bool = False,
        classes: Any = None,
        load: Callable[[FitData, Layout, torch.device], PairedRows] | None = None,
    ) -> Job:
        """Do everything of a fit but the training; `load` may bring the rows to the device."""
        going_on = hasattr(self, "module_") and (incremental or self.warm_start)
        check_consistent(self)
        device = resolve_device(self.device)
        check_init_from(self, init_from, going_on)
        if going_on:
            self._check_feature_names(X)
        known = getattr(self, "classes_", classes) if going_on else classes
        data = read_fit_data(self, X, y, X_missing, sample_weight, 1 if going_on else 2, known)
        n_labelled, n_unlabelled = data.n_by_label
        settings = training_settings(self, n_labelled, n_unlabelled, incremental)
        if going_on:
            self._go_on(data, "partial_fit" if incremental else "warm_start")
        else:
            self._begin(data, init_from, incremental, classes)
            self._check_feature_names(X, reset=True)
        self.device_ = device
        streams = Streams.spawn(self._seeds)
        rows, held_out = (load or FitData.rows)(data, self._layout, device), None
        # What is given to `partial_fit` is a part of the data, of unknown size.
        few_labels = are_few_labels(n_labelled, n_unlabelled)
        objective = objective_of(self, few_labels, 0 if incremental else rows.n_paired)
        if settings.validation_fraction:
            rows, held_out = split_rows(rows, settings.validation_fraction, self._split_seed)
        return Job(self.module_.to(device), objective, rows, held_out, settings, streams)

    def _go_on(self, data: FitData, caller: str) -> None:
        """Check that the data and the parameters are those of the networks at hand."""
        self._check_n_features(data.x)
        self._layout.check_same(data, caller)
        sees_label = self.module_.architecture.label_in_encoder
        check_same_networks(architecture_of(self, self._layout, sees_label), self.module_)
        self.module_ = self.module_.copied()

    def _partial_fit(
        self, X: Any, y: Any, X_missing: Any, sample_weight: Any, classes: Any
    ) -> Self:
        check_partial_fit(self, classes)
        return self._fit(X, y, X_missing, sample_weight, incremental=True, classes=classes)

    def _begin(self, data: FitData, init_from: Any, incremental: bool, classes: Any) -> None:
        """Replace what an earlier fit left behind."""
        layout = (
            learn_layout(data, self.observed, self.missing, classes, incremental)
            if init_from is None
            else adopt_layout(data, init_from._layout)
        )
        module = CMMD(architecture_of(self, layout, not data.n_by_label[1]))
        self._seeds = seed_sequence(self.random_state)
        first = Streams.spawn(self._seeds)
        module.init_weights(generator(first.init))
        if init_from is not None:
            check_start(module, layout, init_from)
            module.start_from(init_from.module_)
        # Rows once held out stay held out when a warm start goes on.
        self._split_seed = first.split
        self._optimizer_state: dict[str, Any] | None = None
        self._layout = layout
        self.module_ = module
        self.history_: dict[str, list[float]] = {}
        self.n_iter_ = 0
        self.observed_ = list(layout.observed.modalities)
        self.missing_ = [] if layout.missing is None else list(layout.missing.modalities)
        self.n_features_in_ = data.x.n_columns
        self.__dict__.pop("classes_", None)
        if layout.labels is not None:
            self.classes_ = layout.labels.classes

    def _finish(self, trained: Trained) -> None:
        """Take in what a training run leaves behind besides the weights."""
        self._optimizer_state = trained.optimizer_state
        self.n_iter_ += trained.n_epochs
        for name, values in trained.history.items():
            self.history_[name] = self.history_.get(name, []) + values
        if trained.diverged is not None:
            raise DivergedError(trained.diverged)
        if trained.derailed is not None:
            warnings.warn(trained.derailed, ConvergenceWarning, stacklevel=5)

    def _check_feature_names(self, X: Any, reset: bool = False) -> None:
        """Set or check `feature_names_in_`; first of all, since it tells of a mix-up best."""
        _check_feature_names(self, None if is_mapping(X) else X, reset=reset)

    def _check_n_features(self, table: Table) -> None:
        """Raise a ValueError as scikit-learn words it; of arrays the shapes tell more."""
        if not (table.is_mapping or table.shapes) and table.n_columns != self.n_features_in_:
            raise ValueError(
                f"X has {table.n_columns} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )

    @property
    def _n_features_out(self) -> int:
        return self.module_.architecture.latent_dim

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__().copy()
        if state["callbacks"]:
            state["callbacks"] = [unfitted(callback) for callback in state["callbacks"]]
        if "module_" in state and state["device_"].type != "cpu":
            state["module_"] = state["module_"].copied().cpu()
            state["_optimizer_state"] = to_cpu(state["_optimizer_state"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if not hasattr(self, "module_"):
            return
        try:
            self.device_ = resolve_device(self.device)
        except ValueError as error:
            warnings.warn(f"{error} The loaded model stays on the CPU.", stacklevel=2)
            self.device_ = torch.device("cpu")
        self.module_.to(self.device_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
