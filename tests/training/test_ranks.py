"""One fit on several processes is that of one process."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.exceptions import ResumeWarning
from tests.training import divided

SCRIPT = "tests.training.divided"


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return str(found.getsockname()[1])


def processes(n, mode, folder):
    """Start the script on so many processes, as torchrun does, and return what each says."""
    shared = {"WORLD_SIZE": str(n), "MASTER_ADDR": "localhost", "MASTER_PORT": free_port()}
    shared |= {"TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", SCRIPT, mode, str(folder)]
    started = [
        subprocess.Popen(
            command,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n)
    ]
    return [each.communicate(timeout=120)[1] for each in started]


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_torchrun_divides_any_fit_and_changes_nothing(tmp_path, one_thread):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3"]
    port = ["--master-port", free_port(), "-m", SCRIPT, "fits", str(tmp_path)]
    subprocess.run([*torchrun, *port], check=True, capture_output=True)
    expected = divided.fitted()
    for rank in range(3):
        with np.load(tmp_path / f"{rank}.npz") as found:
            for name, each in expected.items():
                weights, losses = divided.weights(each), divided.losses(each)
                np.testing.assert_allclose(found[name], weights, atol=1e-5, err_msg=name)
                np.testing.assert_allclose(found[f"losses of {name}"], losses, 1e-4, 1e-5)


def test_a_killed_process_ends_the_others_and_any_number_goes_on(tmp_path, one_thread):
    first, _ = processes(2, "killed", tmp_path)
    assert "RuntimeError: Another process of this fit has ended" in first
    assert "with any number of processes" in first
    params = divided.SIZES | {"random_state": 0}
    resumed = CMMDClassifier(**params, checkpoint_dir=tmp_path)
    with pytest.warns(ResumeWarning, match="goes on after epoch [123] "):
        resumed.fit(divided.X, divided.Y, X_missing=divided.M)
    whole = CMMDClassifier(**params).fit(divided.X, divided.Y, X_missing=divided.M)
    np.testing.assert_allclose(divided.weights(resumed), divided.weights(whole), atol=1e-5)


def test_without_a_seed_all_processes_take_that_of_the_first(tmp_path):
    processes(2, "any seed", tmp_path)
    one, other = (np.load(tmp_path / f"{rank}.npy") for rank in range(2))
    np.testing.assert_array_equal(one, other)


def test_other_rows_in_another_process_are_refused(tmp_path):
    for said in processes(2, "other rows", tmp_path):
        assert "ValueError: All processes of a fit need the same parameters and the same rows" in (
            said
        )
        assert "X is of hash" in said


def test_minibatches_smaller_than_the_number_of_processes_are_refused(tmp_path):
    for said in processes(2, "few rows", tmp_path):
        assert "ValueError: A minibatch, of training rows or of those held out, has 1 rows" in said
        assert "2 processes cannot divide. Start fewer, or raise batch_size" in said
