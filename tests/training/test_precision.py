"""Training in bfloat16: networks in it, everything made of their output not."""

import numpy as np
import pytest
import torch

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.model_selection import StackedGridSearchCV
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.objective.divergences import mmd
from sklearn_cmmd.training.batches import Batches
from sklearn_cmmd.training.precision import networks_in, products_in

CPU = torch.device("cpu")


def fitted(digits, params, **more):
    X, M, y = digits
    return CMMDClassifier(**params | more).fit(X, y, X_missing=M)


def test_terms_are_in_float32_and_near(digits, small):
    X, M, y = digits
    clf = CMMDClassifier(**small)
    job = clf._prepare(X, y, M)
    rows, labels = next(iter(Batches(job.rows, 100)))
    noise = torch.randn(len(rows.observed), 8, generator=torch.Generator().manual_seed(0))
    exact, _ = job.objective.evaluate(job.module, rows, labels, noise)
    seen = []
    layer = job.module.prior.features.bodies[0].layers[0]
    layer.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    with networks_in("bfloat16", CPU):
        terms, _ = job.objective.evaluate(job.module, rows, labels, noise)
    assert seen == [torch.bfloat16]
    for name in terms.names:
        mine, true = getattr(terms, name), getattr(exact, name)
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.mean(), true.mean(), rtol=0.05, atol=0.01)


def test_mmd_keeps_its_digits():
    rng = torch.Generator().manual_seed(0)
    q, p = (Gaussian(torch.randn(50, 20, generator=rng) + i, torch.zeros(50, 20)) for i in (0, 9))
    noise = torch.randn(50, 20, generator=rng)
    want = mmd(*(Gaussian(*(t.double() for t in g)) for g in (q, p)), noise.double())
    with networks_in("bfloat16", CPU):
        got = mmd(q, p, noise)
    torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=0)


def test_learns_as_in_float32(digits, small):
    one, other = (
        fitted(digits, small, precision=precision) for precision in ("float32", "bfloat16")
    )
    assert other.history_["train_loss"][-1] == pytest.approx(
        one.history_["train_loss"][-1], rel=0.1
    )
    assert {part.dtype for part in other.module_.parameters()} == {torch.float32}
    assert other.score(digits[0], digits[2]) > 0.8


def test_auto_is_float32_on_the_cpu(digits, small):
    one, other = (fitted(digits, small, precision=precision) for precision in ("float32", "auto"))
    assert one.history_ == other.history_


def test_in_a_stack(digits, small):
    X, M, y = digits
    clf = CMMDClassifier(**small | {"max_epochs": 5, "precision": "bfloat16"})
    grid = {"precision": ["bfloat16", "float32"]}
    search = StackedGridSearchCV(clf, grid, cv=2, refit=False).fit(X, y, X_missing=M)
    assert search.stack_sizes_ == [2, 2]
    alone = [CMMDClassifier(**small | {"max_epochs": 5, "precision": p}) for p in grid["precision"]]
    for clf, score in zip(alone, search.cv_results_["split0_test_score"], strict=True):
        assert np.isfinite(score)
        assert clf.fit(X, y, X_missing=M).n_iter_ == 5


def test_the_products_of_others_are_left_alone():
    before = torch.backends.cuda.matmul.fp32_precision
    with products_in("auto", torch.device("cuda")):
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == before
    with products_in("float32", torch.device("cuda")):
        assert torch.backends.cuda.matmul.fp32_precision == before
