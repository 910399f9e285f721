"""What the seeded runs are worth: every fault and every step is drawn, and what must hold is really looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from keeper.domain.errors import InvalidTransition
from keeper.domain.record import GENESIS, Json, Record, RecordKind
from tests.support.chaos.checks import Aftermath, check_journal, check_secrecy
from tests.support.chaos.command import places_of, summary
from tests.support.chaos.ground import Ground
from tests.support.chaos.lottery import BAR_PERCENT, FALLBACK_AFTER, Figure, Trips, trips
from tests.support.chaos.play import MOST_OF_A_KIND, Played, few, place
from tests.support.chaos.scenario import OF_RELAYS, ROUTES, Fault, draw
from tests.support.chaos.series import Done

pytestmark = pytest.mark.chaos

STEPS = ["append tick", "sign", "append intent+attempt", "submit", "append broadcast", "append tick", "append outcome"]


def test_scenarios__of_five_hundred_seeds__have_every_fault_on_every_route() -> None:
    drawn = Counter((one.route, one.fault) for one in map(draw, range(500)))
    public = [fault for fault in Fault if fault not in OF_RELAYS]
    assert set(drawn) == {("public", each) for each in public} | {(r, each) for r in ROUTES[1:] for each in Fault}


def test_scenario__of_the_same_seed__is_the_same() -> None:
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]


def test_kills__of_one_route__reach_every_step_before_and_after() -> None:
    kills = [kill for seed in range(500) for kill in draw(seed, ("private",)).kills]
    met = {f"{step.when}:{step.name}:{step.nth}" for step in (place(few(STEPS), kill) for kill in kills)}
    assert met == places_of(STEPS)


def test_kills__of_a_step_that_comes_again_and_again__are_at_the_first_few() -> None:
    met = {place(few(["append tick"] * 100), kill / 1000).nth for kill in range(1000)}
    assert met == set(range(1, MOST_OF_A_KIND + 1))


def record(what: RecordKind, intent: str = "i-1", **body: Json) -> Record:
    return Record(1, "2026-03-10T12:00:00.000Z", what, "M", "pause", "M@1", intent, body, GENESIS, GENESIS)


INTENT, ATTEMPT = record(RecordKind.INTENT), record(RecordKind.ATTEMPT, tx_hash="0xaa")
SENT = record(RecordKind.BROADCAST, accepted=True, tx_hash="0xaa")
MINED, GONE = record(RecordKind.RECEIPT, tx_hash="0xaa"), record(RecordKind.RECEIPT, tx_hash="0xaa", gone=True)
ENDED = record(RecordKind.OUTCOME, kind="included")
FELL_BACK = record(
    RecordKind.BROADCAST, accepted=False, tx_hash="0xaa", block=7, fallback={"reason": "not-included", "blocks": 2}
)


def test_journal__that_goes_by_the_table__is_taken() -> None:
    check_journal([INTENT, ATTEMPT, SENT, MINED, GONE, SENT, MINED, ENDED])


@pytest.mark.parametrize(
    "records",
    [
        [INTENT, MINED],
        [INTENT, ATTEMPT, MINED, ATTEMPT],
        [INTENT, ATTEMPT, MINED, ENDED, SENT],
        [INTENT, ATTEMPT, GONE],
    ],
    ids=["mined unsigned", "signed when mined", "sent when done", "gone before it came"],
)
def test_journal__with_a_step_that_the_table_does_not_have__is_refused(records: list[Record]) -> None:
    with pytest.raises(InvalidTransition):
        check_journal(records)


@pytest.mark.parametrize(
    "records",
    [[INTENT], [INTENT, record(RecordKind.INTENT, "i-2"), ENDED, record(RecordKind.OUTCOME, "i-2")]],
    ids=["open at the end", "two at once"],
)
def test_journal__with_intents_that_do_not_end_or_overlap__is_refused(records: list[Record]) -> None:
    with pytest.raises(AssertionError):
        check_journal(records)


def test_secrecy__public_after_the_word_of_it__holds() -> None:
    check_secrecy([INTENT, ATTEMPT, FELL_BACK], [("0xaa", 7)], public_after=2)


@pytest.mark.parametrize(
    ("records", "block", "public_after"),
    [
        ([INTENT, ATTEMPT], 7, 2),
        ([INTENT, ATTEMPT, FELL_BACK], 6, 2),
        ([INTENT, ATTEMPT, FELL_BACK], 7, 3),
        ([INTENT, ATTEMPT, FELL_BACK], 7, None),
    ],
    ids=["without a word", "before it", "too early", "although never"],
)
def test_secrecy__public_before_that__is_found(records: list[Record], block: int, public_after: int | None) -> None:
    with pytest.raises(AssertionError, match=r"public|early|for ever"):
        check_secrecy(records, [("0xaa", block)], public_after=public_after)


def test_aftermath__of_a_failure_that_nobody_was_told_of__is_refused(tmp_path: Path) -> None:
    after = Aftermath(cast(Ground, None), tmp_path, "", 1, hopeless=True)
    failed = replace(ENDED, body={"kind": "failed", "reason": "missing-role", "message": ""})
    with pytest.raises(AssertionError, match="nobody was paged"):
        after.check_told([INTENT, failed], [])
    (tmp_path / "pages").write_text('{"key": "outcome/i-1", "severity": "critical", "title": "failed"}\n', "utf-8")
    after.check_told([INTENT, failed], [])


def test_aftermath__of_an_action_that_came_to_nothing__is_refused(tmp_path: Path) -> None:
    after = Aftermath(cast(Ground, None), tmp_path, "", 1)
    failed = replace(ENDED, body={"kind": "expired", "reason": "expired", "message": "too late"})
    with pytest.raises(AssertionError, match="expired"):
        after.check_told([INTENT, failed], [])
    with pytest.raises(AssertionError, match="without end"):
        after.check_told([INTENT, record(RecordKind.INTENT, "i-2"), ENDED], [])
    with pytest.raises(AssertionError, match="not written down"):
        after.check_told([INTENT, ENDED], ["0xbb"])


def test_summary__of_some_runs__names_the_steps_that_nobody_was_killed_at() -> None:
    scenario = draw(1, ("public",))
    done = [
        Done(scenario, Played(killed=["before:sign:1"], end="included/effect-verified")),
        Done(scenario, problem="no"),
    ]
    told = summary(done, {("public", Fault.NONE): places_of(["sign", "submit"])})
    assert "1 of 2 runs held" in told
    assert "killed before and after steps of public: 1 of 4" in told
    assert "not at: after:sign, after:submit, before:submit" in told


async def test_lottery__at_the_documented_shares__is_within_two_blocks_with_fallback_after_one() -> None:
    told = await trips(7, 200)
    assert told.holds, str(told)
    assert told.fallback.blocks[1] == told.alone.blocks[1], "the same lotteries"
    assert told.alone.within(1) < BAR_PERCENT, "builders alone do not have every block"
    assert set(told.fallback.blocks) == {1, FALLBACK_AFTER + 1}


def test_lottery__below_the_bar__does_not_hold() -> None:
    short = Figure(100, Counter({1: 80, 2: 14, 3: 6}))
    enough = Figure(100, Counter({1: 80, 2: 15, 3: 5}))
    assert [Trips(1, each, short).holds for each in (short, enough)] == [False, True]
