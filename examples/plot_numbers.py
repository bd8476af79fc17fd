"""
Numbers instead of classes
==========================

`CMMDRegressor` is the same model for a target that is a number. Real data answer two questions
here: how sure is a prediction, and does a second view help if it is there in training only? On the
first data set it does not. On the second, where few rows have a target, it does.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDEnsemble, CMMDRegressor
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.exceptions import UnlabelledRowsWarning

ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
twin = CMMDRegressor(omega=0, lam=0, random_state=0)

# %%
# Diabetes: a second view that does not help
# ------------------------------------------
# Age, sex, body mass, blood pressure and the total cholesterol of 442 patients are the cheap view;
# five other blood values are there in training only. The target says how the disease went on in the
# year after. All training rows have it. The twin is the same network without the second view.

data, target = load_diabetes(return_X_y=True)
cheap, dear = data[:, :5], data[:, 5:]
scores = []
for seed in (2, 1, 0):
    X, X_test, M, M_test, y, y_test = train_test_split(cheap, dear, target, random_state=seed)
    cmmd = CMMDRegressor(random_state=0).fit(X, y, X_missing=M)
    scores.append(
        {
            "ridge": ridge.fit(X, y).score(X_test, y_test),
            "twin": twin.fit(X, y).score(X_test, y_test),
            "CMMD": cmmd.score(X_test, y_test),
            "ridge that sees both": ridge.fit(np.hstack([X, M]), y).score(
                np.hstack([X_test, M_test]), y_test
            ),
        }
    )
splits = pd.DataFrame(scores)
print(splits.round(3).to_string())
print("mean R²", splits.mean().round(3).to_dict())

# %%
# The blood values tell much of the target, as the last column shows. Still CMMD predicts about as
# well as its twin, and ridge regression is as good as both. Where all rows have a target, the
# second view seldom helps.

# %%
# How sure?
# ---------
# ``return_std=True`` adds the standard deviation of the normal distribution that the network
# learned. Nothing checks it. `CMMDEnsemble` does: the intervals of `predict_interval` come from the
# errors of rows that its members left out. The split is the last one above.

mean, std = cmmd.predict(X_test, return_std=True)
ensemble = CMMDEnsemble(CMMDRegressor(), random_state=0).fit(X, y, X_missing=M)
lower, upper = ensemble.predict_interval(X_test, coverage=0.9)


def covered(low, high):
    """Return the share of the test rows within their intervals, and the mean width."""
    return (
        f"{np.mean((low <= y_test) & (y_test <= high)):.3f}, mean width {(high - low).mean():.0f}"
    )


print("one regressor, mean ± 1.645 std:", covered(mean - 1.645 * std, mean + 1.645 * std))
print("ensemble, intervals of 90 %:    ", covered(lower, upper))
print(f"R² of one {cmmd.score(X_test, y_test):.3f}, ensemble {ensemble.score(X_test, y_test):.3f}")

# %%
# The test rows, in the order of their predictions. The intervals are wide, since the cheap view
# leaves much open, and wider where the network is less sure.

order = np.argsort(ensemble.predict(X_test))
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
place = np.arange(len(order))
ax.fill_between(place, lower[order], upper[order], alpha=0.3, step="mid", label="90 % interval")
ax.plot(place, ensemble.predict(X_test)[order], label="prediction")
ax.plot(place, y_test[order], "k.", label="true")
ax.set(xlabel="test rows", ylabel="progression of the disease")
ax.legend()

# %%
# Few targets, many pairs: a second view that helps
# -------------------------------------------------
# 1,500 written digits have two views, moments of their shape and profiles of their outline. The
# target is one of their morphological features, which 100 of them have; NaN marks the others. Later
# digits come with the moments alone. CMMD learns from all pairs. The twin and ridge regression can
# learn from 100 rows only. 40 epochs, fewer than the default, keep the script short.

warnings.filterwarnings("ignore", category=UnlabelledRowsWarning)  # most have none on purpose
views = load_multiple_features().views
moments, profiles = views["zernike"], views["profiles"].astype(float)
target = views["morphological"][:, 3].astype(float)
scores = []
for seed in (0, 1):
    X, X_test, M, M_test, y, y_test = train_test_split(moments, profiles, target, random_state=seed)
    some = np.where(np.arange(len(y)) < 100, y, np.nan)
    known = ~np.isnan(some)
    cmmd = CMMDRegressor(max_epochs=40, random_state=0).fit(X, some, X_missing=M)
    scores.append(
        {
            "ridge": ridge.fit(X[known], y[known]).score(X_test, y_test),
            "twin": twin.fit(X[known], y[known]).score(X_test, y_test),
            "CMMD": cmmd.score(X_test, y_test),
            "ridge that sees both": ridge.fit(np.hstack([X, M])[known], y[known]).score(
                np.hstack([X_test, M_test]), y_test
            ),
        }
    )
few = pd.DataFrame(scores)
print(few.round(3).to_string())

# %%

fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, table, title in zip(axes, (splits, few), ("diabetes", "digits, 100 targets"), strict=True):
    ax.bar(range(4), table.mean(), color=["C2", "C0", "C3", "0.8"])
    for scored in table.to_numpy():
        ax.plot(range(4), scored, "k.")
    ax.set(title=title, ylabel="R² on test rows" if ax is axes[0] else "")
    ax.set_xticks(range(4), ["ridge", "twin", "CMMD", "ridge,\nboth views"])
plt.show()
