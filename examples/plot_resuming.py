"""
Stop, resume, keep
==================

A long fit is killed, and goes on where it was. It ends with the same weights as one that ran
through, to the last bit. Then it is kept in a file that holds no code.
"""

import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skorch.callbacks import Callback

import sklearn_cmmd
from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.exceptions import ResumeWarning

digits = load_multiple_features(observed="zernike", missing="profiles")
X, y, profiles = digits.data, digits.target, digits.data_missing.astype(float)
folder = tempfile.TemporaryDirectory()
params = {"max_epochs": 24, "early_stopping": False, "random_state": 0}

# %%
# A fit that is killed
# --------------------
# With ``checkpoint_dir`` a fit writes its state to disk as it goes. Here a callback kills it by an
# error in epoch 12; a power cut would do the same.


class PowerCut(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 12:
            raise RuntimeError("power cut")


killed = CMMDClassifier(**params, callbacks=[PowerCut()], checkpoint_dir=folder.name)
try:
    killed.fit(X, y, X_missing=profiles)
except RuntimeError as error:
    print(f"{error}; in the folder: {[path.name for path in Path(folder.name).iterdir()]}")

# %%
# Started again
# -------------
# The same command goes on from the last state on disk. A warning says from which epoch.

resumed = CMMDClassifier(**params, checkpoint_dir=folder.name)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", ResumeWarning)
    resumed.fit(X, y, X_missing=profiles)
print(next(str(each.message) for each in caught if each.category is ResumeWarning))

straight = CMMDClassifier(**params).fit(X, y, X_missing=profiles)
same = np.array_equal(resumed.predict_proba(X), straight.predict_proba(X))
print(f"the same probabilities as without the power cut: {same}")

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
epochs = np.arange(1, 25)
ax.plot(epochs, straight.history_["train_loss"], color="0.7", linewidth=6, label="ran through")
ax.plot(epochs, resumed.history_["train_loss"], color="C3", label="killed and resumed")
ax.axvline(12.5, color="k", linestyle=":", label="power cut")
ax.set(xlabel="epoch", ylabel="loss, nats a row")
ax.legend()

# %%
# Keep it
# -------
# `save` writes weights and settings into one file, and nothing that could be run. `describe` says
# what a file holds without loading it.

file = Path(folder.name, "digits.safetensors")
resumed.save(file)
again = sklearn_cmmd.load(file)
print(
    f"{file.stat().st_size / 1e6:.1f} MB,", np.array_equal(again.transform(X), resumed.transform(X))
)
about = sklearn_cmmd.describe(file)
print({key: about[key] for key in ("estimator", "observed", "missing")})

# %%
# Go on with other rows
# ---------------------
# ``warm_start=True`` goes on from the present weights, with the state of the optimizer.

more = resumed.set_params(warm_start=True, checkpoint_dir=None, max_epochs=3)
more.fit(X, y, X_missing=profiles)
print(f"loss after three more epochs: {more.history_['train_loss'][-1]:.2f}")
folder.cleanup()
