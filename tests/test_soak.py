"""The soak tells what grows from what does not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

if not (Path(__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)

from benchmarks import soak

pytestmark = pytest.mark.slow


def table(memory, files=8, threads=2):
    state = {"round": np.arange(60), "MiB": 300 + memory, "files": files, "threads": threads}
    return pd.DataFrame(state)


@pytest.mark.parametrize("seed", range(5))
def test_memory_that_goes_up_and_down_does_not_grow(seed):
    said, grows = soak.judged(table(np.random.default_rng(seed).normal(size=60)))
    assert any("memory:" in line for line in said)
    assert grows == []


@pytest.mark.parametrize("seed", range(5))
def test_memory_that_grows_by_little_is_noticed(seed):
    noise = np.random.default_rng(seed).normal(size=60)
    assert soak.judged(table(noise + 0.2 * np.arange(60)))[1] == ["memory"]


def test_memory_may_settle_in_the_first_rounds():
    noise = np.random.default_rng(0).normal(size=60)
    assert soak.judged(table(noise - 50 * np.exp(-np.arange(60.0))))[1] == []


@pytest.mark.parametrize("what", ["files", "threads"])
def test_one_file_or_thread_more_is_noticed(what):
    more = {what: 8 + (np.arange(60) > 50)}
    assert soak.judged(table(np.zeros(60), **more))[1] == [what]


def test_few_rounds_have_no_slope():
    said, grows = soak.judged(table(np.arange(60.0))[:4])
    assert "too few rounds" in said[-1]
    assert grows == []
