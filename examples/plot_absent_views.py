"""
Any view may be absent
======================

Three views of a digit: Fourier coefficients, Zernike moments and the picture. A third of the views
of the training rows is absent. One `CMMDClassifier` with ``optional="all"`` learns from all of
these rows. It then predicts from each of the seven combinations of views that a row can have, and
generates the views that a row lacks. Seven classifiers, each for one combination alone, stand
beside it. Every fit here runs 40 epochs, fewer than the default, to keep the script short.
"""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import ampute, load_multiple_features

names = ["fourier", "zernike", "pixels"]
digits = load_multiple_features()
y = digits.target
train, test = train_test_split(np.arange(len(y)), train_size=1000, stratify=y, random_state=0)
X_test = {name: digits.views[name][test] for name in names}

# %%
# Rows that lack views
# --------------------
# `ampute` hides whole views of rows, completely at random here. Each row keeps at least one.

X = ampute({name: digits.views[name][train] for name in names}, share=1 / 3, random_state=0)
has = pd.DataFrame({name: ~np.isnan(X[name]).any(axis=1) for name in names})
print(has.value_counts().to_string())

# %%
# One fit
# -------
# NaN in all columns of a view marks that a row lacks it. Later, a view that no row has may be left
# out of the mapping.

quick = {"max_epochs": 40, "random_state": 0}
cmmd = CMMDClassifier(optional="all", **quick).fit(X, y[train])

# %%
# Accuracy, by what a row has
# ---------------------------
# Two other ways use the same networks. The first fills in the mean of each absent column, in
# training and later, and fits one classifier. The second fits a classifier for each combination,
# to the rows that have all of its views: seven fits, and where views are many, far more. A support
# vector machine (SVM) for each combination is the third.


def side_by_side(views, chosen):
    """Join views into a table."""
    return np.hstack([views[name] for name in chosen])


def one_for(subset, model):
    """Fit to the rows that have these views, and score on all test rows."""
    rows = has[subset].all(axis=1).to_numpy()
    model.fit(side_by_side(X, subset)[rows], y[train][rows])
    return model.score(side_by_side(X_test, subset), y[test])


mean = SimpleImputer().fit(side_by_side(X, names))
filled = CMMDClassifier(**quick).fit(mean.transform(side_by_side(X, names)), y[train])
accuracy = {}
for size in (1, 2, 3):
    for subset in map(list, combinations(names, size)):
        kept = {name: X_test[name] for name in subset}
        lacking = [
            X_test[name] if name in subset else np.full(X_test[name].shape, np.nan)
            for name in names
        ]
        accuracy[" + ".join(subset)] = {
            "CMMD, one fit": cmmd.score(kept, y[test]),
            "means filled in, one fit": filled.score(mean.transform(np.hstack(lacking)), y[test]),
            "seven fits": one_for(subset, CMMDClassifier(**quick)),
            "seven SVMs": one_for(subset, make_pipeline(StandardScaler(), SVC())),
        }
table = pd.DataFrame(accuracy).T
print(table.round(3).to_string())
print("mean", table.mean().round(3).to_dict())

# %%
# On this split, one fit is on average as good as seven, of the same networks or of SVMs. Filling in
# means costs three points, most of them where a row has a single view.


fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
table.plot.bar(ax=ax, width=0.8, color=["C3", "0.8", "C0", "C2"])
ax.set(ylim=(0.5, 1), ylabel="accuracy on test digits")
ax.set_xticklabels([label.replace(" + ", "\n+ ") for label in table.index], rotation=0)
ax.legend(fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))

# %%
# What a row lacks
# ----------------
# `impute` returns all views. Those that a row has come back as they are. The error of the others is
# in units of the standard deviation of the true pixels, where means have an error of one.

pixels = X_test["pixels"]


def relative_rmse(made):
    """Return the error in units of the spread of the true values."""
    return np.sqrt(((pixels - made) ** 2).mean() / pixels.var(axis=0).mean())


imputed = {}
for subset in (["fourier"], ["zernike"], ["fourier", "zernike"]):
    imputed[" + ".join(subset)] = cmmd.impute({name: X_test[name] for name in subset})["pixels"]
print({name: round(float(relative_rmse(made)), 3) for name, made in imputed.items()})

# %%
# Pictures of five digits, imputed. Both kinds of coefficients hardly know which way up a digit is.

shown = [int(np.flatnonzero(y[test] == digit)[0]) for digit in (0, 2, 3, 6, 8)]
lines = {"true": pixels, **imputed}
fig, axes = plt.subplots(4, 5, figsize=(6, 5), layout="constrained")
for line, (title, pictures) in zip(axes, lines.items(), strict=True):
    line[0].set_ylabel(title.replace(" + ", "\n+ "), rotation=0, ha="right", va="center")
    for ax, row in zip(line, shown, strict=True):
        ax.imshow(pictures[row].reshape(16, 15), cmap="gray_r", vmin=0, vmax=6)
        ax.set(xticks=[], yticks=[])
plt.show()
