"""A clock that a test moves by hand: sleepers wake in the order of their times."""

from __future__ import annotations

import asyncio
import heapq
import itertools

TURNS = 30
"""Turns of the event loop that are given to whoever was woken: more than any chain of steps in a test needs."""


class ManualClock:
    """The port ``Clock``. Nothing moves unless ``advance`` is called."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = start_ms
        self._now_ms = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now_ms(self) -> int:
        return self._start_ms + int(self._now_ms)

    def monotonic_ms(self) -> float:
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + seconds * 1000, next(self._count), future))
        await future

    async def advance(self, ms: float) -> None:
        """So much time goes by; everyone whose time comes within it is woken at that time."""
        end_ms = self._now_ms + ms
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_ms:
            at_ms, _, future = heapq.heappop(self._sleepers)
            self._now_ms = max(self._now_ms, at_ms)
            if not future.done():
                future.set_result(None)
                await settle()
        self._now_ms = end_ms
        await settle()


async def settle() -> None:
    """Lets everything run that can run without time going by."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
