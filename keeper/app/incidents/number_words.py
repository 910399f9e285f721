"""Recorded numbers as people write them: no exponents, and no more digits than are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from keeper.app.incidents.fields import is_number
from keeper.domain.text import printable

DIGITS: Final = 6
SHARE_DIGITS: Final = 3
_LONGEST: Final = 40


def short(number: str, *, share: bool = False, digits: int = 0) -> str:
    """Six significant digits, the whole part always; a share as ``5.92 %``, of three. The text itself where it is no number."""
    if not is_number(number):
        return printable(number, _LONGEST)
    value = Decimal(number) * 100 if share else Decimal(number)
    return _shortened(value, digits or (SHARE_DIGITS if share else DIGITS)) + (" %" if share else "")


def plain(number: str) -> str:
    """Every digit, without an exponent: ``2.9e-05`` is ``0.000029``. The text itself where it is no number, or where nobody could read it."""
    if not is_number(number):
        return printable(number, _LONGEST)
    value = Decimal(number)
    return printable(number, _LONGEST) if abs(value.adjusted()) > _LONGEST else f"{value:f}"


def against(observed: str, threshold: str, *, share: bool = False) -> str:
    """``5.92 % against 2 %``; with as many digits as it takes to tell them apart."""
    for digits in (0, 6, 9, 12, 18):
        one, other = (short(each, share=share, digits=digits) for each in (observed, threshold))
        if one != other or observed == threshold:
            break
    return f"{one} against {other}"


def _shortened(value: Decimal, digits: int) -> str:
    if not value:
        return "0"
    places = max(0, digits - 1 - value.adjusted())
    if places > _LONGEST or value.adjusted() > _LONGEST:  # nothing that anybody reads
        return f"{value:.3e}"
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
