"""A book of orders that never answers: what waits for it lapses in time, people are told, and no other book waits with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from keeper.app.breakers.books import ANSWER_S
from keeper.app.breakers.cosigning import LOOK_S, Cosigning
from keeper.app.breakers.pledges import Pledges
from keeper.domain.action import BreakerTrip
from keeper.domain.order import SignedOrder, TripOrder
from keeper.domain.record import RecordKind
from keeper.execution.work import Order
from keeper.ports.orders import OrderBook, OrderPage
from tests.support import breaker_double
from tests.support.breaker_double import ADDRESS, READY, TERMS
from tests.support.cosigning_scene import EXPIRES_MS, START, Book, Member, Scene
from tests.support.manual_clock import settle

pytestmark = pytest.mark.unit

OTHER = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


class Stuck(Book):
    """Answers no question; what is put is there at once."""

    asked = 0
    stuck = True

    async def look(self, since_s: int) -> OrderPage:
        self.asked += 1
        if self.stuck:
            await asyncio.Event().wait()
        return await super().look(since_s)


class StuckPut(Book):
    async def put(self, signed: SignedOrder) -> None:
        await asyncio.Event().wait()


def give(member: Member, books: Mapping[str, OrderBook]) -> None:
    """The keeper as after a start, with these books; what each contract asks for is not known yet."""
    scene = member.scene
    member.cosigning = Cosigning(
        scene.armed,
        books,
        Pledges(member.log, member.hand, scene.clock),
        scene.chain,
        member.log,
        scene.clock,
        31337,
        member.faults,
        act=member._act,
        failed=lambda *what: member.failed.append(what),
        tell=member.told.append,
    )


@asynccontextmanager
async def running(member: Member) -> AsyncIterator[None]:
    member.cosigning.hear_of(member.scene.block)
    task = asyncio.create_task(member.cosigning.run())
    try:
        await settle()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("book", [Stuck, StuckPut])
async def test_book_that_hangs__what_waits_lapses_and_is_told(book: type[Book]) -> None:
    scene = Scene()
    one = scene.members[0]
    give(one, {ADDRESS: book()})
    async with running(one):
        order = one.decide()
        await scene.clock.advance(EXPIRES_MS - 1)
        assert list(one.cosigning.waiting) == [order]
        await scene.clock.advance(1000 * (4 * ANSWER_S + LOOK_S))
        assert not one.cosigning.waiting
    assert len(one.failed) == 1
    assert "has not answered" in repr(one.told[-1])
    assert len(await one.log.of(RecordKind.OUTCOME)) == 1


async def test_book_that_hangs__is_a_fault_until_it_answers_and_then_all_goes_on() -> None:
    scene = Scene()
    one = scene.members[0]
    book = Stuck()
    give(one, {ADDRESS: book})
    async with running(one):
        one.decide()
        await scene.clock.advance(1000 * ANSWER_S - 1)
        assert not one.faults.current
        await scene.clock.advance(1)
        (fault,) = list(one.faults.current)
        assert (fault.part, fault.reason) == (f"orders:{ADDRESS}", "unreachable")
        assert "orders" in fault.remedy
        book.stuck = False
        await scene.clock.advance(1000 * (ANSWER_S + LOOK_S))
        assert not one.faults.current
        assert len(one.hand.signed) == 1


async def test_book_that_hangs__the_other_one_is_looked_at_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    one = scene.members[0]
    armed = scene.armed[0]
    trip = armed.action.breaker
    assert trip is not None
    away = replace(armed, action=replace(armed.action, name="other", breaker=BreakerTrip(OTHER, trip.id, trip.values)))
    monkeypatch.setattr(breaker_double, "ADDRESS", OTHER)
    breaker_double.Double(scene.chain).install(heard_s=1_700_000_000, limit_s=10**9, terms=replace(TERMS, required=2))
    scene.block = scene.chain.mine(seconds=1)
    stuck = Stuck()
    give(one, {OTHER: stuck, ADDRESS: scene.book})
    async with running(one):
        one.cosigning.take(Order("far", "far", away, str(START), scene.clock.now_ms(), evidence=b"\x77" * 32))
        await settle()
        assert stuck.asked == 1
        one.decide()
        await settle()
        assert [signed.order.contract for signed in await scene.orders()] == [ADDRESS], "at once"


async def test_bug_at_one_book__ends_the_run_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    one = scene.members[0]
    give(one, {ADDRESS: scene.book, OTHER: Book()})

    async def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(one.cosigning, "_advance", breaks)
    one.decide()
    one.cosigning.hear_of(scene.block)
    with pytest.raises(RuntimeError):
        await one.cosigning.run()


async def test_run__without_a_book__neither_works_nor_ends() -> None:
    scene = Scene()
    one = scene.members[0]
    give(one, {})
    task = asyncio.create_task(one.cosigning.run())
    await settle()
    assert not task.done()
    task.cancel()


# -- what this key has signed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [3 * 3_600, -3 * 3_600, 10**9])
async def test_pledge__the_clock_jumps_and_the_keeper_starts_again__no_other_values_are_signed(jump_s: int) -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    scene.clock._start_ms += 1000 * jump_s
    one.restart()
    scene.set_limit(800)
    await one.cosigning.learn(scene.block)
    one.decide(800)
    await one.look()
    assert {order.values for _, order in one.hand.signed} == {(500,)}


def some(scene: Scene, **changes: object) -> TripOrder:
    trip = scene.armed[0].action.breaker
    assert trip is not None
    order = TripOrder(31337, ADDRESS, trip.id, (1,), b"\x55" * 32, READY.nonce, scene.block.timestamp_s + 60)
    return replace(order, **changes)  # type: ignore[arg-type]


async def test_pledge__under_hundreds_of_later_ones__still_binds() -> None:
    scene = Scene()
    one = scene.members[0]
    pledges = Pledges(one.log, one.hand, scene.clock)
    now_s = scene.block.timestamp_s
    first = some(scene)
    await pledges.sign(first, now_s, {})
    later = [pledges._draft(some(scene, nonce=100 + number), {}, None) for number in range(450)]
    await one.log.append(later)
    assert await pledges.sign(replace(first, values=(2,)), now_s, {}) == first


async def test_pledge__long_past__ends_what_is_read_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    one = scene.members[0]
    pledges = Pledges(one.log, one.hand, scene.clock)
    await one.log.append([pledges._draft(some(scene, nonce=number), {}, None) for number in range(450)])
    pages = 0
    page = one.log.page

    async def counting(query: object) -> object:
        nonlocal pages
        pages += 1
        return await page(query)  # type: ignore[arg-type]

    monkeypatch.setattr(one.log, "page", counting)
    assert await pledges.open(scene.block.timestamp_s + 10**6) == []
    assert pages == 1
    assert len(await pledges.open(scene.block.timestamp_s)) == 450


async def test_pledge__refused_after_it_was_written__is_refused_when_it_is_asked_for_again() -> None:
    scene = Scene()
    one = scene.members[0]
    pledges = Pledges(one.log, one.hand, scene.clock)
    first = some(scene)
    other = replace(first, values=(2,))
    for order in (first, other):  # by two processes at the same time: both had seen nothing of the other
        await one.log.append([pledges._draft(order, {}, None)])
    assert await pledges.sign(other, scene.block.timestamp_s, {}) == first
    assert isinstance(await pledges.sign(first, scene.block.timestamp_s, {}), SignedOrder)
