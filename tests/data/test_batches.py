"""Minibatches: every row once an epoch, equal sizes, streamed like resident."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_cmmd._random import generator
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.matrices import StreamedMatrix
from sklearn_cmmd.data.paired import PairedRows

CPU = torch.device("cpu")


@given(n_rows=st.integers(1, 300), batch_size=st.integers(1, 120), seed=st.integers(0, 100))
def test_an_epoch_is_a_partition_into_equal_parts(n_rows, batch_size, seed):
    rows = PairedRows(torch.arange(n_rows, dtype=torch.float32)[:, None])
    loader = Batches(rows, batch_size, generator(seed))
    parts = [batch.observed.values[:, 0] for batch in loader]
    sizes = {len(part) for part in parts}
    assert len(parts) == len(loader)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert torch.cat(parts).sort().values.tolist() == list(range(n_rows))


def test_order_is_new_at_each_epoch_and_repeatable():
    rows = PairedRows(torch.arange(50.0)[:, None])

    def epochs():
        loader = Batches(rows, 50, generator(0))
        return [next(iter(loader)).observed.values[:, 0] for _ in range(2)]

    first, second = epochs()
    assert not torch.equal(first, second)
    assert torch.equal(epochs()[1], second)


def test_without_a_generator_the_order_is_that_of_the_rows():
    rows = PairedRows(torch.arange(7.0)[:, None])
    parts = [batch.observed.values[:, 0] for batch in Batches(rows, 3)]
    assert torch.equal(torch.cat(parts), torch.arange(7.0))


def test_everything_is_gathered_by_the_same_rows():
    column = torch.arange(20.0)
    rows = PairedRows(
        column[:, None],
        10 * column[:, None],
        column[:, None] % 2,
        column.long(),
        *(factor * column for factor in (100, 1000, 1e4)),
    )
    subset = rows.subset(np.array([3, 5, 7, 11]))
    assert len(subset) == 4
    for batch in Batches(subset, 3, generator(1)):
        y = batch.y.float()
        assert set(y.tolist()) <= {3, 5, 7, 11}
        assert torch.equal(batch.observed.values[:, 0], y)
        assert torch.equal(batch.missing.values[:, 0], 10 * y)
        assert torch.equal(batch.missing.mask[:, 0], y % 2)
        weights = batch.weight, batch.label_weight, batch.pair_weight
        for weight, factor in zip(weights, (100, 1000, 1e4), strict=True):
            assert torch.equal(weight, factor * y)


@pytest.mark.parametrize("n_streamed", [1, 2])
def test_streamed_rows_are_the_resident_ones(n_streamed):
    """The same batches in the same order, also where one side is streamed and one is not."""
    data = np.random.RandomState(0).normal(size=(40, 3)).astype(np.float32)
    read = []

    def noted(rows):
        read.append(rows)
        return data[rows]

    whole, streamed = torch.from_numpy(data), StreamedMatrix(noted, 40, CPU)
    ours = PairedRows(streamed, streamed if n_streamed == 2 else whole, y=torch.arange(40))
    theirs = PairedRows(whole, whole, y=torch.arange(40))
    assert not ours.is_resident
    assert theirs.is_resident
    pairs = [list(Batches(rows, 7, generator(3))) for rows in (ours, theirs)]
    for one, other in zip(*pairs, strict=True):
        assert torch.equal(one.observed.values, other.observed.values)
        assert torch.equal(one.missing.values, other.missing.values)
        assert torch.equal(one.y, other.y)
    assert len(read) == 6 * n_streamed


def test_an_error_in_reading_reaches_the_caller():
    def broken(rows):
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(Batches(PairedRows(StreamedMatrix(broken, 40, CPU)), 7))


@given(
    n_labelled=st.integers(1, 60),
    n_unlabelled=st.integers(1, 200),
    batch_size=st.integers(4, 50),
    share=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_labelled_rows_in_every_batch(n_labelled, n_unlabelled, batch_size, share):
    """All rows in every epoch, labelled ones equally often, and a share of every batch."""
    n_rows = n_labelled + n_unlabelled
    labelled = np.zeros(n_rows, bool)
    labelled[np.random.RandomState(0).permutation(n_rows)[:n_labelled]] = True
    rows = PairedRows(torch.zeros(n_rows, 1), y=torch.zeros(n_rows).long(), labelled=labelled)
    batches = Batches(rows, batch_size, generator(1), share)
    numbers = list(batches.numbers())
    assert len(numbers) == len(batches)
    assert max(map(len, numbers)) <= batch_size
    times = np.bincount(torch.cat(numbers), minlength=n_rows)
    assert (times[~labelled] == 1).all()
    assert times[labelled].min() >= 1
    assert times[labelled].max() - times[labelled].min() <= 1
    per_batch = np.array([labelled[index].sum() for index in numbers])
    assert per_batch.max() - per_batch.min() <= 1
    assert per_batch.sum() >= share * sum(map(len, numbers)) - 1e-9


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    fraction=st.floats(0.02, 0.9),
    seed=st.integers(0, 20),
)
def test_every_class_keeps_a_row_to_train_on(counts, fraction, seed):
    codes = np.repeat(np.arange(len(counts)), counts)
    y = torch.from_numpy(np.random.RandomState(seed).permutation(codes))
    if len(y) <= len(counts) or len(y) < 3:
        return
    rows = PairedRows(torch.zeros(len(y), 1), y=y)
    kept, held_out = rows.split(fraction, seed)
    assert set(kept.codes()) == set(range(len(counts)))
    assert len(kept) + len(held_out) == len(y)
    assert not np.intersect1d(kept.index, held_out.index).size
    n_held_out = int(np.ceil(fraction * len(y)))
    assert len(held_out) == min(n_held_out, len(y) - len(counts))


def test_classes_are_held_out_in_proportion():
    y = torch.from_numpy(np.repeat([0, 1], [300, 100]))
    _, held_out = PairedRows(torch.zeros(400, 1), y=y).split(0.1, 0)
    assert np.bincount(held_out.codes()).tolist() == [30, 10]
