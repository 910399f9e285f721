"""The inclusive limits of contracts/lib/Registration.sol and contracts/CircuitBreaker.sol. A test holds them against the sources."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86400

DURATION_S = (1 * MINUTE, 30 * DAY)
COOLDOWN_S = (1 * MINUTE, 30 * DAY)
WINDOW_S = (1 * HOUR, 90 * DAY)
LOCK_S = (0, 90 * DAY)
SILENCE_S = (1 * HOUR, 90 * DAY)
BUDGET = (1, 6)
REQUIRED = (1, 7)
STEP_BPS = (1, 10_000)
MAX_BOUNDS = 4
MAX_WORDS = 32


def duration(seconds: int) -> str:
    """Seconds in words without rounding: ``6 h``, ``90 s``."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
