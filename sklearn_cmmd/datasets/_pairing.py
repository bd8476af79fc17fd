"""What the builders of paired digits share: checks, pairs within a class, rotation."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from scipy.ndimage import rotate

BYTE = np.float32(1 / 255)
MAX_ANGLE = 45.0


def check_digits(
    images: Any, target: Any, name: str, target_name: str, *, colour: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels as arrays, the labels as int64.

    Raises
    ------
    ValueError
        If the images are not bytes of shape (n, height, width), or (n, height, width, 3) where
        they are coloured, or if the labels are not one digit from 0 to 9 for each of them.
    """
    images, target = np.asarray(images), np.asarray(target)
    shape = "(n, height, width, 3)" if colour else "(n, height, width)"
    fits = images.ndim == 3 + colour and (not colour or images.shape[-1] == 3)
    if not fits or images.dtype != np.uint8:
        raise ValueError(
            f"{name} must be uint8, with values from 0 to 255, of shape {shape}. Got "
            f"{images.dtype} of shape {images.shape} instead."
        )
    if target.shape != (len(images),):
        raise ValueError(
            f"{target_name} must have one label for each of the {len(images)} images. Got an "
            f"array of shape {target.shape} instead."
        )
    if len(target) and (target.dtype.kind not in "iu" or target.min() < 0 or target.max() > 9):
        raise ValueError(
            f"{target_name} must be integers from 0 to 9. Got {target.dtype} from "
            f"{np.unique(target)[0]} to {np.unique(target)[-1]} instead. (The files of SVHN write "
            "10 for the digit 0.)"
        )
    return images, target.astype(np.int64)


def matched_rows(
    targets: Mapping[str, np.ndarray],
    n_repeats: int,
    max_per_class: int,
    root: np.random.SeedSequence,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Match rows of several sources at random within each digit.

    `targets` are the digits of the source of each view, which has a random stream of its own, so
    that further views leave the first as they are. The rows of a digit are permuted `n_repeats`
    times, the first `max_per_class` of each source. Returns for each view rows of its source, and
    the digits of these rows, in ascending order.

    Raises
    ------
    ValueError
        If the numbers are not positive, or if the sources have no digit in common.
    """
    for name, value in (("n_repeats", n_repeats), ("max_per_class", max_per_class)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer. Got {value!r} instead.")
    counts = [np.bincount(target, minlength=10) for target in targets.values()]
    sizes = np.minimum(np.min(counts, axis=0), max_per_class)
    if not sizes.any():
        found = {name: np.unique(target).tolist() for name, target in targets.items()}
        raise ValueError(
            f"There is nothing to pair, since no digit is in every source. Found {found}; pass "
            "rows of the same digits."
        )
    pairs = {
        name: _permuted(target, sizes, n_repeats, np.random.default_rng(stream))
        for (name, target), stream in zip(targets.items(), root.spawn(len(targets)), strict=True)
    }
    return pairs, np.repeat(np.arange(10), sizes * n_repeats)


def other_of_same_class(target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return, for each row, a random other row of its class, all being equally likely.

    Raises
    ------
    ValueError
        If a class has one row only.
    """
    others = np.empty(len(target), dtype=np.int32)
    for digit in np.unique(target):
        rows = np.flatnonzero(target == digit)
        if len(rows) == 1:
            raise ValueError(
                f"Digit {digit} has one image only, which has no other to be paired with. Pass "
                "at least two of each digit, or none."
            )
        drawn = rng.integers(len(rows) - 1, size=len(rows))
        others[rows] = rows[drawn + (drawn >= np.arange(len(rows)))]
    return others


def random_angles(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n angles in degrees, uniform between -45 and 45."""
    return rng.uniform(-MAX_ANGLE, MAX_ANGLE, size=n)


def rotate_each(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return float32 images in [0, 1], each turned by its own angle in degrees."""
    turned = np.empty(images.shape, dtype=np.float32)
    for out, image, angle in zip(turned, images, angles, strict=True):
        rotate(image * BYTE, angle, reshape=False, order=1, output=out)
    return turned.clip(0, 1, out=turned)


def _permuted(
    target: np.ndarray, sizes: np.ndarray, n_repeats: int, rng: np.random.Generator
) -> np.ndarray:
    parts = []
    for digit, size in enumerate(sizes):
        rows = np.flatnonzero(target == digit)[:size].astype(np.int32)
        parts += [rng.permutation(rows) for _ in range(n_repeats)]
    return np.concatenate(parts)
