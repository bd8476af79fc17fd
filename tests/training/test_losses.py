"""Compiled losses: the numbers of the plain ones, and a way back where they cannot be made."""

import pickle
import shutil
import sysconfig
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import LRScheduler
from torch import nn
from torch._dynamo.utils import counters

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.model_selection import StackedGridSearchCV
from sklearn_cmmd.training import losses


def fitted(digits, params, **more):
    X, M, y = digits
    # 240 rows make batches of 100, 100 and 40.
    return CMMDClassifier(**params | more).fit(X, y, X_missing=M)


def weights(clf):
    return torch.cat([part.detach().reshape(-1) for part in clf.module_.parameters()])


@pytest.fixture(autouse=True)
def no_earlier_failures():
    losses._failures.clear()


@pytest.fixture
def traced(monkeypatch):
    """Programs that are made as for the compiler, and run without one; to fail is an error."""
    program = torch.compile(losses.losses_of, dynamic=True, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(losses, "_compiled", lambda: program)
    torch._dynamo.reset()
    counters.clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="compile=True")
        yield


FORMS = {
    "paper": {"label_in_encoder": True, "decode_prior": 0.0, "classifier_input": "draw"},
    "teacher": {"label_in_encoder": False, "dropout": 0.3, "early_stopping": True},
    "closed": {"mmd_estimator": "closed", "label_smoothing": 0.0},
}


@pytest.mark.usefixtures("in_float64", "traced")
@pytest.mark.parametrize("form", FORMS)
def test_a_compiled_fit_is_the_plain_one(digits, small, form):
    params = small | FORMS[form]
    plain, compiled = (fitted(digits, params, compile=each) for each in (False, True))
    assert counters["stats"]["unique_graphs"] > 0
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=0, atol=1e-8)
    for name, values in plain.history_.items():
        assert compiled.history_[name] == pytest.approx(values, abs=1e-8)


@pytest.mark.usefixtures("in_float64", "traced")
def test_rows_without_label_or_x_m_compile_too(digits, small):
    X, M, y = digits
    M, y = M.copy(), y.copy()
    M[::5], y[1::3] = np.nan, -1
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    fits = [
        CMMDClassifier(**small, compile=each).fit(X, y, X_missing=M, sample_weight=weight)
        for each in (False, True)
    ]
    assert counters["stats"]["unique_graphs"] > 0
    torch.testing.assert_close(*map(weights, fits), rtol=0, atol=1e-8)


def images(y):
    rng = np.random.default_rng(0)
    return rng.normal(size=(len(y), 8, 8)) + y[:, None, None]


@pytest.mark.usefixtures("in_float64", "traced")
def test_networks_of_all_kinds_compile(digits, small):
    X, _, y = digits
    sides = {
        "observed": [Modality("a", columns=range(20)), Modality("b", columns=range(20, 47))],
        "missing": [Modality("picture", shape=(8, 8), network="conv2d", likelihood="laplace")],
        "fusion": "product",
        "max_epochs": 2,
    }
    fits = [
        CMMDTransformer(**small | sides, compile=each).fit(X, X_missing=images(y))
        for each in (False, True)
    ]
    assert counters["stats"]["unique_graphs"] > 0
    torch.testing.assert_close(*map(weights, fits), rtol=0, atol=1e-8)


@pytest.mark.usefixtures("traced")
def test_several_labels_callbacks_and_bfloat16_compile(digits, small):
    X, M, y = digits
    tags = np.stack([y > 0, y == 1], axis=1).astype(int)
    schedule = LRScheduler("StepLR", step_size=2)
    params = small | {"callbacks": [schedule], "precision": "bfloat16", "max_epochs": 4}
    clf = CMMDClassifier(**params, compile=True).fit(X, tags, X_missing=M)
    clf.set_params(callbacks=None)
    clf = pickle.loads(pickle.dumps(clf)).partial_fit(X, tags, X_missing=M)
    assert counters["stats"]["unique_graphs"] > 0
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.usefixtures("traced")
def test_other_weights_of_the_terms_and_other_rows_need_no_new_program(digits, small):
    X, M, y = digits
    fitted(digits, small, compile=True)
    n_graphs = counters["stats"]["unique_graphs"]
    fitted(digits, small, compile=True, omega=0.2, lam=3.0, alpha=7.0, random_state=1)
    fitted((X[:222], M[:222], y[:222]), small, compile=True)
    assert counters["stats"]["unique_graphs"] == n_graphs


@pytest.mark.skipif(
    shutil.which("g++") is None or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="there is no g++, or there are no headers of Python",
)
# The suite makes errors of deprecations, also of those that torch meets while it compiles.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "error:compile=True")
def test_the_compiler_of_this_machine(digits, small):
    plain, compiled = (
        fitted(digits, small | {"max_epochs": 3}, compile=each) for each in (False, True)
    )
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=1e-3, atol=1e-4)


@pytest.fixture
def refused(monkeypatch):
    """Calls of a compiler that is none."""
    calls = []

    def refuse(graph, example_inputs):
        calls.append(graph)
        raise RuntimeError("no compiler\nand a long report")

    program = torch.compile(losses.losses_of, backend=refuse)
    monkeypatch.setattr(losses, "_compiled", lambda: program)
    return calls


def test_without_a_compiler_one_warning_and_the_plain_fit(digits, small, refused):
    with pytest.warns(UserWarning, match=r"C\+\+ compiler.*no compiler and a long") as caught:
        clf = fitted(digits, small, compile=True)
    assert len(caught) == 1
    assert torch.equal(weights(clf), weights(fitted(digits, small)))


def test_what_failed_is_not_tried_again_with_the_same_networks(digits, small, refused):
    X, M, y = digits
    clf = CMMDClassifier(**small, compile=True)
    for _ in range(2):
        with pytest.warns(UserWarning, match="no compiler"):
            clf.partial_fit(X, y, X_missing=M, classes=[0, 1, 2])
    assert len(refused) == 1
    with pytest.warns(UserWarning, match="no compiler"):
        fitted(digits, small, compile=True, latent_dim=5)
    assert len(refused) == 2


def test_beyond_the_most_programs_a_warning_says_so(digits, small, traced, monkeypatch):
    monkeypatch.setattr(losses, "MOST_PROGRAMS", 1)
    few = small | {"max_epochs": 1}
    fitted(digits, few, compile=True)
    with pytest.warns(UserWarning, match="Limit"):
        clf = fitted(digits, few, compile=True, latent_dim=5)
    assert torch.equal(weights(clf), weights(fitted(digits, few, latent_dim=5)))


def test_failure_in_the_backward_pass(digits, small, monkeypatch):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, means):
            return means.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("no gradient")

    def broken(*args):
        found = losses.losses_of(*args)
        return found._replace(means=Broken.apply(found.means))

    monkeypatch.setattr(losses, "_compiled", lambda: broken)
    with pytest.warns(UserWarning, match="no gradient"):
        clf = fitted(digits, small, compile=True)
    assert torch.equal(weights(clf), weights(fitted(digits, small)))


def test_networks_of_ones_own_are_not_compiled(digits, small):
    def network(shape):
        return nn.Sequential(nn.Linear(shape[0], 8), nn.Dropout(0.3), nn.ReLU())

    params = small | {"observed": [Modality("x", network=network)]}
    with pytest.warns(UserWarning, match=r"your own.*modality 'x'"):
        clf = fitted(digits, params, compile=True)
    assert torch.equal(weights(clf), weights(fitted(digits, params)))


@pytest.mark.usefixtures("traced")
def test_stacks_are_not_compiled(digits, small):
    X, M, y = digits
    grid = {"omega": [0.2, 0.8]}
    search, plain = (
        cls(CMMDClassifier(**small, compile=compiles), grid, cv=4, refit=False)
        for cls, compiles in ((StackedGridSearchCV, True), (GridSearchCV, False))
    )
    for each in (search, plain):
        each.fit(X, y, X_missing=M)
    assert counters["stats"]["unique_graphs"] == 0
    assert np.allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
