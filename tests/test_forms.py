"""Every form that tables may have gives the same fit, and comes back."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Modality
from sklearn_cmmd.data import matrices
from sklearn_cmmd.datasets import load_multiple_features


def names(n, prefix):
    return [f"{prefix}{i}" for i in range(n)]


FORMS = {
    "frame": lambda a, p: pd.DataFrame(a, columns=names(a.shape[1], p)),
    "polars": lambda a, p: pl.DataFrame(a, schema=names(a.shape[1], p)),
    "sparse": lambda a, p: sp.csr_matrix(a),
    "sparse array": lambda a, p: sp.csc_array(a),
    "list": lambda a, p: a.tolist(),
    "fortran": lambda a, p: np.asfortranarray(a),
    "mapping": lambda a, p: {f"{p}0": a[:, :2], f"{p}1": a[:, 2:]},
    "mapping of frames": lambda a, p: {
        f"{p}0": pd.DataFrame(a[:, :2], columns=names(2, p)),
        f"{p}1": pd.DataFrame(a[:, 2:]),
    },
    "mapping with sparse": lambda a, p: SliceDict(
        **{f"{p}0": a[:, :2], f"{p}1": sp.csr_array(a[:, 2:])}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_fit(split, small, form):
    X, M, y, X_test, _, _ = split
    small["max_epochs"] = 2
    # A mapping says which columns belong together, and so may be read in units of their own.
    parts = [Modality("x0", slice(0, 2)), Modality("x1", slice(2, None))]
    observed = parts if "mapping" in form else None
    plain = CMMDClassifier(**small, observed=observed).fit(X, y, X_missing=M)
    convert = FORMS[form]
    # A mapping of missing views has a head for each, whose initial weights are others.
    missing = M if "mapping" in form else convert(M, "m")
    clf = CMMDClassifier(**small).fit(convert(X, "x"), y, X_missing=missing)
    new = convert(X_test, "x")
    assert np.array_equal(clf.predict_proba(new), plain.predict_proba(X_test))
    assert np.array_equal(clf.transform(new), plain.transform(X_test))
    assert np.array_equal(clf.generate_missing(new), plain.generate_missing(X_test))


def test_frames_of_polars(split, small):
    """Names are checked, say which column is where, and come back."""
    X, M, y, *_ = split
    X, M = FORMS["polars"](X, "x"), FORMS["polars"](M, "m")
    missing = [Modality("one", columns=M.columns[1:]), Modality("two", columns=M.columns[:1])]
    clf = CMMDClassifier(**small, missing=missing).fit({"x": X}, y, X_missing=M)
    generated = clf.generate_missing({"x": X})
    assert isinstance(generated, pl.DataFrame)
    assert generated.columns == M.columns
    with pytest.raises(ValueError, match=r"X\['x'\] must have the columns of the fit, in their"):
        clf.predict({"x": X.select(X.columns[::-1])})
    twice = CMMDEnsemble(CMMDClassifier(**small), n_estimators=2).fit(X, y, X_missing=M)
    assert twice.generate_missing(X).columns == M.columns


def test_another_order_of_views(split, small):
    X, M, y, *_ = split
    views = {"a": M[:, :2], "b": np.where(M[:, 2:] > 0, 1.0, 0.0)}
    one, other = (
        CMMDClassifier(**small).partial_fit(X, y, X_missing=views, classes=[0, 1, 2])
        for _ in range(2)
    )
    one.partial_fit(X, y, X_missing=views)
    other.partial_fit(X, y, X_missing=dict(reversed(views.items())))
    assert np.array_equal(one.generate_missing(X)["b"], other.generate_missing(X)["b"])


def test_memmap(split, small, tmp_path, monkeypatch):
    """Data on disk train without a copy in memory, streamed batch by batch."""
    X, M, y, X_test, _, _ = split
    plain = CMMDClassifier(**small).fit(X, y, X_missing=M)
    mapped = []
    for name, array in (("x", X), ("m", M)):
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    monkeypatch.setattr(matrices, "RESIDENT_SHARE", 0)
    clf = CMMDClassifier(**small).fit(mapped[0], y, X_missing=mapped[1])
    assert np.array_equal(clf.predict_proba(X_test), plain.predict_proba(X_test))


@pytest.mark.slow
def test_intervals_of_few_rows():
    """Of 120 digits: nine in ten pixels of others lie where nine in ten draws do."""
    digits = load_multiple_features(observed="fourier", missing="pixels")
    rows = np.random.RandomState(0).permutation(2000)[:400]
    X, M, y = digits.data[rows], digits.data_missing[rows], digits.target[rows]

    def coverage(**params):
        clf = CMMDClassifier(random_state=0).set_params(**params)
        clf.fit(X[:120], y[:120], X_missing=M[:120])
        draws = clf.generate_missing(X[120:], n_samples=100, random_state=0)
        low, high = np.quantile(draws, [0.05, 0.95], axis=1, method="weibull")
        return np.mean((low <= M[120:]) & (M[120:] <= high))

    assert coverage() == pytest.approx(0.9, abs=0.04)
    assert coverage(objective__scale_prior_rows=0) < 0.75


def test_frames_come_back_as_frames(split, small):
    X, M, y, X_test, _M_test, _ = split
    columns = ["area", "perimeter", 3, ("a", "b"), "e", "f"]
    M = pd.DataFrame(M, columns=pd.Index(columns, dtype=object))
    X_test = pd.DataFrame(X_test, index=np.arange(80) + 1000)
    clf = CMMDClassifier(**small).fit(pd.DataFrame(X), y, X_missing=M)
    generated = clf.generate_missing(X_test)
    assert isinstance(generated, pd.DataFrame)
    assert generated.columns.equals(M.columns)
    assert generated.index.equals(X_test.index)
    draws = clf.generate_missing(X_test, n_samples=2, random_state=0)
    assert isinstance(draws, np.ndarray)
    assert draws.shape == (80, 2, 6)
    framed = clf.generate_missing(X_test, n_samples=2, random_state=0, as_frame=True)
    assert framed.index.equals(X_test.index)
    assert list(framed.columns) == [(name, draw) for name in columns for draw in (0, 1)]
    assert np.array_equal(framed["area"], draws[:, :, 0])


def test_mappings_come_back_as_mappings(split, small):
    X, M, y, X_test, _, _ = split
    views = {"shape": M[:, :2], "size": pd.DataFrame(M[:, 2:], columns=list("abcd"))}
    clf = CMMDClassifier(**small).fit({"zernike": X}, y, X_missing=views)
    generated = clf.generate_missing({"zernike": X_test})
    assert list(generated) == ["shape", "size"]
    assert isinstance(generated["shape"], np.ndarray)
    assert generated["size"].columns.tolist() == list("abcd")
    draws = clf.generate_missing({"zernike": X_test}, n_samples=3)
    assert draws["size"].shape == (80, 3, 4)


def test_order_of_a_mapping_does_not_matter(split, small):
    X, M, y, *_ = split
    clf = CMMDClassifier(**small).fit({"a": X[:, :9], "b": X[:, 9:]}, y, X_missing=M)
    swapped = clf.predict_proba({"b": X[:, 9:], "a": X[:, :9]})
    assert np.array_equal(swapped, clf.predict_proba({"a": X[:, :9], "b": X[:, 9:]}))


def test_several_modalities_as_columns(split, small):
    X, M, y, X_test, _M_test, y_test = split
    binary = (M[:, :2] > np.median(M[:, :2], axis=0)).astype(float)
    missing = np.hstack([M[:, 2:], binary])
    clf = CMMDClassifier(
        observed=[Modality("low", slice(0, 20)), Modality("high", range(20, 47), network="mlp")],
        missing=[
            Modality("real", columns=range(4), network="mlp", weight=2.0),
            Modality("flags", columns=[4, 5]),
        ],
        **small | {"max_epochs": 40},
    ).fit(X, y, X_missing=missing)
    assert [m.likelihood for m in clf.missing_] == ["gaussian", "bernoulli"]
    assert len(clf.module_.decoder.features) == 2
    generated = clf.generate_missing(X_test)
    assert (generated[:, 4:] >= 0).all()
    assert (generated[:, 4:] <= 1).all()
    draws = clf.generate_missing(X_test, n_samples=4, random_state=0)
    assert set(np.unique(draws[..., 4:])) == {0.0, 1.0}
    assert clf.score(X_test, y_test) > 0.7


def test_columns_by_name_and_mask(split, small):
    X, M, y, *_ = split
    frame = pd.DataFrame(X, columns=names(47, "z"))
    mask = np.arange(47) < 20
    fits = [
        CMMDClassifier(observed=[Modality("a", a), Modality("b", b, network="mlp")], **small)
        .fit(frame, y, X_missing=M)
        .predict_proba(frame)
        for a, b in (
            (slice(0, 20), slice(20, None)),
            (names(47, "z")[:20], names(47, "z")[20:]),
            (mask, ~mask),
        )
    ]
    assert np.array_equal(fits[0], fits[1])
    assert np.array_equal(fits[0], fits[2])


@pytest.mark.parametrize("columns", [[5, 3, 4, 1, 2, 0], ["f", "d", "e", "b", "c", "a"]])
def test_order_in_which_columns_are_named_does_not_matter(split, small, columns):
    X, M, y, *_ = split
    M = pd.DataFrame(M, columns=list("abcdef"))
    plain = CMMDClassifier(**small).fit(X, y, X_missing=M)
    named = CMMDClassifier(missing=[Modality("m", columns)], **small).fit(X, y, X_missing=M)
    assert plain.generate_missing(X).equals(named.generate_missing(X))


def test_columns_with_labels_of_any_type(split, small):
    X, M, y, *_ = split
    M = pd.DataFrame(M[:, :3], columns=pd.Index(["a", 3, ("u", "v")], dtype=object))
    missing = [Modality("m", ["a", 3]), Modality("n", [("u", "v")])]
    clf = CMMDClassifier(missing=missing, **small).fit(X, y, X_missing=M)
    assert clf.generate_missing(X).columns.equals(M.columns)
