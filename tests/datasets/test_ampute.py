import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from skorch.helper import SliceDict

from sklearn_cmmd import Modality
from sklearn_cmmd.datasets import IndexedArray, ampute

MANY = 20_000
RIGHT = 5 / np.sqrt(MANY)  # of a share of many rows, ten standard errors and more


def three(n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "mri": rng.normal(size=(n_rows, 5)),
        "pet": rng.normal(size=(n_rows, 2, 3)),
        "blood": rng.normal(size=(n_rows, 1)),
    }


def absent(views):
    """Which views the rows lack; a view in part fails the test."""
    flat = [np.isnan(np.reshape(np.asarray(view), (len(view), -1))) for view in views.values()]
    assert all((gaps.any(axis=1) == gaps.all(axis=1)).all() for gaps in flat)
    return np.column_stack([gaps.all(axis=1) for gaps in flat])


@st.composite
def calls(draw):
    n_views = draw(st.integers(2, 5))
    seed, n_rows = draw(st.integers(0, 9)), draw(st.integers(2, 30))
    rng = np.random.default_rng(seed)
    dtypes = [np.float64, np.float32, np.int64]
    X = {
        f"v{i}": (9 * rng.normal(size=(n_rows, draw(st.integers(1, 3))))).astype(
            draw(st.sampled_from(dtypes))
        )
        for i in range(n_views)
    }
    share = draw(st.floats(0, 1)) * (n_views - 1) / n_views
    params = {"mechanism": draw(st.sampled_from(["mcar", "mar"])), "random_state": seed}
    return X, share, params


@given(calls())
@settings(max_examples=60)
def test_views_are_whole_or_absent_and_what_stays_is_untouched(call):
    X, share, params = call
    before = {name: view.copy() for name, view in X.items()}
    some = ampute(X, share, **params)
    lacks = absent(some)
    assert not lacks.all(axis=1).any()
    assert list(some) == list(X)
    for (name, view), gone in zip(some.items(), lacks.T, strict=True):
        assert np.array_equal(X[name], before[name])
        assert np.array_equal(view[~gone], before[name][~gone])
        assert view.dtype == (np.float32 if X[name].dtype == np.float32 else np.float64)
        assert not np.shares_memory(view, X[name])
    again = ampute(X, share, **params)
    assert all(np.array_equal(some[name], again[name], equal_nan=True) for name in X)


@pytest.mark.parametrize("mechanism", ["mcar", "mar"])
@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.6, 2 / 3])
def test_the_share_is_right_after_every_row_kept_a_view(mechanism, share):
    lacks = absent(ampute(three(MANY), share, mechanism=mechanism, random_state=1))
    assert lacks.mean() == pytest.approx(share, abs=RIGHT if 0 < share < 2 / 3 else 1e-12)
    by_view = lacks.mean(axis=0)
    want = np.full(3, share) if mechanism == "mcar" else np.array([0, 1.5, 1.5]) * share
    np.testing.assert_allclose(by_view, want, atol=RIGHT)


def test_completely_at_random_is_independent_but_for_rows_without_a_view():
    """The frequencies of all combinations, against independent draws that reject such rows."""
    share, n_views = 0.45, 3
    lacks = absent(ampute(three(MANY), share, random_state=2))
    q = np.linspace(0, 0.99, 100_001)  # one is another root
    q = q[np.argmin(np.abs(q * (1 - q**2) - share * (1 - q**3)))]
    drawn = np.random.default_rng(0).random((10 * MANY, n_views)) < q
    drawn = drawn[~drawn.all(axis=1)]
    codes = 2 ** np.arange(n_views)
    found, want = (np.bincount(each @ codes, minlength=8) / len(each) for each in (lacks, drawn))
    np.testing.assert_allclose(found, want, atol=RIGHT / 2)
    assert found[-1] == 0


def component(view):
    return np.linalg.svd(view - view.mean(axis=0), full_matrices=False)[0][:, 0]


@pytest.mark.parametrize(("mechanism", "depends"), [("mcar", False), ("mar", True)])
def test_only_at_random_depends_on_the_other_view(mechanism, depends):
    X = three(MANY)
    X["mri"] *= [9, 1, 1, 1, 1]
    X["mri"][:, 1:] += 0.5 * X["mri"][:, :1]
    some = ampute(X, 0.3, mechanism=mechanism, random_state=3)
    assert absent(some)[:, 0].any() != depends
    gone = absent(some)[:, 1]
    score = component(X["mri"])
    score /= score.std()
    distance = abs(score[gone].mean() - score[~gone].mean())
    # A logistic function of slope one parts the means by nearly one standard deviation.
    assert distance > 0.7 if depends else distance < 2 * RIGHT
    blood = X["blood"][:, 0]
    assert abs(blood[gone].mean() - blood[~gone].mean()) < 2 * RIGHT


def test_at_random_goes_by_the_view_that_is_named():
    X = three(2000)
    some = ampute(X, 0.3, mechanism="mar", given="blood", random_state=0)
    lacks = absent(some)
    assert lacks.any(axis=0).tolist() == [True, True, False]
    for gone in lacks.T[:2]:
        blood = X["blood"][:, 0]
        assert abs(blood[gone].mean() - blood[~gone].mean()) > 0.6
    first = ampute(X, 0.3, mechanism="mar", given="mri", random_state=0)
    default = ampute(X, 0.3, mechanism="mar", random_state=0)
    assert np.array_equal(absent(first), absent(default))


def test_at_random_given_a_view_without_variance():
    X = three(MANY) | {"mri": np.ones((MANY, 2))}
    lacks = absent(ampute(X, 0.4, mechanism="mar", random_state=0))
    np.testing.assert_allclose(lacks.mean(axis=0), [0, 0.6, 0.6], atol=RIGHT)


@pytest.mark.parametrize("share", [5e-324, 1e-17, 0.5 - 1e-16, 0.5])
@pytest.mark.parametrize("mechanism", ["mcar", "mar"])
def test_shares_at_the_ends(share, mechanism):
    X = {name: three(50)[name] for name in ("mri", "blood")}
    lacks = absent(ampute(X, share, mechanism=mechanism, random_state=0))
    assert lacks.sum() == (0 if share < 0.4 else 50)


def test_patterns_come_as_often_as_they_say():
    patterns = {("mri", "blood"): 0.2, "pet": 0.1, ("blood",): 0.3}
    lacks = absent(ampute(three(MANY), patterns=patterns, random_state=0))
    found = np.bincount(lacks @ [1, 2, 4], minlength=8) / MANY
    np.testing.assert_allclose(found, [0.4, 0, 0.1, 0, 0.3, 0.2, 0, 0], atol=RIGHT)
    tenths = {**{("mri", "pet")[:i]: 0.1 for i in (0, 1, 2)}, "blood": 0.7}
    lacks = absent(ampute(three(MANY), patterns=tenths, random_state=0))
    assert lacks[:, 2].mean() == pytest.approx(0.7, abs=RIGHT)
    assert not absent(ampute(three(), patterns={})).any()


def test_first_rows_do_not_depend_on_those_after_them():
    X = three()
    whole, part = (
        ampute({name: view[:n] for name, view in X.items()}, 0.5, random_state=4) for n in (60, 20)
    )
    assert np.array_equal(absent(whole)[:20], absent(part))


def test_no_global_generator_is_touched():
    before = str(np.random.get_state())  # noqa: NPY002
    for mechanism in ("mcar", "mar"):
        ampute(three(2000), mechanism=mechanism)
    assert str(np.random.get_state()) == before  # noqa: NPY002
    state = np.random.RandomState(0)
    one, two = (absent(ampute(three(), random_state=state)) for _ in range(2))
    assert not np.array_equal(one, two)


def test_tables():
    X = np.arange(240).reshape(40, 6)
    views = {"a": slice(0, 2), "b": [5, 3], "c": [2, 4]}
    some = ampute(X, 0.4, modalities=views, random_state=0)
    described = [Modality(name, columns) for name, columns in views.items()]
    assert np.array_equal(
        some, ampute(X, 0.4, modalities=described, random_state=0), equal_nan=True
    )
    lacks = absent({name: some[:, columns] for name, columns in views.items()})
    mapping = {name: X[:, columns] for name, columns in views.items()}
    assert np.array_equal(lacks, absent(ampute(mapping, 0.4, random_state=0)))
    assert lacks.any(axis=0).all()
    assert some.dtype == np.float64
    assert np.array_equal(some[~np.isnan(some)], X[~np.isnan(some)])


def test_data_frames_stay():
    index = pd.Index(list("abcdefgh"), name="person")
    X = pd.DataFrame(np.arange(24).reshape(8, 3), index, ["x", "y", "z"])
    some = ampute(X, 0.5, modalities={"first": ["x"], "rest": ["y", "z"]}, random_state=0)
    assert isinstance(some, pd.DataFrame)
    assert some.index.equals(index)
    assert some.columns.equals(X.columns)
    assert (some.dtypes == np.float64).all()
    pd.testing.assert_frame_equal(some.dropna(), X.loc[some.dropna().index].astype(float))
    parts = ampute({"first": X[["x"]], "rest": X[["y", "z"]].to_numpy()}, 0.5, random_state=0)
    pd.testing.assert_frame_equal(parts["first"], some[["x"]])
    assert np.array_equal(parts["rest"], some[["y", "z"]], equal_nan=True)


def test_mappings_stay():
    some = ampute(SliceDict(**three()), 0.5, random_state=0)
    assert isinstance(some, SliceDict)
    assert some["pet"].shape == (60, 2, 3)
    assert np.array_equal(absent(some), absent(ampute(three(), 0.5, random_state=0)))


def test_indexed_rows_become_an_array():
    stored = np.random.default_rng(0).normal(size=(5, 3))
    rows = np.arange(60) % 5
    some = ampute(three() | {"mri": IndexedArray(stored, rows)}, 0.5, random_state=0)
    kept = ~np.isnan(some["mri"][:, 0])
    assert 0 < kept.sum() < 60
    assert np.array_equal(some["mri"][kept], stored[rows[kept]])


TWO = {"mri": np.ones((4, 2)), "pet": np.ones((4, 1))}
TABLE = np.ones((4, 3))


@pytest.mark.parametrize(
    ("X", "params", "error", "message"),
    [
        (TWO, {"share": 0.6}, ValueError, "share must be from 0 to 0.5, since each row keeps one"),
        (TWO, {"share": -0.1}, ValueError, "share must be from 0 to 0.5"),
        (TWO, {"share": np.nan}, ValueError, "share must be from 0 to 0.5"),
        (TWO, {"share": "0.3"}, TypeError, "share must be a number"),
        (TWO, {"mechanism": "mnar"}, ValueError, r"one of \['mcar', 'mar'\]. Got 'mnar'"),
        (TWO, {"mechanism": "mar", "given": "pat"}, ValueError, r"the views \['mri', 'pet'\]"),
        (TWO, {"given": "pet"}, ValueError, "mechanism='mar' goes by"),
        (TWO, {"patterns": {"pat": 0.1}}, ValueError, r"patterns name \['pat'\], but the views"),
        (TWO, {"patterns": {("pet", "mri"): 0.1}}, ValueError, "leaves a row without a view"),
        (TWO, {"patterns": {"pet": 0.7, "mri": 0.4}}, ValueError, "add up to at most 1"),
        (TWO, {"patterns": {"pet": -0.1}}, ValueError, "must not be negative"),
        (TWO, {"patterns": [("pet",)]}, TypeError, "must be a mapping of the names"),
        (TWO, {"patterns": {}, "mechanism": "mar"}, ValueError, "instead of a mechanism"),
        (TWO, {"modalities": {"mri": [0]}}, ValueError, "Leave out modalities"),
        (TWO, {"random_state": -1}, ValueError, "random_state must be a non-negative int"),
        ({"mri": TABLE}, {}, ValueError, "X has one view only, 'mri'"),
        (TWO | {"pet": TABLE[:2]}, {}, ValueError, "differ in their numbers of rows"),
        (TWO | {"pet": sp.csr_array(TABLE)}, {}, TypeError, r"X\['pet'\] is sparse.*toarray"),
        (TWO | {"pet": TABLE * np.nan}, {}, ValueError, r"X\['pet'\] contains NaN"),
        (TABLE, {}, TypeError, "of which modalities must name the views"),
        (TABLE, {"modalities": ["mri"]}, TypeError, "of which modalities must name the views"),
        (TABLE, {"modalities": {"a": [0, 1, 2]}}, ValueError, "one view only"),
        (TABLE, {"modalities": {"a": [0], "b": [1]}}, ValueError, "belong to no modality"),
        (TABLE, {"modalities": {"a": [0, 3], "b": [1]}}, ValueError, r"names columns \[3\]"),
        (TABLE[:1], {"modalities": {"a": [0], "b": [1, 2]}, "mechanism": "mar"}, ValueError, "2"),
    ],
)
def test_what_cannot_be_hidden(X, params, error, message):
    with pytest.raises(error, match=message):
        ampute(X, **params)
