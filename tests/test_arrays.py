"""Arrays of any shape, several modalities on both sides, and networks of the user's own."""

import pickle
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback
from skorch.helper import SliceDict
from torch import nn

from sklearn_cmmd import CMMDClassifier, CMMDTransformer, Modality
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.datasets import (
    IndexedArray,
    decode_text,
    load_multiple_features,
    make_mnist_svhn,
)

DESCRIBED = {
    "mnist": Modality("mnist", network={"prior": "mlp"}, likelihood="bernoulli"),
    "svhn": Modality("svhn", channels="last", network="conv2d", likelihood="laplace", scale=0.75),
    "text": Modality("text", channels="last", network="conv1d", likelihood="categorical"),
}
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(DESCRIBED, size)]


@pytest.fixture(scope="module")
def digits():
    """Small real digits of three classes, as grey and coloured images and as words."""
    bunch = load_multiple_features()
    rows = np.flatnonzero(bunch.target < 3)[::4]
    grey = (bunch.images[rows] * (255 / 6)).astype(np.uint8)
    colour = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    y = bunch.target[rows]
    return make_mnist_svhn(grey, y, colour, y, third="text", n_repeats=2, random_state=0)


def described(names):
    return [DESCRIBED[name] for name in names]


def views(digits, names):
    return SliceDict(**{name: digits.views[name] for name in names})


def classifier(digits, subset, small, **params):
    """Return a classifier that sees a subset, and the views that it does not, if any."""
    rest = [name for name in DESCRIBED if name not in subset]
    clf = CMMDClassifier(
        observed=described(subset), missing=described(rest) if rest else None, **small | params
    )
    return clf, views(digits, rest) if rest else None


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_every_subset_of_three_modalities(digits, subset, small):
    clf, rest = classifier(digits, subset, small, max_epochs=1)
    X = views(digits, subset)
    clf.fit(X, digits.target, X_missing=rest)
    assert clf.predict(X).shape == digits.target.shape
    assert clf.transform(X).shape == (len(digits.target), 8)
    loaded = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    if rest is None:
        with pytest.raises(ValueError, match="nothing to generate"):
            clf.generate_missing(X)
        return
    generated = clf.generate_missing(X)
    draws = clf.generate_missing(X, n_samples=3, random_state=0)
    for name in rest:
        rows, *shape = digits.views[name].shape
        assert generated[name].shape == (rows, *shape)
        assert draws[name].shape == (rows, 3, *shape)
    if "text" in rest:
        np.testing.assert_allclose(generated["text"].sum(-1), 1, rtol=1e-5)
        assert (draws["text"].sum(-1) == 1).all()
        assert decode_text(draws["text"]).shape == (len(digits.target), 3)
    if "mnist" in rest:
        assert np.isin(draws["mnist"], (0, 1)).all()


# Each modality on each side, and nothing that is missing.
@pytest.mark.parametrize("subset", [("mnist",), ("svhn", "text"), tuple(DESCRIBED)], ids="+".join)
def test_searches_slice_mappings_of_indexed_arrays(digits, subset, small):
    clf, rest = classifier(digits, subset, small, max_epochs=1)
    X, params = views(digits, subset), {} if rest is None else {"X_missing": rest}
    search = GridSearchCV(clf, {"omega": [0.2, 0.8]}, cv=2, error_score="raise")
    search.fit(X, digits.target, **params)
    assert search.predict(X).shape == digits.target.shape
    predicted = cross_val_predict(clf, X, digits.target, cv=2, params=params)
    assert predicted.shape == digits.target.shape


def test_an_array_and_its_columns_give_one_model(digits, small):
    """The form of the data does not matter where the shape is said."""
    images, y = np.asarray(digits.views["svhn"]), digits.target
    params = small | {"max_epochs": 2}
    array = CMMDClassifier(
        observed=[Modality("m", channels="last", network="conv2d")], **params
    ).fit(images, y, X_missing=images)
    shape = images.shape[1:]
    flat = CMMDClassifier(
        observed=[Modality("m", shape=shape, channels="last", network="conv2d")],
        missing=[Modality("m2", shape=shape)],
        **params,
    ).fit(images.reshape(len(y), -1), y, X_missing=images.reshape(len(y), -1))
    for one, other in zip(array.module_.parameters(), flat.module_.parameters(), strict=True):
        assert torch.equal(one, other)
    assert array.generate_missing(images).shape == images.shape
    assert flat.generate_missing(images.reshape(len(y), -1)).shape == (len(y), images[0].size)
    assert array.n_features_in_ == flat.n_features_in_ == images[0].size


def test_channels_first_and_last_give_one_model(digits, small):
    """All but the order of the encoder's and decoder's columns is the same."""
    last, y = np.asarray(digits.views["svhn"]), digits.target
    first = np.moveaxis(last, -1, 1)
    roles = {"prior": "conv2d", "encoder": "conv2d", "decoder": "conv2d"}
    accuracy = []
    for channels, images in (("first", first), ("last", last)):
        clf = CMMDClassifier(
            observed=[Modality("m", channels=channels, network=roles)],
            missing=[Modality("w", channels=channels, network=roles)],
            **small | {"max_epochs": 2, "dropout": 0.0},
        ).fit(images, y, X_missing=images)
        generated = clf.generate_missing(images)
        accuracy.append(np.moveaxis(generated, 1, -1) if channels == "first" else generated)
    # In float32, whose sums depend on the order of the columns.
    np.testing.assert_allclose(*accuracy, rtol=0.01, atol=0.5)


def body(shape):
    return nn.Sequential(nn.Conv2d(shape[0], 4, 3), nn.Flatten(), nn.Dropout(0.2), nn.LazyLinear(9))


def decoder(width, shape):
    return nn.Sequential(nn.Linear(width, int(np.prod(shape))), nn.Unflatten(1, shape))


@pytest.mark.parametrize("scale", ["column", "row"])
def test_networks_of_the_users_own(digits, small, scale):
    roles = {"encoder": body, "decoder": decoder}
    clf = CMMDClassifier(
        observed=[Modality("seen", channels="last", network=body)],
        missing=[Modality("unseen", channels="last", network=roles, scale=scale)],
        **small | {"max_epochs": 3},
    )
    images, y = digits.views["svhn"], digits.target
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        fitted = clone(clf).fit(images, y, X_missing=images)
        assert torch.equal(torch.get_rng_state(), state)
        runs.append(fitted.predict_proba(images))
    assert np.array_equal(*runs)
    assert fitted.generate_missing(images, n_samples=2).shape == (len(y), 2, *images.shape[1:])
    loaded = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(loaded.predict_proba(images), runs[1])


@pytest.mark.parametrize("network", [body, {"prior": lambda shape: nn.Flatten(0)}])
def test_a_network_that_does_not_fit_is_named_before_training(digits, small, network, no_training):
    observed = [Modality("flat", network=network)]
    with pytest.raises(ValueError, match="network of modality 'flat'"):
        CMMDClassifier(observed=observed, **small).fit(np.ones((6, 4)), [0, 1] * 3)


def test_other_shapes_are_refused_later(digits, small):
    images, y = np.asarray(digits.views["svhn"]), digits.target
    clf = CMMDTransformer(**small | {"max_epochs": 1}).fit(images, y)
    with pytest.raises(ValueError, match=r"row of X has shape \(720,\), but it had shape \(16, 15"):
        clf.transform(images.reshape(len(y), -1))
    with pytest.raises(ValueError, match=r"shape \(15, 16, 3\), but it had shape \(16, 15, 3\)"):
        clf.transform(images.transpose(0, 2, 1, 3))


@pytest.mark.parametrize("params", [{"fusion": "product"}, {"decoder_input": "latent"}], ids=str)
def test_forms_of_the_networks(digits, small, params):
    """A product of experts, and a decoder that sees z alone, learn as well."""
    small["networks"].set_params(**params)
    clf, rest = classifier(digits, ("mnist", "text"), small, max_epochs=8)
    X = views(digits, ("mnist", "text"))
    clf.fit(X, digits.target, X_missing=rest)
    assert accuracy_score(digits.target, clf.predict(X)) > 0.9


def test_a_missing_modality_of_classes_is_generated(small):
    """Words that follow from the rows: what is drawn is the word of the class."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    X = np.eye(3)[y] + 0.1 * rng.normal(size=(300, 3))
    words = np.eye(5)[np.array([[0, 1, 2, 3], [3, 3, 3, 3], [4, 2, 0, 2]])[y]]
    word = Modality("word", channels="last", likelihood="categorical", network="conv1d")
    clf = CMMDClassifier(missing=[word], **small | {"max_epochs": 30}).fit(X, y, X_missing=words)
    draws = clf.generate_missing(X, n_samples=20, random_state=0)
    assert (draws.argmax(-1) == words.argmax(-1)[:, None]).mean() > 0.95


def test_columns_fill_a_shape_in_the_order_in_which_they_are_named(small):
    """A table whose columns were shuffled, and an image that was not, give one model."""
    images, y = load_multiple_features().images[:60], np.arange(60) % 2
    order = np.random.default_rng(0).permutation(240)
    table = images.reshape(60, -1)[:, np.argsort(order)]
    # Without the linear path, whose rounding depends on the order of the columns.
    params = small | {"max_epochs": 2}
    params["networks"] = clone(params["networks"]).set_params(decoder_input="both")
    roles = dict.fromkeys(("prior", "encoder", "decoder"), "conv2d")
    named, named_too = (
        Modality(name, columns=order, shape=(16, 15), network=roles) for name in "ab"
    )
    plain, plain_too = (Modality(name, network=roles) for name in "ab")
    shuffled = CMMDClassifier(observed=[named], missing=[named_too], **params)
    shuffled.fit(table, y, X_missing=table)
    straight = CMMDClassifier(observed=[plain], missing=[plain_too], **params)
    straight.fit(images, y, X_missing=images)
    assert np.array_equal(shuffled.predict_proba(table), straight.predict_proba(images))
    generated = shuffled.generate_missing(table)[:, order].reshape(60, 16, 15)
    np.testing.assert_allclose(generated, straight.generate_missing(images), rtol=1e-6)


def test_an_indexed_array_beside_a_sparse_matrix(small):
    rng = np.random.default_rng(0)
    stored = rng.integers(256, size=(9, 4), dtype=np.uint8)[::-1]  # of negative strides
    X = {"a": csr_matrix(rng.normal(size=(30, 3))), "b": IndexedArray(stored, np.arange(30) % 9)}
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, np.arange(30) % 2)
    assert clf.predict(X).shape == (30,)


def test_a_row_without_weight_is_not_looked_at(small):
    X, M = np.ones((9, 2)) * np.arange(9)[:, None], np.arange(9)[:, None] % 2.0
    M[8] = 5.0
    weight = np.r_[np.ones(8), 0.0]
    clf = CMMDClassifier(**small | {"max_epochs": 1})
    clf.fit(X, np.arange(9) % 2, X_missing=M, sample_weight=weight)
    assert clf.missing_[0].likelihood == "bernoulli"


class Breaks(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise ZeroDivisionError


def test_an_overflow_before_training_is_no_divergence(digits, small, monkeypatch):
    """As NumPy raises it under errstate(all="raise")."""

    def overflow(self, layout, device):
        raise FloatingPointError

    X, y = views(digits, ("mnist",)), digits.target
    clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(X, y)
    before = clf.predict_proba(X)
    monkeypatch.setattr(FitData, "rows", overflow)
    with pytest.raises(FloatingPointError):
        clf.fit(views(digits, ("svhn",)), y)
    assert np.array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize("warm_start", [False, True])
def test_nothing_is_lost_by_a_fit_that_breaks_off(digits, small, warm_start):
    X, y = views(digits, ("mnist",)), digits.target
    clf = CMMDClassifier(**small | {"max_epochs": 3, "warm_start": warm_start}).fit(X, y)
    before, state = clf.predict_proba(X), clf.__dict__.copy()
    clf.set_params(callbacks=[Breaks()])
    other = X if warm_start else views(digits, ("svhn",))
    with pytest.raises(ZeroDivisionError):
        clf.fit(other, y)
    assert np.array_equal(clf.predict_proba(X), before)
    assert set(clf.__dict__) == set(state)


def test_a_first_fit_that_breaks_off_leaves_an_unfitted_estimator(digits, small):
    clf = CMMDClassifier(callbacks=[Breaks()], **small)
    with pytest.raises(ZeroDivisionError):
        clf.fit(views(digits, ("mnist",)), digits.target)
    with pytest.raises(NotFittedError):
        clf.predict(views(digits, ("mnist",)))


@pytest.mark.parametrize("side", ["observed", "missing"])
def test_an_empty_list_of_modalities(side, small, no_training):
    X = np.ones((6, 2, 2))
    with pytest.raises(ValueError, match=f"{side} is an empty list"):
        CMMDClassifier(**{side: []}, **small).fit(X, [0, 1] * 3, X_missing=X)


def test_images_in_the_place_of_labels(small, no_training):
    with pytest.raises(ValueError, match=r"y must have one label.*as X_missing="):
        CMMDClassifier(**small).fit(np.ones((6, 2)), np.ones((6, 2, 2)))
