"""Asks a service for its queue without anybody waiting long: an answer that takes longer is used when it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeVar

from keeper.domain.errors import Busy
from keeper.ports.clock import Clock
from keeper.ports.council import QueuePage

WITHIN_S: Final = 5.0
"""A pause must not wait longer for a service."""
FOR_PEOPLE_S: Final = 60.0
"""The same where a person waits for the answer."""
STALE_MS: Final = 60_000
"""An answer that nobody came for in so long is not news."""

T = TypeVar("T")


class Inquiry:
    """``ask`` gives the queue from a nonce on. One question for each nonce at a time."""

    def __init__(self, ask: Callable[[int], Awaitable[QueuePage]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asked: dict[int, tuple[asyncio.Task[QueuePage], float]] = {}

    async def queue(self, since_nonce: int, within_s: float) -> QueuePage:
        """Raises as the service does, and Busy when this question is older than ``within_s`` and not answered."""
        now_ms = self._clock.monotonic_ms()
        for nonce, (task, since_ms) in list(self._asked.items()):
            if task.done() and (nonce != since_nonce or now_ms - since_ms > STALE_MS):
                del self._asked[nonce]
        if since_nonce not in self._asked:
            asking = asyncio.create_task(self._page(since_nonce))
            asking.add_done_callback(_heard)
            self._asked[since_nonce] = asking, now_ms
        task, since_ms = self._asked[since_nonce]
        left_s = max(0.0, within_s - (now_ms - since_ms) / 1000)
        await asyncio.wait({task}, timeout=left_s)
        if not task.done():
            raise slow(within_s)
        del self._asked[since_nonce]
        return task.result()

    async def _page(self, since_nonce: int) -> QueuePage:
        page = await self._ask(since_nonce)
        return replace(page, queued=tuple(one for one in page.queued if one.transaction.nonce >= since_nonce))


def _heard(task: asyncio.Task[QueuePage]) -> None:
    """An error that nobody comes for is no bug."""
    if not task.cancelled():
        task.exception()


async def within(awaitable: Awaitable[T], seconds: float = WITHIN_S) -> T:
    """Raises Busy when it takes longer; whether it was done all the same shows later."""
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise slow(seconds) from None


def slow(seconds: float) -> Busy:
    """Its answer is not there in time. A slow service is not down: who follows it says so after a while."""
    return Busy(f"the Safe service has not answered within {seconds:g} s", remedy="is the service up?")
