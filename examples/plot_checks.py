"""
Is the model sound?
===================

`check_model` asks a fitted model what goes wrong most often, and says what to do. Here it sees a
sound model, and six that were made sick on purpose, each in one way.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Modality, Networks, Objective
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.inspection import check_model

digits = load_multiple_features(observed="zernike", missing="profiles")
X, X_test, M, M_test, y, y_test = train_test_split(
    digits.data,
    digits.data_missing.astype(float),
    digits.target,
    train_size=700,
    test_size=400,
    stratify=digits.target,
    random_state=0,
)
train = X, y, M

# %%
# A sound model
# -------------
# The test rows alone are enough for the first checks. With ``train=`` it is also compared with its
# twin, which never sees the second view, and with a ridge regression.

usual = {
    "hidden_layer_sizes": (64,),
    "learning_rate": 4e-3,
    "early_stopping": True,
    "n_iter_no_change": 10,
    "random_state": 0,
}
sound = CMMDClassifier(**usual).fit(X, y, X_missing=M)
report = check_model(sound, X_test, y_test, M_test, train=train)
print(report)

# %%
# Sick ones
# ---------
# Each has one thing wrong with it: it trained for two epochs; the label hardly counts; nothing
# brings prior and posterior together; the decoder is told to be sure; the tables of the test rows
# are in another order; and two dozen test rows of an ensemble are swapped.

sick = {
    "two epochs": CMMDClassifier(**usual, max_epochs=2),
    "alpha = 0.001": CMMDClassifier(**usual, alpha=1e-3),
    "no divergence": CMMDClassifier(
        **usual,
        omega=0,
        lam=0,
        objective=Objective(decode_prior=0),
        networks=Networks(decoder_input="latent"),
    ),
    "sure decoder": CMMDClassifier(**usual, missing=[Modality("profiles", scale=5.0)]),
}
reports = {"sound": report}
for name, model in sick.items():
    model.fit(X, y, X_missing=M)
    reports[name] = check_model(model, X_test, y_test, M_test, train=train)
reports["another order"] = check_model(sound, X_test, y_test, np.roll(M_test, 1, axis=0))
ensemble = CMMDEnsemble(CMMDClassifier(**usual), n_estimators=2, random_state=0)
swapped = M_test.copy()
swapped[:24] = M_test[:24][::-1]
ensemble.fit(X, y, X_missing=M)
reports["24 rows swapped"] = check_model(ensemble, X_test, y_test, swapped)
print(reports["sure decoder"])

# %%
# What was found: green passed, red failed, grey was not applicable.

names = [check.name for check in report][:-2]  # the last two are about x_M, and need cv=
codes = {"not applicable": 0, "passed": 1, "failed": 2}
table = np.array([[codes[each[name].status] for name in names] for each in reports.values()])
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.pcolormesh(
    table, cmap=ListedColormap(["0.85", "#8fc98f", "#d9534f"]), vmin=0, vmax=2, edgecolors="w", lw=2
)
ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=30, ha="right")
ax.set_yticks(np.arange(len(reports)) + 0.5, list(reports))
ax.invert_yaxis()

# %%
# Some failures come together: a model that hardly trained is behind its twin and ridge regression.
# Read the figures, not the colours alone.

for name, each in reports.items():
    for check in each.failed:
        print(f"{name}: {check.name}, {check.figure}")
plt.show()
