"""Parameters and weights that are wrong, each with its own message."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
)
from sklearn_cmmd.model_selection import SemiSupervisedSplit
from tests.test_bad_input import M, X, Y

SPELLED = {
    "Objective": (lambda: Objective(kernal="imq"), "Objective has no .* Did you mean 'kernel'"),
    "Networks": (lambda: Networks(prior_hiden=(8,)), "Did you mean 'prior_hidden'"),
    "Modality": (lambda: Modality("a", likelihod="auto"), "Did you mean 'likelihood'"),
    "another name": (lambda: CMMDClassifier(seed=1), "Did you mean 'random_state'"),
    "by position": (lambda: CMMDClassifier(0.5), "takes parameters by name, such as observed="),
    "a member's": (
        lambda: CMMDEnsemble(omega=0.5),
        r"or estimator__omega in grids",
    ),
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
        with pytest.raises(ValueError, match="observed=, missing= or optional= changed"):
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
