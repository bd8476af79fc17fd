"""
Many fits on a cluster
======================

A search makes many fits, and each of them is independent of the others. `joblib.parallel_config`
sends them to a cluster of Dask; the search itself stays as it is. Here the cluster is two processes
on this machine. With the address of a scheduler instead, it is as many machines as you have.
:doc:`/guide/clusters` has the commands, and what to do so that a killed worker loses nothing.
"""

import matplotlib.pyplot as plt
import sklearn
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.datasets import load_multiple_features
from sklearn_cmmd.metrics import neg_missing_rmse_scorer

digits = load_multiple_features(observed="zernike", missing="profiles")
X, M, y = digits.data[::4], digits.data_missing[::4].astype(float), digits.target[::4]

# %%
# One search, twice
# -----------------
# Six settings of latent dimensions and ω, judged by the error of what is generated in two folds:
# 12 fits. With metadata routing, ``X_missing`` reaches the scorer, and a cluster gets it once for
# all fits.

settings = {"latent_dim": [2, 8, 16], "omega": [0.2, 0.8]}
quick = CMMDClassifier(hidden_layer_sizes=(32,), max_epochs=10, random_state=0)
search = GridSearchCV(quick, settings, cv=2, scoring=neg_missing_rmse_scorer)


def fit(search):
    with sklearn.config_context(enable_metadata_routing=True):
        return sklearn.clone(search).fit(X, y, X_missing=M)


def on_a_cluster(search):
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        print(cluster)
        with parallel_config("dask"):
            found = fit(search)
        return found, {address.rpartition(":")[2] for address in client.has_what()}


# %%
# The processes of a cluster import the script, so that whatever starts them is under
# ``if __name__ == "__main__"``. The scores are the same to the last bit: seeds belong to fits, and
# not to processes.

if __name__ == "__main__":
    here = fit(search)
    there, workers = on_a_cluster(search)
    scores = [each.cv_results_["mean_test_score"] for each in (here, there)]
    print(f"{len(workers)} workers; the same scores: {(scores[0] == scores[1]).all()}")

    errors = -scores[1].reshape(len(settings["latent_dim"]), -1)
    _, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for omega, line in zip(settings["omega"], errors.T, strict=True):
        ax.plot(settings["latent_dim"], line, "o-", label=f"ω = {omega}")
    ax.set(xscale="log", xlabel="latent dimensions", ylabel="rmse of the profiles")
    ax.set_xticks(settings["latent_dim"], settings["latent_dim"])
    ax.legend()
    plt.show()
