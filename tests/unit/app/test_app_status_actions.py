"""What ``keeper status`` says of actions: armed only where a live keeper runs, the newest probe says so, and nobody switched it off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keeper.app.cli.output import Output
from keeper.app.cli.status_actions import Now, actions_in, documents, show
from keeper.app.readiness_book import ALONE, RESTATED_MS, ReadinessBook
from keeper.domain.block import BlockStamp
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.record import Draft, Record, RecordQuery
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

PAUSE, LIMIT = ("ETH-PERP", "pause"), ("ETH-PERP", "limit")
LIVE = Now("", True, ())
BLOCK = BlockStamp(7, "0x" + "07" * 32, "0x" + "06" * 32, 1_700_000_000, 90)


class Log:
    """Of a book; what is put gets a number and a time."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.probed: list[Sequence[ActionReadiness]] = []
        self.clock = ManualClock()
        self.book = ReadinessBook([PAUSE, LIMIT], self.clock, self.put, self.probed.append)

    def put(self, draft: Draft) -> None:
        seq = len(self.records) + 1
        at = f"2025-11-21T04:40:{seq:02}.000Z"
        self.records.append(Record(seq, at, draft.kind, draft.market, draft.action, None, None, draft.body, "", ""))

    def page(self, query: RecordQuery) -> list[Record]:
        return [one for one in reversed(self.records) if one.kind in query.kinds][: query.limit]

    def probe(self, block: int, **states: ReadinessState) -> None:
        for name, state in states.items():
            reason = "" if state is ReadinessState.READY else "missing-role"
            self.book.note(ActionReadiness("ETH-PERP", name, state, reason, f"it is {state}", "look", block))
        self.book.hand_out(replace(BLOCK, number=block))

    def shown(self, now: Now = LIVE, since: int = 0) -> dict[str, Any]:
        return {str(each["action"]): each for each in documents(actions_in(self.page, since), now)}


def test_book__nothing_changes__is_recorded_once_and_handed_out_each_time() -> None:
    log = Log()
    for block in (7, 8, 9):
        log.probe(block, pause=ReadinessState.READY, limit=ReadinessState.READY)
    assert [(one.action, one.body.get("armed")) for one in log.records] == [("pause", None), ("limit", None), (None, 2)]
    assert [[each.block for each in found] for found in log.probed] == [[7, 7], [8, 8], [9, 9]]
    log.clock.advance(RESTATED_MS)
    log.probe(30, pause=ReadinessState.READY, limit=ReadinessState.READY)
    assert log.records[-1].body == {"block": 30, "armed": 2, "actions": 2}
    shown = log.shown()["pause"]
    assert (shown["block"], shown["since"]) == (30, log.records[0].at)


def test_status__authority_is_lost__says_since_when_and_what_to_do() -> None:
    log = Log()
    log.probe(7, pause=ReadinessState.READY, limit=ReadinessState.READY)
    log.probe(9, pause=ReadinessState.NOT_READY)
    shown = log.shown()
    assert (shown["limit"]["armed"], shown["pause"]["armed"]) == (True, False)
    assert shown["pause"] == {
        "market": "ETH-PERP",
        "action": "pause",
        "state": "not-ready",
        "armed": False,
        "reason": "missing-role",
        "message": "it is not-ready",
        "remedy": "look",
        "since": log.records[-1].at,
        "block": 9,
    }


OFF = Intervention(InterventionKind.SWITCHED_OFF, 1, market="ETH-PERP", reason="maintenance")


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (LIVE, ""),
        (Now("stopped", True, ()), "stopped"),
        (Now("", False, ()), "shadow"),
        (Now("", True, (OFF,)), "switched-off"),
        (Now("", True, (replace(OFF, action="limit"),)), ""),
        (Now("", True, (replace(OFF, rule="divergence"),)), ""),
        (Now("", True, (replace(OFF, market="OTHER"),)), ""),
    ],
)
def test_status__an_action_that_would_work__is_armed_only_where_it_would_be_done(now: Now, reason: str) -> None:
    log = Log()
    log.probe(7, pause=ReadinessState.READY)
    found = log.shown(now)["pause"]
    assert (found["armed"], found["reason"]) == (not reason, reason)


@pytest.mark.parametrize("state", [each for each in ReadinessState if each not in ("ready", "shared")])
def test_status__any_other_state__is_not_armed(state: ReadinessState, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    log.probe(7, pause=state)
    assert not log.shown()["pause"]["armed"]
    show(Output(), [one for one in actions_in(log.page, 0) if one.found.action == "pause"], LIVE)
    assert capsys.readouterr().out.startswith(f"NOT ARMED: pause on ETH-PERP: it is {state}")


def test_status__the_node_went_away__nobody_knows_and_the_block_is_that_of_the_last_look() -> None:
    log = Log()
    log.probe(7, pause=ReadinessState.READY, limit=ReadinessState.READY)
    log.book.nobody_knows("unreachable", "no answer", "look at the node")
    found = log.shown()["pause"]
    assert (found["state"], found["armed"], found["block"]) == ("unknown", False, 7)


MANY = [(f"M{number:03}", "pause") for number in range(200)]


def test_book__the_node_goes_away_and_comes_back__is_one_record_each_for_200_markets() -> None:
    log = Log()
    log.book = ReadinessBook(MANY, log.clock, log.put, log.probed.append)

    def look(block: int, lost: int = 0) -> None:
        for number, (market, action) in enumerate(MANY):
            state, why = (ReadinessState.NOT_READY, "missing-role") if number < lost else (ReadinessState.READY, "")
            log.book.note(ActionReadiness(market, action, state, why, why, "", block))
        log.book.hand_out(replace(BLOCK, number=block))

    look(7)
    assert len(log.records) == 2
    for _ in range(3):
        log.book.nobody_knows("unreachable", "no answer", "look at the node")
    assert len(log.records) == 3
    away = documents(actions_in(log.page, 0), LIVE)
    assert {(str(one["state"]), one["block"], one["since"]) for one in away} == {("unknown", 7, log.records[-1].at)}
    look(9)
    look(10)
    assert len(log.records) == 4
    shown = documents(actions_in(log.page, 0), LIVE)
    assert [(one["market"], one["action"]) for one in shown] == MANY
    assert all(one["armed"] for one in shown)
    look(11, lost=ALONE)
    assert [one.market for one in log.records[4:]] == [market for market, _ in MANY[:ALONE]]
    assert sum(bool(one["armed"]) for one in documents(actions_in(log.page, 0), LIVE)) == 200 - ALONE


def test_status__what_an_earlier_run_found__is_not_shown() -> None:
    log = Log()
    log.probe(7, pause=ReadinessState.READY)
    assert log.shown(since=len(log.records) + 1) == {}


def test_status__no_keeper_runs__the_remedy_of_the_last_probe_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log()
    log.probe(7, pause=ReadinessState.NOT_READY)
    found = [replace(one, found=replace(one.found, remedy="mend it")) for one in actions_in(log.page, 0)]
    show(Output(), found, LIVE)
    assert "mend it" in capsys.readouterr().out
    show(Output(), found, Now("stopped", True, ()))
    assert "mend it" not in capsys.readouterr().out
