"""Short texts as one-hot arrays, and back."""

from collections.abc import Iterable
from typing import Any

import numpy as np

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"\\/|_@#$%^&*~`+-=<>()[]{} \n"

CODES = {symbol: ALPHABET.index(symbol) for symbol in ALPHABET}


def encode_text(strings: Iterable[str], length: int = 8) -> np.ndarray:
    r"""Encode strings as one-hot arrays over the 71 symbols of MNIST-SVHN-Text.

    The symbols are, in this order, a to z, 0 to 9, ``-,;.!?:'"\/|_@#$%^&*~```, ``+-=<>()[]{}``,
    the space and the newline. The hyphen stands there twice, as it does in [1]_; its first place
    is the one that encodes.

    Parameters
    ----------
    strings : iterable of str
        The n strings. Shorter ones are filled up with spaces on the right.
    length : int, default=8
        Number of symbols of each encoded string.

    Returns
    -------
    ndarray of shape (n, length, 71) and uint8
        A single 1 in the last axis for each symbol.

    Raises
    ------
    TypeError
        If `strings` is one string, or holds anything but strings.
    ValueError
        If a string is longer than `length`, or has a symbol out of the alphabet.

    References
    ----------
    .. [1] T. M. Sutter, I. Daunhawer, J. E. Vogt, "Generalized Multimodal ELBO", ICLR 2021.

    Examples
    --------
    >>> from sklearn_cmmd.datasets import decode_text, encode_text
    >>> one_hot = encode_text(["zero", "  one"])
    >>> one_hot.shape
    (2, 8, 71)
    >>> decode_text(one_hot)
    array(['zero    ', '  one   '], dtype='<U8')
    """
    if isinstance(strings, str):
        raise TypeError(
            f"strings must be a list of strings. Got {strings!r} instead; pass [{strings!r}]."
        )
    codes = [_codes(string, length) for string in strings]
    return np.eye(len(ALPHABET), dtype=np.uint8)[np.array(codes, dtype=int).reshape(-1, length)]


def decode_text(one_hot: Any) -> np.ndarray:
    """Decode one-hot arrays, or probabilities of the symbols, to strings.

    Parameters
    ----------
    one_hot : array-like of shape (..., length, 71)
        One-hot arrays as from :func:`encode_text`, or scores of any kind. The largest value of
        the last axis is the symbol.

    Returns
    -------
    ndarray of shape (...) and str
        Strings of `length` symbols each, spaces included.

    Raises
    ------
    ValueError
        If the shape is another one.

    Examples
    --------
    >>> from sklearn_cmmd.datasets import decode_text, encode_text
    >>> decode_text(0.7 * encode_text(["six", "seven"]) + 0.1)
    array(['six     ', 'seven   '], dtype='<U8')
    """
    scores = np.asarray(one_hot)
    if scores.ndim < 2 or scores.shape[-1] != len(ALPHABET) or scores.shape[-2] == 0:
        raise ValueError(
            f"one_hot must be of shape (..., length, {len(ALPHABET)}). Got {scores.shape} instead; "
            f"a flattened text is reshaped by one_hot.reshape(n, length, {len(ALPHABET)})."
        )
    symbols = np.array(list(ALPHABET))[scores.argmax(axis=-1)]
    return symbols.view(f"<U{symbols.shape[-1]}").reshape(symbols.shape[:-1])


def _codes(string: Any, length: int) -> list[int]:
    if not isinstance(string, str):
        raise TypeError(f"strings must be strings. Got {string!r} among them.")
    if len(string) > length:
        raise ValueError(
            f"The string {string!r} has {len(string)} symbols, but length is {length}. "
            "Shorten it, or set a larger length."
        )
    unknown = [symbol for symbol in string if symbol not in CODES]
    if unknown:
        raise ValueError(
            f"The string {string!r} has the symbol {unknown[0]!r}, which is not in the alphabet "
            f"{ALPHABET!r}. Replace it; letters are lower case."
        )
    return [CODES[symbol] for symbol in string.ljust(length)]
