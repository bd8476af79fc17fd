"""Rows, views and columns that are not what they seem to be."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd import Modality
from sklearn_cmmd.exceptions import (
    RowOrderWarning,
)
from tests.tiny import IDS, M, N, X, Y, caught, fit

FORMS = ("y", "X_missing", "second table of X", "second table of X_missing")


def aligned(form, order):
    """Return the input of a fit in which one table has its rows in another order."""
    labels = [IDS[i] for i in order]
    x, moved = pd.DataFrame(X, index=IDS), pd.DataFrame(M, index=labels)
    if form == "y":
        return {"X": x, "y": pd.Series(Y, index=labels)}
    if form == "X_missing":
        return {"X": x, "M": moved}
    if form == "second table of X":
        return {"X": {"a": x, "b": moved}}
    return {"M": {"a": x, "b": moved}}


@settings(max_examples=20)
@given(form=st.sampled_from(FORMS), swaps=st.lists(st.integers(0, N - 2), max_size=3))
def test_shared_row_labels_at_other_positions(form, swaps):
    order = np.arange(N)
    for i in swaps:
        order[[i, i + 1]] = order[[i + 1, i]]
    found = caught(RowOrderWarning, **aligned(form, order))
    assert len(found) == bool((order != np.arange(N)).any())
    if found:
        assert "rows are paired by position" in found[0]
        assert ".loc[" in found[0]
    # Nothing is reindexed.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, plain = aligned(form, order), aligned(form, np.arange(N))
        x = data.get("X", X)
        np.testing.assert_array_equal(fit(**data).transform(x), fit(**plain).transform(x))


@pytest.mark.parametrize(
    "labels",
    [
        [f"other{i}" for i in range(N)],  # no label is shared
        pd.RangeIndex(N, 2 * N),
        IDS,
    ],
)
def test_other_row_labels_are_no_concern(labels):
    data = {"X": pd.DataFrame(X, index=IDS), "M": pd.DataFrame(M, index=labels)}
    assert not caught(RowOrderWarning, **data)


def test_rows_of_two_tables_in_predict():
    x, z = pd.DataFrame(X, index=IDS), pd.DataFrame(M, index=IDS)
    clf = fit(X={"a": x, "b": z})
    with pytest.warns(RowOrderWarning, match=r"X\['b'\] and X\['a'\] have the same row labels"):
        clf.predict({"a": x, "b": z[::-1]})


@pytest.mark.parametrize(
    "views", [[X, X + 1], (X, M), [pd.DataFrame(X)] * 2, [sp.csr_array(X)], [pl.DataFrame(X)] * 2]
)
@pytest.mark.parametrize("side", ["X", "M"])
def test_views_as_a_list(views, side, no_training):
    name = {"X": "X", "M": "X_missing"}[side]
    with pytest.raises(TypeError, match=rf"{name} is a list of \d tables.* as a mapping"):
        fit(**{side: views})


def test_views_as_a_list_in_predict():
    with pytest.raises(TypeError, match=r"X is a list of 2 tables"):
        fit().predict([X, X])


def test_anndata_names_what_to_pass(no_training):
    anndata = pytest.importorskip("anndata")
    with pytest.raises(TypeError, match=r"X is an AnnData object.* \.obsm\[...\]"):
        fit(X=anndata.AnnData(X))


def test_an_xarray_dataset_is_a_mapping():
    xarray = pytest.importorskip("xarray")
    data = xarray.Dataset({"a": (("n", "i"), X), "b": (("n", "j"), M)})
    want = fit(X={"a": X, "b": M}).predict_proba({"a": X, "b": M})
    np.testing.assert_array_equal(fit(X=data).predict_proba(data), want)


LETTERS = list("abcd")


@pytest.mark.parametrize(
    "columns",
    [
        pd.Index(["a", "b"]),
        pd.Series(["a", "b"]),
        np.array(["a", "b"]),
        ("a", "b"),
        pd.Series(["a", "b"], dtype="string"),
        np.array(["b", "a"], object),
        pd.Index([0, 1]),
        pd.Series([True, True, False, False]),
        [True, True, False, False],
        np.arange(2),
        range(2),
        slice(0, 2),
    ],
    ids=repr,
)
def test_names_and_positions_in_any_sequence(columns):
    frame = pd.DataFrame(X, columns=LETTERS)
    described = [Modality("u", columns), Modality("v", ["c", "d"])]
    clf = fit(X=frame, observed=described)
    assert clf.observed_[0].columns.tolist() == [0, 1]


def test_names_of_several_levels():
    frame = pd.DataFrame(X, columns=pd.MultiIndex.from_product([["u", "v"], [0, 1]]))
    described = [Modality(name, frame.columns[frame.columns.get_loc(name)]) for name in "uv"]
    assert fit(X=frame, observed=described).observed_[1].columns.tolist() == [2, 3]


OTHERS = [f"t{i}" for i in range(N)]
BACKWARDS = pd.Index(IDS[::-1])


def of(values, labels):
    return pd.DataFrame(values, index=labels)


def xarrays():
    xarray = pytest.importorskip("xarray")
    x = xarray.DataArray(X, dims=("n", "f"), coords={"n": IDS})
    return {"X": x, "M": xarray.DataArray(M, dims=("n", "k"), coords={"n": BACKWARDS})}


def dask_labels():
    dask = pytest.importorskip("dask.dataframe")
    y = pd.Series(Y, index=range(N)[::-1])
    return {"X": pd.DataFrame(X), "y": dask.from_pandas(y, npartitions=1, sort=False)}


ANY_TWO = {
    "y and X_missing": lambda: {"X": of(X, OTHERS), "y": pd.Series(Y, IDS), "M": of(M, BACKWARDS)},
    "a view and X_missing": lambda: {
        "X": {"a": of(X, OTHERS), "b": of(X, IDS)},
        "M": of(M, BACKWARDS),
    },
    "of several levels": lambda: {
        "X": of(X, pd.MultiIndex.from_product([range(10), range(4)])),
        "M": of(M, pd.MultiIndex.from_product([range(10), range(4)])[::-1]),
    },
    "xarray": xarrays,
    "dask": dask_labels,
}


@pytest.mark.parametrize("case", ANY_TWO)
def test_any_two_inputs_are_compared(case):
    (message,) = caught(RowOrderWarning, **ANY_TWO[case]())
    assert "rows are paired by position" in message


def test_weights_and_scores_are_compared():
    clf = fit(X=of(X, IDS))
    with pytest.warns(RowOrderWarning, match="y and X have the same row labels"):
        clf.score(of(X, IDS), pd.Series(Y, BACKWARDS))
    with pytest.warns(RowOrderWarning, match="sample_weight and X"):
        clf.fit(of(X, IDS), Y, X_missing=M, sample_weight=pd.Series(np.ones(N), BACKWARDS))


@pytest.mark.parametrize(
    "labels",
    [
        pd.MultiIndex.from_product([range(10), range(4)]),
        pd.Index([None, *range(100, 99 + N)], dtype="Int64"),
        pd.Index([np.nan] * N),
        pd.interval_range(100, 100 + N),
        pd.date_range("2020", periods=N),
    ],
    ids=["levels", "NA", "NaN", "intervals", "dates"],
)
def test_labels_of_another_kind_are_compared_too(labels):
    assert not caught(RowOrderWarning, X=of(X, labels), M=pd.DataFrame(M, index=range(N)))
    assert not caught(RowOrderWarning, X=of(X, labels), M=of(M, labels))


def test_names_of_arrow_columns_are_compared():
    pa = pytest.importorskip("pyarrow")

    def table(names):
        return pa.table({name: M[:, "pqr".index(name)] for name in names})

    clf = fit(X={"v": table("pqr")}, M=table("pqr"))
    for moved in (table("rqp"), pd.DataFrame(M, columns=list("pqr"))[list("rqp")]):
        with pytest.raises(ValueError, match=r"X\['v'\] must have the columns of the fit"):
            clf.predict({"v": moved})
    with pytest.raises(ValueError, match="X_missing must have the columns of the fit"):
        clf.partial_fit({"v": table("pqr")}, Y, X_missing=table("rqp"))
    generated = clf.generate_missing({"v": table("pqr")})
    assert isinstance(generated, pa.Table)
    assert generated.column_names == list("pqr")
