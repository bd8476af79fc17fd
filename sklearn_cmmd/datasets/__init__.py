"""Data sets with several modalities."""

from sklearn_cmmd.data.indexed import IndexedArray
from sklearn_cmmd.datasets._ampute import ampute
from sklearn_cmmd.datasets._fetchers import fetch_mnist, fetch_svhn
from sklearn_cmmd.datasets._multiple_features import load_multiple_features
from sklearn_cmmd.datasets._paired_digits import make_mnist_svhn, make_two_view_mnist
from sklearn_cmmd.datasets._text import decode_text, encode_text

__all__ = [
    "IndexedArray",
    "ampute",
    "decode_text",
    "encode_text",
    "fetch_mnist",
    "fetch_svhn",
    "load_multiple_features",
    "make_mnist_svhn",
    "make_two_view_mnist",
]
