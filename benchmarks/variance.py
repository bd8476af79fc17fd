"""One variance for each column of a missing modality, or one for each row too.

The lower half of scikit-learn's digits from the upper: its border pixels hardly ever change.

    python benchmarks/variance.py
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, Modality

X, y = load_digits(return_X_y=True)
rows = []
for scale in ("row", "column"):
    for seed in range(4):
        parts = train_test_split(X[:, :32], X[:, 32:], y, test_size=0.33, random_state=seed)
        top, top_held_out, bottom, bottom_held_out, label, label_held_out = parts
        missing = [Modality("bottom", scale=scale)]
        clf = CMMDClassifier(missing=missing, random_state=seed).fit(top, label, X_missing=bottom)
        error = clf.generate_missing(top_held_out) - bottom_held_out
        rows.append(
            {
                "scale": scale,
                "seed": seed,
                "epochs": clf.n_iter_,
                "accuracy": clf.score(top_held_out, label_held_out),
                "rmse": np.sqrt((error**2).mean()),
            }
        )
print(pd.DataFrame(rows).round(3).to_string(index=False))
