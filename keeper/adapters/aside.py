"""What may block is done in a thread of its own, and nobody waits for it longer than a few seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from keeper.domain.errors import Unreachable

ANSWER_S = 5.0
"""What needs longer is as good as away: markets move meanwhile."""

T = TypeVar("T")


class Aside:
    """One call at a time.

    A call that hangs keeps its thread, and nothing else: none of the threads that others need, no second one, and not the end of the process.
    """

    def __init__(self, what: str, answer_s: float = ANSWER_S, *, remedy: str) -> None:
        """``what`` is what hangs, in words; ``remedy`` what to do about it."""
        self._what = what
        self._remedy = remedy
        self._answer_s = answer_s
        self._turn = asyncio.Lock()
        self._running: Future[Any] | None = None

    async def run(self, call: Callable[[], T], within_s: float | None = None) -> T:
        """Raises what the call raises, and Unreachable when it takes too long, or one before it still hangs. ``within_s`` is a shorter time."""
        patience_s = self._answer_s if within_s is None else min(self._answer_s, within_s)
        try:
            async with asyncio.timeout(patience_s), self._turn:
                if self._running is not None and not self._running.done():
                    raise self._hangs("still has not answered an earlier question")
                future: Future[T] = Future()
                future.set_running_or_notify_cancel()  # from here on it cannot be cancelled, only left alone
                threading.Thread(target=_settle, args=(future, call), name="aside", daemon=True).start()
                self._running = future
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise self._hangs(f"has not answered within {patience_s:.3g} s") from None

    def _hangs(self, what: str) -> Unreachable:
        return Unreachable(f"{self._what} {what}", remedy=self._remedy)


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        future.set_exception(error)
