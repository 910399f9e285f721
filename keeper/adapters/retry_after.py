"""How long a service that limits its callers asks them to wait."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

DEFAULT_WAIT_MS = 10_000
"""Where the service does not say how long."""
MAX_WAIT_MS = 3_600_000
"""A source that is silent for longer is as good as gone: it is asked again after an hour."""

_SECONDS = re.compile(r"[0-9]{1,9}")


def wait_ms(header: str | None, now_ms: int) -> int:
    """From ``Retry-After`` (seconds or a date, RFC 9110 section 10.2.3): 0 to one hour. Never raises."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(int(text) * 1000, MAX_WAIT_MS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        until_ms = int(moment.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return DEFAULT_WAIT_MS
    return min(max(until_ms - now_ms, 0), MAX_WAIT_MS)
