"""Small fitted estimators of every kind, and all that they say of new rows."""

import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality

TINY = {"hidden_layer_sizes": (8,), "latent_dim": 2, "max_epochs": 2, "random_state": 0}
N = 64


def rows(seed=0, n=N):
    """Return classes, five columns and three, all of which tell of one another."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = random.normal(size=(n, 5)) + y[:, None]
    return y, X, X[:, :3] * [1, 10, 1000] + random.normal(size=(n, 3)) + 1e5


def frames(seed=0):
    y, X, M = rows(seed)
    index = [f"row {i}" for i in range(len(y))]
    X = pd.DataFrame(X, index, ["age", "height", "size Ω", "a/b", '"q"'])
    return np.array(["low", "mid", "high"])[y], X, pd.DataFrame(M, index, ["u", "v", "w"])


def views(seed=0):
    """Return two numbers, a mapping with images and a frame, and one with counts and classes."""
    y, X, M = rows(seed)
    random = np.random.default_rng(seed)
    images = random.normal(size=(N, 6, 6)) + y[:, None, None]
    words = np.eye(3)[(y + random.integers(2, size=N)) % 3]
    counts = random.poisson(np.where(y > 1, 4, 0.1)[:, None], size=(N, 2)).astype(float)
    table = pd.DataFrame(X[:, :2], columns=["a", "b"])
    return M[:, :2], {"image": images, "table": table}, {"word": words, "count": counts}


def classifier(**params):
    y, X, M = frames()
    return CMMDClassifier(**TINY | params).fit(X, y, X_missing=M), X


def regressor(**params):
    y, X, M = views()
    described = {
        "observed": [Modality("image", network="conv2d"), Modality("table", network="mlp")],
        "missing": [
            Modality("word", likelihood="categorical"),
            Modality("count", likelihood="counts", scale="row"),
        ],
    }
    return CMMDRegressor(**TINY | described | params).fit(X, y, X_missing=M), X


def transformer(**params):
    """With modalities that may be absent, and no label."""
    _, X, M = rows()
    X[::5, :2] = np.nan
    described = [Modality("a", columns=[0, 1]), Modality("b", columns=slice(2, 5))]
    params = {"observed": described, "optional": ["a"]} | params
    return CMMDTransformer(**TINY | params).fit(X, X_missing=M), X


def ensemble(**params):
    y, X, M = frames()
    generators = {
        "ridge": RidgeCV([0.1, 1.0]),
        "trees": ExtraTreesRegressor(2, max_depth=2, random_state=0),
    }
    fitted = CMMDEnsemble(
        CMMDClassifier(**TINY),
        **{"n_estimators": 2, "generators": generators, "random_state": 0} | params,
    )
    return fitted.fit(X, y, X_missing=M), X


def ensemble_of_regressors(**params):
    """With the default generators, two sides that are mappings, and members that are weighted."""
    y, X, M = views()
    X = {"table": X["table"], "image": X["image"].reshape(N, -1)}
    fitted = CMMDEnsemble(CMMDRegressor(**TINY), n_estimators=2, random_state=0, **params)
    return fitted.fit(X, y, X_missing=M), X


def new_rows(name, n=4):
    """Return rows that no version of NumPy draws otherwise."""
    values = np.sin(np.arange(1, 1 + 50 * n)).reshape(n, 50) + 1
    if name == "regressor":
        table = pd.DataFrame(values[:, :2], columns=["a", "b"])
        return {"image": values[:, 2:38].reshape(n, 6, 6), "table": table}
    if name == "transformer":
        values[0, :2] = np.nan
        return values[:, :5]
    return pd.DataFrame(values[:, :5], columns=frames()[1].columns)


MODELS = {
    each.__name__: each
    for each in (classifier, regressor, transformer, ensemble, ensemble_of_regressors)
}
# What they say of rows, by method: arguments beside the rows.
QUESTIONS = {
    "predict": {},
    "predict_proba": {},
    "predict_interval": {"coverage": 0.5},
    "transform": {},
    "generate_missing": {},
    "generate_missing draws": {"n_samples": 3, "random_state": 0},
    "generate_intervals": {"coverage": 0.5},
    "impute": {},
    "impute draws": {"n_samples": 2, "random_state": 0},
}


def flat(answer):
    """Return the arrays in an answer: frames, mappings and pairs of them."""
    if isinstance(answer, dict):
        return [array for part in answer.values() for array in flat(part)]
    if isinstance(answer, tuple):
        return [array for part in answer for array in flat(part)]
    return [np.asarray(answer)]


def answers(estimator, X):
    """Return what an estimator says of rows, by question; as arrays."""
    found = {}
    for question, arguments in QUESTIONS.items():
        name = question.split()[0]
        if not hasattr(estimator, name):
            continue
        layout = estimator._plan.layout
        if layout.optional is None and name == "impute":
            continue
        if layout.missing is None and name.startswith("generate"):
            continue
        for number, array in enumerate(flat(getattr(estimator, name)(X, **arguments))):
            found[f"{question} {number}"] = array
    return found


def fitted(name, **params):
    """Return one of the models and rows for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return MODELS[name](**params)


def assert_same_answers(one, other, X):
    expected, found = answers(one, X), answers(other, X)
    assert set(found) == set(expected)
    for question, array in expected.items():
        assert found[question].dtype == array.dtype, question
        np.testing.assert_array_equal(found[question], array, question, strict=True)
