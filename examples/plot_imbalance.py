"""
A rare class
============

One row in thirty is of the class that matters: a written 5 among other digits. Accuracy says little
here, since a classifier that never says 5 is right on 97 % of the rows. ``class_weight="balanced"``
gives both classes the same weight in training, and `average_precision_score` says how well the rare
class is ranked, whatever the threshold.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    PrecisionRecallDisplay,
    average_precision_score,
    balanced_accuracy_score,
    recall_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features

digits = load_multiple_features(observed="morphological", missing="fourier")
is_five = digits.target == 5
common, rare = np.flatnonzero(~is_five), np.flatnonzero(is_five)
rows = np.concatenate([common, rare[: len(common) // 29]])
X, X_test, coefficients, _, y, y_test = train_test_split(
    digits.data[rows],
    digits.data_missing[rows],
    is_five[rows].astype(int),
    test_size=0.4,
    stratify=is_five[rows],
    random_state=0,
)
print(f"{y.sum()} of {len(y)} training rows are a 5, {y_test.sum()} of {len(y_test)} test rows")

# %%
# Fit
# ---
# Everybody gets the same chance: with weights of the classes, and without.


def logistic(class_weight):
    model = LogisticRegression(max_iter=1000, class_weight=class_weight)
    return make_pipeline(StandardScaler(), model).fit(X, y)


def cmmd(class_weight):
    clf = CMMDClassifier(class_weight=class_weight, random_state=0)
    return clf.fit(X, y, X_missing=coefficients)


def twin(class_weight):
    return CMMDClassifier(omega=0, lam=0, class_weight=class_weight, random_state=0).fit(X, y)


fits = {
    (make.__name__, str(weight)): make(weight)
    for make in (cmmd, twin, logistic)
    for weight in (None, "balanced")
}
table = {}
for name, model in fits.items():
    said = model.predict(X_test)
    table[name] = {
        "average precision": average_precision_score(y_test, model.predict_proba(X_test)[:, 1]),
        "balanced accuracy": balanced_accuracy_score(y_test, said),
        "found": recall_score(y_test, said),
    }
table = pd.DataFrame(table).T.rename_axis(["model", "class_weight"])
print(table.round(3).to_string())

# %%
# The threshold
# -------------
# Weights change where the classifier says "5", not so much how it ranks. To find more or fewer of
# them, choose a threshold of `predict_proba` by the curve on rows that were held out.
# `TunedThresholdClassifierCV` of scikit-learn does it by cross-validation.

figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
for (name, weight), model in fits.items():
    style = "-" if weight == "balanced" else ":"
    color = {"cmmd": "C3", "twin": "C0", "logistic": "C7"}[name]
    PrecisionRecallDisplay.from_estimator(
        model,
        X_test,
        y_test,
        ax=ax,
        name=f"{name}, {weight}",
        curve_kwargs={"linestyle": style, "color": color},
    )
ax.legend(loc="lower left", fontsize=8)
plt.show()
