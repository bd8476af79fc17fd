"""The linear path against scikit-learn's ridge regression."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.data.matrices import StreamedMatrix
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.training import ridge as ridge_module
from sklearn_cmmd.training.ridge import PENALTIES, ridge

RNG = np.random.default_rng(0)
N_COLUMNS = 5


def rows_of(x, y, weight=None, present=None):
    tensors = [
        None if part is None else torch.tensor(part, dtype=torch.float32)
        for part in (x, y, present, weight)
    ]
    x, y, present, weight = tensors
    return PairedRows(x, y, present, weight=weight)


def linear_data(n_rows, n_observed, noise=1.0):
    x = RNG.normal(size=(n_rows, n_observed)) + 1
    coefficients = RNG.normal(size=(n_observed, N_COLUMNS)) / n_observed**0.5
    y = x @ coefficients + noise * RNG.normal(size=(n_rows, N_COLUMNS))
    # As exact as training rows are.
    return x.astype(np.float32).astype(float), y.astype(np.float32).astype(float)


def by_hand(x, y, weight):
    """Ridge by scikit-learn, with its penalty by generalised cross-validation, column by column."""
    n, found = weight.sum(), []
    center = [np.average(part, axis=0, weights=weight) for part in (x, y)]
    design = np.sqrt(weight)[:, None] * (x - center[0])
    for j in range(y.shape[1]):
        target = np.sqrt(weight) * (y[:, j] - center[1][j])
        scores = []
        for nu in n * np.array(PENALTIES):
            hat = design @ np.linalg.solve(design.T @ design + nu * np.eye(x.shape[1]), design.T)
            free = n - 1 - 1.2 * np.trace(hat)
            score = np.sum((target - hat @ target) ** 2) / n / (free / n) ** 2
            scores.append(score if free > 0 else np.inf)
        best = int(np.argmin(scores))
        model = Ridge(n * PENALTIES[best]).fit(x, y[:, j], sample_weight=weight)
        explained = 1 - scores[best] / (target @ target / n)
        found.append((model.coef_, max(explained, 0)))
    return [np.array(parts) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize("shape", [(80, 6), (40, 60)], ids=["rows", "columns"])
@pytest.mark.parametrize("weighted", [False, True])
def test_coefficients_are_those_of_scikit_learn(shape, weighted):
    x, y = linear_data(*shape)
    weight = RNG.integers(1, 4, shape[0]) * 1.0 if weighted else np.ones(shape[0])
    weight = (weight / weight.mean()).astype(np.float32).astype(float)
    coef, explained = ridge(rows_of(x, y, weight), 0, tuple(range(N_COLUMNS)))
    want_coef, want_explained = by_hand(x, y, weight)
    np.testing.assert_allclose(coef.numpy(), want_coef, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(explained.numpy(), want_explained, atol=1e-4)


def test_rows_that_repeat_do_not_make_it_go_through_all_of_them():
    """As documents do that a site has twice, nearly the same, in both of their views."""
    x, y = linear_data(40, 60, noise=3.0)
    x, y = np.vstack([x, x[:4] + 1e-3]), np.vstack([y, y[:4] + 1e-3])
    coef, explained = ridge(rows_of(x, y), 0, tuple(range(N_COLUMNS)))
    fitted = (x - x.mean(axis=0)) @ coef.numpy().T.astype(float)
    assert np.square(fitted).sum() < 0.8 * np.square(y - y.mean(axis=0)).sum()
    assert explained.max() < 0.8


def test_chunks_streams_and_order_do_not_matter(monkeypatch):
    x, y = linear_data(60, 4)
    want = ridge(rows_of(x, y), 0, (3, 1))[0].numpy()
    monkeypatch.setattr(ridge_module, "CHUNK_ROWS", 7)
    np.testing.assert_allclose(ridge(rows_of(x, y), 0, (3, 1))[0].numpy(), want, rtol=1e-9)
    rows = rows_of(x, y)
    streamed = StreamedMatrix(lambda i: x[i].astype(np.float32), 60, torch.device("cpu"))
    rows.observed = streamed
    np.testing.assert_allclose(ridge(rows, 0, (3, 1))[0].numpy(), want, rtol=1e-9)


def test_rows_that_lack_the_modality_do_not_count():
    x, y = linear_data(60, 4)
    present = np.zeros((60, 2))
    present[:, 0], present[::2, 1] = 1, 1
    y[1::2, 3:] = 0
    found = ridge(rows_of(x, y, present=present), 1, (3, 4))[0].numpy()
    want = ridge(rows_of(x[::2], y[::2]), 0, (3, 4))[0].numpy()
    np.testing.assert_allclose(found, want, rtol=1e-6)


def test_many_columns_take_some_of_the_rows(monkeypatch):
    x, y = linear_data(60, 50)
    monkeypatch.setattr(ridge_module, "MOST_DIMENSIONS", 20)
    found, want = (ridge(rows, 0, (0, 1)) for rows in (rows_of(x, y), rows_of(x[::3], y[::3])))
    np.testing.assert_allclose(found[0].numpy(), want[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 40])
def test_what_tells_nothing_is_not_there(n_rows):
    x = RNG.normal(size=(n_rows, 3))
    noise = np.column_stack([RNG.permutation(n_rows), np.zeros(n_rows)])
    coef, explained = ridge(rows_of(x, noise), 0, (0, 1))
    assert torch.isfinite(coef).all()
    assert explained.max() < 0.1
    assert explained[1] == 0


class TestInFits:
    """What the path does for an estimator."""

    @pytest.fixture
    def linear(self):
        x, y = linear_data(300, 8, noise=0.3)
        return x, y, (x[:, 0] > 1).astype(int)

    def test_generation_begins_where_ridge_ends(self, linear):
        X, M, y = linear
        parts = StandardScaler().fit(M[:200])
        ridge = RidgeCV(np.logspace(-2, 3, 11)).fit(X[:200], M[:200])
        clf = CMMDClassifier(max_epochs=40, early_stopping=False, random_state=0)
        clf.fit(X[:200], y[:200], X_missing=M[:200])
        errors = [
            np.sqrt(np.mean((parts.transform(model(X[200:])) - parts.transform(M[200:])) ** 2))
            for model in (clf.generate_missing, ridge.predict)
        ]
        assert errors[0] < 1.1 * errors[1]

    def test_coefficients_stay_and_shares_are_learned(self, linear):
        X, M, y = linear
        fits = [
            CMMDClassifier(max_epochs=n, early_stopping=False, random_state=0).fit(
                X, y, X_missing=M
            )
            for n in (1, 3)
        ]
        one, other = (fit.module_.decoder.paths["0"] for fit in fits)
        assert torch.equal(one.coef, other.coef)
        assert not torch.equal(one.share, other.share)
        assert ((one.share > 0.5) & (one.share < 1)).all()

    def test_only_real_values_of_our_networks_have_one(self, linear):
        X, M, _ = linear
        views = {"real": M[:, :2], "binary": (M[:, 2:4] > 0) * 1.0, "own": M[:, 4:]}
        missing = [
            Modality("real", likelihood="laplace"),
            Modality("binary"),
            Modality("own", network={"decoder": lambda width, shape: torch.nn.Linear(width, 1)}),
        ]
        clf = CMMDTransformer(missing=missing, max_epochs=1, random_state=0)
        assert list(clf.fit(X, X_missing=views).module_.decoder.paths) == ["0"]
        for value in ("both", "latent"):
            clf.set_params(networks__decoder_input=value)
            assert not clf.fit(X, X_missing=views).module_.decoder.paths

    def test_networks_that_begin_elsewhere_keep_their_coefficients(self, linear):
        X, M, y = linear
        first = CMMDTransformer(max_epochs=1, random_state=0).fit(X, X_missing=M)
        second = CMMDClassifier(max_epochs=1, random_state=0)
        second.fit(X[:50], y[:50], X_missing=M[:50], init_from=first)
        coefficients = [fit.module_.decoder.paths["0"].coef for fit in (first, second)]
        assert torch.equal(*coefficients)
