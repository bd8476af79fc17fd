"""Every mistake has its own message, comes before any training, and leaves the estimator alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sklearn_cmmd import (
    CMMDClassifier,
    Modality,
)

RNG = np.random.RandomState(0)
X = RNG.normal(size=(30, 4))
M = RNG.normal(size=(30, 3))
Y = np.arange(30) % 2


def with_value(array, value):
    array = array.copy()
    array.flat[7] = value
    return array


def names(*columns):
    return [Modality(f"part{i}", columns=c) for i, c in enumerate(columns)]


B = "bernoulli"
CASES = {
    # id: (parameters, data, type, message)
    "nan in X": ({}, {"X": with_value(X, np.nan)}, ValueError, "Input X contains NaN"),
    "inf in X": ({}, {"X": with_value(X, np.inf)}, ValueError, "Input X contains infinity"),
    "nan in X_missing": (
        {},
        {"X_missing": with_value(M, np.nan)},
        ValueError,
        "Row 2 of X_missing lacks 1 of the 3 values.*SimpleImputer",
    ),
    "inf in X_missing": (
        {},
        {"X_missing": with_value(M, -np.inf)},
        ValueError,
        "Input X_missing contains infinity",
    ),
    "nan in a mapping": (
        {},
        {"X": {"a": X, "b": with_value(M, np.nan)}},
        ValueError,
        r"Input X\['b'\] contains NaN",
    ),
    "nan in weights": (
        {},
        {"sample_weight": with_value(np.ones(30), np.nan)},
        ValueError,
        "sample_weight contains NaN",
    ),
    "inf in weights": (
        {},
        {"sample_weight": with_value(np.ones(30), np.inf)},
        ValueError,
        "sample_weight contains infinity",
    ),
    "negative weight": (
        {},
        {"sample_weight": with_value(np.ones(30), -1.0)},
        ValueError,
        r"must not be negative.*Got a least weight of -1\.0",
    ),
    "scalar weight of nan": (
        {},
        {"sample_weight": np.nan},
        ValueError,
        "sample_weight contains NaN",
    ),
    "scalar negative weight": ({}, {"sample_weight": -1}, ValueError, "must not be negative"),
    "name as weights": (
        {},
        {"sample_weight": "balanced"},
        TypeError,
        "must be numbers, one for each row. Got 'balanced'",
    ),
    "weights in the place of X_missing": (
        {},
        {"X_missing": np.ones(30)},
        ValueError,
        "X_missing: Expected 2D array, got 1D array.*sample_weight=",
    ),
    "data in the constructor": (
        {"missing": pd.DataFrame(M)},
        {},
        TypeError,
        r"missing must be a list of Modality.* Got DataFrame instead.* fit\(X_missing=",
    ),
    "callbacks that are none": (
        {"callbacks": ["early"]},
        {},
        TypeError,
        "callbacks must hold skorch callbacks.*Got 'early'",
    ),
    "weights of zero": (
        {},
        {"sample_weight": np.zeros(30)},
        ValueError,
        "at least one non-zero|must have a positive sum",
    ),
    "rows of X_missing": (
        {},
        {"X_missing": M[:20]},
        ValueError,
        "X has 30 rows, but X_missing has 20. .* same order",
    ),
    "rows of y": ({}, {"y": Y[:20]}, ValueError, "X has 30 rows, but y has 20"),
    "rows of weights": (
        {},
        {"sample_weight": np.ones(29)},
        ValueError,
        "X has 30 rows, but sample_weight has 29",
    ),
    "rows within a mapping": (
        {},
        {"X": {"a": X, "b": M[:20]}},
        ValueError,
        r"modalities of X differ in their numbers of rows: \{'a': 30, 'b': 20\}",
    ),
    "strings": (
        {},
        {"X": X.astype(str)},
        ValueError,
        "Column 0 of X holds '.*', which is not a number.*Encode",
    ),
    "strings in a frame": (
        {},
        {"X_missing": pd.DataFrame({"a": ["x", "y"] * 15})},
        ValueError,
        "Column 'a' of X_missing holds 'x', which is not a number.*OneHotEncoder",
    ),
    "complex": ({}, {"X": X + 1j}, ValueError, "Complex data not supported"),
    "complex X_missing": ({}, {"X_missing": M * 1j}, ValueError, "Complex data not supported"),
    "one dimension": ({}, {"X": X[:, 0]}, ValueError, "Expected 2D array, got 1D array"),
    "one row": (
        {},
        {"X": X[:1], "X_missing": M[:1], "y": Y[:1]},
        ValueError,
        r"1 sample\(s\).*minimum of 2 is required",
    ),
    "empty mapping": ({}, {"X": {}}, ValueError, "X is an empty mapping"),
    "mapping with other keys": ({}, {"X": {1: X}}, TypeError, "must be names of modalities. Got 1"),
    "one class": ({}, {"y": np.zeros(30)}, ValueError, r"at least two classes.*\[0"),
    "one class of positive weight": (
        {},
        {"sample_weight": (Y == 1).astype(float)},
        ValueError,
        r"at least two classes among the rows of positive weight. Got the class \[1\]",
    ),
    "regression targets": (
        {},
        {"y": X[:, 0]},
        ValueError,
        "Unknown label type: continuous. y holds numbers such as .*KBinsDiscretizer",
    ),
    "infinite y": (
        {},
        {"y": with_value(Y.astype(float), np.inf)},
        ValueError,
        "Input y contains infinity",
    ),
    "several columns of classes": (
        {},
        {"y": RNG.randint(3, size=(30, 2))},
        ValueError,
        "indicator matrix.*X_missing=",
    ),
    "no y": ({}, {"y": None}, ValueError, "requires y to be passed.*use CMMDTransformer"),
    "omega above one": (
        {"omega": 1.1},
        {},
        ValueError,
        r"'omega' .* range \[0.0?, 1.0?\]. Got 1.1",
    ),
    "omega below zero": ({"omega": -0.1}, {}, ValueError, "'omega' parameter of CMMDClassifier"),
    "omega not a number": ({"omega": "0.4"}, {}, ValueError, "'omega' parameter"),
    "negative lam": ({"lam": -1}, {}, ValueError, "'lam' parameter"),
    "negative alpha": ({"alpha": -1}, {}, ValueError, "'alpha' parameter"),
    "zero width": (
        {"networks__prior_hidden": (10, 0)},
        {},
        ValueError,
        r"prior_hidden must be a sequence of positive ints.*Got \(10, 0\)",
    ),
    "width not an int": (
        {"hidden_layer_sizes": (1.5,)},
        {},
        ValueError,
        "hidden_layer_sizes must be",
    ),
    "width not a sequence": (
        {"networks__encoder_hidden": 10},
        {},
        ValueError,
        "'encoder_hidden' parameter of Networks",
    ),
    "zero latent_dim": ({"latent_dim": 0}, {}, ValueError, "'latent_dim' parameter"),
    "dropout of one": ({"dropout": 1.0}, {}, ValueError, "'dropout' parameter"),
    "activation": (
        {"networks__activation": "rellu"},
        {},
        ValueError,
        "'activation' parameter of Networks.*relu",
    ),
    "a group that is none": ({"objective": {}}, {}, ValueError, "'objective' parameter"),
    "closed form of another kernel": (
        {"objective__mmd_estimator": "closed", "objective__kernel": "imq"},
        {},
        ValueError,
        "mmd_estimator='closed' is known for kernel='gaussian' only",
    ),
    "bandwidth of zero": (
        {"objective__bandwidth": [1.0, 0.0]},
        {},
        ValueError,
        "bandwidth must hold positive",
    ),
    "weights of classes that are none": (
        {"class_weight": {0: 1, 7: 2}},
        {},
        ValueError,
        "class_weight|classes",
    ),
    "nothing left to train on": (
        {"early_stopping": True, "validation_fraction": 0.99},
        {},
        ValueError,
        r"validation_fraction=0\.99 of 30 rows leaves none to train on",
    ),
    "absent device": (
        {"device": f"cuda:{torch.cuda.device_count()}"},
        {},
        ValueError,
        "was asked for, but torch finds . CUDA devices. Set device='auto'",
    ),
    "unknown device": ({"device": "gpu"}, {}, ValueError, "device must be 'auto'.*Got 'gpu'"),
    "device of a strange number": ({"device": "cuda:-1"}, {}, ValueError, "Got 'cuda:-1'"),
    "likelihood and values": (
        {"missing": [Modality("m", likelihood=B)]},
        {},
        ValueError,
        r"values in \[0, 1\], but 'm' of X_missing ranges from .*likelihood='gaussian'",
    ),
    "overlapping columns": (
        {"observed": names([0, 1], [1, 2, 3])},
        {},
        ValueError,
        "Modalities 'part0' and 'part1' overlap in column 1 of X",
    ),
    "columns out of range": (
        {"observed": names([0, 1, 2, 3, 4])},
        {},
        ValueError,
        r"names columns \[4\], but X has columns 0 to 3",
    ),
    "negative columns": ({"observed": names([-1, 0])}, {}, ValueError, r"names columns \[-1\]"),
    "slice out of range": (
        {"missing": names(slice(0, 5))},
        {},
        ValueError,
        "spans columns 0:5, but X_missing has 3",
    ),
    "column names of an array": (
        {"observed": names(["a", "b"])},
        {},
        ValueError,
        "names its columns, but X is not a DataFrame",
    ),
    "columns as one name": (
        {"missing": names("a")},
        {"X_missing": pd.DataFrame(M, columns=list("abc"))},
        TypeError,
        "must be a slice of positions, or a sequence .* Got 'a'",
    ),
    "columns as one position": ({"observed": names(3)}, {}, TypeError, "Got 3 instead"),
    "columns as a set": ({"observed": names({0, 1})}, {}, TypeError, "must be a slice of"),
    "slice of names": ({"observed": names(slice("a", "c"))}, {}, TypeError, "must be a slice of"),
    "unknown column names": (
        {"missing": names(["a", "z"])},
        {"X_missing": pd.DataFrame(M, columns=list("abc"))},
        ValueError,
        r"names columns that X_missing lacks: \['z'\]",
    ),
    "columns of another type": (
        {"observed": names([0.5, 1.5])},
        {},
        TypeError,
        "must be a slice of positions, or a sequence",
    ),
    "no columns": ({"observed": names([], slice(0, 4))}, {}, ValueError, "'part0' has no columns"),
    "columns left over": (
        {"observed": names([0, 1])},
        {},
        ValueError,
        r"Columns \[2, 3\] of X belong to no modality",
    ),
    "two modalities of one name": (
        {"observed": [Modality("a", [0, 1]), Modality("a", [2, 3])]},
        {},
        ValueError,
        "Two modalities of observed have one name",
    ),
    "both observed and missing": (
        {"observed": [Modality("a")], "missing": [Modality("a")]},
        {},
        ValueError,
        r"\['a'\] are both observed and missing",
    ),
    "no Modality": ({"observed": ["a"]}, {}, TypeError, "observed must be a list of Modality"),
    "modalities and mapping": (
        {"observed": [Modality("a")]},
        {"X": {"a": X, "b": M}},
        ValueError,
        r"observed names the modalities \['a'\], but X has \['a', 'b'\]",
    ),
    "columns in a mapping": (
        {"observed": [Modality("a", columns=[0])]},
        {"X": {"a": X}},
        ValueError,
        "Leave out columns= in observed",
    ),
    "missing= without X_missing": (
        {"missing": [Modality("m")]},
        {"X_missing": None},
        ValueError,
        "missing= describes modalities, but no X_missing was passed",
    ),
    "columns beyond float64": (
        {},
        {"X": X * 1e200},
        ValueError,
        r"variance of columns \[0, 1, 2, 3\] of X exceeds the range of float64",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
def test_bad_fit(case, no_training, small):
    params, data, error, message = CASES[case]
    clf = CMMDClassifier(**small).set_params(**params)
    data = {"X": X, "y": Y, "X_missing": M} | data
    with pytest.raises(error, match=f"(?s){message}"):
        clf.fit(**data)
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_a_failed_fit_leaves_the_fitted_estimator_alone(small):
    clf = CMMDClassifier(**small | {"max_epochs": 2}).fit(X, Y, X_missing=M)
    before = clf.predict_proba(X)
    for case in ("nan in X_missing", "one class", "rows of y", "zero latent_dim"):
        params, data, error, _ = CASES[case]
        with pytest.raises(error):
            clf.set_params(**params).fit(**{"X": X[:, :2], "y": Y, "X_missing": M} | data)
        clf.set_params(latent_dim=8)
        assert np.array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"name": ""}, TypeError, "must be a string. Got ''"),
        ({"name": "a", "likelihood": "normal"}, ValueError, "'a' must be one of .*Got 'normal'"),
        ({"name": "a", "network": "transformer"}, ValueError, "network of modality 'a'"),
        ({"name": "a", "weight": 0}, ValueError, "weight of modality 'a' must be a positive"),
        ({"name": "a", "weight": "2"}, ValueError, "a positive number or one of .*Got '2'"),
        ({"name": "a", "weight": np.inf}, ValueError, "a positive number or one of .*Got inf"),
    ],
)
def test_bad_modality(params, error, message):
    with pytest.raises(error, match=message):
        Modality(**params)
