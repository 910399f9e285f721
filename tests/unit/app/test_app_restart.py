"""What a keeper goes on from: which records it takes up, and why it takes up none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app import earlier, records
from keeper.app.acting import _incident_draft
from keeper.app.remembering import EVERY_MS, EVERY_TICKS, Remembering
from keeper.app.restart import Forgot, TakenUp, take_up
from keeper.decisions.standing import Phase, Standing
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import Draft, RecordKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.units import Span
from keeper.engine.engine import EngineState, compile_engine
from keeper.engine.evidence import decision_body, tick_body
from keeper.engine.recorded import inputs_body
from keeper.engine.tick import Tick
from tests.support.engine_world import market, rule, snapshot, spec, volatility

pytestmark = pytest.mark.unit

ENGINE = compile_engine(
    spec(
        markets=[
            market(signals=(volatility(),), rules=(rule("wild", "vol", hold=Span(blocks=2)),)),
        ]
    )
)
ME, OTHER = "0xme", "0xother"
PAUSE = ("M", "pause")


class Life:
    """A keeper's log as the service writes it, without a service."""

    def __init__(self) -> None:
        self.store = MemoryAuditStore()
        self.state: EngineState = ENGINE.initial_state()
        self.block = 100
        self.last: Snapshot | None = None

    async def start(self, bound_to: str = ME) -> TakenUp:
        taken = await take_up(self.store, ENGINE, bound_to)
        self.state = taken.state
        body = taken.body(bound_to)
        await self.store.append([records.start(0, name="n", mode="live", chain_id=1, sender=None, state=body)])
        return taken

    async def ticks(self, count: int, price: str = "100", *, recorded: bool = True) -> list[Tick]:
        found = []
        for _ in range(count):
            self.block += 1
            shot = snapshot(self.block, {"oracle": "100", "spot": price if self.block % 2 else "100"})
            self.state, tick = ENGINE.tick(self.state, shot)
            found.append(tick)
            await self.store.append([_incident_draft(event) for event in tick.incidents])
            await self.store.append(
                [Draft(RecordKind.DECISION, decision_body(one), tick.at_ms, market="M") for one in tick.decisions]
            )
            if recorded:
                await self.store.append([Draft(RecordKind.TICK, tick_body(tick) | inputs_body(shot), tick.at_ms)])
        return found

    async def save(self, tick: Tick, bound_to: str = ME, **other: Any) -> None:
        body: dict[str, Any] = {
            "for": bound_to,
            "block": tick.block.hash,
            "number": 1,
            "memento": ENGINE.save(self.state).body(),
        }
        await self.store.append([Draft(RecordKind.STATE, body | other, tick.at_ms)])

    def same(self, taken: TakenUp) -> bool:
        return ENGINE.save(taken.state).body() == ENGINE.save(self.state).body()


async def kinds(life: Life, *wanted: RecordKind) -> int:
    from keeper.domain.record import RecordQuery

    return len(await life.store.page(RecordQuery(kinds=wanted, limit=1_000)))


async def test_take_up__first_start__is_nothing_and_no_trouble() -> None:
    taken = await Life().start()
    assert (taken.restored, taken.forgot) == (None, Forgot.FIRST_START)


async def test_take_up__ticks_without_a_state__are_all_decided_again() -> None:
    life = Life()
    await life.start()
    await life.ticks(9, "110")
    before, taken = life.state, await life.start()
    assert ENGINE.save(taken.state).body() == ENGINE.save(before).body()
    assert taken.restored is not None
    assert (taken.restored["from"], taken.restored["ticks"]) == ("start", 9)


@pytest.mark.parametrize("late", [0, 1, 3])
async def test_take_up__state_written_after_later_ticks__is_of_its_own_tick(late: int) -> None:
    life = Life()
    await life.start()
    (*_, tick) = await life.ticks(5, "110")
    body: dict[str, Any] = {"for": ME, "block": tick.block.hash, "number": 1, "memento": ENGINE.save(life.state).body()}
    await life.ticks(late, "110")
    await life.store.append([Draft(RecordKind.STATE, body, tick.at_ms)])
    await life.ticks(2, "110")
    before, taken = life.state, await life.start()
    assert ENGINE.save(taken.state).body() == ENGINE.save(before).body()
    assert taken.restored is not None
    assert (taken.restored["from"], taken.restored["ticks"]) == ("state", late + 2)


async def test_take_up__again_and_again__goes_on_through_every_start() -> None:
    life = Life()
    await life.start()
    (*_, tick) = await life.ticks(4, "110")
    await life.save(tick)
    for _ in range(3):
        await life.ticks(1, "110")
        before, taken = life.state, await life.start()
        assert ENGINE.save(taken.state).body() == ENGINE.save(before).body()
        assert taken.restored is not None


async def test_take_up__last_run_of_another_configuration__is_nothing_even_with_an_older_state_of_this_one() -> None:
    life = Life()
    await life.start()
    (*_, tick) = await life.ticks(4)
    await life.save(tick)
    await life.start(OTHER)
    await life.ticks(2)
    taken = await life.start(ME)
    assert (taken.restored, taken.forgot) == (None, Forgot.OTHER_CONFIGURATION)


@pytest.mark.parametrize(
    "spoiled", [{"memento": None}, {"memento": {"version": "1"}}, {"block": "0xelse"}, {"block": None}, {"for": OTHER}]
)
async def test_take_up__state_that_is_none__is_passed_over(spoiled: dict[str, Any]) -> None:
    life = Life()
    await life.start()
    (*_, tick) = await life.ticks(4, "110")
    await life.save(tick, **spoiled)
    before, taken = life.state, await life.start()
    assert taken.restored is not None
    assert taken.restored["from"] == "start"
    assert ENGINE.save(taken.state).body() == ENGINE.save(before).body()


async def test_take_up__no_block_was_evaluated__says_so() -> None:
    life = Life()
    await life.start()
    assert (await life.start()).forgot is Forgot.NO_TICKS


async def test_take_up__a_tick_that_comes_out_differently__takes_up_nothing() -> None:
    life = Life()
    await life.start()
    await life.ticks(3, "110")
    life.block += 1
    shot = snapshot(life.block, {"oracle": "100", "spot": "100"})
    _, tick = ENGINE.tick(life.state, shot)
    wrong = tick_body(tick) | {"breakers": {"M": "locked"}}
    await life.store.append([Draft(RecordKind.TICK, wrong, tick.at_ms)])
    assert (await life.start()).forgot is Forgot.DIFFERS


async def test_take_up__a_tick_that_is_none__takes_up_nothing() -> None:
    life = Life()
    await life.start()
    await life.ticks(3)
    await life.store.append([Draft(RecordKind.TICK, {"block": 5}, 10**12)])
    assert (await life.start()).forgot is Forgot.UNREADABLE


async def test_take_up__decided_without_a_tick__is_recalled_with_its_incident() -> None:
    life = Life()
    await life.start()
    await life.ticks(4)
    while not await kinds(life, RecordKind.INCIDENT):
        lost = await life.ticks(1, "130", recorded=False)
        if not lost[0].incidents:
            shot = snapshot(life.block, {"oracle": "100", "spot": "130" if life.block % 2 else "100"})
            await life.store.append([Draft(RecordKind.TICK, tick_body(lost[0]) | inputs_body(shot), lost[0].at_ms)])
    before, taken = life.state, await life.start()
    assert taken.restored is not None
    assert ENGINE.open_incidents(taken.state) == ENGINE.open_incidents(before) == {"M": f"M@{life.block}"}
    assert ENGINE.standings(taken.state) == ENGINE.standings(before)
    again = await life.ticks(1, "130")
    assert [event.id for event in again[0].incidents] == []
    assert [one.kind for one in again[0].decisions if one.kind == "act"] == []


def states(put: Sequence[Draft]) -> int:
    return sum(draft.kind is RecordKind.STATE for draft in put)


async def test_remembering__every_so_many_ticks_or_minutes__and_at_the_end() -> None:
    put: list[Draft] = []
    remembering = Remembering(ENGINE, ME, lambda draft, _: put.append(draft))
    remembering.fed(EVERY_TICKS - 3)
    state = ENGINE.initial_state()
    for block in range(1, 3):
        remembering.begins()
        state, tick = ENGINE.tick(state, snapshot(block, {"spot": "100"}))
        remembering.ticked(state, tick)
    await remembering.finish(state)
    assert states(put) == 1, "at the end, not after 99 ticks"
    remembering = Remembering(ENGINE, ME, lambda draft, _: put.append(draft))
    remembering.fed(EVERY_TICKS - 1)
    remembering.begins()
    state, tick = ENGINE.tick(state, snapshot(3, {"spot": "100"}))
    remembering.ticked(state, tick)
    await remembering.finish(state)
    assert states(put) == 2, "after 100 ticks, and nothing new at the end"
    remembering = Remembering(ENGINE, ME, lambda draft, _: put.append(draft))
    for at_ms in (10**9, 10**9 + EVERY_MS - 1, 10**9 + EVERY_MS):
        remembering.begins()
        state, tick = ENGINE.tick(state, snapshot(4, {"spot": "100"}, at_ms))
        remembering.ticked(state, tick)
    remembering.begins()
    await remembering.finish(state)
    assert states(put) == 3, "after ten minutes; not while a tick is not recorded"


STANDINGS = {PAUSE: Standing(Phase.IN_FLIGHT, "M@1", 5_000)}


@pytest.mark.parametrize("at_ms", [4_999, 5_000])
async def test_endings__ended_meanwhile__is_told_once_and_only_what_ended_after_it_was_decided(at_ms: int) -> None:
    store = MemoryAuditStore()
    body: dict[str, Any] = {"kind": "included", "reason": "effect-verified"}
    await store.append([Draft(RecordKind.OUTCOME, body, at_ms, market="M", action="pause")])
    told = await earlier.endings(store, STANDINGS, [], 9_000)
    ended = ActionOutcome(*PAUSE, OutcomeKind.INCLUDED, "effect-verified", at_ms)
    never = ActionOutcome(*PAUSE, OutcomeKind.FAILED, "not-carried-out", 9_000)
    assert told == [ended if at_ms >= 5_000 else never]
    worked = {PAUSE: replace(STANDINGS[PAUSE], phase=Phase.WORKED)}
    assert await earlier.endings(store, worked, [], 9_000) == []
