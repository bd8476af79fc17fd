"""Networks that a user brings."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.custom import CustomBody, CustomGenerator
from sklearn_cmmd.networks.dropout import Dropout
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
        output = network(torch.ones(9, 48), Dropout(None, rng))
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
    x = torch.ones(3, 48)
    assert torch.equal(network(x), network(x))


def test_copies_and_pickles():
    network = CustomBody("m", body, GRID).eval()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(torch.ones(2, 48)), network(torch.ones(2, 48)))


class Recurrent(nn.Module):
    """Its state is made in float32, whatever the input is."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(3, 5, batch_first=True)

    def forward(self, x):
        return self.cell(x.flatten(2).mT, torch.zeros(1, len(x), 5))[1][0]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda shape: nn.Identity(), r"'photo' must return one row.*\(2, 3, 4, 4\); flatten"),
        (lambda shape: nn.Linear(5, 2), r"takes rows of shape \(3, 4, 4\).*RuntimeError"),
        (lambda shape: None, "must be a function that returns a torch.nn.Module"),
        (lambda: nn.Flatten(), "'photo'.*takes 0 positional arguments but 1 was given"),
        (lambda shape: nn.LSTM(4, 2), "returns one tensor. It failed with"),
        (lambda shape: Recurrent(), "in float32 and in float64.*same dtype"),
        (nn.Sequential(nn.Flatten()), "must be a function that returns"),
    ],
)
def test_a_body_that_does_not_fit(factory, message):
    with pytest.raises(ValueError, match=message):
        CustomBody("photo", factory, GRID)


def test_a_module_that_a_function_returns_again_is_not_shared():
    """What is trained is a copy: the user's own module stays as it was."""
    pretrained = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
    before = weights(pretrained).clone()
    networks = [CustomBody("m", lambda shape: pretrained, GRID) for _ in range(2)]
    for network in networks:
        network.init_weights(torch.Generator().manual_seed(0))
        assert torch.equal(weights(network), before)
    with torch.no_grad():
        next(networks[0].parameters()).zero_()
    assert torch.equal(weights(networks[1]), before)
    assert torch.equal(weights(pretrained), before)


class Initialised(nn.Module):
    """A common name for a method of one's own."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(48, 4)
        self.init_weights()

    def init_weights(self):
        nn.init.constant_(self.layer.weight, 0.5)

    def forward(self, x):
        return self.layer(x.flatten(1))


def model_with(prior):
    block = ViewSpec(tuple(range(48)), grid=GRID, prior=prior)
    module = CMMD(Architecture((block,), (), 2, "categorical", 3, (), (), (), (), "relu"))
    module.init_weights(torch.Generator().manual_seed(0))
    return module


def test_a_users_init_weights_is_his_own():
    module = model_with(lambda shape: Initialised())
    assert (module.prior.features.bodies[0].network.layer.weight == 0.5).all()


class Locked:
    """A function that cannot be copied or pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, shape):
        return nn.Flatten()


def test_users_functions_are_not_copied():
    module = model_with(Locked())
    double = module.copied().double()
    assert double.architecture == module.architecture
    assert double.embed(torch.zeros(2, 48, dtype=torch.float64)).loc.dtype == torch.float64


def test_threads_do_not_disturb_each_other():
    def run(seed):
        rng = torch.Generator().manual_seed(seed)
        network = CustomBody("m", body, GRID)
        network.init_weights(rng)
        return torch.stack([network(torch.ones(4, 48), Dropout(None, rng)) for _ in range(50)])

    state = torch.get_rng_state()
    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, range(4)))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_decoder_that_returns_the_wrong_size():
    message = r"'photo' must return rows of shape \(3, 4, 4\).*\(2, 9\)"
    with pytest.raises(ValueError, match=message):
        CustomGenerator("photo", lambda width, shape: nn.Linear(width, 9), 7, GRID, 1)
