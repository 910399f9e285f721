"""Times as the log writes them: ISO 8601 UTC with milliseconds, so that the order of the texts is the order of the times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from keeper.adapters.audit.errors import DraftRefused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
FORM_ASCII = re.compile(rb"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z")
"""What ``from_iso`` reads, in bytes, if the day is one of the calendar's: see ``is_date``."""
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: later ones have no ISO form of this length."""


@lru_cache(maxsize=64)  # all records of a trip have two or three times between them
def to_iso(ms: int) -> str:
    """1700000000123 -> ``2023-11-14T22:13:20.123Z``. Raises DraftRefused before 1970 and after 9999."""
    if not 0 <= ms <= LAST_MS:
        raise DraftRefused(f"{ms} ms is not a time between 1970 and 9999")
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_iso(text: str) -> int:
    """The milliseconds since 1970 of exactly the form that ``to_iso`` writes; raises ValueError for any other."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!r} is not a time as the log writes it")
    ms = (datetime.fromisoformat(text) - _EPOCH) // _MS
    if ms < 0:
        raise ValueError(f"{text!r} is before 1970")
    return ms


def is_date(text: bytes) -> bool:
    """Whether the days of ``FORM_ASCII`` have this one."""
    try:
        return datetime.fromisoformat(text.decode()).year >= 1970
    except ValueError:
        return False
