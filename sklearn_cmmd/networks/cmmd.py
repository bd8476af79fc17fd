"""The four networks of CMMD together; what they are trained for is not known here."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.conditional import Conditional, Decoder, JointFeatures, make_head
from sklearn_cmmd.networks.likelihoods import Bernoulli, Categorical, Gaussian, GaussianHead, Joint
from sklearn_cmmd.networks.mlp import MLP

__all__ = ["CMMD", "Architecture", "Block"]

LATENT_BOUND = 8.0


@dataclass(frozen=True)
class Block:
    """A modality as the networks see it.

    `shared` modalities go through one network together, each of the others through its own.
    """

    columns: tuple[int, ...]
    likelihood: str = "gaussian"
    shared: bool = True
    weight: float = 1.0


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of the four networks, in plain values."""

    observed: tuple[Block, ...]
    missing: tuple[Block, ...]
    n_labels: int
    label_likelihood: str
    latent_dim: int
    prior_hidden: tuple[int, ...]
    encoder_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    classifier_hidden: tuple[int, ...]
    activation: str
    dropout: float


class CMMD(nn.Module):
    """Prior p(z|x_O), encoder q(z|x_O,x_M,y), decoder p(x_M|x_O,z) and classifier p(y|z).

    Parameters
    ----------
    architecture : Architecture
        Shapes of the networks. Without missing modalities there is no decoder, without labels
        no classifier, and the encoder does not see what is not there.

    Attributes
    ----------
    prior, encoder : Conditional
        Networks that return a Gaussian of `latent_dim` variables.
    decoder : Decoder or None
        Network that returns the joint distribution of the missing modalities.
    classifier : Conditional or None
        Network that returns a distribution over the labels.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = arch = architecture
        observed, missing = list(arch.observed), list(arch.missing)
        n_observed, n_missing = _width(observed), _width(missing)
        latent = partial(GaussianHead, features=arch.latent_dim, bound=LATENT_BOUND)

        placed = [(block, 0) for block in observed]
        self.prior = _conditional(arch, _groups(placed), arch.prior_hidden, latent)

        placed += [(block, n_observed) for block in missing]
        labels = range(n_observed + n_missing, n_observed + n_missing + arch.n_labels)
        self.encoder = _conditional(arch, _groups(placed, labels), arch.encoder_hidden, latent)

        self.decoder = _decoder(arch, n_observed) if missing else None
        self.classifier = _classifier(arch) if arch.n_labels else None

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw all weights anew from the generator."""
        for module in self.modules():
            if module is not self and hasattr(module, "init_weights"):
                module.init_weights(generator)  # type: ignore[operator]

    def label_features(self, y: Tensor) -> Tensor:
        """Labels as the encoder and the classifier take them: a column for each class."""
        if self.architecture.label_likelihood == "categorical":
            return nn.functional.one_hot(y, self.architecture.n_labels)
        return y

    def posterior(
        self,
        x_observed: Tensor,
        x_missing: Tensor | None = None,
        labels: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Gaussian:
        """q(z | x_O, x_M, y), of whatever of x_M and y the model has."""
        context = [x for x in (x_observed, x_missing, labels) if x is not None]
        return cast(Gaussian, self.encoder(*context, generator=generator))

    def in_precision(self, dtype: torch.dtype) -> "CMMD":
        """Return these networks if they have this precision, else a copy that has.

        In float64 each row's result is independent of the rows beside it to 1e-15, which products
        in float32, whose order of summation changes with the batch, are not.
        """
        if next(self.parameters()).dtype == dtype:
            return self
        return copy.deepcopy(self).to(dtype)

    def embed(self, x_observed: Tensor) -> Gaussian:
        """p(z | x_O)."""
        return cast(Gaussian, self.prior(x_observed))

    def predict(self, x_observed: Tensor) -> Bernoulli | Categorical:
        """p(y | z) at the mean of p(z | x_O)."""
        assert self.classifier is not None
        z = self.embed(x_observed).mean
        return cast(Bernoulli | Categorical, self.classifier(z))

    def reconstruct(self, x_observed: Tensor) -> Joint:
        """p(x_M | x_O, z) at the mean of p(z | x_O)."""
        assert self.decoder is not None
        z = self.embed(x_observed).mean
        return cast(Joint, self.decoder(x_observed, z))

    def draw_missing(
        self, x_observed: Tensor, n_samples: int, generator: torch.Generator
    ) -> Tensor:
        """Draw z from p(z | x_O), then x_M from p(x_M | x_O, z); (batch, n_samples, n_missing)."""
        assert self.decoder is not None
        x = x_observed.repeat_interleave(n_samples, dim=0)
        z = self.embed(x).sample(generator)
        draws: Tensor = self.decoder(x, z).sample(generator)
        return draws.reshape(len(x_observed), n_samples, -1)


def _width(blocks: Iterable[Block]) -> int:
    return sum(len(block.columns) for block in blocks)


def _groups(placed: Iterable[tuple[Block, int]], extra: Iterable[int] = ()) -> list[list[int]]:
    """Positions in a context, the shared network's first, of blocks that begin at an offset."""
    shared: list[int] = []
    own: list[list[int]] = []
    for block, offset in placed:
        positions = [offset + column for column in block.columns]
        if block.shared:
            shared += positions
        else:
            own.append(positions)
    shared += extra
    return [group for group in (shared, *own) if group]


def _features(
    arch: Architecture, groups: list[list[int]], hidden: tuple[int, ...]
) -> JointFeatures:
    mlp = partial(MLP, activation=arch.activation, dropout=arch.dropout)
    return JointFeatures(groups, partial(mlp, hidden=hidden), partial(mlp, hidden=hidden[-1:]))


def _conditional(
    arch: Architecture,
    groups: list[list[int]],
    hidden: tuple[int, ...],
    head: Callable[[int], nn.Module],
) -> Conditional:
    features = _features(arch, groups, hidden)
    return Conditional(features, head(features.out_features))


def _classifier(arch: Architecture) -> Conditional:
    head = partial(make_head, arch.label_likelihood, features=arch.n_labels)
    return _conditional(arch, [list(range(arch.latent_dim))], arch.classifier_hidden, head)


def _decoder(arch: Architecture, n_observed: int) -> Decoder:
    """One network for the shared modalities, and one for each of the others."""
    latent = range(n_observed, n_observed + arch.latent_dim)
    groups = _groups([(block, 0) for block in arch.observed], latent)
    keys = ["shared" if block.shared else i for i, block in enumerate(arch.missing)]
    distinct = list(dict.fromkeys(keys))
    network = [distinct.index(key) for key in keys]
    features = [_features(arch, groups, arch.decoder_hidden) for _ in distinct]
    heads = [
        make_head(block.likelihood, features[i].out_features, len(block.columns))
        for block, i in zip(arch.missing, network, strict=True)
    ]
    columns = [block.columns for block in arch.missing]
    return Decoder(features, heads, network, columns, [block.weight for block in arch.missing])
