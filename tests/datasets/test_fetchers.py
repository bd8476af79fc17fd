from http.client import IncompleteRead
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
from scipy.io import savemat
from sklearn.utils import Bunch

from sklearn_cmmd.datasets import _fetchers, fetch_mnist, fetch_svhn
from sklearn_cmmd.datasets._fetchers import MNIST, SVHN, order_of_columns

RNG = np.random.default_rng(0)
GREY = RNG.integers(256, size=(10, 28, 28), dtype=np.uint8)
COLOUR = RNG.integers(256, size=(10, 32, 32, 3), dtype=np.uint8)
ORDERS = {"yxc": (0, 1, 2, 3), "xyc": (0, 2, 1, 3), "cyx": (0, 3, 1, 2), "cxy": (0, 3, 2, 1)}


def photographs(n):
    """Smooth colour images with strokes that run downwards."""
    x, y = np.arange(32), np.arange(32)[:, None]
    wave = np.sin(x / 3 + RNG.uniform(0, 6, size=(n, 1, 1))) + 0.4 * np.sin(y / 5)
    colour = RNG.uniform(0.4, 1, size=(n, 1, 1, 3))
    return np.rint(127 + 80 * wave[..., None] * colour).astype(np.uint8)


def flattened(images, order):
    return images.transpose(ORDERS[order]).reshape(len(images), -1)


def openml_labels(source, zero):
    """Published counts, in a mixed order, as the strings that OpenML holds."""
    n_test = source.n_rows - sum(source.train_counts)
    train = np.random.default_rng(1).permutation(np.repeat(np.arange(10), source.train_counts))
    target = np.append(train, np.arange(n_test) % 10)
    return np.where(target == 0, zero, target).astype(str).astype(object)


@pytest.fixture
def openml(monkeypatch):
    """Answer of OpenML, and a list of the calls that were made."""

    def install(answer):
        calls = []

        def fetch_openml(**options):
            calls.append(options)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(_fetchers, "fetch_openml", fetch_openml)
        return calls

    return install


def test_mnist_from_openml(openml):
    data = np.zeros((70_000, 784), dtype=np.int64)
    data[[0, 59_999, 60_000], [1, 28, 783]] = [7, 200, 255]
    target = openml_labels(MNIST, zero=0)
    calls = openml(Bunch(data=data, target=target))
    mnist = fetch_mnist(data_home="here")
    assert calls == [{"name": "mnist_784", "version": 1, "data_home": "here", "as_frame": False}]
    assert mnist.images_train.shape == (60_000, 28, 28)
    assert mnist.images_test.shape == (10_000, 28, 28)
    assert mnist.images_train.dtype == np.uint8
    assert mnist.target_train.dtype == mnist.target_test.dtype == np.int64
    assert mnist.images_train[0, 0, 1] == 7
    assert mnist.images_train[-1, 1, 0] == 200
    assert mnist.images_test[0, 27, 27] == 255
    both = np.append(mnist.target_train, mnist.target_test)
    assert np.array_equal(both, target.astype(int))


def test_published_numbers():
    assert sum(MNIST.train_counts) == 60_000
    assert sum(SVHN.train_counts) == 73_257
    assert SVHN.n_rows - sum(SVHN.train_counts) == 26_032


@pytest.fixture
def small_svhn(monkeypatch):
    """SVHN of 20 training rows and 10 test rows."""
    small = _fetchers.Source("SVHN", SVHN.openml, SVHN.shape, SVHN.labels, (2,) * 10, 30)
    monkeypatch.setattr(_fetchers, "SVHN", small)
    return small


@pytest.mark.parametrize("order", ORDERS)
def test_svhn_from_openml(openml, small_svhn, order):
    images, labels = photographs(30), openml_labels(small_svhn, zero=10)
    calls = openml(Bunch(data=flattened(images, order).astype(np.float64), target=labels))
    svhn = fetch_svhn()
    assert calls == [{"data_id": 41081, "data_home": None, "as_frame": False}]
    assert np.array_equal(svhn.images_train, images[:20])
    assert np.array_equal(svhn.images_test, images[20:])
    assert svhn.images_train.dtype == np.uint8
    assert np.bincount(svhn.target_train).tolist() == [2] * 10
    assert svhn.target_test.tolist() == list(range(10))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 20])
def test_order_of_columns(order, n):
    assert order_of_columns(flattened(photographs(n), order)) == order


@pytest.mark.parametrize("order", ORDERS)
def test_order_of_columns_of_grey_images(order):
    """Channels that are equal look smooth in the wrong order too."""
    grey = photographs(5).mean(axis=-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)
    assert order_of_columns(flattened(grey, order)) == order


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        HTTPError("https://openml.org", 503, "unavailable", None, None),
        ConnectionResetError("reset"),
        TimeoutError("timed out"),
        IncompleteRead(b""),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("fetch", [fetch_mnist, fetch_svhn])
def test_no_network(openml, fetch, error):
    openml(error)
    with pytest.raises(OSError, match=r"from openml.org failed: .* set path= to a file") as raised:
        fetch()
    assert raised.value.__cause__ is error


def test_rows_of_openml_in_another_order(openml, small_svhn):
    labels = np.sort(openml_labels(small_svhn, zero=10))
    openml(Bunch(data=flattened(photographs(30), "yxc"), target=labels))
    with pytest.raises(ValueError, match="The first 20 rows of SVHN must be the published train"):
        fetch_svhn()


def test_openml_with_other_shapes(openml):
    openml(Bunch(data=np.zeros((5, 784)), target=np.arange(5).astype(str)))
    with pytest.raises(ValueError, match=r"70000 rows of 784 values. OpenML sent .*\(5, 784\)"):
        fetch_mnist()


def test_file_with_its_split(tmp_path):
    path = tmp_path / "mnist.npz"
    y = np.arange(10, dtype=np.uint8)
    np.savez(path, X_train=GREY[:7], y_train=y[:7], X_test=GREY[7:], y_test=y[7:])
    for place in (path, str(path)):
        mnist = fetch_mnist(path=place)
        assert np.array_equal(mnist.images_train, GREY[:7])
        assert np.array_equal(mnist.images_test, GREY[7:])
        assert mnist.target_train.tolist() == [0, 1, 2, 3, 4, 5, 6]
        assert mnist.target_test.tolist() == [7, 8, 9]
        assert mnist.target_train.dtype == np.int64


def test_file_without_a_split_is_cut_in_one_place(tmp_path):
    np.savez(tmp_path / "svhn.npz", X=COLOUR.astype(np.int32), y=np.arange(1, 11))
    svhn = fetch_svhn(path=tmp_path / "svhn.npz")
    assert np.array_equal(svhn.images_train, COLOUR[:8])
    assert np.array_equal(svhn.images_test, COLOUR[8:])
    assert svhn.images_train.dtype == np.uint8
    assert svhn.target_train.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert svhn.target_test.tolist() == [9, 0]


def test_published_folder_of_svhn(tmp_path):
    y = np.arange(1, 11, dtype=np.uint8)[:, None]
    for name, rows in (("train", slice(6)), ("test", slice(6, None))):
        content = {"X": COLOUR[rows].transpose(1, 2, 3, 0), "y": y[rows]}
        savemat(tmp_path / f"{name}_32x32.mat", content)
    svhn = fetch_svhn(path=tmp_path)
    assert np.array_equal(svhn.images_train, COLOUR[:6])
    assert np.array_equal(svhn.images_test, COLOUR[6:])
    assert svhn.target_train.tolist() == [1, 2, 3, 4, 5, 6]
    assert svhn.target_test.tolist() == [7, 8, 9, 0]
    assert svhn.images_train.flags.c_contiguous
    (tmp_path / "test_32x32.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold test_32x32\.mat"):
        fetch_svhn(path=tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": GREY}, r"must hold arrays \['X_train', .* or X and y\. .* holds \['images'\]"),
        ({"X": GREY.reshape(10, 784), "y": np.arange(10)}, r"shape \(n, 28, 28\).*\(8, 784\)"),
        ({"X": COLOUR, "y": np.arange(10)}, r"images are of shape \(8, 32, 32, 3\)"),
        ({"X": GREY, "y": np.arange(9)}, r"each of the 2 test images. Got labels of shape \(1,\)"),
        ({"X": GREY, "y": np.arange(1, 11)}, r"from 0 to 9. The test labels have \[10\]"),
        ({"X": GREY, "y": np.arange(10) / 2}, r"training labels have \[0\.5, 1\.5, 2\.5, 3\.5\]"),
        ({"X": GREY / 255, "y": np.arange(10)}, "whole numbers from 0 to 255. Got float64"),
        ({"X": GREY - 300.0, "y": np.arange(10)}, "whole numbers from 0 to 255"),
        ({"X": GREY.astype(int) + 1000, "y": np.arange(10)}, "whole numbers .* Got int64"),
    ],
)
def test_files_of_another_form(tmp_path, arrays, message):
    np.savez(tmp_path / "digits.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        fetch_mnist(path=tmp_path / "digits.npz")


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*digits\.npz"):
        fetch_svhn(path=tmp_path / "digits.npz")
    np.save(tmp_path / "digits.npy", GREY)
    with pytest.raises(ValueError, match=r"must be an \.npz file\. .*digits\.npy is not one"):
        fetch_mnist(path=tmp_path / "digits.npy")
    with pytest.raises(ValueError, match=r"must be an \.npz file"):
        fetch_mnist(path=tmp_path)
