"""The scribe and the courier: nothing waits for them, nothing is lost silently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.notify.memory import MemoryNotifier
from keeper.app import courier as courier_module
from keeper.app import scribe as scribe_module
from keeper.app.courier import Courier
from keeper.app.notifying import outbox as outbox_module
from keeper.app.scribe import Scribe
from keeper.domain.errors import AuditError, StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit


class ShakyStore(MemoryAuditStore):
    """Fails as often as it is told; ``poison`` is refused for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.poison = ""
        self.sizes: list[int] = []

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        self.sizes.append(len(drafts))
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        if any(draft.body.get("name") == self.poison for draft in drafts):
            raise DraftRefused("not JSON")
        return await super().append(drafts)

    async def names(self) -> list[object]:
        return [record.body.get("name", record.body.get("reason")) for record in await self.page(RecordQuery())]


class TickingClock(ManualClock):
    """Sleeping takes no time; how often it was slept is known."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(int(seconds * 1000))
        await asyncio.sleep(0)


class StoppedClock(ManualClock):
    """Whoever sleeps does so until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.reached.set()
        await self.go_on.wait()


def pauses(clock: TickingClock) -> list[float]:
    """Between tries: without the moments in which a queue stands aside for a trip."""
    return [seconds for seconds in clock.slept if seconds != scribe_module.ASIDE_S]


def draft(name: str) -> Draft:
    return Draft(RecordKind.TICK, {"name": name}, 1)


@asynccontextmanager
async def running(run: Callable[[], object]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(run())  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# -- the scribe ---------------------------------------------------------------------------------------------------------------


async def test_scribe__records__are_written_in_order_and_in_batches() -> None:
    store, clock = ShakyStore(), TickingClock()
    scribe = Scribe(store, clock)
    for number in range(250):
        scribe.put(draft(str(number)))
    async with running(scribe.run):
        assert await scribe.drain(5)
    assert store.sizes == [100, 100, 50]
    records = await store.page(RecordQuery(limit=1_000))
    assert [record.body["name"] for record in records] == [str(number) for number in range(250)]


async def test_scribe__what_it_counts__is_what_is_written_what_waits_and_what_is_dropped() -> None:
    store, clock = ShakyStore(), TickingClock()
    scribe = Scribe(store, clock)
    store.poison = "bad"
    for name in ("a", "bad", "b"):
        scribe.put(draft(name))
    assert (scribe.waiting, scribe.written, scribe.dropped, scribe.head) == (3, 0, 0, 0)
    async with running(scribe.run):
        assert await scribe.drain(5)
    last, _ = await store.head()
    assert (scribe.waiting, scribe.dropped, scribe.head) == (0, 1, last)
    assert scribe.written == last  # the record of the gap is one of them


async def test_scribe__record_comes__stands_aside_and_takes_what_comes_meanwhile_along() -> None:
    store, clock = ShakyStore(), StoppedClock()
    scribe = Scribe(store, clock)
    async with running(scribe.run):
        scribe.put(draft("a"))
        await clock.reached.wait()
        scribe.put(draft("b"))
        assert (store.sizes, clock.asked) == ([], [scribe_module.ASIDE_S])
        clock.go_on.set()
        assert await scribe.drain(5)
    assert store.sizes == [2]


async def test_scribe__database_away__tries_again_until_it_is_back_and_loses_nothing() -> None:
    store, clock = ShakyStore(), TickingClock()
    told: list[str | None] = []
    scribe = Scribe(store, clock, lambda error: told.append(error.message if error else None))
    store.failures = 3
    scribe.put(draft("a"))
    scribe.put(draft("b"))
    async with running(scribe.run):
        assert await scribe.drain(5)
    assert await store.names() == ["a", "b"]
    assert pauses(clock) == [scribe_module.RETRY_S] * 3
    assert told == ["the disk is full"] * 3 + [None]


async def test_scribe__nothing_waits__is_drained_at_once() -> None:
    assert await Scribe(ShakyStore(), TickingClock()).drain(0.001)


async def test_scribe__database_stays_away__drain_says_so() -> None:
    store = ShakyStore()
    store.failures = 10**9
    scribe = Scribe(store, TickingClock())
    scribe.put(draft("a"))
    async with running(scribe.run):
        assert not await scribe.drain(0.01)


@pytest.mark.parametrize(("over", "lost"), [(0, 0), (1, 1), (5, 5)])
async def test_scribe__more_than_may_wait__the_newest_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, over: int, lost: int
) -> None:
    monkeypatch.setattr(scribe_module, "LIMIT", 3)
    store = ShakyStore()
    scribe = Scribe(store, TickingClock())
    for number in range(3 + over):
        scribe.put(draft(str(number)))
    async with running(scribe.run):
        assert await scribe.drain(5)
    records = await store.page(RecordQuery())
    assert [record.body["name"] for record in records if record.kind is RecordKind.TICK] == ["0", "1", "2"]
    gaps = [record.body for record in records if record.kind is RecordKind.FAULT]
    assert len(gaps) == (1 if lost else 0)
    if gaps:
        assert str(gaps[0]["message"]).startswith(f"{lost} records were dropped")
        assert gaps[0]["reason"] == "gap"
        assert gaps[0]["state"] == "up", "nothing is down any more; it must not look so for ever"


async def test_scribe__one_record_is_refused_for_ever__the_others_are_written_and_it_is_counted() -> None:
    store = ShakyStore()
    store.poison = "bad"
    scribe = Scribe(store, TickingClock())
    for name in ("a", "bad", "b"):
        scribe.put(draft(name))
    async with running(scribe.run):
        assert await scribe.drain(5)
        scribe.put(draft("c"))
        scribe.put(draft("d"))
        assert await scribe.drain(5)
    names = await store.names()
    assert [name for name in names if name != "gap"] == ["a", "b", "c", "d"]
    assert names.count("gap") == 1
    assert store.sizes[-1] == 2, "after that it writes in batches again"


async def test_scribe__what_is_large__is_packed_beside_the_record_and_in_its_turn() -> None:
    store, clock = ShakyStore(), TickingClock()
    scribe = Scribe(store, clock)
    for number in range(3):
        scribe.put(draft(str(number)), {"seen": [{"value": str(number)}, {"value": "x"}]})
        scribe.put(draft(f"{number} plain"))
    async with running(scribe.run):
        assert await scribe.drain(5)
    bare = await store.page(RecordQuery())
    assert [record.body["name"] for record in bare] == ["0", "0 plain", "1", "1 plain", "2", "2 plain"]
    assert [set(record.body) for record in bare] == [{"name", "evidence"}, {"name"}] * 3
    full = await store.page(RecordQuery(full=True))
    assert [record.body.get("seen") for record in full[::2]] == [[{"value": str(n)}, {"value": "x"}] for n in range(3)]
    assert store.sizes == [6]


async def test_scribe__database_away__packs_once_and_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ShakyStore()
    packed: list[Mapping[str, Json]] = []

    def counted(content: Mapping[str, Json]) -> Evidence:
        packed.append(content)
        return pack(content)

    monkeypatch.setattr(scribe_module, "pack", counted)
    scribe = Scribe(store, TickingClock())
    store.failures = 3
    scribe.put(draft("a"), {"seen": "a"})
    scribe.put(draft("b"))
    async with running(scribe.run):
        assert await scribe.drain(5)
    assert await store.names() == ["a", "b"]
    assert len(packed) == 1


async def test_scribe__what_cannot_be_packed__is_dropped_and_counted_as_any_other() -> None:
    store = ShakyStore()
    scribe = Scribe(store, TickingClock())
    scribe.put(draft("a"))
    scribe.put(draft("bad"), {"seen": 0.5})  # type: ignore[dict-item]
    scribe.put(draft("b"), {"seen": "b"})
    async with running(scribe.run):
        assert await scribe.drain(5)
    assert await store.names() == ["a", "b", "gap"]


async def test_scribe__put_while_it_writes__is_written_too() -> None:
    store = ShakyStore()

    def more(error: AuditError | None) -> None:
        if len(store.sizes) == 1:
            scribe.put(draft("b"))

    scribe = Scribe(store, TickingClock(), more)
    scribe.put(draft("a"))
    async with running(scribe.run):
        assert await scribe.drain(5)
    assert await store.names() == ["a", "b"]


# -- the courier --------------------------------------------------------------------------------------------------------------


def notice(key: str = "k") -> Notice:
    return Notice(key, f"title {key}", "body", Severity.WARNING)


class Scripted(MemoryNotifier):
    """Answers what it is told, then delivers."""

    def __init__(self, *answers: Delivery, name: str = "scripted") -> None:
        super().__init__(name)
        self.answers = list(answers)
        self.asked = 0

    async def notify(self, notice: Notice) -> Delivery:
        self.asked += 1
        return self.answers.pop(0) if self.answers else await super().notify(notice)


async def delivered(*notifiers: MemoryNotifier, keys: Sequence[str] = ("k",)) -> tuple[list[Record], TickingClock]:
    """The notification records after these notices, and the clock."""
    store, clock = ShakyStore(), TickingClock()
    scribe = Scribe(store, clock)
    courier = Courier(notifiers, scribe, clock)
    for key in keys:
        courier.put(notice(key))
    async with running(courier.run), running(scribe.run):
        assert await courier.drain(5)
        assert await scribe.drain(5)
    return list(await store.page(RecordQuery())), clock


BUSY = Delivery(False, recoverable=True, message="busy")
WRONG = Delivery(False, recoverable=False, message="no such room")
HELD_BACK = Delivery(False, suppressed=True)


async def test_courier__delivered__one_record() -> None:
    receiver = Scripted()
    (record,), clock = await delivered(receiver)
    assert (record.kind, record.body["delivered"], record.body["key"]) == (RecordKind.NOTIFICATION, True, "k")
    assert record.body["notifier"] == "scripted"
    assert [each.key for each in receiver.notices] == ["k"]
    assert pauses(clock) == []


async def test_courier__notice_comes__the_trip_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "ASIDE_S", 3600)
    clock, receiver = TickingClock(), Scripted()
    courier = Courier([receiver], Scribe(ShakyStore(), clock), clock)
    async with running(courier.run):
        courier.put(notice("a"))
        courier.put(notice("b"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert receiver.notices == []
        assert await courier.drain(5), "who drains does not wait for that"
    assert [each.key for each in receiver.notices] == ["a", "b"]


async def test_courier__stood_aside__delivers_what_came_meanwhile_and_what_comes_later() -> None:
    clock, receiver = TickingClock(), Scripted()
    courier = Courier([receiver], Scribe(ShakyStore(), clock), clock)
    async with running(courier.run):
        for keys in (["a", "b"], ["a", "b", "c"]):
            for key in keys[len(receiver.notices) :]:
                courier.put(notice(key))
            while len(receiver.notices) < len(keys):  # noqa: ASYNC110 - a loop that never ends is a test that fails
                await asyncio.sleep(0)
            assert [each.key for each in receiver.notices] == keys


async def test_courier__in_order__for_each_receiver() -> None:
    receiver = Scripted()
    await delivered(receiver, keys=("a", "b", "c"))
    assert [each.key for each in receiver.notices] == ["a", "b", "c"]


@pytest.mark.parametrize(("failures", "arrives"), [(1, True), (2, True), (3, False)])
async def test_courier__recoverable__is_tried_three_times(failures: int, arrives: bool) -> None:
    receiver = Scripted(*[BUSY] * failures)
    (record,), clock = await delivered(receiver)
    assert record.body["delivered"] is arrives
    assert record.body["message"] == ("" if arrives else "busy")
    assert receiver.asked == min(failures + 1, 3)
    assert pauses(clock) == [courier_module.PAUSE_S] * min(failures, 2)


async def test_courier__not_recoverable__is_tried_once() -> None:
    receiver = Scripted(WRONG)
    (record,), clock = await delivered(receiver)
    assert (record.body["delivered"], record.body["message"]) == (False, "no such room")
    assert receiver.asked == 1
    assert pauses(clock) == []


async def test_courier__held_back_on_purpose__leaves_no_record() -> None:
    records, _ = await delivered(Scripted(HELD_BACK))
    assert records == []


async def test_courier__one_receiver_fails__the_others_get_it_and_each_has_a_record() -> None:
    good = Scripted(name="good")
    records, _ = await delivered(Scripted(WRONG, name="bad"), good)
    assert {(record.body["notifier"], record.body["delivered"]) for record in records} == {
        ("bad", False),
        ("good", True),
    }
    assert len(good.notices) == 1


async def test_courier__too_many_wait__put_does_not_block_and_the_rest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "LIMIT", 2)
    receiver = Scripted()
    await delivered(receiver, keys=("a", "b", "c"))
    assert [each.key for each in receiver.notices] == ["a", "b"]


class Hanging(MemoryNotifier):
    async def notify(self, notice: Notice) -> Delivery:
        await asyncio.Event().wait()
        raise AssertionError


async def test_courier__one_receiver_hangs__the_others_get_every_notice() -> None:
    clock, good = TickingClock(), Scripted()
    courier = Courier([Hanging(), good], Scribe(ShakyStore(), clock), clock)
    for key in ("a", "b", "c"):
        courier.put(notice(key))
    async with running(courier.run):
        while len(good.notices) < 3:  # noqa: ASYNC110 - a loop that never ends is a test that fails
            await asyncio.sleep(0)
    assert [each.key for each in good.notices] == ["a", "b", "c"]


async def test_courier__nobody_to_tell__goes_on_and_is_drained() -> None:
    clock = TickingClock()
    courier = Courier([], Scribe(ShakyStore(), clock), clock)
    courier.put(notice())
    task = asyncio.ensure_future(courier.run())
    await asyncio.sleep(0)
    assert await courier.drain(1)
    assert not task.done(), "the supervisor would start it again and again"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_courier__receiver_that_never_answers__drain_says_so() -> None:
    clock = TickingClock()
    courier = Courier([Hanging()], Scribe(ShakyStore(), clock), clock)
    courier.put(notice())
    async with running(courier.run):
        assert not await courier.drain(0.01)
