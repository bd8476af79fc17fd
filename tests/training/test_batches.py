"""Minibatches: every row once an epoch, equal sizes, streamed like resident."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_cmmd._random import generator
from sklearn_cmmd.training import matrices
from sklearn_cmmd.training.batches import Batches, PairedRows
from sklearn_cmmd.training.matrices import StreamedMatrix, load

CPU = torch.device("cpu")


@given(n_rows=st.integers(1, 300), batch_size=st.integers(1, 120), seed=st.integers(0, 100))
def test_an_epoch_is_a_partition_into_equal_parts(n_rows, batch_size, seed):
    rows = PairedRows(torch.arange(n_rows, dtype=torch.float32)[:, None])
    loader = Batches(rows, batch_size, generator(seed))
    parts = [batch.observed[:, 0] for batch, _ in loader]
    sizes = {len(part) for part in parts}
    assert len(parts) == len(loader)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert torch.cat(parts).sort().values.tolist() == list(range(n_rows))


def test_order_is_new_at_each_epoch_and_repeatable():
    rows = PairedRows(torch.arange(50.0)[:, None])

    def epochs():
        loader = Batches(rows, 50, generator(0))
        return [next(iter(loader))[0].observed[:, 0] for _ in range(2)]

    first, second = epochs()
    assert not torch.equal(first, second)
    assert torch.equal(epochs()[1], second)


def test_without_a_generator_the_order_is_that_of_the_rows():
    rows = PairedRows(torch.arange(7.0)[:, None])
    parts = [batch.observed[:, 0] for batch, _ in Batches(rows, 3)]
    assert torch.equal(torch.cat(parts), torch.arange(7.0))


def test_everything_is_gathered_by_the_same_rows():
    column = torch.arange(20.0)
    rows = PairedRows(column[:, None], 10 * column[:, None], column.long(), 100 * column)
    subset = rows.subset(np.array([3, 5, 7, 11]))
    assert len(subset) == 4
    for batch, y in Batches(subset, 3, generator(1)):
        assert set(y.tolist()) <= {3, 5, 7, 11}
        assert torch.equal(batch.observed[:, 0], y.float())
        assert torch.equal(batch.missing[:, 0], 10 * y.float())
        assert torch.equal(batch.weight, 100 * y.float())


@pytest.mark.parametrize("limit", [0, 2**30])
def test_streamed_rows_are_the_resident_ones(monkeypatch, limit):
    monkeypatch.setattr(matrices, "RESIDENT_BYTES", limit)
    data = np.random.RandomState(0).normal(size=(40, 3)).astype(np.float32)
    matrix = load(lambda rows: data[rows], 40, 3, CPU)
    assert isinstance(matrix, StreamedMatrix) == (limit == 0)
    index = torch.tensor([5, 0, 39, 5])
    assert torch.equal(matrix.index_select(0, index), torch.from_numpy(data[index.numpy()]))


def test_streamed_batches_are_read_one_ahead(monkeypatch):
    """The same batches in the same order; each is being read while the one before is used."""
    monkeypatch.setattr(matrices, "RESIDENT_BYTES", 0)
    data = np.random.RandomState(0).normal(size=(40, 3)).astype(np.float32)
    read = []

    def noted(rows):
        read.append(rows)
        return data[rows]

    streamed = PairedRows(load(noted, 40, 3, CPU), y=torch.arange(40))
    resident = PairedRows(torch.from_numpy(data), y=torch.arange(40))
    assert not streamed.is_resident
    assert resident.is_resident
    ours, theirs = (list(Batches(rows, 7, generator(3))) for rows in (streamed, resident))
    for (one, y), (other, z) in zip(ours, theirs, strict=True):
        assert torch.equal(one.observed, other.observed)
        assert torch.equal(y, z)
    assert len(read) == len(ours) == 6


def test_an_error_in_reading_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(matrices, "RESIDENT_BYTES", 0)

    def broken(rows):
        raise OSError("disk")

    streamed = PairedRows(load(broken, 40, 3, CPU))
    with pytest.raises(OSError, match="disk"):
        list(Batches(streamed, 7))


@given(
    n_labelled=st.integers(1, 60), n_unlabelled=st.integers(1, 200), batch_size=st.integers(4, 50)
)
def test_labelled_rows_in_every_batch(n_labelled, n_unlabelled, batch_size):
    """All rows in every epoch, labelled ones equally often, and a quarter of every batch."""
    n_rows = n_labelled + n_unlabelled
    labelled = torch.zeros(n_rows)
    labelled[torch.randperm(n_rows, generator=generator(0))[:n_labelled]] = 1
    rows = PairedRows(torch.zeros(n_rows, 1), y=torch.zeros(n_rows).long(), labelled=labelled)
    batches = Batches(rows, batch_size, generator(1))
    indices = list(batches.indices())
    assert len(indices) == len(batches)
    assert max(map(len, indices)) <= batch_size
    times = torch.bincount(torch.cat(indices), minlength=n_rows)
    assert (times[labelled == 0] == 1).all()
    of_labelled = times[labelled == 1]
    assert of_labelled.min() >= 1
    assert of_labelled.max() - of_labelled.min() <= 1
    per_batch = torch.tensor([int(labelled[index].sum()) for index in indices])
    assert per_batch.max() - per_batch.min() <= 1
    assert per_batch.sum() >= 0.25 * sum(map(len, indices)) - 1e-9
