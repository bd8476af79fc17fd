"""
How did training go?
====================

Before a model is trusted, look at its training. `TrainingDisplay` draws every term of the loss by
epoch. Here a classifier learns written digits: it tells the digit from moments of its shape, and
generates profiles of its outline.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.plotting import TrainingDisplay

digits = load_multiple_features(observed="zernike", missing="profiles")
X, X_test, M, M_test, y, y_test = train_test_split(
    digits.data, digits.data_missing.astype(float), digits.target, random_state=0
)

# %%
# A training that went well
# -------------------------
# A tenth of the rows is held out for early stopping. The line of these rows falls and then stays
# level. The vertical line is at the epoch whose weights were kept. KL and MMD are no errors: they
# are what the latent variables cost, and may rise while they learn to tell something.

clf = CMMDClassifier(max_epochs=60, random_state=0).fit(X, y, X_missing=M)
display = TrainingDisplay.from_estimator(clf)
print(f"weights of epoch {clf.best_epoch_} of {clf.n_iter_}, {clf.score(X_test, y_test):.3f} right")

# %%
# In a notebook, the last line of a cell shows the estimator itself: what went in, the networks, and
# what each "auto" came to.

clf

# %%
# A training that learns by heart
# -------------------------------
# 150 rows, and nothing that holds the networks back: no dropout, no weight decay. The loss of `y`
# falls to zero on the training rows. On those held out it rises after a few epochs, and early
# stopping keeps the weights from before. More dropout, smaller networks or more rows help too.

heart = CMMDClassifier(
    dropout=0.0, weight_decay=0.0, early_stopping=True, validation_fraction=0.3, random_state=0
)
heart.set_params(objective__label_smoothing=0.0, max_epochs=60, n_iter_no_change=60)
heart.fit(X[:150], y[:150], X_missing=M[:150])
terms = ["classification", "reconstruction", "prior_reconstruction"]
display = TrainingDisplay.from_estimator(heart, terms=terms)

# %%
# Steps that are too long
# -----------------------
# Lines that jump up and down say that the learning rate is too high.

fast = CMMDClassifier(learning_rate=0.03, max_epochs=60, random_state=0).fit(X, y, X_missing=M)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for ax, one in zip(axes, (clf, fast), strict=True):
    TrainingDisplay.from_estimator(one, terms=["loss"], ax=ax)
    ax.set_title(f"learning_rate={one.learning_rate}")

# %%
# All members of an ensemble
# --------------------------
# Each member leaves out other rows, which are held out for its early stopping. A held-out line that
# lies above the others is of unusual rows, or of a member that learned worse.

member = CMMDClassifier(max_epochs=40, early_stopping=True)
ensemble = CMMDEnsemble(member, n_estimators=4, generators=None, random_state=0)
ensemble.fit(X[:600], y[:600], X_missing=M[:600])
display = TrainingDisplay.from_estimator(ensemble, terms=["loss", "classification"])
plt.show()
