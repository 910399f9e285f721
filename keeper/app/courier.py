"""Delivers notices off the hot path: a slow or dead receiver delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from keeper.app import records
from keeper.app.scribe import ASIDE_S, Scribe
from keeper.ports.clock import Clock
from keeper.ports.notifier import Delivery, Notice, Notifier

LIMIT = 1_000
TRIES = 3
PAUSE_S = 2.0


class Courier:
    """``put`` never blocks; ``run`` delivers until cancelled. Each delivery, or its failure, leaves a record.

    Each notifier has a queue of its own and gets its notices in order: one that hangs keeps nothing from the others.
    """

    def __init__(self, notifiers: Sequence[Notifier], scribe: Scribe, clock: Clock) -> None:
        self._scribe = scribe
        self._clock = clock
        self._queues: list[tuple[Notifier, asyncio.Queue[Notice]]] = [
            (each, asyncio.Queue(LIMIT)) for each in notifiers
        ]
        self._new: list[Notice] = []
        self._later: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger("notify")

    def put(self, notice: Notice) -> None:
        """Takes one notice for everybody. Nobody reads that fast, so the trip that it may be about goes first: not even a task is woken before."""
        self._new.append(notice)
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(ASIDE_S, self._hand_out)

    async def run(self) -> None:
        """Delivers to all notifiers side by side."""
        async with asyncio.TaskGroup() as group:
            for notifier, queue in self._queues:
                group.create_task(self._serve(notifier, queue))
            await asyncio.Event().wait()  # without any notifier too, it ends only when it is cancelled

    async def drain(self, timeout_s: float) -> bool:
        """True when everything was delivered, or given up, in time."""
        self._hand_out()
        try:
            async with asyncio.timeout(timeout_s):
                for _, queue in self._queues:
                    await queue.join()
        except TimeoutError:
            return False
        return True

    def _hand_out(self) -> None:
        """Queues what is new."""
        if self._later is not None:
            self._later.cancel()
        new, self._new, self._later = self._new, [], None
        for notice in new:
            for notifier, queue in self._queues:
                try:
                    queue.put_nowait(notice)
                except asyncio.QueueFull:
                    why = "notices are waiting; this one is dropped"
                    self._log.error(why, notifier=notifier.name, title=notice.title)

    async def _serve(self, notifier: Notifier, queue: asyncio.Queue[Notice]) -> None:
        while True:
            notice = await queue.get()
            try:
                await self._deliver(notifier, notice)
            finally:
                queue.task_done()

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
