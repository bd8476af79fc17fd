"""
Predict from the cheap view, generate the other
===============================================

Two thousand handwritten digits were measured in two ways: by 76 Fourier coefficients of their
outline, which are cheap and do not change when the digit is turned, and by the 240 pixels of a
scan. Both are at hand for training. Later there are the coefficients alone, and we want from them
the digit *and* the picture.

A view that does not change with rotation cannot tell a 6 from a 9, so no classifier gets every
digit right.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features

start = time.perf_counter()
digits = load_multiple_features(observed="fourier", missing="pixels")
X_train, X_test, M_train, M_test, y_train, y_test = train_test_split(
    digits.data, digits.data_missing, digits.target, stratify=digits.target, random_state=0
)

# %%
# Fit
# ---
# ω weighs two ways of tying the embedding of a digit that is seen in part to that of one seen
# whole. It is the one parameter that every task must choose, and `GridSearchCV` does so on the
# training rows. It slices ``X_missing`` along with ``X``.

search = GridSearchCV(
    CMMDClassifier(random_state=0), {"omega": [0.1, 0.4, 0.7, 1.0]}, cv=3, n_jobs=2
)
search.fit(X_train, y_train, X_missing=M_train)
cmmd = search.best_estimator_

# %%
# Compare
# -------
# Does the pixel view help to predict the digit? The fair comparison is the *twin*: the same
# networks on the way from the coefficients to the digit, trained alike, but by the classification
# loss alone. For the generated pixels, the comparison is ridge regression on the coefficients.

twin = CMMDClassifier(omega=0, lam=0, random_state=0).fit(X_train, y_train)
logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
logistic.fit(X_train, y_train)
ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(X_train, M_train)
mean = DummyRegressor().fit(X_train, M_train)


def rmse(generated):
    return np.sqrt(((generated - M_test) ** 2).mean())


table = pd.DataFrame(
    {
        "accuracy": {
            f"CMMD, ω = {cmmd.omega}": cmmd.score(X_test, y_test),
            "its twin on the coefficients alone": twin.score(X_test, y_test),
            "logistic regression": logistic.score(X_test, y_test),
        },
        "rmse of the pixels (0 to 6)": {
            f"CMMD, ω = {cmmd.omega}": rmse(cmmd.generate_missing(X_test)),
            "ridge regression": rmse(ridge.predict(X_test)),
            "mean of the training rows": rmse(mean.predict(X_test)),
        },
    }
)
print(table.round(3).to_string(na_rep=""))

# %%
# Look
# ----
# One digit of each class from the test rows: as it was scanned, as CMMD generates it from the
# coefficients, and by ridge regression.

rows = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
pictures = {
    "true": M_test[rows],
    "CMMD": cmmd.generate_missing(X_test[rows]),
    "ridge": ridge.predict(X_test[rows]),
}
figure, axes = plt.subplots(len(pictures), 10, figsize=(8, 2.7), layout="constrained")
for line, (name, images) in zip(axes, pictures.items(), strict=True):
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image.reshape(16, 15), cmap="gray_r", vmin=0, vmax=6)
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
figure.savefig("quickstart.png", dpi=120)
print(f"saved quickstart.png, {time.perf_counter() - start:.0f} seconds in all")
