"""Times, numbers and standings in words. Texts of others are shown without characters that hide or turn text around."""

from __future__ import annotations

import re
from typing import Final

from keeper.adapters.audit.times import LAST_MS, to_iso
from keeper.app.council.matter import Matter, Standing

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
_DIGITS: Final = 18
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def visible(value: object) -> object:
    """Jinja's ``finalize``: in a plain text, whatever does not print (controls, marks that turn the direction) is replaced and so shown."""
    if type(value) is not str or value.isprintable():  # Markup is ours, and stays
        return value
    return "".join(char if char.isprintable() or char == "\n" else REPLACEMENT for char in value)


def iso(at_ms: int) -> str:
    """``2026-11-21T16:10:37.000Z``; a time that no calendar holds as its number."""
    return to_iso(at_ms) if 0 <= at_ms <= LAST_MS else f"{at_ms} ms"


def utc_text(at: int | str) -> str:
    """``2026-11-21 16:10:37 UTC``, of ms since 1970 or of a record's time; what is no time as it is."""
    return _for_people(at, 19)


def exact_text(at: int | str) -> str:
    """``2026-11-21 16:10:37.412 UTC``: where milliseconds matter."""
    return _for_people(at, 23)


def _for_people(at: int | str, digits: int) -> str:
    text = at if isinstance(at, str) else iso(at)
    return f"{text[:digits].replace('T', ' ')} UTC" if _ISO.fullmatch(text) else text


def lasting(ms: int) -> str:
    """A duration by its two largest units, rounded down: ``2 h 5 min``; below a second ``0 s``."""
    parts: list[str] = []
    rest = max(0, ms)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def ago(at_ms: int, now_ms: int) -> str:
    """``5 min ago``, ``in 2 h``, ``now``."""
    if abs(now_ms - at_ms) < 1_000:
        return "now"
    return f"{lasting(now_ms - at_ms)} ago" if at_ms < now_ms else f"in {lasting(at_ms - now_ms)}"


def wei_text(value: int) -> str:
    """``0``, or the amount of the chain's coin and in wei."""
    if not value:
        return "0"
    whole, rest = divmod(value, 10**_DIGITS)
    fraction = f".{rest:0{_DIGITS}}".rstrip("0").rstrip(".")
    return f"{whole}{fraction} of the chain's coin ({value} wei)"


def groups(digest: str) -> tuple[str, ...]:
    """0x and 64 digits in groups of four, as hardware wallets break them."""
    digits = digest.removeprefix("0x")
    return tuple(digits[at : at + 4] for at in range(0, len(digits), 4))


def clipped(text: str, limit: int = 400) -> str:
    """A value cut to ``limit`` characters, and told so."""
    return (
        text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters; all of them stand in the calldata)"
    )


def standing_text(matter: Matter) -> str:
    """One line."""
    match matter.standing:
        case Standing.WAITING:
            count = matter.missing
            return f"Waiting for {count} more {'signature' if count == 1 else 'signatures'}"
        case Standing.READY:
            return "Ready: enough owners have signed, it can be executed"
        case Standing.BEHIND:
            return "Signed, but an earlier nonce has to be executed or rejected first"
        case Standing.EXECUTED:
            return (
                "Executed, and the Safe's own call FAILED: nothing happened, and its nonce is used"
                if matter.failed
                else "Executed"
            )
        case Standing.DEAD:
            return f"Dead: {dead_text(matter)}"


def dead_text(matter: Matter) -> str:
    """Why it can never be executed."""
    if matter.unsure:
        return "its nonce is used, and whether by it or by another transaction could not be read from the chain"
    return "its nonce was used by another transaction, it can never be executed"
