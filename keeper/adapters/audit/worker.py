"""One thread for a blocking driver, close to the event loop: an action waits for each hop, so there is one in and one out.

``ThreadPoolExecutor`` behind ``run_in_executor`` takes two futures, three locks and two more turns of the loop for the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_Order = tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class Worker:
    """Runs what it is given in order. What has begun is finished even when nobody waits any more; what has not is dropped."""

    def __init__(self, name: str) -> None:
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` in the thread, or what it raises. Not after ``end``."""
        return await self._ordered(work)

    def post(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """The same for nobody who has to wait: what ``work`` raises is lost, unless somebody asks."""
        future = self._ordered(work)
        future.add_done_callback(_forget)
        return future

    def end(self) -> None:
        """Lets the thread end once everything before is done. Safe to call twice."""
        self._orders.put(None)

    def _ordered(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._orders.put((work, future, loop))
        return future

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            work, future, loop = order
            if future.cancelled():
                continue
            try:
                _hand_over(loop, future, work(), None)
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits for it
                _hand_over(loop, future, None, error)
            del order, work, future  # a thread that waits keeps nothing alive


def _hand_over(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, error: BaseException | None
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        loop.call_soon_threadsafe(_settle, future, result, error)


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # looked at, so that nobody complains that it was not


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
