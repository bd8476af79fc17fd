"""
Tags for pictures that nobody has described
===========================================

Some pictures come with tags that people typed, incompletely and with mistakes. Later pictures have
no tags. Each picture belongs to several topics. So `y` is a matrix of topics, the tags are a binary
missing modality, and one model predicts the topics *and* proposes tags.

The pictures are real handwritten digits. The tags are simulated: each true tag is typed with
probability 0.6, each wrong tag with probability 0.03.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features

MEANING = {
    "even": {0, 2, 4, 6, 8},
    "prime": {2, 3, 5, 7},
    "small": {0, 1, 2, 3, 4},
    "loop": {0, 6, 8, 9},
    "straight": {1, 4, 7},
    "square number": {0, 1, 4, 9},
    "two loops": {8},
    "open curve": {2, 3, 5},
    "divisible by three": {0, 3, 6, 9},
    "symmetric": {0, 1, 3, 8},
}
TOPICS = ["even", "prime", "loop", "small"]

digits = load_multiple_features(observed="zernike")
fits = pd.DataFrame({tag: np.isin(digits.target, list(those)) for tag, those in MEANING.items()})
rng = np.random.default_rng(0)
tags = (rng.random(fits.shape) < np.where(fits, 0.6, 0.03)).astype(int)
tags = pd.DataFrame(tags, columns=list(MEANING))
topics = fits[TOPICS].to_numpy(int)
X_train, X_test, T_train, T_test, fits_train, fits_test, y_train, y_test = train_test_split(
    digits.data, tags, fits, topics, random_state=0
)
print(T_train.head(3).to_string())

# %%
# Fit
# ---
# A matrix of labels makes a classifier of several labels, and columns of zeros and ones get a
# Bernoulli likelihood. Both are recognised from the data.

cmmd = CMMDClassifier(random_state=0).fit(X_train, y_train, X_missing=T_train)
twin = CMMDClassifier(omega=0, lam=0, random_state=0).fit(X_train, y_train)
logistic = make_pipeline(
    StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=1000))
).fit(X_train, y_train)
print([(m.name, m.likelihood) for m in cmmd.missing_])

# %%
# Topics
# ------

table = {
    name: average_precision_score(y_test, model.predict_proba(X_test), average=None)
    for name, model in {"CMMD": cmmd, "its twin": twin, "logistic regression": logistic}.items()
}
table = pd.DataFrame(table, index=TOPICS).T
table["mean"] = table.mean(axis=1)
print("average precision by topic")
print(table.round(3).to_string())

# %%
# Tags
# ----
# The generated values are the probabilities that each tag would have been typed. They are scored
# against what is true of the digit, not against what was typed.

proposed = cmmd.generate_missing(X_test)
direct = make_pipeline(
    StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=1000))
).fit(X_train, T_train)
precision = pd.DataFrame(
    {
        "CMMD": average_precision_score(fits_test, proposed, average=None),
        "logistic regression": average_precision_score(
            fits_test, direct.predict_proba(X_test), average=None
        ),
        "any order": fits_test.mean().to_numpy(),
    },
    index=list(MEANING),
)
ax = precision.plot.barh(figsize=(7, 4.5), color=["C3", "C0", "0.8"], width=0.75)
ax.invert_yaxis()
ax.set(xlabel="average precision against what is true of the digit")
ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3)
ax.figure.tight_layout()
for row in range(3):
    best = proposed.iloc[row].nlargest(3)
    typed = T_test.columns[T_test.iloc[row] == 1].tolist()
    print(f"proposed {best.index.tolist()}, typed {typed}")
