"""Delivers notices off the hot path: a slow or dead receiver delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from keeper.adapters.notify.filtered import Filtered
from keeper.app.notifying import history
from keeper.app.notifying.book import Ack, Book, Matter
from keeper.app.notifying.keeping import End, TakingUp, read_history
from keeper.app.notifying.links import Links
from keeper.app.notifying.outbox import Outbox
from keeper.app.notifying.wording import Message
from keeper.app.scribe import ASIDE_S, Scribe
from keeper.domain.errors import AuditError
from keeper.domain.matters import Policy
from keeper.domain.record import RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.notifier import Delivery, Notice, Notifier

TRIES = 3
PAUSE_S = 2.0
POLL_S = 1.0
PAGE = 1_000


class Courier:
    """``put`` never blocks; ``run`` delivers until cancelled. Each delivery, or its failure, leaves a record.

    Each notifier has an outbox of its own and gets its notices in order: one that hangs keeps nothing from the others. With a ``store`` it goes on
    from what the log says was told, and hears who acknowledges what. ``incidents`` are the open ones, by market.
    """

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        scribe: Scribe,
        clock: Clock,
        seen: Callable[[str, Notice, Delivery], None] = lambda *_: None,
        *,
        store: AuditStore | None = None,
        links: Links | None = None,
        incidents: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``seen`` hears of each delivery, or its failure."""
        self._scribe = scribe
        self._clock = clock
        self._seen = seen
        self._store = store
        self._links = links
        self._incidents = incidents
        self._book = Book()
        self._routes = [_Route(each, _outbox(each)) for each in notifiers]
        self._taking_up = TakingUp()
        self._read_to = 0
        self._ready = store is None
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
        await self._take_up()
        async with asyncio.TaskGroup() as group:
            for route in self._routes:
                group.create_task(self._serve(route))
            if self._store is not None:
                group.create_task(self._watch(self._store))
            await asyncio.Event().wait()  # without any notifier too, it ends only when it is cancelled

    @property
    def open_matters(self) -> Sequence[Matter]:
        """What is not over."""
        return tuple(self._book.matters.values())

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many notices wait, by receiver."""
        return {route.outbox.name: route.outbox.waiting for route in self._routes}

    async def drain(self, timeout_s: float) -> bool:
        """True when everything was delivered, or given up, in time. What is grouped does not wait for more."""
        self._ready = True  # what was told before is not known yet: told twice is better than never
        self._hand_out()
        for route in self._routes:
            route.hurry = True
            route.wake()
        try:
            async with asyncio.timeout(timeout_s):
                for route in self._routes:
                    await route.idle.wait()
        except TimeoutError:
            return False
        finally:
            for route in self._routes:
                route.hurry = False
        return True

    def acknowledged(self, keys: Iterable[str], ack: Ack) -> None:
        """Nothing of these is told again but their end."""
        for matter in self._book.acknowledge(keys, ack):
            self._log.info("acknowledged", key=matter.key, by=ack.by)

    # -- what comes in --------------------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Gives what is new to everybody who wants it, once it is known what they were told before."""
        if self._later is not None:
            self._later.cancel()
        if not self._ready:
            self._later = None
            return
        new, self._new, self._later = self._new, [], None
        now_ms = self._clock.now_ms()
        waits = []
        for notice in new:
            said = self._links.on(notice) if self._links is not None else notice
            if said.ends:
                self._end(said, now_ms)
            elif (matter := self._begin(said, now_ms)) is not None:
                waits.append(matter)
        if waits:
            self._scribe.put(history.waiting_record(now_ms, waits))
        self._wake()

    def _begin(self, said: Notice, now_ms: int) -> Matter | None:
        """Told to everybody. Returns a new matter that somebody is told of only when it lasts."""
        if said.settles:
            over = self._book.end(said, now_ms)
            for route in self._routes:
                route.outbox.settle(said, over, now_ms)
        before = self._book.get(said.key)
        known = before is not None and not before.confirmed and _same(before.notice, said)
        matter = self._book.hear(said, now_ms)
        for route in self._routes:
            if not route.outbox.put(said, matter, now_ms, known=known):
                why = "notices are waiting; this one is dropped"
                self._log.error(why, notifier=route.outbox.name, title=said.title)
        deferred = before is None and any(one.outbox.defers(said) for one in self._routes)
        return matter if deferred else None

    def _end(self, notice: Notice, now_ms: int) -> None:
        over = self._book.end(notice, now_ms)
        held = self._book.get(notice.key)
        if held is not None and held.quiet_ms is not None:
            return  # it comes and goes: its end is told when it stays away
        for route in self._routes:
            route.outbox.end(notice, over, now_ms)

    def _wake(self) -> None:
        for route in self._routes:
            if route.outbox.next_ms(self._book.matters) is not None:
                route.wake()

    # -- what goes out --------------------------------------------------------------------------------------------------------------

    async def _serve(self, route: _Route) -> None:
        while True:
            route.news.clear()
            now_ms = self._clock.now_ms()
            message = route.outbox.next(now_ms, self._book.matters, hurry=route.hurry)
            if message is not None:
                route.idle.clear()
                await self._deliver(route, message)
                continue
            if not route.outbox.waiting:
                route.idle.set()
            at_ms = route.outbox.next_ms(self._book.matters)
            await self._pause(route.news, None if at_ms is None else max(1, at_ms - now_ms) / 1000)

    async def _pause(self, news: asyncio.Event, seconds: float | None) -> None:
        """Until there is news, or so long."""
        if seconds is None:
            await news.wait()
            return
        waits = {asyncio.ensure_future(news.wait()), asyncio.ensure_future(self._clock.sleep(seconds))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _deliver(self, route: _Route, message: Message) -> None:
        delivery = Delivery(delivered=False)
        for number in range(TRIES):
            delivery = await route.notifier.notify(message.notice)
            if delivery.suppressed or delivery.delivered or not delivery.recoverable:
                break
            if number + 1 < TRIES:
                await self._clock.sleep(PAUSE_S)
        name, now_ms = route.notifier.name, self._clock.now_ms()
        route.outbox.done(message, delivery, now_ms)
        if delivery.suppressed:
            return
        self._seen(name, message.notice, delivery)
        if not delivery.delivered:
            self._log.error("a notice was not delivered", notifier=name, why=delivery.message)
        self._scribe.put(history.delivery_record(now_ms, name, message, delivery))

    # -- what the log says ----------------------------------------------------------------------------------------------------------

    async def _take_up(self) -> None:
        """What was told before this start. Without the log, everything is told as if it were new."""
        if self._store is None or self._ready:
            return
        now_ms = self._clock.now_ms()
        try:
            past, self._read_to = await read_history(self._store, now_ms)
        except AuditError as error:
            self._ready = True
            self._log.error("what was told before is not known", error=error.message)
            self._hand_out()
            return
        self._ready = True
        ends = self._taking_up.begin(past, self._book, self._incidents().values(), now_ms)
        for matter in self._book.matters.values():
            for route in self._routes:
                route.outbox.resume(matter)
        self._say_over(ends, now_ms)
        self._hand_out()

    def _say_over(self, ends: Sequence[End], now_ms: int) -> None:
        for notice, matter in ends:
            for route in self._routes:
                if route.outbox.name in matter.told:
                    route.outbox.end(notice, [matter], now_ms)

    async def _watch(self, store: AuditStore) -> None:
        """Acknowledgements, as people write them into the log, and what ends because nothing more was heard of it."""
        while True:
            await self._clock.sleep(POLL_S)
            now_ms = self._clock.now_ms()
            for matter in self._book.settle(now_ms):
                if matter.end is not None:
                    for route in self._routes:
                        route.outbox.end(matter.end, [matter], now_ms)
            gone = self._taking_up.give_up(self._book, now_ms)
            if gone:
                self._say_over(gone, now_ms)
                keys = [matter.key for _, matter in gone]
                self._scribe.put(history.forgotten_record(now_ms, keys, "not seen again since the start"))
            for matter in list(self._book.matters.values()):
                if history.stale(matter, now_ms):
                    self._book.close(matter.key)
            if self._book.matters:
                await self._hear_acks(store)
            self._wake()

    async def _hear_acks(self, store: AuditStore) -> None:
        try:
            query = RecordQuery(kinds=(RecordKind.NOTIFICATION,), after=self._read_to, limit=PAGE)
            for record in await store.page(query):
                self._read_to = record.seq
                if (found := history.ack_of(record)) is not None:
                    self.acknowledged(*found)
        except AuditError as error:
            self._log.warning("acknowledgements cannot be read", error=error.message)


class _Route:
    """A receiver and what waits for it. ``idle``: nothing waits, and nothing is on its way."""

    def __init__(self, notifier: Notifier, outbox: Outbox) -> None:
        self.notifier = notifier
        self.outbox = outbox
        self.news = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.hurry = False

    def wake(self) -> None:
        if self.outbox.waiting:
            self.idle.clear()
        self.news.set()


def _outbox(notifier: Notifier) -> Outbox:
    if isinstance(notifier, Filtered):
        return Outbox(notifier.name, notifier.policy, keyed=notifier.keyed)
    return Outbox(notifier.name, Policy())


def _same(one: Notice, other: Notice) -> bool:
    return (one.title, one.variant, one.severity) == (other.title, other.variant, other.severity)
