"""Tells what is wrong once, again after a while, and when it is over; by the watcher's own notifiers, without any log to write to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from keeper.adapters.notify.filtered import Filtered
from keeper.app.notifying.wording import Item, Why, message
from keeper.app.watcher.findings import Finding
from keeper.domain.verdict import Severity
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice, Notifier

TRIES = 5
PAUSE_S = 2.0
WAITING = 1_000
RANK = {severity: place for place, severity in enumerate((Severity.INFO, Severity.WARNING, Severity.CRITICAL))}
TOGETHER = 3
"""Of more that is found at once about the same matter, one notice tells: 200 trips that a dead keeper misses are one message."""
FLAPS = 3
FLAPPING_MS = 600_000
"""What began so often within this time is held to last until it was well for as long."""


@dataclass(slots=True)
class _Open:
    """A matter that people were told of. ``well_ms``: since when it is not found any more; ``flaps``: it came and went too often."""

    finding: Finding
    told_ms: float
    well_ms: float | None = None
    flaps: bool = False


class _Receiver:
    """A notifier, what waits for it, and the keys that it was told of: whoever has not heard of the beginning does not hear of the end."""

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier
        self.queue = asyncio.Queue[Notice](WAITING)
        self.told: set[str] = set()
        self.keyed = isinstance(notifier, Filtered) and notifier.keyed

    def wants(self, notice: Notice) -> bool:
        return not isinstance(self.notifier, Filtered) or self.notifier.policy.wants(notice.key, notice.severity)


class Teller:
    """``update`` never blocks; ``run`` delivers until cancelled, to each receiver by itself. ``whose`` stands at the end of every notice."""

    def __init__(self, notifiers: Sequence[Notifier], clock: Clock, again_ms: int, whose: str = "") -> None:
        self._clock = clock
        self._again_ms = again_ms
        self._links = (whose,) if whose else ()
        self._receivers = [_Receiver(each) for each in notifiers]
        self._open: dict[str, _Open] = {}
        self._begun: dict[str, list[float]] = {}
        self._log = structlog.get_logger("watch")

    def update(self, found: Sequence[Finding]) -> None:
        """Everything that is wrong now; what is not in it any more is over."""
        now = self._clock.monotonic_ms()
        news: list[Notice] = []
        for each in found:
            known = self._open.get(each.key)
            worse = known is not None and RANK[each.severity] > RANK[known.finding.severity]
            if known is not None and known.well_ms is not None:
                known.well_ms = None
            if known is None or worse or now - known.told_ms >= self._again_ms:
                if known is None:
                    self._begun.setdefault(each.key, []).append(now)
                flaps = self._comes_and_goes(each.key, now) or (known is not None and known.flaps)
                self._open[each.key] = _Open(each, now, flaps=flaps)
                body = f"{each.body}\nIt comes and goes." if flaps else each.body
                news.append(
                    Notice(each.key, each.title, body, each.severity, links=self._links, again=known is not None)
                )
                self._log.error(each.title, matter=each.matter.value, about=each.body)
        self._tell(news)
        self._tell(self._over({each.key for each in found}, now))

    def _over(self, keys: Collection[str], now: float) -> list[Notice]:
        over: list[Notice] = []
        for key, known in list(self._open.items()):
            if key in keys:
                continue
            known.well_ms = now if known.well_ms is None else known.well_ms
            if known.flaps and now - known.well_ms < FLAPPING_MS:
                continue
            del self._open[key]
            title = f"over: {known.finding.title}"
            self._log.info("over", matter=known.finding.matter.value, was=known.finding.title)
            over.append(Notice(key, title, "It is well again.", Severity.INFO, links=self._links, ends=True))
        return over

    def _comes_and_goes(self, key: str, now: float) -> bool:
        recent = self._begun[key] = [at for at in self._begun[key] if now - at < FLAPPING_MS]
        return len(recent) >= FLAPS

    def _tell(self, notices: Sequence[Notice]) -> None:
        alike: dict[str, list[Notice]] = {}
        for each in notices:
            alike.setdefault(each.key.split("/")[1], []).append(each)
        for several in alike.values():
            for receiver in self._receivers:
                self._put(receiver, several)

    def _put(self, receiver: _Receiver, several: Sequence[Notice]) -> None:
        known = [each for each in several if (each.key in receiver.told if each.ends else receiver.wants(each))]
        for each in known:
            (receiver.told.discard if each.ends else receiver.told.add)(each.key)
        if len(known) > TOGETHER and not receiver.keyed:
            why = Why.ENDED if known[0].ends else Why.TOLD
            known = [message([Item(each, why) for each in known], 0, over=known[0].ends).notice]
        for each in known:
            if receiver.queue.full():
                self._log.error(
                    "notices are waiting; one is dropped", notifier=receiver.notifier.name, title=each.title
                )
            else:
                receiver.queue.put_nowait(each)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for each in self._receivers:
                group.create_task(self._serve(each.notifier, each.queue))

    async def drain(self, timeout_s: float) -> None:
        """Waits until everything was delivered or given up, no longer than this."""
        try:
            async with asyncio.timeout(timeout_s):
                for each in self._receivers:
                    await each.queue.join()
        except TimeoutError:
            self._log.error("notices are left that could not be delivered in time")

    async def _serve(self, notifier: Notifier, queue: asyncio.Queue[Notice]) -> None:
        while True:
            notice = await queue.get()
            try:
                await self._deliver(notifier, notice)
            except Exception:  # noqa: BLE001 - a receiver that fails in a new way must not end the watching
                self._log.exception("a notifier failed", notifier=notifier.name)
            finally:
                queue.task_done()

    async def _deliver(self, notifier: Notifier, notice: Notice) -> None:
        message = ""
        for number in range(1, TRIES + 1):
            delivery = await notifier.notify(notice)
            if delivery.delivered or delivery.suppressed:
                return
            message = delivery.message
            if not delivery.recoverable:
                break
            if number < TRIES:
                await self._clock.sleep(PAUSE_S * number)
        self._log.error("nobody was told", notifier=notifier.name, title=notice.title, why=message)
