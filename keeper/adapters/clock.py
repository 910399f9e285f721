"""The machine's clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The only module that asks the machine what time it is."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000  # noqa: TID251

    def monotonic_ms(self) -> float:
        """Milliseconds that never go back."""
        return time.monotonic_ns() / 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)
