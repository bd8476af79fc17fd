"""Every mistake has its own message, comes before any training, and leaves the estimator alone."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from skorch.helper import SliceDict

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
)
from sklearn_cmmd.model_selection import SemiSupervisedSplit

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


@pytest.fixture
def fitted(small):
    return CMMDClassifier(**small | {"max_epochs": 1}).fit(X, Y, X_missing=M)


METHODS = ["predict", "predict_proba", "predict_log_proba", "transform", "generate_missing"]


@pytest.mark.parametrize("method", METHODS)
class TestPredict:
    def test_wrong_width(self, method, fitted):
        with pytest.raises(ValueError, match="X has 3 features, but CMMDClassifier is expecting 4"):
            getattr(fitted, method)(X[:, :3])

    def test_nan(self, method, fitted):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            getattr(fitted, method)(with_value(X, np.nan))

    def test_not_fitted(self, method):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(CMMDClassifier(), method)(X)

    def test_wrong_column_names(self, method, small):
        frame = pd.DataFrame(X, columns=list("abcd"))
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(frame, Y, X_missing=M)
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(clf, method)(frame[list("bacd")])
        with pytest.raises(ValueError, match=r"Feature names unseen at fit time:\n- z"):
            getattr(clf, method)(frame.rename(columns={"a": "z"}))

    def test_views_of_the_fit(self, method, small):
        views = {"sound": pd.DataFrame(X, columns=list("abcd")), "text": M}
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(views, Y, X_missing=M)
        call = getattr(clf, method)
        with pytest.raises(ValueError, match=r"Unknown: \['image'\]; absent: \['text'\]"):
            call({"sound": X, "image": M})
        with pytest.raises(ValueError, match=r"Unknown: \[\]; absent: \['text'\]"):
            call({"sound": X})
        with pytest.raises(ValueError, match=r"X\['text'\] has 4 features, but it had 3"):
            call({"sound": X, "text": X})
        with pytest.raises(ValueError, match=r"was a mapping of the modalities .* but is an array"):
            call(np.hstack([X, M]))
        with pytest.raises(ValueError, match=r"X\['sound'\] must have the columns of the fit"):
            call({"sound": views["sound"][list("bacd")], "text": M})

    def test_mapping_after_an_array(self, method, fitted):
        with pytest.raises(ValueError, match="X was an array in fit, but is a mapping now"):
            getattr(fitted, method)({"a": X})


@pytest.mark.parametrize("random_state", [-1, "a", np.random.default_rng(0)])
def test_bad_seed_of_draws(fitted, random_state):
    with pytest.raises(ValueError, match="random_state must be a non-negative int"):
        fitted.generate_missing(X, n_samples=1, random_state=random_state)


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"y": Y, "classes": [1, 2]}, None, "`y` has classes not in `self.classes_`"),
        (
            {"y": np.eye(2, dtype=int)[Y], "classes": [0, 1, 2]},
            None,
            "y has 2 columns, but there are 3 classes",
        ),
        (
            {"y": np.eye(3, dtype=int)[Y], "classes": [0, 1, 2]},
            {"y": np.eye(2, dtype=int)[Y]},
            "y has 2 columns, but there are 3 classes",
        ),
        (
            {"y": Y, "classes": [0, 1], "X_missing": (M > 0).astype(float)},
            {"y": Y, "X_missing": 50 * M},
            "has values in .0, 1., but 'X_missing' .*first fit on, where 'auto' chose Bernoulli",
        ),
        (
            {"y": Y, "classes": [0, 1], "X_missing": {"a": np.tanh(M) ** 2, "b": 1.0 * (M > 0)}},
            {"y": Y, "X_missing": {"b": 50 * M, "a": np.tanh(M) ** 2}},
            "has values in .0, 1., but 'b' of X_missing ranges",
        ),
    ],
    ids=["classes", "columns of y", "fewer columns of y", "Bernoulli", "of two"],
)
def test_bad_chunk_for_partial_fit(small, first, then, message):
    clf = CMMDClassifier(**small)
    if then is not None:
        clf.partial_fit(X, **{"X_missing": M} | first)
    epochs = getattr(clf, "n_iter_", None)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, **{"X_missing": M} | (then or first))
    assert getattr(clf, "n_iter_", None) == epochs


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "all", True])
def test_bad_number_of_draws(fitted, n_samples):
    with pytest.raises(ValueError, match="n_samples must be a positive int"):
        fitted.generate_missing(X, n_samples=n_samples)


def test_nothing_to_generate(small):
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"CMMDClassifier was fitted without X_missing.*Fit it with"
    ):
        clf.generate_missing(X)


def test_nothing_to_learn(small, no_training):
    with pytest.raises(ValueError, match="pass X_missing, y, or both"):
        CMMDTransformer(**small).fit(X)
    with pytest.raises(ValueError, match="pass X_missing, y, or both"):
        CMMDTransformer(**small).partial_fit(X)


def test_plain_dict_in_a_search(small, no_training):
    """scikit-learn passes a dict of X_missing on as it is, and the fold's rows do not fit it."""
    search = GridSearchCV(
        CMMDClassifier(**small), {"omega": [0, 1]}, cv=2, error_score="raise", refit=False
    )
    with pytest.raises(ValueError, match=r"X_missing has 30.*skorch\.helper\.SliceDict"):
        search.fit(X, Y, X_missing={"a": M, "b": X})


def test_plain_dict_of_x_in_a_search(small, no_training):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_validate(CMMDClassifier(**small), {"a": M, "b": X}, Y, cv=2, error_score="raise")


def test_row_labels_in_another_order_are_warned_of(small):
    frame, missing = pd.DataFrame(X), pd.DataFrame(M)
    with pytest.warns(UserWarning, match=r"paired by position.*X_missing\.loc\[X\.index\]"):
        CMMDClassifier(**small | {"max_epochs": 1}).fit(frame, Y, X_missing=missing[::-1])


def test_slice_dict_is_a_mapping(small):
    views = SliceDict(a=X, b=M)
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(views, Y)
    assert clf.n_features_in_ == 7
    assert clf.predict(views).shape == (30,)


def test_dict_of_keys_matrices_are_not_mappings(small):
    matrix = sp.dok_matrix(X)
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(matrix, Y)
    assert clf.predict(matrix).shape == (30,)


SPELLED = {
    "Objective": (lambda: Objective(kernal="imq"), "Objective has no .* Did you mean 'kernel'"),
    "Networks": (lambda: Networks(prior_hiden=(8,)), "Did you mean 'prior_hidden'"),
    "Modality": (lambda: Modality("a", likelihod="auto"), "Did you mean 'likelihood'"),
    "another name": (lambda: CMMDClassifier(seed=1), "Did you mean 'random_state'"),
    "by position": (lambda: CMMDClassifier(0.5), "takes parameters by name, such as observed="),
    "a member's": (lambda: CMMDEnsemble(omega=0.5), r"estimator=CMMDClassifier\(omega=...\)"),
    "of a group": (lambda: CMMDClassifier(kernel="imq"), r"objective=Objective\(kernel=...\)"),
    "nothing near": (lambda: CMMDTransformer(qqq=1), "There are observed, missing"),
}


@pytest.mark.parametrize("case", SPELLED)
def test_misspelt_parameters(case):
    make, message = SPELLED[case]
    with pytest.raises(TypeError, match=message):
        make()


def test_parameters_that_change_before_a_fit_goes_on(small):
    clf = CMMDClassifier(**small | {"max_epochs": 1, "warm_start": True}).fit(X, Y, X_missing=M)
    before = clf.predict_proba(X)
    clf.set_params(missing=[Modality("m", likelihood="laplace")])
    for go_on in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match="observed= or missing= changed"):
            go_on(X, Y, X_missing=M)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_a_checkpoint_dir_that_is_a_file(tmp_path, small, no_training):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"checkpoint_dir='.*file' cannot be a folder"):
        CMMDClassifier(**small | {"checkpoint_dir": file}).fit(X, Y, X_missing=M)


@pytest.mark.parametrize("cv", [[(np.arange(20), np.arange(20, 30))], KFold])
def test_a_splitter_that_does_not_fit(cv):
    y = np.where(np.arange(30) % 3, Y, -1)
    with pytest.raises((TypeError, ValueError), match=r"cv (splits the 20|must be a splitter)"):
        list(SemiSupervisedSplit(cv).split(X, y))


@pytest.mark.parametrize("classes", [[0, 1, np.nan], ["a", 1], 3])
def test_classes_of_a_first_part(classes, no_training):
    with pytest.raises(ValueError, match="classes must be a list of all classes"):
        CMMDClassifier().partial_fit(X, Y, X_missing=M, classes=classes)


@pytest.mark.parametrize("weight", [{0: -1, 1: 1}, {0: np.nan, 1: 1}, {0: "a", 1: 1}])
def test_weights_of_classes(weight, no_training):
    with pytest.raises(ValueError, match=r"class_weight=.* is no weight for each class"):
        CMMDClassifier(class_weight=weight).fit(X, Y, X_missing=M)


@pytest.mark.parametrize(
    "weight", [["a"] * 30, ["1"] * 30, np.array(1.0), pd.date_range("2020", periods=30)]
)
def test_weights_that_are_no_numbers(weight, no_training):
    with pytest.raises(ValueError, match="sample_weight must be numbers, one for each row"):
        CMMDClassifier().fit(X, Y, X_missing=M, sample_weight=weight)
