"""Whether what a file says is of the types that the fields of a record have."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from math import isfinite
from numbers import Integral, Real
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sklearn_cmmd.persistence.container import Damaged


def check_fields(record: Any) -> None:
    """Raise `Damaged` unless each field of a dataclass is of its type."""
    hints = get_type_hints(type(record))
    for field in fields(record):
        value = getattr(record, field.name)
        if not is_of(value, hints[field.name]):
            raise Damaged(
                f"{field.name} of {type(record).__name__} is a {type(value).__name__}, or holds "
                f"something else than {hints[field.name]}"
            )


def is_of(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type, as it is written in annotations."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(is_of(value, each) for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and _are_of(value, arguments)
    if origin is list:
        return isinstance(value, list) and _all_of(value, arguments[0])
    if origin is dict:
        key, item = arguments
        return isinstance(value, dict) and _all_of(value, key) and _all_of(value.values(), item)
    if origin is Callable:
        return callable(value)
    if hint in (int, float):
        if isinstance(value, Integral):
            return not isinstance(value, bool)
        return hint is float and isinstance(value, Real) and isfinite(value)
    return isinstance(value, hint)


def _all_of(items: Iterable[Any], hint: Any) -> bool:
    if hint is int or hint is str:  # one of each type tells of the others
        items = {type(item): item for item in items}.values()
    return all(is_of(item, hint) for item in items)


def _are_of(items: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if hints[1:] == (Ellipsis,):
        return _all_of(items, hints[0])
    return len(items) == len(hints) and all(map(is_of, items, hints))
