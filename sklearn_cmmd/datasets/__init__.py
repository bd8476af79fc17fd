"""Data sets with several modalities."""

from sklearn_cmmd.data.indexed import IndexedArray
from sklearn_cmmd.datasets._fetchers import fetch_mnist, fetch_svhn
from sklearn_cmmd.datasets._multiple_features import load_multiple_features
from sklearn_cmmd.datasets._paired_digits import (
    make_mnist_svhn,
    make_mnist_svhn_text,
    make_three_modality_mnist,
)
from sklearn_cmmd.datasets._text import decode_text, encode_text
from sklearn_cmmd.datasets._two_view_mnist import make_two_view_mnist

__all__ = [
    "IndexedArray",
    "decode_text",
    "encode_text",
    "fetch_mnist",
    "fetch_svhn",
    "load_multiple_features",
    "make_mnist_svhn",
    "make_mnist_svhn_text",
    "make_three_modality_mnist",
    "make_two_view_mnist",
]
