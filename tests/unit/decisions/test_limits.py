"""What bounds an action besides people: the ladder, the rules that must agree, the budgets; and alerts, which nothing bounds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.decisions.budget import DAY_MS
from keeper.decisions.desk import DeskRule, Resolution
from keeper.decisions.ladder import RUNGS
from keeper.decisions.spec import ActionPolicy, Limits
from keeper.domain.action import ASKED_FOR, ActionKind
from keeper.domain.outcome import OutcomeKind
from keeper.domain.verdict import Severity
from tests.support.engine_world import outcome
from tests.support.office import Office, off, taken_back

pytestmark = pytest.mark.unit

ADJUST, LIMIT, PAUSE, ALL = ActionKind.ADJUST, ActionKind.RATE_LIMIT, ActionKind.PAUSE, ActionKind.PAUSE_ALL
LADDER = [ADJUST, LIMIT, PAUSE, ALL]
BY_KIND = [ActionPolicy(str(kind), kind, 60_000, 24_000) for kind in LADDER]
DONE = OutcomeKind.INCLUDED


def said(resolution: Resolution) -> list[tuple[str, str, str]]:
    return [(one.action, str(one.kind), str(one.reason)) for one in resolution.decisions]


def rules(*actions: Sequence[str], severity: Severity = Severity.CRITICAL, market: int = 0) -> list[DeskRule]:
    return [DeskRule(f"r{place}", market, severity, tuple(each)) for place, each in enumerate(actions)]


# --- the ladder


def test_ladder__every_kind_of_action__has_a_rung_in_order() -> None:
    assert sorted(RUNGS, key=lambda kind: RUNGS[kind]) == LADDER
    assert RUNGS.keys() == ASKED_FOR


@pytest.mark.parametrize("done", LADDER)
@pytest.mark.parametrize("asked", LADDER)
def test_ladder__after_one_worked__the_stronger_act_and_the_weaker_are_declined(
    done: ActionKind, asked: ActionKind
) -> None:
    office = Office(*rules([str(done)], [str(asked)]), policies=BY_KIND)
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(DONE, 2_000, str(done))])
    answers = said(office.tick("tripped", "tripped", block=3))
    expected = {
        -1: ("act", "tripped"),
        0: ("declined", "already-done"),
        1: ("declined", "stronger-in-effect"),
    }[(RUNGS[done] > RUNGS[asked]) - (RUNGS[done] < RUNGS[asked])]
    assert answers == [(str(asked), *expected)]


def test_ladder__stronger_in_flight_or_failed__the_weaker_acts_as_well() -> None:
    office = Office(*rules(["pause"], ["rate-limit"]), policies=BY_KIND)
    office.tick("tripped", "clear", block=1)
    assert ("rate-limit", "act", "tripped") in said(office.tick("tripped", "tripped", block=2))
    failed = Office(*rules(["pause"], ["rate-limit"]), policies=BY_KIND)
    failed.tick("tripped", "clear", block=1)
    resolution = failed.tick("tripped", "tripped", block=2, outcomes=[outcome(OutcomeKind.FAILED, 2_000, "pause")])
    assert ("rate-limit", "act", "tripped") in said(resolution)


def test_ladder__stronger_worked_in_an_earlier_incident__the_weaker_acts() -> None:
    office = Office(*rules(["pause"], ["rate-limit"]), policies=BY_KIND)
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(DONE, 2_000)])
    office.tick("clear", "clear", block=3)
    assert said(office.tick("clear", "tripped", block=4)) == [("rate-limit", "act", "tripped")]


def test_ladder__stronger_was_taken_back__is_in_effect_no_more() -> None:
    office = Office(*rules(["pause"], ["rate-limit"]), policies=BY_KIND)
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(DONE, 2_000)], interventions=[taken_back(2_000)])
    assert ("rate-limit", "act", "tripped") in said(office.tick("tripped", "tripped", block=3))


def test_ladder__pause_all_on_another_market__keeps_no_market_from_its_pause() -> None:
    office = Office(*rules(["pause-all"]), *rules(["pause"], market=1), markets=("M", "N"), policies=BY_KIND)
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(DONE, 2_000, "pause-all")])
    assert said(office.tick("tripped", "tripped", block=3)) == [("pause", "act", "tripped")]


def test_ladder__observed_rule__opens_an_incident_and_asks_for_nothing() -> None:
    resolution = Office(*rules([], severity=Severity.INFO)).tick("tripped", block=1)
    assert (len(resolution.incidents), resolution.decisions) == (1, ())


# --- alerts


def test_alert__rule_trips__is_told_once_in_an_incident() -> None:
    office = Office(*rules(["alert"], ["pause"]))
    assert said(office.tick("tripped", "tripped", block=1)) == [
        ("alert", "alert", "tripped"),
        ("pause", "act", "tripped"),
    ]
    again = office.tick("tripped", "clear", block=2)
    assert said(again) == [("alert", "declined", "already-done")]
    assert again.counts["declined:already-done"] == 1
    office.tick("clear", "tripped", block=3)
    assert ("alert", "alert", "tripped") not in said(office.tick("tripped", "tripped", block=4))
    office.tick("clear", "clear", block=5)
    assert said(office.tick("tripped", "clear", block=6)) == [("alert", "alert", "tripped")]


def test_alert__two_rules__each_is_told() -> None:
    resolution = Office(*rules(["alert"], ["alert"])).tick("tripped", "tripped", block=1)
    assert said(resolution) == [("alert", "alert", "tripped")] * 2
    assert resolution.counts["alert:tripped"] == 2
    assert len({one.id for one in resolution.decisions}) == 2


def test_alert__budget_spent_and_market_paused__is_told_all_the_same() -> None:
    office = Office(*rules(["pause"], ["alert"]), limits=Limits(actions_per_day=1))
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(DONE, 2_000)])
    assert said(office.tick("tripped", "tripped", block=3)) == [("alert", "alert", "tripped")]


# --- several rules


def several(needs: int, *words: str, switch: str = "") -> list[tuple[str, str, str]]:
    pause = ActionPolicy("pause", PAUSE, 60_000, 24_000, needs_rules=needs)
    office = Office(*rules(["pause"], ["pause"], []), policies=[pause])
    return said(office.tick(*words, block=1, interventions=[off(rule=switch)] if switch else []))


def test_needs_rules__both_sides__of_the_number() -> None:
    asks = ("pause", "act", "tripped")
    alone = ("pause", "declined", "no-rule-quorum")
    assert several(2, "tripped", "clear", "tripped") == [alone]
    assert several(2, "tripped", "tripped", "clear") == [asks, ("pause", "declined", "already-in-flight")]
    assert several(3, "tripped", "tripped", "tripped") == [alone, alone]
    assert several(1, "tripped", "clear", "clear") == [asks]


def test_needs_rules__one_of_them_switched_off__does_not_count() -> None:
    assert several(2, "tripped", "tripped", "clear", switch="r1") == [
        ("pause", "declined", "no-rule-quorum"),
        ("pause", "declined", "switched-off"),
    ]


def test_needs_rules__other_market__does_not_count() -> None:
    pause = ActionPolicy("pause", PAUSE, 60_000, 24_000, needs_rules=2)
    office = Office(*rules(["pause"]), *rules(["pause"], market=1), markets=("M", "N"), policies=[pause])
    assert said(office.tick("tripped", "tripped", block=1)) == [("pause", "declined", "no-rule-quorum")] * 2


def test_needs_rules__second_one_trips_later__acts_then() -> None:
    pause = ActionPolicy("pause", PAUSE, 60_000, 24_000, needs_rules=2)
    office = Office(*rules(["pause"], ["pause"]), policies=[pause])
    assert said(office.tick("tripped", "clear", block=1)) == [("pause", "declined", "no-rule-quorum")]
    assert office.tick("tripped", "clear", block=2).counts["declined:no-rule-quorum"] == 1
    assert ("pause", "act", "tripped") in said(office.tick("tripped", "tripped", block=3))


# --- budgets


def spend(office: Office, market: int, at_ms: int, block: int) -> list[tuple[str, str, str]]:
    """One incident of one market: asks, fails for good, and clears."""
    words = ["clear", "clear"]
    words[market] = "tripped"
    answers = said(office.tick(*words, block=block, at_ms=at_ms))
    told = outcome(OutcomeKind.INCLUDED, at_ms, "rate-limit", "MN"[market])
    office.tick("clear", "clear", block=block, at_ms=at_ms, outcomes=[told])
    return answers


def two_markets(limits: Limits, kind: str = "rate-limit", severity: Severity = Severity.CRITICAL) -> Office:
    policies = [ActionPolicy(str(each), each, 0, 0) for each in LADDER]
    both = [*rules([kind], severity=severity), *rules([kind], severity=severity, market=1)]
    return Office(*both, markets=("M", "N"), policies=policies, limits=limits)


ACTS, HELD = [("rate-limit", "act", "tripped")], [("rate-limit", "declined", "budget")]


def test_budget__all_markets_together__both_sides_of_the_number() -> None:
    office = two_markets(Limits(actions_per_day=2))
    assert [spend(office, market, 1_000 * turn, turn) for turn, market in enumerate([0, 1, 0, 1])] == [
        ACTS,
        ACTS,
        HELD,
        HELD,
    ]


def test_budget__per_market__leaves_the_other_alone() -> None:
    office = two_markets(Limits(actions_per_market_per_day=1))
    assert [spend(office, market, 1_000 * turn, turn) for turn, market in enumerate([0, 0, 1, 1])] == [
        ACTS,
        HELD,
        ACTS,
        HELD,
    ]


@pytest.mark.parametrize(("ago_ms", "expected"), [(DAY_MS - 1, HELD), (DAY_MS, ACTS)])
def test_budget__sliding_day__both_sides_of_24_hours(ago_ms: int, expected: list[tuple[str, str, str]]) -> None:
    office = two_markets(Limits(actions_per_day=1))
    assert spend(office, 0, 5_000, 1) == ACTS
    assert spend(office, 1, 5_000 + ago_ms, 2) == expected


def test_budget__room_again_within_the_incident__acts_then() -> None:
    office = two_markets(Limits(actions_per_day=1))
    spend(office, 0, 0, 1)
    assert said(office.tick("clear", "tripped", block=2, at_ms=1)) == HELD
    late = office.tick("clear", "tripped", block=3, at_ms=DAY_MS - 1)
    assert (late.decisions, late.counts["declined:budget"]) == ((), 1)
    assert said(office.tick("clear", "tripped", block=4, at_ms=DAY_MS)) == ACTS


def test_budget__trying_again_after_a_failure__is_the_same_action() -> None:
    office = two_markets(Limits(actions_per_day=1))
    office.tick("tripped", "clear", block=1)
    for block in (2, 3):
        told = [outcome(OutcomeKind.EXPIRED, block * 1_000, "rate-limit")]
        decisions = said(office.tick("tripped", "clear", block=block, outcomes=told))
        assert decisions == [("rate-limit", "act", "retry-after-failure")]


@pytest.mark.parametrize(
    ("kind", "severity", "exempt", "held"),
    [
        (PAUSE, Severity.CRITICAL, None, False),
        (ALL, Severity.CRITICAL, None, False),
        (LIMIT, Severity.CRITICAL, None, True),
        (PAUSE, Severity.WARNING, None, True),
        (PAUSE, Severity.CRITICAL, frozenset(), True),
        (LIMIT, Severity.CRITICAL, frozenset({LIMIT}), False),
    ],
)
def test_budget__exempt__is_never_held_when_a_critical_rule_asks(
    kind: ActionKind, severity: Severity, exempt: frozenset[ActionKind] | None, held: bool
) -> None:
    limits = Limits(actions_per_day=1) if exempt is None else Limits(actions_per_day=1, exempt=exempt)
    office = two_markets(limits, str(kind), severity)
    office.tick("tripped", "clear", block=1)
    (answer,) = [one for one in said(office.tick("clear", "tripped", block=2)) if one[0] == str(kind)]
    assert answer[1:] == (("declined", "budget") if held else ("act", "tripped"))


def test_budget__exempt_action__is_counted() -> None:
    office = two_markets(Limits(actions_per_day=1), "pause")
    office.tick("tripped", "clear", block=1)
    assert office.state.acts == [(1_000, 0)]


# --- expiry


def test_expiry__action_that_could_not_be_done_in_time__is_decided_anew_on_fresh_evidence() -> None:
    office = Office()
    office.tick("tripped", block=1)
    expired = [outcome(OutcomeKind.EXPIRED, 301_000)]
    office.tick("tripped", block=300, outcomes=expired, at_ms=301_000)
    (again,) = office.tick("tripped", block=330, at_ms=325_000).decisions
    assert (str(again.reason), again.at_ms, again.block) == ("retry-after-failure", 325_000, 330)
    assert again.id == "M@1/pause/330"


def test_expiry__rule_cleared_meanwhile__is_not_decided_again() -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("clear", block=300, outcomes=[outcome(OutcomeKind.EXPIRED, 300_000)])
    assert office.tick("clear", block=400).decisions == ()
