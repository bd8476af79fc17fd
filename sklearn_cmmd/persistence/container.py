"""The file: arrays beside one JSON string, in the format of safetensors, and a checksum of it all.

The format [1]_ is a length, a JSON header with place, dtype and shape of each array, and the bytes
of the arrays. The library safetensors maps files into memory, and a process dies if one is cut off
then. Here a file is read at once, and arrays are views of what was read. Any reader of safetensors
reads it, too.

References
----------
.. [1] https://huggingface.co/docs/safetensors
"""

import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_cmmd._files import replacing

KEY = "sklearn_cmmd"
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
# As it stands in the header, where it is a string in a string. Zeros stand for themselves.
CHECKSUM = re.compile(rb'\{\\"crc32\\":\\"([0-9a-f]{8})\\"')
NO_CHECKSUM = "00000000"
# A header is at most so long, and longer by this share of the file: names take their place.
MOST_HEADER, HEADER_SHARE = 4_000_000, 1 / 16
MOST_AXES = 32


class Damaged(Exception):
    """A file is not what it should be; says why."""


@dataclass(frozen=True)
class Contents:
    """What a file holds: plain values, and arrays by name, which are not to be changed.

    The checksum is computed meanwhile: nothing of this counts before `check`.
    """

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]
    checksum: "Future[str]"
    expected: str

    def check(self) -> None:
        """Raise `Damaged` unless the checksum is that of the file."""
        if self.checksum.result() != self.expected:
            raise Damaged("its checksum is another one, so that it has changed since it was saved")


def write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    ValueError
        If there are more names and plain values than a file may hold.
    OSError
        If it cannot be written. What was at the path is still there.
    """
    # The larger numbers first, so that each begins at a multiple of its size.
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))
    header = _header(about, ordered)
    parts: list[Any] = [
        len(header).to_bytes(8, "little"),
        header,
        *map(_bytes_of, ordered.values()),
    ]
    n_bytes = sum([len(part) for part in parts])
    if len(header) > _most_header(n_bytes):
        raise ValueError(
            f"{len(header):,} bytes of names and plain values are too many beside {n_bytes:,} "
            "bytes in all. Give columns and classes shorter names, or save with joblib.dump."
        )
    parts[1] = _with_checksum(header, _checksum(parts))
    try:
        with replacing(path) as new, new.open("xb") as file:
            for part in parts:
                file.write(part)
    except OSError as error:
        kept = "What was there is unchanged" if os.path.exists(path) else "Nothing was left there"
        reason = (
            f"{path} could not be written: {error.strerror or error}. {kept}. Make room, or choose "
            "a folder that exists and that you may write to"
        )
        raise OSError(error.errno, reason) from error


def read(path: Path) -> Contents:
    """Read a file whole, and begin to compute its checksum.

    Raises
    ------
    Damaged
        If it is no such file.
    """
    raw = np.fromfile(path, np.uint8)
    start = 8 + _length(raw[:8].tobytes(), len(raw))
    header = raw[8:start].tobytes()
    found = CHECKSUM.search(header)
    if found is None:
        raise Damaged("it has no header of this package")
    about, entries = _parsed(header)
    places = _places(entries, len(raw) - start)
    arrays = {
        name: np.ndarray(shape, dtype, raw, start + place)
        for name, (dtype, shape, place) in places.items()
    }
    pool = ThreadPoolExecutor(1)
    parts = [raw[:8], _with_checksum(header, NO_CHECKSUM), raw[start:]]
    checksum = pool.submit(_checksum, parts)
    pool.shutdown(wait=False)
    return Contents(about, arrays, checksum, found[1].decode())


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the plain values of a file, and the number of bytes of its arrays, which stay unread.

    Raises
    ------
    Damaged
        If it has no such header.
    """
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        length = _length(file.read(8), n_bytes)
        header = file.read(length)
    if CHECKSUM.search(header) is None:
        raise Damaged("it has no header of this package")
    return _parsed(header)[0], n_bytes - length - 8


def _header(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    text = _json({"crc32": NO_CHECKSUM, **about})
    entries: dict[str, Any] = {"__metadata__": {KEY: text}}
    place = 0
    for name, array in arrays.items():
        offsets = [place, place + array.nbytes]
        entries[name] = {
            "dtype": CODES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": offsets,
        }
        place += array.nbytes
    header = _json(entries).encode()
    return header + b" " * (-len(header) % 8)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _most_header(n_bytes: int) -> float:
    return MOST_HEADER + HEADER_SHARE * n_bytes


def _length(start: bytes, n_bytes: int) -> int:
    """Return the length of the header of a file, given its first eight bytes."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > n_bytes - 8:
        raise Damaged("it ends before its header does")
    if length > _most_header(n_bytes):
        raise Damaged(f"its header of {length:,} bytes is too long")
    return length


def _with_checksum(header: bytes, checksum: str) -> bytes:
    found = CHECKSUM.search(header)
    if found is None:
        raise Damaged("it has no header of this package")
    return header[: found.start(1)] + checksum.encode() + header[found.end(1) :]


def _checksum(parts: Iterable[Any]) -> str:
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return f"{value:08x}"


def _parsed(header: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain values of a header, and what it says of the arrays."""
    try:
        entries = json.loads(header)
        about = json.loads(entries.pop("__metadata__")[KEY])
        del about["crc32"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"its header cannot be read: {type(error).__name__}") from error
    if not isinstance(about, dict):
        raise Damaged("its header holds no values")
    return about, entries


def _places(
    entries: dict[str, Any], n_bytes: int
) -> dict[str, tuple[np.dtype, tuple[int, ...], int]]:
    """Return dtype, shape and place of each array; one follows the other without gaps."""
    places, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(item[1])):
        start, stop = _offsets(entry)
        dtype, shape = np.dtype(DTYPES.get(str(entry.get("dtype")), "V0")), entry.get("shape")
        if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(map(_is_size, shape)):
            raise Damaged(f"the shape of {name!r} is none")
        if start != end or stop - start != prod(shape) * dtype.itemsize or dtype.kind == "V":
            raise Damaged(f"{name!r} is not of the size that it is said to have")
        places[name], end = (dtype, tuple(shape), start), stop
    if end != n_bytes:
        raise Damaged(f"it has {n_bytes:,} bytes of arrays in the place of {end:,}")
    return places


def _offsets(entry: Any) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
        raise Damaged("it does not say where an array is")
    return offsets[0], offsets[1]


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63
