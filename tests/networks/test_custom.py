"""Networks that a user brings."""

import copy
import pickle

import pytest
import torch
from torch import nn

from sklearn_cmmd.networks.custom import CustomBody, CustomGenerator
from sklearn_cmmd.networks.grid import Grid

GRID = Grid((4, 4, 3), "last")


def body(shape):
    assert shape == (3, 4, 4)
    return nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(18, 6))


def decoder(width, shape):
    return nn.Sequential(nn.Linear(width, 96), nn.Unflatten(1, shape))


def lazy(shape):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))


def weights(network):
    return torch.cat([p.flatten() for p in network.parameters()])


def test_body_sees_channels_first_and_finds_its_width():
    assert CustomBody("m", body, GRID).out_features == 6
    assert CustomBody("m", lazy, GRID).out_features == 5


def test_decoder_is_brought_back_to_the_users_layout():
    made = CustomGenerator("m", decoder, 7, GRID, per_value=2)
    raw = made(torch.zeros(5, 7))
    images = made.network(torch.zeros(5, 7))
    loc, scale = raw.chunk(2, dim=1)
    assert torch.equal(GRID.unflatten(loc), images[:, :3])
    assert torch.equal(GRID.unflatten(scale), images[:, 3:])


def test_weights_and_dropout_come_from_the_generator_alone():
    def run(before):
        torch.manual_seed(before)
        state = torch.get_rng_state()
        rng = torch.Generator().manual_seed(3)
        network = CustomBody("m", body, GRID)
        network.init_weights(rng)
        output = network(torch.ones(9, 48), rng)
        assert torch.equal(torch.get_rng_state(), state)
        return weights(network), output

    (one, first), (other, second) = run(1), run(2)
    assert torch.equal(one, other)
    assert torch.equal(first, second)
    again = CustomBody("m", body, GRID)
    again.init_weights(torch.Generator().manual_seed(4))
    assert not torch.equal(weights(again), one)


def test_dropout_is_off_in_evaluation():
    network = CustomBody("m", body, GRID).eval()
    rng = torch.Generator().manual_seed(0)
    x = torch.ones(3, 48)
    assert torch.equal(network(x, rng), network(x, rng))


def test_copies_and_pickles():
    network = CustomBody("m", body, GRID).eval()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(torch.ones(2, 48)), network(torch.ones(2, 48)))


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (lambda shape: nn.Identity(), ValueError, r"returned shape \(2, 3, 4, 4\); flatten"),
        (lambda shape: nn.Linear(5, 2), ValueError, r"does not take rows of shape \(3, 4, 4\)"),
        (lambda shape: None, TypeError, "returns a torch.nn.Module. It returned None"),
    ],
)
def test_a_body_that_does_not_fit(factory, error, message):
    with pytest.raises(error, match=message):
        CustomBody("photo", factory, GRID)


def test_a_decoder_that_returns_the_wrong_size():
    message = r"'photo' must return rows of shape \(3, 4, 4\).*\(2, 9\)"
    with pytest.raises(ValueError, match=message):
        CustomGenerator("photo", lambda width, shape: nn.Linear(width, 9), 7, GRID, 1)
