"""
Which pixels tell?
==================

A digit is seen as a picture and as 76 Fourier coefficients of its outline. The model predicts the
digit, and generates six morphological numbers that were measured in training only, the number of
holes among them. Integrated gradients say what each pixel adds to a prediction, and what each view
does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.inspection import integrated_gradients, permutation_importance_by_view

digits = load_multiple_features()
pixels = digits.views["pixels"].reshape(-1, 16, 15).astype(float)
fourier, morphology = digits.views["fourier"], digits.views["morphological"]
train, test = train_test_split(
    np.arange(len(pixels)), train_size=1000, test_size=400, stratify=digits.target, random_state=0
)


def views(rows):
    """Return the two views of some rows that are always at hand."""
    return {"pixels": pixels[rows], "fourier": fourier[rows]}


amounts = [Modality("morphology", likelihood="gaussian")]
clf = CMMDClassifier(missing=amounts, max_epochs=60, random_state=0)
clf.fit(views(train), digits.target[train], X_missing=morphology[train])
X, y = views(test), digits.target[test]
print(f"accuracy {clf.score(X, y):.3f}")

# %%
# Why a 3 and not an 8?
# ---------------------
# The contributions of all columns add up to how the log-probability of a digit differs from that of
# the baseline. Here the baseline is the mean of the eights: what makes this row a 3 rather than an
# 8? Red pixels speak for the 3 and blue ones against it. On the right, the other way round.

eights, threes = (
    {name: view[y == digit].mean(axis=0, keepdims=True) for name, view in X.items()}
    for digit in (8, 3)
)
explained = [(3, eights), (8, threes)]
fig, axes = plt.subplots(2, 6, figsize=(10, 4), layout="constrained")
for half, (digit, baseline) in enumerate(explained):
    rows = np.flatnonzero(y == digit)[:3]
    found = integrated_gradients(
        clf, {name: view[rows] for name, view in X.items()}, target=digit, baseline=baseline
    )
    top = np.abs(found["pixels"]).max()
    for row, part, ax, below in zip(
        rows, found["pixels"], axes[0, 3 * half :], axes[1, 3 * half :], strict=False
    ):
        ax.imshow(X["pixels"][row], cmap="gray_r")
        below.imshow(part, cmap="RdBu_r", vmin=-top, vmax=top)
        ax.set(xticks=[], yticks=[], title=f"a {digit}")
        below.set(xticks=[], yticks=[], title=f"for {digit}: {part.sum():+.1f} nats")

# %%
# What makes a hole?
# ------------------
# The first of the morphological numbers is the number of holes. The model generates it well. The
# contributions below, means over all rows of a digit, are in holes more or less than those of a
# mean digit. They do not mark the holes. The model takes single pixels that tell digits with holes
# from digits without, such as the red one at the lower left of 6 and 8. Attribution shows what a
# model looks at, and that is not always what we look at.

holes = clf.generate_missing(X)[:, 0]
found = integrated_gradients(clf, X, target=0, response_method="generate_missing")
shown = (0, 6, 8, 1)
means = np.stack([found["pixels"][y == digit].mean(axis=0) for digit in shown])
top = np.abs(means).max()
fig, axes = plt.subplots(2, 4, figsize=(8, 4.4), layout="constrained")
for digit, mean, (ax, below) in zip(shown, means, axes.T, strict=True):
    ax.imshow(X["pixels"][y == digit].mean(axis=0), cmap="gray_r")
    image = below.imshow(mean, cmap="RdBu_r", vmin=-top, vmax=top)
    ax.set(xticks=[], yticks=[], title=f"{digit}: {holes[y == digit].mean():.1f} holes")
    below.set(xticks=[], yticks=[], title=f"by pixels {mean.sum():+.2f}")
fig.colorbar(image, ax=axes[1], label="holes")

# %%
# Which view?
# -----------
# ``by="view"`` adds up the contributions of each view, row by row. Permutation importance asks
# another question: how much worse is the model if a view is shuffled among the rows? Where both
# views tell the same, neither seems important.

by_view = integrated_gradients(clf, X, by="view")
importance = permutation_importance_by_view(clf, X, y, morphology[test], random_state=0)
fig, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
axes[0].hist(list(by_view.values()), bins=20, label=list(by_view))
axes[0].set(xlabel="contribution to the predicted class, nats", ylabel="rows")
axes[0].legend()
for ax, (name, title) in zip(
    axes[1:], [("score", "accuracy"), ("neg_missing_rmse", "rmse of x_M")], strict=True
):
    found = importance[name]
    ax.bar(list(found.importances_mean), list(found.importances_mean.values()))
    ax.set(title=f"loss of {title}" if name == "score" else f"rise of {title}")
    print(title, {view: round(mean, 3) for view, mean in found.importances_mean.items()})
plt.show()
