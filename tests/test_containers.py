"""What input means, whatever it is stored in: the guide's input.csv, cell by cell."""

import csv
import functools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd import Objective
from sklearn_cmmd.exceptions import (
    UnlabelledRowsWarning,
)
from tests import tiny
from tests.tiny import SOME_GAPS, M, N, X, Y, caught, with_nan, with_objects

# What a container means does not depend on advice, which costs more than such a fit.
fit = functools.partial(tiny.fit, objective=Objective(teacher=None))

TABLE = Path(__file__).parents[1] / "docs" / "guide" / "input.csv"


def rows_of():
    return list(csv.DictReader(TABLE.open())) if TABLE.exists() else []


def as_pandas(values):
    return pd.DataFrame(values) if values.ndim == 2 else pd.Series(values)


def as_polars(values):
    made = pl.DataFrame(values) if values.ndim == 2 else pl.Series(values)
    return made.fill_nan(None)


def as_arrow(values):
    pa = pytest.importorskip("pyarrow")
    if values.ndim == 2:
        return pa.Table.from_pandas(pd.DataFrame(values))
    return pa.array([None if np.isnan(value) else value for value in values])


def as_dask(values):
    if values.ndim == 2:
        return pytest.importorskip("dask.dataframe").from_pandas(pd.DataFrame(values), 2)
    return pytest.importorskip("dask.array").from_array(values)


# From whole numbers and the rows that are gaps to a container with the marks of the table.
CONTAINERS = {
    "NumPy array of numbers": {"NaN": with_nan},
    "array of dtype object, or lists": {
        "None": lambda values, gaps: with_objects(values, gaps, None),
        "NaN": lambda values, gaps: with_objects(values, gaps, np.nan).tolist(),
    },
    "masked array": {
        "masked": lambda values, gaps: np.ma.masked_array(
            np.where(gaps.reshape(-1, *[1] * (values.ndim - 1)), 7, values),
            np.broadcast_to(gaps.reshape(-1, *[1] * (values.ndim - 1)), values.shape),
        )
    },
    "SciPy sparse matrix": {"NaN": lambda values, gaps: sp.coo_array(with_nan(values, gaps))},
    "DataFrame or Series, NumPy's dtypes": {
        "NaN": lambda values, gaps: as_pandas(with_nan(values, gaps))
    },
    "DataFrame or Series, dtype object": {
        "None": lambda values, gaps: as_pandas(with_objects(values, gaps, None)),
        "NaN": lambda values, gaps: as_pandas(with_objects(values, gaps, np.nan)),
        "NA": lambda values, gaps: as_pandas(with_objects(values, gaps, pd.NA)),
    },
    "DataFrame or Series, nullable dtypes": {
        "NA": lambda values, gaps: as_pandas(with_nan(values, gaps)).convert_dtypes()
    },
    "DataFrame or Series, Arrow's dtypes": {
        "NA": lambda values, gaps: (
            pytest.importorskip("pyarrow")
            and as_pandas(with_nan(values, gaps)).convert_dtypes(dtype_backend="pyarrow")
        )
    },
    "Series of dtype category": {
        "NaN": lambda values, gaps: pd.Series(with_objects(values, gaps, None)).astype("category")
    },
    "polars frame or Series": {"null": lambda values, gaps: as_polars(with_nan(values, gaps))},
    "polars LazyFrame": {"null": lambda values, gaps: as_polars(with_nan(values, gaps)).lazy()},
    "Arrow table or array": {"null": lambda values, gaps: as_arrow(with_nan(values, gaps))},
    "Dask array or DataFrame": {"NaN": lambda values, gaps: as_dask(with_nan(values, gaps))},
    "xarray DataArray": {
        "NaN": lambda values, gaps: pytest.importorskip("xarray").DataArray(with_nan(values, gaps))
    },
    "torch tensor": {"NaN": lambda values, gaps: torch.from_numpy(with_nan(values, gaps))},
}
CASES = [
    pytest.param(make, mark, row, id=f"{row['Container']}: {mark}")
    for row in rows_of()
    for mark, make in CONTAINERS[row["Container"]].items()
]
NO_GAPS = np.zeros(N, bool)


def test_the_table_of_the_guide_names_what_is_tested():
    rows = rows_of()
    if not rows:
        pytest.skip("the guide is not here")
    marks = {row["Container"]: set(row["Mark"].split(", ")) for row in rows}
    assert marks == {name: set(made) for name, made in CONTAINERS.items()}


@pytest.mark.parametrize(("make", "mark", "row"), CASES)
class TestContainers:
    """Each cell of the table, beside the same numbers in a plain array."""

    def test_without_marks_it_is_the_array(self, make, mark, row):
        want = fit().predict_proba(X)
        for side, values in (("X", X), ("X_missing", M), ("y", Y)):
            if row[f"In {side}"] == "n/a":
                continue
            name = {"X": "X", "X_missing": "M", "y": "y"}[side]
            clf = fit(**{name: make(values, NO_GAPS)})
            np.testing.assert_array_equal(clf.predict_proba(X), want)

    def test_in_x(self, make, mark, row):
        if row["In X"] == "n/a":
            return
        data = make(X, SOME_GAPS)
        with pytest.raises(ValueError, match=r"Input X contains (NaN|40 masked values)"):
            fit(X=data)
        clf = fit(X=make(X, NO_GAPS))
        with pytest.raises(ValueError, match=r"Input X contains (NaN|40 masked values)"):
            clf.predict_proba(data)

    def test_in_x_missing(self, make, mark, row):
        if row["In X_missing"] == "error":
            with pytest.raises(ValueError, match="A sparse matrix has no gaps"):
                fit(M=make(M, SOME_GAPS))
        elif row["In X_missing"] == "gap":
            want = fit(M=with_nan(M, SOME_GAPS)).generate_missing(X)
            found = fit(M=make(M, SOME_GAPS)).generate_missing(X)
            np.testing.assert_array_equal(np.asarray(found), want)

    def test_in_y(self, make, mark, row):
        if row["In y"] == "n/a":
            return
        data = {"y": make(Y, SOME_GAPS)}
        (message,) = caught(UnlabelledRowsWarning, **data)
        assert f"{SOME_GAPS.sum()} of the {N} rows of y have no label" in message
        want = fit(y=np.where(SOME_GAPS, -1, Y)).predict_proba(X)
        np.testing.assert_array_equal(fit(**data).predict_proba(X), want)


DTYPES = ("bool", "int8", "uint8", "int64", "float16", "float32", "float64")
GAPS = st.lists(st.integers(0, N - 1), max_size=N // 2, unique=True)


@settings(max_examples=30)
@given(
    name=st.sampled_from(sorted(set(CONTAINERS) - {"SciPy sparse matrix"})),
    dtype=st.sampled_from(DTYPES),
    side=st.sampled_from(["M", "y"]),
    gaps=GAPS,
)
def test_marks_mean_the_same_in_every_dtype(name, dtype, side, gaps):
    """A container of a dtype, with gaps, is the plain float64 array with NaN."""
    is_gap = np.isin(np.arange(N), gaps)
    values = {"M": M, "y": Y}[side].astype(dtype)
    if side == "M" and name == "Series of dtype category":
        return
    if side == "y" and name == "polars LazyFrame":
        return
    want = fit(**{side: with_nan(values, is_gap)})
    for make in CONTAINERS[name].values():
        found = fit(**{side: make(values, is_gap)})
        np.testing.assert_array_equal(found.predict_proba(X), want.predict_proba(X))
        assert len(found.classes_) == len(want.classes_)


DATES = pd.date_range("2020", periods=N).to_series(index=range(N))
TEMPORAL = {
    "a column": lambda: pd.DataFrame({"a": X[:, 0], "b": DATES}),
    "nothing else": lambda: pd.DataFrame({"a": DATES}),
    "with gaps": lambda: pd.DataFrame({"a": DATES.where(~SOME_GAPS)}),
    "durations": lambda: pd.DataFrame({"a": DATES - DATES[0]}),
    "periods": lambda: pd.DataFrame({"a": DATES.dt.to_period("D"), "b": X[:, 0]}),
    "an array": lambda: np.array(DATES)[:, None],
    "a list": lambda: [[day] for day in np.array(DATES)],
    "polars": lambda: pl.DataFrame({"a": X[:, 0], "b": DATES.dt.date.tolist()}),
    "polars, durations": lambda: pl.DataFrame({"a": [timedelta(days=i) for i in range(N)]}),
    "Arrow": lambda: pytest.importorskip("pyarrow").table({"a": X[:, 0], "b": np.array(DATES)}),
    "Arrow in pandas": lambda: pd.DataFrame({"a": DATES}).astype("timestamp[ns][pyarrow]"),
}


@pytest.mark.parametrize("side", ["X", "M"])
@pytest.mark.parametrize("case", TEMPORAL)
def test_dates_are_no_numbers(case, side, no_training):
    with pytest.raises(TypeError, match=r"X.* holds dates or times"):
        fit(**{side: TEMPORAL[case]()})


STRINGS = {
    "an array": lambda values: values.astype(str),
    "objects": lambda values: values.astype(str).astype(object),
    "a frame": lambda values: pd.DataFrame(values).astype(str),
    "pandas' strings": lambda values: pd.DataFrame(values).astype("string"),
    "categories": lambda values: pd.DataFrame(values).astype(str).astype("category"),
    "polars": lambda values: pl.DataFrame(values).cast(pl.String),
    "a list": lambda values: values.astype(str).tolist(),
}


@pytest.mark.parametrize("side", ["X", "M"])
@pytest.mark.parametrize("case", STRINGS)
def test_strings_are_no_numbers(case, side, no_training):
    values = {"X": X, "M": M}[side]
    with pytest.raises(ValueError, match=r"Column .* of X.* holds '.*', which is not a number"):
        fit(**{side: STRINGS[case](values)})


def test_a_masked_array_for_each_row():
    rows = [
        np.ma.masked_array(np.where(gap, 1e6, row), mask=[gap] * 3)
        for gap, row in zip(SOME_GAPS, M, strict=True)
    ]
    want = fit(M=with_nan(M, SOME_GAPS)).generate_missing(X)
    np.testing.assert_array_equal(fit(M=rows).generate_missing(X), want)
    labels = [np.ma.masked if gap else label for gap, label in zip(SOME_GAPS, Y, strict=True)]
    want = fit(y=np.where(SOME_GAPS, -1, Y)).predict_proba(X)
    np.testing.assert_array_equal(fit(y=labels).predict_proba(X), want)


def test_not_a_time_is_a_gap():
    values = with_objects(M, SOME_GAPS, pd.NaT)
    want = fit(M=with_nan(M, SOME_GAPS)).generate_missing(X)
    np.testing.assert_array_equal(fit(M=values).generate_missing(X), want)


@pytest.mark.parametrize(
    "tensor", [torch.tensor(X).bfloat16(), torch.tensor(X).to_sparse(), torch.tensor(X).float()]
)
def test_tensors_of_other_kinds(tensor):
    want = fit(X=X.astype(np.float32)).predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(fit(X=tensor).predict_proba(tensor), want, rtol=1e-5)


NO_TABLES = {
    "None": None,
    "a path": "data.csv",
    "a generator": (row for row in X),
    "a number": 3,
    "an entry that is None": {"a": X, "b": None},
}


@pytest.mark.parametrize("case", NO_TABLES)
def test_what_is_no_table(case, no_training):
    with pytest.raises(TypeError, match=r"X.* must be a table: an array or DataFrame .* Got "):
        fit(X=NO_TABLES[case])


@pytest.mark.parametrize("row", [None, [], [1.0]])
def test_rows_of_unlike_lengths(row, no_training):
    rows = [row, *M.tolist()[1:]]
    with pytest.raises(ValueError, match="X_missing is a list of rows of unlike lengths"):
        fit(M=rows)
