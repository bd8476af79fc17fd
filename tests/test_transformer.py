"""CMMDTransformer with labels and without."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDTransformer


def test_with_labels_it_is_the_classifier(digits, small):
    X, M, y = digits
    transformer = CMMDTransformer(**small).fit(X, y, X_missing=M)
    classifier = CMMDClassifier(**small).fit(X, y, X_missing=M)
    assert np.array_equal(transformer.transform(X), classifier.transform(X))
    assert np.array_equal(transformer.generate_missing(X), classifier.generate_missing(X))
    assert not hasattr(transformer, "predict")


def test_without_labels_neither_classifier_nor_label_in_the_encoder(digits, small):
    X, M, _ = digits
    transformer = CMMDTransformer(**small).fit(X, X_missing=M)
    assert transformer.module_.classifier is None
    assert (
        transformer.module_.encoder.features.bodies[0].layers[0].in_features == 47 + 6 + 1
    )  # and the mask
    assert "train_classification" not in transformer.history_
    assert not hasattr(transformer, "classes_")


def test_unsupervised_embedding_tells_of_the_missing_view(digits, small):
    """A linear model on the embedding predicts x_M; on an embedding of shuffled pairs it cannot."""
    X, M, _ = digits
    params = small | {"max_epochs": 60, "latent_dim": 2}

    def explained(missing):
        z = CMMDTransformer(**params).fit_transform(X[:160], X_missing=missing)
        design = np.c_[z, np.ones(160)]
        coef = np.linalg.lstsq(design, M[:160], rcond=None)[0]
        return 1 - ((design @ coef - M[:160]) ** 2).mean() / M[:160].var(axis=0).mean()

    assert explained(M[:160]) > explained(np.random.RandomState(0).permutation(M[:160]))


def test_set_output(digits, small):
    X, M, _y = digits
    frame = pd.DataFrame(X, index=np.arange(240) + 5)
    transformer = CMMDTransformer(**small).set_output(transform="pandas")
    z = transformer.fit(frame, X_missing=M).transform(frame)
    assert z.columns.tolist() == [f"cmmdtransformer{i}" for i in range(8)]
    assert z.index.equals(frame.index)


def test_pipeline_of_three(digits, small):
    X, M, y = digits
    pipe = make_pipeline(StandardScaler(), CMMDTransformer(**small), LogisticRegression())
    pipe.fit(X[:160], y[:160], cmmdtransformer__X_missing=M[:160])
    assert pipe.score(X[160:], y[160:]) > 0.8
    generated = pipe[1].generate_missing(pipe[:1].transform(X[160:]))
    assert generated.shape == (80, 6)


@pytest.mark.parametrize("labelled", [True, False])
def test_partial_fit(digits, small, labelled):
    X, M, y = digits
    transformer = CMMDTransformer(**small)
    for rows in np.array_split(np.arange(240), 6):
        transformer.partial_fit(X[rows], y[rows] if labelled else None, X_missing=M[rows])
    assert transformer.n_iter_ == 6
    assert transformer.transform(X).shape == (240, 8)


def test_score_is_a_density_in_the_units_of_the_data(digits, small):
    X, M, y = digits
    transformer = CMMDTransformer(**small).fit(X[:160], y[:160], X_missing=M[:160])
    other = CMMDTransformer(**small).fit(X[:160], y[:160], X_missing=1000 * M[:160])
    found = transformer.score(X[160:], y[160:], X_missing=M[160:])
    shifted = other.score(X[160:], y[160:], X_missing=1000 * M[160:])
    assert shifted == pytest.approx(found - M.shape[1] * np.log(1000), abs=1e-3)


def test_score_tells_trained_from_untrained_and_pairs_from_mispaired(digits, small):
    X, M, y = digits
    test = {"X": X[160:], "y": y[160:], "X_missing": M[160:]}
    trained = CMMDTransformer(**small | {"max_epochs": 60})
    trained.fit(X[:160], y[:160], X_missing=M[:160])
    hardly = CMMDTransformer(**small | {"max_epochs": 1}).fit(X[:160], y[:160], X_missing=M[:160])
    assert trained.score(**test) > hardly.score(**test) + 1
    assert trained.score(**test) > trained.score(**test | {"X_missing": M[160:][::-1]}) + 1
    assert trained.score(**test) == trained.score(**test)


def test_score_of_what_is_given(digits, small):
    """Weights are repetitions, gaps count nothing, and y is ignored where none was learned."""
    X, M, y = digits
    fitted = CMMDTransformer(**small | {"max_epochs": 60}).fit(X, y, X_missing=M)
    by_label = fitted.score(X, y)
    assert np.log(1 / 3) < by_label < 0
    gaps = np.where(np.arange(240)[:, None] < 239, np.nan, M)
    one = M[239:]
    shares = fitted.score(X[239:], y[239:], X_missing=one) - fitted.score(X[239:], y[239:])
    mixed = fitted.score(X, y, X_missing=gaps)
    assert mixed == pytest.approx(by_label + shares / 240, abs=0.05)
    weight = np.zeros(240)
    weight[:7] = 3
    assert fitted.score(X, y, X_missing=M, sample_weight=weight) == pytest.approx(
        fitted.score(X[:7], y[:7], X_missing=M[:7]), abs=1e-4
    )
    unlabelled = CMMDTransformer(**small).fit(X, X_missing=M)
    assert unlabelled.score(X, y, X_missing=M) == unlabelled.score(X, X_missing=M)


def test_score_needs_something_to_compare_with(digits, small):
    X, M, y = digits
    unlabelled = CMMDTransformer(**small).fit(X, X_missing=M)
    for args in ((X,), (X, y)):
        with pytest.raises(
            ValueError, match=r"got no row of either. .*enable_metadata_routing=True"
        ):
            unlabelled.score(*args)
    with pytest.raises(ValueError, match="was first fitted without X_missing"):
        CMMDTransformer(**small).fit(X, y).score(X, X_missing=M)


def test_search_by_the_score(digits, small):
    X, M, y = digits
    transformer = CMMDTransformer(**small)
    search = GridSearchCV(transformer, {"latent_dim": [1, 8]}, cv=2, error_score="raise")
    search.fit(X, y, X_missing=M)  # by log p(y | x_O)
    with config_context(enable_metadata_routing=True):
        search.fit(X, X_missing=M)
    scores = [
        np.mean(
            [
                CMMDTransformer(**small | {"latent_dim": dim})
                .fit(X[train], X_missing=M[train])
                .score(X[test], X_missing=M[test])
                for train, test in KFold(2).split(X)
            ]
        )
        for dim in (1, 8)
    ]
    assert search.cv_results_["mean_test_score"].tolist() == pytest.approx(scores)


def test_search_without_anything_to_score_ends_before_training(digits, small, no_training):
    X, M, _ = digits
    search = GridSearchCV(CMMDTransformer(**small), {"latent_dim": [1, 8]}, cv=2)
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        search.fit(X, X_missing=M)


def test_score_without_the_labels_of_the_fit(split, small):
    X, M, y = split[:3]
    model = CMMDTransformer(**small).fit(X, y, X_missing=M)
    expected = model.score(X, np.full(len(y), -1), X_missing=M)
    assert model.score(X, X_missing=M) == pytest.approx(expected)
