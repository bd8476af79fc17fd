"""Convolutional networks: the published tables layer for layer, and every other shape."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.conv import ConvBody, ConvGenerator
from sklearn_cmmd.networks.grid import Grid
from sklearn_cmmd.networks.mlp import init_weights

IMAGE = Grid((32, 32, 3), "last")
DIGIT = Grid((28, 28))
TEXT = Grid((8, 71), "last")


def block(grid, network, **more):
    roles = dict.fromkeys(("prior", "encoder", "decoder"), network)
    return ViewSpec(tuple(range(grid.numel)), grid=grid, **roles, **more)


def model(observed, missing):
    return CMMD(
        Architecture(
            observed=(observed,),
            missing=(missing,),
            n_labels=0,
            label_likelihood="categorical",
            latent_dim=20,
            prior_hidden=(400,),
            encoder_hidden=(8,),
            decoder_hidden=(400,),
            classifier_hidden=(),
            activation="relu",
            decoder_input="latent",
        )
    )


IMAGES = model(block(IMAGE, "conv2d"), block(IMAGE, "conv2d", likelihood="laplace", scale=(1.0,)))
DIGITS = model(block(DIGIT, "mlp"), block(DIGIT, "mlp", likelihood="bernoulli"))
TEXTS = model(block(TEXT, "conv1d"), block(TEXT, "conv1d", likelihood="categorical"))


def layers(module):
    """Type, sizes in and out, and kernel, stride and padding of every layer with weights."""
    found = []
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            found.append(("linear", layer.in_features, layer.out_features))
        elif hasattr(layer, "kernel_size"):
            kind = "upconv" if "Transpose" in type(layer).__name__ else "conv"
            spec = (layer.kernel_size[0], layer.stride[0], layer.padding[0])
            found.append((kind, layer.in_channels, layer.out_channels, spec))
    return found


HEADS = ("linear", 128, 40)  # layers a and b of the tables in one: means and variances
TABLES = {
    # Tables H.3 to H.5. Where a kernel covers the whole input or makes the whole output its
    # stride has no effect; the tables print 2 for all of these but the first upconv of H.5, 1.
    "svhn prior": (
        IMAGES.prior,
        [
            ("conv", 3, 32, (4, 2, 1)),
            ("conv", 32, 64, (4, 2, 1)),
            ("conv", 64, 64, (4, 2, 1)),
            ("conv", 64, 128, (4, 2, 0)),
            HEADS,
        ],
    ),
    "svhn decoder": (
        IMAGES.decoder,
        [
            ("linear", 20, 128),
            ("upconv", 128, 64, (4, 2, 0)),
            ("upconv", 64, 64, (4, 2, 1)),
            ("upconv", 64, 32, (4, 2, 1)),
            ("upconv", 32, 3, (4, 2, 1)),
        ],
    ),
    "mnist prior": (DIGITS.prior, [("linear", 784, 400), ("linear", 400, 40)]),
    "mnist decoder": (DIGITS.decoder, [("linear", 20, 400), ("linear", 400, 784)]),
    "text prior": (
        TEXTS.prior,
        [
            ("conv", 71, 128, (1, 1, 0)),
            ("conv", 128, 128, (4, 2, 1)),
            ("conv", 128, 128, (4, 2, 0)),
            HEADS,
        ],
    ),
    "text decoder": (
        TEXTS.decoder,
        [
            ("linear", 20, 128),
            ("upconv", 128, 128, (4, 2, 0)),
            ("upconv", 128, 128, (4, 2, 1)),
            ("conv", 128, 71, (1, 1, 0)),
        ],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_networks_are_those_of_the_tables(name):
    module, expected = TABLES[name]
    assert layers(module) == expected


# Weights and biases of the tables' layers, worked out by hand.
@pytest.mark.parametrize(
    ("module", "count"),
    [
        (IMAGES.prior, 1568 + 32832 + 65600 + 131200 + 2 * 2580),
        (IMAGES.decoder, 2688 + 131136 + 65600 + 32800 + 1539),
        (DIGITS.prior, 314000 + 2 * 8020),
        (DIGITS.decoder, 8400 + 314384),
        (TEXTS.prior, 9216 + 65664 + 65664 + 2 * 2580),
        (TEXTS.decoder, 2688 + 65664 + 65664 + 9159),
    ],
)
def test_parameter_counts_of_the_tables(module, count):
    assert sum(parameter.numel() for parameter in module.parameters()) == count


@pytest.mark.parametrize(
    ("grid", "sizes"),
    [
        (IMAGE, [(32, 16, 16), (64, 8, 8), (64, 4, 4), (128, 1, 1)]),
        (TEXT, [(128, 8), (128, 4), (128, 1)]),
    ],
)
def test_output_shapes_of_the_tables(grid, sizes):
    body = ConvBody(grid, "relu")
    generator = ConvGenerator(20, grid, 1, "relu")
    for network in (body, generator):
        init_weights(network, torch.Generator().manual_seed(0))
    x, shapes = grid.unflatten(torch.zeros(2, grid.numel)), []
    for layer in body.layers:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == sizes
    back = []
    for layer in generator.layers:
        x = layer(x)
        back.append(tuple(x.shape[2:]))
    spatial = [size[1:] for size in sizes]
    assert back == [*spatial[-2::-1], grid.torch_shape[1:]]


sides = st.integers(1, 70)
grids = st.one_of(
    st.builds(lambda h, w: Grid((h, w)), sides, sides),
    st.builds(lambda h, w, c: Grid((h, w, c), "last"), sides, sides, st.integers(1, 3)),
    st.builds(lambda h, w, c: Grid((c, h, w), "first"), sides, sides, st.integers(1, 3)),
    st.builds(lambda n: Grid((n,)), st.integers(1, 300)),
    st.builds(lambda n, c: Grid((n, c), "last"), st.integers(1, 300), st.integers(1, 80)),
)


@given(grid=grids, per_value=st.sampled_from([1, 2]), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_shape_goes_in_and_comes_out(grid, per_value, seed):
    rng = torch.Generator().manual_seed(seed)
    body = ConvBody(grid, "silu")
    generator = ConvGenerator(5, grid, per_value, "silu")
    for network in (body, generator):
        init_weights(network, rng)
    features = body(torch.randn(2, grid.numel, generator=rng))
    raw = generator(torch.randn(2, 5, generator=rng))
    assert features.shape == (2, body.out_features)
    assert raw.shape == (2, per_value * grid.numel)
    # The scale of the activations survives; the output starts near zero.
    assert 0.05 < features.std() < 5
    assert raw.abs().max() < 2


@given(grid=grids, n_parts=st.integers(1, 3))
def test_a_grid_goes_back_to_flat_rows(grid, n_parts):
    grid = grid.with_channels()
    flat = torch.arange(2.0 * n_parts * grid.numel).reshape(2, -1)
    parts = [grid.unflatten(part) for part in flat.chunk(n_parts, dim=1)]
    assert parts[0].shape[1:] == grid.torch_shape
    assert torch.equal(grid.flatten(torch.cat(parts, dim=1), n_parts), flat)


def test_channels_last_are_moved_and_not_reinterpreted():
    image = torch.arange(24.0).reshape(1, 2, 4, 3)
    moved = Grid((2, 4, 3), "last").unflatten(image.flatten(1))
    for channel in range(3):
        assert torch.equal(moved[0, channel], image[0, ..., channel])
