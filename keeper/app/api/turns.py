"""How many questions are worked on at once: few, because the keeper needs the machine; and how many wait: not endlessly many.

Whoever asks much waits behind who asks little: turns go round among those who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from keeper.app.api.asked import CALLER
from keeper.app.pages.problem import PageProblem

AT_ONCE: Final = 2
WAITING_MAX: Final = 32
WAITING_EACH: Final = 12
"""Of one caller."""
REQUEST_S: Final = 20.0
"""For one request, its waiting too."""
_Waiting = dict[str, deque[asyncio.Future[None]]]


class Turns:
    """Raises PageProblem (503) where too many wait already, and where an answer took too long."""

    def __init__(
        self,
        at_once: int = AT_ONCE,
        waiting_max: int = WAITING_MAX,
        waiting_each: int = WAITING_EACH,
        request_s: float = REQUEST_S,
    ) -> None:
        self._at_once = at_once
        self._waiting_max = waiting_max
        self._waiting_each = waiting_each
        self._request_s = request_s
        self._working: Counter[str] = Counter()
        self._waiting: _Waiting = {}  # in the order in which they are served next

    @contextlib.asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[None]:
        """A turn for whoever asks; what is done in it is broken off when it takes too long, or when nobody waits for it any more."""
        caller = str(request.scope.get(CALLER, ""))
        try:
            async with asyncio.timeout(self._request_s) as limit:
                leaving = asyncio.create_task(_ended_by_leaving(request, limit))
                try:
                    await self._take(caller)
                    try:
                        yield
                    finally:
                        self._give_back(caller)
                finally:
                    leaving.cancel()
        except TimeoutError:
            raise PageProblem(
                503, f"This took longer than {self._request_s:g} s and was broken off.", "ask for less", retry_s=5
            ) from None

    async def _take(self, caller: str) -> None:
        if self._working.total() < self._at_once and not self._waiting:
            self._working[caller] += 1
            return
        own = self._waiting.get(caller, deque())
        if len(own) >= self._waiting_each or sum(map(len, self._waiting.values())) >= self._waiting_max:
            raise PageProblem(503, "Too many questions are being answered.", "ask again in a moment", retry_s=1)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, own).append(turn)
        try:
            await turn  # whoever gives it counts it
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give_back(caller)
            elif turn in own:
                own.remove(turn)
                if not own:
                    self._waiting.pop(caller, None)
            raise

    def _give_back(self, caller: str) -> None:
        self._working[caller] -= 1
        if not self._working[caller]:
            del self._working[caller]
        while self._working.total() < self._at_once and self._waiting:
            following = min(self._waiting, key=self._working.__getitem__)  # the first of those with least
            own = self._waiting.pop(following)
            turn = own.popleft()
            if own:
                self._waiting[following] = own  # the last now
            if not turn.cancelled():
                self._working[following] += 1
                turn.set_result(None)


async def _ended_by_leaving(request: Request, limit: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    limit.reschedule(asyncio.get_running_loop().time())
