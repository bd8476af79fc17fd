"""
A network of your own
=====================

The beat of an insect's wings tells its species, whenever the recording begins. A perceptron has to
learn every beginning anew. A network that convolves and then averages over time does not, so the
sound gets one: a function that makes a `torch.nn.Module` from the shape of a row. The sounds are
simulated. The second view is the size of the insect and the temperature, which later sounds lack.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.metrics import missing_rmse

N_ROWS, LENGTH, SPECIES = 600, 64, ("midge", "gnat", "fly")
rng = np.random.default_rng(0)
species = rng.integers(3, size=N_ROWS)
temperature = rng.normal(scale=0.8, size=N_ROWS)
size = rng.normal(loc=species / 2)
beats = 6 + 4 * species + temperature - 0.5 * size  # in a recording
beginning = rng.uniform(0, 2 * np.pi, size=(N_ROWS, 1))
time = np.linspace(0, 1, LENGTH)
sound = np.sin(2 * np.pi * beats[:, None] * time + beginning)
sound += rng.normal(scale=0.7, size=sound.shape)
laboratory = pd.DataFrame({"size": size, "temperature": temperature})
X, X_test, M, M_test, y, y_test = train_test_split(
    sound, laboratory, np.take(SPECIES, species), random_state=0
)

# %%
# The network
# -----------
# It gets rows of the shape that the modality has, channels first, and returns a row of features.
# Its weights and its dropout follow ``random_state``. A pretrained module may be returned as well.


def listener(shape):
    return nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        nn.Conv1d(1, 24, kernel_size=17, padding=8),
        nn.ReLU(),
        nn.Conv1d(24, 48, kernel_size=9, padding=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    )


# %%
# Fit
# ---
# The same classifier without it reads the 64 values by a perceptron.

own = CMMDClassifier(observed=[Modality("sound", network=listener)], random_state=0)
plain = CMMDClassifier(random_state=0)
trees = HistGradientBoostingClassifier(random_state=0).fit(X, y)
for model in (own, plain):
    model.fit(X, y, X_missing=M)
table = {
    name: {
        "accuracy": model.score(X_test, y_test),
        "rmse of size and temperature, in standard deviations": missing_rmse(
            M_test, model.generate_missing(X_test), scale=M.std()
        ),
    }
    for name, model in {"own network": own, "perceptron": plain}.items()
}
table = pd.DataFrame(table).T
table.loc["boosted trees", "accuracy"] = trees.score(X_test, y_test)
print(table.round(3).to_string(na_rep=""))

# %%
# Look
# ----

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
axes[0].plot(time, X_test[y_test == "midge"][:2].T)
axes[0].set(xlabel="time", title="two midges")
for ax, (name, model) in zip(
    axes[1:], {"perceptron": plain, "own network": own}.items(), strict=True
):
    ConfusionMatrixDisplay.from_estimator(
        model, X_test, y_test, ax=ax, colorbar=False, cmap="Blues"
    )
    ax.set_title(name)
plt.show()
