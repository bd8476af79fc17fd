"""A stack of models against the same models trained one by one, in float64."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.engine import train
from sklearn_cmmd.training.job import Job
from sklearn_cmmd.training.stacked import bytes_of, stack_key, train_stacked

VARIED = [
    {},
    {"omega": 0.0, "lam": 10, "alpha": 3},
    {"omega": 1.0, "decode_prior": 0.2, "dropout": 0.5},
    {"learning_rate": 2e-2},
    {"learning_rate": 2e-2, "weight_decay": 0.5},
    {"dropout": 0.0, "random_state": 3},
    {"tol": 0.5, "n_iter_no_change": 2},
    {"max_epochs": 5},
]


def in_double(job):
    """The same job in float64, where rounding cannot hide a difference or make one."""

    def rows(part):
        if part is None:
            return None
        names = ("observed", "missing", "y", "weight", "labelled", "present")
        columns = [getattr(part, name) for name in names]
        columns = [
            c.double() if torch.is_tensor(c) and c.is_floating_point() else c for c in columns
        ]
        return PairedRows(*columns, index=part.index)

    module = job.module.double()
    halves = rows(job.rows), rows(job.validation)
    return Job(module, job.objective, *halves, job.settings, job.streams)


def jobs(estimator, variants, data, folds, **fit_params):
    """One job for each variant and fold."""
    X, y, M = data
    made = []
    for params in variants:
        for fold in folds:
            part = {name: value[fold] for name, value in fit_params.items()}
            one = clone(estimator).set_params(**params)
            y_part = None if y is None else y[fold]
            made.append(in_double(one._prepare(X[fold], y_part, M[fold], **part)))
    return made


def assert_equal(alone, together):
    """Same weights, same history, same state of the optimizer."""
    assert len({stack_key(job) for job in together}) == 1
    one_by_one = [train(job) for job in alone]
    results = train_stacked(together)
    for a, b, left, right in zip(alone, together, one_by_one, results, strict=True):
        assert left.n_epochs == right.n_epochs
        for (name, one), other in zip(
            a.module.named_parameters(), b.module.parameters(), strict=True
        ):
            torch.testing.assert_close(other, one, rtol=0, atol=1e-8, msg=name)
        assert list(left.history) == list(right.history)
        for name, values in left.history.items():
            np.testing.assert_allclose(right.history[name], values, rtol=1e-8, atol=1e-8)
        for name, value in left.optimizer_state["state"][0].items():
            torch.testing.assert_close(right.optimizer_state["state"][0][name], value)
        groups = (state.optimizer_state["param_groups"] for state in (left, right))
        assert next(groups) == next(groups)
        assert not b.module.training
    return results


@pytest.fixture
def stopping(small):
    # More than 200 updates for those that do not stop before.
    return small | {
        "early_stopping": True,
        "batch_size": 20,
        "max_epochs": 24,
        "n_iter_no_change": 6,
    }


UNEQUAL = (slice(0, 195), slice(5, 203))


def test_everything_that_may_differ(digits, stopping):
    """With folds of unequal size, models that stop early, and others that do not."""
    X, M, y = digits
    made = (jobs(CMMDClassifier(**stopping), VARIED, (X, y, M), UNEQUAL) for _ in range(2))
    results = assert_equal(*made)
    n_epochs = {trained.n_epochs for trained in results}
    assert 5 in n_epochs
    assert 24 in n_epochs
    assert len(n_epochs) > 3


@pytest.mark.parametrize("folds", [UNEQUAL, UNEQUAL[:1]], ids=["unequal folds", "one fold"])
def test_with_weights(digits, stopping, folds):
    X, M, y = digits
    weight = np.random.RandomState(0).uniform(0.2, 3, size=240)
    clf = CMMDClassifier(**stopping | {"max_epochs": 10})
    made = (
        jobs(clf, [{}, {"omega": 0.1}], (X, y, M), folds, sample_weight=weight) for _ in range(2)
    )
    assert_equal(*made)


@pytest.mark.parametrize(
    "params",
    [
        {"mmd_estimator": "v", "classifier_input": "draw"},
        {"mmd_estimator": "closed"},
        {"kernel": "imq", "bandwidth": [1.0, 4.0]},
        {"decode_prior": 0.0, "decoder_input": "latent"},
        {"early_stopping": False},
    ],
    ids=str,
)
def test_every_form_of_the_objective(digits, stopping, params):
    X, M, y = digits
    clf = CMMDClassifier(**stopping | {"max_epochs": 6} | params)
    assert_equal(*(jobs(clf, [{}, {"omega": 0.9}], (X, y, M), UNEQUAL) for _ in "ab"))


def test_without_labels(digits, stopping):
    X, M, _ = digits
    embed = CMMDTransformer(**stopping | {"max_epochs": 6})
    assert_equal(*(jobs(embed, [{}, {"omega": 0.9}], (X, None, M), UNEQUAL) for _ in "ab"))


def test_several_labels_a_row(digits, stopping):
    X, M, y = digits
    labels = np.c_[y == 0, y < 2].astype(int)
    clf = CMMDClassifier(**stopping | {"max_epochs": 6})
    assert_equal(*(jobs(clf, [{}, {"omega": 0.9}], (X, labels, M), UNEQUAL) for _ in "ab"))


def test_several_modalities_with_networks_of_their_own(digits, stopping):
    X, M, y = digits
    clf = CMMDClassifier(
        observed=[Modality("a", columns=range(20)), Modality("b", range(20, 47), network="mlp")],
        missing=[Modality("c", [5, 0], scale="row"), Modality("d", [1, 2, 3, 4], network="mlp")],
        **stopping | {"max_epochs": 6},
    )
    for fusion in ("joint", "product"):
        clf.set_params(fusion=fusion, max_epochs=2)
        assert_equal(*(jobs(clf, [{}, {"omega": 0.9}], (X, y, M), UNEQUAL) for _ in "ab"))


def test_convolutional_networks(stopping):
    rng = np.random.default_rng(0)
    images, y = rng.normal(size=(60, 9, 9)), np.arange(60) % 2
    clf = CMMDClassifier(
        observed=[Modality("a", network="conv2d")],
        missing=[Modality("b", network="conv2d")],
        **stopping | {"max_epochs": 3},
    )
    folds = (slice(0, 50), slice(5, 56))
    data = images, y, images[:, ::-1].copy()
    assert_equal(*(jobs(clf, [{}, {"omega": 0.9}], data, folds) for _ in "ab"))


def test_what_makes_another_stack(digits, small):
    X, M, y = digits

    def key(**params):
        clf = CMMDClassifier(**small | params)
        return stack_key(clf._prepare(X, y, M))

    assert key() == key(omega=0, alpha=1, dropout=0.5, random_state=5, max_epochs=3)
    for other in (
        {"latent_dim": 5},
        {"prior_hidden": (16,)},
        {"activation": "tanh"},
        {"kernel": "imq"},
        {"mmd_estimator": "v"},
        {"decode_prior": 0.0},
        {"batch_size": 20},
        {"early_stopping": True},
    ):
        assert key(**other) != key(), other


def test_users_networks_are_not_stacked(digits, small):
    X, M, y = digits
    body = torch.nn.Linear(47, 4)
    clf = CMMDClassifier(observed=[Modality("a", network=lambda shape: body)], **small)
    assert stack_key(clf._prepare(X, y, M)) is None


def test_a_model_that_diverges_leaves_the_others_alone(digits, small):
    X, M, y = digits
    variants = [{}, {"learning_rate": 1e30}, {"omega": 0.2}]
    alone, together = (
        jobs(CMMDClassifier(**small), variants, (X, y, M), [slice(None)]) for _ in "ab"
    )
    results = train_stacked(together)
    assert results[1] is None
    for i in (0, 2):
        train(alone[i])
        for one, other in zip(
            alone[i].module.parameters(), together[i].module.parameters(), strict=True
        ):
            torch.testing.assert_close(other, one, rtol=0, atol=1e-8)


def test_progress_adds_up_to_all_epochs(digits, stopping):
    X, M, y = digits
    made = jobs(CMMDClassifier(**stopping), [{}, {"n_iter_no_change": 2}], (X, y, M), UNEQUAL)
    told = []
    results = train_stacked(made, told.append)
    assert sum(told) == 4 * 24
    assert sum(result.n_epochs for result in results) < 4 * 24


def test_memory_grows_with_widths_and_batches(digits, small):
    X, M, y = digits

    def size(**params):
        return bytes_of(CMMDClassifier(**small | params)._prepare(X, y, M))

    assert size() < size(prior_hidden=(64,)) < size(prior_hidden=(64, 512))
    assert size(batch_size=20) < size()
