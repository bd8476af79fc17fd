"""Two stages: networks that learned without labels start a classifier."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDTransformer, Modality, Networks
from sklearn_cmmd.datasets import load_multiple_features


@pytest.fixture(scope="module")
def stage(digits):
    X, M, _ = digits
    return CMMDTransformer(random_state=1, **PARAMS).fit(X, X_missing=M)


PARAMS = {
    "hidden_layer_sizes": (32,),
    "latent_dim": 8,
    "max_epochs": 15,
}


def first_layer(estimator):
    return estimator.module_.encoder.features.bodies[-1].layers[0].weight


def test_training_starts_from_the_networks_and_scales_of_the_first_stage(digits, stage):
    """An update that is too small to be seen leaves what was taken over."""
    X, M, y = digits
    clf = CMMDClassifier(random_state=2, **PARAMS | {"max_epochs": 1, "learning_rate": 1e-30})
    clf.fit(X[:100], y[:100], X_missing=M[:100], init_from=stage)
    assert np.array_equal(clf.transform(X), stage.transform(X))
    np.testing.assert_array_equal(clf.generate_missing(X), stage.generate_missing(X))
    n_columns = X.shape[1] + M.shape[1] + 1
    assert torch.equal(first_layer(clf)[:, :n_columns], first_layer(stage))
    labels = first_layer(clf)[:, n_columns:]
    assert labels.shape == (32, len(clf.classes_))
    assert labels.std() > 0.1
    assert clf.observed_[0] is stage.observed_[0]


def test_the_first_stage_is_left_alone(digits, stage):
    X, M, y = digits
    before = [parameter.clone() for parameter in stage.module_.parameters()]
    CMMDClassifier(random_state=2, **PARAMS).fit(X, y, X_missing=M, init_from=stage)
    for one, other in zip(before, stage.module_.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_classifier_starts_a_classifier(digits):
    """The same classes: the classifier's weights are taken over too."""
    X, M, y = digits
    first = CMMDClassifier(random_state=1, **PARAMS).fit(X, y, X_missing=M)
    second = CMMDClassifier(random_state=2, **PARAMS | {"max_epochs": 1, "learning_rate": 1e-30})
    second.fit(X, y, X_missing=M, init_from=first)
    assert np.array_equal(second.predict_proba(X), first.predict_proba(X))


def test_a_classifier_may_start_from_itself(digits):
    X, M, y = digits
    clf = CMMDClassifier(random_state=1, **PARAMS).fit(X, y, X_missing=M)
    before = clf.predict_proba(X)
    clf.set_params(max_epochs=1, learning_rate=1e-30).fit(X, y, X_missing=M, init_from=clf)
    assert np.array_equal(clf.predict_proba(X), before)


def test_another_classifier_on_top_starts_at_random(digits):
    X, M, y = digits
    first = CMMDClassifier(random_state=1, **PARAMS).fit(X, y, X_missing=M)
    second = CMMDClassifier(
        networks=Networks(classifier_hidden=(50, 20)),
        **PARAMS | {"max_epochs": 1, "learning_rate": 1e-30},
    )
    second.fit(X, y, X_missing=M, init_from=first)
    assert np.array_equal(second.transform(X), first.transform(X))
    assert second.predict_proba(X).shape == (len(y), 3)


@pytest.mark.slow
def test_what_the_pairs_taught_is_not_lost():
    """Ten labels a class of real digits: the first stage has seen 1,500 pairs without labels."""
    bunch = load_multiple_features(observed="zernike", missing="pixels")
    rows = np.random.RandomState(0).permutation(len(bunch.target))
    X, M, y = bunch.data[rows], bunch.data_missing[rows], bunch.target[rows]
    few = np.concatenate([np.flatnonzero(y[:1500] == c)[:10] for c in range(10)])
    params = {"random_state": 0, "early_stopping": False}
    stage = CMMDTransformer(**params, max_epochs=15).fit(X[:1500], X_missing=M[:1500])
    second = CMMDClassifier(**params, max_epochs=30)
    alone = clone(second).fit(X[few], y[few], X_missing=M[few])
    started = clone(second).fit(X[few], y[few], X_missing=M[few], init_from=stage)

    def rmse(model):
        return root_mean_squared_error(M[1500:], model.generate_missing(X[1500:]))

    assert rmse(started) < 0.95 * rmse(alone)


def test_in_a_search_and_a_pipeline(digits, stage):
    X, M, y = digits
    clf = CMMDClassifier(random_state=0, **PARAMS | {"max_epochs": 2})
    search = GridSearchCV(clf, {"omega": [0.1, 0.9]}, cv=2, error_score="raise")
    search.fit(X, y, X_missing=M, init_from=stage)
    assert search.best_estimator_.observed_[0] is stage.observed_[0]
    pipe = make_pipeline(StandardScaler(), clone(clf))
    with_stage = pipe.fit(X, y, cmmdclassifier__X_missing=M, cmmdclassifier__init_from=stage)
    assert with_stage.predict(X).shape == y.shape


@pytest.mark.parametrize(
    ("start", "params", "error", "message"),
    [
        (LogisticRegression(), {}, TypeError, "must be a fitted CMMDTransformer"),
        (CMMDEnsemble(), {}, TypeError, "must be a fitted CMMDTransformer"),
        (CMMDTransformer(), {}, NotFittedError, "is not fitted yet"),
        (None, {"latent_dim": 9}, ValueError, r"other networks: \['latent_dim'\] differ"),
        (
            None,
            {"networks__prior_hidden": (16,)},
            ValueError,
            r"\['prior_hidden'\] differ. Give both",
        ),
        (None, {"networks__activation": "relu"}, ValueError, r"\['activation'\] differ"),
    ],
)
def test_what_cannot_be_a_start(digits, stage, start, params, error, message, no_training):
    X, M, y = digits
    clf = CMMDClassifier(**PARAMS).set_params(**params)
    with pytest.raises(error, match=message):
        clf.fit(X, y, X_missing=M, init_from=start or stage)
    assert not hasattr(clf, "module_")


def test_other_data_cannot_be_taken_over(digits, stage, no_training):
    X, M, y = digits
    clf = CMMDClassifier(**PARAMS)
    with pytest.raises(ValueError, match="X has 46 features, but CMMDClassifier is expecting 47"):
        clf.fit(X[:, 1:], y, X_missing=M, init_from=stage)
    with pytest.raises(ValueError, match="first fitted with X_missing"):
        clf.fit(X, y, init_from=stage)


@pytest.mark.parametrize("other", [lambda y: y + 1, lambda y: y > 0])
def test_other_labels_cannot_be_taken_over(digits, other):
    X, M, y = digits
    first = CMMDClassifier(random_state=1, **PARAMS | {"max_epochs": 1}).fit(X, y, X_missing=M)
    second = CMMDTransformer(random_state=1, **PARAMS | {"max_epochs": 1})
    second.fit(X, y, X_missing=M)
    before = second.transform(X)
    with pytest.raises(ValueError, match=r"fitted with the labels \[0, 1, 2\], which are not"):
        second.fit(X, other(y), X_missing=M, init_from=first)
    with pytest.raises(ValueError, match="with the same labels, or without any"):
        second.fit(X, X_missing=M, init_from=first)
    assert np.array_equal(second.transform(X), before)


def test_other_modalities_cannot_be_taken_over(digits, stage, no_training):
    X, M, y = digits
    clf = CMMDClassifier(missing=[Modality("X_missing", likelihood="laplace")], **PARAMS)
    with pytest.raises(ValueError, match="other modalities: missing= differs"):
        clf.fit(X, y, X_missing=M, init_from=stage)


def test_modalities_may_be_described_again(digits):
    X, M, y = digits
    described = {"missing": [Modality("m", likelihood="laplace", columns=np.arange(6))]}
    params = PARAMS | described | {"max_epochs": 1}
    stage = CMMDTransformer(**params).fit(X, X_missing=M)
    clf = clone(CMMDClassifier(**params)).fit(X, y, X_missing=M, init_from=stage)
    assert clf.missing_[0].likelihood == "laplace"


def test_warm_start_has_networks_of_its_own(digits, stage):
    X, M, y = digits
    clf = CMMDClassifier(warm_start=True, **PARAMS | {"max_epochs": 1}).fit(X, y, X_missing=M)
    with pytest.raises(ValueError, match="goes on from the estimator's own networks"):
        clf.fit(X, y, X_missing=M, init_from=stage)
