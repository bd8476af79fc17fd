import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_cmmd.datasets import decode_text, encode_text
from sklearn_cmmd.datasets._text import ALPHABET

texts = st.lists(st.text(alphabet=ALPHABET, max_size=8), min_size=1, max_size=5)


def test_alphabet():
    assert len(ALPHABET) == 71
    assert {symbol for symbol in ALPHABET if ALPHABET.count(symbol) > 1} == {"-"}
    assert ALPHABET.startswith("abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"\\/|_@#$%^&*~`+-=")
    assert ALPHABET.endswith("<>()[]{} \n")


@given(texts)
def test_there_and_back(strings):
    one_hot = encode_text(strings)
    assert one_hot.shape == (len(strings), 8, 71)
    assert one_hot.dtype == np.uint8
    assert (one_hot.sum(axis=-1) == 1).all()
    assert decode_text(one_hot).tolist() == [string.ljust(8) for string in strings]


def test_places_of_the_symbols():
    (rows,) = encode_text(["a-9 \n"], length=5)
    assert rows.argmax(axis=-1).tolist() == [0, 36, 35, 69, 70]
    assert np.flatnonzero(rows[1]).tolist() == [36], "the first of the two hyphens"
    assert encode_text([], length=3).shape == (0, 3, 71)


def test_decodes_probabilities_and_both_hyphens():
    rng = np.random.default_rng(0)
    scores = encode_text(["four", "a-b"], length=4) + 0.9 * rng.random((2, 4, 71))
    assert decode_text(scores).tolist() == ["four", "a-b "]
    second_hyphen = np.zeros((1, 71))
    second_hyphen[0, ALPHABET.rindex("-")] = 1
    assert decode_text(second_hyphen) == "-"


def test_decoding_keeps_leading_axes():
    one_hot = encode_text(["one", " two", "three", "four", "five", "six"], length=5)
    decoded = decode_text(one_hot.reshape(2, 3, 5, 71))
    assert decoded.tolist() == [["one  ", " two ", "three"], ["four ", "five ", "six  "]]
    assert decode_text(one_hot[1]).shape == ()
    assert decode_text(one_hot[1]) == " two "
    assert decode_text(one_hot[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("strings", "error", "message"),
    [
        (["zero", "seventeen"], ValueError, "'seventeen' has 9 symbols, but length is 8"),
        (["Zero"], ValueError, "'Zero' has the symbol 'Z', which is not in the alphabet"),
        (["fünf"], ValueError, "symbol 'ü'"),
        ("zero", TypeError, r"Got 'zero' instead; pass \['zero'\]"),
        (["one", 2], TypeError, "Got 2 among them"),
    ],
)
def test_what_cannot_be_encoded(strings, error, message):
    with pytest.raises(error, match=message):
        encode_text(strings)


@pytest.mark.parametrize("shape", [(71,), (3, 568), (3, 0, 71)])
def test_what_cannot_be_decoded(shape):
    with pytest.raises(ValueError, match=r"one_hot must be of shape \(\.\.\., length, 71\)\. Got"):
        decode_text(np.zeros(shape))
