"""
Several missing modalities
==========================

One model generates three views of a digit from a cheap fourth one: the picture, by a convolutional
network; a table of moments, by a fully connected network of its own; and six morphological numbers,
with a Laplace likelihood. A mapping names them. `SliceDict` is a mapping that searches can slice.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.metrics import neg_missing_rmse_scorer
from sklearn_cmmd.plotting import GeneratedImagesDisplay

digits = load_multiple_features(observed="fourier")
y = digits.target
missing = SliceDict(
    picture=digits.images.astype(float),
    zernike=digits.views["zernike"],
    morphology=digits.views["morphological"],
)
train, test = train_test_split(np.arange(len(y)), stratify=y, random_state=0)
X_train, X_test = digits.data[train], digits.data[test]

# %%
# A weight for each
# -----------------
# The log-likelihood of a picture is a sum over 240 pixels, that of the morphology over 6 numbers.
# ``weight="size"`` gives all of them the same weight.

model = CMMDClassifier(
    missing=[
        Modality("picture", network={"decoder": "conv2d"}, weight="size"),
        Modality("zernike", network="mlp", weight="size"),
        Modality("morphology", likelihood="laplace", weight="size"),
    ],
    alpha=1000,
    max_epochs=20,
    random_state=0,
)

# %%
# A search over ω, on the training rows
# -------------------------------------
# It is scored by the generated views, in which each modality counts alike.

search = GridSearchCV(model, {"omega": [0.8, 0.2]}, cv=2, scoring=neg_missing_rmse_scorer)
with sklearn.config_context(enable_metadata_routing=True):
    search.fit(X_train, y[train], X_missing=missing[train])
cmmd = search.best_estimator_
twin = CMMDClassifier(omega=0, lam=0, max_epochs=20, random_state=0).fit(X_train, y[train])
print(f"ω = {cmmd.omega}: accuracy {cmmd.score(X_test, y[test]):.3f}", end=", ")
print(f"the twin on the coefficients alone {twin.score(X_test, y[test]):.3f}")

# %%
# Generated views, beside ridge regression
# ----------------------------------------

generated = cmmd.generate_missing(X_test)


def relative_rmse(true, made):
    """Return the error in units of the spread of the true values."""
    return np.sqrt(((true - made) ** 2).mean() / true.var(axis=0).mean())


rows = {}
for name, values in missing.items():
    flat = values.reshape(len(y), -1)
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    ridge.fit(X_train, flat[train])
    rows[name] = {
        "CMMD": relative_rmse(flat[test], generated[name].reshape(len(test), -1)),
        "ridge": relative_rmse(flat[test], ridge.predict(X_test)),
    }
print(pd.DataFrame(rows).T.round(3).to_string())

# %%
# One digit of each class, true and generated.

shown = [np.flatnonzero(y[test] == digit)[0] for digit in range(10)]
GeneratedImagesDisplay.from_predictions(
    missing["picture"][test][shown],
    generated["picture"][shown],
    n_rows=10,
    imshow_kw={"cmap": "gray_r"},
)
plt.show()
