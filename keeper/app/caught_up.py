"""When a service has evaluated what it found waiting, so that the next configuration may take over from it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from keeper.app.observer import Observer
from keeper.domain.block import BlockStamp
from keeper.engine import Tick

PATIENCE_S = 30.0
"""A service that does not come so far by then may be what the new configuration is to mend."""


class CaughtUp(Observer):
    """Reloads that follow each other faster than a service begins would otherwise hand over, again and again, what nobody evaluates.

    ``evaluated`` is the block that the service before evaluated last.
    """

    def __init__(self, evaluated: BlockStamp | None) -> None:
        self._evaluated = evaluated.number if evaluated is not None else -1
        self._head: int | None = None
        self._reached = asyncio.Event()

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._head = head.number
        self._look()

    def ticked(self, tick: Tick) -> None:
        self._evaluated = tick.block.number
        self._look()

    def _look(self) -> None:
        if self._head is not None and self._evaluated >= self._head:
            self._reached.set()

    async def wait(self, patience_s: float = PATIENCE_S) -> None:
        """Until the block that was the newest when the service was ready is evaluated, or for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reached.wait(), patience_s)
