"""Shapes and wiring of the four networks: who sees what."""

from dataclasses import replace

import pytest
import torch

from sklearn_cmmd.data.batch import View
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.networks.dropout import Dropout, keep_mask
from sklearn_cmmd.networks.mlp import ACTIVATIONS, MLP, init_weights

ARCHITECTURE = Architecture(
    observed=(ViewSpec((0, 1)), ViewSpec((2, 3, 4))),
    missing=(ViewSpec((0,)), ViewSpec((1, 2), likelihood="bernoulli")),
    n_labels=3,
    label_likelihood="categorical",
    latent_dim=4,
    prior_hidden=(6, 5),
    encoder_hidden=(7,),
    decoder_hidden=(8,),
    classifier_hidden=(9,),
    activation="relu",
)
SHARED = ARCHITECTURE
OWN = replace(
    ARCHITECTURE,
    observed=(ViewSpec((0, 1)), ViewSpec((2, 3, 4), prior="mlp", encoder="mlp", decoder="mlp")),
    missing=(
        ViewSpec((0,), encoder="mlp", decoder="mlp"),
        ViewSpec((1, 2), encoder="mlp", decoder="mlp", likelihood="bernoulli"),
    ),
)
LINEAR = replace(
    ARCHITECTURE, prior_hidden=(), encoder_hidden=(), decoder_hidden=(), classifier_hidden=()
)


def build(architecture):
    module = CMMD(architecture)
    module.init_weights(torch.Generator().manual_seed(0))
    return module.eval()


@pytest.fixture(params=[SHARED, OWN, LINEAR], ids=["shared", "own", "linear"])
def module(request):
    return build(request.param)


@pytest.fixture
def rows():
    rng = torch.Generator().manual_seed(1)
    x, m = torch.randn(10, 5, generator=rng), torch.randn(10, 3, generator=rng)
    return x, m, torch.nn.functional.one_hot(torch.arange(10) % 3, 3).float()


def depends(output, inputs):
    """For each column of the inputs, whether the output changes with it."""
    inputs = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(output(inputs).square().sum(), inputs)
    return gradient.abs().sum(0) > 0


def test_prior_sees_all_observed_columns(module, rows):
    assert depends(lambda x: module.prior(x).loc, rows[0]).all()
    assert depends(lambda x: module.prior(x).log_var, rows[0]).all()


def test_encoder_sees_everything(module, rows):
    x, m, y = rows
    mask = torch.ones(10, 2)
    assert depends(lambda x: module.posterior(x, View(m), y).loc, x).all()
    assert depends(lambda m: module.posterior(x, View(m), y).loc, m).all()
    assert depends(lambda mask: module.posterior(x, View(m, mask), y).loc, mask).all()
    assert depends(lambda y: module.posterior(x, View(m), y).loc, y).all()


def test_decoder_sees_observed_columns_and_latents(module, rows):
    x, z = rows[0], torch.randn(10, 4, generator=torch.Generator().manual_seed(2))
    for i in range(3):
        assert depends(lambda x, i=i: module.decoder(x, z).mean[:, i : i + 1], x).all()
        assert depends(lambda z, i=i: module.decoder(x, z).mean[:, i : i + 1], z).all()


def test_classifier_sees_the_latents_alone(module):
    z = torch.randn(10, 4, generator=torch.Generator().manual_seed(2))
    assert depends(lambda z: module.classifier(z).logits, z).all()
    (first, *_) = module.classifier.features.bodies[0].layers or [module.classifier.head.layer]
    assert first.in_features == 4


@pytest.mark.parametrize(("architecture", "networks"), [(SHARED, 1), (OWN, 2)])
def test_decoder_networks(architecture, networks):
    assert len(build(architecture).decoder.features) == networks


def test_own_networks_are_joined_by_a_layer(rows):
    module = build(OWN)
    assert [body.layers[0].in_features for body in module.prior.features.bodies] == [3, 2]
    # Encoder: three modalities of their own, then (observed 0, 1, labels) together.
    assert [b.layers[0].in_features for b in module.encoder.features.bodies] == [3, 1, 2, 7]
    assert module.encoder.features.mix.layers[0].in_features == 4 * 7


def test_without_missing_modalities_or_labels():
    bare = build(replace(ARCHITECTURE, missing=(), n_labels=0))
    assert bare.decoder is None
    assert bare.classifier is None
    assert bare.encoder.features.bodies[0].layers[0].in_features == 5


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    first, second = build(OWN).state_dict(), build(OWN).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_initial_distributions_are_near_standard_normal(module, rows):
    x, m, y = rows
    q, p = module.posterior(x, View(m), y), module.prior(x)
    for distribution in (q, p):
        assert distribution.loc.abs().max() < 1.5
        assert distribution.log_var.abs().max() < 1.5


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_keep_their_scale(activation):
    rng = torch.Generator().manual_seed(0)
    mlp = MLP(100, (200,) * 4, activation)
    init_weights(mlp, rng)
    out = mlp(torch.randn(500, 100, generator=rng))
    assert 0.05 < out.square().mean().sqrt() < 5


def bits(*shape):
    rng = torch.Generator().manual_seed(0)
    return torch.randint(-(2**15), 2**15, shape, generator=rng, dtype=torch.int16)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 1 - 1e-9])
def test_dropout_keeps_the_mean(rate):
    keep = keep_mask(bits(2000, 200), rate)
    if rate < 1 - 1e-6:
        kept = keep[keep > 0].unique().tolist()
        assert kept == [pytest.approx(1 / (1 - rate), rel=1e-4)]
        assert float((keep == 0).float().mean()) == pytest.approx(rate, abs=0.005)
    assert torch.isfinite(keep).all()
    assert keep.double().mean() == pytest.approx(1, abs=0.01 if rate < 0.9 else 1)


def test_layers_take_their_masks_one_after_the_other():
    mlp = MLP(3, (50, 20), "relu")
    init_weights(mlp, torch.Generator().manual_seed(0))
    x, keep = torch.ones(10, 3), keep_mask(bits(10, 70), 0.5)
    first, second = mlp.layers
    want = torch.relu(second(torch.relu(first(x)) * keep[:, :50])) * keep[:, 50:]
    assert torch.equal(mlp(x, Dropout(keep)), want)
    assert torch.equal(mlp(x, Dropout(None)), mlp(x))


def test_two_draws_of_a_row_have_masks_of_their_own():
    mlp = MLP(3, (50,), "relu")
    init_weights(mlp, torch.Generator().manual_seed(0))
    x, keep = torch.ones(20, 3), keep_mask(bits(10, 100), 0.5)
    out = mlp(x, Dropout(keep))
    assert torch.equal(out[:10], torch.relu(mlp.layers[0](x[:10])) * keep[:, :50])
    assert torch.equal(out[10:], torch.relu(mlp.layers[0](x[10:])) * keep[:, 50:])


@pytest.mark.parametrize("n_decodings", [1, 2])
def test_every_unit_has_a_mask(module, rows, n_decodings):
    """One pass uses up exactly the units that were counted."""
    x = rows[0]
    dropout = Dropout(torch.ones(len(x), module.dropout_units(n_decodings, 1)))
    z = module.prior(x, dropout=dropout).loc
    module.posterior(x, View(rows[1]), rows[2], dropout=dropout)
    module.decoder(x.repeat(n_decodings, 1), z.repeat(n_decodings, 1), dropout=dropout)
    module.classifier(z, dropout=dropout)
    assert dropout.used == dropout.keep.shape[1]


PRODUCT = replace(ARCHITECTURE, fusion="product")


def test_product_of_experts_is_the_product_of_the_densities(rows):
    """Up to a constant in z, log p(z|x) is the sum of the experts' log-densities and N(0, I)'s."""
    module = build(PRODUCT).double()
    x = rows[0].double()
    product = module.prior(x)
    z = torch.randn(50, 10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = Gaussian(torch.zeros_like(z), torch.zeros_like(z)).log_prob(z)
    for expert in module.prior.experts:
        total = total + expert(x).log_prob(z)
    constant = total - product.log_prob(z)
    torch.testing.assert_close(constant, constant[:1].expand(50, 10))


def test_each_expert_sees_one_modality(rows):
    module = build(PRODUCT)
    seen = [
        depends(lambda x, e=expert: e(x).loc, rows[0]).tolist() for expert in module.prior.experts
    ]
    assert seen == [[True, True, False, False, False], [False, False, True, True, True]]


def test_decoder_of_the_latents_alone(rows):
    module = build(replace(ARCHITECTURE, decoder_input="latent"))
    z = torch.randn(10, 4, generator=torch.Generator().manual_seed(2))
    x = rows[0].requires_grad_()
    mean = module.decoder(x, z).mean
    assert depends(lambda z: module.decoder(x, z).mean, z).all()
    (gradient,) = torch.autograd.grad(mean.sum(), x, allow_unused=True)
    assert gradient is None


@pytest.mark.parametrize("architecture", [SHARED, OWN], ids=["shared", "own"])
def test_start_from_networks_without_labels(architecture, rows):
    """With the weights of the labels at zero, both encoders are one function."""
    x, m, labels = rows
    bare = CMMD(replace(architecture, n_labels=0))
    bare.init_weights(torch.Generator().manual_seed(5))
    module = build(architecture)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.start_from(bare.eval())
    for name, value in module.prior.state_dict().items():
        assert torch.equal(value, bare.prior.state_dict()[name])
    first = module.encoder.features.bodies[-1].layers[0].weight
    assert torch.equal(
        first[:, -3:], before["encoder.features.bodies." + last_body(module)][:, -3:]
    )
    assert torch.equal(module.classifier.head.layer.weight, before["classifier.head.layer.weight"])
    with torch.no_grad():
        first[:, -3:] = 0
    q, start = module.posterior(x, View(m), labels), bare.posterior(x, View(m))
    assert torch.allclose(q.loc, start.loc, atol=1e-6)
    assert torch.equal(
        module.decoder(x, labels.new_ones(10, 4)).mean, bare.decoder(x, labels.new_ones(10, 4)).mean
    )


def last_body(module):
    return f"{len(module.encoder.features.bodies) - 1}.layers.0.weight"
