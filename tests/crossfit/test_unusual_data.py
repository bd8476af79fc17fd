"""Ensembles of data that lack something somewhere: folds without labels, pairs or weight."""

import numpy as np
import pandas as pd
import pytest

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, Objective
from sklearn_cmmd.exceptions import RowOrderWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_cmmd.exceptions.UnlabelledRowsWarning")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4))
M = 2 * X[:, :3] + RANDOM.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
SITE = np.arange(60) // 12
TINY = {"hidden_layer_sizes": (8,), "latent_dim": 2, "max_epochs": 2}


def ensemble(n=2, generators=None, **params):
    params = {"objective": Objective(teacher=None)} | params
    return CMMDEnsemble(CMMDClassifier(**TINY | params), n, generators=generators, random_state=0)


def without(rows):
    gaps = M.copy()
    gaps[rows] = np.nan
    return gaps


@pytest.mark.parametrize("generators", [None, "auto"])
@pytest.mark.parametrize("stops", [True, False])
def test_a_site_that_lacks_something(generators, stops):
    model = ensemble(5, generators, early_stopping=stops)
    for y, missing in ((Y, without(SITE == 2)), (np.where(SITE == 2, -1, Y), M)):
        model.fit(X, y, X_missing=missing, groups=SITE)
        assert np.isfinite(model.predict_proba(X)).all()
        assert np.isfinite(model.generate_missing(X)).all()
    weight = np.where(SITE == 1, 0.0, 1.0)
    model.fit(X, Y, X_missing=M, groups=SITE, sample_weight=weight)
    assert np.isfinite(model.generate_missing(X, 2)).all()


def test_few_labels_and_few_pairs():
    few = np.full(60, -1)
    few[:4] = [0, 1, 1, 0]
    assert ensemble(5).fit(X, few, X_missing=M).predict(X).shape == (60,)
    pairs = ensemble(5, "auto").fit(X, Y, X_missing=without(slice(3, None)))
    assert pairs.weights_ == {"X_missing": {"cmmd": 1.0}}
    assert ensemble(5).fit(X[:5], [0, 0, 1, 1, 2]).folds_[4] == -1


def test_kind_of_values_is_the_same_for_all_members():
    binary = (M[:, :2] > 0).astype(float)
    binary[7, 0] = 5
    model = ensemble(3).fit(X, Y, X_missing=binary)
    found = {member.missing_[0].likelihood for member in model.estimators_}
    assert found == {"gaussian"}


def test_weights_of_rows_count_everywhere():
    weight, moved = np.where(np.arange(60) < 30, 1.0, 1e-6), M.copy()
    moved[30:] += 100
    model = ensemble(2, "auto").fit(X, Y, X_missing=moved, sample_weight=weight)
    assert np.abs(model.generate_missing(X[:30])).mean() < 10
    lower, upper = model.generate_intervals(X[:30], 0.8)
    assert np.median(upper - lower) < 20


def test_patterns_that_the_fit_does_not_have():
    views = {"a": M[:, :1].copy(), "b": M[:, 1:].copy()}
    views["a"][::2], views["b"][1::2] = np.nan, np.nan
    model = ensemble().fit({"x": X}, Y, X_missing=views)
    far = {"a": 1e3 + M[:, :1], "b": M[:, 1:] - 1e3}
    assert np.isnan(model.score_pairs({"x": X}, far)).all()
    assert model.score_pairs({"x": X}, far | {"b": np.full((60, 2), np.nan)}).max() < 0.05


def test_groups_count_in_each_modality_by_themselves():
    views = {"a": M[:, :1].copy(), "b": M[:, 1:].copy()}
    views["b"][np.arange(60) % 10 > 0] = np.nan
    model = ensemble().fit({"x": X}, Y, X_missing=views, groups=np.arange(60) // 10)
    far = {"a": np.array([[1e6]]), "b": np.full((1, 2), np.nan)}
    assert model.score_pairs({"x": X[:1]}, far) == pytest.approx(1 / 7)


def test_errors_of_new_groups_that_differ_in_their_size():
    """x_O tells of which group a row is, and groups differ in the size of their errors."""

    def make(n_groups, size, random):
        group = np.repeat(np.arange(n_groups), size)
        scale = np.exp(1.2 * random.normal(size=n_groups))
        x = random.normal(size=(n_groups, 3))[group] + 0.05 * random.normal(size=(len(group), 3))
        return x, scale[group, None] * random.normal(size=(len(group), 2)), group

    found = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        x, m, group = make(20, 25, random)
        new_x, new_m, _ = make(300, 2, random)
        model = ensemble(max_epochs=1).fit(x, np.arange(500) % 2, X_missing=m, groups=group)
        lower, upper = model.generate_intervals(new_x)
        found.append(np.mean((lower <= new_m) & (new_m <= upper)))
    assert np.mean(found) > 0.88


def test_numbers_that_float32_does_not_tell_apart():
    x = RANDOM.normal(size=(300, 4))
    times = 1.7e9 + 20 * x[:, :2] + 10 * RANDOM.normal(size=(300, 2))
    y = (x[:, 0] > 0).astype(int)
    model = ensemble(2, "auto").fit(x.astype(np.float32), y, X_missing=times)
    lower, upper = model.generate_intervals(x.astype(np.float32))
    assert np.mean((lower <= times) & (times <= upper)) > 0.85


def test_an_error_of_a_member_leaves_the_fit_as_it_was():
    model = ensemble().fit(X, Y, X_missing=M)
    before = model.__dict__.copy()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(X > 100, X, np.nan), Y, X_missing=M)
    assert model.__dict__ == before


def test_groups_in_another_order():
    frame = pd.DataFrame(X, index=[f"r{i}" for i in range(60)])
    with pytest.warns(RowOrderWarning):
        ensemble().fit(frame, Y, groups=pd.Series(SITE, index=frame.index[::-1]))


def test_checkpoints_need_a_seed(tmp_path):
    model = ensemble(checkpoint_dir=tmp_path).set_params(random_state=None)
    with pytest.raises(ValueError, match="needs random_state, an int"):
        model.fit(X, Y, X_missing=M)
