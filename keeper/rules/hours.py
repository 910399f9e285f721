"""The hours in which a rule may trip, in UTC, from the time of the tick alone."""

from __future__ import annotations

from numba import njit

from keeper.rules.spec import DAY_MS, Schedule

ALWAYS = 0
FIRST_DAY = 3
"""1 January 1970 was a Thursday; 0 is Monday."""


def days_of(schedule: Schedule | None) -> int:
    """A bit for each day of the week, Monday the lowest; ALWAYS without a schedule."""
    return sum(1 << day for day in schedule.days) if schedule else ALWAYS


@njit(cache=True, error_model="numpy")
def on_duty(days: int, begin_ms: int, end_ms: int, at_ms: int) -> bool:
    """Whether a rule may trip at this time; ``begin_ms`` and ``end_ms`` count from midnight."""
    if days == ALWAYS:
        return True
    day, ms = at_ms // DAY_MS, at_ms % DAY_MS
    today = bool(days >> (day + FIRST_DAY) % 7 & 1)
    if begin_ms < end_ms:
        return today and begin_ms <= ms < end_ms
    yesterday = bool(days >> (day + FIRST_DAY - 1) % 7 & 1)
    return (today and ms >= begin_ms) or (yesterday and ms < end_ms)
