"""scikit-learn's own checks, those that `check_estimator` runs and those that it leaves out."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDRegressor,
    CMMDTransformer,
    Modality,
    Objective,
)
from tests.conftest import SMALL

STOCHASTIC = (
    "repeating a row changes the minibatches and the noise; "
    "test_classifier.py::test_weight_of_two_is_the_row_twice holds in its place"
)
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


ABSENT = "NaN in the first column says that a row lacks the first modality"


def expected_failures(estimator):
    may_lack = getattr(estimator, "optional", None) is not None
    return EXPECTED_FAILURES | ({"check_estimators_nan_inf": ABSENT} if may_lack else {})


class MultilabelCMMD(CMMDClassifier):
    """The classifier, announced as one of several outputs, which adds a check of indicators."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


FAST = SMALL | {"random_state": None, "max_epochs": 2, "learning_rate": 0.02}
OF_NUMBERS = FAST | {"learning_rate": 0.01}
# What it takes to learn, for the checks that ask for a score; no other depends on it.
EPOCHS = {
    "check_class_weight_classifiers": 6,
    "check_classifiers_classes": 6,
    "check_classifiers_train": 6,
    # It sets alpha=0.01, by which numbers are learned slowly.
    "check_regressors_train": 50,
}
ESTIMATORS = [
    CMMDClassifier(**FAST),
    CMMDRegressor(**OF_NUMBERS),
    CMMDTransformer(**FAST),
    CMMDEnsemble(CMMDClassifier(**FAST), n_estimators=2),
    CMMDEnsemble(CMMDRegressor(**OF_NUMBERS), n_estimators=2),
    CMMDClassifier(
        observed=[Modality("first", slice(0, 1)), Modality("rest", slice(1, None), network="mlp")],
        optional="all",
        objective=Objective(kernel="imq"),
        **FAST,
    ),
]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_common(estimator, check):
    epochs = EPOCHS.get(check.func.__name__, FAST["max_epochs"])
    (name,) = [name for name in estimator.get_params() if name.endswith("max_epochs")]
    check(clone(estimator).set_params(**{name: epochs}))


def test_indicators_as_several_outputs():
    estimator_checks.check_classifier_multioutput("MultilabelCMMD", MultilabelCMMD(**FAST))


@pytest.mark.parametrize("name", sorted(EXPECTED_FAILURES))
@pytest.mark.parametrize("estimator", ESTIMATORS[:1])
def test_expected_failures_fail(estimator, name):
    with pytest.raises(AssertionError, match="not equivalent to fitting with removed or repeated"):
        getattr(estimator_checks, name)("CMMDClassifier", estimator)


@pytest.mark.parametrize(
    "check",
    [
        "check_param_validation",
        "check_dataframe_column_names_consistency",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_checks_left_out(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@pytest.mark.parametrize(
    "estimator", [CMMDClassifier(), CMMDRegressor(), CMMDTransformer()], ids=["clf", "reg", "tr"]
)
def test_no_check_is_switched_off_by_a_tag(estimator):
    tags = estimator.__sklearn_tags__()
    assert not tags._skip_test
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert not tags.input_tags.allow_nan
    if tags.classifier_tags is not None:
        assert not tags.classifier_tags.poor_score
    if tags.regressor_tags is not None:
        assert not tags.regressor_tags.poor_score


def test_feature_names_out():
    X = np.random.RandomState(0).normal(size=(20, 3))
    names = CMMDTransformer(**SMALL).fit(X, X[:, 0] > 0).get_feature_names_out()
    assert names.tolist() == [f"cmmdtransformer{i}" for i in range(8)]
