"""
Few labels, many pairs
======================

Labels are often dearer than measurements. Here 1,500 handwritten digits have both views, moments
of their shape and profiles of their outline, and a few of each class have a label; later digits
come with the moments alone. A classifier of the moments can learn from the labelled digits only.
CMMD learns from all pairs: its encoder sees both views and learns well from few labels. It then
teaches the prior, which sees the moments alone, on every other pair.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.exceptions import UnlabelledRowsWarning

# Most rows have no label on purpose.
warnings.filterwarnings("ignore", category=UnlabelledRowsWarning)

digits = load_multiple_features(observed="zernike", missing="profiles")
X, X_test, X_missing, X_test_missing, y, y_test = train_test_split(
    digits.data, digits.data_missing, digits.target, random_state=0, stratify=digits.target
)


def hide_labels(y, n_labels):
    """Keep the first n_labels labels of each class; −1 stands for all others."""
    some = np.full(len(y), -1)
    for code in np.unique(y):
        rows = np.flatnonzero(y == code)[:n_labels]
        some[rows] = code
    return some


# %%
# Fit
# ---
# Rows without a label have −1 in `y`, as in scikit-learn's own semi-supervised classifiers. The
# twin is CMMD's prior and classifier alone, of the same size and trained as long. The last column
# shows a classifier that sees both views of the test digits. It is a bound, since later digits lack
# the second view.

both, both_test = np.hstack([X, X_missing]), np.hstack([X_test, X_test_missing])
accuracy = {}
for n_labels in (5, 10, 50):
    some = hide_labels(y, n_labels)
    known = some >= 0
    twin = CMMDClassifier(omega=0, lam=0, random_state=0)
    self_training = SelfTrainingClassifier(LogisticRegression(max_iter=1000))
    cmmd = CMMDClassifier(random_state=0).fit(X, some, X_missing=X_missing)
    accuracy[n_labels] = {
        "CMMD": cmmd.score(X_test, y_test),
        "its twin": twin.fit(X[known], y[known]).score(X_test, y_test),
        "SVM": make_pipeline(StandardScaler(), SVC()).fit(X[known], y[known]).score(X_test, y_test),
        "self-training": make_pipeline(StandardScaler(), self_training)
        .fit(X, some)
        .score(X_test, y_test),
        "SVM that sees both views": make_pipeline(StandardScaler(), SVC())
        .fit(both[known], y[known])
        .score(both_test, y_test),
    }
table = pd.DataFrame(accuracy).T.rename_axis("labels a class")
print(table.round(3).to_string())

# %%
# The curve
# ---------

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
styles = {"CMMD": "C3-o", "SVM that sees both views": "k:"}
for name in table:
    ax.plot(table.index.astype(str), table[name], styles.get(name, "-"), label=name)
ax.set(xlabel="labels a class", ylabel="accuracy on test digits")
ax.legend()
plt.show()
