"""Executing what owners have signed: never beside anything else, never at once again, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from keeper.app.council.carrying import AGAIN_MS, HELD, Carrying, is_execution, is_fresh
from keeper.app.council.ledger import Place, Proposed, Step, What
from keeper.app.faults import Faults
from keeper.domain.abi import encode_call
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.proposal import Confirmation, SafeState
from keeper.domain.record import Json
from keeper.domain.safe import ZERO_ADDRESS
from keeper.domain.safe_signatures import exec_call
from keeper.execution.opening import intent_of
from keeper.execution.work import Order, Work
from tests.support.council_world import pause_of
from tests.support.manual_clock import ManualClock
from tests.support.safe_proposals import CHAIN_ID, KEEPER, OWNERS, SAFE, signature

pytestmark = pytest.mark.unit
STATE = SafeState(CHAIN_ID, SAFE, "1.4.1", OWNERS, 2, 7, (), ZERO_ADDRESS, ZERO_ADDRESS, 1)
MADE_MS = 1_000
BLOCK = BlockStamp(1, "0x", "0x", 1)
WORDS = tuple(Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (2, 0, 1))


@dataclass
class ExecutorFake:
    sender: str | None = KEEPER
    open_works: tuple[Work, ...] = ()
    orders: list[Order] = field(default_factory=list)

    async def act(self, items: Sequence[tuple[Any, Order]], block: BlockStamp, marks: Mapping[str, float]) -> None:
        self.orders += [order for _, order in items]


class Bench:
    def __init__(self, *, all_at_once: bool = False) -> None:
        self.clock = ManualClock()
        self.executor = ExecutorFake()
        self.faults = Faults(self.clock, lambda draft: None, lambda notice: None)
        self.incidents: dict[str, str] = {}
        self.doubt = ""
        self.checked: list[Call] = []
        self.carrying = Carrying(
            self.executor,  # type: ignore[arg-type]
            self.clock,
            self.faults,
            "council",
            incidents=lambda: self.incidents,
            check=self.check,
            all_at_once=all_at_once,
        )
        self.proposed = Proposed(pause_of(), What.ACTION, "Pause", "{}", Place("ETH-PERP"), MADE_MS, 1)

    async def check(self, proposed: Proposed, call: Call, block: BlockStamp) -> str:
        self.checked.append(call)
        return self.doubt

    def down(self) -> list[str]:
        return [fault.reason for fault in self.faults.current]

    async def execute(self, words: Sequence[Confirmation] = WORDS) -> bool:
        return await self.carrying.execute(self.proposed, words, STATE, BLOCK)

    def ended(self, kind: OutcomeKind) -> None:
        order = self.executor.orders[-1]
        work = Work(intent_of(order, order.armed), order.armed)
        self.carrying.ended(work, Outcome(kind, Reason.SIMULATION_REVERTED, "it came to this"))


async def test_execute__enough_words__the_call_of_the_safe_with_the_lowest_owners() -> None:
    bench = Bench()
    assert await bench.execute()
    (order,) = bench.executor.orders
    assert order.armed.call == Call(SAFE, exec_call(pause_of(), _joined()).data)
    assert encode_call(order.armed.action.call) == order.armed.call
    assert (order.armed.action.effect.expect, order.before, order.incident) == ("8", "7", "")
    assert order.armed.in_effect("8")
    assert order.armed.in_effect("9"), "whoever used the nonce, nothing is left to do"
    assert not order.armed.in_effect("7")
    assert is_execution(order.armed.key)
    assert not is_execution(("ETH-PERP", "pause-market"))


def _joined() -> bytes:
    lowest = sorted(WORDS, key=lambda one: int(one.owner, 16))[:2]
    return b"".join(one.signature for one in lowest)


async def test_execute__too_few_words__is_for_people() -> None:
    bench = Bench()
    assert not await bench.execute(WORDS[:1])
    assert bench.down() == [HELD]


@pytest.mark.parametrize("what", [What.RESTORE, What.BY_HAND, What.REJECTION])
@pytest.mark.parametrize(
    ("market", "incidents", "sent"),
    [
        ("ETH-PERP", {"ETH-PERP": "ETH-PERP@2"}, False),
        ("ETH-PERP", {"BTC-PERP": "BTC-PERP@1"}, True),
        ("ETH-PERP", {}, True),
        (None, {"BTC-PERP": "BTC-PERP@1"}, False),
        (None, {}, True),
    ],
)
async def test_execute__what_may_loosen__never_while_an_incident_of_its_market_is_open(
    what: What, market: str | None, incidents: dict[str, str], sent: bool
) -> None:
    bench = Bench()
    bench.proposed = replace(bench.proposed, what=what, place=Place(market))
    bench.incidents = incidents
    assert await bench.execute() is sent
    assert bench.down() == ([] if sent else [HELD])
    bench.incidents = {}
    assert await bench.execute(), "when it is over"
    assert bench.down() == []


async def test_execute__an_action_pauses_all_markets__no_incident_may_be_open_at_all() -> None:
    bench = Bench(all_at_once=True)
    bench.proposed = replace(bench.proposed, what=What.RESTORE)
    bench.incidents = {"BTC-PERP": "BTC-PERP@1"}
    assert not await bench.execute()
    bench.incidents = {}
    assert await bench.execute()


async def test_execute__an_action__in_the_middle_of_the_incident() -> None:
    bench = Bench()
    bench.incidents = {"ETH-PERP": "ETH-PERP@2"}
    assert await bench.execute()


async def test_execute__held_back__people_are_told_how_and_it_ends_with_the_proposal() -> None:
    bench = Bench()
    bench.proposed = replace(bench.proposed, what=What.RESTORE)
    bench.incidents = {"ETH-PERP": "ETH-PERP@2"}
    await bench.execute()
    (fault,) = bench.faults.current
    assert "ETH-PERP@2" in fault.message
    assert f"execute {bench.proposed.hash}" in fault.remedy
    bench.carrying.keep([bench.proposed.hash])
    assert bench.down() == [HELD]
    bench.carrying.keep([])
    assert bench.down() == []


async def test_execute__something_speaks_against_it_now__held_back_and_looked_at_later() -> None:
    bench = Bench()
    bench.doubt = "it would fail now"
    assert not await bench.execute()
    assert bench.down() == [HELD]
    assert bench.checked == [Call(SAFE, exec_call(pause_of(), _joined()).data)]
    bench.doubt = ""
    assert not await bench.execute()
    await bench.clock.advance(AGAIN_MS)
    assert await bench.execute()
    assert bench.down() == []


async def test_execute__words_of_an_earlier_proposal__do_not_count_until_they_are_given_anew() -> None:
    bench = Bench()
    old = [replace(one, at_ms=MADE_MS - 1) for one in WORDS[:2]]
    assert not await bench.execute([*old, WORDS[2]])
    assert bench.down() == [HELD]
    assert await bench.execute([replace(old[0], at_ms=MADE_MS), WORDS[2]])


KNOWN = Proposed(pause_of(), What.ACTION, "Pause", "{}", Place("ETH-PERP"), MADE_MS, 1)
TAKEN = KNOWN.with_step(Step.CONFIRMED, MADE_MS + 1, {"owner": OWNERS[0]})
FORMER: Mapping[str, Json] = {"former": [OWNERS[0]]}


@pytest.mark.parametrize(
    ("proposed", "at_ms", "fresh"),
    [
        (KNOWN, None, True),
        (KNOWN, MADE_MS, True),
        (KNOWN, MADE_MS - 1, False),
        (TAKEN, MADE_MS - 1, True),
        (replace(KNOWN, facts=FORMER), None, False),
        (replace(KNOWN, facts=FORMER), MADE_MS + 1, False),
        (replace(TAKEN, facts=FORMER), None, True),
        (replace(KNOWN, facts={"former_unsure": True}), None, False),
        (replace(KNOWN, facts={"former_unsure": True}), MADE_MS, True),
        (replace(KNOWN, facts={"proposed_by": OWNERS[0]}), MADE_MS - 1, True),
        (replace(KNOWN, facts={"proposed_by": OWNERS[0]}, adopted=True), MADE_MS - 1, False),
    ],
)
def test_is_fresh__each_source(proposed: Proposed, at_ms: int | None, fresh: bool) -> None:
    assert is_fresh(proposed, replace(WORDS[1], at_ms=at_ms)) is fresh
    assert WORDS[1].owner == OWNERS[0]


async def test_execute__no_key_or_something_else_on_its_way__waits() -> None:
    bench = Bench()
    bench.executor.sender = None
    assert not await bench.execute()
    bench.executor.sender = KEEPER
    assert await bench.execute()
    order = bench.executor.orders[0]
    bench.executor.open_works = (Work(intent_of(order, order.armed), order.armed),)
    assert not await bench.execute()


async def test_failed__left_alone_twice_as_long_each_time__and_told() -> None:
    bench = Bench()
    for pause_ms in (AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS):
        assert await bench.execute()
        bench.ended(OutcomeKind.FAILED)
        assert [fault.reason for fault in bench.faults.current] == ["simulation-reverted"]
        await bench.clock.advance(pause_ms - 1)
        assert not await bench.execute()
        await bench.clock.advance(1)
    assert await bench.execute()
    bench.ended(OutcomeKind.INCLUDED)
    assert bench.faults.current == ()


async def test_done__a_look_at_an_older_block__does_not_send_anything_of_that_nonce_again() -> None:
    bench = Bench()
    assert await bench.execute()
    bench.ended(OutcomeKind.INCLUDED)
    assert not await bench.execute()
    twin = replace(bench.proposed, transaction=replace(pause_of(), value=1))
    words = [Confirmation(OWNERS[n], signature(n, twin.transaction.hash)) for n in (0, 1)]
    assert not await bench.carrying.execute(twin, words, STATE, BLOCK)
    later = replace(bench.proposed, transaction=pause_of(8))
    words = [Confirmation(OWNERS[n], signature(n, later.transaction.hash)) for n in (0, 1)]
    assert await bench.carrying.execute(later, words, STATE, BLOCK)
    await bench.clock.advance(AGAIN_MS)
    assert await bench.execute(), "a reorganisation took it back"


async def test_failed_and_not_wanted_any_more__the_fault_ends() -> None:
    bench = Bench()
    await bench.execute()
    bench.ended(OutcomeKind.REVERTED)
    bench.carrying.rest()
    assert bench.faults.current == ()
