"""Single bits of a number among the arguments of a call: ``{new.bit0}`` is a bool, bit 0 (the least) of what ``{new}`` is.

For contracts that keep flags in one number and set all of them by one call, such as Comet's ``pause(bool,bool,bool,bool,bool)``.
"""

from __future__ import annotations

import re

_BIT = re.compile(r"\.bit(0|[1-9][0-9]{0,2})\}")


def bit_of(text: str, placeholder: str) -> int | None:
    """Which bit of ``placeholder`` (``{new}``) the text stands for; None where it is none."""
    stem = placeholder.removesuffix("}")
    match = _BIT.fullmatch(text, len(stem)) if text.startswith(stem) else None
    return int(match.group(1)) if match else None


def stands_for(text: str, placeholder: str | None) -> bool:
    """Whether the text is the placeholder, or one bit of it."""
    return placeholder is not None and (text == placeholder or bit_of(text, placeholder) is not None)


def put(args: tuple[str, ...], placeholder: str, value: str) -> tuple[str, ...]:
    """The arguments with the value in the placeholder's place. A bit of what is no whole number stays as it is, and does not encode."""
    return tuple(_put(arg, placeholder, value) for arg in args)


def _put(arg: str, placeholder: str, value: str) -> str:
    if arg == placeholder:
        return value
    bit = bit_of(arg, placeholder)
    if bit is None or not value.isdecimal():
        return arg
    return "true" if int(value) >> bit & 1 else "false"
