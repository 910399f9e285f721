"""Keeps the parts of the keeper alive: what one dies of is a fault, and it starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from keeper.app.faults import Faults
from keeper.domain.verdict import Severity
from keeper.ports.clock import Clock

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 60.0
"""A part that has run so long since it died works again: the next death is news. One that dies at every block is told once."""
CRASHED = "crashed"


class Supervision:
    """One for all parts. ``died`` hears of each death."""

    def __init__(self, clock: Clock, faults: Faults, died: Callable[[str], None] = lambda _: None) -> None:
        self._clock = clock
        self._faults = faults
        self._died = died
        self._log = structlog.get_logger("keeper")

    async def keep(self, part: str, run: Callable[[], Awaitable[None]]) -> None:
        """Runs it until cancelled, again after a pause whenever it ends."""
        tries = 0
        while True:
            steady = asyncio.ensure_future(self._steady(part))
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - the one place where a part's death is caught
                self._log.exception("a part failed", part=part)
                self._died(part)
                message = f"{part} failed: {type(error).__name__}"
                remedy = "this is a bug; the part starts again by itself"
                self._faults.down(part, CRASHED, message, remedy, severity=Severity.CRITICAL)
            finally:
                steady.cancel()
            await self._clock.sleep(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
            tries += 1

    async def _steady(self, part: str) -> None:
        await self._clock.sleep(STEADY_S)
        if any((fault.part, fault.reason) == (part, CRASHED) for fault in self._faults.current):
            self._faults.up(part, f"has run for {STEADY_S:g} s")
