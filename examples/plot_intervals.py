"""
How sure is a generated view?
=============================

A generated view is a guess, and each of its columns is a guess of its own quality. `CMMDEnsemble`
puts an interval around every value. Its width comes from rows that the members did not see. Here
the pixels of handwritten digits are generated from 76 Fourier coefficients, which know nothing of
rotation. Then two swapped samples are found.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDEnsemble
from sklearn_cmmd.datasets import load_multiple_features

digits = load_multiple_features(observed="fourier", missing="pixels")
X, X_test, M, M_test, y, y_test = train_test_split(
    digits.data, digits.data_missing, digits.target, train_size=700, random_state=0
)
ensemble = CMMDEnsemble(random_state=0).fit(X, y, X_missing=M)
print("weights of the generators", ensemble.weights_["X_missing"])
print(f"accuracy {ensemble.score(X_test, y_test):.3f}, temperature {ensemble.temperature_:.2f}")

# %%
# Intervals
# ---------
# The ends have the form and the units of `X_missing`. Pixels of these digits lie between 0 and 6.

lower, upper = ensemble.generate_intervals(X_test, coverage=0.9)
covered = (lower <= M_test) & (M_test <= upper)
print(f"within their intervals: {covered.mean():.3f} of the values")

mean = ensemble.generate_missing(X_test)
rows = [int(np.flatnonzero(y_test == digit)[0]) for digit in (0, 3, 7)]
fig, axes = plt.subplots(3, 4, figsize=(7, 6), layout="constrained")
titles = ["true", "generated", "width of the interval", "a draw"]
draws = ensemble.generate_missing(X_test, n_samples=1, random_state=0)[:, 0]
for row, line in zip(rows, axes, strict=True):
    images = [M_test[row], mean[row], (upper - lower)[row], draws[row]]
    for ax, image, title in zip(line, images, titles, strict=True):
        ax.imshow(image.reshape(16, 15), cmap="cividis", vmin=0, vmax=9 if "width" in title else 6)
        ax.set(xticks=[], yticks=[], title=title if row == rows[0] else "")

# %%
# One row of pixels, with its intervals. They are narrow where strokes never are, and wide where a
# stroke may or may not be.

line = slice(7 * 15, 8 * 15)
fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True, layout="constrained")
for row, ax in zip(rows, axes, strict=True):
    pixels = np.arange(15)
    ax.fill_between(pixels, lower[row, line], upper[row, line], alpha=0.3, label="90 % interval")
    ax.plot(pixels, mean[row, line], label="generated")
    ax.plot(pixels, M_test[row, line], "k.", label="true")
    ax.set(title=f"a {y_test[row]}", xlabel="pixel of the eighth line")
axes[0].legend(fontsize="small")

# %%
# Two samples that were swapped
# -----------------------------
# The score is the share of the rows of the fit whose two views went together no better.

mixed = M_test.copy()
first, second = rows[0], rows[2]
mixed[[first, second]] = mixed[[second, first]]
scores = ensemble.score_pairs(X_test, mixed)
print(f"the two swapped rows: {scores[[first, second]].round(4)}")
print(f"of the others, below 0.01: {np.mean(np.delete(scores, [first, second]) < 0.01):.3f}")
