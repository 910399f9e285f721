"""What a keeper does while it waits for the others: what fails, what is late, what is lost, and when it gives up."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from keeper.app.breakers.cosigning import LOOK_S, SHORT_S, TURN_S, WARN_S
from keeper.app.breakers.pledges import Pledges
from keeper.domain.errors import SigningError, StoreUnavailable
from keeper.domain.order import MAX_ORDER_LIFE_S, SignedOrder, TripOrder
from keeper.domain.record import RecordKind
from keeper.domain.verdict import Severity
from tests.support.breaker_double import ADDRESS, READY, TERMS
from tests.support.cosigning_scene import EXPIRES_MS, START, VAULT, Scene
from tests.support.execution_stage import pause
from tests.support.manual_clock import settle

pytestmark = pytest.mark.unit


async def test_two_decide__the_second_completes_it_and_submits_at_once() -> None:
    scene = Scene()
    one, two, _ = scene.members
    one.decide()
    await one.look()
    assert one.acted == []
    two.decide()
    await two.look()
    assert [bool(order.signed) for order in two.acted] == [True]
    await one.look()
    assert [bool(order.signed) for order in one.acted] == [False], "the executor finds it done"
    assert scene.trip_count == 1


async def test_first_look__one_keeper_is_enough__is_handed_over_as_its_own_trip() -> None:
    scene = Scene(required=1)
    one = scene.members[0]
    order = one.decide()
    await one.look()
    assert one.acted == [order]
    assert await scene.orders() == []
    assert not one.cosigning.takes(order), "and is not asked again"


async def test_takes__what_no_book_is_for__is_not_shared() -> None:
    scene = Scene()
    one = scene.members[0]
    order = one.decide()
    assert not one.cosigning.takes(replace(order, armed=pause()))
    assert not one.cosigning.takes(replace(order, before=None)), "there is no value to sign"


async def test_actor__is_who_calls_the_protocol() -> None:
    scene = Scene()
    one = scene.members[0]
    (armed,) = scene.armed
    assert one.cosigning.actor(armed) == "", "not known yet"
    await one.cosigning.learn(scene.block)
    assert one.cosigning.actor(armed) == ADDRESS
    assert one.cosigning.actor(pause()) == ""
    scene.double.set(terms=replace(TERMS, required=2, safe=VAULT))
    scene.block = scene.chain.mine()
    one.restart()
    await one.cosigning.learn(scene.block)
    assert one.cosigning.actor(armed) == VAULT


async def test_complete__by_another_one__is_left_to_it_for_a_turn_and_not_longer() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    ((mine),) = await scene.orders()
    other = await scene.stranger_signs(mine.order)
    await scene.book.put(other)
    await one.look()
    # each of the two may think that it was the other one: so they do not take the same turn
    turns = 1 + sorted((mine.signer, other.signer), key=lambda each: int(each, 16)).index(mine.signer)
    await scene.pass_s(turns * int(TURN_S) - 1)
    await one.look()
    assert one.acted == []
    await scene.pass_s(1)
    await one.look()
    assert scene.trip_count == 1


async def test_too_few__after_a_while__is_told_once_with_the_digest_and_the_time_left() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    await scene.pass_s(int(WARN_S) - 1)
    await one.look()
    assert one.told == []
    await scene.pass_s(1)
    await one.look()
    await scene.pass_s(1)
    await one.look()
    ((mine),) = await scene.orders()
    (notice,) = one.told
    assert (notice.title, notice.severity) == ("M: limit waits for signatures, 1 of 2", Severity.WARNING)
    assert f"digest 0x{mine.order.digest.hex()}" in notice.body
    assert f"{EXPIRES_MS // 1000 - int(WARN_S)} s left" in notice.body
    assert mine.signer in notice.body


async def test_book_away__is_told_and_when_it_is_back_all_goes_on() -> None:
    scene = Scene()
    one, two, _ = scene.members
    scene.book.away = True
    for member in (one, two):
        member.decide()
        await member.look()
    assert [fault.reason for fault in one.faults.current] == ["unreachable"]
    scene.book.away = False
    for member in (one, two, one):
        await member.look()
    assert scene.trip_count == 1
    assert one.faults.current == ()


async def test_book_away__to_the_end__is_said_in_what_came_to_nothing() -> None:
    scene = Scene()
    one = scene.members[0]
    scene.book.away = True
    one.decide()
    await one.look()
    await scene.pass_s(EXPIRES_MS // 1000)
    await one.look()
    assert one.failed == [("M", "limit", "too-few-signatures")]
    assert "the book is away" in one.told[0].body


async def test_log_away__nothing_is_signed() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    one.log.away = True
    await one.look()
    assert one.hand.signed == []
    one.log.away = False
    await one.look()
    assert len(one.hand.signed) == 1


async def test_log_away__as_the_one_who_completed_it_hands_over__it_does_so_at_the_next_look_and_not_after_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    one, two, _ = scene.members
    one.decide()
    await one.look()
    two.decide()
    act = two._act

    async def away(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(two.cosigning, "_act", away)
    await two.look()
    assert two.acted == []
    monkeypatch.setattr(two.cosigning, "_act", act)
    await scene.pass_s(1)
    await two.look()
    assert [bool(order.signed) for order in two.acted] == [True]
    await one.look()
    assert scene.trip_count == 1


async def test_log_away__as_it_is_handed_over__is_tried_again() -> None:
    scene = Scene()
    one, two, _ = scene.members
    one.decide()
    await one.look()
    two.decide()
    await two.cosigning._sign(  # it has signed, and then the disk is full
        next(iter(two.cosigning._wants.values())), (await scene.orders())[0].order, scene.block.timestamp_s, {}
    )
    two.log.away = True
    await scene.pass_s(1)
    await two.look()
    await scene.pass_s(int(TURN_S))
    await two.look()
    assert (two.acted, len(two.cosigning.waiting)) == ([], 1)
    two.log.away = False
    await two.look()
    assert scene.trip_count == 1


async def test_expires__a_millisecond_before__waits_and_then_ends() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    await scene.clock.advance(EXPIRES_MS - 1)
    await one.look()
    assert one.failed == []
    await scene.clock.advance(1)
    await one.look()
    assert one.failed == [("M", "limit", "too-few-signatures")]
    (outcome,) = await one.log.of(RecordKind.OUTCOME)
    assert outcome.body["kind"] == "failed"
    assert "no other keeper has ever signed here" in one.told[-1].body


async def test_value_changed_meanwhile__ends_and_is_decided_anew() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    scene.set_limit(START - 1)
    await one.look()
    assert one.failed == [("M", "limit", "current-changed")]


async def test_no_keeper_any_more__ends_with_the_remedy() -> None:
    scene = Scene()
    one = scene.members[0]
    scene.double.set(heard_s=0)
    scene.block = scene.chain.mine()
    one.decide()
    await one.look()
    assert one.failed == [("M", "limit", "missing-role")]
    assert f"addKeeper({one.hand.address})" in one.told[0].body
    assert one.hand.signed == []


async def test_order_of_another__ends_too_soon__another_one_is_proposed_beside_it() -> None:
    for left_s, proposals in ((SHORT_S, 1), (SHORT_S - 1, 2)):
        scene = Scene(required=3)
        one = scene.members[0]
        now_s = scene.block.timestamp_s
        armed = scene.armed[0].action.breaker
        assert armed is not None
        short = TripOrder(31337, ADDRESS, armed.id, (START // 2,), b"\x55" * 32, READY.nonce, now_s + left_s)
        await scene.book.put(await scene.stranger_signs(short))
        one.decide()
        await one.look()
        await one.look()
        assert len({signed.order for signed in await scene.orders()}) == proposals
        assert len(one.hand.signed) == proposals


@pytest.mark.parametrize(
    ("ahead_s", "signed"), [(0, True), (-1, False), (MAX_ORDER_LIFE_S, True), (MAX_ORDER_LIFE_S + 1, False)]
)
async def test_order_of_another__is_signed_within_its_time_only(ahead_s: int, signed: bool) -> None:
    scene = Scene()
    one = scene.members[0]
    trip = scene.armed[0].action.breaker
    assert trip is not None
    theirs = TripOrder(
        31337, ADDRESS, trip.id, (START // 2,), b"\x55" * 32, READY.nonce, scene.block.timestamp_s + ahead_s
    )
    await scene.book.put(await scene.stranger_signs(theirs))
    one.decide()
    await one.look()
    assert (theirs in [order for _, order in one.hand.signed]) is signed


async def test_ever_new_orders__of_a_keeper_that_means_ill__do_not_keep_the_others_apart() -> None:
    scene = Scene(required=3)
    trip = scene.armed[0].action.breaker
    assert trip is not None
    for member in scene.members:
        member.decide()
    for turn, member in enumerate([*scene.members, *scene.members]):
        now_s = scene.block.timestamp_s
        lure = TripOrder(
            31337, ADDRESS, trip.id, (START // 2,), b"\x66" * 32, READY.nonce, now_s + MAX_ORDER_LIFE_S - 100 + turn
        )
        await scene.book.put(await scene.stranger_signs(lure))
        await member.look()
    assert scene.trip_count == 1


async def test_lost_from_the_book__while_it_waits__is_put_there_again() -> None:
    scene = Scene()
    one = scene.members[0]
    one.decide()
    await one.look()
    before = await scene.orders()
    scene.book.lose()
    await one.look()
    assert await scene.orders() == before
    assert len(await one.log.of(RecordKind.ORDER)) == 1


async def test_run__looks_at_each_head_and_each_second_while_something_waits() -> None:
    scene = Scene()
    one, two, _ = scene.members
    running = [asyncio.create_task(member.cosigning.run()) for member in (one, two)]
    try:
        await settle()
        for member in (one, two):
            member.cosigning.hear_of(scene.block)
        await settle()
        one.decide()
        await settle()
        assert len(await scene.orders()) == 1, "at once"
        two.decide()
        await settle()
        assert scene.trip_count == 1
        assert len(one.acted) == 0
        one.cosigning._block = scene.block
        await scene.clock.advance(1000 * LOOK_S)
        assert len(one.acted) == 1
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_a_bug_in_one__the_others_go_on_and_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    one, two, _ = scene.members
    first = one.decide()
    one.decide()
    advance = one.cosigning._advance

    async def breaks(want: object, block: object) -> None:
        if want is one.cosigning._wants[first.id]:
            raise RuntimeError("a bug")
        await advance(want, block)  # type: ignore[arg-type]

    monkeypatch.setattr(one.cosigning, "_advance", breaks)
    with pytest.raises(RuntimeError):
        await one.look()
    assert len(one.hand.signed) == 1
    assert two.hand.signed == []


async def test_pledge__written_at_the_same_time_by_hand_with_other_values__the_earlier_record_counts() -> None:
    scene = Scene()
    one = scene.members[0]
    pledges = Pledges(one.log, one.hand, scene.clock)
    now_s = scene.block.timestamp_s
    trip = scene.armed[0].action.breaker
    assert trip is not None
    first = TripOrder(31337, ADDRESS, trip.id, (1,), b"\x55" * 32, 1, now_s + 60)
    other = replace(first, values=(2,))
    answers = await asyncio.gather(pledges.sign(first, now_s, {}), pledges.sign(other, now_s, {}))
    assert sum(isinstance(answer, SignedOrder) for answer in answers) == 1
    assert await pledges.sign(other, now_s + 60, {}) == first
    assert isinstance(await pledges.sign(other, now_s + 61, {}), SignedOrder), "the first one's deadline is past"


async def test_pledge__without_a_signer__says_so() -> None:
    scene = Scene()
    trip = scene.armed[0].action.breaker
    assert trip is not None
    order = TripOrder(31337, ADDRESS, trip.id, (1,), b"\x55" * 32, 1, scene.block.timestamp_s)
    with pytest.raises(SigningError):
        await Pledges(scene.members[0].log, None, scene.clock).sign(order, scene.block.timestamp_s, {})
