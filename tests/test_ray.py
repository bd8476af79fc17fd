"""Searches and ensembles on a cluster of Ray, by the lines of the guide."""

import os
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import sklearn
from joblib import parallel_config

from tests.on_clusters import DiesOnce, ensemble, search, three_classes

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "clusters.rst"
if not PAGE.exists():
    pytest.skip("the guide is not here", allow_module_level=True)
ray = pytest.importorskip("ray", reason="ray is not installed: pip install ray")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BLOCK = r"^\.\. code:: python\n\n((?:    .*\n|\n)+)"


def lines_with(word):
    blocks = re.findall(BLOCK, PAGE.read_text("utf-8"), re.M)
    (lines,) = [block for block in blocks if word in block]
    return compile(textwrap.dedent(lines), str(PAGE), "exec")


def watch(stored, by_value):
    """Note of each array that is pickled whether it is by value."""
    reduce = stored.__reduce_ex__

    def watched(self, protocol):
        by_value.append(self.place is None)
        return reduce(self, protocol)

    stored.__reduce_ex__ = watched


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Start Ray and search as the guide says, while a worker is killed; return its names."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    X, y, X_missing = three_classes()
    mark = tmp_path_factory.mktemp("ray") / "killed"
    dies = search(max_epochs=3, callbacks=[DiesOnce(mark)])
    names = {"parallel_config": parallel_config, "search": dies, "mark": mark}
    names |= {"X": X, "y": y, "X_missing": X_missing, "by_value": []}
    exec(lines_with("register_ray()"), names)
    exec(lines_with("class Stored"), names)
    watch(names["Stored"], names["by_value"])
    with sklearn.config_context(enable_metadata_routing=True):
        exec(lines_with("max_restarts"), names)
    yield names
    ray.shutdown()


def test_a_search_that_loses_a_worker_loses_nothing_and_sends_no_data_with_a_fit(cluster):
    X, y, X_missing = three_classes()
    here = search(max_epochs=3).fit(X, y, X_missing=X_missing)
    assert cluster["mark"].exists()
    assert np.array_equal(cluster["search"].predict_proba(X), here.predict_proba(X))
    assert cluster["by_value"]
    assert not any(cluster["by_value"])


def test_an_ensemble_is_the_same(cluster):
    X, y, X_missing = three_classes()
    X, X_missing = map(cluster["stored"], (X, X_missing))
    here = ensemble(2).fit(X, y, X_missing=X_missing)
    with parallel_config("ray", n_jobs=2):
        there = ensemble(2).fit(X, y, X_missing=X_missing)
    assert np.array_equal(here.generate_missing(X), there.generate_missing(X))
