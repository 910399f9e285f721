"""The story: what is said when, whatever order the keeper's events come in."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from keeper.app.cli.output import Output
from keeper.app.demo.story import Story
from keeper.devnet.scenarios import divergence
from keeper.domain.decision import DecisionKind
from keeper.domain.intent import Intent, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.verdict import RuleState, Verdict
from keeper.execution.work import Work
from tests.support.demo_market import MARKET, verdicts

pytestmark = pytest.mark.unit


class Told:
    """A story and what it has said so far."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.story = Story(Output(_console=Console(file=self._file, width=80, soft_wrap=True)))
        self.story.rules([MARKET])

    def lines(self) -> list[str]:
        return self._file.getvalue().splitlines()

    def marks(self) -> list[str]:
        """The words of the events, in order."""
        return [line[8:17].strip() for line in self.lines() if line.startswith(" " * 8) and line[8:9].strip()]

    def tick(self, block: int, judged: list[Verdict], acted: str = "") -> None:
        decisions = [
            SimpleNamespace(
                id=acted, kind=DecisionKind.ACT, action="pause-market", market="ETH-PERP", verdict=judged[0]
            )
        ]
        tick = SimpleNamespace(
            block=SimpleNamespace(number=block),
            observations=[],
            verdicts=judged,
            decisions=decisions if acted else [],
        )
        self.story.ticked(cast(Any, tick))


def work(name: str = "i1") -> Work:
    intent = Intent(
        id=name,
        market="ETH-PERP",
        action="pause-market",
        incident="ETH-PERP@14",
        state=IntentState.SUBMITTED,
        created_ms=0,
        expires_ms=60_000,
        to="0x" + "11" * 20,
        data="0x",
        effect_before="false",
    )
    marks = {"head": 100.0, "decided": 102.0, "intent_durable": 104.4, "signed": 106.0, "broadcast": 108.4}
    return Work(intent, None, marks)


def included() -> Outcome:
    return Outcome(
        OutcomeKind.INCLUDED,
        Reason.EFFECT_VERIFIED,
        "paused(bytes32)(bool) is true at block 15",
        tx_hash="0x" + "ab" * 32,
        block=15,
    )


def in_state(judged: list[Verdict], state: RuleState) -> list[Verdict]:
    return [replace(judged[0], state=state), *judged[1:]]


def test_scenario__before_the_first_block__states_every_rule_in_words() -> None:
    told = Told()
    told.story.scenario(divergence(1))
    text = "\n".join(told.lines())
    assert "oracle-divergence  oracle-spot gap above 2 % for 2 blocks: pause-market" in text
    assert "volatility-high    swings of spot in 3.2 s above 0.5 %: pause-market" in text
    assert "volatility-extreme swings of spot in 3.2 s above 7 %: pause-market" in text
    assert text.index("above 7 %") < text.index("block ")
    assert max(map(len, told.lines())) < 80


def test_ticked__each_rule__is_told_once_when_it_is_beyond_and_once_when_it_trips() -> None:
    told = Told()
    beyond = verdicts(0.0592, 0.0)
    told.tick(12, verdicts(0.0, 0.0))
    told.tick(13, in_state(beyond, RuleState.PENDING))
    told.tick(14, in_state(beyond, RuleState.TRIPPED))
    told.tick(15, in_state(beyond, RuleState.CLEARING))
    told.tick(16, in_state(beyond, RuleState.TRIPPED))
    text = [line.strip() for line in told.lines()]
    assert [line for line in text if not line[:1].isdigit()] == [
        "beyond    oracle-divergence: 5.92 % is above 2 %, not yet for 2 blocks",
        "TRIPPED   ETH-PERP oracle-divergence: 5.92 % is above 2 % for 2 blocks",
    ]


def test_ticked__second_rule_of_an_incident__has_a_line_of_its_own() -> None:
    told = Told()
    told.tick(15, verdicts(0.0, 0.0141))
    told.tick(19, verdicts(0.0, 0.1242))
    tripped = [line for line in told.lines() if "TRIPPED" in line]
    assert len(tripped) == 2
    assert tripped[0].endswith("ETH-PERP volatility-high: 1.41 % is above 0.5 %")
    assert tripped[1].endswith("ETH-PERP volatility-extreme: 12.42 % is above 7 %")


def test_sent__before_the_tick_was_told__comes_right_after_its_decision() -> None:
    told = Told()
    told.story.sent(work())
    assert told.lines() == []
    told.tick(14, verdicts(0.0592, 0.0), acted="i1")
    assert told.marks() == ["TRIPPED", "decided", "sent"]
    assert told.lines()[-1].endswith("8.4 ms after the block: decided 2, on disk 4, signed 6")
    assert told.story.in_flight
    told.story.ended(work(), included())
    assert told.marks() == ["TRIPPED", "decided", "sent", "mined", "read back"]
    assert not told.story.in_flight


def test_ended__before_the_tick_was_told__leaves_nothing_in_flight() -> None:
    told = Told()
    refusal = Outcome(OutcomeKind.FAILED, Reason.SIMULATION_REVERTED, "the call would revert")
    told.story.ended(work(), refusal)
    told.tick(14, verdicts(0.0592, 0.0), acted="i1")
    assert told.marks() == ["TRIPPED", "decided", "failed"]
    assert not told.story.in_flight


def test_next_steps__commands_of_several_lines__are_indented_and_numbered() -> None:
    told = Told()
    told.story.next_steps("Try next:", [("One:", "a \\\n  b"), ("Two:", "c")])
    assert told.lines() == ["", "Try next:", "  1. One:", "    a \\", "      b", "  2. Two:", "    c"]


def test_sent__to_builders_and_then_publicly__the_fallback_is_told_once() -> None:
    told = Told()
    judged = verdicts(0.0592, 0.0)
    told.tick(15, judged, acted="i1")
    going = work()
    going.trail.secretly = True
    told.story.sent(going)
    going.trail.public = True
    told.story.sent(going)
    told.story.sent(going)
    text = "\n".join(told.lines())
    assert told.marks()[-3:] == ["sent", "FALLBACK", "sent"]
    assert (text.count("to builders alone"), text.count("no builder takes it")) == (1, 1)
    other = work("i2")
    told.tick(16, judged, acted="i2")
    other.trail.secretly = other.trail.public = True
    other.trail.taken.add("0x")
    told.story.sent(other)
    assert "no builder has put it into a block" in told.lines()[-2]
