"""What an ensemble says of rows, as a module of torch; see `export.graph`."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_cmmd.crossfit.mixture import Mixture
from sklearn_cmmd.crossfit.regressions import (
    Forest,
    LinearMap,
    OfComponents,
    Regression,
    check_arrays,
)
from sklearn_cmmd.crossfit.views import View
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.export.graph import Answers, Together
from sklearn_cmmd.export.onnx import Exportable


def _parameter(values: Any) -> nn.Buffer:
    return nn.Buffer(torch.as_tensor(np.asarray(values), device="cpu"))


class LinearMapModule(nn.Module):
    """`LinearMap` in torch."""

    def __init__(self, of: LinearMap) -> None:
        super().__init__()
        self.coef = _parameter(np.atleast_2d(of.coef))
        self.intercept = _parameter(of.intercept)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, features) to (batch, columns)."""
        return x @ self.coef.T + self.intercept


class ForestModule(nn.Module):
    """`Forest` in torch: all rows go through all trees at a time, down to the deepest leaf."""

    def __init__(self, of: Forest) -> None:
        super().__init__()
        is_leaf = of.left == np.arange(len(of.left))
        self.roots = _parameter(of.roots)
        self.left, self.right = _parameter(of.left.astype(int)), _parameter(of.right.astype(int))
        self.feature, self.threshold = _parameter(of.feature.astype(int)), _parameter(of.threshold)
        self.number_of_leaf = _parameter(np.cumsum(is_leaf) - 1)
        self.values = _parameter(of.values.reshape(len(of.values), -1))
        self.depth = 0
        level = of.roots[~is_leaf[of.roots]]
        while len(level):
            below = np.concatenate([of.left[level], of.right[level]])
            level = below[~is_leaf[below]]
            self.depth += 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, features) to (batch, columns)."""
        x, node = x.float(), self.roots.expand(x.shape[0], -1)
        for _ in range(self.depth):
            goes_left = x.gather(1, self.feature[node]).double() <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return self.values[self.number_of_leaf[node]].mean(1)


class OfComponentsModule(nn.Module):
    """`OfComponents` in torch."""

    def __init__(self, of: OfComponents) -> None:
        super().__init__()
        self.regression = as_module(of.regression)
        self.components, self.mean = _parameter(of.components), _parameter(of.mean)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, features) to (batch, columns)."""
        scores: Tensor = self.regression(x)
        return scores @ self.components + self.mean


def as_module(regression: Regression) -> nn.Module:
    """Return a regression as a module."""
    if isinstance(regression, LinearMap):
        return LinearMapModule(regression)
    if isinstance(regression, Forest):
        return ForestModule(regression)
    return OfComponentsModule(regression)


class TogetherInEnsemble(Together):
    """What the members of an ensemble and its regressions say together."""

    def __init__(self, ensemble: Any) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList([Answers(member) for member in ensemble.estimators_])
        mixture = ensemble._mixture
        self.views: Sequence[View] = mixture.views
        # By member, modality and generator.
        self.regressions = nn.ModuleList(
            [
                nn.ModuleList([nn.ModuleList(map(as_module, fits)) for fits in member.regressors])
                for member in mixture.members
            ]
        )
        columns = [view.modality.columns for view in self.views]
        self.order = _parameter(np.argsort(np.concatenate(columns))) if columns else None
        self.multilabel = ensemble._targets is not None and ensemble._targets.multilabel
        self.temperature = _parameter(getattr(ensemble, "temperature_", 1.0))

    @property
    def _answers(self) -> list[Answers]:
        return [cast(Answers, member) for member in self.members]

    def y(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities at the temperature, or means and standard deviations."""
        said = [each.y(each.standardised(x)) for each in self._answers]
        if len(said[0]) == 1:
            return (self._probabilities(torch.stack([logs for (logs,) in said])),)
        means, stds = (torch.stack(parts) for parts in zip(*said, strict=True))
        variance = stds.square().mean(0) + means.var(0, unbiased=False)
        return means.mean(0), variance.sqrt() * self.temperature

    def _probabilities(self, logs: Tensor) -> Tensor:
        mean = logs.logsumexp(0) - float(np.log(len(logs)))
        temperature = self.temperature.to(logs.dtype)
        if not self.multilabel:
            return torch.softmax(mean / temperature, 1)
        rest = torch.clamp_min(-torch.expm1(mean), torch.finfo(mean.dtype).tiny)
        return torch.sigmoid((mean - rest.log()) / temperature)

    def embedding(self, x: Tensor) -> Tensor:
        """Return the embeddings of all members side by side."""
        return torch.cat([each.embedding(each.standardised(x)) for each in self._answers], dim=1)

    def generated(self, x: Tensor) -> list[Tensor]:
        """Return the mixture of members and regressions, and the members' means of X."""
        seen = [each.standardised(x) for each in self._answers]
        each = [one.generated(row) for one, row in zip(self._answers, seen, strict=True)]
        means = [torch.stack(side).mean(0) for side in zip(*each, strict=True)]
        if self.order is not None:
            mixed = [self._mixed(number, means[0], seen) for number in range(len(self.views))]
            means[0] = torch.cat(mixed, dim=1)[:, self.order]
        return means

    def _mixed(self, number: int, own: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """Return the mixture of one modality."""
        view = self.views[number]
        columns = torch.as_tensor(view.modality.columns)
        own_weight, *weights = view.weights.tolist()
        mixed = own_weight * own[:, columns]
        for generator, weight in enumerate(weights):
            parts = []
            for answers, fits, x in zip(self._answers, self.regressions, seen, strict=True):
                side, regression = cast(Any, answers.sides[0]), cast(Any, fits)[number][generator]
                predicted = in_range(regression(x), view.modality)
                parts.append(predicted * side.scale[columns] + side.loc[columns])
            mixed = mixed + weight * torch.stack(parts).mean(0)
        return mixed


def in_range(values: Tensor, modality: Modality) -> Tensor:
    """Bring means to values that the likelihood can have, as `generators.in_range` does."""
    if modality.likelihood == "counts":
        return values.clamp_min(0)
    if modality.likelihood not in ("bernoulli", "categorical"):
        return values
    values = values.clamp(0, 1)
    if modality.likelihood == "bernoulli":
        return values
    shape = modality.shape or values.shape[1:]
    shaped, axis = values.unflatten(1, shape), modality.axis
    total = shaped.sum(axis, keepdim=True)
    none = total <= 0
    shares = torch.where(none, 1 / shaped.shape[axis], shaped / torch.where(none, 1.0, total))
    return shares.flatten(1)


class ExportedEnsemble(Exportable):
    """The graph of an ensemble."""

    _mixture: Mixture
    weights_: dict[str, dict[str, float]]

    def _answers(self) -> Together:
        check_arrays(self.weights_, [member.regressors for member in self._mixture.members])
        return TogetherInEnsemble(self)
