"""All weights as one tensor."""

import copy

import pytest
import torch
from torch import nn

from sklearn_cmmd.training.flat import FlatParameters


@pytest.fixture
def module():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def steps(module, update, zero, n=5):
    x = torch.linspace(-1, 1, 30).view(10, 3)
    for _ in range(n):
        zero()
        module(x).square().sum().backward()
        update()
    return [part.detach().clone() for part in module.parameters()]


def test_updates_are_those_of_the_single_tensors(module):
    twin = copy.deepcopy(module)
    adam = torch.optim.AdamW(twin.parameters(), lr=0.1, weight_decay=0.3, fused=True)
    want = steps(twin, adam.step, adam.zero_grad)
    flat = FlatParameters(module)
    mine = torch.optim.AdamW([flat.values], lr=0.1, weight_decay=0.3, fused=True)
    got = steps(module, lambda: flat.step(mine), flat.gradient.zero_)
    for one, other in zip(got, want, strict=True):
        assert torch.equal(one, other)


def test_frozen_weights_stay_as_they_are(module):
    flat = FlatParameters(module)
    adam = torch.optim.AdamW([flat.values], lr=0.1, weight_decay=0.3, fused=True)
    steps(module, lambda: flat.step(adam), flat.gradient.zero_)
    module[0].weight.requires_grad_(False)
    before = [part.detach().clone() for part in module.parameters()]
    after = steps(module, lambda: flat.step(adam), flat.gradient.zero_)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


def test_release_gives_every_weight_its_own_memory(module):
    flat = FlatParameters(module)
    values = flat.values.detach().clone()
    flat.release()
    flat.values.data.zero_()
    assert torch.equal(torch.cat([part.detach().flatten() for part in module.parameters()]), values)
    assert all(part.grad is None for part in module.parameters())
