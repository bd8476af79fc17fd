"""Networks that take a context and return a distribution: prior, encoder, classifier, decoder."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.distributions import Distribution, Gaussian, Joint
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.networks.likelihoods import Likelihood, in_float32
from sklearn_cmmd.networks.linear import LinearPath
from sklearn_cmmd.networks.mlp import MLP


class Columns(nn.Module):
    """Some of the last axis' `width` entries, as a view where they are contiguous."""

    def __init__(self, positions: Sequence[int], width: int) -> None:
        super().__init__()
        positions = list(positions)
        start, stop = positions[0], positions[0] + len(positions)
        is_span = positions == list(range(start, stop))
        self.span = slice(start, stop) if is_span else None
        self.all = is_span and len(positions) == width
        self.index: Tensor
        index = None if is_span else torch.tensor(positions, device="cpu")
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.all:
            return x
        return x[..., self.index if self.span is None else self.span]


class JointFeatures(nn.Module):
    """Features of a context: a body for each group of its columns, then a layer that mixes them.

    `parts` are each group's positions in the context of `width` columns, and its body, a module
    with `out_features`. One group, the usual case, needs no mixing layer, which else is of the
    widths `mix`.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Sequence[int], Any]],
        width: int,
        mix: Sequence[int],
        activation: str,
    ) -> None:
        super().__init__()
        joint_width = 0
        self.bodies, self.columns = nn.ModuleList(), nn.ModuleList()
        for positions, body in parts:
            joint_width += body.out_features
            self.bodies.append(body)
            self.columns.append(Columns(positions, width))
        self.mix = MLP(joint_width, mix, activation) if len(parts) > 1 else None
        self.out_features: int = joint_width if self.mix is None else self.mix.out_features

    def forward(self, context: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, columns) to (batch, out_features)."""
        outputs = [
            body(columns(context), dropout)
            for columns, body in zip(self.columns, self.bodies, strict=True)
        ]
        if self.mix is None:
            return outputs[0]
        mixed: Tensor = self.mix(torch.cat(outputs, -1), dropout)
        return mixed


class Conditional(nn.Module):
    """p(out | context): features of the context, then the head of a distribution."""

    def __init__(self, features: JointFeatures, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, *context: Tensor, dropout: Dropout | None = None) -> Distribution:
        joined = context[0] if len(context) == 1 else torch.cat(context, dim=-1)
        distribution: Distribution = self.head(self.features(joined, dropout))
        return distribution


class ProductOfExperts(nn.Module):
    """p(z | x_O) as the product of N(0, I) and one Gaussian for each observed modality.

    Precisions add up, and the mean is that of the experts' means weighted by their precisions.
    `masks` are, by the number of an expert, the columns that are zero where it has nothing to see.
    """

    def __init__(self, experts: Sequence[Conditional], masks: Mapping[int, int]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.masks = dict(masks)

    def forward(self, context: Tensor, dropout: Dropout | None = None) -> Gaussian:
        opinions = [expert(context, dropout=dropout) for expert in self.experts]
        loc = torch.stack([opinion.loc for opinion in opinions])
        precisions = [torch.exp(-opinion.log_var) for opinion in opinions]
        for expert, mask in self.masks.items():
            precisions[expert] = precisions[expert] * context[:, mask, None]
        precision = torch.stack(precisions)
        total = 1 + precision.sum(0)
        return Gaussian((precision * loc).sum(0) / total, -torch.log(total))


class GeneratorHead(nn.Module):
    """Features to the distribution of each row, by a network that makes images or sequences."""

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.network = network
        self.likelihood = likelihood

    def forward(self, features: Tensor, dropout: Dropout | None = None) -> Distribution:
        distribution: Distribution = self.likelihood(in_float32(self.network(features, dropout)))
        return distribution


class Decoder(nn.Module):
    """p(x_M | x_O, z): the missing modalities, in one network or in several.

    For each modality there is a head, the number of the network in `features` that it sits on, its
    columns of x_M and the weight of its log-likelihood. `sees_observed` says whether the networks
    see x_O beside z. `paths`, by the number of the modality, add to its locations what x_O tells of
    them linearly.
    """

    def __init__(
        self,
        features: Sequence[JointFeatures],
        heads: Sequence[nn.Module],
        network: Sequence[int],
        columns: Sequence[Sequence[int]],
        weights: Sequence[float],
        sees_observed: bool,
        paths: Mapping[str, LinearPath],
    ) -> None:
        super().__init__()
        self.features = nn.ModuleList(features)
        self.heads = nn.ModuleList(heads)
        self.network = tuple(network)
        self.weights = tuple(weights)
        self.sees_observed = sees_observed
        self.paths = nn.ModuleDict(paths)
        order = torch.tensor([column for part in columns for column in part], device="cpu")
        self.columns = nn.ModuleList([Columns(positions, len(order)) for positions in columns])
        self.order: Tensor | None
        in_place = bool((order.diff() == 1).all())
        self.register_buffer("order", None if in_place else order.argsort(), persistent=False)

    def forward(self, x: Tensor, z: Tensor, dropout: Dropout | None = None) -> Joint:
        """Decode z, (draws · batch, latent_dim), one draw of every row of x after the other."""
        n_draws = z.shape[0] // x.shape[0]  # as a graph of any number of rows needs it
        context = torch.cat([_repeated(x, n_draws), z], dim=-1) if self.sees_observed else z
        features = [network(context, dropout) for network in self.features]
        parts: list[Any] = [
            head(features[i], dropout) for head, i in zip(self.heads, self.network, strict=True)
        ]
        for number, path in self.paths.items():
            part = parts[int(number)]
            parts[int(number)] = part._replace(loc=part.loc + _repeated(path(x), n_draws))
        return Joint(tuple(parts), tuple(self.columns), self.weights, self.order)

    def prior_loss(self) -> Tensor | None:
        """Return what draws the learned scales to one; None if there are none.

        Each modality is weighted as in the log-likelihood of a row.
        """
        losses = [cast(Likelihood, head.likelihood).prior_loss() for head in self.heads]
        weighted = [
            weight * loss
            for weight, loss in zip(self.weights, losses, strict=True)
            if loss is not None
        ]
        return torch.stack(weighted).sum() if weighted else None


def _repeated(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else torch.cat([x] * times)
