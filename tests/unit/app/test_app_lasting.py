"""What was done is followed until its incident ends: in effect, taken back by somebody, or by a reorganisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from keeper.app.faults import Faults
from keeper.app.lasting import REORGANISED, Lasting
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentPhase
from keeper.domain.errors import Unreachable
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.verdict import Severity
from keeper.execution.planner import ArmedAction
from keeper.ports.notifier import Notice
from tests.support.execution_stage import adjust, pause
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

KEY = pause().key
PART = f"effect-lasts:{KEY[0]}/{KEY[1]}"
TX = "0x" + "ab" * 32
DONE_AT = 10


@dataclass
class Receipts:
    """``known`` False: the chain has no receipt."""

    known: bool = True
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def receipt(self, tx_hash: str) -> object | None:
        self.asked.append(tx_hash)
        if self.away:
            raise Unreachable("no answer")
        return object() if self.known else None


class Scene:
    def __init__(
        self, *, kind: OutcomeKind = OutcomeKind.INCLUDED, tx_hash: str | None = TX, armed: ArmedAction | None = None
    ) -> None:
        self.receipts = Receipts()
        self.notices: list[Notice] = []
        self.failed: list[tuple[str, str, str]] = []
        self.taken_back: list[tuple[str, str, str]] = []
        self.faults = Faults(ManualClock(), lambda _: None, self.notices.append)
        accounts: Any = self.receipts
        self.lasting = Lasting(
            accounts,
            {KEY: pause()},
            self.faults,
            lambda *what: self.failed.append(what),
            lambda *what: self.taken_back.append(what),
        )
        self.incident(IncidentPhase.OPENED)
        work: Any = type("W", (), {"key": KEY, "armed": armed})()
        block = DONE_AT if tx_hash else None
        self.lasting.ended(work, Outcome(kind, Reason.EFFECT_VERIFIED, "", tx_hash=tx_hash, block=block))

    async def block(self, number: int, effect: str | None) -> None:
        self.lasting.saw(
            BlockStamp(number, f"0x{number:064x}", f"0x{number - 1:064x}", number),
            {} if effect is None else {KEY: effect},
        )
        await self.lasting.look(number)

    @property
    def reasons(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}

    def incident(self, phase: IncidentPhase) -> None:
        event: Any = type("E", (), {"phase": phase, "market": KEY[0]})()
        self.lasting.incident(event)

    def over(self) -> None:
        self.incident(IncidentPhase.CLOSED)


@pytest.mark.parametrize(("now", "undone"), [("500", False), ("499", False), ("501", True)])
async def test_lasting__an_adjustment__is_held_against_the_value_that_it_came_to(now: str, undone: bool) -> None:
    scene = Scene(armed=adjust().at("1000"))
    await scene.block(DONE_AT, now)
    assert bool(scene.reasons) is undone


async def test_lasting__in_effect__asks_nothing_and_says_nothing() -> None:
    scene = Scene()
    for number in (DONE_AT, DONE_AT + 1):
        await scene.block(number, "true")
    assert (scene.receipts.asked, scene.reasons, scene.failed) == ([], {}, [])


async def test_lasting__taken_back_by_somebody__is_told_once_and_not_argued_with() -> None:
    scene = Scene()
    for number in range(DONE_AT + 1, DONE_AT + 4):
        await scene.block(number, "false")
    assert scene.reasons == {PART: "taken-back"}
    assert scene.failed == []
    assert scene.taken_back == [(*KEY, f"pause was taken back, as block {DONE_AT + 1} shows")]
    assert [notice.severity for notice in scene.notices] == [Severity.WARNING]
    assert "paused()(bool)" in scene.notices[0].body
    await scene.block(DONE_AT + 4, "true")
    assert scene.reasons == {}
    await scene.block(DONE_AT + 5, "false")
    assert len(scene.taken_back) == 2


async def test_lasting__taken_back_by_a_reorganisation__is_decided_anew_once() -> None:
    scene = Scene()
    scene.receipts.known = False
    for number in range(DONE_AT, DONE_AT + 3):
        await scene.block(number, "false")
    assert (scene.failed, scene.taken_back) == ([(*KEY, REORGANISED)], [])
    assert scene.reasons == {PART: REORGANISED}
    assert [notice.severity for notice in scene.notices] == [Severity.CRITICAL]
    assert TX in scene.notices[0].body


async def test_lasting__done_again_after_a_reorganisation__is_up_again() -> None:
    scene = Scene()
    scene.receipts.known = False
    await scene.block(DONE_AT, "false")
    work: Any = type("W", (), {"key": KEY, "armed": None})()
    scene.lasting.ended(work, Outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED, "", tx_hash=TX, block=DONE_AT + 2))
    await scene.block(DONE_AT + 2, "true")
    assert scene.reasons == {}


@pytest.mark.parametrize("effect", ["false", None])
async def test_lasting__a_block_before_it_was_done_or_a_view_without_answer__says_nothing(effect: str | None) -> None:
    scene = Scene()
    await scene.block(DONE_AT - 1 if effect else DONE_AT + 1, effect)
    assert scene.reasons == {}


async def test_lasting__somebody_else_had_done_it__has_no_transaction_to_look_for() -> None:
    scene = Scene(kind=OutcomeKind.SUPERSEDED, tx_hash=None)
    await scene.block(DONE_AT, "false")
    assert scene.receipts.asked == []
    assert scene.reasons == {PART: "taken-back"}


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.REVERTED, OutcomeKind.EXPIRED, OutcomeKind.DRY_RUN])
async def test_lasting__what_did_not_work__is_not_followed(kind: OutcomeKind) -> None:
    scene = Scene(kind=kind)
    await scene.block(DONE_AT + 1, "false")
    assert scene.reasons == {}


async def test_lasting__node_is_away__is_found_out_later() -> None:
    scene = Scene()
    scene.receipts.away = True
    with pytest.raises(Unreachable):
        await scene.block(DONE_AT + 1, "false")
    assert scene.reasons == {}
    scene.receipts.away = False
    await scene.lasting.look(DONE_AT + 1)
    assert scene.reasons == {PART: "taken-back"}


async def test_lasting__ended_at_the_breaker__was_taken_back_by_nobody() -> None:
    scene = Scene()
    scene.lasting.run_out(KEY)
    await scene.block(DONE_AT + 1, "false")
    assert (scene.reasons, scene.taken_back, scene.receipts.asked) == ({}, [], [])


async def test_lasting__ended_at_the_breaker_after_it_was_told__is_down_no_more() -> None:
    scene = Scene()
    await scene.block(DONE_AT + 1, "false")
    scene.lasting.run_out(KEY)
    assert scene.reasons == {}


async def test_lasting__a_block_after_the_one_that_is_asked_about__waits_for_its_turn() -> None:
    scene = Scene()
    for number in (DONE_AT + 1, DONE_AT + 2):
        scene.lasting.saw(BlockStamp(number, f"0x{number:064x}", "0x", number), {KEY: "false"})
    await scene.lasting.look(DONE_AT)
    assert scene.reasons == {}
    await scene.lasting.look(DONE_AT + 1)
    assert scene.reasons == {PART: "taken-back"}


@pytest.mark.parametrize("known", [True, False])
async def test_lasting__the_incident_is_over__nothing_is_down_any_more(known: bool) -> None:
    scene = Scene()
    scene.receipts.known = known
    await scene.block(DONE_AT + 1, "false")
    assert scene.reasons
    scene.over()
    assert scene.reasons == {}
    await scene.block(DONE_AT + 2, "false")
    assert scene.reasons == {}


@pytest.mark.parametrize("known", [True, False])
async def test_lasting__the_incident_ends_while_the_node_is_asked__nothing_more_is_said(known: bool) -> None:
    scene = Scene()
    scene.receipts.known = known
    answer = scene.receipts.receipt

    async def slow(tx_hash: str) -> object | None:
        scene.over()
        return await answer(tx_hash)

    scene.receipts.receipt = slow  # type: ignore[method-assign]
    await scene.block(DONE_AT + 1, "false")
    assert (scene.reasons, scene.failed) == ({}, [])


async def test_lasting__ended_after_its_incident__is_not_followed() -> None:
    scene = Scene()
    scene.over()
    work: Any = type("W", (), {"key": KEY, "armed": None})()
    scene.lasting.ended(work, Outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED, "", tx_hash=TX, block=DONE_AT))
    await scene.block(DONE_AT + 1, "false")
    assert scene.reasons == {}
