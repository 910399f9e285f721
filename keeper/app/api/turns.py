"""How many questions are worked on at once: few, because the keeper needs the machine; and how many wait: not endlessly many."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from keeper.app.pages.problem import PageProblem

AT_ONCE: Final = 2
WAITING_MAX: Final = 16


class Turns:
    """An async context manager; raises PageProblem (503) where too many wait already."""

    def __init__(self, at_once: int = AT_ONCE, waiting_max: int = WAITING_MAX) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._waiting_max = waiting_max

    async def __aenter__(self) -> None:
        if self._free.locked() and self._waiting >= self._waiting_max:
            raise PageProblem(503, "Too many questions are being answered.", "ask again in a moment", retry_s=1)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
