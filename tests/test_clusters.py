"""Searches and ensembles on a cluster of Dask: equal results, data sent once, nothing lost."""

import re
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from tests.on_clusters import GRID, DiesOnce, ensemble, pickles, search, three_classes
from tests.tiny import TINY

distributed = pytest.importorskip(
    "distributed", reason="distributed is not installed: pip install -e '.[dask]'"
)
PAGE = Path(__file__).parents[1] / "docs" / "guide" / "clusters.rst"
if not PAGE.exists():
    pytest.skip("the guide is not here", allow_module_level=True)

# Each process of the cluster imports torch.
pytestmark = pytest.mark.slow
LINES = r"^\.\. code:: python\n\n((?:    from .*\n)+\n    if __name__.*\n(?:        .*\n|\n)+)"
DEFINITION = r"^\.\. code:: python\n\n((?:    from .*\n)+\n*    class .*\n(?:    .*\n|\n)+)"


@pytest.fixture(scope="module")
def data():
    return three_classes()


@pytest.fixture(scope="module")
def resending():
    """Return the client of the guide, whose data a killed worker does not take with it."""
    (block,) = re.findall(DEFINITION, PAGE.read_text("utf-8"), re.M)
    found = {}
    exec(textwrap.dedent(block), found)
    return found["Resending"]


@pytest.fixture(scope="module")
def client(resending):
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, resending(cluster) as client:
        yield client


def test_the_lines_of_the_guide_run(resending, data):
    X, y, X_missing = data
    names = {"__name__": "__main__", "X": X, "y": y, "X_missing": X_missing}
    names |= {"Resending": resending, "CMMDEnsemble": CMMDEnsemble, "GridSearchCV": GridSearchCV}
    names["CMMDClassifier"] = partial(CMMDClassifier, **TINY)
    (block,) = re.findall(LINES, PAGE.read_text("utf-8"), re.M)
    exec(textwrap.dedent(block), names)
    here = CMMDEnsemble(CMMDClassifier(**TINY)).fit(X, y, X_missing=X_missing)
    assert here.predict_proba(X).shape == names["ensemble"].predict_proba(X).shape
    assert names["search"].best_params_["omega"] in (0.2, 0.8)


def test_a_search_sends_data_once_and_not_once_a_fit(client, data):
    with sklearn.config_context(enable_metadata_routing=True):
        few, many = (
            GridSearchCV(CMMDClassifier(**TINY), GRID | {"alpha": [1.0, 10.0][:n]}, cv=2)
            for n in (1, 2)
        )
        assert 0 < pickles(few, data, "dask") == pickles(many, data, "dask")


def test_an_ensemble_sends_data_once_and_is_the_same(client, data):
    few, many = (ensemble(n) for n in (2, 4))
    assert 0 < pickles(few, data, "dask") == pickles(many, data, "dask")
    X, y, X_missing = data
    here = ensemble(4).fit(X, y, X_missing=X_missing)
    assert np.array_equal(many.generate_missing(X), here.generate_missing(X))


def test_a_search_that_loses_a_worker_loses_nothing(client, data, tmp_path):
    X, y, X_missing = data
    here = search(max_epochs=3).fit(X, y, X_missing=X_missing)
    dies = search(max_epochs=3, callbacks=[DiesOnce(tmp_path / "killed")])
    before = {worker.pid for worker in client.cluster.workers.values()}
    with parallel_config("dask"):
        there = dies.fit(X, y, X_missing=X_missing)
    assert (tmp_path / "killed").exists()
    assert {worker.pid for worker in client.cluster.workers.values()} != before
    for key in ("mean_test_score", "std_test_score"):
        assert np.array_equal(there.cv_results_[key], here.cv_results_[key])
    assert np.array_equal(there.predict_proba(X), here.predict_proba(X))
