"""CMMDTransformer with labels and without."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
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
