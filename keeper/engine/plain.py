"""Dataclasses of plain values as JSON and back, after their own annotations: so a new field is written down without a word here.

=============================== ============================================
annotated as                    written as
=============================== ============================================
bool, str                       itself
int                             decimal text, because JSON is exact to 2**53
Decimal                         its text
a StrEnum                       its word
None or another                 null, or the other
list, tuple, set, frozenset     a list (what has no order is sorted)
dict                            a list of [key, value], in its order
an array of numpy               a list of whole numbers, as text
a dataclass                     an object of its fields
=============================== ============================================

Anything else raises TypeError when it is written, which a test does for every class that is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from keeper.domain.record import Json

LARGEST = 2**63
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {list: list, set: set, frozenset: frozenset}


class NotPlain(ValueError):
    """What was read is not what the annotation says. The message names the place, and quotes nothing."""


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def to_plain(value: Any, kind: Any) -> Json:
    """``value``, which is annotated as ``kind``. Raises TypeError for an annotation, or a value, without a form."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _optional_to_plain(value, parts)
    if origin is dict:
        _is_a(value, dict, kind)
        return [[to_plain(key, parts[0]), to_plain(one, parts[1])] for key, one in value.items()]
    if origin in _LISTS:
        _is_a(value, origin, kind)
        plain = [to_plain(one, parts[0]) for one in value]
        return plain if origin is list else sorted(plain, key=repr)
    if origin is tuple:
        _is_a(value, tuple, kind)
        return [to_plain(one, part) for one, part in zip(value, _members(parts, len(value)), strict=True)]
    if origin is np.ndarray:
        _whole_type(kind)
        return [str(int(one)) for one in value]
    _is_a(value, kind, kind)
    return _single_to_plain(value, kind)


def _single_to_plain(value: Any, kind: Any) -> Json:
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return {field.name: to_plain(getattr(value, field.name), hints[field.name]) for field in fields(kind)}
    if kind is bool:
        return bool(value)
    if kind is int and not isinstance(value, bool):
        return str(value)
    if kind in (str, Decimal) or issubclass(kind, StrEnum):
        return str(value)
    raise TypeError(f"{kind} has no plain form")


def from_plain(data: Any, kind: Any, place: str) -> Any:
    """The value that was written so. Raises NotPlain where ``data`` is not that of a ``kind``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (other,) = (part for part in parts if part is not NoneType)
        return None if data is None else from_plain(data, other, place)
    if origin is dict:
        return _dict_from_plain(data, parts, place)
    if origin in _LISTS:
        return _LISTS[origin]([from_plain(one, parts[0], f"{place}[]") for one in _list(data, place)])
    if origin is tuple:
        items = _list(data, place)
        if parts[-1] is not Ellipsis and len(parts) != len(items):
            raise NotPlain(f"{place}: not {len(parts)} of them")
        return tuple(
            from_plain(one, part, f"{place}[]") for one, part in zip(items, _members(parts, len(items)), strict=True)
        )
    if origin is np.ndarray:
        return _array_from_plain(data, _whole_type(kind), place)
    if is_dataclass(kind):
        return _object_from_plain(data, kind, place)
    return _single_from_plain(data, kind, place)


def _single_from_plain(data: Any, kind: Any, place: str) -> Any:
    if kind is bool and isinstance(data, bool):
        return data
    if isinstance(data, str) and kind is not bool:
        if kind is str:
            return data
        if kind is int and _WHOLE.fullmatch(data) and -LARGEST <= int(data) < LARGEST:
            return int(data)
        if kind is Decimal:
            return _decimal(data, place)
        if isinstance(kind, type) and issubclass(kind, StrEnum) and data in set(kind):
            return kind(data)
    raise NotPlain(f"{place}: not a {getattr(kind, '__name__', kind)}")


def _decimal(data: str, place: str) -> Decimal:
    if re.fullmatch(r"-?[0-9]{1,700}(\.[0-9]{1,700})?(E[+-]?[0-9]{1,4})?", data):
        return Decimal(data)
    raise NotPlain(f"{place}: not a number")


def _object_from_plain(data: Any, kind: Any, place: str) -> Any:
    hints = _hints(kind)
    if not isinstance(data, dict) or set(data) != {field.name for field in fields(kind)}:
        raise NotPlain(f"{place}: not the fields of a {kind.__name__}")
    return kind(**{name: from_plain(one, hints[name], f"{place}.{name}") for name, one in data.items()})


def _dict_from_plain(data: Any, parts: tuple[Any, ...], place: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in _list(data, place):
        key, value = _pair(pair, place)
        found[from_plain(key, parts[0], f"{place}[]")] = from_plain(value, parts[1], f"{place}[]")
    return found


def _array_from_plain(data: Any, dtype: np.dtype[Any], place: str) -> Any:
    whole = [from_plain(one, int, f"{place}[]") for one in _list(data, place)]
    bounds = np.iinfo(dtype)
    if any(not bounds.min <= one <= bounds.max for one in whole):
        raise NotPlain(f"{place}: beyond {dtype}")
    return np.array(whole, dtype=dtype)


def _pair(data: Any, place: str) -> tuple[Any, Any]:
    pair = _list(data, place)
    if len(pair) != 2:
        raise NotPlain(f"{place}: not a key and a value")
    return pair[0], pair[1]


def _list(data: Any, place: str) -> list[Any]:
    if not isinstance(data, list):
        raise NotPlain(f"{place}: not a list")
    return data


def _optional_to_plain(value: Any, parts: tuple[Any, ...]) -> Json:
    others = [part for part in parts if part is not NoneType]
    if len(others) != 1 or len(parts) != 2:
        raise TypeError(f"{parts} have no plain form: only None or one other has")
    return None if value is None else to_plain(value, others[0])


def _members(parts: tuple[Any, ...], count: int) -> list[Any]:
    return [parts[0]] * count if parts[-1] is Ellipsis else list(parts)


def _whole_type(kind: Any) -> np.dtype[Any]:
    """The dtype of an annotated array: NDArray[np.int8] is ndarray[shape, dtype[np.int8]]."""
    dtype: np.dtype[Any] = np.dtype(get_args(get_args(kind)[1])[0])
    if dtype.kind not in "iu":
        raise TypeError(f"{kind} has no plain form: only whole numbers have")
    return dtype


def _is_a(value: Any, wanted: Any, kind: Any) -> None:
    if not isinstance(wanted, type) or not isinstance(value, wanted):
        raise TypeError(f"a {type(value).__name__} where {kind} is annotated")
