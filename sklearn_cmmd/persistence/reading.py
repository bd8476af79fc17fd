"""JSON and arrays to the values that `writing` wrote; a file chooses among what is listed here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.persistence.container import Damaged
from sklearn_cmmd.persistence.types import check_fields
from sklearn_cmmd.persistence.writing import INDEX_DTYPES, REGRESSORS

ARRAY_DTYPE = re.compile(r"[<>|]([biuf][1248]|[mM]8(\[\w+\])?|U\d{1,9})")
LAST_CHARACTER = 0x10FFFF
STATE_LENGTH = 624  # of the Mersenne Twister


class Reader:
    """JSON to values, given the arrays of the file and all `kinds` of records that it may hold.

    `networks` are the functions that make the user's networks, by modality. `used` are the arrays
    that were asked for.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        kinds: Mapping[str, type],
        networks: Mapping[str, Any] | None = None,
    ) -> None:
        self.arrays = arrays
        self.kinds = kinds
        self.networks = networks or {}
        self.used: set[str] = set()

    def value(self, written: Any, at: str) -> Any:
        """Return what was written as the value that it was; `Damaged` says that it is none."""
        if isinstance(written, list):
            return [self.value(item, f"{at}/{number}") for number, item in enumerate(written)]
        if isinstance(written, float) and not isfinite(written):
            raise Damaged(f"the number at {at} is infinite or NaN")
        if not isinstance(written, dict):
            return written
        ((form, parts),) = written.items()
        if form in self._forms:
            return self._forms[form](self, parts, at)
        return self._record(form, parts, at)

    def array(self, at: str) -> np.ndarray:
        """Return an array of the file, not to be changed, whose numbers are all finite."""
        if at not in self.arrays:
            raise Damaged(f"the array {at!r} is not there")
        self.used.add(at)
        array = self.arrays[at]
        if not is_finite(array):
            raise Damaged(f"the array {at!r} has a number that is infinite or NaN")
        return array

    def _array(self, parts: Any, at: str) -> np.ndarray:
        dtype, order = parts
        if not ARRAY_DTYPE.fullmatch(dtype) or order not in ("C", "F"):
            raise Damaged(f"the array {at!r} is of an unknown kind")
        array = _array_of(self.array(at), np.dtype(dtype), at)
        return np.array(array.T if order == "F" else array, order=order)

    def _objects(self, parts: Any, at: str) -> np.ndarray:
        shape, items = parts
        array = np.empty(len(items), object)
        array[:] = self.value(items, at)
        return array.reshape(shape)

    def _scalar(self, parts: Any, at: str) -> Any:
        dtype, item = parts
        if not ARRAY_DTYPE.fullmatch(dtype):
            raise Damaged(f"the number at {at} is of an unknown kind")
        return np.dtype(dtype[:2] if dtype[1] == "U" else dtype).type(self.value(item, at))

    def _items(self, parts: Any, at: str) -> list[Any]:
        is_array = isinstance(parts, dict) and list(parts) == ["array"]
        if not (is_array or isinstance(parts, list)):
            raise Damaged(f"there are no items at {at}")
        items = self.value(parts, at)
        found: list[Any] = items.tolist() if is_array else items
        return found

    def _tuple(self, parts: Any, at: str) -> tuple[Any, ...]:
        return tuple(self._items(parts, at))

    def _dict(self, parts: Any, at: str) -> dict[Any, Any]:
        return dict(self._items(parts, at))

    def _float(self, parts: Any, at: str) -> float:
        return {"inf": np.inf, "-inf": -np.inf, "nan": np.nan}[parts]

    def _slice(self, parts: Any, at: str) -> slice:
        return slice(*self._items(parts, at))

    def _range(self, parts: Any, at: str) -> range:
        return range(*self._items(parts, at))

    def _path(self, parts: Any, at: str) -> Path:
        return Path(parts)

    def _random_state(self, parts: Any, at: str) -> np.random.RandomState:
        state, found = np.random.RandomState(), self._items(parts, at)
        if type(found[2]) is not int or not 0 <= found[2] <= STATE_LENGTH:
            raise Damaged(f"the stream of random numbers at {at} is none")
        state.set_state(tuple(found))
        return state

    def _own(self, parts: Any, at: str) -> Any:
        name, role = parts
        if name not in self.networks:
            raise Damaged(f"it does not say that modality {name!r} has a network of its user")
        given = self.networks[name]
        return given if role is None else Modality(name, network=given).networks[role]

    def _index(self, parts: Any, at: str) -> Any:
        import pandas as pd

        dtype, items, name = parts
        if dtype not in INDEX_DTYPES:
            raise Damaged(f"the names at {at} are of an unknown kind")
        return pd.Index(self._items(items, at), dtype=dtype, name=self.value(name, at))

    def _multiindex(self, parts: Any, at: str) -> Any:
        import pandas as pd

        items, names = self._items(parts, at)
        return pd.MultiIndex.from_tuples(items, names=names)

    def _rangeindex(self, parts: Any, at: str) -> Any:
        import pandas as pd

        start, stop, step, name = self._items(parts, at)
        return pd.RangeIndex(start, stop, step, name=name)

    def _regressor(self, parts: Any, at: str) -> Any:
        name, params = parts
        return REGRESSORS[name](**self.value(params, at))

    _forms: ClassVar[dict[str, Callable[..., Any]]] = {
        "array": _array,
        "objects": _objects,
        "scalar": _scalar,
        "list": _items,
        "tuple": _tuple,
        "dict": _dict,
        "float": _float,
        "slice": _slice,
        "range": _range,
        "path": _path,
        "RandomState": _random_state,
        "own": _own,
        "index": _index,
        "multiindex": _multiindex,
        "rangeindex": _rangeindex,
        "regressor": _regressor,
    }

    def _record(self, name: str, parts: Any, at: str) -> Any:
        """Make a record of one of the kinds; fields that are not there have their defaults."""
        if name not in self.kinds or not isinstance(parts, dict):
            raise Damaged(f"this version knows no {name!r}, which a later one may have written")
        kind: Any = self.kinds[name]
        unknown = set(parts) - {field.name for field in fields(kind) if field.init}
        if unknown:
            raise Damaged(
                f"this version knows no {sorted(unknown)} of {name}, which a later one may have "
                "written"
            )
        made = kind(**{k: self.value(v, f"{at}/{k}") for k, v in parts.items()})
        # Parameters are checked where they are used, and may be anything until then.
        if not isinstance(made, (BaseEstimator, Modality)):
            check_fields(made)
        return made


def is_finite(array: np.ndarray) -> bool:
    """Return whether no number is infinite or NaN."""
    if array.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum of finite numbers may be infinite, so that it alone does not say that one is.
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def _array_of(numbers: np.ndarray, dtype: np.dtype, at: str) -> np.ndarray:
    """Return the array of this dtype that has these numbers."""
    word = {"m": "<i8", "M": "<i8", "U": "<u4"}.get(dtype.kind)
    if numbers.dtype != (dtype.newbyteorder("<") if word is None else np.dtype(word)):
        raise Damaged(f"the array {at!r} is of {numbers.dtype} and not of {dtype}")
    if dtype.kind != "U":
        return numbers.astype(dtype) if word is None else numbers.view(dtype)
    if dtype.itemsize != numbers.itemsize * numbers.shape[-1]:
        raise Damaged(f"the array {at!r} has strings of another length than {dtype}")
    if numbers.max(initial=0) > LAST_CHARACTER:
        raise Damaged(f"the array {at!r} has no characters")
    return np.ascontiguousarray(numbers).view(dtype)[..., 0]
