"""Judges of generated views and of embeddings."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.metrics import generation_coherence, linear_probe

N = 60
RNG = np.random.default_rng(0)
Y = np.arange(N) % 3
REAL = np.eye(3)[Y] + RNG.normal(0, 0.1, size=(N, 3))
JUDGE = KNeighborsClassifier(1).fit(np.eye(3), [0, 1, 2])


def with_right(share):
    """Return views that the judge takes for the right class in this share of the rows."""
    classes = np.where(np.arange(N) < share * N, Y, (Y + 1) % 3)
    return np.eye(3)[classes]


def test_coherence_is_the_judges_accuracy():
    found = generation_coherence(JUDGE, REAL, with_right(0.7), Y)
    assert found.generated == pytest.approx(0.7)
    assert found.real == 1


def test_draws_are_averaged():
    draws = np.stack([with_right(share) for share in (0.5, 0.9, 1.0)], axis=1)
    assert generation_coherence(JUDGE, REAL, draws, Y).generated == pytest.approx(0.8)


def test_rows_without_the_view_or_a_label_do_not_count():
    real, y = REAL.copy(), Y.copy()
    real[42:] = np.nan  # the judge is wrong about these
    assert generation_coherence(JUDGE, real, with_right(0.7), Y) == (1, 1)
    y[42:] = -1
    assert generation_coherence(JUDGE, REAL, with_right(0.7), y) == (1, 1)
    with pytest.raises(ValueError, match="No row has both a label and X_missing"):
        generation_coherence(JUDGE, real[42:], real[42:], Y[42:])


def test_weights():
    weight = np.where(np.arange(N) < 42, 1, 0)
    found = generation_coherence(JUDGE, REAL, with_right(0.7), Y, sample_weight=weight)
    assert found.generated == 1


def test_a_judge_for_each_modality():
    true, made = {"a": REAL, "b": REAL}, {"a": with_right(1), "b": with_right(0.5)}
    judges = {"a": JUDGE, "b": DummyClassifier(strategy="constant", constant=0).fit(REAL, Y)}
    found = generation_coherence(judges, true, made, Y)
    assert found == {"a": (1, 1), "b": (1 / 3, 1 / 3)}
    with pytest.raises(ValueError, match="judge must be a mapping with the keys of X_missing"):
        generation_coherence(JUDGE, true, made, Y)


def test_images_are_passed_flat():
    judge = KNeighborsClassifier(1).fit(np.eye(4)[:3], [0, 1, 2])
    images, made = (np.c_[each, np.zeros(N)].reshape(N, 2, 2) for each in (REAL, with_right(0.7)))
    assert generation_coherence(judge, images, made, Y).generated == pytest.approx(0.7)
    draws = np.stack([made, images], axis=1)
    assert generation_coherence(judge, images, draws, Y).generated == pytest.approx(0.85)


@pytest.mark.filterwarnings("error")
def test_views_of_an_estimator(digits, small):
    """Frames go to the judge with their names, draws of frames too."""
    X, M, y = digits
    frame = pd.DataFrame(M, columns=[f"m{i}" for i in range(6)])
    with pytest.warns(UserWarning, match="whole numbers"):
        clf = CMMDClassifier(**small).fit(X, y, X_missing=frame)
    judge = LogisticRegression(max_iter=5000).fit(frame, y)
    drawn = clf.generate_missing(X, n_samples=2, random_state=0, as_frame=True)
    for generated in (clf.generate_missing(X), drawn):
        found = generation_coherence(judge, frame, generated, y)
        assert found.real == judge.score(frame, y)
        assert 0.6 < found.generated <= 1


def test_the_probe_draws_rows_and_fits_a_linear_classifier():
    def center(y):
        return 6 * np.eye(4)[y]

    y, y_test = RNG.integers(0, 4, size=2000), RNG.integers(0, 4, size=300)
    z, z_test = (center(each) + RNG.normal(size=(len(each), 4)) for each in (y, y_test))
    assert linear_probe(z, y, z_test, y_test, random_state=0) > 0.97
    assert linear_probe(z, RNG.permutation(y), z_test, y_test, random_state=0) < 0.5
    rows = np.random.RandomState(0).permutation(2000)[:500]
    want = LogisticRegression(max_iter=1000).fit(z[rows], y[rows]).score(z_test, y_test)
    assert linear_probe(z, y, z_test, y_test, random_state=0) == want


def test_the_probe_leaves_out_what_has_no_label():
    marked = np.where(np.arange(N) % 2 == 0, Y, -1)
    found = linear_probe(REAL, marked, REAL, marked, n_rows=1000, classifier=JUDGE)
    even = slice(None, None, 2)
    assert found == linear_probe(REAL[even], Y[even], REAL[even], Y[even], classifier=JUDGE) == 1


def test_the_probe_says_what_is_wrong():
    with pytest.raises(ValueError, match="n_rows must be a positive int"):
        linear_probe(REAL, Y, REAL, Y, n_rows=0)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[3, 60\]"):
        linear_probe(REAL[:3], Y, REAL, Y)
