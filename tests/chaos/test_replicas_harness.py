"""What the seeded runs with replicas are worth: every fault is drawn for whom it can hit, and what must hold is really looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.record import GENESIS, Json, Record, RecordKind
from tests.support.keeper_stage import PAUSE_SELECTOR
from tests.support.replicas.checks import AMID, Mined, Seen, Takeover, problems, reigns_of, takeover
from tests.support.replicas.command import BAR_BLOCKS, all_held, figures, line, summary
from tests.support.replicas.play import Played
from tests.support.replicas.scenario import CUTS, Kind, Way, Whom, draw

pytestmark = pytest.mark.chaos

SCENARIOS = [draw(seed) for seed in range(300)]


# -- scenarios -----------------------------------------------------------------------------------------------------------------------


def test_scenario__of_the_same_seed__is_the_same() -> None:
    assert [draw(seed) for seed in range(300)] == SCENARIOS


def test_scenarios__of_twenty_four_seeds_that_follow_each_other__have_every_fault_for_leader_and_standby() -> None:
    for first in range(0, 240, 24):
        met = {(one.faults[0].kind, one.faults[0].whom) for one in SCENARIOS[first : first + 24]}
        assert met == {(kind, whom) for kind in Kind for whom in Whom}


def test_scenarios__cut_both_ways_and_each_alone() -> None:
    faults = [fault for one in SCENARIOS for fault in one.faults if fault.kind in CUTS]
    assert {fault.way for fault in faults} == set(Way)


def test_scenarios__begin_before_the_trip_in_the_midst_of_it_and_after_it() -> None:
    met = Counter("before" if at < 0 else "amidst" if at < 0.1 else "after" for at in _moments())
    assert min(met[when] for when in ("before", "amidst", "after")) > 30


def _moments() -> list[float]:
    return [one.faults[0].at_s for one in SCENARIOS]


def test_scenarios__that_kill_twice__start_both_again() -> None:
    twice = [one for one in SCENARIOS if sum(fault.kind is Kind.KILL for fault in one.faults) == 2]
    assert twice
    assert all(fault.length_s is not None for one in twice for fault in one.faults if fault.kind is Kind.KILL)


# -- the oracle ----------------------------------------------------------------------------------------------------------------------


def log(*told: tuple[RecordKind, str, str | None, dict[str, Json]]) -> list[Record]:
    """Records by kind, time, intent and body; the market is the intent's first word."""
    return [
        Record(seq, f"2026-03-10T12:00:{at}Z", kind, (intent or "").split("/")[0] or None, None, None, intent, body, GENESIS, GENESIS)
        for seq, (kind, at, intent, body) in enumerate(told, start=1)
    ]  # fmt: skip


def start(fence: int, at: str = "00.000", replica: str = "") -> tuple[RecordKind, str, None, dict[str, Json]]:
    return (RecordKind.START, at, None, {"replica": replica or "ab"[fence % 2], "fence": fence})


def tick(number: int, at: str = "00.000") -> tuple[RecordKind, str, None, dict[str, Json]]:
    return (RecordKind.TICK, at, None, {"block": {"number": number}})


def action(market: str, tx_hash: str) -> list[tuple[RecordKind, str, str, dict[str, Json]]]:
    steps: list[tuple[RecordKind, dict[str, Json]]] = [
        (RecordKind.INTENT, {}),
        (RecordKind.ATTEMPT, {"tx_hash": tx_hash}),
        (RecordKind.BROADCAST, {"accepted": True, "tx_hash": tx_hash}),
        (RecordKind.RECEIPT, {"tx_hash": tx_hash}),
        (RecordKind.OUTCOME, {"kind": "included", "reason": "effect-verified"}),
    ]
    return [(kind, "01.000", f"{market}/1", body) for kind, body in steps]


WHOLE = [start(1), tick(5), *action("ONE", "0xaa"), tick(6), start(2), tick(6), *action("TWO", "0xbb"), tick(7)]
ONE, TWO = Mined("0xaa", PAUSE_SELECTOR, "ONE", good=True), Mined("0xbb", PAUSE_SELECTOR, "TWO", good=True)
FINE = Seen(
    records=log(*WHOLE),
    mined=[ONE, TWO],
    waiting=[],
    paused={"ONE": True, "TWO": True, "REF": False},
    shocked=("ONE", "TWO"),
    codes={"a": 0, "b": None},
    replicas=True,
)


def test_oracle__of_a_run_in_which_everything_held__finds_nothing() -> None:
    assert problems(FINE) == []


AGAIN = [(kind, at, "TWO/2", body) for kind, at, _, body in action("TWO", "0xcc")]


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (replace(FINE, mined=[ONE]), "TWO: 0 transactions"),
        (replace(FINE, mined=[ONE, TWO, replace(TWO, tx_hash="0xcc")]), "TWO: 2 transactions"),
        (replace(FINE, mined=[ONE, TWO, replace(TWO, tx_hash="0xcc")]), "0xcc is in no record"),
        (replace(FINE, mined=[ONE, replace(TWO, good=False)]), "0xbb reverted"),
        (replace(FINE, mined=[ONE, TWO, Mined("0xdd", "0x12345678", "", good=True)]), "0xdd does something else"),
        (replace(FINE, mined=[ONE, TWO, replace(TWO, market="REF")]), "REF: 1 transactions"),
        (replace(FINE, paused=dict(FINE.paused) | {"TWO": False}), "TWO is not paused"),
        (replace(FINE, paused=dict(FINE.paused) | {"REF": True}), "REF is paused"),
        (replace(FINE, waiting=["0xee"]), "waits yet"),
        (replace(FINE, verified="record 3 was changed"), "record 3 was changed"),
        (replace(FINE, on_chain=["nonce 4 is nobody's"]), "nonce 4"),
        (replace(FINE, codes={"a": 1, "b": 0}), "a ended with 1"),
        (replace(FINE, codes={"a": -9, "b": 0}), "a ended with -9"),
        (replace(FINE, records=[one for one in FINE.records if one.seq != 9]), "a record is missing"),
        (replace(FINE, records=log(*WHOLE[:-2], WHOLE[-1])), "TWO: 1 intents and 0 ends"),
        (replace(FINE, records=log(*WHOLE, *AGAIN)), "TWO: 2 intents with a good end"),
        (replace(FINE, records=log(*WHOLE, *action("REF", "0xcc"))), "REF: 1 intents"),
        (replace(FINE, records=log(*WHOLE[:3], *WHOLE[4:])), "ONE: the journal went another way"),
        (replace(FINE, records=log(*WHOLE, start(2, replica="b"))), "the fences do not ascend"),
        (replace(FINE, records=log(*WHOLE, start(1))), "the fences do not ascend"),
        (replace(FINE, records=log(*WHOLE, (RecordKind.START, "00.000", None, {}))), "without a fence"),
        (replace(FINE, records=log(*WHOLE, tick(6))), "blocks were evaluated in the order"),
    ],
)  # fmt: skip
def test_oracle__of_a_run_that_was_falsified__says_what(seen: Seen, what: str) -> None:
    assert any(what in each for each in problems(seen)), problems(seen)


def test_oracle__of_one_keeper__asks_for_no_fence() -> None:
    alone = log(*[(kind, at, intent, {} if kind is RecordKind.START else body) for kind, at, intent, body in WHOLE])
    assert problems(replace(FINE, records=alone, replicas=False)) == []


# -- takeovers -----------------------------------------------------------------------------------------------------------------------


HIT_MS = 1_773_144_010_000
TAKEN = log(start(1, "05.000"), tick(5, "05.500"), start(2, "10.700"), tick(7, "11.200"), tick(8, "12.000"))


def test_takeover__is_from_the_hit_to_the_first_evaluated_block_of_another_reign() -> None:
    mined = [(HIT_MS - 500, 5), (HIT_MS, 6), (HIT_MS + 900, 7), (HIT_MS + 1_200, 8), (HIT_MS + 1_201, 9)]
    assert takeover(TAKEN, "kill -9", HIT_MS, mined) == Takeover("kill -9", 1_200, 2)


def test_takeover__without_another_reign_after_the_hit__is_none() -> None:
    assert takeover(TAKEN, "kill -9", HIT_MS + 701, []) is None
    assert takeover(TAKEN[:3], "kill -9", HIT_MS, []) is None


def test_reigns__have_their_blocks_and_first_times() -> None:
    assert [(one.fence, one.leader, one.blocks) for one in reigns_of(TAKEN)] == [(1, "b", (5,)), (2, "a", (7, 8))]


# -- the summary ---------------------------------------------------------------------------------------------------------------------


def played(blocks: int = 1, *, kind: str = Kind.KILL, problem: str = "") -> Played:
    return Played(
        draw(3), takeovers=[Takeover(kind, 700, blocks)], problems=[problem] if problem else [], folder=Path()
    )


@pytest.mark.parametrize(
    ("runs", "holds"),
    [
        ([played(BAR_BLOCKS)], True),
        ([played(), played(BAR_BLOCKS + 1)], False),
        ([played(BAR_BLOCKS + 1, kind=Kind.STOP)], True),
        ([played(BAR_BLOCKS + 1, kind=Kind.KILL + AMID)], True),
        ([played(), played(problem="x")], False),
    ],
    ids=["in time", "a death late", "frozen, not dead", "the database away too", "a problem"],
)
def test_series__holds_where_every_run_does_and_deaths_are_taken_over_in_time(runs: list[Played], holds: bool) -> None:
    assert all_held(runs) is holds
    assert ("FALLS SHORT" in summary(runs)) is (max(len(one.problems) for one in runs) == 0 and not holds)


def test_line__of_a_run_that_failed__says_the_seed_and_why() -> None:
    assert "FAILED" in line(1, 2, played(problem="two effects"))
    assert "seed 3" in line(1, 2, played(problem="two effects"))
    assert "two effects" in line(1, 2, played(problem="two effects"))


def test_figures__of_one_and_of_many() -> None:
    assert "p50 700 ms, p95 700 ms, max 700 ms" in figures([Takeover("x", 700, 1)])
    many = [Takeover("x", ms, 1) for ms in range(101)]
    assert "101 times, p50 50 ms, p95 95 ms, max 100 ms" in figures(many)


def test_oracle__the_leader_itself_begins_anew__is_no_problem() -> None:
    assert problems(replace(FINE, records=log(*WHOLE, start(2)))) == []
