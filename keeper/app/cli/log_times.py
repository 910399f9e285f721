"""A time as people type it for a filter of the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keeper.domain.errors import KeeperError, UnitError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ms(text: str | None) -> int | None:
    """An ISO time (UTC unless it says otherwise), or how long ago; what lies before 1970 is 1970."""
    if text is None:
        return None
    from keeper.domain.units import parse_duration_ms  # most pages are asked for without a time

    try:
        ago = parse_duration_ms(text)
    except UnitError:
        pass
    else:
        from keeper.adapters.clock import SystemClock

        return max(0, SystemClock().now_ms() - ago)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise KeeperError(
            f"{text!r} is not a time", remedy="write 2026-03-01T12:00 (UTC), or 2h for two hours ago"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, (moment - EPOCH) // timedelta(milliseconds=1))  # exact; a float of seconds would not be
