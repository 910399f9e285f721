"""Quantities and bytes of JSON-RPC, read strictly: whatever is not exactly one is a MalformedAnswer."""

from __future__ import annotations

import re

from keeper.domain.errors import MalformedAnswer
from keeper.domain.text import shown

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


def quantity(value: object, what: str = "the answer") -> int:
    """``0x1f`` -> 31, at most 2**256 - 1. Numbers, floats, signs, spaces and an empty ``0x`` are refused."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise MalformedAnswer(f"{what} is {shown(value)}, not a quantity")
    return int(value, 16)


def data(value: object, what: str = "the answer") -> bytes:
    """``0x0a0b`` -> two bytes; ``0x`` is empty."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise MalformedAnswer(f"{what} is {shown(value)}, not bytes in hexadecimal")
    digits = value[2:]
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raise MalformedAnswer(f"{what} is {shown(value)}, not bytes in hexadecimal") from None
    if 2 * len(raw) != len(digits):  # bytes.fromhex skips spaces
        raise MalformedAnswer(f"{what} is {shown(value)}, not bytes in hexadecimal")
    return raw


def hash32(value: object, what: str = "the answer") -> str:
    """32 bytes as 0x-prefixed lower case: hashes of blocks and transactions."""
    raw = data(value, what)
    if len(raw) != 32:
        raise MalformedAnswer(f"{what} has {len(raw)} bytes, a hash has 32")
    return "0x" + raw.hex()


def fields(value: object, what: str) -> dict[str, object]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{what} is {shown(value)}, not an object")
    return value
