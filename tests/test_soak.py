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
    said = soak.judged(table(np.random.default_rng(seed).normal(size=60)))
    assert any("memory:" in line for line in said)


@pytest.mark.parametrize("seed", range(5))
def test_memory_that_grows_by_little_is_noticed(seed):
    noise = np.random.default_rng(seed).normal(size=60)
    with pytest.raises(AssertionError, match=r"memory: \+.* KiB a round.*it grows"):
        soak.judged(table(noise + 0.1 * np.arange(60)))


def test_memory_may_settle_in_the_first_rounds():
    noise = np.random.default_rng(0).normal(size=60)
    soak.judged(table(noise - 50 * np.exp(-np.arange(60.0))))


@pytest.mark.parametrize("what", ["files", "threads"])
def test_one_file_or_thread_more_is_noticed(what):
    more = {what: 8 + (np.arange(60) > 50)}
    with pytest.raises(AssertionError, match=f"{what}: 8 at first, 9 at last"):
        soak.judged(table(np.zeros(60), **more))
