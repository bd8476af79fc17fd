"""Attribution: how much each value of x_O adds to one number that a model says of a row."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.data.layout import Side
from sklearn_cmmd.data.tables import Table, read_table
from sklearn_cmmd.exceptions import AttributionWarning
from sklearn_cmmd.inspection._outputs import (
    Output,
    members_of,
    number_of,
    output_of,
    resolve_method,
)
from sklearn_cmmd.networks.cmmd import CMMD

# Contributions that miss their sum by more than this share of the usual difference are told of.
TOLERANCE = 0.05


def integrated_gradients(
    estimator: Any,
    X: Any,
    target: Any = None,
    *,
    response_method: str = "auto",
    by: str = "column",
    baseline: Any = None,
    n_steps: int = 50,
) -> Any:
    r"""Attribute a prediction, an embedding or a generated value to the columns of x_O.

    With f the number that the model says of a row, integrated gradients [1]_ give column j of the
    row x, against a baseline b, the contribution

    .. math:: (x_j - b_j) \int_0^1 \partial_j f(b + t (x - b)) \, dt.

    Those of a row add up to f(x) − f(b): what is attributed is how the row differs from the
    baseline. Of a linear f it is the coefficient times x_j − b_j. captum computes them, from
    the extra ``pip install sklearn-cmmd[inspect]``.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor, CMMDTransformer or CMMDEnsemble
        A fitted estimator. Of an ensemble, contributions are means over its members: f is the mean
        of what the members say, before the temperature and without regressions. A coordinate of its
        embedding belongs to one member.
    X : as in `fit`, of shape (n, ...)
        The rows to explain, in the form of the fit.
    target : object, default=None
        Which number is explained: for probabilities a class, None for the most probable class of
        each row; for "predict" the number of an output, None if there is one; for "transform" the
        number of a coordinate; for "generate_missing" a column of `X_missing`, by name or number,
        or a tuple of ints for a row with several axes. If `X_missing` was a mapping, it is a pair
        of the key and such a column.
    response_method : str, default="auto"
        Method whose result is explained: "predict_log_proba", "predict_proba", "predict" of a
        regressor, "transform" or "generate_missing", its mean. "auto" is "predict_log_proba" of a
        classifier and "predict" of a regressor.
    by : {"column", "view"}, default="column"
        Whether contributions are those of columns, or sums over the columns of each modality of
        `X`.
    baseline : as `X`, of shape (k, ...), default=None
        Rows to compare with. Of several, contributions are means, and add up to f(x) minus the mean
        of f; computing time is k times as long. None is the mean of the training rows; of an
        ensemble the mean of its members' means.
    n_steps : int, default=50
        Number of points at which the integral is evaluated, by Gauss and Legendre. More are more
        precise and take longer.

    Returns
    -------
    ndarray or DataFrame of shape (n, ...), or mapping of these
        Contributions in the form of `X`: with its names, its shapes and its index; dense where `X`
        is sparse. With ``by="view"``, a dict of arrays of shape (n,) by the names of the
        modalities. Units are those of the number explained: nats for "predict_log_proba", those of
        `y` and of `X_missing` for "predict" and "generate_missing". A modality that a row lacks
        contributes zero: it is absent from the baseline too. float32 if `X` is float32, else
        float64.

    Raises
    ------
    ImportError
        If captum is not installed.
    ValueError, TypeError
        If the estimator is none of this package's, has no such method or target, or the data are
        not in the form of the fit.

    Warns
    -----
    AttributionWarning
        If contributions miss f(x) − f(b) by more than 5 % of its usual size; raise `n_steps`.

    See Also
    --------
    permutation_importance_by_view : How much a score falls without a modality.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan. "Axiomatic attribution for deep networks." ICML (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd import CMMDRegressor
    >>> from sklearn_cmmd.inspection import integrated_gradients
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> reg = CMMDRegressor(hidden_layer_sizes=(16,), max_epochs=40, random_state=0)
    >>> reg = reg.fit(X, 2 * X[:, 0] - X[:, 1])
    >>> contributions = integrated_gradients(reg, X[:5])
    >>> contributions.shape
    (5, 3)
    >>> difference = reg.predict(X[:5]) - reg.predict(X.mean(axis=0, keepdims=True))
    >>> np.allclose(contributions.sum(axis=1), difference, atol=1e-3)
    True
    """
    integral = _captum()
    members = members_of(estimator)
    method = resolve_method(estimator, response_method)
    number = number_of(estimator, method, target)
    _check_options(by, n_steps)
    table = members[0]._read(X)
    rows_of = _rows_by_number(estimator, X, number, table.n_rows)
    if method == "transform" and number is not None:  # an ensemble lays its members side by side
        width = members[0]._n_features_out
        members, rows_of = [members[number // width]], {number % width: rows_of[number]}
    explainer = _Explainer(method, _baseline(members, baseline), int(n_steps), integral)
    parts = [explainer.of_member(member, table, rows_of) for member in members]
    mean, side = np.mean(parts, axis=0), members[0]._plan.layout.observed
    values, differences = mean[:, :-1], mean[:, -1]
    _check_sums(values, differences, n_steps)
    if by == "view":
        return {m.name: values[:, m.columns].sum(axis=1) for m in side.modalities}
    return side.as_given(values, table.index)


@dataclass(frozen=True)
class _Explainer:
    """What all members of an ensemble are asked.

    `baseline`, (k, columns), is in the units of the data, `integral` captum's class.
    """

    method: str
    baseline: np.ndarray
    n_steps: int
    integral: Any

    def of_member(
        self, member: BaseCMMD, table: Table, rows_of: Mapping[int, np.ndarray]
    ) -> np.ndarray:
        """Return contributions by column, and after them f(x) minus the mean of f(b).

        `rows_of` are the rows for which each output is explained.
        """
        side = member._plan.layout.observed
        found = np.empty((table.n_rows, len(side.scale) + 1), table.dtype)
        baseline = torch.from_numpy(side.as_read(self.baseline.copy()))
        for number, rows in rows_of.items():
            output = output_of(member, self.method, number)
            compute = partial(self._of_batch, output, _places(side), baseline)
            said = member._predict(table, compute, n_draws=self.n_steps, rows=rows)
            found[rows] = output.unit * said
        return found

    def _of_batch(
        self, output: Output, places: Tensor, baseline: Tensor, module: CMMD, x: Tensor
    ) -> Tensor:
        # A gradient needs tensors that were made where there are gradients.
        with torch.inference_mode(False), torch.enable_grad():
            x, n_columns = x.clone(), len(places)
            # What a row lacks is absent from its baseline too.
            has = torch.nn.functional.pad(x[:, n_columns:], (0, 1), value=1)[:, places]
            rows = [torch.cat([has * b, x[:, n_columns:]], dim=1) for b in baseline.to(x)]
            explain = self.integral(lambda inputs: output.compute(module, inputs))
            parts = [explain.attribute(x, row, n_steps=self.n_steps) for row in rows]
        with torch.no_grad():
            below = torch.stack([output.compute(module, row) for row in rows]).mean(dim=0)
            difference = output.compute(module, x) - below
        return torch.cat([torch.stack(parts).mean(dim=0)[:, :n_columns], difference[:, None]], 1)


def _places(side: Side) -> Tensor:
    """Return for each column the number of its optional modality; of none, one more."""
    places = np.full(len(side.scale), len(side.optional))
    for place, number in enumerate(side.optional):
        places[side.modalities[number].columns] = place
    return torch.from_numpy(places)


def _captum() -> Any:
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            "integrated_gradients needs captum. Install it by: pip install sklearn-cmmd[inspect]"
        ) from error
    return IntegratedGradients


def _check_options(by: Any, n_steps: Any) -> None:
    if by not in ("column", "view"):
        raise ValueError(f"by must be 'column' or 'view'. Got {by!r} instead.")
    if not isinstance(n_steps, Integral) or isinstance(n_steps, bool) or n_steps < 1:
        raise ValueError(f"n_steps must be a positive int. Got {n_steps!r} instead.")


def _rows_by_number(
    estimator: Any, X: Any, number: int | None, n_rows: int
) -> dict[int, np.ndarray]:
    """Return the rows for which each output is explained."""
    if number is not None:
        return {number: np.arange(n_rows)}
    most = np.asarray(estimator.predict_log_proba(X)).argmax(axis=1)
    return {int(code): np.flatnonzero(most == code) for code in np.unique(most)}


def _baseline(members: Sequence[BaseCMMD], baseline: Any) -> np.ndarray:
    """Return the rows to compare with, (k, columns), in the units of the data."""
    side = members[0]._plan.layout.observed
    if baseline is None:
        means = [member._plan.layout.observed.mean for member in members]
        return np.asarray(np.mean(means, axis=0))[None]
    table = read_table(members[0]._opened(baseline), "baseline", members[0])
    side.check(table)
    return side.read(table, slice(None))


def _check_sums(values: np.ndarray, differences: np.ndarray, n_steps: int) -> None:
    """Warn if contributions do not add up to what they explain."""
    missed = np.abs(values.sum(axis=1) - differences)
    usual = np.abs(differences).mean()
    far = np.flatnonzero(missed > TOLERANCE * usual)
    if len(far) and usual > 0:
        warnings.warn(
            f"Contributions of {len(far)} rows miss f(x) - f(baseline) by more than "
            f"{TOLERANCE:.0%} of its mean size, at most by {missed.max() / usual:.0%}. Raise "
            f"n_steps, which is {n_steps}.",
            AttributionWarning,
            stacklevel=3,
        )
