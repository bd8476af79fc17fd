"""A fit that is killed and started again is the fit that was not killed."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest
import skorch
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import clone
from torch import nn

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
)
from sklearn_cmmd.exceptions import InterruptedWarning, ResumeWarning

PARAMS = {
    "hidden_layer_sizes": (24,),
    "latent_dim": 4,
    "networks": Networks(classifier_hidden=(8,)),
    "max_epochs": 12,
    "random_state": 3,
}
N_KILLS = 20
DATA = """
import numpy as np
from sklearn_cmmd import CMMDClassifier, Networks
rng = np.random.default_rng(0)
X, M = rng.normal(size=(300, 6)), rng.normal(size=(300, 4))
y = (X[:, 0] + M[:, 0] > 0).astype(int)
small = dict(hidden_layer_sizes=(24,), latent_dim=4, networks=Networks(classifier_hidden=(8,)))
fits = {
    "held out": lambda **params: CMMDClassifier(
        **small, max_epochs=150, early_stopping=True, n_iter_no_change=150, random_state=3, **params
    ).fit(X, y, X_missing=M),
    "few labels": lambda **params: CMMDClassifier(
        **small, max_epochs=100, random_state=np.random.RandomState(3), **params
    ).fit(X, np.where(np.arange(300) < 60, y, -1), X_missing=M),
}
"""
# Forks for every fit, so that torch is imported once. Each child is told of when it has begun.
SERVER = (
    DATA
    + """
import os, pickle, sys, warnings
import torch
torch.set_num_threads(1)
# What torch imports at the first step is imported here, once.
weight = torch.zeros(1, requires_grad=True)
weight.grad = torch.zeros(1)
torch.optim.AdamW([weight], fused=True).step()
for line in sys.stdin:
    kind, folder, result = line.rstrip().split("|")
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = fits[kind](checkpoint_dir=folder)
        weights = {name: value.numpy() for name, value in fitted.module_.state_dict().items()}
        found = weights, fitted.history_, fitted.best_epoch_, [str(w.message) for w in caught]
        with open(result, "wb") as file:
            pickle.dump(found, file)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("ended", status, flush=True)
"""
)


class Server:
    """A process that runs one fit after another, each in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, kind, folder):
        """Begin a fit, and return the number of its process."""
        self.process.stdin.write(f"{kind}|{folder}|{folder / 'result.pickle'}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def ended(self):
        """Wait for the fit, and return its exit status."""
        return int(self.process.stdout.readline().split()[1])


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.process.communicate()


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X, M = rng.normal(size=(90, 6)), rng.normal(size=(90, 4))
    return X, M, (X[:, 0] + M[:, 0] > 0).astype(int)


def make_network(shape):
    return nn.Linear(shape[0], 5)


def epoch_in(folder):
    """Return the epoch of a checkpoint, which every reader of safetensors can read."""
    with safe_open(folder / "checkpoint.safetensors", "pt") as file:
        return json.loads(file.metadata()["state"])["epochs"]["last"]


def written(path):
    """Return when a file was written; zero if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("kind", ["held out", "few labels"])
def test_twenty_kills_change_nothing(kind, server, tmp_path):
    """SIGKILL at random moments; weights and history are the same to the last bit."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    server.start(kind, whole)
    assert server.ended() == 0
    chance, last = random.Random(0), 0
    checkpoint = killed / "checkpoint.safetensors"
    for number in range(N_KILLS):
        before, process = written(checkpoint), server.start(kind, killed)
        # Every other one has got further; the rest may not even have begun.
        while number % 2 == 0 and written(checkpoint) == before:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(process, signal.SIGKILL)
        assert server.ended() == signal.SIGKILL, "the fit ended before it could be killed"
        now = epoch_in(killed)
        assert now >= last
        last = now
    assert last >= N_KILLS // 2
    server.start(kind, killed)
    assert server.ended() == 0
    weights, history, best_epoch, _ = joblib.load(whole / "result.pickle")
    found, history_after, best_epoch_after, said = joblib.load(killed / "result.pickle")
    assert history_after == history
    assert best_epoch_after == best_epoch
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert np.array_equal(found[name], value), name
    assert any(f"goes on after epoch {last} of at most" in message for message in said)


@pytest.fixture
def stopped(data, tmp_path):
    """Return a folder with the checkpoint of a fit that broke off, and the fit's arguments."""

    class Break(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise RuntimeError("the power went")

    X, M, y = data
    args = {"X": X, "y": y, "X_missing": M, "sample_weight": np.ones(len(X))}
    params = PARAMS | {"checkpoint_dir": tmp_path}
    with pytest.raises(RuntimeError, match="power"):
        CMMDClassifier(**params, callbacks=[Break()]).fit(**args)
    return params, args


def flipped(array):
    array = array.copy()
    array[0] = 1 - array[0]
    return array


OTHERS = {
    "omega was 0.5 and is 0.6 now": {"omega": 0.6},
    "hidden_layer_sizes was [24] and is [25] now": {"hidden_layer_sizes": (25,)},
    "objective__kernel was 'gaussian' and is 'imq' now": {"objective": Objective(kernel="imq")},
    "random_state was 3 and is 4 now": {"random_state": 4},
    "max_epochs was 12 and is 13 now": {"max_epochs": 13},
    "X was of hash": {"X": flipped},
    "X_missing was of hash": {"X_missing": flipped},
    "y was of hash": {"y": flipped},
    "sample_weight was of hash": {"sample_weight": lambda weight: 1 + (weight.cumsum() > 3)},
}


@pytest.mark.parametrize("difference", OTHERS)
def test_another_fit_is_refused(stopped, difference, no_training):
    params, args = stopped
    for name, change in OTHERS[difference].items():
        if name in args:
            args = args | {name: change(args[name])}
        else:
            params = params | {name: change}
    clf = CMMDClassifier(**params)
    with pytest.raises(ValueError, match=re.escape(f"is of another fit: {difference}")):
        clf.fit(**args)
    assert not hasattr(clf, "module_")


def test_another_estimator_is_refused(stopped, no_training):
    params, args = stopped
    with pytest.raises(ValueError, match="the estimator was CMMDClassifier and is CMMDTransformer"):
        CMMDTransformer(**params).fit(**args)


def test_networks_at_the_start_belong_to_a_fit(stopped):
    params, args = stopped
    clf = CMMDClassifier(**params)
    other = CMMDTransformer(**params | {"checkpoint_dir": None}).fit
    with pytest.raises(ValueError, match="the networks at the start was None and is of hash"):
        clf.fit(**args, init_from=other(args["X"], args["y"], X_missing=args["X_missing"]))


def test_what_does_not_change_a_fit_may_change(stopped):
    params, args = stopped
    with pytest.warns(ResumeWarning, match=r"after epoch [12] of at most 12"):
        clf = CMMDClassifier(**params | {"verbose": 1}).fit(**args)
    whole = CMMDClassifier(**params | {"checkpoint_dir": None}).fit(**args)
    assert clf.history_ == whole.history_
    for mine, theirs in zip(clf.module_.parameters(), whole.module_.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_modalities_are_compared_by_what_they_say(stopped):
    """Not by where in memory they are, so that another process finds its checkpoint."""
    params, args = stopped
    (params["checkpoint_dir"] / "checkpoint.safetensors").unlink()
    for _ in range(2):
        described = {"observed": [Modality("a", network={"prior": make_network})]}
        clf = CMMDClassifier(**params, **described)
        with pytest.warns(ResumeWarning) if _ else contextlib.nullcontext():
            clf.fit(**args)


def test_half_written_files_are_not_read(stopped, monkeypatch):
    """The file is complete under another name before it takes the place of the last."""
    params, args = stopped
    path = params["checkpoint_dir"] / "checkpoint.safetensors"
    before = path.read_bytes()

    def half(tensors, path, metadata):
        save_file(tensors, path, metadata)
        path.write_bytes(path.read_bytes()[:500])
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_cmmd.training.checkpoint.save_file", half)
    with pytest.warns(ResumeWarning), pytest.warns(InterruptedWarning):
        CMMDClassifier(**params).fit(**args)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_files_of_others_are_refused(stopped, content, no_training):
    params, args = stopped
    path = params["checkpoint_dir"] / "checkpoint.safetensors"
    before = path.read_bytes()
    path.write_bytes(before[:-10] if content is None else content)
    with pytest.raises(ValueError, match=r"is no checkpoint .* Remove it to begin anew"):
        CMMDClassifier(**params).fit(**args)
    assert path.exists()


def test_members_of_an_ensemble_have_a_folder_each(data, tmp_path):
    X, M, y = data
    ensemble = CMMDEnsemble(
        CMMDClassifier(**PARAMS, checkpoint_dir=tmp_path), n_estimators=2, random_state=0
    )
    whole = ensemble.fit(X, y, X_missing=M).predict_proba(X)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member-0", "member-1"]
    with pytest.warns(ResumeWarning):
        assert np.array_equal(clone(ensemble).fit(X, y, X_missing=M).predict_proba(X), whole)
