"""Rows without a label or without x_M, from the data to what the fit makes of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_validate,
)
from skorch.callbacks import Callback
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDTransformer, Modality, Objective
from sklearn_cmmd.data.rows import learn_layout, read_fit_data
from sklearn_cmmd.datasets import IndexedArray
from sklearn_cmmd.model_selection import SemiSupervisedSplit
from tests.conftest import SMALL

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")


@pytest.fixture
def half(digits):
    """The digits, with a label for every other row."""
    X, M, y = digits
    y = y.astype(int)
    y[::2] = -1
    return X, M, y


def same_weights(one, other):
    pairs = zip(one.module_.parameters(), other.module_.parameters(), strict=True)
    return all((a == b).all() for a, b in pairs)


def with_(params, **nested):
    return CMMDClassifier(**params).set_params(**nested)


def as_strings(y, nothing):
    return np.array([nothing if code < 0 else f"digit {code}" for code in y], dtype=object)


def as_indicator(y):
    indicator = np.eye(3, dtype=int)[np.maximum(y, 0)]
    indicator[y < 0] = -1
    return indicator


@pytest.mark.parametrize(
    "mark",
    [
        lambda y: y,
        lambda y: y.astype(float),
        lambda y: y.tolist(),
        lambda y: as_strings(y, -1),
        lambda y: as_strings(y, None),
        lambda y: as_strings(y, np.nan),
        lambda y: as_strings(y, -1).tolist(),
        lambda y: as_strings(y, np.nan).tolist(),
        lambda y: pd.Series(as_strings(y, pd.NA)),
        lambda y: pd.Series(as_strings(y, None), dtype="category"),
    ],
    ids=[
        "int",
        "float",
        "list",
        "-1",
        "None",
        "nan",
        "-1 in a list",
        "nan in a list",
        "NA",
        "category",
    ],
)
def test_marks_of_unlabelled_rows(half, mark, small):
    """All marks mean the same, and none is a class."""
    X, M, y = half
    small |= {"max_epochs": 2, "objective": Objective(teacher=None)}
    want = CMMDClassifier(**small).fit(X, y, X_missing=M)
    clf = CMMDClassifier(**small).fit(X, mark(y), X_missing=M)
    assert len(clf.classes_) == 3
    np.testing.assert_array_equal(clf.predict_proba(X), want.predict_proba(X))
    assert set(clf.predict(X)) <= set(clf.classes_)


def test_several_labels_a_row(half, small):
    X, M, y = half
    clf = CMMDClassifier(**small | {"max_epochs": 60}).fit(X, as_indicator(y), X_missing=M)
    held = y < 0
    assert clf.predict(X).shape == (len(X), 3)
    truth = as_indicator(np.arange(3))
    assert clf.score(X[~held], truth[y[~held]]) > 0.9


def test_minus_one_and_one_are_two_classes(digits, small):
    X, M, y = digits
    signs = np.where(y == 0, -1, 1)
    assert CMMDClassifier(**small).fit(X, signs, X_missing=M).classes_.tolist() == [-1, 1]


def test_minus_one_among_known_classes(digits, small):
    X, M, y = digits
    clf = CMMDClassifier(**small)
    clf.partial_fit(X, y.astype(int) - 1, X_missing=M, classes=[-1, 0, 1])
    assert clf.classes_.tolist() == [-1, 0, 1]
    clf = CMMDClassifier(**small).partial_fit(X, y, X_missing=M, classes=[0, 1, 2])
    clf.partial_fit(X[:9], np.full(9, -1), X_missing=M[:9])
    assert clf.history_["train_classification"][-1] == 0


@pytest.mark.parametrize(
    "y", [np.full(240, -1), np.full(240, None), np.full((240, 3), -1)], ids=["int", "None", "2d"]
)
def test_no_label_at_all(digits, y, no_training):
    X, M, _ = digits
    with pytest.raises(ValueError, match=r"no row has a label.*CMMDTransformer"):
        CMMDClassifier().fit(X, y, X_missing=M)


def test_one_class_and_unlabelled_strings(digits, no_training):
    X, M, _ = digits
    y = np.array(["a", None] * 120, dtype=object)
    with pytest.raises(ValueError, match="at least two classes"):
        CMMDClassifier().fit(X, y, X_missing=M)


def test_unlabelled_rows_switch_to_the_teacher(half, small):
    X, M, y = half
    taught = CMMDClassifier(**small).fit(X, y, X_missing=M)
    explicit = {"objective__label_in_encoder": False, "dropout": taught.dropout_}
    assert same_weights(taught, with_(small, **explicit).fit(X, y, X_missing=M))
    assert not taught.label_in_encoder_
    assert {"train_posterior_classification", "train_distillation"} <= set(taught.history_)
    paper = with_(small, objective__label_in_encoder=True).fit(X, y, X_missing=M)
    assert "train_distillation" not in paper.history_
    alone = with_(small, objective__distillation=0).fit(X, y, X_missing=M)
    assert "train_posterior_classification" not in alone.history_
    assert not same_weights(taught, alone)


def test_early_stopping_holds_out_labelled_rows(half):
    X, M, y = half
    seen = []

    class Look(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            if not training and len(net.history) == 1:
                seen.append(batch[0])

    params = SMALL | {"early_stopping": True, "validation_fraction": 0.25, "callbacks": [Look()]}
    fitted = CMMDClassifier(**params).fit(X, y, X_missing=M)
    assert sum(batch.n_rows for batch in seen) == 30
    assert all((batch.label_weight == 1).all() for batch in seen)
    assert np.isfinite(fitted.history_["valid_loss"]).all()


def test_weights_pickles_and_seeds(half, small):
    X, M, y = half
    weight = np.random.RandomState(0).uniform(0, 2, len(y))
    weight[:5] = 0
    one, other = (
        CMMDClassifier(**small).fit(X, y, X_missing=M, sample_weight=weight) for _ in range(2)
    )
    assert same_weights(one, other)
    loaded = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(loaded.predict(X), one.predict(X))
    # What rows of weight zero hold makes no difference.
    M = np.r_[np.full((5, M.shape[1]), 1e3), M[5:]]
    again = CMMDClassifier(**small).fit(X, y, X_missing=M, sample_weight=weight)
    assert same_weights(again, one)


def test_score_of_unlabelled_rows(half, small):
    X, M, y = half
    clf = CMMDClassifier(**small, objective=Objective(teacher=None)).fit(X, y, X_missing=M)
    assert clf.score(X[y >= 0], y[y >= 0]) > 0.5
    with pytest.raises(ValueError, match="SemiSupervisedSplit"):
        clf.score(X, y)


def test_two_stages(half, small):
    """A first stage without labels starts a second one with some."""
    X, M, y = half
    first = CMMDTransformer(**small).fit(X, X_missing=M)
    CMMDClassifier(**small).fit(X, y, X_missing=M, init_from=first)


@pytest.mark.parametrize("cv", [3, StratifiedKFold(4, shuffle=True, random_state=0)])
def test_split(half, cv):
    X, _, y = half
    splitter = SemiSupervisedSplit(cv)
    splits = list(splitter.split(X, y))
    assert len(splits) == splitter.get_n_splits(X, y)
    lacks = np.flatnonzero(y < 0)
    for train, test in splits:
        assert np.isin(lacks, train).all()
        assert not np.intersect1d(train, test).size
        assert (y[test] >= 0).all()
        assert len(train) + len(test) == len(y)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([test for _, test in splits])), np.flatnonzero(y >= 0)
    )
    inner = StratifiedKFold(cv) if cv == 3 else cv
    has = np.flatnonzero(y >= 0)
    for (_, test), (_, want) in zip(splits, inner.split(X[has], y[has]), strict=True):
        np.testing.assert_array_equal(test, has[want])


def test_split_by_groups(half):
    X, _, y = half
    groups = np.arange(len(y)) // 20
    splits = list(SemiSupervisedSplit(GroupKFold(4)).split(X, y, groups))
    for train, test in splits:
        labelled = train[y[train] >= 0]
        assert not np.intersect1d(groups[labelled], groups[test]).size
    with pytest.raises(ValueError, match="pass y"):
        next(SemiSupervisedSplit().split(X, None))


@pytest.mark.parametrize("cv", [2, KFold(2)])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_plain_splitter(half, small, no_training, cv, scoring):
    """Rows without a label would be scored as a class: refused before the first training."""
    X, M, y = half
    search = GridSearchCV(CMMDClassifier(**small), {"omega": [0, 1]}, cv=cv, scoring=scoring)
    with pytest.raises(ValueError, match="SemiSupervisedSplit"):
        search.fit(X, y, X_missing=M)
    with pytest.raises(ValueError, match="SemiSupervisedSplit"):
        cross_validate(CMMDEnsemble(CMMDClassifier(**small)), X, y, cv=cv, scoring=scoring)


def test_searches_with_the_right_splitter(half, small):
    X, M, y = half
    clf = CMMDClassifier(**small | {"max_epochs": 4, "objective": Objective(teacher=None)})
    grid = {"omega": [0.2, 0.8], "objective__distillation": [0.5, 1.0]}
    search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(3), error_score="raise")
    search.fit(X, y, X_missing=M)
    assert len(search.cv_results_["params"]) == 4
    assert clf.get_params()["objective__distillation"] == 1.0


def test_a_training_part_of_one_class(half):
    X, _, y = half
    y = np.where(y == 2, 2, np.where(np.arange(len(y)) < 20, y, -1))
    one = np.where(y == 2, y, -1)
    one[1] = 0
    with pytest.raises(ValueError, match=r"labelled rows of a training part are all of class .*2"):
        list(SemiSupervisedSplit(KFold(40)).split(X, one))


def with_gaps(M, rows):
    M = M.astype(float).copy()
    M[rows] = np.nan
    return M


def test_rows_without_x_missing(digits, small):
    """Their x_O and label are learned from; what stands in for x_M is not."""
    X, M, y = digits
    gaps = np.arange(len(y)) % 3 == 0
    clf = CMMDClassifier(**small).fit(X, y, X_missing=with_gaps(M, gaps))
    assert all(np.isfinite(values).all() for values in clf.history_.values())
    assert np.isfinite(clf.generate_missing(X)).all()
    data = read_fit_data(clf, X, y, with_gaps(M, gaps), None)
    layout = learn_layout(data)
    kept = data.rows(layout, clf.device_)
    assert kept.present[:, 0].bool().tolist() == (~gaps).tolist()
    assert (kept.missing[gaps] == 0).all()
    mean, std = M[~gaps].mean(axis=0), M[~gaps].std(axis=0)
    np.testing.assert_allclose(layout.missing.loc, mean, rtol=1e-6)
    np.testing.assert_allclose(layout.missing.scale, std, rtol=1e-6)
    other = CMMDClassifier(**small).fit(X[~gaps], y[~gaps], X_missing=M[~gaps])
    assert not same_weights(clf, other)


def test_statistics_where_whole_chunks_are_gaps(digits, small, monkeypatch):
    X, M, y = digits
    monkeypatch.setattr("sklearn_cmmd.data.blocks.CHUNK_NUMBERS", 60)
    data = read_fit_data(CMMDClassifier(), X, y, with_gaps(M, slice(0, 100)), None)
    np.testing.assert_allclose(learn_layout(data).missing.loc, M[100:].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("form", ["columns", "mapping", "indexed", "DataFrame"])
def test_each_modality_its_own_pattern(digits, small, form):
    X, M, y = digits
    M = M.astype(float).copy()
    M[::3, :2] = np.nan
    M[1::4, 2:] = np.nan
    params = {"missing": [Modality("a", columns=[0, 1]), Modality("b", columns=[2, 3, 4, 5])]}
    if form == "mapping":
        M, params = SliceDict(a=M[:, :2], b=M[:, 2:]), {}
    elif form == "indexed":
        M = IndexedArray(M, np.arange(len(M)))
    elif form == "DataFrame":
        M = pd.DataFrame(M)
    clf = CMMDClassifier(**small | params).fit(X, y, X_missing=M)
    present = read_fit_data(clf, X, y, M, None).present
    rows = np.arange(len(y))
    np.testing.assert_array_equal(present[:, 0], rows % 3 != 0)
    np.testing.assert_array_equal(present[:, 1], rows % 4 != 1)
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_a_modality_that_no_row_has(digits, no_training):
    X, M, y = digits
    with pytest.raises(ValueError, match="No row of X_missing has 'X_missing'"):
        CMMDClassifier().fit(X, y, X_missing=np.full_like(M, np.nan, dtype=float))


def test_no_row_of_weight_has_it(digits, no_training):
    X, M, y = digits
    weight = np.arange(len(y)) >= 10
    with pytest.raises(ValueError, match=r"No row of X_missing .* weight zero"):
        CMMDClassifier().fit(X, y, X_missing=with_gaps(M, slice(10, None)), sample_weight=weight)


def test_unlabelled_rows_of_weight_zero_are_left_out(half, small):
    X, M, y = half
    has = y >= 0
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M, sample_weight=has)
    other = CMMDClassifier(**small).fit(X[has], y[has], X_missing=M[has])
    assert clf.label_in_encoder_
    np.testing.assert_allclose(clf.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("missing", [None, [Modality("m", likelihood="gaussian")]])
def test_data_without_any_x_missing_go_on(digits, small, missing):
    """They teach the prior and the classifier, as such rows do beside others."""
    X, M, y = digits
    nothing = np.full(M.shape, np.nan)
    stream = CMMDClassifier(**small, missing=missing).partial_fit(
        X, y, X_missing=M, classes=[0, 1, 2]
    )
    before = stream.module_.copied()
    with pytest.raises(ValueError, match="Pass it with NaN where rows lack it"):
        stream.partial_fit(X, y)
    stream.partial_fit(X, y, X_missing=nothing)
    first = CMMDTransformer(**small, missing=missing).fit(X, X_missing=M)
    staged = CMMDClassifier(**small).fit(X, y, X_missing=nothing, init_from=first)
    x = torch.zeros(1, X.shape[1])
    for clf, start in ((stream, before), (staged, first.module_)):
        assert np.isfinite(clf.history_["train_loss"]).all()
        assert np.isfinite(clf.generate_missing(X)).all()
        assert (clf.module_.prior(x).loc != start.prior(x).loc).any()
