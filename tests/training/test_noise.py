"""The randomness of a step."""

import numpy as np
import torch
from scipy import stats

from sklearn_cmmd._random import Seeds, generator, seed_sequence
from sklearn_cmmd.training.noise import NoiseSource, Streams

CPU = torch.device("cpu")


def source(noise=0, dropout=1, units=30):
    return NoiseSource(generator(noise), generator(dropout), 5, units)


def test_bits_are_uniform_over_all_values():
    bits = source(units=1000).draw(200).bits.numpy().ravel()
    assert bits.dtype == np.int16
    counts = np.histogram(bits, bins=256, range=(-(2**15), 2**15))[0]
    assert stats.chisquare(counts).pvalue > 1e-3
    # Each of the four that a 64-bit number is cut into, its sign included.
    for part in bits.reshape(-1, 4).T:
        assert (
            stats.chisquare(np.histogram(part, bins=64, range=(-(2**15), 2**15))[0]).pvalue > 1e-3
        )


def test_neighbouring_bits_are_independent():
    bits = source(units=1000).draw(200).bits.numpy().ravel().astype(float)
    for lag in (1, 2, 3, 4):
        assert abs(np.corrcoef(bits[:-lag], bits[lag:])[0, 1]) < 4 / len(bits) ** 0.5


def test_latent_noise_is_standard_normal():
    latent = source().draw(4000).latent.numpy().ravel()
    assert stats.kstest(latent, "norm").pvalue > 1e-3


def test_streams_are_apart():
    """The noise is the same with dropout, without it, and whatever its seed."""
    first = source().draw(7)
    assert torch.equal(source(units=0).draw(7).latent, first.latent)
    assert torch.equal(source(dropout=9).draw(7).latent, first.latent)
    assert not torch.equal(source(dropout=9).draw(7).bits, first.bits)
    assert torch.equal(source(noise=9).draw(7).bits, first.bits)


def test_streams_go_on_from_where_they_were():
    streams = Streams(Seeds.spawn(seed_sequence(0)), CPU)
    mine = NoiseSource(streams.latent, streams.dropout, 5, 30)
    first, states = mine.draw(7), streams.states()
    second, order = mine.draw(7), torch.randperm(9, generator=streams.shuffle)
    assert not torch.equal(first.latent, second.latent)
    assert not torch.equal(first.bits, second.bits)
    streams.restore(states)
    again = mine.draw(7)
    assert torch.equal(again.latent, second.latent)
    assert torch.equal(again.bits, second.bits)
    assert torch.equal(torch.randperm(9, generator=streams.shuffle), order)


def test_validation_begins_anew_each_time():
    streams = Streams(Seeds.spawn(seed_sequence(0)), CPU)
    draws = [NoiseSource(streams.validation, streams.dropout, 5, 0).draw(3) for _ in range(2)]
    assert torch.equal(draws[0].latent, draws[1].latent)
    assert not torch.equal(draws[0].latent, NoiseSource(streams.latent, None, 5, 0).draw(3).latent)


def test_no_units_no_bits():
    assert source(units=0).draw(3).bits is None
