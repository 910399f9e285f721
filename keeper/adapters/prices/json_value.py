"""One number out of a JSON answer, exactly: no float on the way, and nothing that is not plainly a number."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import NoReturn

from keeper.domain.nesting import too_deep
from keeper.domain.text import shown

_NUMBER = re.compile(r"(-?)[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")
_INDEX = re.compile(r"[0-9]{1,5}")
MAX_MAGNITUDE = 60
"""Values beyond 1e60, or below 1e-60 and not zero, are nonsense."""


class NotAValue(ValueError):
    """The answer is not JSON, the path leads nowhere, or what is there is not a number."""


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parse_json(body: bytes) -> object:
    """The document, its numbers as text. Raises NotAValue, also for NaN, Infinity, bottomless nesting, and a name that an object has twice."""
    try:
        text = body.decode("utf-8")
        if not too_deep(text):
            return json.loads(
                text, parse_float=_Number, parse_int=_Number, parse_constant=_refuse, object_pairs_hook=_object
            )
    except NotAValue:
        raise
    except ValueError:
        pass
    raise NotAValue("the answer is not JSON")


def at_path(document: object, path: str) -> object:
    """The value at ``lastPrice`` or ``data.0.price``: names of objects and indices of lists, divided by dots. Raises NotAValue."""
    found = document
    for step in path.split("."):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and _INDEX.fullmatch(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            raise NotAValue(f"there is no {path} in the answer")
    return found


def number_at(document: object, path: str) -> Decimal:
    """A number or the text of one: zero or more, at most 40 digits on each side of the point. Raises NotAValue."""
    return number_of(at_path(document, path), path)


def number_of(found: object, path: str) -> Decimal:
    """The same from the text of a number; ``path`` says where it was, for the message. Raises NotAValue."""
    match = _NUMBER.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise NotAValue(f"{path} is {shown(found)}, not a number")
    value = Decimal(str(found))
    if value.is_zero():
        return Decimal(0)
    if match.group(1):
        raise NotAValue(f"{path} is negative: {shown(found)}")
    if abs(value.adjusted()) > MAX_MAGNITUDE:
        raise NotAValue(f"{path} is {shown(found)}: that makes no sense")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """RFC 8259 leaves open which of two values with the same name counts, so neither does."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise NotAValue(f"the answer has {shown(name)} twice in one object")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise NotAValue(f"the answer holds {constant}")
