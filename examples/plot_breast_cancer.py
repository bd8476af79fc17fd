"""
A project from question to decision: breast cancer
==================================================

Of 569 samples of breast tissue, ten features of the cell nuclei were measured: radius, texture,
smoothness and so on. For each there are the mean over the nuclei, its standard error, and the mean
of the three worst nuclei. Suppose that the ten means are cheap, and that the other twenty numbers
take an expert an hour. Two questions: does it help the diagnosis of *later* patients, who have the
means alone, if the expert measures all thirty for the patients of the study? And can the twenty be
filled in for later patients?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.inspection import check_model, integrated_gradients
from sklearn_cmmd.metrics import interval_coverage, missing_rmse

# %%
# Data
# ----

table = load_breast_cancer(as_frame=True)
is_cheap = table.data.columns.str.startswith("mean ")
cheap, dear = table.data.loc[:, is_cheap], table.data.loc[:, ~is_cheap]
malignant = (table.target == 0).astype(int)
print(cheap.shape, dear.shape, f"malignant: {malignant.mean():.0%}")
splits = list(StratifiedShuffleSplit(4, test_size=0.25, random_state=0).split(cheap, malignant))

# %%
# Baselines first
# ---------------
# Logistic regression on the means, and on all thirty columns. The second cannot be had for later
# patients; it says how much there is to gain. The model is CMMD, with 60 epochs to keep the script
# short. Its twin is the same network without the twenty columns.

logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
cmmd = CMMDClassifier(max_epochs=60, random_state=0)
twin = CMMDClassifier(omega=0, lam=0, max_epochs=60, random_state=0)

labels, views = [], []
for train, test in splits:
    X, M, y = cheap.iloc[train], dear.iloc[train], malignant.iloc[train]
    X_test, M_test, y_test = cheap.iloc[test], dear.iloc[test], malignant.iloc[test]
    found = {
        "logistic regression": logistic.fit(X, y).predict_proba(X_test),
        "twin": clone(twin).fit(X, y).predict_proba(X_test),
        "CMMD": cmmd.fit(X, y, X_missing=M).predict_proba(X_test),
        "logistic regression, all thirty": logistic.fit(table.data.iloc[train], y).predict_proba(
            table.data.iloc[test]
        ),
    }
    labels.append({name: log_loss(y_test, p) for name, p in found.items()})
    scale = M.std(axis=0)
    views.append(
        {
            "ridge regression": missing_rmse(M_test, ridge.fit(X, M).predict(X_test), scale=scale),
            "CMMD": missing_rmse(M_test, cmmd.generate_missing(X_test), scale=scale),
        }
    )
labels, views = pd.DataFrame(labels), pd.DataFrame(views)
print(pd.DataFrame({"log-loss": labels.mean(), "±": labels.std() / 2}).round(3).to_string())
print(pd.DataFrame({"rmse": views.mean(), "±": views.std() / 2}).round(3).to_string())

# %%
# Checks
# ------
# The last split's model and test rows. ``cv=3`` asks whether the twenty columns are worth measuring
# for the label of later patients.

print(check_model(cmmd, X_test, y_test, M_test, train=(X, y, M), cv=3))

# %%
# Filled in, and how surely
# -------------------------
# An ensemble mixes the networks with ridge regression and trees, and puts intervals around what it
# generates. Some of the twenty follow from the means; others do not.

ensemble = CMMDEnsemble(clone(cmmd), n_estimators=3, random_state=0).fit(X, y, X_missing=M)
lower, upper = ensemble.generate_intervals(X_test, coverage=0.9)
print("weights", {k: round(v, 2) for k, v in ensemble.weights_["X_missing"].items()})
print(f"within intervals of 90 %: {interval_coverage(M_test, lower, upper):.3f}")
made = ensemble.generate_missing(X_test)
errors = missing_rmse(M_test, made, scale=scale, multioutput="raw_values")
errors = pd.Series(errors, index=M.columns).sort_values()
fig, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
axes[0].barh(errors.index, errors)
axes[0].axvline(1, color="0.5", ls=":")
axes[0].set(xlabel="rmse over the standard deviation; 1 is that of the mean", title="filled in")

# %%
# What decides
# ------------
# Contributions of the ten means to the log-probability of a malignant sample, over the test rows.
# A small compactness speaks for malignancy here, although malignant samples have a large one: the
# network uses it beside concavity, with which it goes together. Contributions explain the network,
# not the disease.

contributions = integrated_gradients(cmmd, X_test, target=1)
order = contributions.abs().mean().sort_values().index
for place, name in enumerate(order):
    z = (X_test[name] - X[name].mean()) / X[name].std()
    points = axes[1].scatter(
        contributions[name], np.full(len(z), place), c=z, cmap="coolwarm", vmin=-2, vmax=2, s=8
    )
axes[1].set_yticks(range(len(order)), order)
axes[1].set(xlabel="contribution to log p(malignant), nats", title="what decides")
fig.colorbar(points, ax=axes[1], label="value, in standard deviations")

# %%
# Decision
# --------
# - **The diagnosis of later patients**: the twenty columns of the study do not help it. CMMD is as
#   good as its twin, and logistic regression on the ten means is as good or better. The checks say
#   so too: *worth_measuring* fails. If the diagnosis is what counts, measure all thirty columns of
#   the patient in question: they halve the log-loss.
# - **The twenty columns of later patients**: CMMD fills them in with errors some 2 % below those of
#   ridge regression, less than the splits differ. For means alone, ridge regression will do. The
#   ensemble adds intervals that hold what they promise. The worst radius, perimeter and area follow
#   from the means. Standard errors of symmetry, texture and smoothness do not: where the expert's
#   hour is short, it goes there.
plt.show()
