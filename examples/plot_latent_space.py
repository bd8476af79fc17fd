"""
What does the latent space hold?
================================

`CMMDTransformer` embeds a cheap view so that the embedding tells of a view that is there in
training only. Two things show what it holds: a second model that reads the embedding alone, and a
picture of it. The cheap view of these digits is 76 Fourier coefficients of their outline; the other
view is the pixels.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDTransformer, Networks
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.metrics import linear_probe
from sklearn_cmmd.plotting import LatentSpaceDisplay

digits = load_multiple_features(observed="fourier", missing="pixels")
X, X_test, M, M_test, y, y_test = train_test_split(
    digits.data, digits.data_missing, digits.target, random_state=0
)

# %%
# Two steps
# ---------
# First, the transformer learns from 1,500 pairs of views and sees no label. Then logistic
# regression learns the digit from few embeddings with a label, and is scored on test rows:
# `linear_probe`, over five draws of the labelled rows.
#
# By default the decoder reads the coefficients as well as z. That is best for what it generates,
# but z then only has to hold what the coefficients do not say plainly. With
# ``decoder_input="latent"`` the decoder reads z alone, and z holds all that the coefficients tell
# of the pixels. Take that if it is the embedding that you are after.

quick = {"max_epochs": 60, "random_state": 0}
default = CMMDTransformer(**quick).fit(X, X_missing=M)
alone = CMMDTransformer(**quick, networks=Networks(decoder_input="latent")).fit(X, X_missing=M)
scaled = StandardScaler().fit(X)
embeddings = {"coefficients": scaled, "z, default": default, "z, decoder reads z alone": alone}

probes = {
    name: {
        f"{n_rows} labels": np.mean(
            [
                linear_probe(
                    embed.transform(X),
                    y,
                    embed.transform(X_test),
                    y_test,
                    n_rows=n_rows,
                    random_state=seed,
                )
                for seed in range(5)
            ]
        )
        for n_rows in (50, 100, 500)
    }
    for name, embed in embeddings.items()
}
print(pd.DataFrame(probes).T.round(3).to_string())

# %%
# The two embeddings of the test rows, in the plane of their first two principal components. Only
# what lies apart can be told apart: 6 and 9 are one cloud on the right too, since the coefficients
# do not change when a digit is turned.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for ax, embed, title in zip(axes, (default, alone), list(embeddings)[1:], strict=True):
    display = LatentSpaceDisplay.from_estimator(embed, X_test, y_test, name="digit", ax=ax)
    ax.set_title(title)
axes[0].get_legend().remove()

# %%
# t-SNE shows which rows are neighbours in all 20 dimensions. Colours may also be numbers, here the
# share of the picture that is inked, which no model was told of.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
ink = M_test.mean(axis=1) / 6
for ax, colours, name in zip(axes, (y_test, ink), ("digit", "share of ink"), strict=True):
    LatentSpaceDisplay.from_estimator(
        alone, X_test, colours, method="tsne", name=name, random_state=0, ax=ax
    )

# %%
# In a Pipeline
# -------------
# Where all rows have a label, a Pipeline does both steps. It passes the labels to the transformer
# too, so that z learns from them. Compare with logistic regression on the coefficients.

pipe = make_pipeline(StandardScaler(), CMMDTransformer(**quick), LogisticRegression(max_iter=1000))
pipe.fit(X, y, cmmdtransformer__X_missing=M)
without = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
print(f"accuracy {pipe.score(X_test, y_test):.3f}, without {without.score(X_test, y_test):.3f}")
display = LatentSpaceDisplay.from_estimator(pipe[:-1], X_test, y_test, name="digit")
display.ax_.set_title("z that has seen the labels")
plt.show()
