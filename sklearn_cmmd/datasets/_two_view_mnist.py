"""Noisy two-view MNIST: handwritten digits, turned in one view and noisy in the other."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_cmmd._random import seed_sequence
from sklearn_cmmd.datasets._pairing import (
    BYTE,
    check_digits,
    other_of_same_class,
    random_angles,
    rotate_each,
)

__all__ = ["make_two_view_mnist"]


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
