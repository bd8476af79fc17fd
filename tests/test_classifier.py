"""CMMDClassifier on data whose answers are known, in every form that data can have."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_cmmd import CMMDClassifier, Modality, Networks
from sklearn_cmmd.exceptions import SingletonClassWarning


def test_learns_labels_and_missing_view(split, small):
    X, M, y, X_test, M_test, y_test = split
    clf = CMMDClassifier(**small | {"max_epochs": 150}).fit(X, y, X_missing=M)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    assert clf.score(X_test, y_test) >= plain.score(X_test, y_test) - 0.03

    def rmse(generated):
        return np.sqrt((((generated - M_test) / M.std(axis=0)) ** 2).mean())

    ridge = make_pipeline(StandardScaler(), Ridge()).fit(X, M)
    assert rmse(clf.generate_missing(X_test)) < rmse(M.mean(axis=0))
    assert rmse(clf.generate_missing(X_test)) < 1.1 * rmse(ridge.predict(X_test))


def test_the_missing_view_matters_only_if_it_belongs_to_the_row(split, small):
    X, M, y, X_test, M_test, _ = split
    shuffled = np.random.RandomState(0).permutation(M)

    def error(missing):
        clf = CMMDClassifier(**small | {"max_epochs": 60}).fit(X, y, X_missing=missing)
        return ((clf.generate_missing(X_test) - M_test) ** 2 / M.var(axis=0)).mean()

    assert error(M) < 0.7 * error(shuffled)


@pytest.mark.slow
def test_linear_model_without_latent_noise_is_logistic_regression(split):
    """With linear networks and the classification loss alone, only a linear softmax is left."""
    X, _, y, X_test, _, _y_test = split
    clf = CMMDClassifier(
        hidden_layer_sizes=(),
        networks=Networks(classifier_hidden=()),
        omega=0,
        lam=0,
        alpha=1,
        dropout=0,
        weight_decay=0,
        learning_rate=0.05,
        max_epochs=500,
        batch_size=160,
        early_stopping=False,
        random_state=0,
    ).fit(X[:, :5], y)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=1e6, max_iter=10_000))
    plain.fit(X[:, :5], y)
    want, got = plain.predict_proba(X_test[:, :5]), clf.predict_proba(X_test[:, :5])
    assert log_loss(y, clf.predict_proba(X[:, :5])) == pytest.approx(
        log_loss(y, plain.predict_proba(X[:, :5])), rel=0.02
    )
    assert np.abs(want - got).max() < 0.1


def test_probabilities(split, small):
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    proba = clf.predict_proba(X_test)
    assert proba.shape == (80, 3)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-12)
    assert np.allclose(np.log(proba), clf.predict_log_proba(X_test))
    assert np.array_equal(clf.classes_[proba.argmax(axis=1)], clf.predict(X_test))


def test_log_probabilities_do_not_underflow(split, small):
    X, M, y, *_ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert np.isfinite(clf.predict_log_proba(1e6 * X)).all()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes", "maybe"]),
        np.array(["no", "yes", "maybe"], dtype=object),
        np.array([10, -3, 5]),
        np.array([0.0, 1.0, 2.0]),
    ],
    ids=["str", "object", "int", "float"],
)
def test_labels_of_any_type(split, small, labels):
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X, labels[y], X_missing=M)
    assert clf.classes_.tolist() == sorted(labels.tolist())
    assert set(clf.predict(X_test)) <= set(labels)
    plain = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert (clf.score(X, labels[y]) > 0.5) == (plain.score(X, y) > 0.5)


@pytest.mark.parametrize("labels", [[False, True], ["a", "b"], [1, 2]])
def test_binary(split, small, labels):
    X, M, y, *_ = split
    y = np.array(labels)[(y == 2).astype(int)]
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert clf.predict_proba(X).shape == (160, 2)
    assert clf.score(X, y) > 0.8


def test_column_of_labels_is_warned_of(split, small):
    X, M, y, *_ = split
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        CMMDClassifier(**small | {"max_epochs": 1}).fit(X, y[:, None], X_missing=M)


@pytest.fixture(scope="module")
def several_labels():
    X, y = make_multilabel_classification(300, n_features=10, n_classes=4, random_state=0)
    y[:, 3] = 0  # a label that no row has
    return X, y


@pytest.mark.parametrize("convert", [sp.csr_matrix, pd.DataFrame, list])
def test_forms_of_several_labels(several_labels, small, convert):
    X, y = several_labels
    one, other = (
        CMMDClassifier(**small | {"max_epochs": 2}).fit(X, labels, X_missing=X[:, :3])
        for labels in (y, convert(y))
    )
    assert other.classes_.tolist() == [0, 1, 2, 3]
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))
    assert np.array_equal(one.predict(X), other.predict(X))


def test_multilabel(several_labels, small):
    X, y = several_labels
    params = small | {"max_epochs": 60, "early_stopping": False}
    clf = CMMDClassifier(**params).fit(X, y, X_missing=X[:, :3])
    proba, predicted = clf.predict_proba(X), clf.predict(X)
    assert proba.shape == predicted.shape == (300, 4)
    assert clf.classes_.tolist() == [0, 1, 2, 3]
    assert np.array_equal(predicted, proba > 0.5)
    assert (predicted == y).mean() > 0.85
    assert predicted[:, 3].sum() == 0
    assert np.allclose(np.log(proba), clf.predict_log_proba(X))
    assert 0 < clf.score(X, y) < 1


def test_units_beyond_float32(split, small):
    X, M, y, *_ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=1e40 * M)
    generated = clf.generate_missing(X.astype(np.float32))
    assert generated.dtype == np.float64
    assert np.isfinite(generated).all()


def test_units_of_the_missing_view(split, small):
    """A change of units changes what is generated by just that change."""
    X, M, y, X_test, _, _ = split
    plain = CMMDClassifier(**small).fit(X, y, X_missing=M).generate_missing(X_test)
    scaled = CMMDClassifier(**small).fit(1e3 * X + 7, y, X_missing=1e4 * M - 5)
    assert np.allclose(scaled.generate_missing(1e3 * X_test + 7), 1e4 * plain - 5, rtol=1e-3)


def test_precision_follows_the_input(split, small):
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X.astype(np.float32), y, X_missing=M.astype(np.float32))
    for method in (clf.predict_proba, clf.transform, clf.generate_missing):
        single, double = method(X_test.astype(np.float32)), method(X_test)
        assert single.dtype == np.float32
        assert double.dtype == np.float64
        assert np.allclose(single, double, rtol=1e-3, atol=1e-4)
    assert clf.transform(X_test.astype(int)).dtype == np.float64


def test_a_row_does_not_depend_on_the_rows_beside_it(split, small, monkeypatch):
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    for method in (clf.predict_proba, clf.transform, clf.generate_missing):
        alone = np.vstack([method(row[None]) for row in X_test])
        assert np.allclose(alone, method(X_test), rtol=1e-12, atol=1e-12)
    monkeypatch.setattr("sklearn_cmmd._inference.PREDICTION_ROWS", 7)
    assert np.allclose(clf.transform(X_test), method.__self__.transform(X_test), rtol=1e-12)


def test_weights_that_a_user_changes_are_those_that_predict(split, small):
    """Predictions of float64 rows keep a copy of the networks, until these change."""
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    before = clf.predict_proba(X_test)
    assert np.array_equal(clf.predict_proba(X_test), before)
    with torch.no_grad():
        clf.module_.classifier.head.layer.bias += 1 + torch.arange(3)
    after = clf.predict_proba(X_test)
    assert not np.allclose(after, before)
    single = clf.predict_proba(X_test.astype(np.float32))
    np.testing.assert_allclose(after, single, rtol=1e-3, atol=1e-5)


def test_without_x_missing(split, small):
    X, _, y, X_test, _, y_test = split
    clf = CMMDClassifier(**small).fit(X, y)
    assert clf.module_.decoder is None
    assert clf.missing_ == []
    assert clf.score(X_test, y_test) > 0.7


def test_weights_of_one_change_nothing(split, small):
    X, M, y, *_ = split
    plain = CMMDClassifier(**small).fit(X, y, X_missing=M)
    for weight in (np.ones(160), np.full(160, 3.5), 2):
        clf = CMMDClassifier(**small).fit(X, y, X_missing=M, sample_weight=weight)
        assert np.array_equal(clf.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_weight_of_zero_is_the_row_left_out(split, small, early_stopping):
    X, M, y, X_test, _, _ = split
    weight = np.random.RandomState(0).uniform(1, 2, size=160)
    weight[:60] = 0
    clf = CMMDClassifier(**small | {"early_stopping": early_stopping})
    weighted = clone(clf).fit(X, (y + (weight == 0)) % 3, X_missing=M, sample_weight=weight)
    without = clone(clf).fit(X[60:], y[60:], X_missing=M[60:], sample_weight=weight[60:])
    assert np.allclose(
        weighted.predict_proba(X_test), without.predict_proba(X_test), rtol=1e-3, atol=1e-5
    )


def test_all_rows_of_a_chunk_may_have_weight_zero(split, small, monkeypatch):
    monkeypatch.setattr("sklearn_cmmd.data.blocks.CHUNK_NUMBERS", 500)
    X, M, y, *_ = split
    weight = np.r_[np.zeros(40), np.ones(120)]
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, y, X_missing=M, sample_weight=weight)
    without = clone(clf).fit(X[40:], y[40:], X_missing=M[40:])
    np.testing.assert_allclose(clf.transform(X), without.transform(X), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_weight_of_two_is_the_row_twice():
    """In expectation over seeds: the prediction where one point has two labels."""
    X = np.repeat([[0.0], [1.0]], [60, 60], axis=0)
    y = np.r_[np.repeat([0, 1], [20, 40]), np.zeros(60, int)]
    twice = np.r_[np.arange(120), np.arange(20)]  # class 0 at X = 0 again
    weight = np.ones(120)
    weight[:20] = 2
    params = {
        "hidden_layer_sizes": (16,),
        "networks": Networks(classifier_hidden=()),
        "latent_dim": 2,
        "max_epochs": 60,
        "learning_rate": 0.03,
        "early_stopping": False,
        "dropout": 0.0,
    }

    def probabilities(rows, weight):
        values = [
            CMMDClassifier(**params, batch_size=len(rows), random_state=seed)
            .fit(X[rows], y[rows], sample_weight=weight)
            .predict_proba([[0.0]])[0, 0]
            for seed in range(6)
        ]
        return np.mean(values), np.std(values) / np.sqrt(len(values))

    by_weight, error = probabilities(np.arange(120), weight)
    by_rows, other_error = probabilities(twice, None)
    unweighted, _ = probabilities(np.arange(120), None)
    tolerance = 4 * np.hypot(error, other_error) + 0.01
    assert by_rows == pytest.approx(0.5, abs=0.05)
    assert abs(by_weight - by_rows) < tolerance
    assert abs(unweighted - by_rows) > tolerance


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_extreme_units(split, small, scale):
    X, M, y, *_ = split
    X, M = X.copy(), M.copy()
    X[:, 0] *= scale
    M[:, 0] *= scale
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert np.isfinite(clf.generate_missing(X)).all()
    spread = clf.generate_missing(X)[:, 0].std() / M[:, 0].std()
    assert 0.3 < spread < 1.5


@pytest.mark.slow
def test_columns_that_hardly_ever_change_do_not_stop_the_training():
    """Pixels at the border of handwritten digits are zero in all but a few rows."""
    X, y = load_digits(return_X_y=True)
    top, bottom = X[:, :32], X[:, 32:]
    clf = CMMDClassifier(max_epochs=25, random_state=1)
    clf.fit(top[:1200], y[:1200], X_missing=bottom[:1200])
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    plain.fit(top[:1200], y[:1200])
    assert clf.score(top[1200:], y[1200:]) > plain.score(top[1200:], y[1200:])


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["column", "row"])
def test_variance_of_the_draws(small, scale):
    """Noise that depends on the row is seen by a variance for each row alone."""
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(800, 1))
    M = np.where(X > 0.5, 2.0, 0.2) * rng.normal(size=(800, 1))
    clf = CMMDClassifier(missing=[Modality("m", scale=scale)], **small | {"max_epochs": 30}).fit(
        X, (X[:, 0] > 0.5).astype(int), X_missing=M
    )
    spread = clf.generate_missing([[0.1], [0.9]], n_samples=2000, random_state=0).std(axis=1)
    ratio = float(spread[1, 0] / spread[0, 0])
    assert ratio > 5 if scale == "row" else 0.7 < ratio < 1.5


def test_constant_columns(split, small):
    X, M, y, *_ = split
    X, M = np.c_[X, np.full(160, 3.0)], np.c_[M, np.full(160, -1e30)]
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert np.allclose(clf.generate_missing(X)[:, -1], -1e30)
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_rows_repeated_a_thousand_times(small):
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 1000, axis=0)
    y = np.repeat([0, 1], 1000)
    clf = CMMDClassifier(**small | {"max_epochs": 5}).fit(X, y, X_missing=2 * X + 0.5)
    assert clf.score(X, y) == 1
    assert np.allclose(clf.generate_missing(X), 2 * X + 0.5, atol=0.3)


def test_two_rows(small):
    clf = CMMDClassifier(**small).fit([[0.0], [1.0]], [0, 1], X_missing=[[1.0], [2.0]])
    assert np.isfinite(clf.predict_proba([[0.5]])).all()


def test_predictions_from_several_threads(split, small):
    X, M, y, X_test, _, _ = split
    clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
    want = clf.predict_proba(X_test)
    found = Parallel(n_jobs=4, backend="threading")(
        delayed(clf.predict_proba)(X_test) for _ in range(40)
    )
    assert all(np.array_equal(proba, want) for proba in found)


class Enough(Callback):
    """Ends the training after its first epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_budget_depends_on_the_rows():
    # 1, 2, 5, 11 and 180 batches, a tenth of the rows being held out from 500 on
    for n_rows, epochs in ((10, 500), (160, 250), (499, 200), (1200, 182), (20_000, 12)):
        X, y = np.random.RandomState(0).normal(size=(n_rows, 2)), np.arange(n_rows) % 2
        clf = CMMDClassifier(callbacks=[Enough()], hidden_layer_sizes=(8,)).fit(X, y)
        assert (clf.max_epochs_, clf.n_iter_) == (epochs, 1)
        assert clf.batch_size_ == min(n_rows, 100)
    clf = CMMDClassifier(hidden_layer_sizes=(8,)).partial_fit(X, y, classes=[0, 1])
    assert (clf.max_epochs_, clf.n_iter_) == (1, 1)


def test_early_stopping_comes_by_itself_with_enough_rows(small):
    rng = np.random.RandomState(0)
    for n_rows, stops in ((499, False), (500, True)):
        X = rng.normal(size=(n_rows, 2))
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, X[:, 0] > 0)
        assert ("valid_loss" in clf.history_) == stops == clf.early_stopping_
        assert (clf.best_validation_score_ is None) == (not stops)


def test_rare_classes_do_not_hinder_early_stopping(small):
    X = np.random.RandomState(0).normal(size=(40, 2))
    y = np.r_[np.zeros(39, int), 1]
    with pytest.warns(SingletonClassWarning, match="1 of the 2 classes have one row only"):
        clf = CMMDClassifier(**small | {"early_stopping": True}).fit(X, y)
    assert clf.predict_proba(X).shape == (40, 2)


def test_no_warnings(split, small):
    X, M, y, *_ = split
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        missing = [Modality("m", likelihood="gaussian")]
        clf = CMMDClassifier(missing=missing, **small | {"max_epochs": 2}).fit(X, y, X_missing=M)
        clf.predict(X)
        clf.generate_missing(X, n_samples=2)
