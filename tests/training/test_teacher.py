"""Plain classifiers that advise an encoder of few labels, and when it teaches no more."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import LinearSVC

from sklearn_cmmd import CMMDClassifier, CMMDRegressor, Objective, load
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.exceptions import CollapsedTeacherWarning, ResumeWarning
from sklearn_cmmd.training.teacher import advise
from tests.tiny import TINY

N, N_LABELLED = 240, 30
RNG = np.random.default_rng(0)
Y = np.arange(N) % 3
FEW = np.where(np.arange(N) < N_LABELLED, Y, -1)
X = RNG.normal(size=(N, 5)) + Y[:, None]
TELLS = RNG.normal(size=(N, 6)) - 2 * Y[:, None]
NOISE = RNG.normal(size=(N, 6))
# Of rows without a label there is one class alone.
ONE_CLASS = np.where(np.arange(N) < N_LABELLED, Y, 0)
OF_ONE_CLASS = RNG.normal(size=(N, 5)) + 2 * ONE_CLASS[:, None]
SMALL = TINY | {"max_epochs": 2}

pytestmark = pytest.mark.filterwarnings("ignore:.*rows of y have no label")


def rows(missing, present=None, labelled=FEW >= 0):
    mask = None if present is None else torch.from_numpy(present)[:, None].float()
    tables = [torch.from_numpy(table).float() for table in (X, missing)]
    pair_weight = None if present is None else torch.from_numpy(present).float()
    return PairedRows(
        *tables, mask, torch.from_numpy(Y), pair_weight=pair_weight, labelled=labelled
    )


def test_what_is_said_of_a_labelled_row_comes_from_a_fit_without_it():
    plain = LogisticRegression(C=3.0)
    found = advise(rows(TELLS), plain, 3).probabilities.numpy()
    both = np.hstack([X / 5**0.5, TELLS / 6**0.5]).astype("f4")
    known = FEW >= 0
    whole = clone(plain).fit(both[known], Y[known]).predict_proba(both)
    np.testing.assert_allclose(found[~known], whole[~known], atol=1e-5)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    left_out = cross_val_predict(plain, both[known], Y[known], cv=folds, method="predict_proba")
    np.testing.assert_allclose(found[known], left_out, atol=1e-5)


def test_the_share_says_whether_x_m_tells_of_the_label():
    rng = np.random.default_rng(1)
    of_noise = [advise(rows(rng.normal(size=(N, 30))), "auto", 3).share for _ in range(3)]
    assert np.mean(of_noise) < 0.2
    assert advise(rows(TELLS), "auto", 3).share == 1.0


def test_rows_without_x_m_are_advised_by_x_o_alone():
    present = np.arange(N) % 4 != 1
    gaps = np.where(present[:, None], TELLS, 0)
    found = advise(rows(gaps, present), GaussianNB(), 3).probabilities.numpy()
    # Views that contradict the labels have a share of zero, which leaves what x_O says.
    wrong = RNG.normal(size=(N, 6)) + 9 * RNG.integers(3, size=N)[:, None]
    by_x = advise(rows(wrong), GaussianNB(), 3)
    assert by_x.share == 0.0
    alone = by_x.probabilities.numpy()
    np.testing.assert_allclose(found[~present], alone[~present], atol=1e-6)
    some = rows(gaps, present).subset(np.flatnonzero(present))
    paired = advise(some, GaussianNB(), 3).probabilities.numpy()
    np.testing.assert_allclose(found[present], paired[present], atol=1e-6)
    assert np.isnan(paired[~present]).all()


def test_too_few_labels_for_folds():
    """Of both views they tell nothing, of x_O perhaps; without two of a class nobody is asked."""
    assert advise(rows(TELLS, labelled=np.arange(N) < 4), "auto", 3) is None
    present = np.arange(N) >= N_LABELLED - 3
    found = advise(rows(np.where(present[:, None], TELLS, 0), present), "auto", 3)
    assert found.share == 0.0
    assert (found.probabilities.argmax(1).numpy() == Y)[FEW < 0].mean() > 0.5


def test_several_classifiers_are_averaged():
    one, other = GaussianNB(), LabelSpreading(kernel="knn")
    first, second, both = (
        advise(rows(TELLS), each, 3).probabilities for each in (one, other, [one, other])
    )
    torch.testing.assert_close(both, (first + second) / 2)
    # It learns from rows without a label too.
    known = LabelSpreading(kernel="knn").fit(np.hstack([X, TELLS])[FEW >= 0], Y[FEW >= 0])
    said = known.predict_proba(np.hstack([X, TELLS]))
    assert np.abs(second.numpy()[FEW < 0] - said[FEW < 0]).max() > 0.1


def fit(missing=TELLS, y=FEW, X=X, objective=None, **params):
    return CMMDClassifier(**SMALL | params, objective=objective).fit(X, y, X_missing=missing)


def test_the_share_is_that_of_the_rows_trained_on_and_survives_a_file(tmp_path):
    clf = fit()
    assert clf.teacher_share_ == 1.0
    assert fit(NOISE).teacher_share_ < 0.5
    assert fit(objective=Objective(teacher=None)).teacher_share_ == 1.0
    assert fit(y=Y).teacher_share_ is None
    assert fit(objective=Objective(distillation=0)).teacher_share_ is None
    clf.save(tmp_path / "few.safetensors")
    assert load(tmp_path / "few.safetensors").teacher_share_ == 1.0


def test_advice_changes_what_is_learned_only_where_labels_are_few():
    def loss(y, **objective):
        return fit(y=y, objective=Objective(**objective)).history_["train_loss"]

    assert loss(FEW) != loss(FEW, teacher=None)
    assert loss(FEW, few_labels=0) == loss(FEW, few_labels=0, teacher=None)


def test_noise_as_x_m_leaves_the_accuracy_of_the_twin():
    params = TINY | {"hidden_layer_sizes": (32,), "latent_dim": 5, "max_epochs": 60}
    twin = CMMDClassifier(**params).fit(X[FEW >= 0], Y[FEW >= 0])
    wide = RNG.normal(size=(N, 40))
    clf = CMMDClassifier(**params).fit(X, FEW, X_missing=wide)
    unseen = X[N_LABELLED:], Y[N_LABELLED:]
    assert clf.score(*unseen) > twin.score(*unseen) - 0.08


def test_a_teacher_that_sees_one_class_alone_teaches_no_more(tmp_path):
    params = {"max_epochs": 30, "learning_rate": 5e-3, "hidden_layer_sizes": (16,)}
    objective = Objective(teacher=None)
    missing = RNG.normal(size=(N, 6)) - 4 * ONE_CLASS[:, None]
    data = {"X": OF_ONE_CLASS, "missing": missing, "objective": objective}
    with pytest.warns(CollapsedTeacherWarning, match="has lost classes.*in epoch"):
        clf = fit(**data, **params)
    assert clf.teacher_share_ == 0.0
    entropies = np.array(clf.history_["train_teacher_entropy"])
    collapsed = int(np.flatnonzero(entropies < 0.5 * np.log(3))[0])
    # The loss of later epochs has no such term: it does not depend on the distillation.
    terms = {name: values[-1] for name, values in clf.history_.items()}
    assert terms["train_distillation"] > 0
    assert collapsed < 29
    # A resumed run knows it from the history.
    stopped = params | {"max_epochs": collapsed + 3, "checkpoint_dir": tmp_path}
    with pytest.warns(CollapsedTeacherWarning):
        fit(**data, **stopped)
    with pytest.warns(ResumeWarning), pytest.warns(CollapsedTeacherWarning):
        resumed = fit(**data, **stopped)
    assert resumed.teacher_share_ == 0.0


def test_classes_that_are_rare_indeed_are_no_collapse():
    """Where plain classifiers see one class alone too."""
    missing = RNG.normal(size=(N, 6)) - 4 * ONE_CLASS[:, None]
    clf = fit(missing, X=OF_ONE_CLASS, max_epochs=20)
    assert clf.teacher_share_ > 0


@pytest.mark.parametrize("teacher", ["none", 3, [], ["auto"], LinearSVC()])
def test_what_is_no_teacher_is_refused(teacher):
    with pytest.raises(ValueError, match="teacher"):
        fit(objective=Objective(teacher=teacher))


def test_classifiers_do_not_teach_numbers_or_several_labels():
    objective = Objective(teacher=GaussianNB())
    with pytest.raises(ValueError, match="one class a row"):
        CMMDRegressor(objective=objective).fit(X, X[:, 0], X_missing=TELLS)
    with pytest.raises(ValueError, match="one class a row"):
        fit(y=np.stack([Y == 0, Y == 1], axis=1).astype(int), objective=objective)
