"""From an architecture to each of the four networks."""

from collections.abc import Callable, Iterable, Sequence
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
    CountsLikelihood,
    GaussianLikelihood,
    Head,
    LaplaceLikelihood,
    Likelihood,
    VariedGaussianLikelihood,
    gaussian_head,
)
from sklearn_cmmd.networks.linear import LinearPath
from sklearn_cmmd.networks.mlp import MLP

LATENT_BOUND = 8.0

Placed = Sequence[tuple[ViewSpec, int]]


def _body(
    arch: Architecture, block: ViewSpec, network: Network, hidden: tuple[int, ...]
) -> nn.Module:
    """Return the network through which one modality goes alone."""
    if network in ("auto", "mlp"):
        return MLP(len(block.columns), hidden, arch.activation)
    if isinstance(network, str):
        return ConvBody(block.grid, arch.activation)
    return CustomBody(block.name, network, block.grid)


def _features(
    arch: Architecture, role: str, placed: Placed, n_context: int, extra: Iterable[int] = ()
) -> JointFeatures:
    """Return the features of a context, of blocks that begin at an offset and of extra columns.

    The blocks without a network of their own share one, and the extra columns go with them.
    """
    hidden: tuple[int, ...] = getattr(arch, f"{role}_hidden")
    shared: list[int] = []
    parts: list[tuple[list[int], nn.Module]] = []
    for block, offset in placed:
        positions = [offset + column for column in block.columns]
        network = getattr(block, role)
        if network == "auto":
            shared += positions
        else:
            parts.append((positions, _body(arch, block, network, hidden)))
    shared += extra
    if shared:
        parts.append((shared, MLP(len(shared), hidden, arch.activation)))
    return JointFeatures(parts, n_context, hidden[-1:], arch.activation)


def _latent(
    arch: Architecture, role: str, placed: Placed, n_context: int, extra: Iterable[int] = ()
) -> Conditional:
    """Return a network whose output is a Gaussian of the latent variables."""
    features = _features(arch, role, placed, n_context, extra)
    return Conditional(
        features, gaussian_head(features.out_features, arch.latent_dim, LATENT_BOUND)
    )


def build_prior(arch: Architecture) -> Conditional | ProductOfExperts:
    """Return p(z | x_O)."""
    placed = [(block, 0) for block in arch.observed]
    if arch.fusion == "joint":
        return _latent(arch, "prior", placed, arch.n_observed, arch.masks)
    experts = [_latent(arch, "prior", [one], arch.n_observed) for one in placed]
    return ProductOfExperts(experts, dict(zip(arch.optional, arch.masks, strict=True)))


def build_encoder(arch: Architecture) -> Conditional:
    """Return q(z | x_O, x_M, y), of whatever of x_M and y there is for it to see.

    Beside x_M it reads a mask, one column for each missing modality, which tells a modality that
    is absent from one that is zero.
    """
    placed = [(block, 0) for block in arch.observed]
    placed += [(block, arch.n_observed) for block in arch.missing]
    n_values = arch.n_observed + arch.n_missing
    n_context = n_values + len(arch.missing) + arch.n_label_columns
    extra = [*arch.masks, *range(n_values, n_context)]
    return _latent(arch, "encoder", placed, n_context, extra)


def build_classifier(arch: Architecture) -> Conditional:
    """Return p(y | z)."""
    features = _features(arch, "classifier", (), arch.latent_dim, range(arch.latent_dim))
    kinds: dict[str, Callable[[int], Likelihood]] = {
        "bernoulli": BernoulliLikelihood,
        "categorical": CategoricalLikelihood,
        "gaussian": VariedGaussianLikelihood,
    }
    likelihood = kinds[arch.label_likelihood](arch.n_labels)
    return Conditional(features, Head(features.out_features, likelihood))


def build_decoder(arch: Architecture) -> Decoder:
    """Return p(x_M | x_O, z).

    The modalities without a network of their own share one, and each other has its own.
    """
    sees_observed = arch.decoder_input != "latent"
    trunks: list[JointFeatures] = []
    heads: list[nn.Module] = []
    trunk_of: dict[str | int, int] = {}
    network: list[int] = []
    for i, block in enumerate(arch.missing):
        key = "shared" if block.decoder == "auto" else i
        if key not in trunk_of:
            trunk_of[key] = len(trunks)
            trunks.append(_trunk(arch, block, sees_observed))
        network.append(trunk_of[key])
        heads.append(_generator(arch, block, trunks[network[-1]].out_features))
    columns = [block.columns for block in arch.missing]
    weights = [block.weight for block in arch.missing]
    paths = {
        str(i): LinearPath(arch.n_observed, len(block.columns))
        for i, block in enumerate(arch.missing)
        if block.linear
    }
    return Decoder(trunks, heads, network, columns, weights, sees_observed, paths)


def _trunk(arch: Architecture, block: ViewSpec, sees_observed: bool) -> JointFeatures:
    """Return what comes before the heads; nothing for a generator that sees z alone."""
    placed = [(other, 0) for other in arch.observed] if sees_observed else []
    n_observed = arch.n_observed if sees_observed else 0
    n_context = n_observed + arch.latent_dim
    if not sees_observed and block.decoder not in ("auto", "mlp"):
        nothing = MLP(arch.latent_dim, (), arch.activation)
        return JointFeatures([(range(n_context), nothing)], n_context, (), arch.activation)
    extra = [*(arch.masks if sees_observed else ()), *range(n_observed, n_context)]
    return _features(arch, "decoder", placed, n_context, extra)


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
    if block.likelihood == "counts":
        return CountsLikelihood(n, block.scale, block.rates, block.unit)
    kind = {"gaussian": GaussianLikelihood, "laplace": LaplaceLikelihood}[block.likelihood]
    return kind(n, block.scale)
