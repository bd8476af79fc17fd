"""What comes out of a file is what went in, to the last bit, in this process and in a new one."""

import pickle
import re
import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import estimator_html_repr
from skorch.callbacks import LRScheduler
from torch import nn

from sklearn_cmmd import (
    CMMDClassifier,
    CMMDEnsemble,
    CMMDTransformer,
    Modality,
    Networks,
    Objective,
    describe,
    load,
)
from sklearn_cmmd.exceptions import DeviceWarning
from tests.fitted import (
    MODELS,
    TINY,
    N,
    answers,
    assert_same_answers,
    fitted,
    frames,
    rows,
)


def again(estimator, path, **how):
    estimator.save(path / "model.safetensors")
    return load(path / "model.safetensors", **how)


class TestEveryEstimator:
    def test_it_says_the_same(self, model, tmp_path):
        estimator, X = model
        assert_same_answers(estimator, again(estimator, tmp_path), X)

    def test_parameters_and_diagram_are_the_same(self, model, tmp_path):
        estimator, _ = model
        twin = again(estimator, tmp_path)
        assert type(twin) is type(estimator)
        assert repr(twin.get_params()) == repr(estimator.get_params())
        one, other = (estimator_html_repr(each) for each in (twin, estimator))
        assert re.sub(r"id-\d+", "", one) == re.sub(r"id-\d+", "", other)

    def test_attributes_are_the_same(self, model, tmp_path):
        estimator, _ = model
        twin = again(estimator, tmp_path)
        assert set(vars(twin)) == set(vars(estimator))
        for name, value in vars(estimator).items():
            is_plain = name not in ("module_", "estimators_", "observed_", "missing_")
            if name.endswith("_") and is_plain:
                np.testing.assert_equal(getattr(twin, name), value, name)
                assert type(getattr(twin, name)) is type(value), name
        statistics = [pickle.dumps(each._plan.layout.observed.mean) for each in (twin, estimator)]
        assert len(set(statistics)) == 1

    def test_a_second_file_is_the_same(self, model, tmp_path):
        estimator, _ = model
        twin = again(estimator, tmp_path)
        first = (tmp_path / "model.safetensors").read_bytes()
        twin.save(tmp_path / "model.safetensors")
        assert (tmp_path / "model.safetensors").read_bytes() == first

    def test_no_number_of_the_data_is_in_the_file(self, model, tmp_path):
        estimator, X = model
        estimator.save(tmp_path / "model.safetensors")
        content = (tmp_path / "model.safetensors").read_bytes()
        table = X["table"].to_numpy() if isinstance(X, dict) else np.asarray(X)
        for value in table[1:9].ravel():
            assert np.float64(value).tobytes() not in content
            assert repr(float(value)).encode() not in content


def test_a_new_process_says_the_same_from_a_file_and_from_a_pickle(known, tmp_path):
    for name in MODELS:
        estimator, X = known(name)
        estimator.save(tmp_path / f"{name}.safetensors")
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps((estimator, X)))
    code = (
        "import pickle, sys, numpy as np, torch\n"
        "torch.set_num_threads(1)\n"
        "from sklearn_cmmd import load\n"
        "from tests.fitted import MODELS, answers\n"
        "for name in MODELS:\n"
        "    pickled, X = pickle.load(open(f'{sys.argv[1]}/{name}.pkl', 'rb'))\n"
        "    loaded = load(f'{sys.argv[1]}/{name}.safetensors')\n"
        "    for how, estimator in (('pickled', pickled), ('loaded', loaded)):\n"
        "        np.savez(f'{sys.argv[1]}/{name} {how}.npz', **answers(estimator, X))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for name, how in product(MODELS, ("pickled", "loaded")):
        with np.load(tmp_path / f"{name} {how}.npz") as found:
            expected = answers(*known(name))
            assert set(found) == set(expected)
            for question, array in expected.items():
                np.testing.assert_array_equal(found[question], array, question)


class TestForms:
    def test_frames_come_back_as_frames(self, known, tmp_path):
        estimator, X = known("classifier")
        twin = again(estimator, tmp_path)
        pd.testing.assert_frame_equal(twin.generate_missing(X), estimator.generate_missing(X))
        draws = twin.generate_missing(X, 2, 0, as_frame=True)
        pd.testing.assert_frame_equal(draws, estimator.generate_missing(X, 2, 0, as_frame=True))
        np.testing.assert_array_equal(twin.feature_names_in_, X.columns)
        with pytest.raises(ValueError, match="feature names should match"):
            twin.predict(X.rename(columns={"age": "years"}))

    @pytest.mark.parametrize(
        "columns",
        [
            ["u", "v", "w"],
            [3, 1, 2],
            [1.5, 2.5, 3.5],
            ["u", 1, None],
            pd.RangeIndex(0, 6, 2, name="number"),
            pd.Index(["u", "v", "w"], dtype="string", name="names"),
            pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", None]),
            [f"a{i}" for i in range(3)],
        ],
        ids=str,
    )
    def test_names_of_columns(self, columns, tmp_path):
        y, X, M = rows()
        M = pd.DataFrame(M, columns=columns)
        estimator = CMMDClassifier(**TINY | {"max_epochs": 1}).fit(X, y, X_missing=M)
        twin = again(estimator, tmp_path)
        pd.testing.assert_frame_equal(twin.generate_missing(X), estimator.generate_missing(X))

    def test_frames_of_polars(self, tmp_path):
        y, X, M = (pl.from_pandas(each) if hasattr(each, "iloc") else each for each in frames())
        estimator = CMMDClassifier(**TINY | {"max_epochs": 1}).fit(X, y, X_missing=M)
        twin = again(estimator, tmp_path)
        assert twin.generate_missing(X).equals(estimator.generate_missing(X))
        assert twin.feature_names_in_.tolist() == X.columns

    def test_output_that_was_set(self, tmp_path):
        _, X, M = rows()
        estimator = CMMDTransformer(**TINY).fit(X, X_missing=M).set_output(transform="pandas")
        twin = again(estimator, tmp_path)
        pd.testing.assert_frame_equal(twin.transform(X), estimator.transform(X))

    def test_metadata_that_was_asked_for(self, tmp_path):
        y, X, M = rows()
        with sklearn.config_context(enable_metadata_routing=True):
            estimator = CMMDClassifier(**TINY).set_fit_request(X_missing=True, sample_weight="w")
            estimator.set_score_request(sample_weight=False)
        twin = again(estimator.fit(X, y, X_missing=M), tmp_path)
        assert repr(twin.get_metadata_routing()) == repr(estimator.get_metadata_routing())


class TestLabels:
    @pytest.mark.parametrize(
        "labels",
        [
            np.array([3, 5, 7]),
            np.array([3, 5, 7], dtype=np.uint8),
            np.array([0.0, 1.0, 2.0]),
            np.array(["a", "b", "ç\U0001f600"]),
            np.array(["a", "b", "c"], dtype=object),
            np.array(["2026-01-31", "2026-02-28", "1900-01-01"], dtype="M8[D]"),
            np.array([1, 2, 3], dtype="m8[ns]"),
            np.array([False, True, True]),
        ],
        ids=lambda labels: str(labels.dtype),
    )
    def test_of_every_dtype(self, labels, tmp_path):
        y, X, M = rows()
        estimator = CMMDClassifier(**TINY).fit(X, labels[y], X_missing=M)
        twin = again(estimator, tmp_path)
        assert twin.classes_.dtype == estimator.classes_.dtype
        np.testing.assert_array_equal(twin.classes_, estimator.classes_, strict=True)
        np.testing.assert_array_equal(twin.predict(X), estimator.predict(X), strict=True)

    def test_several_a_row_and_none(self, tmp_path):
        y, X, M = rows()
        estimator = CMMDClassifier(**TINY).fit(X, np.eye(3, dtype=int)[y], X_missing=M)
        np.testing.assert_array_equal(again(estimator, tmp_path).predict(X), estimator.predict(X))
        estimator = CMMDClassifier(**TINY).fit(X, y)
        twin = again(estimator, tmp_path)
        np.testing.assert_array_equal(twin.predict_proba(X), estimator.predict_proba(X))
        with pytest.raises(ValueError, match="was fitted without X_missing"):
            twin.generate_missing(X)


PARAMETERS = {
    "a seed": {"random_state": np.random.RandomState(3)},
    "no seed": {"random_state": None},
    "NumPy's numbers": {"omega": np.float64(0.1) + 0.2, "latent_dim": np.int64(2), "alpha": 7},
    "groups": {
        "objective": Objective(kernel="imq", bandwidth=[0.1, 0.7]),
        "networks": Networks(encoder_hidden=[3, 4], decoder_hidden=(), activation="gelu"),
    },
    "weights of classes": {"class_weight": {0: 0.1, 1: 2, 2: np.float32(0.3)}},
    "columns": {
        "observed": [Modality("a", columns=np.array([4, 0, 2])), Modality("b", columns=[1, 3])]
    },
    "a shape": {
        "missing": (
            Modality("m", columns=range(1), scale=0.3, weight="size"),
            Modality(
                "n", columns=range(1, 3), shape=(1, 2), channels="first", likelihood="laplace"
            ),
        )
    },
    "experts": {
        "observed": [
            Modality("a", columns=slice(0, 3), network={"prior": "mlp"}),
            Modality("b", columns=slice(3, 5), network="mlp"),
        ],
        "networks": Networks(fusion="product", decoder_input="latent"),
    },
    "little": {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.3},
}


@pytest.mark.parametrize("params", PARAMETERS.values(), ids=PARAMETERS)
def test_parameters_of_every_type(params, tmp_path):
    y, X, M = rows()
    estimator = CMMDClassifier(**TINY | params).fit(X, y, X_missing=M)
    twin = again(estimator, tmp_path)
    before, now = estimator.get_params(), twin.get_params()
    assert {name: type(value) for name, value in now.items()} == {
        name: type(value) for name, value in before.items()
    }
    assert_same_answers(estimator, twin, X)
    # The seed of a RandomState is where the fit left it.
    one, other = (clone(each).fit(X, y, X_missing=M) for each in (estimator, twin))
    if params.get("random_state", 0) is not None:
        assert_same_answers(one, other, X)


class TestGoingOn:
    @pytest.mark.parametrize("how", ["warm start", "partial fit"])
    def test_as_if_it_had_not_been_saved(self, how, tmp_path):
        y, X, M = rows()
        estimator = CMMDClassifier(**TINY, warm_start=how == "warm start")
        go_on = estimator.fit if how == "warm start" else estimator.partial_fit
        go_on(X, y, X_missing=M, **({} if how == "warm start" else {"classes": [0, 1, 2]}))
        twin = again(estimator, tmp_path)
        assert describe(tmp_path / "model.safetensors")["moments"]
        for each in (estimator, twin):
            (each.fit if how == "warm start" else each.partial_fit)(X, y, X_missing=M)
        assert_same_answers(estimator, twin, X)
        assert twin.history_ == estimator.history_
        assert twin.n_iter_ == estimator.n_iter_

    def test_modalities_that_changed_are_still_refused(self, tmp_path):
        y, X, M = rows()
        estimator = CMMDClassifier(**TINY, warm_start=True).fit(X, y, X_missing=M)
        estimator.set_params(observed=[Modality("x")])
        with pytest.raises(ValueError, match="modalities of the first fit"):
            again(estimator, tmp_path).fit(X, y, X_missing=M)

    def test_another_fit_starts_from_it(self, known, tmp_path):
        y, X, M = frames()
        twin = again(known("classifier")[0], tmp_path)
        one, other = (
            CMMDClassifier(**TINY).fit(X, y, X_missing=M, init_from=start)
            for start in (known("classifier")[0], twin)
        )
        assert_same_answers(one, other, X)


def body(shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(5, 4), nn.BatchNorm1d(4))


def decoder(width, shape):
    return nn.Linear(width, 3)


def wider(shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(5, 6), nn.BatchNorm1d(6))


OWN = {"x": body, "m": {"encoder": "mlp", "decoder": decoder}}


class TestOwnNetworks:
    @pytest.fixture
    def estimator(self):
        y, X, M = rows()
        described = {
            "observed": [Modality("x", network=OWN["x"])],
            "missing": [Modality("m", network=OWN["m"])],
        }
        return CMMDClassifier(**TINY, **described).fit(X, y, X_missing=M)

    def test_they_are_refused_unless_they_are_left_out(self, estimator, tmp_path):
        with pytest.raises(TypeError, match=r"'x' has a network of your own.*own_networks=True"):
            estimator.save(tmp_path / "own")
        assert not list(tmp_path.iterdir())

    def test_load_takes_the_functions_again(self, estimator, tmp_path):
        estimator.save(tmp_path / "own", own_networks=True)
        assert describe(tmp_path / "own")["own_networks"] == ["m", "x"]
        twin = load(tmp_path / "own", networks=OWN)
        assert_same_answers(estimator, twin, rows()[1])
        assert repr(twin.get_params()) == repr(estimator.get_params())
        twin.save(tmp_path / "own", own_networks=True)

    @pytest.mark.parametrize("given", [None, {"x": body}, OWN | {"y": body}])
    def test_load_says_which_are_needed(self, estimator, tmp_path, given):
        estimator.save(tmp_path / "own", own_networks=True)
        with pytest.raises(ValueError, match=r"for the modalities \['m', 'x'\]"):
            load(tmp_path / "own", networks=given)

    def test_functions_of_other_networks_are_refused(self, estimator, tmp_path):
        estimator.save(tmp_path / "own", own_networks=True)
        with pytest.raises(ValueError, match=r"of shape \(4, 5\), and not .* of shape \(6, 5\)"):
            load(tmp_path / "own", networks=OWN | {"x": wider})

    def test_none_are_needed(self, known, tmp_path):
        known("classifier")[0].save(tmp_path / "model")
        with pytest.raises(ValueError, match=r"for the modalities \[\].*Got \['x'\]"):
            load(tmp_path / "model", networks={"x": body})


class Derived(CMMDClassifier):
    pass


class Number(float):
    pass


REFUSED = {
    "callbacks": ({"callbacks": [LRScheduler("StepLR", step_size=2)]}, "LRScheduler.*callbacks"),
    "numbers of a class of their own": ({"omega": Number(0.5)}, "Number at parameters/omega"),
    "complex numbers": ({"class_weight": {0: 1, 1: 1, 2: 1, 3j: 0}}, "complex at parameters/class"),
}


class TestRefused:
    @pytest.mark.parametrize(("params", "match"), REFUSED.values(), ids=REFUSED)
    def test_parameters_that_are_no_plain_values(self, params, match, tmp_path):
        y, X, M = rows()
        estimator = CMMDClassifier(**TINY).fit(X, y, X_missing=M).set_params(**params)
        with pytest.raises(TypeError, match=match):
            estimator.save(tmp_path / "model")
        assert not list(tmp_path.iterdir())

    def test_weights_that_are_no_numbers(self, tmp_path):
        estimator, _ = fitted("classifier")
        with torch.no_grad():
            next(estimator.module_.parameters())[0] = torch.nan
        with pytest.raises(ValueError, match=r"weights/prior.* NaN. Fit the estimator anew"):
            estimator.save(tmp_path / "model")

    def test_estimators_that_are_not_fitted(self, tmp_path):
        for estimator in (CMMDClassifier(), CMMDEnsemble()):
            with pytest.raises(NotFittedError):
                estimator.save(tmp_path / "model")

    def test_classes_that_derive_from_ours(self, tmp_path):
        y, X, M = rows()
        with pytest.raises(TypeError, match="Derived at parameters"):
            Derived(**TINY).fit(X, y, X_missing=M).save(tmp_path / "model")

    def test_generators_of_unknown_classes(self, tmp_path):
        _, X, M = rows()
        generators = {"ridge": Ridge(), "near": KNeighborsRegressor(2)}
        estimator = CMMDEnsemble(CMMDTransformer(**TINY), 2, generators=generators, random_state=0)
        with pytest.raises(TypeError, match=r"generators\['near'\] is a KNeighbors.*joblib.dump"):
            estimator.fit(X, X_missing=M).save(tmp_path / "model")


class TestEnsembles:
    def test_generators_without_cmmd_and_cmmd_alone(self, tmp_path):
        _, X, M = rows()
        for generators in (None, {}, {"trees": ExtraTreesRegressor(3, random_state=0)}):
            estimator = CMMDEnsemble(
                CMMDTransformer(**TINY), 2, generators=generators, random_state=0
            ).fit(X, X_missing=M)
            twin = again(estimator, tmp_path)
            assert_same_answers(estimator, twin, X)
            assert twin.weights_ == estimator.weights_
            np.testing.assert_array_equal(twin.score_pairs(X, M), estimator.score_pairs(X, M))

    def test_without_a_missing_side(self, tmp_path):
        y, X, _ = rows()
        estimator = CMMDEnsemble(CMMDClassifier(**TINY), 2, random_state=0).fit(X, y)
        assert_same_answers(estimator, again(estimator, tmp_path), X)

    def test_modalities_that_may_be_absent(self, tmp_path):
        y, X, M = rows()
        described = [Modality("a", columns=slice(0, 2)), Modality("b", columns=slice(2, 5))]
        member = CMMDClassifier(**TINY, observed=described, optional={"a": 0.2, "b": 0.4})
        estimator = CMMDEnsemble(member, 2, random_state=0)
        estimator.fit(X, y, X_missing=M, groups=np.arange(N) // 2)
        X[::3, :2] = np.nan
        assert_same_answers(estimator, again(estimator, tmp_path), X)


class TestDevices:
    def test_it_becomes_a_parameter(self, known, tmp_path):
        estimator, _ = known("ensemble")
        twin = again(estimator, tmp_path, device="cpu")
        assert {each.device for each in (twin.estimator, *twin.estimators_)} == {"cpu"}
        assert again(estimator, tmp_path).estimator.device == "auto"

    def test_one_that_is_not_there(self, tmp_path):
        estimator, X = fitted("classifier")
        with pytest.raises(ValueError, match="torch finds"):
            again(estimator, tmp_path, device="cuda:99")
        estimator.set_params(device="cuda:99")
        with pytest.warns(DeviceWarning, match="stays on the CPU"):
            twin = again(estimator, tmp_path)
        assert_same_answers(estimator, twin, X)


def test_description_is_of_plain_values_that_print_well(known, tmp_path):
    for name in MODELS:
        known(name)[0].save(tmp_path / name)
    described = describe(tmp_path / "regressor")
    assert described["estimator"] == "CMMDRegressor"
    assert described["observed"] == {"image": "shape (6, 6)", "table": "2 columns"}
    assert described["missing"] == {"word": "3 columns, categorical", "count": "2 columns, counts"}
    assert described["labels"] == "2 numbers a row"
    described = describe(tmp_path / "ensemble")
    assert described["generators"] == ["cmmd", "ridge", "trees"]
    assert described["labels"] == ["high", "low", "mid"]
    assert described["epochs"] == [2, 2]
    assert "n_estimators=2" in described["parameters"]
    assert describe(tmp_path / "transformer")["optional"] == ["a"]
    for line in ("estimator: CMMDEnsemble", "format: 1", "versions: {'sklearn-cmmd': "):
        assert f"\n{line}" in f"\n{described}"


def test_terms_that_a_fit_went_on_without(tmp_path):
    y, X, M = rows()
    clf = CMMDClassifier(**TINY, warm_start=True, early_stopping=False).fit(X, y, X_missing=M)
    clf.set_params(early_stopping=True).fit(X, y, X_missing=M)
    assert np.isnan(clf.history_["valid_loss"][0])
    for name, values in again(clf, tmp_path).history_.items():
        np.testing.assert_array_equal(values, clf.history_[name])
