"""CMMDRegressor: numbers as y, from known truths to what it refuses."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from skorch.callbacks import EpochScoring

from sklearn_cmmd import CMMDClassifier, CMMDRegressor, CMMDTransformer, Objective
from sklearn_cmmd.exceptions import UnlabelledRowsWarning
from sklearn_cmmd.model_selection import SemiSupervisedSplit
from tests.conftest import SMALL

QUICK = SMALL | {"max_epochs": 10}
ignore_unlabelled = pytest.mark.filterwarnings(
    "ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning"
)


def linear(n, seed=0):
    """y = b·x + 0.8 u + 0.6 e, where x_M shows u: then E[y|x] = b·x and Var[y|x] = 1."""
    rng = np.random.RandomState(seed)
    X, u = rng.normal(size=(n, 3)), rng.normal(size=n)
    M = u[:, None] + 0.1 * rng.normal(size=(n, 4))
    mean = X @ [2.0, -1.0, 0.5]
    return X, M, mean + 0.8 * u + 0.6 * rng.normal(size=n), mean


@pytest.fixture(scope="module")
def data():
    X, M, y, _ = linear(200)
    return X, M, y


@pytest.fixture(scope="module")
def fitted(data):
    X, M, y = data
    return CMMDRegressor(**QUICK).fit(X, y, X_missing=M)


@pytest.mark.parametrize("with_missing", [True, False])
def test_conditional_mean_and_deviation_are_found(with_missing):
    """A linear-Gaussian truth of which both are known, in units far from standardised ones."""
    X, M, y, _ = linear(1000)
    X_test, _, _, mean = linear(500, seed=1)
    reg = CMMDRegressor(**SMALL | {"max_epochs": 50, "dropout": 0.1})
    reg.fit(X, 50 * y + 300, X_missing=M if with_missing else None)
    found, std = reg.predict(X_test, return_std=True)
    error = np.sqrt(np.mean((found - (50 * mean + 300)) ** 2))
    assert error < 0.3 * 50  # of a deviation of y given x
    assert np.median(std) == pytest.approx(50, rel=0.12)


def test_deviation_depends_on_the_row():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(1000, 3))
    y = X[:, 1] + np.where(X[:, 0] > 0, 1.0, 0.4) * rng.normal(size=1000)
    reg = CMMDRegressor(**SMALL | {"max_epochs": 40}).fit(X, y)
    _, std = reg.predict(X, return_std=True)
    assert np.median(std[X[:, 0] > 0.5]) > 1.5 * np.median(std[X[:, 0] < -0.5])


@ignore_unlabelled
def test_the_teacher_is_worth_having():
    """40 targets of 600 rows: x_M tells y, and the pairs tell how x_O goes with it."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(800, 30))
    y = X @ rng.normal(size=30) / 30**0.5 + 0.2 * rng.normal(size=800)
    M = y[:, None] * [1, -1, 1, -1] + 0.2 * rng.normal(size=(800, 4))
    some = np.where(np.arange(600) < 40, y[:600], np.nan)
    reg = CMMDRegressor(**SMALL | {"max_epochs": 40})
    taught = clone(reg).fit(X[:600], some, X_missing=M[:600])
    alone = clone(reg).fit(X[:600], some)
    assert "train_distillation" in taught.history_
    assert taught.score(X[600:], y[600:]) > alone.score(X[600:], y[600:]) + 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_have_the_form_of_y(data, dtype):
    X, M, y = data
    X = X.astype(dtype)
    for target, shape in ((y, (200,)), (y[:, None], (200, 1)), (np.c_[y, -y, y], (200, 3))):
        reg = CMMDRegressor(**QUICK).fit(X, target, X_missing=M)
        for found in (reg.predict(X), *reg.predict(X, return_std=True)):
            assert found.shape == shape
            assert found.dtype == dtype
        assert (reg.predict(X, return_std=True)[1] > 0).all()
        assert reg.n_outputs_ == target.size // 200
        assert not hasattr(reg, "classes_")


def test_several_numbers_in_units_of_their_own(data):
    X, M, y = data
    both = np.c_[y, 1000 * X[:, 0] - 7]
    reg = CMMDRegressor(**SMALL | {"max_epochs": 60}).fit(X, both, X_missing=M)
    one, other = reg.predict(X).T
    assert np.corrcoef(one, y)[0, 1] > 0.8
    assert np.corrcoef(other, both[:, 1])[0, 1] > 0.9
    assert reg.score(X, both) > 0.7


@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (-1.0, 0.0), (1e-6, 3.0)])
def test_units_of_y_are_those_of_predictions(data, factor, shift):
    X, M, y = data
    y = np.abs(y)  # the sign of y is no unit
    if factor < 0:
        factor, shift = 1.0, 1e4
    want = CMMDRegressor(**QUICK).fit(X, y, X_missing=M).predict(X, return_std=True)
    reg = CMMDRegressor(**QUICK).fit(X, factor * y + shift, X_missing=M)
    mean, std = reg.predict(X, return_std=True)
    np.testing.assert_allclose((mean - shift) / factor, want[0], atol=1e-2)
    np.testing.assert_allclose(std / factor, want[1], rtol=1e-2)


def test_a_constant_column_is_predicted_as_it_is(data):
    X, _, y = data
    reg = CMMDRegressor(**SMALL | {"max_epochs": 60}).fit(X, np.c_[y, np.full(200, 0.1)])
    np.testing.assert_allclose(reg.predict(X)[:, 1], 0.1, atol=0.2)


def as_masked(y):
    return np.ma.masked_invalid(y)


@pytest.mark.parametrize(
    "mark",
    [
        as_masked,
        lambda y: [None if value != value else value for value in y],
        lambda y: pd.Series(y, dtype="Float64"),
        lambda y: pd.Series(y).astype(object).where(~np.isnan(y), pd.NA),
        lambda y: y[:, None],
    ],
    ids=["masked", "None", "NA", "object", "column"],
)
@ignore_unlabelled
def test_rows_without_a_target(data, mark):
    """All marks mean the same, and what stood there before means nothing."""
    X, M, y = data
    y = np.where(np.arange(200) % 3 == 0, np.nan, y)
    want = CMMDRegressor(**QUICK).fit(X, y, X_missing=M)
    reg = CMMDRegressor(**QUICK).fit(X, mark(y), X_missing=M)
    np.testing.assert_array_equal(reg.predict(X).ravel(), want.predict(X))


def test_rows_without_a_target_are_counted(data):
    X, M, y = data
    some = np.where(np.arange(200) < 150, np.nan, y)
    with pytest.warns(UnlabelledRowsWarning, match=r"150 of the 200 rows of y have no target"):
        reg = CMMDRegressor(**QUICK).fit(X, some, X_missing=M)
    assert not reg.label_in_encoder_
    assert reg.label_smoothing_ == 0


def test_minus_one_is_a_number(data):
    X, _, _ = data
    reg = CMMDRegressor(**SMALL | {"max_epochs": 60}).fit(X, np.sign(X[:, 0]).astype(int))
    assert reg.predict(X).min() < -0.5
    assert reg.score(X, np.sign(X[:, 0])) > 0.5


@ignore_unlabelled
def test_an_encoder_that_sees_y_sees_whether_there_is_one(data):
    """The mean of y is zero in its units, and so is nothing; the encoder tells them apart."""
    X, M, y = data
    y = np.r_[np.nan, np.zeros(1), y[2:] - y[2:].mean()]
    y[1] = 0.0
    reg = CMMDRegressor(**QUICK | {"objective": Objective(label_in_encoder=True)})
    reg.fit(X, y, X_missing=M)
    encoder = reg.module_.encoder
    x, m, has = torch.zeros(2, 3), torch.zeros(2, 4), torch.ones(2, 1)
    y, known = torch.zeros(2, 1), torch.tensor([[0.0], [1.0]])
    a, b = encoder(x, m, has, torch.cat([y, known], 1)).loc
    assert not torch.equal(a, b)


def test_a_weight_of_two_is_the_row_twice(data):
    """In the statistics of y, and so in predictions of networks that have not learned yet."""
    X, _, y = data
    weight = np.where(np.arange(200) < 100, 2.0, 1.0)
    reg = CMMDRegressor(**QUICK | {"learning_rate": 1e-12, "max_epochs": 1})
    weighted = clone(reg).fit(X, y, sample_weight=weight).predict(X, return_std=True)
    twice = clone(reg).fit(np.r_[X, X[:100]], np.r_[y, y[:100]]).predict(X, return_std=True)
    np.testing.assert_allclose(weighted, twice, rtol=1e-6)
    left_out = clone(reg).fit(X, np.where(weight == 2, 1e9, y), sample_weight=weight == 1)
    np.testing.assert_allclose(
        left_out.predict(X), clone(reg).fit(X[100:], y[100:]).predict(X), atol=1e-6
    )


class TestGoingOn:
    def test_partial_fit_keeps_the_units_of_the_first_call(self, data):
        X, M, y = data
        reg = CMMDRegressor(**SMALL)
        for _ in range(60):
            reg.partial_fit(X[:100], y[:100], X_missing=M[:100])
        assert reg.score(X[100:], y[100:]) > 0.4
        reg.partial_fit(X[:5], 1e3 * y[:5], X_missing=M[:5])
        assert np.abs(reg.predict(X)).max() < 100

    @ignore_unlabelled
    def test_later_rows_may_lack_targets(self, data):
        X, M, y = data
        reg = CMMDRegressor(**SMALL).partial_fit(X, y, X_missing=M)
        reg.partial_fit(X, np.full(200, np.nan), X_missing=M)
        assert reg.history_["train_classification"][-1] == 0
        with pytest.raises(ValueError, match="no row has a target"):
            CMMDRegressor(**SMALL).partial_fit(X, np.full(200, np.nan), X_missing=M)

    def test_warm_start(self, data):
        X, M, y = data
        reg = CMMDRegressor(**QUICK, warm_start=True).fit(X, y, X_missing=M)
        before = reg.history_["train_classification"][-1]
        reg.fit(X, y, X_missing=M)
        assert reg.n_iter_ == 20
        assert reg.history_["train_classification"][-1] < before
        with pytest.raises(ValueError, match="y has 2 numbers a row, but in the first fit it had"):
            reg.fit(X, np.c_[y, y], X_missing=M)

    def test_from_a_transformer_and_from_a_regressor(self, data):
        X, M, y = data
        stage = CMMDTransformer(**QUICK).fit(X, X_missing=M)
        still = CMMDRegressor(**QUICK | {"learning_rate": 1e-12, "max_epochs": 1})
        reg = clone(still).fit(X, y, X_missing=M, init_from=stage)
        np.testing.assert_allclose(reg.transform(X), stage.transform(X), atol=1e-5)
        first = CMMDRegressor(**QUICK).fit(X, y, X_missing=M)
        other = clone(still).fit(X[:50], 10 * y[:50], X_missing=M[:50], init_from=first)
        np.testing.assert_allclose(other.predict(X), first.predict(X), atol=1e-5)

    @pytest.mark.parametrize("labels", [lambda y: y > 0, lambda y: np.c_[y, y]])
    def test_not_from_other_targets(self, data, labels):
        X, M, y = data
        kind = CMMDClassifier if labels(y).dtype == bool else CMMDRegressor
        first = kind(**QUICK).fit(X, labels(y), X_missing=M)
        with pytest.raises(ValueError, match="are not those of y"):
            CMMDRegressor(**QUICK).fit(X, y, X_missing=M, init_from=first)

    def test_checkpoint_and_pickle(self, data, fitted, tmp_path):
        X, M, y = data
        kept = CMMDRegressor(**QUICK, checkpoint_dir=tmp_path).fit(X, y, X_missing=M)
        loaded = pickle.loads(pickle.dumps(kept))
        np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


class TestTools:
    def test_searches_and_cross_validation(self, data):
        X, _, y = data
        reg = CMMDRegressor(**QUICK)
        search = GridSearchCV(reg, {"latent_dim": [2, 8], "objective__kernel": ["imq"]}, cv=2)
        assert search.fit(X, y).best_estimator_.predict(X).shape == (200,)
        assert cross_val_predict(reg, X, y, cv=2).shape == (200,)

    def test_splits_by_rows_with_a_target(self, data):
        X, _, y = data
        some = np.where(np.arange(200) % 2, np.nan, y)
        for train, test in SemiSupervisedSplit(KFold(2)).split(X, some):
            assert not np.isnan(some[test]).any()
            assert np.isnan(some[train]).sum() == 100
        assert SemiSupervisedSplit(3).get_n_splits(X, np.c_[some, some]) == 3

    @ignore_unlabelled
    def test_rows_to_score_have_a_target(self, data, fitted, no_training):
        X, _, y = data
        some = np.where(np.arange(200) % 2, np.nan, y)
        with pytest.raises(ValueError, match="Some rows to score have no target"):
            cross_val_score(CMMDRegressor(**QUICK), X, some, cv=2, error_score="raise")
        with pytest.raises(ValueError, match="Some rows to score have no target"):
            fitted.score(X, some)

    @ignore_unlabelled
    def test_a_search_over_rows_some_of_which_have_no_target(self, data):
        X, _, y = data
        some = np.where(np.arange(200) % 2, np.nan, y)
        cv = SemiSupervisedSplit(2)
        assert np.isfinite(cross_val_score(CMMDRegressor(**QUICK), X, some, cv=cv)).all()

    def test_within_meta_estimators(self, data):
        X, _, y = data
        assert MultiOutputRegressor(CMMDRegressor(**QUICK)).fit(X, np.c_[y, y]).predict(
            X
        ).shape == (200, 2)
        of_logs = TransformedTargetRegressor(
            CMMDRegressor(**QUICK), func=np.log, inverse_func=np.exp
        )
        assert (of_logs.fit(X, np.exp(y)).predict(X) > 0).all()

    def test_scoring_callbacks(self, data):
        X, _, y = data
        callback = EpochScoring("r2", lower_is_better=False, name="r2")
        CMMDRegressor(**SMALL, callbacks=[callback], early_stopping=True).fit(X, y)
        assert callback.best_score_ > 0.3


def test_early_stopping_watches_the_loss_of_y(data):
    X, M, y = data
    reg = CMMDRegressor(**SMALL | {"max_epochs": 40}, early_stopping=True).fit(X, y, X_missing=M)
    assert reg.best_validation_score_ == -min(reg.history_["valid_classification"])


def test_rows_without_x_m(data):
    X, M, y = data
    M = np.where(np.arange(200)[:, None] < 50, np.nan, M)
    reg = CMMDRegressor(**QUICK).fit(X, y, X_missing=M)
    assert reg.generate_missing(X, n_samples=3, random_state=0).shape == (200, 3, 4)


def test_class_weight_is_for_classes():
    with pytest.raises(TypeError, match="CMMDRegressor has no parameter 'class_weight'"):
        CMMDRegressor(class_weight="balanced")
    assert "class_weight" not in CMMDRegressor.__doc__
    assert "class_weight" in CMMDTransformer(class_weight="balanced").get_params()


N = 20
NAN = np.full(N, np.nan)
BAD = {
    "none": (None, ValueError, "requires y to be passed, but the target y is None"),
    "no target": (NAN, ValueError, r"no row has a target.*fit a CMMDTransformer"),
    "infinite": (np.r_[NAN[1:], np.inf], ValueError, "contains infinity"),
    "strings": (["a", "b"] * 10, TypeError, r"y must hold numbers.*'a'.*CMMDClassifier"),
    "digits as strings": (["1", "2"] * 10, TypeError, r"y must hold numbers.*'1'"),
    "objects": (np.array([{}] * N, dtype=object), TypeError, "y must hold numbers"),
    "times": (np.arange(N).astype("timedelta64[s]"), TypeError, "y must hold numbers"),
    "complex": (np.ones(N) * 1j, TypeError, "y must hold numbers"),
    "in part": (np.c_[NAN, np.ones(N)], ValueError, "Row 0 of y lacks some"),
    "no columns": (np.zeros((N, 0)), ValueError, "y must have one number for each row"),
    "three axes": (np.zeros((N, 2, 2)), ValueError, "y must have one number for each row"),
    "one number": (3.0, ValueError, "y must have one number.*Got 3.0"),
    "other rows": (np.zeros(N - 1), ValueError, "y"),
    "far apart": (np.r_[1e300, -1e300, np.zeros(N - 2)], ValueError, "exceeds the range"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_y(case, no_training, small):
    y, error, message = BAD[case]
    with pytest.raises(error, match=message):
        CMMDRegressor(**small).fit(np.random.RandomState(0).normal(size=(N, 2)), y)


@ignore_unlabelled
def test_bad_calls(data, fitted, no_training, small):
    X, _, y = data
    reg = CMMDRegressor(**small)
    with pytest.raises(ValueError, match="A regressor has no classes"):
        reg.partial_fit(X, y, classes=[0, 1])
    some = np.where(np.arange(200) < 100, y, np.nan)
    with pytest.raises(ValueError, match="No row of positive weight has a target"):
        reg.fit(X, some, sample_weight=np.repeat([0, 1], 100))
    with pytest.raises(ValueError, match="numbers, take CMMDRegressor"):
        CMMDClassifier(**small).fit(X, y)
    with pytest.raises(ValueError, match="score compares predictions with y"):
        fitted.score(X, None)
    with pytest.raises(ValueError, match="y has 2 numbers a row"):
        fitted.score(X, np.c_[y, y])


def test_numbers_that_float32_does_not_tell_apart():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    y = 10 * X[:, 0].astype(float)
    near = CMMDRegressor(**SMALL | {"max_epochs": 60}).fit(X, y)
    far = CMMDRegressor(**SMALL | {"max_epochs": 60}).fit(X, y + 1.7e9)
    assert near.predict(X).dtype == np.float32
    assert far.predict(X).dtype == np.float64
    np.testing.assert_allclose(far.predict(X) - 1.7e9, near.predict(X), atol=0.01)
