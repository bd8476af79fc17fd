"""What "auto" comes to, and when."""

import numpy as np
import pytest

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.data.rows import read_fit_data
from sklearn_cmmd.plan import resolve

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.CMMDWarning")


def plan(
    n_labelled, n_unlabelled, with_missing=True, partial=False, weight=None, n_classes=2, **params
):
    classes = list(range(n_classes))
    rng = np.random.default_rng(0)
    n = n_labelled + n_unlabelled
    X, M = rng.normal(size=(n, 4)), rng.normal(size=(n, 3))
    y = np.where(np.arange(n) < n_labelled, np.arange(n) % n_classes, -1)
    clf = CMMDClassifier().set_params(**params)
    data = read_fit_data(clf, X, y, M if with_missing else None, weight, classes=classes)
    return resolve(clf, data, "partial_fit" if partial else "fit", classes=classes)


def settings(found):
    return found.schedule.dropout, found.loss.label_smoothing


@pytest.mark.parametrize(
    ("n_labelled", "n_unlabelled", "expected"),
    [
        (50, 0, (0.3, 0.1)),  # every row has a label
        (200, 1000, (0.5, 0.0)),  # few
        (300, 1000, (0.4, 0.05)),  # half-way
        (400, 1000, (0.3, 0.1)),  # not few
        (200, 100, (0.4, 0.05)),  # half as many without
    ],
)
def test_few_labels_by_degree(n_labelled, n_unlabelled, expected):
    assert settings(plan(n_labelled, n_unlabelled)) == pytest.approx(expected)


@pytest.mark.parametrize("n_labelled", [30, 150, 250, 299, 300, 350])
def test_one_row_more_or_less_without_a_label_changes_little(n_labelled):
    """Nowhere a step: neither at the first row without a label, nor at any number of labels."""
    for n_unlabelled in (0, 1, 10, n_labelled, 1000):
        here = settings(plan(n_labelled, n_unlabelled))
        beside = [
            settings(plan(n_labelled, n_unlabelled + 1)),
            settings(plan(n_labelled - 1, n_unlabelled + 1)),
        ]
        for other in beside:
            assert np.abs(np.subtract(here, other)).max() <= 0.2 / 15


def test_numbers_of_the_rule_can_be_set():
    assert settings(plan(60, 200, objective__few_labels=60)) == pytest.approx((0.4, 0.05))
    assert settings(plan(60, 200, objective__few_labels=0)) == (0.3, 0.1)
    assert settings(plan(60, 200, dropout=0.1, objective__label_smoothing=0.2)) == (0.1, 0.2)


def test_the_encoder_sees_labels_if_every_row_has_one():
    assert plan(50, 0).architecture.label_in_encoder
    assert not plan(50, 1).architecture.label_in_encoder
    assert plan(50, 1, with_missing=False).architecture.label_in_encoder
    forced = plan(50, 1, objective__label_in_encoder=True)
    assert forced.architecture.label_in_encoder


@pytest.mark.parametrize("n_unlabelled", [0, 40])
def test_the_first_chunk_of_a_stream_decides_nothing(n_unlabelled):
    found = plan(50, n_unlabelled, partial=True)
    assert settings(found) == (0.3, 0.1)
    assert not found.architecture.label_in_encoder
    assert found.loss.scale_prior == 0
    assert found.schedule.max_epochs == 1


def test_order_of_chunks_does_not_decide_whether_there_is_a_teacher(digits, small):
    X, M, y = digits
    few = np.where(np.arange(len(y)) % 3, -1, y)
    fits = [CMMDClassifier(**small), CMMDClassifier(**small)]
    for clf, chunks in zip(fits, [(y, few), (few, y)], strict=True):
        for chunk in chunks:
            clf.partial_fit(X, chunk, X_missing=M, classes=[0, 1, 2])
    one, other = fits
    assert one.module_.architecture == other.module_.architecture
    assert "train_distillation" in one.history_
    assert list(one.history_) == list(other.history_)


def test_prior_of_scales_counts_the_pairs():
    """Not the rows without x_M, nor those of weight zero."""
    rng = np.random.default_rng(0)
    X, M, y, weight = rng.normal(size=(240, 2)), rng.normal(size=(240, 3)), np.arange(240) % 2, None
    M[:50], weight = np.nan, np.ones(240)
    weight[40:70] = 0
    data = read_fit_data(CMMDClassifier(), X, y, M, weight)
    assert data.counts.pairs == 170
    assert resolve(CMMDClassifier(), data).loss.scale_prior == 300 / 170
    assert plan(40, 0, with_missing=False).loss.scale_prior == 0
    assert plan(40, 0, objective__scale_prior_rows=8).loss.scale_prior == 0.2


def test_batch_size_larger_than_the_data_is_clipped(digits, small):
    X, M, y = digits
    with pytest.warns(UserWarning, match="batch_size=1000 is larger .* 240 rows"):
        clf = CMMDClassifier(**small, batch_size=1000).fit(X, y, X_missing=M)
    assert clf.batch_size_ == 240


def test_early_stopping_needs_rows_to_hold_out():
    """Each class keeps one; with as many classes as rows none is left."""
    X = np.random.default_rng(0).normal(size=(600, 2))
    clf = CMMDClassifier(max_epochs=1)
    assert not clf.fit(X, np.arange(600)).early_stopping_
    with pytest.raises(ValueError, match="600 classes keeps one"):
        clf.set_params(early_stopping=True).fit(X, np.arange(600))
    assert clf.fit(X, np.arange(600) // 2).early_stopping_


@pytest.mark.parametrize("cls", [CMMDClassifier, CMMDTransformer])
def test_what_it_came_to_can_be_read_off(cls, digits, small):
    X, M, y = digits
    fitted = cls(**small | {"early_stopping": True}).fit(X, y, X_missing=M)
    assert fitted.batch_size_ == 100
    assert fitted.max_epochs_ == 15
    assert fitted.dropout_ == 0.3
    assert fitted.label_smoothing_ == 0.1
    assert fitted.label_in_encoder_ is True
    assert fitted.early_stopping_ is True
    watched = fitted.history_["valid_classification" if cls is CMMDClassifier else "valid_loss"]
    assert fitted.best_validation_score_ == -watched[fitted.best_epoch_ - 1]
    assert fitted.best_validation_score_ == -min(watched)


@pytest.mark.parametrize(
    ("n_classes", "n_rows", "latent_dim", "classifier"),
    [(41, 24, 64, ()), (41, 25, 20, (50,)), (40, 2, 20, (50,))],
)
def test_many_classes_of_few_rows_have_room(n_classes, n_rows, latent_dim, classifier):
    rows = {"n_labelled": n_classes * n_rows, "n_unlabelled": 9, "n_classes": n_classes}
    found = plan(**rows).architecture
    assert (found.latent_dim, found.classifier_hidden) == (latent_dim, classifier)
    found = plan(**rows, latent_dim=5, networks__classifier_hidden=(7,)).architecture
    assert (found.latent_dim, found.classifier_hidden) == (5, (7,))
    assert plan(**rows, partial=True).architecture.latent_dim == 20


def test_later_fits_keep_the_sizes_that_auto_came_to():
    """A new classifier on given networks is free, the latent variables are not."""
    y = np.repeat(np.arange(50), 2)
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    quick = {"hidden_layer_sizes": (4,), "max_epochs": 1, "random_state": 0}
    clf = CMMDClassifier(**quick, warm_start=True).fit(X, y)
    assert clf.latent_dim_ == clf.transform(X).shape[1] == 64
    assert clf.fit(np.tile(X, (13, 1)), np.tile(y, 13)).latent_dim_ == 64
    start = CMMDTransformer(**quick).fit(X, X_missing=X)
    later = CMMDClassifier(**quick).fit(X, y, X_missing=X, init_from=start)
    assert later.latent_dim_ == 20
    assert later.module_.architecture.classifier_hidden == ()


@pytest.mark.parametrize(("optional", "rounds"), [(["a"], 1), ("all", 3)])
def test_several_optional_modalities_take_as_many_times_as_long(optional, rounds):
    views = [Modality("a", [0]), Modality("b", [1]), Modality("c", [2, 3])]
    once = plan(800, 0, observed=views).schedule
    found = plan(800, 0, observed=views, optional=optional).schedule
    assert found.max_epochs == rounds * once.max_epochs
    assert found.watched["classification"][1] == rounds * once.watched["classification"][1]
    assert plan(800, 0, observed=views, optional=optional, max_epochs=7).schedule.max_epochs == 7
