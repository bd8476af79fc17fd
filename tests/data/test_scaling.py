"""In which units x_O is read: what is found, what it does to values, and what it is judged by."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd import CMMDClassifier, CMMDRegressor, CMMDTransformer, Modality
from sklearn_cmmd.data import scaling
from sklearn_cmmd.datasets import IndexedArray

N = 300
QUICK = {"hidden_layer_sizes": (8,), "latent_dim": 2, "max_epochs": 1, "random_state": 0}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def components(rng):
    """Three columns that tell of the class, and sixty small ones that tell nothing."""
    y = np.arange(N) % 3
    X = np.hstack([np.eye(3)[y] + rng.normal(size=(N, 3)) / 3, 0.01 * rng.normal(size=(N, 200))])
    return X, y


def histograms(rng):
    """Shares whose smallest values differ most between classes, by their ratio."""
    y = np.arange(N) % 3
    rates = np.exp(rng.normal(size=(3, 20)))[y] * np.exp(2 * rng.normal(size=20))
    return rng.poisson(rates * np.exp(rng.normal(size=(N, 1)))).astype(float), y


def units(rng):
    """Columns that tell equally much, in units of their own."""
    y = np.arange(N) % 3
    X = np.eye(3)[y][:, [0, 1, 2, 0, 1, 2]] + 0.7 * rng.normal(size=(N, 6))
    return X * 10.0 ** np.arange(6), y


def found(X, y, estimator=CMMDClassifier, **params):
    fitted = estimator(**QUICK, **params).fit(X, y)
    return [modality.scaling for modality in fitted.observed_]


def test_units_are_found_in_the_data(rng):
    assert found(*components(rng)) == ["common"]
    assert found(*histograms(rng)) == ["root"]
    assert found(*units(rng)) == ["column"]


def test_each_modality_has_its_own(rng):
    (a, y), (b, _), (c, _) = (make(rng) for make in (components, histograms, units))
    assert found({"a": a, "b": b, "c": c}, y) == ["common", "root", "column"]
    parts = [Modality("a", slice(0, 203)), Modality("rest", slice(203, None), scaling="column")]
    assert found(np.hstack([a, b]), y, observed=parts) == ["common", "column"]


def test_noise_has_no_roots(rng):
    """Where roots tell no more than values, it is by chance that they are taken."""
    noise = [found(rng.exponential(size=(40, 6)), np.arange(40) % 2)[0] for _ in range(40)]
    assert noise.count("root") <= 2


def test_numbers_and_pairs_without_labels_tell_too(rng):
    X, y = components(rng)
    number = X[:, 0] + 0.1 * rng.normal(size=N)
    assert found(X, number, CMMDRegressor) == ["common"]
    some = np.where(np.arange(N) % 2, np.nan, number)
    with pytest.warns(match="have no target"):
        assert found(X, some, CMMDRegressor) == ["common"]
    pairs = CMMDTransformer(**QUICK).fit(X, X_missing=X[:, :3] + 0.1 * rng.normal(size=(N, 3)))
    assert pairs.observed_[0].scaling == "common"
    several = CMMDClassifier(**QUICK).fit(X, np.eye(3, dtype=int)[y])
    assert several.observed_[0].scaling == "common"


@pytest.mark.parametrize("n_columns", [5, 200])
def test_the_judge_is_a_ridge_regression_without_the_row(rng, n_columns):
    """For each penalty as scikit-learn's, fitted as often as there are rows, about one mean."""
    x, y = rng.normal(size=(30, n_columns)), np.arange(30) % 3
    x[:, 0] += y
    told = np.eye(3)[y]
    verdict = scaling._verdict(x, told, of_classes=True)
    centred = StandardScaler(with_std=False).fit_transform(x)
    unit = np.linalg.eigvalsh(centred @ centred.T).mean()
    best = np.full((30, 3), -np.inf)
    for penalty in scaling.PENALTIES * unit:
        said = cross_val_predict(Ridge(penalty), x, told, cv=LeaveOneOut())
        said += told.mean(axis=0) - (30 * told.mean(axis=0) - told) / 29
        if ((told - said) ** 2).mean() < ((told - best) ** 2).mean():
            best = said
    np.testing.assert_allclose(verdict.errors, ((told - best) ** 2).mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(verdict.right, best.argmax(axis=1) == y)


def test_words_of_few_rows_are_told_apart_in_common_units(rng):
    """Many more columns than rows, most of them rare words that tell nothing."""
    y = np.arange(50) % 5
    rates = np.full((5, 2000), 0.02)
    rates[:, :100] = 1 + 2 * rng.random((5, 100))
    assert found(rng.poisson(rates[y]).astype(float), y) == ["common"]


@pytest.mark.parametrize("form", ["array", "sparse", "frame", "bytes"])
def test_what_is_read(rng, form):
    """Roots and common scales, of every container, beside NumPy's."""
    X, y = rng.integers(0, 200, (N, 7)), np.arange(N) % 2
    given = {
        "array": X.astype(float),
        "sparse": sp.csr_array(X.astype(float)),
        "frame": pd.DataFrame(X),
        "bytes": IndexedArray(X.astype(np.uint8), np.arange(N)),
    }[form]
    values = {
        "root": StandardScaler().fit_transform(np.sqrt(X)),
        "common": (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0).mean()),
        "column": StandardScaler().fit_transform(X),
    }
    for name, expected in values.items():
        modality = Modality("X", scaling=name)
        clf = CMMDClassifier(**QUICK, observed=[modality]).fit(given, y)
        assert clf.observed_[0].scaling == name
        assert np.isfinite(clf.predict_proba(given)).all()
        seen = clf._plan.layout.observed.standardise("")(X.astype(float))
        np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)


def test_absent_views_come_back_in_their_own_units(rng):
    """What is read as roots is generated as it is."""
    X, y = histograms(rng)
    a, b = X[:, :10] * 100, X[:, 10:] * 100
    params = QUICK | {"max_epochs": 40, "hidden_layer_sizes": (32,)}
    observed = [Modality("a", scaling="root"), Modality("b", scaling="root")]
    clf = CMMDClassifier(**params, observed=observed, optional="all").fit({"a": a, "b": b}, y)
    whole = clf.impute({"a": a})
    assert 0.5 < whole["b"].mean() / b.mean() < 2
    assert np.corrcoef(whole["b"].mean(axis=0), b.mean(axis=0))[0, 1] > 0.9


def test_negative_values_of_new_rows_have_roots(rng):
    X, y = histograms(rng)
    clf = CMMDClassifier(**QUICK, observed=[Modality("X", scaling="root")]).fit(X, y)
    assert np.isfinite(clf.predict_proba(-X)).all()


def test_unknown_units_are_an_error():
    with pytest.raises(ValueError, match=r"scaling of modality 'a' must be one of \['auto'"):
        Modality("a", scaling="rank")


def test_values_of_an_array_have_one_scale():
    images, y = np.random.default_rng(0).random((40, 3, 3)), np.arange(40) % 2
    with pytest.raises(ValueError, match=r"scaling='root' of modality 'X' is for tables"):
        CMMDClassifier(**QUICK, observed=[Modality("X", scaling="root")]).fit(images, y)
