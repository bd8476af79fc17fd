"""
Do intervals and draws hold what they promise?
==============================================

A model that generates a view says how sure it is, by intervals and by draws. Rows that were not in
the fit show whether that is true. Here `CMMDEnsemble`, and one of its members alone, generate
moments of written digits from 76 Fourier coefficients.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.metrics import crps, interval_coverage, interval_width
from sklearn_cmmd.plotting import (
    DrawCalibrationDisplay,
    GeneratedFeaturesDisplay,
    IntervalCalibrationDisplay,
)

digits = load_multiple_features(observed="fourier", missing="zernike")
X, X_test, M, M_test, y, y_test = train_test_split(
    digits.data, digits.data_missing, digits.target, train_size=800, random_state=0
)
ensemble = CMMDEnsemble(
    CMMDClassifier(max_epochs=60), generators={"ridge": RidgeCV()}, random_state=0
)
ensemble.fit(X, y, X_missing=M)
member = ensemble.estimators_[0]

# %%
# Intervals
# ---------
# For ten coverages, the share of true values within their intervals. On the diagonal promises
# hold. The bands hold four fifths of the 47 columns. The intervals of the ensemble are made from
# errors of rows that its members did not see, and hold what they promise. Those of the member are
# quantiles of its draws. They hold more than they promise: they are too wide.

display = IntervalCalibrationDisplay.from_estimator(ensemble, X_test, M_test, name="ensemble")
IntervalCalibrationDisplay.from_estimator(
    member, X_test, M_test, name="one member", random_state=0, ax=display.ax_
)

# %%
# Draws
# -----
# The place of each true value among 99 draws. If the draws are right, every place is as likely as
# any other, and the line is level, as that of the ensemble nearly is. That of the member is high in
# the middle: true values are seldom among its outer draws, which lie too far out.

display = DrawCalibrationDisplay.from_estimator(
    ensemble, X_test, M_test, random_state=0, name="ensemble"
)
DrawCalibrationDisplay.from_estimator(
    member, X_test, M_test, random_state=0, name="one member", ax=display.ax_
)

# %%
# Calibrated is not yet good: intervals of the same width for all rows can hold what they promise.
# Of calibrated models take the one with the narrower intervals, or with the smaller score of its
# draws (CRPS). Both are in units of the standard deviations of the columns.

scale = M.std(axis=0)
rows = {}
for name, model in (("ensemble", ensemble), ("one member", member)):
    draws = model.generate_missing(X_test, n_samples=99, random_state=0)
    rows[name] = {"crps": crps(M_test, draws, scale=scale)}
lower, upper = ensemble.generate_intervals(X_test, coverage=0.9)
rows["ensemble"] |= {
    "covered, of 0.9": interval_coverage(M_test, lower, upper),
    "width": interval_width(lower, upper, scale=scale),
}
print(pd.DataFrame(rows).T.round(3).to_string(na_rep=""))

# %%
# Column by column
# ----------------
# The columns with the largest errors. Where the coefficients tell nothing of a column, all its
# generated values are near its mean, the error is one standard deviation, and the intervals are as
# wide as the column varies.

display = GeneratedFeaturesDisplay.from_estimator(ensemble, X_test[:200], M_test[:200])
plt.show()
