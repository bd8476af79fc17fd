"""Nothing around a fit has an influence on it: torch's globals, searches, other tools."""

import contextlib
import functools
import io
import warnings

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.exceptions import (
    CMMDWarning,
    InterruptedWarning,
    ReencodedLabelsWarning,
    UnlabelledRowsWarning,
)
from tests.tiny import RNG, SOME_GAPS, TINY, M, N, X, Y, fit, with_nan


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


GLOBALS = {
    "default dtype float64": default_dtype,
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "gradients switched off": lambda: torch.set_grad_enabled(False),
    "deterministic algorithms": deterministic,
    "default device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "detection of anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "another seed": lambda: torch.random.fork_rng(devices=[]),
}
IMAGES = RNG.normal(size=(N, 8, 8))
KINDS = {
    "tables": {},
    "images": {"X": {"image": IMAGES}, "observed": [Modality("image", network="conv2d")]},
    "gaps and few labels": {"M": with_nan(M, SOME_GAPS), "y": np.where(SOME_GAPS, -1, Y)},
    "bfloat16": {"networks__precision": "bfloat16"},
}


def everything(kind):
    """Return what a fit, its predictions and its draws come to."""
    data = dict(KINDS[kind])
    x = data.get("X", X)
    given = {name: data.pop(name) for name in ("X", "M", "y") if name in data}
    clf = CMMDClassifier(**TINY).set_params(max_epochs=2, early_stopping=True, **data)
    clf.fit(x, given.get("y", Y), X_missing=given.get("M", M))
    draws = clf.generate_missing(x, n_samples=2, random_state=0)
    return clf.history_, clf.predict_proba(x), draws, clf.transform(x)


undisturbed = functools.cache(everything)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", GLOBALS)
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_globals_of_torch_have_no_influence(setting, kind):
    """On fits, predictions and draws, which are the same to the last bit."""
    history, *want = undisturbed(kind)
    with GLOBALS[setting]():
        torch.manual_seed(7)
        history_then, *found = everything(kind)
    assert history_then == history
    for one, other in zip(found, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("setting", GLOBALS)
def test_globals_of_torch_have_no_influence_on_scores(setting):
    def score():
        return CMMDTransformer(**TINY).fit(X, X_missing=M).score(X, X_missing=M)

    want = score()
    with GLOBALS[setting]():
        assert score() == want


def test_nothing_of_torch_is_left_changed():
    def state():
        return (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
            torch.are_deterministic_algorithms_enabled(),
            torch.get_rng_state().tolist(),
        )

    before = state()
    clf = fit()
    clf.generate_missing(X, n_samples=2)
    assert state() == before


UNLABELLED = np.where(SOME_GAPS, -1, Y)
RE_ENCODING = {
    "bagging": lambda clf: BaggingClassifier(clf, n_estimators=2).fit(X, UNLABELLED),
    "voting": lambda clf: VotingClassifier([("a", clf)]).fit(X, UNLABELLED),
    "calibration": lambda clf: CalibratedClassifierCV(clf, cv=2, ensemble=False).fit(X, UNLABELLED),
    "cross_val_predict": lambda clf: cross_val_predict(
        clf, X, UNLABELLED, cv=2, method="predict_proba"
    ),
}


@pytest.mark.parametrize("tool", RE_ENCODING)
def test_meta_estimators_that_re_encode_labels(tool):
    """They make a class of −1; where the fit can tell, it says so."""
    with pytest.warns(CMMDWarning) as found:
        RE_ENCODING[tool](CMMDClassifier(**TINY))
    kinds = {each.category for each in found if issubclass(each.category, CMMDWarning)}
    assert kinds & {ReencodedLabelsWarning, UnlabelledRowsWarning}


@pytest.mark.parametrize("tool", RE_ENCODING)
def test_meta_estimators_of_labelled_rows_are_no_concern(tool, monkeypatch):
    monkeypatch.setitem(globals(), "UNLABELLED", Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CMMDWarning)
        RE_ENCODING[tool](CMMDClassifier(**TINY))


def test_a_fit_inside_a_scorer_is_its_own():
    """The search's candidates and what a scorer fits have nothing to do with one another."""
    probes = []

    def score(clf, X, y):
        probe = CMMDTransformer(**TINY | {"omega": 0.3}).fit(X, X_missing=X)
        probes.append((probe.omega, hasattr(probe, "classes_"), probe.generate_missing(X).shape[1]))
        return clf.score(X, y)

    grid = {"omega": [0.0, 0.5, 1.0]}
    plain, with_probe = (
        GridSearchCV(CMMDClassifier(**TINY | {"max_epochs": 8}), grid, cv=3, scoring=scoring)
        for scoring in (None, score)
    )
    plain.fit(X, Y, X_missing=M)
    with_probe.fit(X, Y, X_missing=M)
    assert set(probes) == {(0.3, False, 4)}
    np.testing.assert_array_equal(
        with_probe.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_skops_says_which_format_to_use():
    skops = pytest.importorskip("skops.io")
    with pytest.raises(TypeError, match="Use its method save"):
        skops.dumps(fit())
    blob = skops.dumps(CMMDClassifier(omega=0.3))
    loaded = skops.loads(blob, trusted=skops.get_untrusted_types(data=blob))
    assert loaded.omega == 0.3


def test_logs_are_plain_text():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        fit(verbose=1, max_epochs=3)
    assert out.getvalue().count("\n") == 3
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


class Interrupt(Callback):
    """Presses Ctrl-C in the second epoch of a fit."""

    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_interrupt_ends_a_single_fit_with_its_weights():
    with pytest.warns(InterruptedWarning, match="after epoch 1"):
        clf = fit(callbacks=[Interrupt()], max_epochs=5)
    np.testing.assert_array_equal(clf.predict_proba(X), fit(max_epochs=1).predict_proba(X))


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_an_interrupt_ends_a_search(n_jobs):
    clf = CMMDClassifier(**TINY | {"max_epochs": 5, "callbacks": [Interrupt()]})
    search = GridSearchCV(clf, {"omega": [0.1, 0.9]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y, X_missing=M)
    assert not hasattr(search, "best_estimator_")
