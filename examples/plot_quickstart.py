"""
Predict from the cheap view, generate the other
===============================================

Fifteen hundred handwritten digits were measured in two ways: by 76 Fourier coefficients of their
outline, which are cheap, and by the 240 pixels of a scan. Ten digits of each class were looked at
by a person and have a label. Later digits come with the coefficients alone. What digit are they,
and what would the scan show?
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.exceptions import UnlabelledRowsWarning

# Most rows have no label on purpose.
warnings.filterwarnings("ignore", category=UnlabelledRowsWarning)
start = time.perf_counter()


def say(what):
    """Print what is done, and when."""
    print(f"{time.perf_counter() - start:3.0f} s  {what}", flush=True)


digits = load_multiple_features(observed="fourier", missing="pixels")
X, X_new, pixels, pixels_new, truth, y_new = train_test_split(
    digits.data, digits.data_missing, digits.target, stratify=digits.target, random_state=0
)
labelled = np.concatenate([np.flatnonzero(truth == digit)[:10] for digit in range(10)])
y = np.full(len(truth), -1)  # as in scikit-learn, −1 stands for no label
y[labelled] = truth[labelled]

# %%
# Fit
# ---
# The ensemble fits three classifiers, and each leaves out other rows. Their errors on these rows
# say how wide the intervals around the pixels must be.

say(f"fitting CMMD to {len(X)} digits in two views, {len(labelled)} of them with a label")
cmmd = CMMDEnsemble(CMMDClassifier(max_epochs=100), n_estimators=3, n_jobs=2, random_state=0)
cmmd.fit(X, y, X_missing=pixels)

# %%
# Compare
# -------
# The fair comparison is the *twin*: the same networks from the coefficients to the digit, trained
# without pixels. Logistic regression sees the labelled rows too, self-training all rows.

say("fitting its twin without pixels, logistic regression, self-training, ridge regression")
twin = CMMDEnsemble(CMMDClassifier(omega=0, lam=0), n_estimators=3, n_jobs=2, random_state=0)
logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
self_training = make_pipeline(
    StandardScaler(), SelfTrainingClassifier(LogisticRegression(max_iter=1000))
)
fitted = {
    "CMMD": cmmd,
    "its twin, without pixels": twin.fit(X[labelled], y[labelled]),
    "logistic regression": logistic.fit(X[labelled], y[labelled]),
    "self-training": self_training.fit(X, y),
}
ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(X, pixels)


def rmse(generated):
    return np.sqrt(((generated - pixels_new) ** 2).mean())


say(f"predicting {len(X_new)} new digits from their coefficients alone")
table = pd.DataFrame(
    {
        "accuracy": {name: clf.score(X_new, y_new) for name, clf in fitted.items()},
        "rmse of the pixels (0 to 6)": {
            "CMMD": rmse(cmmd.generate_missing(X_new)),
            "ridge regression": rmse(ridge.predict(X_new)),
            "mean of the training rows": rmse(pixels.mean(axis=0)),
        },
    }
)
lower, upper = cmmd.generate_intervals(X_new, coverage=0.9)
inside = (lower <= pixels_new) & (pixels_new <= upper)
order = [*fitted, "ridge regression", "mean of the training rows"]
print(table.loc[order].round(3).to_string(na_rep=""))
print(f"90 % intervals hold {inside.mean():.1%} of the new digits' pixels")

# %%
# Look
# ----
# One new digit of each class: its scan, the pixels that are generated from the coefficients, the
# width of their intervals, and the answer of ridge regression. CMMD says which pictures it is
# unsure of: the coefficients do not change when a digit is turned, so a 6 may be a 9.

rows = [np.flatnonzero(y_new == digit)[0] for digit in range(10)]
width = upper - lower
pictures = {
    "true": pixels_new[rows],
    "CMMD": cmmd.generate_missing(X_new[rows]),
    "width": 6 * (width / width.max())[rows],
    "ridge": ridge.predict(X_new[rows]),
}
figure, axes = plt.subplots(len(pictures), 10, figsize=(8, 3.6), layout="constrained")
for line, (name, images) in zip(axes, pictures.items(), strict=True):
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image.reshape(16, 15), cmap="gray_r", vmin=0, vmax=6)
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
figure.savefig("quickstart.png", dpi=120)
say("saved quickstart.png")
