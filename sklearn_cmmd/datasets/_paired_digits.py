"""Handwritten digits beside house numbers, turned digits and words of the same class."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_cmmd._random import seed_sequence
from sklearn_cmmd.data.indexed import IndexedArray
from sklearn_cmmd.datasets._pairing import check_digits, matched_rows, random_angles, rotate_each
from sklearn_cmmd.datasets._text import encode_text

__all__ = ["make_mnist_svhn", "make_mnist_svhn_text", "make_three_modality_mnist"]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEXT_LENGTH = 8


def make_mnist_svhn(
    mnist: Any,
    mnist_target: Any,
    svhn: Any,
    svhn_target: Any,
    *,
    n_repeats: int = 30,
    max_per_class: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make MNIST-SVHN: handwritten digits beside house numbers of the same digit.

    The pairing of [1]_: of each digit, the first min(count in MNIST, count in SVHN,
    `max_per_class`) images of both sources are taken, and `n_repeats` times a random permutation
    of both is appended. A digit that is missing in one source has no pairs.

    Pairs are made within the rows that are given, and show each image many times. Call it once on
    the training rows and once on the test rows; splitting the pairs would put the same images on
    both sides. The rows come digit after digit: shuffle before taking only some.

    Parameters
    ----------
    mnist : array-like of shape (n_mnist, height, width) and uint8
        Digits such as those of :func:`fetch_mnist`, with values from 0 to 255.
    mnist_target : array-like of shape (n_mnist,) and int
        Their labels, from 0 to 9.
    svhn : array-like of shape (n_svhn, height, width, 3) and uint8
        House numbers such as those of :func:`fetch_svhn`, with values from 0 to 255.
    svhn_target : array-like of shape (n_svhn,) and int
        Their labels, from 0 to 9.
    n_repeats : int, default=30
        How often the images are paired anew, at least 1.
    max_per_class : int, default=10000
        Most images of each digit and source, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines the pairs.

    Returns
    -------
    Bunch
        With a row for each pair:

        views : dict of str to IndexedArray
            "mnist" of shape (n, height, width) and "svhn" of shape (n, height, width, 3), both
            float32 with values in [0, 1]. They hold the images once, and a number for each row.
        target : ndarray of shape (n,) and int64
            The digits, in ascending order.
        pairs : dict of str to ndarray of shape (n,) and int32
            For each view, the rows of its source.

    Raises
    ------
    ValueError
        If shapes, types, labels or numbers are other than these, or if no digit is in both
        sources.

    References
    ----------
    .. [1] Y. Shi, N. Siddharth, B. Paige, P. H. S. Torr, "Variational Mixture-of-Experts
       Autoencoders for Multi-Modal Deep Generative Models", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import make_mnist_svhn
    >>> mnist = np.zeros((20, 28, 28), dtype=np.uint8)
    >>> svhn = np.zeros((30, 32, 32, 3), dtype=np.uint8)
    >>> pairs = make_mnist_svhn(mnist, np.arange(20) % 10, svhn, np.arange(30) % 10, n_repeats=5)
    >>> pairs.views["mnist"].shape, pairs.views["svhn"].shape
    ((100, 28, 28), (100, 32, 32, 3))
    >>> np.bincount(pairs.target)
    array([10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """
    images, targets = _sources(mnist, mnist_target, svhn, svhn_target)
    root = seed_sequence(random_state)
    pairs, target = matched_rows(targets, n_repeats, max_per_class, root)
    return Bunch(views=_views(images, pairs), target=target, pairs=pairs)


def make_three_modality_mnist(
    mnist: Any,
    mnist_target: Any,
    svhn: Any,
    svhn_target: Any,
    *,
    n_repeats: int = 30,
    max_per_class: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make three-modality MNIST: a digit, another one turned, and a house number.

    To the pairs of :func:`make_mnist_svhn` comes a third view: each image of MNIST is turned
    once, by a random angle between -45 and 45 degrees, and these images are permuted within the
    digit as the others are. With the same `random_state` the first two views are those of
    :func:`make_mnist_svhn`.

    Rows are matched within those that are given. Call it once on the training rows and once on
    the test rows. The rows come digit after digit: shuffle before taking only some.

    Parameters
    ----------
    mnist : array-like of shape (n_mnist, height, width) and uint8
        Digits such as those of :func:`fetch_mnist`, with values from 0 to 255.
    mnist_target : array-like of shape (n_mnist,) and int
        Their labels, from 0 to 9.
    svhn : array-like of shape (n_svhn, height, width, 3) and uint8
        House numbers such as those of :func:`fetch_svhn`, with values from 0 to 255.
    svhn_target : array-like of shape (n_svhn,) and int
        Their labels, from 0 to 9.
    n_repeats : int, default=30
        How often the images are matched anew, at least 1.
    max_per_class : int, default=10000
        Most images of each digit and source, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines matches and angles.

    Returns
    -------
    Bunch
        With a row for each match:

        views : dict of str to IndexedArray
            "mnist" and "rotated" of shape (n, height, width), "svhn" of shape (n, height, width,
            3), all float32 with values in [0, 1].
        target : ndarray of shape (n,) and int64
            The digits, in ascending order.
        pairs : dict of str to ndarray of shape (n,) and int32
            For each view, the rows of its source; `mnist` is that of "rotated".
        angles : ndarray of shape (n_mnist,) and float64
            Degrees by which the images of MNIST were turned, counted as
            :func:`scipy.ndimage.rotate` does.

    Raises
    ------
    ValueError
        If shapes, types, labels or numbers are other than these, or if no digit is in both
        sources.

    References
    ----------
    The three modalities are those of R. A. Mancisidor, M. Kampffmeyer, K. Aas, R. Jenssen,
    "Discriminative multimodal learning via conditional priors in generative models", Neural
    Networks, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import make_three_modality_mnist
    >>> mnist = np.zeros((20, 28, 28), dtype=np.uint8)
    >>> svhn = np.zeros((30, 32, 32, 3), dtype=np.uint8)
    >>> digits = make_three_modality_mnist(
    ...     mnist, np.arange(20) % 10, svhn, np.arange(30) % 10, n_repeats=5, random_state=0
    ... )
    >>> {name: view.shape for name, view in digits.views.items()}
    {'mnist': (100, 28, 28), 'rotated': (100, 28, 28), 'svhn': (100, 32, 32, 3)}
    """
    images, targets = _sources(mnist, mnist_target, svhn, svhn_target)
    targets["rotated"] = targets["mnist"]
    root = seed_sequence(random_state)
    pairs, target = matched_rows(targets, n_repeats, max_per_class, root)
    angles = random_angles(len(images["mnist"]), np.random.default_rng(root.spawn(1)[0]))
    rotated = np.rint(rotate_each(images["mnist"], angles) * 255).astype(np.uint8)
    images = {"mnist": images["mnist"], "rotated": rotated, "svhn": images["svhn"]}
    return Bunch(views=_views(images, pairs), target=target, pairs=pairs, angles=angles)


def make_mnist_svhn_text(
    mnist: Any,
    mnist_target: Any,
    svhn: Any,
    svhn_target: Any,
    *,
    n_repeats: int = 20,
    max_per_class: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make MNIST-SVHN-Text: a digit, a house number, and the word for them.

    To the pairs of :func:`make_mnist_svhn` comes the English word of the digit, in eight places
    of which the others are blank. It starts anywhere where a blank is left behind it, all
    places being equally likely, as in the data of [1]_.

    The full training sets give 1,121,360 rows and the full test sets 200,000. Rows are matched
    within those that are given. Call it once on the training rows and once on the test rows. The
    rows come digit after digit: shuffle before taking only some.

    Parameters
    ----------
    mnist : array-like of shape (n_mnist, height, width) and uint8
        Digits such as those of :func:`fetch_mnist`, with values from 0 to 255.
    mnist_target : array-like of shape (n_mnist,) and int
        Their labels, from 0 to 9.
    svhn : array-like of shape (n_svhn, height, width, 3) and uint8
        House numbers such as those of :func:`fetch_svhn`, with values from 0 to 255.
    svhn_target : array-like of shape (n_svhn,) and int
        Their labels, from 0 to 9.
    n_repeats : int, default=20
        How often the images are matched anew, at least 1.
    max_per_class : int, default=10000
        Most images of each digit and source, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines the pairs and where the words start.

    Returns
    -------
    Bunch
        With a row for each match:

        views : dict of str to IndexedArray
            "mnist" of shape (n, height, width) and "svhn" of shape (n, height, width, 3), both
            float32 with values in [0, 1], and "text" of shape (n, 8, 71), one-hot in uint8;
            :func:`decode_text` reads it.
        target : ndarray of shape (n,) and int64
            The digits, in ascending order.
        pairs : dict of str to ndarray of shape (n,) and int32
            For each view of images, the rows of its source.

    Raises
    ------
    ValueError
        If shapes, types, labels or numbers are other than these, or if no digit is in both
        sources.

    References
    ----------
    .. [1] T. M. Sutter, I. Daunhawer, J. E. Vogt, "Generalized Multimodal ELBO", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import decode_text, make_mnist_svhn_text
    >>> mnist = np.zeros((20, 28, 28), dtype=np.uint8)
    >>> svhn = np.zeros((30, 32, 32, 3), dtype=np.uint8)
    >>> digits = make_mnist_svhn_text(
    ...     mnist, np.arange(20) % 10, svhn, np.arange(30) % 10, n_repeats=1, random_state=0
    ... )
    >>> digits.views["text"].shape
    (20, 8, 71)
    >>> np.char.strip(decode_text(digits.views["text"]))[::4]
    array(['zero', 'two', 'four', 'six', 'eight'], dtype='<U8')
    """
    images, targets = _sources(mnist, mnist_target, svhn, svhn_target)
    root = seed_sequence(random_state)
    pairs, target = matched_rows(targets, n_repeats, max_per_class, root)
    views = _views(images, pairs)
    views["text"] = _words(target, np.random.default_rng(root.spawn(1)[0]))
    return Bunch(views=views, target=target, pairs=pairs)


def _sources(
    mnist: Any, mnist_target: Any, svhn: Any, svhn_target: Any
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    checked = {
        "mnist": check_digits(mnist, mnist_target, "mnist", "mnist_target"),
        "svhn": check_digits(svhn, svhn_target, "svhn", "svhn_target", colour=True),
    }
    images = {name: source[0] for name, source in checked.items()}
    return images, {name: source[1] for name, source in checked.items()}


def _views(images: dict[str, np.ndarray], pairs: dict[str, np.ndarray]) -> dict[str, IndexedArray]:
    return {
        name: IndexedArray(distinct, pairs[name], factor=1 / 255)
        for name, distinct in images.items()
    }


def _words(target: np.ndarray, rng: np.random.Generator) -> IndexedArray:
    n_starts = np.array([TEXT_LENGTH - len(word) for word in WORDS])
    texts = [
        " " * start + word for word, n in zip(WORDS, n_starts, strict=True) for start in range(n)
    ]
    first = np.cumsum(n_starts) - n_starts
    index = first[target] + rng.integers(n_starts[target])
    return IndexedArray(encode_text(texts, TEXT_LENGTH), index.astype(np.int32))
