"""A script that torchrun starts: fits that are divided among processes, and what may happen."""

import os
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

from sklearn_cmmd import CMMDClassifier, CMMDRegressor, CMMDTransformer, Objective

RNG = np.random.default_rng(0)
N = 150
Y = np.arange(N) % 3
X = RNG.normal(size=(N, 5)) + Y[:, None]
M = RNG.normal(size=(N, 4)) - Y[:, None]
SIZES = {"hidden_layer_sizes": (8,), "latent_dim": 3, "max_epochs": 4, "batch_size": 40}
KILLED_AFTER = 3
CLOSED = Objective(mmd_estimator="closed")


def some(values, lacks):
    return np.where(np.arange(len(values))[:, None] % 4 == lacks, np.nan, values)


def fitted(**params):
    """Return fits of each kind, by name."""
    few = np.where(np.arange(N) % 3 == 1, -1, Y)
    params = SIZES | {"random_state": 0} | params
    stopping = params | {"early_stopping": True, "optional": "all"}
    views = {"a": some(X[:, :3], 1), "b": some(X[:, 3:], 2)}
    return {
        "classifier": CMMDClassifier(**params).fit(X, Y, X_missing=M),
        "few labels": CMMDClassifier(**params).fit(X, few, X_missing=some(M, 1)),
        "any view": CMMDClassifier(**stopping).fit(views, Y, sample_weight=1 + Y % 2),
        "numbers": CMMDRegressor(**params).fit(X, X[:, 0] + Y, X_missing=M),
        "moments": CMMDTransformer(objective=CLOSED, **params).fit(X, None, M),
    }


def weights(estimator):
    return torch.nn.utils.parameters_to_vector(estimator.module_.parameters()).detach().numpy()


def losses(estimator):
    """Return every term of every epoch."""
    return np.array([values for _, values in sorted(estimator.history_.items())])


class Killed(Callback):
    """Kill this process after some epochs."""

    def on_epoch_end(self, net, **kwargs):
        if net.history[-1]["epoch"] == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def main(mode, folder, rank):
    folder = Path(folder)
    if mode == "fits":
        found = fitted()
        parts = {name: weights(each) for name, each in found.items()}
        parts |= {f"losses of {name}": losses(each) for name, each in found.items()}
        np.savez(folder / rank, **parts)
    elif mode == "other rows":
        CMMDClassifier(**SIZES, random_state=0).fit(X + (rank == "1"), Y, X_missing=M)
    elif mode == "few rows":
        CMMDClassifier(**SIZES | {"batch_size": 1}, random_state=0).fit(X, Y, X_missing=M)
    elif mode == "any seed":
        model = CMMDClassifier(**SIZES).fit(X, Y, X_missing=M)
        np.save(folder / f"{rank}.npy", weights(model))
    elif mode == "killed":
        callbacks = [Killed()] if rank == "1" else None
        model = CMMDClassifier(**SIZES, random_state=0, callbacks=callbacks, checkpoint_dir=folder)
        model.fit(X, Y, X_missing=M)


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main(sys.argv[1], sys.argv[2], os.environ["RANK"])
