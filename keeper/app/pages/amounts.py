"""Numbers and times inside of texts, as people read them. What machines read keeps the plain digits."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.pages.wording import ago, utc_text

_LONG: Final = re.compile(r"(?<![\w.,@])(?<!record )(?<!records )(?<!block )[0-9]{5,}(?![\w,])")
"""A whole number of five digits or more, or the whole part of one; none of an address, a name, a record or a block."""
_ISO: Final = re.compile(r"(?<!\w)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_DIGITS_MAX: Final = 80
"""Of a number that is compared: 2**256 has 78."""
_TIMES: Final = 100
"""From so many times on, a percentage is not read any more."""
_MANY: Final = 10**12


def grouped(text: str) -> str:
    """``1000000 now -> 250000`` -> ``1,000,000 now -> 250,000``."""
    return _LONG.sub(lambda found: f"{int(found[0]):,}" if found[0][0] != "0" else found[0], text)


def timed(text: str, now_ms: int, form: str = "{}") -> str:
    """``at 2026-11-22T16:10:37.000Z`` -> ``at 2026-11-22 16:10:37 UTC (in 23 h 12 min)``; ``form`` is what stands around the time itself."""

    def said(found: re.Match[str]) -> str:
        try:
            at_ms = from_iso(found[0])
        except ValueError:
            return found[0]
        return f"{form.format(utc_text(at_ms))} ({ago(at_ms, now_ms)})"

    return _ISO.sub(said, text)


def share(before: str | None, after: str | None) -> str:
    """``-75 %``: by how much it changes, rounded towards nothing. Empty where one of both is no number or below 0, it was 0, or nothing changes."""
    old, new = _number(before), _number(after)
    if old is None or new is None or old <= 0 or new < 0 or old == new:
        return ""
    ratio = new / old
    if ratio >= _TIMES:
        return f"x {int(ratio):,}" if ratio < _MANY else "x many"
    percent = ((ratio - 1) * 100).quantize(Decimal("0.1"), ROUND_DOWN)
    if not percent:
        return "less than 0.1 %"
    return f"{percent:+f} %".replace(".0 %", " %")


def with_share(text: str, before: str | None, after: str | None) -> str:
    """``text`` in which ``-> AFTER`` stands, for people: in groups, and with the share of the change behind it."""
    part = share(before, after)
    if part:
        arrow = re.compile(rf"-> {re.escape(after or '')}(?!\S)")
        text = arrow.sub(lambda found: f"{found[0]} ({part})", text, count=1)
    return grouped(text)


def _number(text: str | None) -> Decimal | None:
    if text is None or len(text) > _DIGITS_MAX:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _DIGITS_MAX else None
