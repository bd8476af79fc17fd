"""OmegaCurveDisplay: means and spreads over folds, of each score and each setting."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import make_scorer, zero_one_loss
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_cmmd.metrics import make_generation_scorer
from sklearn_cmmd.plotting import OmegaCurveDisplay

X = np.arange(60.0)[:, None]
Y = np.arange(60) % 2


class Thresholded(ClassifierMixin, BaseEstimator):
    """Predicts by a remainder, so that its scores differ by fold, omega and lam."""

    def __init__(self, omega=0.5, lam=1.0, mode="a"):
        self.omega, self.lam, self.mode = omega, lam, mode

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = (np.sin(X[:, 0] * self.lam) ** 2 * self.omega + 0.1) / 1.2
        return np.c_[1 - p, p]

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > 0.2).astype(int)


class Number(RegressorMixin, Thresholded):
    pass


def search(grid, scoring=("accuracy", "neg_log_loss"), estimator=None, refit=None):
    if refit is None:
        refit = scoring[0] if isinstance(scoring, tuple) else True
    model = Thresholded() if estimator is None else estimator
    return GridSearchCV(model, grid, scoring=scoring, cv=3, refit=refit).fit(X, Y)


@pytest.fixture(scope="module")
def two():
    return search({"omega": [1.0, 0.0, 0.4]})


def by_omega(search, name):
    order = np.argsort([params["omega"] for params in search.cv_results_["params"]])
    return search.cv_results_[name][order]


def test_the_lines_are_means_over_folds_by_omega(two):
    display = OmegaCurveDisplay.from_cv_results(two)
    (error,), (log_loss,) = display.lines_["error rate"], display.lines_["log loss"]
    assert error.get_xdata().tolist() == [0.0, 0.4, 1.0]
    np.testing.assert_allclose(error.get_ydata(), 1 - by_omega(two, "mean_test_accuracy"))
    np.testing.assert_allclose(log_loss.get_ydata(), -by_omega(two, "mean_test_neg_log_loss"))
    assert [axes.get_ylabel() for axes in display.axes_] == ["error rate", "log loss"]
    assert [axes.get_xlabel() for axes in display.axes_] == ["ω", "ω"]


def test_the_bands_are_one_standard_deviation_up_and_down(two):
    (band,) = OmegaCurveDisplay.from_cv_results(two).bands_["error rate"]
    mean, std = (by_omega(two, f"{name}_test_accuracy") for name in ("mean", "std"))
    drawn = band.get_paths()[0].vertices
    for x, low, high in zip([0, 0.4, 1], 1 - mean - std, 1 - mean + std, strict=True):
        at = drawn[drawn[:, 0] == x, 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))


def test_what_the_search_chose_is_marked(two):
    display = OmegaCurveDisplay.from_cv_results(two)
    (mark,) = [line for line in display.axes_[0].get_lines() if line.get_label() == "chosen"]
    assert set(mark.get_xdata()) == {two.best_params_["omega"]}
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["mean ± std of 3 folds", "chosen"]


def test_each_setting_of_the_others_has_a_line_that_differs_in_more_than_colour():
    found = search({"omega": [0.1, 0.9], "lam": [1.0, 2.0]})
    display = OmegaCurveDisplay.from_cv_results(found, scores=["accuracy"])
    assert len(display.axes_) == 1
    lines = display.lines_["error rate"]
    assert [line.get_label() for line in lines] == ["lam=1.0", "lam=2.0"]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 2
    frame = pd.DataFrame(found.cv_results_)
    own = frame[frame.param_lam == 2.0].sort_values("param_omega")
    np.testing.assert_allclose(lines[1].get_ydata(), 1 - own.mean_test_accuracy)


def test_candidates_that_do_not_have_omega_are_left_out():
    found = search([{"omega": [0.2, 0.8]}, {"lam": [3.0]}])
    (line,) = OmegaCurveDisplay.from_cv_results(found).lines_["error rate"]
    assert line.get_xdata().tolist() == [0.2, 0.8]


def test_the_results_alone_are_enough(two):
    display = OmegaCurveDisplay.from_cv_results(two.cv_results_)
    assert display.chosen is None
    assert list(display.lines_) == ["error rate", "log loss"]


def test_the_name_of_a_step_may_be_left_out():
    found = search({"thresholded__omega": [0.2, 0.8]}, estimator=make_pipeline(Thresholded()))
    display = OmegaCurveDisplay.from_cv_results(found)
    assert display.chosen == found.best_params_["thresholded__omega"]


@pytest.mark.parametrize(
    ("scoring", "estimator", "label"),
    [
        (None, Thresholded(), "error rate"),
        (None, Number(), "R²"),
        ("neg_mean_squared_error", Number(), "mean squared error"),
        (lambda est, X, y: est.omega, Thresholded(), "<lambda>"),
    ],
)
def test_a_single_score_has_its_name(scoring, estimator, label):
    found = search({"omega": [0.2, 0.8]}, scoring=scoring, estimator=estimator)
    assert OmegaCurveDisplay.from_cv_results(found).axes_[0].get_ylabel() == label


def test_the_sign_of_an_error_is_turned_back_whatever_its_name():
    made = make_generation_scorer(lambda X_missing, generated: 0.25)
    scoring = {"loss": make_scorer(zero_one_loss, greater_is_better=False), "good": "accuracy"}
    results = search({"omega": [0.2, 0.8]}, scoring=scoring, refit=False)
    results.scorer_["made"] = made
    for i in range(3):
        results.cv_results_[f"split{i}_test_made"] = np.full(2, -0.25)
    shown = OmegaCurveDisplay.from_cv_results(results)
    (loss,), (good,), (made_line,) = (shown.lines_[name] for name in ("loss", "good", "made"))
    np.testing.assert_allclose(loss.get_ydata(), 1 - good.get_ydata())
    assert made_line.get_ydata().tolist() == [0.25, 0.25]


def test_another_parameter_may_be_drawn_against():
    found = search({"lam": [1.0, 2.0]})
    display = OmegaCurveDisplay.from_cv_results(found, param="lam")
    assert display.axes_[0].get_xlabel() == "lam"


def test_rounds_of_a_search_by_halving_are_lines():
    found = HalvingGridSearchCV(
        Thresholded(), {"omega": [0.1, 0.5, 0.9]}, cv=3, factor=2, random_state=0
    ).fit(X, Y)
    display = OmegaCurveDisplay.from_cv_results(found)
    assert [line.get_label() for line in display.lines_["error rate"]] == ["iter=0", "iter=1"]


def test_a_fit_that_failed_leaves_a_gap(two):
    results = dict(two.cv_results_)
    results["split1_test_accuracy"] = results["split1_test_accuracy"] * [np.nan, 1, 1]
    (line,) = OmegaCurveDisplay.from_cv_results(results).lines_["error rate"]
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True]


def test_errors_say_what_a_search_must_have(two):
    draw = OmegaCurveDisplay.from_cv_results
    with pytest.raises(TypeError, match=r"fitted search or its cv_results_. Got GridSearchCV"):
        draw(GridSearchCV(Thresholded(), {}))
    with pytest.raises(ValueError, match=r"vary one parameter 'omega'. It varied \['lam'\]"):
        draw(search({"lam": [1.0]}))
    with pytest.raises(ValueError, match="varied mode over values such as 'a'"):
        draw(search({"mode": ["a", "b"]}), param="mode")
    with pytest.raises(ValueError, match=r"some of \['accuracy', 'neg_log_loss'\]. Got \['f1'\]"):
        draw(two, scores=["f1"])
