"""Values of parameters and plans to JSON and arrays; `reading` is the way back.

Plain values are written as they are. What JSON does not have is an object of one entry, whose key
says what it is: ``{"tuple": [1, 2]}``. An array is in the file under the place where it is used.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from inspect import signature
from math import isfinite
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV

from sklearn_cmmd.data.modality import ROLES, Modality
from sklearn_cmmd.networks.architecture import ViewSpec
from sklearn_cmmd.persistence.container import CODES

# Of scikit-learn, what may be among the parameters of an ensemble.
REGRESSORS = {
    kind.__name__: kind
    for kind in (LinearRegression, Ridge, RidgeCV, ExtraTreesRegressor, RandomForestRegressor)
}
# Longer sequences of numbers are arrays in the file.
MOST_NUMBERS = 16
INDEX_DTYPES = ("object", "str", "string", "bool", "int64", "int32", "float64", "float32")


class OwnNetwork(NamedTuple):
    """A function of the user, by its modality and role; without a role, of all roles."""

    modality: str
    role: str | None


class Writer:
    """Values to JSON; `arrays` are those of the file, by their places.

    `own_networks` says whether functions that make the user's networks are left out; else they are
    refused.
    """

    def __init__(self, own_networks: bool) -> None:
        self.own_networks = own_networks
        self.arrays: dict[str, np.ndarray] = {}

    def value(self, value: Any, at: str) -> Any:
        """Return a value as JSON has it; a TypeError says that it has no such form."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if isfinite(value) else {"float": repr(value)}
        if type(value) in (list, tuple):
            items = self._items(value, at)
            is_plain = type(value) is list and type(items) is list
            return items if is_plain else {type(value).__name__: items}
        if isinstance(value, Mapping):
            return {"dict": self._items([list(pair) for pair in value.items()], at)}
        for kinds, write in self._forms.items():
            if isinstance(value, kinds):
                return write(self, value, at)
        return self._index(value, at) if _is_pandas(value) else self._record(value, at)

    def array(self, array: np.ndarray, at: str) -> None:
        """Put an array of numbers into the file."""
        if array.dtype not in CODES:
            raise _refusal(f"Array of {array.dtype}", at)
        self.arrays[at] = array

    def _items(self, items: Any, at: str) -> Any:
        """Return a list or a tuple as a list, or as an array if it is one of many numbers."""
        kinds = {type(item) for item in items}
        if len(items) > MOST_NUMBERS and kinds in ({int}, {float}):
            array = np.array(items)
            if array.dtype == (np.int64 if kinds == {int} else np.float64):  # no longer ones
                return self._array(array, at)
        return [self.value(item, f"{at}/{number}") for number, item in enumerate(items)]

    def _array(self, array: np.ndarray, at: str) -> dict[str, Any]:
        if array.dtype.kind == "O":
            if not all([isinstance(item, str) for item in array.flat]):
                raise _refusal("Array of objects", at)
            return {"objects": [list(array.shape), self.value(array.ravel().tolist(), at)]}
        # BLAS may add in another order where the axes lie in another order.
        is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self.array(_numbers_of(array.T if is_fortran else array), at)
        return {"array": [array.dtype.str, "F" if is_fortran else "C"]}

    def _scalar(self, scalar: np.generic, at: str) -> dict[str, Any]:
        if scalar.dtype not in CODES and scalar.dtype.kind != "U":
            raise _refusal(type(scalar).__name__, at)
        return {"scalar": [scalar.dtype.str, self.value(scalar.item(), at)]}

    def _span(self, span: slice | range, at: str) -> dict[str, Any]:
        parts = span.start, span.stop, span.step
        return {type(span).__name__: [self.value(part, at) for part in parts]}

    def _path(self, path: os.PathLike[str], at: str) -> dict[str, Any]:
        return {"path": self.value(os.fspath(path), at)}

    def _random_state(self, state: np.random.RandomState, at: str) -> dict[str, Any]:
        return {"RandomState": self._items(list(state.get_state(legacy=True)), at)}

    def _own(self, own: OwnNetwork, at: str) -> dict[str, Any]:
        if not self.own_networks:
            raise TypeError(
                f"Modality {own.modality!r} has a network of your own. It is code, which the file "
                "does not hold. save(path, own_networks=True) writes its weights, and "
                f"load(path, networks={{{own.modality!r}: ...}}) takes the function again."
            )
        return {"own": list(own)}

    # In this order, since some are of several kinds.
    _forms: ClassVar[dict[Any, Callable[..., dict[str, Any]]]] = {
        OwnNetwork: _own,
        np.ndarray: _array,
        np.generic: _scalar,
        (slice, range): _span,
        os.PathLike: _path,
        np.random.RandomState: _random_state,
    }

    def _index(self, index: Any, at: str) -> dict[str, Any]:
        """Write names of columns of pandas; a Series of them as an Index."""
        import pandas as pd

        if not isinstance(index, (pd.Index, pd.Series)):
            raise _refusal(type(index).__name__, at)
        if isinstance(index, pd.MultiIndex):
            return {"multiindex": [self.value(list(part), at) for part in (index, index.names)]}
        if isinstance(index, pd.RangeIndex):
            names = "start", "stop", "step", "name"
            return {"rangeindex": [self.value(getattr(index, name), at) for name in names]}
        dtype = str(index.dtype)
        if dtype not in INDEX_DTYPES:
            raise _refusal(f"{type(index).__name__} of {dtype}", at)
        return {"index": [dtype, self.value(index.tolist(), at), self.value(index.name, at)]}

    def _record(self, value: Any, at: str) -> dict[str, Any]:
        """Write what has named fields: parameters that differ from defaults, or the fields."""
        kind = type(value)
        if REGRESSORS.get(kind.__name__) is kind:
            defaults = signature(kind).parameters
            params = value.get_params(deep=False).items()
            changed = {k: v for k, v in params if repr(v) != repr(defaults[k].default)}
            return {"regressor": [kind.__name__, self.value(changed, at)]}
        if not (is_dataclass(value) and kind.__module__.startswith("sklearn_cmmd.")):
            raise _refusal(kind.__name__, at)
        parts = {field.name: getattr(value, field.name) for field in fields(kind) if field.init}
        parts |= _own_networks_of(value)
        return {kind.__name__: {k: self.value(v, f"{at}/{k}") for k, v in parts.items()}}


def _refusal(what: str, at: str) -> TypeError:
    return TypeError(
        f"{what} at {at} is none of the values that a file without code holds. Replace it by plain "
        "numbers, strings or lists, or save with joblib.dump, and load only files that you trust."
    )


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas"


def _numbers_of(array: np.ndarray) -> np.ndarray:
    """Return dates as numbers, and strings as the numbers of their characters, the last axis."""
    if array.dtype.kind in "mM":
        return array.view(np.int64)
    if array.dtype.kind == "U":
        return np.ascontiguousarray(array[..., None]).view(np.uint32)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _own_networks_of(value: Any) -> dict[str, Any]:
    """Return the fields of a modality that hold functions, with marks in the place of these."""
    if isinstance(value, ViewSpec):
        roles = [role for role in ROLES if callable(getattr(value, role))]
        return {role: OwnNetwork(value.name, role) for role in roles}
    if not isinstance(value, Modality):
        return {}
    network = value.network
    if callable(network):
        return {"network": OwnNetwork(value.name, None)}
    if not isinstance(network, Mapping):
        return {}
    marked = {r: OwnNetwork(value.name, r) if callable(n) else n for r, n in network.items()}
    return {"network": marked}
