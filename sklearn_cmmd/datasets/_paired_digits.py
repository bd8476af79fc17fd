"""The paper's pairs of digits: handwritten, turned, noisy, of house numbers, and as words."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_cmmd._random import seed_sequence
from sklearn_cmmd.data.indexed import IndexedArray
from sklearn_cmmd.datasets._pairing import (
    BYTE,
    check_digits,
    matched_rows,
    other_of_same_class,
    random_angles,
    rotate_each,
)
from sklearn_cmmd.datasets._text import encode_text

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEXT_LENGTH = 8


def make_mnist_svhn(
    mnist: Any,
    mnist_target: Any,
    svhn: Any,
    svhn_target: Any,
    *,
    third: str | None = None,
    n_repeats: int = 30,
    max_per_class: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make MNIST-SVHN: handwritten digits beside house numbers of the same digit.

    The pairing of [1]_: of each digit, the first min(count in MNIST, count in SVHN,
    `max_per_class`) images of both sources are taken, and `n_repeats` times a random permutation
    of both is appended. A digit that is missing in one source has no pairs. A third view may be
    added, which leaves the first two as they are: each image of MNIST turned once, by a random
    angle between -45 and 45 degrees, and permuted as the others are [2]_; or the English word of
    the digit in eight places, which starts anywhere where a blank is left behind it [3]_.

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
    third : {"rotated", "text"}, default=None
        The third view; None makes pairs.
    n_repeats : int, default=30
        How often the images are paired anew, at least 1. With "text", 20 gives the 1,121,360 and
        200,000 rows of [3]_ from the full sets.
    max_per_class : int, default=10000
        Most images of each digit and source, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines pairs, angles and where words start, each by a stream of its own.

    Returns
    -------
    Bunch
        With a row for each pair:

        views : dict of str to IndexedArray
            "mnist" and "rotated" of shape (n, height, width) and "svhn" of shape (n, height,
            width, 3), float32 with values in [0, 1]; "text" of shape (n, 8, 71), one-hot in uint8,
            which :func:`decode_text` reads. They hold the images once, and a number for each row.
        target : ndarray of shape (n,) and int64
            The digits, in ascending order.
        pairs : dict of str to ndarray of shape (n,) and int32
            For each view of images, the rows of its source; `mnist` is that of "rotated".
        angles : ndarray of shape (n_mnist,) and float64
            With "rotated", degrees by which the images of MNIST were turned, counted as
            :func:`scipy.ndimage.rotate` does.

    Raises
    ------
    ValueError
        If shapes, types, labels or numbers are other than these, or if no digit is in both
        sources.

    References
    ----------
    .. [1] Y. Shi, N. Siddharth, B. Paige, P. H. S. Torr, "Variational Mixture-of-Experts
       Autoencoders for Multi-Modal Deep Generative Models", NeurIPS 2019.
    .. [2] R. A. Mancisidor, M. Kampffmeyer, K. Aas, R. Jenssen, "Discriminative multimodal
       learning via conditional priors in generative models", Neural Networks, 2024.
    .. [3] T. M. Sutter, I. Daunhawer, J. E. Vogt, "Generalized Multimodal ELBO", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import decode_text, make_mnist_svhn
    >>> mnist = np.zeros((20, 28, 28), dtype=np.uint8)
    >>> svhn = np.zeros((30, 32, 32, 3), dtype=np.uint8)
    >>> sources = mnist, np.arange(20) % 10, svhn, np.arange(30) % 10
    >>> pairs = make_mnist_svhn(*sources, n_repeats=5)
    >>> pairs.views["mnist"].shape, pairs.views["svhn"].shape
    ((100, 28, 28), (100, 32, 32, 3))
    >>> digits = make_mnist_svhn(*sources, third="text", n_repeats=1, random_state=0)
    >>> np.char.strip(decode_text(digits.views["text"]))[::4]
    array(['zero', 'two', 'four', 'six', 'eight'], dtype='<U8')
    """
    if third not in (None, "rotated", "text"):
        raise ValueError(f"third must be 'rotated', 'text' or None. Got {third!r} instead.")
    images, targets = _sources(mnist, mnist_target, svhn, svhn_target)
    if third == "rotated":
        targets["rotated"] = targets["mnist"]
    root = seed_sequence(random_state)
    pairs, target = matched_rows(targets, n_repeats, max_per_class, root)
    rng, more = np.random.default_rng(root.spawn(1)[0]), {}
    if third == "rotated":
        more["angles"] = random_angles(len(images["mnist"]), rng)
        turned = rotate_each(images["mnist"], more["angles"]) * 255
        images = {"mnist": images["mnist"], "rotated": np.rint(turned).astype(np.uint8)} | images
    views = {name: IndexedArray(each, pairs[name], factor=1 / 255) for name, each in images.items()}
    if third == "text":
        views["text"] = _words(target, rng)
    return Bunch(views=views, target=target, pairs=pairs, **more)


def make_two_view_mnist(
    images: Any, target: Any, *, random_state: int | np.random.RandomState | None = None
) -> Bunch:
    """Make noisy two-view MNIST: a turned digit, and another of its class under noise.

    The data of [1]_: the first view turns each image by a random angle between -45 and 45
    degrees. The second is another image of the same class, drawn at random, plus uniform noise
    from [0, 1] in each pixel, cut off at 1. All that the views share is the class.

    Pairs are made within the rows that are given. Call it once on the training rows and once on
    the test rows, so that no image is in both.

    Parameters
    ----------
    images : array-like of shape (n, height, width) and uint8
        Digits such as those of :func:`fetch_mnist`, with values from 0 to 255.
    target : array-like of shape (n,) and int
        Their labels, from 0 to 9.
    random_state : int, RandomState instance or None, default=None
        Determines angles, partners and noise, each by a stream of its own.

    Returns
    -------
    Bunch
        With n rows in the order of the images:

        views : dict of str to ndarray of shape (n, height, width) and float32
            "rotated" and "noisy", with values in [0, 1].
        target : ndarray of shape (n,) and int64
            The digits.
        pairs : dict of str to ndarray of shape (n,) and int32
            For each view, the rows of `images` that it shows.
        angles : ndarray of shape (n,) and float64
            Degrees by which "rotated" was turned, counted as :func:`scipy.ndimage.rotate` does.

    Raises
    ------
    ValueError
        If shapes, types or labels are other than these, or if a class has one image only.

    References
    ----------
    .. [1] W. Wang, R. Arora, K. Livescu, J. Bilmes, "On Deep Multi-View Representation
       Learning", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import make_two_view_mnist
    >>> images = np.random.default_rng(0).integers(256, size=(20, 28, 28), dtype=np.uint8)
    >>> digits = make_two_view_mnist(images, np.arange(20) % 10, random_state=0)
    >>> {name: view.shape for name, view in digits.views.items()}
    {'rotated': (20, 28, 28), 'noisy': (20, 28, 28)}
    >>> digits.pairs["noisy"][:4]
    array([10, 11, 12, 13], dtype=int32)
    """
    images, target = check_digits(images, target, "images", "target")
    streams = [np.random.default_rng(s) for s in seed_sequence(random_state).spawn(3)]
    angles = random_angles(len(images), streams[0])
    others = other_of_same_class(target, streams[1])
    noisy = streams[2].random(images.shape, dtype=np.float32)
    for out, other in zip(noisy, others, strict=True):
        out += images[other] * BYTE
    return Bunch(
        views={"rotated": rotate_each(images, angles), "noisy": noisy.clip(0, 1, out=noisy)},
        target=target,
        pairs={"rotated": np.arange(len(images), dtype=np.int32), "noisy": others},
        angles=angles,
    )


def _sources(
    mnist: Any, mnist_target: Any, svhn: Any, svhn_target: Any
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    checked = {
        "mnist": check_digits(mnist, mnist_target, "mnist", "mnist_target"),
        "svhn": check_digits(svhn, svhn_target, "svhn", "svhn_target", colour=True),
    }
    images = {name: source[0] for name, source in checked.items()}
    return images, {name: source[1] for name, source in checked.items()}


def _words(target: np.ndarray, rng: np.random.Generator) -> IndexedArray:
    n_starts = np.array([TEXT_LENGTH - len(word) for word in WORDS])
    texts = [
        " " * start + word for word, n in zip(WORDS, n_starts, strict=True) for start in range(n)
    ]
    first = np.cumsum(n_starts) - n_starts
    index = first[target] + rng.integers(n_starts[target])
    return IndexedArray(encode_text(texts, TEXT_LENGTH), index.astype(np.int32))
