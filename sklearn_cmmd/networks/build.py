"""From an architecture to each of the four networks."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from torch import nn

from sklearn_cmmd.networks.architecture import Architecture, Network, ViewSpec
from sklearn_cmmd.networks.conditional import (
    Conditional,
    Decoder,
    GeneratorHead,
    JointFeatures,
    ProductOfExperts,
)
from sklearn_cmmd.networks.conv import ConvBody, ConvGenerator
from sklearn_cmmd.networks.custom import CustomBody, CustomGenerator
from sklearn_cmmd.networks.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    Head,
    LaplaceLikelihood,
    Likelihood,
    gaussian_head,
)
from sklearn_cmmd.networks.mlp import MLP

LATENT_BOUND = 8.0

Placed = Sequence[tuple[ViewSpec, int]]
Parts = list[tuple[list[int], nn.Module]]


def _mlp(arch: Architecture, in_features: int, hidden: tuple[int, ...]) -> MLP:
    return MLP(in_features, hidden, arch.activation)


def _body(
    arch: Architecture, block: ViewSpec, network: Network, hidden: tuple[int, ...]
) -> nn.Module:
    """Return the network through which one modality goes alone."""
    if network in ("auto", "mlp"):
        return _mlp(arch, len(block.columns), hidden)
    if isinstance(network, str):
        return ConvBody(block.grid, arch.activation)
    return CustomBody(block.name, network, block.grid)


def _parts(
    arch: Architecture,
    role: str,
    placed: Placed,
    extra: Iterable[int] = (),
    together: bool = True,
) -> Parts:
    """Bodies, and their positions in a context, of blocks that begin at an offset.

    The blocks without a network of their own go together, and the extra columns with them.
    """
    hidden: tuple[int, ...] = getattr(arch, f"{role}_hidden")
    shared: list[int] = []
    parts: Parts = []
    for block, offset in placed:
        positions = list(block.columns)
        if offset:
            positions = [offset + column for column in positions]
        network = getattr(block, role)
        if network == "auto" and together:
            shared += positions
        else:
            parts.append((positions, _body(arch, block, network, hidden)))
    shared += extra
    return [*parts, (shared, _mlp(arch, len(shared), hidden))] if shared else parts


def _joint(
    arch: Architecture, parts: Parts, n_context: int, hidden: tuple[int, ...]
) -> JointFeatures:
    return JointFeatures(parts, n_context, partial(_mlp, arch, hidden=hidden[-1:]))


def _latent(
    arch: Architecture, parts: Parts, n_context: int, hidden: tuple[int, ...]
) -> Conditional:
    """Return a network whose output is a Gaussian of the latent variables."""
    features = _joint(arch, parts, n_context, hidden)
    return Conditional(
        features, gaussian_head(features.out_features, arch.latent_dim, LATENT_BOUND)
    )


def _observed(arch: Architecture) -> Placed:
    return [(block, 0) for block in arch.observed]


def build_prior(arch: Architecture) -> Conditional | ProductOfExperts:
    """Return p(z | x_O)."""
    latent = partial(_latent, arch, n_context=arch.n_observed, hidden=arch.prior_hidden)
    if arch.fusion == "joint":
        return latent(_parts(arch, "prior", _observed(arch)))
    parts = _parts(arch, "prior", _observed(arch), together=False)
    return ProductOfExperts([latent([part]) for part in parts])


def build_encoder(arch: Architecture) -> Conditional:
    """Return q(z | x_O, x_M, y), of whatever of x_M and y there is for it to see.

    Beside x_M it reads a mask, one column for each missing modality, which tells a modality that
    is absent from one that is zero.
    """
    placed = [*_observed(arch), *[(block, arch.n_observed) for block in arch.missing]]
    n_values = arch.n_observed + arch.n_missing
    n_context = n_values + len(arch.missing) + (arch.n_labels if arch.label_in_encoder else 0)
    parts = _parts(arch, "encoder", placed, range(n_values, n_context))
    return _latent(arch, parts, n_context, arch.encoder_hidden)


def build_classifier(arch: Architecture) -> Conditional:
    """Return p(y | z)."""
    body = _mlp(arch, arch.latent_dim, arch.classifier_hidden)
    features = _joint(arch, [(list(range(arch.latent_dim)), body)], arch.latent_dim, ())
    kind = BernoulliLikelihood if arch.label_likelihood == "bernoulli" else CategoricalLikelihood
    return Conditional(features, Head(features.out_features, kind(arch.n_labels)))


def build_decoder(arch: Architecture) -> Decoder:
    """Return p(x_M | x_O, z).

    The modalities without a network of their own share one, and each other has its own.
    """
    sees_observed = arch.decoder_input == "both"
    trunks: list[JointFeatures] = []
    heads: list[nn.Module] = []
    trunk_of: dict[str | int, int] = {}
    network: list[int] = []
    for i, block in enumerate(arch.missing):
        key = "shared" if block.decoder == "auto" else i
        if key not in trunk_of:
            trunk_of[key] = len(trunks)
            trunks.append(_trunk(arch, block, _observed(arch) if sees_observed else ()))
        network.append(trunk_of[key])
        heads.append(_generator(arch, block, trunks[network[-1]].out_features))
    columns = [block.columns for block in arch.missing]
    weights = [block.weight for block in arch.missing]
    return Decoder(trunks, heads, network, columns, weights, sees_observed)


def _trunk(arch: Architecture, block: ViewSpec, observed: Placed) -> JointFeatures:
    """Return what comes before the heads; nothing for a generator that sees z alone."""
    n_observed = arch.n_observed if observed else 0
    n_context = n_observed + arch.latent_dim
    latent = list(range(n_observed, n_context))
    if not observed and block.decoder not in ("auto", "mlp"):
        return _joint(arch, [(latent, _mlp(arch, arch.latent_dim, ()))], n_context, ())
    return _joint(arch, _parts(arch, "decoder", observed, latent), n_context, arch.decoder_hidden)


def _generator(arch: Architecture, block: ViewSpec, in_features: int) -> nn.Module:
    """Return the head of a missing modality."""
    likelihood = _likelihood(block)
    network = block.decoder
    if network in ("auto", "mlp"):
        return Head(in_features, likelihood)
    made: Any
    if isinstance(network, str):
        made = ConvGenerator(in_features, block.grid, likelihood.per_value, arch.activation)
    else:
        made = CustomGenerator(block.name, network, in_features, block.grid, likelihood.per_value)
    return GeneratorHead(made, likelihood)


def _likelihood(block: ViewSpec) -> Likelihood:
    n = len(block.columns)
    if block.likelihood == "bernoulli":
        return BernoulliLikelihood(n)
    if block.likelihood == "categorical":
        return CategoricalLikelihood(n, block.grid.shape, block.axis)
    kind = {"gaussian": GaussianLikelihood, "laplace": LaplaceLikelihood}[block.likelihood]
    return kind(n, block.scale)
