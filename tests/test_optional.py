"""Modalities that may be absent: from rows of the fit, and later."""

import copy
import pickle
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback
from skorch.helper import SliceDict

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.exceptions import InterruptedWarning, ResumeWarning
from tests.conftest import SMALL

VIEWS = ("a", "b", "c")
COLUMNS = {"a": slice(0, 3), "b": slice(3, 5), "c": slice(5, 9)}
DESCRIBED = [Modality(name, columns) for name, columns in COLUMNS.items()]


def views_of(X):
    return {name: X[:, columns] for name, columns in COLUMNS.items()}


@pytest.fixture(scope="module")
def data():
    """Three views of three classes, a table of 90 rows, labels, and something always missing."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 9)) + 2 * np.eye(3)[y] @ rng.normal(size=(3, 9))
    return X, y, X[:, :4] @ rng.normal(size=(4, 2)) + 0.1 * rng.normal(size=(90, 2))


@pytest.fixture(scope="module")
def holed(data):
    """The same with views gone: each row keeps one at least."""
    X = data[0].copy()
    for row, name in enumerate(np.random.default_rng(1).choice([*VIEWS, "none"], len(X))):
        if name != "none":
            X[row, COLUMNS[name]] = np.nan
    return X


@pytest.fixture(scope="module")
def fitted(data):
    X, y, M = data
    return CMMDClassifier(optional="all", **SMALL).fit(views_of(X), y, X_missing=M)


@pytest.fixture(scope="module")
def plain(data):
    X, y, _ = data
    return CMMDClassifier(**SMALL).fit(views_of(X), y)


class StopAt(Callback):
    """Interrupts a fit after so many epochs, as a user would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_begin(self, net, **kwargs):
        if len(net.history) > self.epoch + 1:
            raise KeyboardInterrupt


def only(X, names):
    """Return a mapping of some views, None in the place of the others."""
    return {name: X[:, c] if name in names else None for name, c in COLUMNS.items()}


def gone(X, names):
    """Return the table with NaN in the place of the views that are not named."""
    X = X.copy()
    for name, columns in COLUMNS.items():
        if name not in names:
            X[:, columns] = np.nan
    return X


SUBSETS = [s for size in (1, 2, 3) for s in combinations(VIEWS, size)]


class TestFormsOfAbsence:
    @pytest.mark.parametrize("names", SUBSETS, ids="".join)
    def test_none_left_out_and_nan_are_the_same(self, fitted, data, names):
        X = data[0]
        by_none = fitted.predict_proba(only(X, names))
        left_out = {name: X[:, COLUMNS[name]] for name in names}
        assert_array_equal(fitted.predict_proba(left_out), by_none)
        assert_array_equal(fitted.predict_proba(views_of(gone(X, names))), by_none)
        assert_array_equal(fitted.transform(left_out), fitted.transform(only(X, names)))
        assert_array_equal(
            fitted.generate_missing(left_out), fitted.generate_missing(only(X, names))
        )

    def test_tables_and_mappings_are_the_same(self, holed, data):
        _, y, M = data
        table = CMMDClassifier(observed=DESCRIBED, optional="all", **SMALL).fit(
            holed, y, X_missing=M
        )
        mapping = CMMDClassifier(optional="all", **SMALL).fit(views_of(holed), y, X_missing=M)
        assert_array_equal(table.predict_proba(holed), mapping.predict_proba(views_of(holed)))

    @given(st.lists(st.sampled_from(SUBSETS), min_size=1, max_size=12))
    @settings(max_examples=25)
    def test_rows_with_other_views_do_not_meddle(self, fitted, data, patterns):
        rows = np.concatenate([gone(data[0][i : i + 1], each) for i, each in enumerate(patterns)])
        together = fitted.predict_proba(views_of(rows))
        for row, alone in zip(rows, together, strict=True):
            single = fitted.predict_proba(views_of(row[None]))
            assert_allclose(single[0], alone, rtol=0, atol=1e-12)

    def test_what_an_absent_view_would_hold_is_of_no_account(self, fitted, data):
        # NaN of any kind: in float32, from pandas, as a masked array.
        X = data[0]
        expected = fitted.predict_proba(only(X, "ac"))
        masked = {name: X[:, c].copy() for name, c in COLUMNS.items()}
        masked["b"] = np.ma.masked_all_like(masked["b"])
        assert_array_equal(fitted.predict_proba(masked), expected)
        frame = {name: pd.DataFrame(X[:, c].copy()) for name, c in COLUMNS.items()}
        frame["b"].loc[:] = np.nan
        assert_array_equal(fitted.predict_proba(frame), expected)

    def test_all_that_a_fit_learns_is_of_the_rows_that_have_a_view(self, data):
        X, y, _ = data
        X = X.copy()
        X[:30, COLUMNS["b"]] = np.nan
        clf = CMMDClassifier(observed=DESCRIBED, optional=["b"], **SMALL).fit(X, y)
        side = clf._plan.layout.observed
        assert_allclose(side.loc[COLUMNS["b"]], X[30:, COLUMNS["b"]].mean(axis=0))
        assert_allclose(side.scale[COLUMNS["b"]], X[30:, COLUMNS["b"]].std(axis=0))


class TestImpute:
    def test_what_is_there_is_untouched(self, data, holed):
        _, y, _ = data
        clf = CMMDClassifier(observed=DESCRIBED, optional="all", **SMALL).fit(holed, y)
        whole = clf.impute(holed)
        there = ~np.isnan(holed)
        assert_array_equal(whole[there], holed[there])
        assert np.isfinite(whole).all()
        assert_array_equal(clf.impute(holed.astype(np.float32))[there], holed.astype("f4")[there])

    def test_draws(self, fitted, data):
        X = only(data[0], "a")
        draws = fitted.impute(X, n_samples=400, random_state=0)
        assert draws["c"].shape == (90, 400, 4)
        assert_array_equal(draws["a"], np.repeat(data[0][:, None, :3], 400, axis=1))
        assert_array_equal(draws["c"], fitted.impute(X, n_samples=400, random_state=0)["c"])
        spread = draws["c"].std(axis=1).mean()
        assert_allclose(draws["c"].mean(axis=1), fitted.impute(X)["c"], atol=0.6 * spread)

    def test_comes_in_the_form_of_the_fit(self, data):
        X, y, _ = data
        frames = {name: pd.DataFrame(X[:, c]).add_prefix(name) for name, c in COLUMNS.items()}
        clf = CMMDClassifier(optional=["b", "c"], **SMALL).fit(frames, y)
        rows = {"a": frames["a"].iloc[[7, 3]], "c": frames["c"].iloc[[7, 3]]}
        found = clf.impute(rows)
        assert list(found) == list(VIEWS)
        assert found["b"].columns.tolist() == ["b0", "b1"]
        assert found["b"].index.tolist() == [7, 3]
        pd.testing.assert_frame_equal(found["c"], rows["c"])

    def test_kinds_of_values(self, data):
        X, y, _ = data
        rng = np.random.default_rng(0)
        tags = (rng.random((90, 4)) < 0.2 + 0.2 * y[:, None]).astype(float)
        kind = np.eye(3)[y]
        clf = CMMDClassifier(
            observed=[Modality("x"), Modality("tags"), Modality("kind", likelihood="categorical")],
            optional="all",
            **SMALL,
        ).fit({"x": X, "tags": tags, "kind": kind}, y)
        found = clf.impute({"x": X})
        assert ((found["tags"] > 0) & (found["tags"] < 1)).all()
        assert_allclose(found["kind"].sum(axis=1), 1)
        assert (found["kind"].argmax(axis=1) == y).mean() > 0.7
        drawn = clf.impute({"x": X}, n_samples=3, random_state=0)
        assert set(np.unique(drawn["tags"])) == {0.0, 1.0}

    def test_images(self):
        images = np.random.default_rng(0).random((60, 5, 4))
        y = np.arange(60) % 2
        images[y == 1, :2] += 1
        x = 4 * y[:, None] + np.random.default_rng(1).normal(size=(60, 2))
        described = [Modality("image", network="conv2d", shape=(5, 4)), Modality("x")]
        clf = CMMDClassifier(observed=described, optional="all", **SMALL | {"max_epochs": 60})
        clf.fit({"image": images, "x": x}, y)
        found = clf.impute({"x": x})["image"]
        assert found.shape == images.shape
        assert found[y == 1, :2].mean() > found[y == 0, :2].mean() + 0.3


class TestWithTheRestOfScikitLearn:
    def test_search_of_tables_frames_and_slice_dicts(self, holed, data):
        y = data[1]
        clf = CMMDClassifier(observed=DESCRIBED, optional="all", **SMALL)
        forms = [
            (clf, holed),
            (clf, pd.DataFrame(holed)),
            (CMMDClassifier(optional="all", **SMALL), SliceDict(**views_of(holed))),
        ]
        scores = [
            GridSearchCV(model, {"omega": [0.2, 0.8]}, cv=2, scoring="neg_log_loss")
            .fit(X, y)
            .cv_results_["mean_test_score"]
            for model, X in forms
        ]
        assert_allclose(scores[1], scores[0])
        assert_allclose(scores[2], scores[0])

    def test_cross_val_predict(self, holed, data):
        clf = CMMDClassifier(observed=DESCRIBED, optional="all", **SMALL)
        assert (cross_val_predict(clf, holed, data[1], cv=3) == data[1]).mean() > 0.6

    def test_pickles(self, fitted, data):
        X = only(data[0], "b")
        again = pickle.loads(pickle.dumps(fitted))
        assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))

    def test_warm_start_partial_fit_and_init_from(self, holed, data):
        _, y, M = data
        params = SMALL | {"max_epochs": 3, "observed": DESCRIBED, "optional": "all"}
        warm = CMMDClassifier(warm_start=True, **params).fit(holed, y, X_missing=M)
        assert warm.fit(holed, y, X_missing=M).n_iter_ == 6
        stream = CMMDClassifier(**params)
        for rows in (slice(0, 45), slice(45, 90)):
            stream.partial_fit(holed[rows], y[rows], X_missing=M[rows], classes=[0, 1, 2])
        first = CMMDTransformer(**params).fit(holed, X_missing=M)
        second = CMMDClassifier(**SMALL).fit(holed, y, X_missing=M, init_from=first)
        for model in (warm, stream, second):
            assert np.isfinite(model.impute(holed)).all()
            assert model.predict_proba(gone(holed, "a")[~np.isnan(holed[:, 0])]).shape[1] == 3

    def test_a_fit_goes_on_from_its_checkpoint(self, tmp_path, holed, data):
        params = SMALL | {"observed": DESCRIBED, "optional": "all", "max_epochs": 6}
        whole = CMMDClassifier(**params).fit(holed, data[1])
        stopped = CMMDClassifier(**params, checkpoint_dir=tmp_path, callbacks=[StopAt(2)])
        with pytest.warns(InterruptedWarning):
            stopped.fit(holed, data[1])
        goes_on = CMMDClassifier(**params, checkpoint_dir=tmp_path)
        with pytest.warns(ResumeWarning, match="goes on after epoch"):
            goes_on.fit(holed, data[1])
        assert_array_equal(goes_on.predict_proba(holed), whole.predict_proba(holed))

    def test_views_alone_tell_of_each_other(self, holed, data):
        model = CMMDTransformer(
            observed=DESCRIBED, optional="all", **SMALL | {"max_epochs": 100}
        ).fit(holed)
        some = gone(data[0], "ac")
        error = np.square(model.impute(some) - data[0])[:, COLUMNS["b"]].mean()
        assert error < 0.9 * data[0][:, COLUMNS["b"]].var(axis=0).mean()
        assert model.transform(some).shape == (90, 8)

    def test_score_of_a_transformer(self, holed, data):
        _, y, M = data
        params = SMALL | {"observed": DESCRIBED, "optional": "all"}
        model = CMMDTransformer(**params).fit(holed, y, X_missing=M)
        some = {name: data[0][:, COLUMNS[name]] for name in "ac"}
        mapping = CMMDTransformer(optional="all", **SMALL).fit(views_of(holed), y, X_missing=M)
        expected = model.score(gone(data[0], "ac"), y, X_missing=M)
        assert mapping.score(some, y, X_missing=M) == pytest.approx(expected)
        # Mismatched rows are less probable.
        assert model.score(holed, y, X_missing=M) > model.score(holed, y, X_missing=M[::-1])


class TestNothingChangesWithout:
    def test_clones_keep_it(self):
        clf = CMMDClassifier(optional={"a": 0.3})
        assert clone(clf).optional == {"a": 0.3}


@pytest.mark.usefixtures("no_training")
class TestWrongUse:
    @pytest.mark.parametrize(
        ("optional", "error", "message"),
        [
            (["a", "d"], ValueError, r"X has \['a', 'b', 'c'\]; got \['a', 'd'\]"),
            (["a", "a"], ValueError, "got"),
            ("some", ValueError, "optional"),
            ({"a": 1.0}, ValueError, r"in \(0, 1\). Got 1.0 for 'a'"),
            ({"a": True}, ValueError, "Got True"),
            (3, ValueError, "optional"),
        ],
    )
    def test_optional(self, data, optional, error, message):
        X, y, _ = data
        with pytest.raises(error, match=message):
            CMMDClassifier(optional=optional, **SMALL).fit(views_of(X), y)

    def test_nothing_to_learn(self, data):
        with pytest.raises(ValueError, match="optional='all'"):
            CMMDTransformer(**SMALL).fit(views_of(data[0]))

    def test_the_only_modality(self, data):
        for optional in (["X"], "all"):
            clf = CMMDClassifier(optional=optional, **SMALL)
            with pytest.raises(ValueError, match="names the only modality of X, 'X'"):
                clf.fit(data[0], data[1])

    def test_rows_of_the_fit(self, data):
        X, y, _ = data
        clf = CMMDClassifier(observed=DESCRIBED, optional=["a", "b"], **SMALL)
        holes = X.copy()
        holes[[4, 8], 5:] = np.nan
        with pytest.raises(ValueError, match=r"2 rows \(4, 8\) of X lack 'c'.*not optional"):
            clf.fit(holes, y)
        holes = X.copy()
        holes[5, 1] = np.nan
        with pytest.raises(ValueError, match="Row 5 of X lacks 1 of the 3 values of 'a'"):
            clf.fit(holes, y)
        empty = X.copy()
        empty[3] = np.nan
        clf.set_params(optional="all")
        with pytest.raises(ValueError, match=r"1 rows \(3\) of X have no modality at all"):
            clf.fit(empty, y)
        with pytest.raises(ValueError, match="No row of X has 'b'"):
            clf.fit(gone(X, "ac"), y)
        with pytest.raises(ValueError, match="whole modalities that optional= names"):
            clf.set_params(optional=None).fit(holes, y)

    def test_new_rows(self, fitted, data):
        X = data[0]
        with pytest.raises(ValueError, match=r"may be \['a', 'b', 'c'\], but not all of them"):
            fitted.predict(only(X, ()))
        with pytest.raises(ValueError, match=r"Got \['a', 'd'\]"):
            fitted.predict({"a": X[:, :3], "d": X[:, :3]})
        with pytest.raises(ValueError, match="no modality at all"):
            fitted.predict(views_of(gone(X, ())))

    def test_impute_without_optional(self, plain, data):
        X = data[0]
        with pytest.raises(ValueError, match="fitted without optional="):
            plain.impute(views_of(X))
        with pytest.raises(ValueError, match="fitted without X_missing"):
            plain.generate_missing(views_of(X))
        with pytest.raises(ValueError, match="must have the modalities of the fit"):
            plain.predict({"a": X[:, :3], "b": X[:, 3:5]})

    def test_going_on_with_another(self, plain, data):
        X, y, _ = data
        clf = copy.deepcopy(plain).set_params(warm_start=True, optional="all")
        with pytest.raises(ValueError, match="optional= changed"):
            clf.fit(views_of(X), y)


class TestRowsThatHaveLittle:
    def test_modalities_that_never_occur_together(self, data):
        X, y, _ = data
        X = X.copy()
        X[::2, 3:] = np.nan
        X[1::2, :3] = np.nan
        X[1::4, 3:5] = np.nan
        clf = CMMDClassifier(observed=DESCRIBED, optional="all", **SMALL).fit(X, y)
        assert np.isfinite(clf.impute(X)).all()
        wide = {"a": np.repeat(X[:, :3], 100, axis=1), "c": X[:, 5:]}
        rows = ~np.isnan(X[:, 0]) | ~np.isnan(X[:, 5])
        wide = {name: view[rows] for name, view in wide.items()}
        clf = CMMDClassifier(optional="all", **SMALL).fit(wide, y[rows])
        assert np.isfinite(clf.impute(wide)["c"]).all()

    def test_the_only_row_with_a_modality_is_held_out(self, data):
        X, y, M = data
        M = np.where(np.arange(90)[:, None] == 3, M, np.nan)
        for seed in range(6):
            params = SMALL | {"random_state": seed, "max_epochs": 1}
            clf = CMMDClassifier(early_stopping=True, validation_fraction=0.5, **params)
            assert np.isfinite(clf.fit(X, y, X_missing=M).generate_missing(X)).all()
