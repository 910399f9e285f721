"""Delivers notices off the hot path: a slow or dead receiver delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from keeper.app import records
from keeper.app.scribe import Scribe
from keeper.ports.clock import Clock
from keeper.ports.notifier import Delivery, Notice, Notifier

LIMIT = 1_000
TRIES = 3
PAUSE_S = 2.0


class Courier:
    """``put`` never blocks; ``run`` delivers until cancelled. Each delivery, or its failure, leaves a record."""

    def __init__(self, notifiers: Sequence[Notifier], scribe: Scribe, clock: Clock) -> None:
        self._notifiers = notifiers
        self._scribe = scribe
        self._clock = clock
        self._queue: asyncio.Queue[Notice] = asyncio.Queue(LIMIT)
        self._log = structlog.get_logger("notify")

    def put(self, notice: Notice) -> None:
        """Queues one notice."""
        try:
            self._queue.put_nowait(notice)
        except asyncio.QueueFull:
            self._log.error("notices are waiting; this one is dropped", title=notice.title)

    async def run(self) -> None:
        """Delivers to all notifiers side by side."""
        while True:
            notice = await self._queue.get()
            try:
                await asyncio.gather(*(self._deliver(notifier, notice) for notifier in self._notifiers))
            finally:
                self._queue.task_done()

    async def drain(self, timeout_s: float) -> bool:
        """True when everything was delivered, or given up, in time."""
        try:
            await asyncio.wait_for(self._queue.join(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def _deliver(self, notifier: Notifier, notice: Notice) -> None:
        delivery = Delivery(delivered=False)
        for number in range(TRIES):
            delivery = await notifier.notify(notice)
            if delivery.suppressed:
                return
            if delivery.delivered or not delivery.recoverable:
                break
            if number + 1 < TRIES:
                await self._clock.sleep(PAUSE_S)
        if not delivery.delivered:
            self._log.error("a notice was not delivered", notifier=notifier.name, why=delivery.message)
        self._scribe.put(
            records.notification(
                self._clock.now_ms(),
                notifier.name,
                notice.key,
                delivered=delivery.delivered,
                message=delivery.message,
            )
        )
