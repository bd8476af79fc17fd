"""Networks that take a context and return a distribution: prior, encoder, classifier, decoder."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.likelihoods import HEADS, Distribution, Joint
from sklearn_cmmd.networks.mlp import MLP

__all__ = ["Conditional", "Decoder", "JointFeatures", "make_head"]


class JointFeatures(nn.Module):
    """Features of a context: a body for each group of its columns, then a layer that mixes them.

    Parameters
    ----------
    groups : sequence of sequences of int
        Positions of each group's columns in the context. One group that holds all of them, the
        usual case, needs no mixing layer.
    body : callable
        Makes the body of a group from its number of columns.
    mix : callable
        Makes the mixing layer from the width of the bodies' joint output.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        body: Callable[[int], MLP],
        mix: Callable[[int], MLP],
    ) -> None:
        super().__init__()
        bodies = [body(len(group)) for group in groups]
        width = sum(body.out_features for body in bodies)
        self.bodies = nn.ModuleList(bodies)
        self.mix = mix(width) if len(groups) > 1 else None
        self.out_features = width if self.mix is None else self.mix.out_features
        for i, group in enumerate(groups):
            self.register_buffer(f"columns{i}", torch.tensor(group), persistent=False)

    def forward(self, context: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Map (batch, columns) to (batch, out_features)."""
        if self.mix is None:
            features: Tensor = self.bodies[0](context, generator)
            return features
        outputs = [
            body(context[..., getattr(self, f"columns{i}")], generator)
            for i, body in enumerate(self.bodies)
        ]
        mixed: Tensor = self.mix(torch.cat(outputs, -1), generator)
        return mixed


class Conditional(nn.Module):
    """p(out | context): features of the context, then the head of a distribution."""

    def __init__(self, features: JointFeatures, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, *context: Tensor, generator: torch.Generator | None = None) -> Distribution:
        """Return the distribution given the context's tensors laid side by side."""
        distribution: Distribution = self.head(self.features(torch.cat(context, dim=-1), generator))
        return distribution


class Decoder(nn.Module):
    """p(x_M | x_O, z): the missing modalities, in one network or in several.

    Parameters
    ----------
    features : sequence of JointFeatures
        The networks.
    heads : sequence of nn.Module
        One head for each modality.
    network : sequence of int
        For each modality, which of the networks its head sits on.
    columns : sequence of sequences of int
        For each modality, its columns of x_M.
    weights : sequence of float
        For each modality, the weight of its log-likelihood.
    """

    def __init__(
        self,
        features: Sequence[JointFeatures],
        heads: Sequence[nn.Module],
        network: Sequence[int],
        columns: Sequence[Sequence[int]],
        weights: Sequence[float],
    ) -> None:
        super().__init__()
        self.features = nn.ModuleList(features)
        self.heads = nn.ModuleList(heads)
        self.network = tuple(network)
        self.weights = tuple(weights)
        for i, positions in enumerate(columns):
            self.register_buffer(f"columns{i}", torch.tensor(positions), persistent=False)

    def forward(self, *context: Tensor, generator: torch.Generator | None = None) -> Joint:
        """Return the joint distribution of all missing modalities."""
        joined = torch.cat(context, dim=-1)
        features = [network(joined, generator) for network in self.features]
        return Joint(
            tuple(head(features[i]) for head, i in zip(self.heads, self.network, strict=True)),
            tuple(getattr(self, f"columns{i}") for i in range(len(self.heads))),
            self.weights,
        )


def make_head(likelihood: str, in_features: int, features: int) -> nn.Module:
    """Return the head of the likelihood with this name."""
    return HEADS[likelihood](in_features, features)
