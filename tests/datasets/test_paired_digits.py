import pickle
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import rotate
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression

from sklearn_cmmd.datasets import (
    IndexedArray,
    decode_text,
    load_multiple_features,
    make_mnist_svhn,
    make_two_view_mnist,
)

MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
SVHN_TRAIN = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
SVHN_TEST = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
make_mnist_svhn_text = partial(make_mnist_svhn, third="text", n_repeats=20)
make_three_modality_mnist = partial(make_mnist_svhn, third="rotated")
BUILDERS = [make_mnist_svhn, make_three_modality_mnist, make_mnist_svhn_text]


def sources(mnist_counts, svhn_counts):
    """Images of one pixel, 20 times as bright as their digit, in a mixed order."""
    rng = np.random.default_rng(0)
    mnist_target = rng.permutation(np.repeat(np.arange(10), mnist_counts))
    svhn_target = rng.permutation(np.repeat(np.arange(10), svhn_counts))
    mnist = (20 * mnist_target).astype(np.uint8).reshape(-1, 1, 1)
    svhn = (20 * svhn_target).astype(np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=-1)
    return mnist, mnist_target, svhn, svhn_target


def shown(view):
    """Digit that each row of a view shows."""
    return np.rint(np.asarray(view).reshape(len(view), -1)[:, 0] * 255 / 20).astype(int)


def words(view):
    return np.char.strip(decode_text(view.array))[view.index]


@pytest.fixture(scope="module")
def full():
    """MNIST-SVHN-Text with as many images as the published training sets, and its sources."""
    given = sources(MNIST_TRAIN, SVHN_TRAIN)
    return make_mnist_svhn_text(*given, random_state=0), given


@pytest.fixture(scope="module")
def digits():
    """Real digits of 16 by 15 pixels as bytes."""
    bunch = load_multiple_features()
    return (42 * bunch.images).astype(np.uint8), bunch.target


def test_published_number_of_pairs(full):
    bunch, _ = full
    counts = 20 * np.minimum(MNIST_TRAIN, SVHN_TRAIN)
    assert len(bunch.target) == 1_121_360
    assert np.bincount(bunch.target).tolist() == counts.tolist()
    assert {name: view.shape for name, view in bunch.views.items()} == {
        "mnist": (1_121_360, 1, 1),
        "svhn": (1_121_360, 1, 1, 3),
        "text": (1_121_360, 8, 71),
    }
    test = make_mnist_svhn_text(*sources(MNIST_TEST, SVHN_TEST), random_state=0)
    assert len(test.target) == 200_000
    assert np.bincount(test.target).tolist() == [20 * n for n in MNIST_TEST]
    assert len(make_mnist_svhn(*sources(MNIST_TRAIN, SVHN_TRAIN)).target) == 30 * 56_068


def test_all_views_show_the_same_digit(full):
    bunch, _ = full
    assert np.array_equal(shown(bunch.views["mnist"]), bunch.target)
    assert np.array_equal(shown(bunch.views["svhn"]), bunch.target)
    assert np.array_equal(words(bunch.views["text"]), np.array(WORDS)[bunch.target])


def test_first_images_of_each_digit_are_shown_equally_often(full):
    bunch, (_, mnist_target, _, svhn_target) = full
    for name, target in (("mnist", mnist_target), ("svhn", svhn_target)):
        times = np.bincount(bunch.pairs[name], minlength=len(target))
        for digit, size in enumerate(np.minimum(MNIST_TRAIN, SVHN_TRAIN)):
            of_digit = times[target == digit]
            assert (of_digit[:size] == 20).all()
            assert (of_digit[size:] == 0).all()


def test_each_repeat_is_a_permutation_of_its_own(full):
    bunch, (_, mnist_target, _, _) = full
    size = min(MNIST_TRAIN[0], SVHN_TRAIN[0])
    first = np.flatnonzero(mnist_target == 0)[:size]
    repeats = bunch.pairs["mnist"][: 20 * size].reshape(20, size)
    assert np.array_equal(np.sort(repeats, axis=1), np.tile(first, (20, 1)))
    assert (repeats[1:] == repeats[:-1]).mean() < 0.01
    together = np.stack([bunch.pairs["mnist"], bunch.pairs["svhn"]], axis=1)
    assert len(np.unique(together, axis=0)) > 0.99 * len(together)


def test_images_are_stored_once(full):
    bunch, (mnist, _, svhn, _) = full
    assert bunch.views["mnist"].array is mnist
    assert bunch.views["svhn"].array is svhn
    assert all(view.index.dtype == np.int32 for view in bunch.views.values())
    images = mnist.nbytes + svhn.nbytes
    assert len(pickle.dumps(bunch.views)) < 13.6e6 + images
    assert sum(view.index.nbytes for view in bunch.views.values()) == 3 * 4 * 1_121_360


def test_text_starts_anywhere_with_equal_chances(full):
    text = full[0].views["text"]
    strings = decode_text(text.array)
    starts = {word: 8 - len(word) for word in WORDS}
    assert sorted(strings) == sorted(
        (" " * start + word).ljust(8) for word, n in starts.items() for start in range(n)
    )
    times = np.bincount(text.index, minlength=len(strings))
    for word, n in starts.items():
        share = times[np.char.strip(strings) == word] / (times.sum() / 10)
        np.testing.assert_allclose(share / share.sum(), 1 / n, atol=0.01)
    assert text.dtype == np.uint8


@pytest.mark.parametrize("builder", BUILDERS)
def test_number_of_pairs(builder):
    counts = [3, 0, 7, 1, 1, 1, 1, 1, 1, 5]
    given = sources(counts, [2, 4, 9, 1, 1, 1, 1, 1, 1, 0])
    assert np.bincount(builder(*given, n_repeats=1).target).tolist() == [2, 0, 7, *[1] * 6]
    few = builder(*given, n_repeats=4, max_per_class=2)
    assert np.bincount(few.target).tolist() == [8, 0, 8, *[4] * 6]
    assert few.target.dtype == np.int64
    for name, rows in few.pairs.items():
        assert np.array_equal(few.views[name].index, rows)


def test_three_modalities(digits):
    images, target = digits
    colour = np.repeat(images[..., None], 3, axis=-1)
    bunch = make_three_modality_mnist(images, target, colour, target, n_repeats=2, random_state=3)
    assert list(bunch.views) == ["mnist", "rotated", "svhn"]
    assert all(view.dtype == np.float32 for view in bunch.views.values())
    assert all(np.array_equal(target[rows], bunch.target) for rows in bunch.pairs.values())
    two = make_mnist_svhn(images, target, colour, target, n_repeats=2, random_state=3)
    assert np.array_equal(bunch.pairs["mnist"], two.pairs["mnist"])
    assert np.array_equal(bunch.pairs["svhn"], two.pairs["svhn"])
    assert (bunch.pairs["rotated"] == bunch.pairs["mnist"]).mean() < 0.02
    turned = bunch.views["rotated"].array
    assert turned.dtype == np.uint8
    assert turned.shape == images.shape
    likeness = [
        np.corrcoef(before.ravel(), after.ravel())[0, 1]
        for before, after in zip(images, turned, strict=True)
    ]
    assert np.corrcoef(likeness, np.abs(bunch.angles))[0, 1] < -0.7
    assert np.min(np.array(likeness)[np.abs(bunch.angles) < 3]) > 0.8


def bars(n):
    """A bar that is brighter at one end, so that its direction can be measured."""
    images = np.zeros((n, 29, 29), dtype=np.uint8)
    images[:, 13:16, 4:25] = np.linspace(80, 255, 21)
    return images


def directions(images):
    """Degrees from the axis of the columns to the long axis of each image, by its moments."""
    y, x = np.mgrid[-14:15, -14:15]
    mass = images / images.sum(axis=(1, 2), keepdims=True)
    x0, y0 = ((mass * axis).sum(axis=(1, 2)) for axis in (x, y))
    xx, yy, xy = ((mass * a * b).sum(axis=(1, 2)) for a, b in ((x, x), (y, y), (x, y)))
    return -np.degrees(np.arctan2(2 * (xy - x0 * y0), xx - x0**2 - yy + y0**2)) / 2, x0


@pytest.mark.parametrize("builder", [make_two_view_mnist, make_three_modality_mnist])
def test_angles(builder):
    n, images = 600, bars(600)
    more = (
        () if builder is make_two_view_mnist else (images[..., None].repeat(3, -1), np.ones(n, int))
    )
    bunch = builder(images, np.ones(n, dtype=int), *more, random_state=0)
    rotated = bunch.views["rotated"]
    rotated = rotated.array / 255 if isinstance(rotated, IndexedArray) else rotated
    measured, x0 = directions(rotated)
    np.testing.assert_allclose(measured, bunch.angles, atol=1)
    assert (x0 > 0.5).all(), "none is turned by more than a quarter"
    assert kstest(bunch.angles, "uniform", args=(-45, 90)).pvalue > 0.01
    assert np.abs(measured).max() < 46
    assert np.abs(bunch.angles).max() > 44


def test_turning_keeps_the_brightness():
    """Linear interpolation stays within the values of the image, and bytes are rounded."""
    images = np.zeros((256, 15, 15), dtype=np.uint8)
    images[:, 4:11, 4:11] = np.arange(256)[:, None, None]
    target = np.zeros(256, dtype=int)
    turned = make_two_view_mnist(images, target, random_state=0).views["rotated"]
    np.testing.assert_allclose(turned.max(axis=(1, 2)) * 255, np.arange(256), atol=1e-3)
    assert (turned[:, 0] == 0).all()
    three = make_three_modality_mnist(images, target, images[..., None].repeat(3, -1), target)
    for image, angle, found in zip(images, three.angles, three.views["rotated"].array, strict=True):
        exact = rotate(image.astype(float), angle, reshape=False, order=1)
        np.testing.assert_allclose(found, exact, atol=0.501)


def test_two_views_of_real_digits(digits):
    images, target = digits
    bunch = make_two_view_mnist(images, target, random_state=0)
    assert list(bunch.views) == ["rotated", "noisy"]
    assert np.array_equal(bunch.target, target)
    for view in bunch.views.values():
        assert view.shape == images.shape
        assert view.dtype == np.float32
        assert view.min() >= 0
        assert view.max() <= 1
    train, test = np.arange(0, 2000, 2), np.arange(1, 2000, 2)
    for name, least in (("rotated", 0.75), ("noisy", 0.75)):
        X = bunch.views[name].reshape(2000, -1)
        model = LogisticRegression(C=0.1, max_iter=300).fit(X[train], target[train])
        assert model.score(X[test], target[test]) > least, name


def test_noisy_view_is_another_image_of_the_class(digits):
    images, target = digits
    bunch = make_two_view_mnist(images, target, random_state=0)
    others = bunch.pairs["noisy"]
    assert np.array_equal(target[others], target)
    assert (others != np.arange(len(target))).all()
    noise = bunch.views["noisy"] - images[others] / 255
    dark = images[others] == 0
    assert (noise[dark] >= 0).all()
    assert kstest(noise[dark][::50], "uniform").pvalue > 0.01
    assert (bunch.views["noisy"] >= images[others] / 255 - 1e-6).all()
    own = bunch.views["noisy"] >= images / 255 - 1e-6
    assert not own.all(axis=(1, 2)).any(), "none is the image of the first view"


def test_every_other_image_is_equally_likely():
    target = np.repeat([3, 8], [3000, 4])
    images = np.zeros((3004, 1, 1), dtype=np.uint8)
    seen = np.array(
        [
            make_two_view_mnist(images[-4:], target[-4:], random_state=s).pairs["noisy"]
            for s in range(600)
        ]
    )
    for row, others in enumerate(seen.T):
        assert np.bincount(others, minlength=4)[row] == 0
        assert np.delete(np.bincount(others, minlength=4), row).min() > 160
    many = make_two_view_mnist(images, target, random_state=0).pairs["noisy"][:3000]
    assert kstest(many / 3000, "uniform").pvalue > 0.01


def test_noise():
    target = np.zeros(200, dtype=int)
    dark = make_two_view_mnist(np.zeros((200, 9, 9), np.uint8), target, random_state=0)
    noise = dark.views["noisy"]
    assert kstest(noise.ravel(), "uniform").pvalue > 0.01
    assert len(np.unique(noise.sum(axis=(1, 2)))) == 200
    assert np.abs(np.corrcoef(noise.reshape(200, -1).T) - np.eye(81)).max() < 0.35
    white = make_two_view_mnist(np.full((200, 9, 9), 255, np.uint8), target, random_state=0)
    assert (white.views["noisy"] == 1).all()
    grey = make_two_view_mnist(np.full((200, 9, 9), 51, np.uint8), target, random_state=0)
    np.testing.assert_allclose(grey.views["noisy"], np.minimum(noise + 0.2, 1), atol=1e-6)


def build(builder, random_state):
    images, target, colour, colour_target = sources([4] * 10, [6] * 10)
    corner = np.zeros((40, 3, 3), dtype=np.uint8)
    corner[:, 0, 0] = np.arange(40)
    images, colour = images + corner, colour + np.arange(60, dtype=np.uint8).reshape(-1, 1, 1, 1)
    more = () if builder is make_two_view_mnist else (colour, colour_target)
    bunch = builder(images, target, *more, random_state=random_state)
    return {name: np.asarray(view) for name, view in bunch.views.items()}


@pytest.mark.parametrize("builder", [make_two_view_mnist, *BUILDERS])
def test_random_state(builder):
    first = build(builder, 0)
    again, other = build(builder, 0), build(builder, 1)
    stateful = np.random.RandomState(0)
    once, twice = build(builder, stateful), build(builder, stateful)
    for name, view in first.items():
        assert np.array_equal(view, again[name])
        assert not np.array_equal(view, other[name])
        assert not np.array_equal(once[name], twice[name])


@pytest.mark.parametrize("builder", [make_two_view_mnist, *BUILDERS])
def test_global_stream_is_left_alone(builder):
    before = repr(np.random.get_state())  # noqa: NPY002
    build(builder, None)
    build(builder, 0)
    assert repr(np.random.get_state()) == before  # noqa: NPY002


MNIST, MNIST_LABELS, SVHN, SVHN_LABELS = sources([2] * 10, [2] * 10)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mnist": MNIST / 255}, r"mnist must be uint8, .* \(n, height, width\). Got float64"),
        ({"mnist": MNIST.reshape(20, 1)}, r"mnist must be .* of shape \(20, 1\)"),
        ({"svhn": SVHN[..., 0]}, r"svhn must be .* \(n, height, width, 3\)"),
        ({"svhn": SVHN[..., :2]}, r"svhn must be .* of shape \(20, 1, 1, 2\)"),
        ({"mnist_target": MNIST_LABELS[1:]}, "mnist_target must have one label for each of the 20"),
        (
            {"svhn_target": SVHN_LABELS + 1},
            "svhn_target must be integers .*write 10 for the digit 0",
        ),
        ({"svhn_target": SVHN_LABELS - 1}, "svhn_target must be integers from 0 to 9"),
        ({"svhn_target": SVHN_LABELS.astype(str)}, "svhn_target must be integers .* Got <U"),
        ({"n_repeats": 1.5}, "n_repeats must be a positive integer. Got 1.5"),
        ({"n_repeats": 0}, "n_repeats must be a positive integer. Got 0"),
        ({"third": "turned"}, "third must be 'rotated', 'text' or None. Got 'turned'"),
        ({"max_per_class": 0}, "max_per_class must be a positive integer. Got 0"),
        ({"random_state": "chance"}, "random_state must be"),
        ({"svhn": SVHN[:0], "svhn_target": SVHN_LABELS[:0]}, "nothing to pair.*'svhn': \\[\\]"),
    ],
)
def test_wrong_input(builder, wrong, message):
    given = {
        "mnist": MNIST,
        "mnist_target": MNIST_LABELS,
        "svhn": SVHN,
        "svhn_target": SVHN_LABELS,
    }
    with pytest.raises(ValueError, match=message):
        builder(**given | wrong)


def test_sources_without_a_common_digit():
    given = sources([2, 2, *[0] * 8], [0, 0, 5, *[0] * 7])
    with pytest.raises(ValueError, match=r"Found \{'mnist': \[0, 1\], 'svhn': \[2\]"):
        make_mnist_svhn(*given)


@pytest.mark.parametrize(
    ("images", "target", "message"),
    [
        (MNIST, MNIST_LABELS[:-1], "target must have one label for each of the 20"),
        (MNIST[:, 0], MNIST_LABELS, "images must be uint8"),
        (MNIST[:3], np.array([4, 4, 7]), "Digit 7 has one image only"),
    ],
)
def test_wrong_input_of_two_views(images, target, message):
    with pytest.raises(ValueError, match=message):
        make_two_view_mnist(images, target)
