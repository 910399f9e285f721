"""The machine's clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The only module that asks the machine what time it is.

    One clock never goes back: when the machine's is set back, it goes on from where it was, by monotonic time. Else expiry, cooldowns and the age
    of prices would all be measured short by that much. It takes the machine's time again when that has caught up, or with the next start.
    """

    def __init__(self) -> None:
        self._offset_ns = self._read_ns()

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        self._offset_ns = max(self._offset_ns, self._read_ns())
        return (time.monotonic_ns() + self._offset_ns) // 1_000_000

    def monotonic_ms(self) -> float:
        """Milliseconds that never go back."""
        return time.monotonic_ns() / 1_000_000

    def ahead_ms(self) -> int:
        """By how much this clock is ahead of the machine's: about so much that was set back since the start."""
        return max(0, self._offset_ns - self._read_ns()) // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)

    def _read_ns(self) -> int:
        """What makes wall time of monotonic time now. In this order: a pause between the two makes it less, never more."""
        wall_ns = time.time_ns()  # noqa: TID251
        return wall_ns - time.monotonic_ns()


def boottime_ms() -> float:
    """Milliseconds that never go back, and go on while the process is stopped or the machine sleeps; only differences mean something.

    Where the system has no such clock, the monotonic one.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) * 1000
