"""A spec as one number: two engines with the same one remember the same things in the same places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum


def fingerprint(value: object) -> str:
    """``0x`` and the SHA-256 of the canonical text of a spec: the same in every process, another for every other spec."""
    return "0x" + hashlib.sha256(text_of(value).encode()).hexdigest()


def text_of(value: object) -> str:
    """Every value with its type and every field with its name. Raises TypeError for what has no such text."""
    if is_dataclass(value) and not isinstance(value, type):
        inside = ",".join(f"{field.name}={text_of(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({inside})"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, Decimal):
        return f"d{value.normalize()}"
    if isinstance(value, float):
        return f"f{value.hex()}"
    if isinstance(value, frozenset | set):
        return "{" + ",".join(sorted(map(text_of, value))) + "}"
    if isinstance(value, tuple | list):
        return "[" + ",".join(map(text_of, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{text_of(key)}:{text_of(one)}" for key, one in value.items())) + "}"
    raise TypeError(f"a {type(value).__name__} has no canonical text")
