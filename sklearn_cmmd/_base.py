"""BaseCMMD: fit, embedding, generation and pickling, as all estimators share them."""

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_cmmd._callers import check_scorers, is_called_by, tie_of_callers
from sklearn_cmmd._device import resolve_device
from sklearn_cmmd._fitting import (
    DivergedError,
    check_partial_fit,
    prepare,
    take_in,
    unchanged_by_errors,
)
from sklearn_cmmd._inference import Inference
from sklearn_cmmd._report import Facts, Reported, facts_of_fit
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.targets import Classes, Targets
from sklearn_cmmd.exceptions import (
    DeviceWarning,
    InterruptedWarning,
    TiedSearchWarning,
)
from sklearn_cmmd.export.onnx import Exportable
from sklearn_cmmd.groups import Networks, Objective, parameters
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.params import CONSTRAINTS
from sklearn_cmmd.persistence.model import fitted_state, restore, summary
from sklearn_cmmd.persistence.reading import Reader
from sklearn_cmmd.persistence.saving import Saveable
from sklearn_cmmd.persistence.writing import Writer
from sklearn_cmmd.training.callbacks import unfitted
from sklearn_cmmd.training.surroundings import surroundings


@parameters
class BaseCMMD(
    Exportable, Saveable, Reported, ClassNamePrefixFeaturesOutMixin, TransformerMixin, Inference
):
    """What `CMMDClassifier`, `CMMDRegressor` and `CMMDTransformer` have in common."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    # The loss of rows held out that early stopping watches.
    _watched: ClassVar[str] = "loss"
    _kind_of_y: ClassVar[type[Targets]] = Classes
    __metadata_request__partial_fit: ClassVar[dict[str, bool]] = {"X_missing": True}

    observed: Sequence[Modality] | None = None
    missing: Sequence[Modality] | None = None
    optional: str | Sequence[str] | dict[str, float] | None = None
    omega: float = 0.5
    lam: float = 100.0
    alpha: float = 100.0
    latent_dim: int | str = "auto"
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
        self._check_fit(y, X_missing)
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

    def transform(self, X: Any, return_std: bool = False) -> Any:
        """Embed rows: the mean of p(z|x_O).

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        return_std : bool, default=False
            Whether to return the standard deviations of p(z|x_O) as well.

        Returns
        -------
        ndarray, or two of them, of shape (n, latent_dim)
            float32 if `X` is float32, else float64. `set_output` changes the container of the
            means.
        """
        if not return_std:
            return self._predict(self._read(X), lambda module, x: module.embed(x).mean)
        both = self._predict(self._read(X), lambda module, x: module.embed(x).moments())
        return both[:, 0], both[:, 1]

    def posterior(
        self, X: Any, y: Any = None, X_missing: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed rows of which more is known: means and deviations of q(z|x_O, x_M, y).

        Parameters
        ----------
        X : as in `fit`, of shape (n, ...)
            The observed modalities, in the form of the fit.
        y : as in `fit`, default=None
            What is true of the rows. An encoder that does not see it ignores it
            (`label_in_encoder_`).
        X_missing : as in `fit`, default=None
            The missing modalities of the same rows. A row that lacks one has NaN in all of its
            columns.

        Returns
        -------
        mean, std : ndarray of shape (n, latent_dim)
            float32 if `X` is float32, else float64.

        Raises
        ------
        ValueError
            If something is not given that the encoder sees.
        """
        check_is_fitted(self)
        pairs = self._read_all(X, y, X_missing)

        def compute(module: CMMD, batch: Batch) -> Tensor:
            labels = module.labels_of(batch)
            return module.posterior(batch.observed.values, batch.missing, labels).moments()

        both = self._over_pairs(pairs, compute).astype(pairs.x.dtype, copy=False)
        return both[:, 0], both[:, 1]

    def _check_fit(self, y: Any, X_missing: Any) -> None:
        """Raise a ValueError if there is nothing to learn, or a search could not score it."""
        check_scorers()
        self._check_something_to_learn(y, X_missing)

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
            self._plan = loop.plan
            # One fit of several, or one part of a fit, leaves nothing behind.
            if trained.interrupted and (loop.ranks.n > 1 or is_called_by("joblib")):
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
        for remark in trained.remarks():
            warnings.warn(remark, stacklevel=4)
        return self

    def _facts(self) -> list[Facts]:
        return facts_of_fit(self) if hasattr(self, "module_") else []

    @property
    def _n_features_out(self) -> int:
        return self._plan.architecture.latent_dim

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "module_") and is_called_by("skops"):
            raise TypeError(
                f"skops does not write networks of torch, so that it cannot keep a fitted "
                f"{type(self).__name__}. Use its method save, whose files run no code either."
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
        if hasattr(self, "module_"):
            self._place("auto")

    def _place(self, device: str) -> None:
        if device != "auto":
            self.device = device
        try:
            self.device_ = resolve_device(self.device)
        except ValueError as error:
            message = f"{error} The loaded model stays on the CPU."
            warnings.warn(message, DeviceWarning, stacklevel=3)
            self.device_ = torch.device("cpu")
        self.module_.to(self.device_)

    def _summary(self) -> dict[str, Any]:
        return summary(self)

    def _state(self, writer: Writer, at: str) -> dict[str, Any]:
        return fitted_state(self, writer, at)

    def _restore(self, state: Mapping[str, Any], reader: Reader, at: str) -> None:
        restore(self, state, reader, at)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


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
