"""Unusual input that is right: it is learned from without an error."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from mlxtend.data import wine_data
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_cmmd import CMMDClassifier, Modality
from tests.tiny import RNG, TINY, M, N, X, Y, fit, with_nan


def is_finite(clf, x=X):
    """Return whether all that a fitted estimator says is finite."""
    said = [clf.predict_proba(x), clf.transform(x), clf.generate_missing(x)]
    return all(np.isfinite(values).all() for values in [*said, *clf.history_.values()])


def batch_normalised(shape):
    return nn.Sequential(nn.Linear(shape[0], 6), nn.BatchNorm1d(6), nn.ReLU())


@pytest.mark.parametrize(("n_rows", "batch_size"), [(33, 32), (33, 16), (40, 100)])
def test_batch_normalisation_never_sees_a_single_row(n_rows, batch_size):
    own = [Modality("x", network={"prior": batch_normalised, "encoder": batch_normalised})]
    clf = fit(X[:n_rows], Y[:n_rows], M[:n_rows], observed=own, batch_size=batch_size)
    assert is_finite(clf)
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))


NUMBERS = {
    "a column of zeros": {"M": np.c_[M, np.zeros(N)]},
    "constant X": {"X": np.full((N, 4), 7.7)},
    "constant x_M": {"M": np.full((N, 3), -3.0)},
    "counts times 1e9": {"M": 1e9 * RNG.poisson(3, size=(N, 5))},
    "skewed counts": {"M": np.floor(RNG.lognormal(2, 2, size=(N, 5))) * RNG.integers(0, 2, (N, 5))},
    "values to 1e150": {"X": 1e150 * X, "M": 1e150 * M},
    "tiny values": {"X": 1e-200 * X, "M": 1e-200 * M},
    "float16": {"X": X.astype(np.float16), "M": M.astype(np.float16)},
    "long double": {"X": X.astype(np.longdouble)},
    "big-endian": {"X": X.astype(">f8"), "M": M.astype(">f4")},
    "Fortran order": {"X": np.asfortranarray(X)},
    "negative strides": {"X": X[::-1], "y": Y[::-1], "M": M[::-1]},
    "booleans": {"X": X > 3, "M": M > 5},
    "one column": {"X": X[:, :1], "M": M[:, :1]},
    "int64 indices": {"X": sp.csr_matrix(X)},
    "two rows": {"X": X[:2], "y": Y[:2], "M": M[:2]},
    "weights over 600 orders of magnitude": {"sample_weight": 10.0 ** RNG.integers(-300, 300, N)},
    "more columns than rows": {"X": RNG.normal(size=(N, 2000)), "M": RNG.normal(size=(N, 500))},
    "a class for each row": {"y": np.arange(N)},
    "97 % of the rows lack x_M": {"M": with_nan(M, np.arange(N) > 1)},
    "one row has x_M": {"M": with_nan(M, np.arange(N) != 5)},
    "disjoint gaps": {
        "M": {"a": with_nan(M, np.arange(N) % 2 == 0), "b": with_nan(M, np.arange(N) % 2 == 1)}
    },
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_of_any_kind(case):
    data = {"X": X, "y": Y, "M": M} | NUMBERS[case]
    fit_params = {"sample_weight": data.pop("sample_weight")} if "sample_weight" in data else {}
    clf = CMMDClassifier(**TINY).fit(data["X"], data["y"], X_missing=data["M"], **fit_params)
    found = clf.generate_missing(data["X"])
    for values in found.values() if isinstance(found, dict) else [found]:
        assert np.isfinite(values).all()
    assert np.isfinite(clf.predict_proba(data["X"])).all()


def test_views_are_taken_by_name():
    views = {"a": X, "b": M}
    described = [Modality("b", network="mlp"), Modality("a", network="mlp")]
    clf = fit(X=views, observed=described)
    turned = {"b": M, "a": X}
    np.testing.assert_array_equal(clf.predict_proba(turned), clf.predict_proba(views))


@pytest.mark.parametrize(
    "reordered",
    [
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: pl.DataFrame(frame.to_numpy()[:, ::-1], list(frame.columns[::-1])),
    ],
)
def test_columns_in_another_order_are_refused(reordered):
    frame = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(ValueError, match="order"):
        fit(X=frame).predict(reordered(frame))


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
@pytest.mark.filterwarnings("ignore:Number of classes:RuntimeWarning")
def test_a_fold_without_a_class(method):
    y = np.sort(Y)
    found = cross_val_predict(
        CMMDClassifier(**TINY), X, y, cv=KFold(4), method=method, params={"X_missing": M}
    )
    assert found.shape == (N, 3)
    assert not np.isnan(found).any()


def test_threads_and_coroutines_do_not_disturb_one_another():
    want = fit(max_epochs=4).predict_proba(X)

    def job(_):
        return fit(max_epochs=4).predict_proba(X)

    async def jobs():
        return await asyncio.gather(*[asyncio.to_thread(job, i) for i in range(3)])

    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(job, range(3)), *asyncio.run(jobs())]
    for each in found:
        np.testing.assert_array_equal(each, want)


def test_arrays_that_must_not_be_written_to(tmp_path):
    want = fit().predict_proba(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    np.save(tmp_path / "x.npy", X)
    joblib.dump(M, tmp_path / "m.joblib")
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for x in (frozen, mapped):
        clf = fit(X=x, M=joblib.load(tmp_path / "m.joblib", mmap_mode="r"))
        np.testing.assert_array_equal(clf.predict_proba(x), want)


def test_a_loaded_model_goes_on(tmp_path):
    clf = fit()
    joblib.dump(clf, tmp_path / "model.joblib", compress=3)
    loaded = joblib.load(tmp_path / "model.joblib")
    twin = pickle.loads(pickle.dumps(clf))
    for other in (loaded, twin):
        other.partial_fit(X, Y, X_missing=M)
    np.testing.assert_array_equal(loaded.predict_proba(X), twin.predict_proba(X))


def test_grids_of_tuples_and_of_modalities():
    grid = {
        "networks__prior_hidden": [(8,), (8, 8), ()],
        "missing": [None, [Modality("m", likelihood="laplace")]],
    }
    clf = CMMDClassifier(**TINY)
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y, X_missing=M)
    assert len(search.cv_results_["params"]) == 6


@pytest.mark.parametrize("data", ["breast cancer", "wine"])
def test_real_tables(data):
    """A third of the columns is cheap; the rest is measured for training alone."""
    if data == "wine":
        table, y = wine_data()
        frame = pd.DataFrame(table)
    else:
        frame, y = load_breast_cancer(return_X_y=True, as_frame=True)
    n_cheap = frame.shape[1] // 3
    x, m = frame.iloc[:, :n_cheap], frame.iloc[:, n_cheap:]
    clf = CMMDClassifier(max_epochs=30, random_state=0).fit(x, y, X_missing=m)
    assert clf.score(x, y) > 0.9
    generated = clf.generate_missing(x)
    assert list(generated.columns) == list(m.columns)
    scaled = StandardScaler().fit(m)
    error = np.square(scaled.transform(generated) - scaled.transform(m)).mean()
    assert error < 0.8
