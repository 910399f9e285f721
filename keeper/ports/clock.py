"""The clock: the only place time comes from."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC. May jump when the machine's clock is set."""

    def monotonic_ms(self) -> float:
        """Milliseconds that never go back; only differences mean something."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
