"""MNIST and SVHN: downloaded from OpenML, or read from files that are at hand."""

import os
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from sklearn.datasets import fetch_openml
from sklearn.utils import Bunch

Rows = tuple[Any, Any]
ARRAYS = ("X_train", "y_train", "X_test", "y_test")


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is read."""

    name: str
    openml: dict[str, Any]
    shape: tuple[int, ...]
    labels: int
    train_counts: tuple[int, ...]
    n_rows: int


MNIST = Source(
    name="MNIST",
    openml={"name": "mnist_784", "version": 1},
    shape=(28, 28),
    labels=10,
    train_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    n_rows=70_000,
)
SVHN = Source(
    name="SVHN",
    openml={"data_id": 41081},
    shape=(32, 32, 3),
    labels=11,
    train_counts=(4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
    n_rows=99_289,
)


def fetch_mnist(
    *, data_home: str | os.PathLike[str] | None = None, path: str | os.PathLike[str] | None = None
) -> Bunch:
    """Fetch MNIST: 70,000 handwritten digits of 28 by 28 grey pixels.

    Without `path` it comes from OpenML [1]_ by :func:`sklearn.datasets.fetch_openml`, which checks
    the download and keeps it for the next time. That needs pandas. The first 60,000 rows are the
    training rows, as published [2]_.

    Parameters
    ----------
    data_home : str, path or None, default=None
        Folder in which scikit-learn keeps downloads; None is its own, ``~/scikit_learn_data``.
    path : str, path or None, default=None
        An .npz file to read instead, without network. It holds either X_train, y_train, X_test
        and y_test, or X and y, of which the first 80 % become the training rows.

    Returns
    -------
    Bunch
        images_train : ndarray of shape (60000, 28, 28) and uint8
            Training images, from 0 (background) to 255. A file may hold fewer.
        target_train : ndarray of shape (60000,) and int64
            Their digits, from 0 to 9.
        images_test : ndarray of shape (10000, 28, 28) and uint8
            Test images.
        target_test : ndarray of shape (10000,) and int64
            Their digits.

    Raises
    ------
    OSError
        If the download fails, or if there is nothing at `path`.
    ValueError
        If the data are of another form.

    See Also
    --------
    make_two_view_mnist : Turned digits and noisy ones.

    References
    ----------
    .. [1] https://www.openml.org/d/554
    .. [2] Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from sklearn_cmmd.datasets import fetch_mnist
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.npz")
    ...     np.savez(path, X=np.zeros((10, 28, 28), np.uint8), y=np.arange(10))
    ...     digits = fetch_mnist(path=path)
    >>> digits.images_train.shape, digits.images_test.shape
    ((8, 28, 28), (2, 28, 28))
    """
    return _fetch(MNIST, data_home, path)


def fetch_svhn(
    *, data_home: str | os.PathLike[str] | None = None, path: str | os.PathLike[str] | None = None
) -> Bunch:
    """Fetch SVHN: 99,289 digits of house numbers, of 32 by 32 coloured pixels.

    Without `path` it comes from OpenML [1]_ by :func:`sklearn.datasets.fetch_openml`, which checks
    the download and keeps it for the next time. That needs pandas, and several GB of memory. The
    first 73,257 rows are the training rows, as published [2]_. The data are for research that is
    not commercial.

    Parameters
    ----------
    data_home : str, path or None, default=None
        As for :func:`fetch_mnist`.
    path : str, path or None, default=None
        As for :func:`fetch_mnist`, or the folder of the published files train_32x32.mat and
        test_32x32.mat. Neighbouring rows are often crops of the same house number, so that the
        rows of one file are not shuffled.

    Returns
    -------
    Bunch
        images_train : ndarray of shape (73257, 32, 32, 3) and uint8
            Training images in red, green and blue, from 0 to 255. A file may hold fewer.
        target_train : ndarray of shape (73257,) and int64
            Their digits, from 0 to 9; the label 10 of the source is the digit 0.
        images_test : ndarray of shape (26032, 32, 32, 3) and uint8
            Test images.
        target_test : ndarray of shape (26032,) and int64
            Their digits.

    Raises
    ------
    OSError, ValueError
        As for :func:`fetch_mnist`.

    See Also
    --------
    make_mnist_svhn : Handwritten digits beside house numbers.

    References
    ----------
    .. [1] https://www.openml.org/d/41081
    .. [2] Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, "Reading Digits in Natural
       Images with Unsupervised Feature Learning", NIPS workshop 2011.
       http://ufldl.stanford.edu/housenumbers

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from sklearn_cmmd.datasets import fetch_svhn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.npz")
    ...     np.savez(path, X=np.zeros((10, 32, 32, 3), np.uint8), y=np.arange(1, 11))
    ...     digits = fetch_svhn(path=path)
    >>> digits.images_train.shape, digits.target_test
    ((8, 32, 32, 3), array([9, 0]))
    """
    return _fetch(SVHN, data_home, path)


def order_of_columns(flat: np.ndarray) -> str:
    """Find how images of 32 by 32 by 3 values were flattened: axes from the slowest to the fastest.

    OpenML does not say it for SVHN, and a wrong order goes unnoticed, since the shapes fit. In the
    right one neighbouring pixels are alike. The strokes of digits run downwards more often than
    across, so that a pixel differs less from the one below (y) than from the one beside (x).
    """

    def roughness(order: str) -> float:
        images = _unflatten(flat[:1000], order).astype(np.int16)
        below, beside = (np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2))
        return float(2 * below + beside)

    return min(("yxc", "xyc", "cyx", "cxy"), key=roughness)


def _unflatten(flat: np.ndarray, order: str) -> np.ndarray:
    size = {"y": 32, "x": 32, "c": 3}
    stored = flat.reshape(-1, *(size[axis] for axis in order))
    return np.ascontiguousarray(stored.transpose(0, *(1 + order.index(axis) for axis in "yxc")))


def _fetch(source: Source, data_home: Any, path: Any) -> Bunch:
    if path is None:
        train, test = _download(source, data_home)
    elif source is SVHN and Path(path).is_dir():
        train, test = _read_mat(Path(path))
    else:
        train, test = _read_npz(Path(path))
    images_train, target_train = _check(source, *train, "training")
    images_test, target_test = _check(source, *test, "test")
    return Bunch(
        images_train=images_train,
        target_train=target_train,
        images_test=images_test,
        target_test=target_test,
    )


def _download(source: Source, data_home: Any) -> tuple[Rows, Rows]:
    try:
        table = fetch_openml(**source.openml, data_home=data_home, as_frame=False)
    except (OSError, HTTPException) as error:
        raise OSError(
            f"The download of {source.name} from openml.org failed: {error}. Check the network, or "
            "set path= to a file that was obtained otherwise."
        ) from error
    images, target = _bytes(table.data, source.name), np.asarray(table.target).astype(np.int64)
    _check_published(source, images, target)
    if source is SVHN:
        images = _unflatten(images, order_of_columns(images))
    n_train = sum(source.train_counts)
    return _cut(images.reshape(-1, *source.shape), target, n_train)


def _check_published(source: Source, flat: np.ndarray, target: np.ndarray) -> None:
    if flat.shape != (source.n_rows, prod(source.shape)):
        raise ValueError(
            f"{source.name} must have {source.n_rows} rows of {prod(source.shape)} values. OpenML "
            f"sent an array of shape {flat.shape}; set path= to a file of the published data."
        )
    n_train = sum(source.train_counts)
    counts = tuple(np.bincount(target[:n_train] % 10, minlength=10).tolist())
    if counts != source.train_counts:
        raise ValueError(
            f"The first {n_train} rows of {source.name} must be the published training rows, with "
            f"{source.train_counts} images of the digits 0 to 9. OpenML sent {counts}; set path= "
            "to a file of the published data."
        )


def _read_npz(path: Path) -> tuple[Rows, Rows]:
    if not path.exists():
        raise FileNotFoundError(f"path must be an existing .npz file. There is no {path}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"path must be an .npz file. {path} is not one; write it by numpy.savez.")
    with np.load(path) as archive:
        if set(ARRAYS) <= set(archive):
            X_train, y_train, X_test, y_test = (archive[name] for name in ARRAYS)
            return (X_train, y_train), (X_test, y_test)
        if not {"X", "y"} <= set(archive):
            raise ValueError(
                f"The file must hold arrays {list(ARRAYS)}, or X and y. {path} holds "
                f"{sorted(archive)}; rename them."
            )
        X, y = archive["X"], archive["y"]
    return _cut(X, y, len(X) * 4 // 5)


def _read_mat(folder: Path) -> tuple[Rows, Rows]:
    def read(name: str) -> Rows:
        if not (folder / name).exists():
            raise FileNotFoundError(f"The folder {folder} must hold {name}, and does not.")
        content = loadmat(folder / name)
        if not {"X", "y"} <= set(content):
            raise ValueError(f"{folder / name} must hold X and y. It holds {sorted(content)}.")
        return np.moveaxis(content["X"], -1, 0), content["y"].ravel()

    return read("train_32x32.mat"), read("test_32x32.mat")


def _cut(images: Any, target: Any, n_train: int) -> tuple[Rows, Rows]:
    return (images[:n_train], target[:n_train]), (images[n_train:], target[n_train:])


def _check(source: Source, images: Any, target: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    if images.shape[1:] != source.shape:
        raise ValueError(
            f"Images of {source.name} must be of shape (n, {', '.join(map(str, source.shape))}). "
            f"The {part} images are of shape {images.shape}; reshape them."
        )
    if target.shape != images.shape[:1]:
        raise ValueError(
            f"There must be one label for each of the {len(images)} {part} images. Got labels of "
            f"shape {target.shape} instead."
        )
    unknown = np.setdiff1d(target, np.arange(source.labels))
    if len(unknown):
        raise ValueError(
            f"Labels of {source.name} must be integers from 0 to {source.labels - 1}. The {part} "
            f"labels have {unknown.tolist()} as well."
        )
    return np.ascontiguousarray(_bytes(images, source.name)), target.astype(np.int64) % 10


def _bytes(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    with np.errstate(invalid="ignore"):
        cast = values.astype(np.uint8)
    if not np.array_equal(cast, values):
        raise ValueError(
            f"Images of {name} must hold whole numbers from 0 to 255. Got {values.dtype} with "
            "others; scale them to that range."
        )
    return cast
