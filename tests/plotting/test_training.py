"""TrainingDisplay: lines of histories, marks of epochs, members of ensembles."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.plotting import TrainingDisplay
from tests import tiny

HISTORY = {
    "train_loss": [3.0, 2.0, 1.0],
    "valid_loss": [3.5, 2.5, 2.6],
    "train_kl": [0.1, 0.2, 0.3],
    "valid_kl": [0.2, 0.3, 0.4],
}


def test_each_term_has_a_panel_with_both_lines(fitted):
    display = TrainingDisplay.from_estimator(fitted)
    assert set(display.lines_) == set(fitted.history_)
    assert len(display.axes_) == len(fitted.history_) / 2
    for name, (line,) in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, fitted.n_iter_ + 1))
        np.testing.assert_array_equal(line.get_ydata(), fitted.history_[name])


def test_the_loss_comes_first_and_units_are_those_of_the_terms(fitted):
    display = TrainingDisplay.from_estimator(fitted)
    titles = [axes.get_title() for axes in display.axes_]
    assert titles[:2] == ["loss", "loss of y"]
    units = {axes.get_title(): axes.get_ylabel() for axes in display.axes_}
    assert units["loss"] == "nats per row"
    assert units["MMD of encoder and prior"] == ""
    assert {axes.get_xlabel() for axes in display.axes_} == {"epoch"}


def test_the_epoch_whose_weights_were_kept_is_marked_in_each_panel(fitted):
    display = TrainingDisplay.from_estimator(fitted)
    assert len(display.marks_) == len(display.axes_)
    for (mark,) in display.marks_.values():
        assert set(mark.get_xdata()) == {fitted.best_epoch_}


def test_the_two_lines_differ_in_more_than_colour():
    lines = TrainingDisplay.from_history(HISTORY).lines_
    (train,), (valid,) = lines["train_loss"], lines["valid_loss"]
    assert train.get_color() != valid.get_color()
    assert train.get_linestyle() != valid.get_linestyle()


def test_the_legend_names_each_kind_of_line_once(ensemble):
    legend = TrainingDisplay.from_estimator(ensemble).legend_
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["training", "weights kept"]
    legend = TrainingDisplay.from_history([HISTORY] * 3, kept=[1, 2, 3]).legend_
    assert [t.get_text() for t in legend.get_texts()] == ["training", "held out", "weights kept"]


def test_members_are_shown_in_one(ensemble):
    display = TrainingDisplay.from_estimator(ensemble)
    for number, member in enumerate(ensemble.estimators_):
        line = display.lines_["train_kl"][number]
        np.testing.assert_array_equal(line.get_ydata(), member.history_["train_kl"])
    assert len(display.marks_["loss"]) == 3


def test_a_member_is_shown_by_its_number(ensemble):
    display = TrainingDisplay.from_estimator(ensemble, member=1)
    (line,) = display.lines_["train_loss"]
    np.testing.assert_array_equal(line.get_ydata(), ensemble.estimators_[1].history_["train_loss"])
    with pytest.raises(ValueError, match=r"member must be a number from 0 to 2. Got 3"):
        TrainingDisplay.from_estimator(ensemble, member=3)


def test_terms_are_shown_in_the_order_asked_for(fitted):
    display = TrainingDisplay.from_estimator(fitted, terms=["kl", "loss"])
    assert [axes.get_title() for axes in display.axes_] == ["KL of encoder and prior", "loss"]
    for terms in (["nll"], []):
        with pytest.raises(ValueError, match=r"terms must be some of \['loss', 'classification'"):
            TrainingDisplay.from_estimator(fitted, terms=terms)


def test_without_rows_held_out_there_is_one_line():
    display = TrainingDisplay.from_history({"train_loss": [2.0, 1.0]})
    assert list(display.lines_) == ["train_loss"]
    assert display.marks_ == {}


def test_terms_of_ones_own_are_shown_too():
    display = TrainingDisplay.from_history({"train_loss": [1.0], "train_zeal": [2.0]})
    assert [axes.get_title() for axes in display.axes_] == ["loss", "zeal"]


def test_a_fit_that_went_on_without_held_out_rows_leaves_a_gap():
    clf = tiny.fit(max_epochs=2, early_stopping=True, validation_fraction=0.3, warm_start=True)
    clf.set_params(early_stopping=False).fit(tiny.X, tiny.Y, X_missing=tiny.M)
    (line,) = TrainingDisplay.from_estimator(clf).lines_["valid_loss"]
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, True]


def test_keywords_reach_the_lines():
    display = TrainingDisplay.from_history(HISTORY, line_kw={"linewidth": 7})
    assert {line.get_linewidth() for lines in display.lines_.values() for line in lines} == {7}


def test_only_fitted_estimators_of_this_package_have_a_training():
    for estimator in (CMMDClassifier(), CMMDEnsemble()):
        with pytest.raises(NotFittedError):
            TrainingDisplay.from_estimator(estimator)
    with pytest.raises(ValueError, match=r"Only an ensemble has members. Got a CMMDClassifier"):
        TrainingDisplay.from_estimator(tiny.fit(), member=0)
    with pytest.raises(TypeError, match=r"Got Pipeline; take best_estimator_ of a search"):
        TrainingDisplay.from_estimator(make_pipeline(tiny.fit()))
