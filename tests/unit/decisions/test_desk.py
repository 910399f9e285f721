"""The desk: what follows from verdicts, told on change and counted always. Driven by hand: codes in, decisions out."""

from __future__ import annotations

import pytest

from keeper.decisions.breaker import BreakerState
from keeper.decisions.desk import COUNTS, DeskRule, Resolution
from keeper.domain.decision import Decision, DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.outcome import OutcomeKind
from keeper.domain.verdict import Severity
from tests.support.engine_world import outcome
from tests.support.office import COOLDOWN_MS, RETRY_MS, Office

pytestmark = pytest.mark.unit

OUTCOME_OK = OutcomeKind.INCLUDED


def told(resolution: Resolution) -> list[tuple[str, str, str]]:
    return [(one.id, str(one.kind), str(one.reason)) for one in resolution.decisions]


def only(resolution: Resolution) -> Decision:
    assert len(resolution.decisions) == 1
    return resolution.decisions[0]


# --- incidents and the breaker


def test_incident__first_trip__opens_and_trips_the_breaker() -> None:
    office = Office()
    assert office.tick("clear", block=6).incidents == ()
    event = office.tick("tripped", block=7).incidents[0]
    assert (event.id, event.market, event.phase, event.block, event.at_ms) == (
        "M@7",
        "M",
        IncidentPhase.OPENED,
        7,
        7_000,
    )
    assert office.desk.breakers(office.state) == {"M": BreakerState.TRIPPED}


@pytest.mark.parametrize("word", ["clearing", "tripped", "tripped-no-input"])
def test_incident__still_tripped_in_some_way__stays_open(word: str) -> None:
    office = Office()
    office.tick("tripped", block=7)
    assert office.tick(word, block=8).incidents == ()


def test_incident__all_clear__closes_and_arms_the_breaker() -> None:
    office = Office()
    office.tick("tripped", block=7)
    event = office.tick("clear", block=8).incidents[0]
    assert (event.id, event.phase, event.block) == ("M@7", IncidentPhase.CLOSED, 8)
    assert office.desk.breakers(office.state) == {"M": BreakerState.ARMED}


def test_incident__several_rules__one_incident_until_the_last_is_clear() -> None:
    office = Office(*(DeskRule(name, 0, Severity.CRITICAL, ()) for name in "ab"))
    assert [event.id for event in office.tick("tripped", "clear", block=7).incidents] == ["M@7"]
    assert office.tick("tripped", "tripped", block=8).incidents == ()
    assert office.tick("clear", "tripped", block=9).incidents == ()
    assert office.tick("clear", "pending", block=10).incidents == ()
    closing = office.tick("clear", "clear", block=11).incidents[0]
    assert closing.phase is IncidentPhase.CLOSED
    assert closing.verdict.rule == "b"


def test_incident__opened_by_several_at_once__names_the_most_severe() -> None:
    office = Office(DeskRule("mild", 0, Severity.INFO, ()), DeskRule("bad", 0, Severity.CRITICAL, ()))
    assert office.tick("tripped", "tripped", block=7).incidents[0].verdict.rule == "bad"


def test_incident__opened_twice_at_one_block__ids_differ() -> None:
    office = Office()
    office.tick("tripped", block=7)
    office.tick("clear", block=7)
    assert office.tick("tripped", block=7).incidents[0].id == "M@7~2"


def test_incident__two_markets__do_not_touch_each_other() -> None:
    office = Office(*(DeskRule("r", market, Severity.CRITICAL, ("pause",)) for market in (0, 1)), markets=("M", "N"))
    assert told(office.tick("clear", "tripped", block=7)) == [("N@7/pause/7", "act", "tripped")]
    assert office.desk.breakers(office.state) == {"M": BreakerState.ARMED, "N": BreakerState.TRIPPED}
    assert told(office.tick("tripped", "clear", block=8)) == [("M@8/pause/8", "act", "tripped")]


# --- an action's way


def test_action__on_trip__is_decided_with_its_evidence() -> None:
    decision = only(Office().tick("tripped", block=7))
    assert (decision.kind, decision.reason, decision.action) == (DecisionKind.ACT, DecisionReason.TRIPPED, "pause")
    assert (decision.incident, decision.id, decision.at_ms, decision.block) == ("M@7", "M@7/pause/7", 7_000, 7)
    assert decision.verdict.rule == "r"


def test_action__pending__is_not_decided() -> None:
    assert Office().tick("pending", block=7).decisions == ()


def test_action__in_flight__declined_once_and_counted_each_tick() -> None:
    office = Office()
    office.tick("tripped", block=7)
    first, second = office.tick("tripped", block=8), office.tick("tripped", block=9)
    assert told(first) == [("M@7/pause/8", "declined", "already-in-flight")]
    assert told(second) == []
    assert first.counts["declined:already-in-flight"] == second.counts["declined:already-in-flight"] == 1


def test_action__submitted__stays_in_flight() -> None:
    office = Office()
    office.tick("tripped", block=7)
    resolution = office.tick("tripped", block=8, outcomes=[outcome(OutcomeKind.SUBMITTED, 7_500)])
    assert only(resolution).reason is DecisionReason.IN_FLIGHT


@pytest.mark.parametrize("kind", [OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN])
def test_action__that_worked__is_in_effect_for_the_whole_incident(kind: OutcomeKind) -> None:
    office = Office()
    office.tick("tripped", block=7)
    resolution = office.tick("tripped", block=8, outcomes=[outcome(kind, 8_000)])
    assert only(resolution).reason is DecisionReason.IN_EFFECT
    later = office.tick("tripped", block=10_000)
    assert later.decisions == ()
    assert later.counts["declined:already-done"] == 1


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.REVERTED, OutcomeKind.EXPIRED])
@pytest.mark.parametrize("word", ["tripped", "clearing", "tripped-no-input"])
def test_action__that_failed__is_tried_again_exactly_after_the_wait(kind: OutcomeKind, word: str) -> None:
    office = Office()
    office.tick("tripped", block=7)
    assert only(office.tick("tripped", block=8, outcomes=[outcome(kind, 8_000)])).reason is DecisionReason.COOLDOWN
    just_before = office.tick(word, block=9, at_ms=8_000 + RETRY_MS - 1)
    assert [one for one in just_before.decisions if one.kind is DecisionKind.ACT] == []
    acts = [
        one for one in office.tick(word, block=10, at_ms=8_000 + RETRY_MS).decisions if one.kind is DecisionKind.ACT
    ]
    assert [(act.reason, act.id) for act in acts] == [(DecisionReason.RETRY, "M@7/pause/10")]


def test_action__failing_each_time__is_tried_again_once_per_wait() -> None:
    office = Office()
    office.tick("tripped", block=0)
    acts, failed = [], True
    for block in range(1, 100):
        outcomes = [outcome(OutcomeKind.FAILED, block * 1_000)] if failed else []
        decisions = office.tick("tripped", block=block, outcomes=outcomes).decisions
        failed = any(one.kind is DecisionKind.ACT for one in decisions)
        acts += [block] if failed else []
    wait = RETRY_MS // 1_000
    assert acts == [1 + wait, 2 + 2 * wait, 3 + 3 * wait]


@pytest.mark.parametrize(("gap_ms", "acts"), [(COOLDOWN_MS - 1, False), (COOLDOWN_MS, True)])
def test_action__new_incident__cooldown_on_both_sides(gap_ms: int, acts: bool) -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OUTCOME_OK, 2_000)])
    office.tick("clear", block=3)
    decision = only(office.tick("tripped", block=4, at_ms=2_000 + gap_ms))
    assert decision.incident == "M@4"
    assert (decision.kind, decision.reason) == (
        (DecisionKind.ACT, DecisionReason.TRIPPED) if acts else (DecisionKind.DECLINED, DecisionReason.COOLDOWN)
    )


def test_action__cooldown_ends_within_the_new_incident__acts_then() -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OUTCOME_OK, 2_000)])
    office.tick("clear", block=3)
    assert only(office.tick("tripped", block=4)).reason is DecisionReason.COOLDOWN
    assert office.tick("tripped", block=5).decisions == ()
    assert told(office.tick("tripped", block=62)) == [("M@4/pause/62", "act", "tripped")]


def test_action__outcome_from_the_future__counts_as_of_now() -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.FAILED, 10**15)])
    assert only(office.tick("tripped", block=3, at_ms=2_000 + RETRY_MS)).reason is DecisionReason.RETRY


def test_action__outcome_known_before_anything_was_decided__counts() -> None:
    office = Office()
    resolution = office.tick("tripped", block=7, outcomes=[outcome(OutcomeKind.SUBMITTED, 0)])
    assert only(resolution).reason is DecisionReason.IN_FLIGHT
    assert (
        only(office.tick("tripped", block=8, outcomes=[outcome(OUTCOME_OK, 8_000)])).reason is DecisionReason.COOLDOWN
    )


@pytest.mark.parametrize(("market", "action"), [("elsewhere", "pause"), ("M", "unheard-of")])
def test_action__outcome_of_something_not_configured__is_ignored(market: str, action: str) -> None:
    office = Office()
    resolution = office.tick("tripped", block=7, outcomes=[outcome(OutcomeKind.SUBMITTED, 0, action, market)])
    assert only(resolution).kind is DecisionKind.ACT


def test_action__new_incident__what_is_declined_is_told_anew() -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2)
    office.tick("clear", block=3)
    assert told(office.tick("tripped", block=4)) == [("M@4/pause/4", "declined", "already-in-flight")]


def test_action__rule_trips_again_within_the_incident__what_is_declined_is_told_anew() -> None:
    office = Office(*(DeskRule(name, 0, Severity.CRITICAL, ("pause",)) for name in "ab"))
    office.tick("tripped", "clear", block=1)
    told_to_b = [
        len(office.tick("tripped", word, block=block).decisions) for block, word in enumerate(["tripped", "tripped"], 2)
    ]
    office.tick("tripped", "clear", block=4)
    again = only(office.tick("tripped", "tripped", block=5))
    assert told_to_b == [2, 0]  # the other rule is told for the first time, too
    assert (again.verdict.rule, again.reason) == ("b", DecisionReason.IN_FLIGHT)


# --- the ladder


def test_ladder__several_trip_at_once__severity_then_configuration_then_action() -> None:
    office = Office(
        DeskRule("info", 0, Severity.INFO, ("limit",)),
        DeskRule("critical", 1, Severity.CRITICAL, ("limit", "pause")),
        DeskRule("warning", 1, Severity.WARNING, ("pause",)),
        DeskRule("critical-too", 1, Severity.CRITICAL, ("pause",)),
        markets=("M", "N"),
    )
    resolution = office.tick(*["tripped"] * 4, block=7)
    assert [(one.verdict.rule, one.action, str(one.kind)) for one in resolution.decisions] == [
        ("critical", "limit", "act"),
        ("critical", "pause", "act"),
        ("critical-too", "pause", "declined"),
        ("warning", "pause", "declined"),
        ("info", "limit", "act"),
    ]
    assert len({one.id for one in resolution.decisions}) == 5


def test_ladder__same_action_by_another_rule_of_the_incident__is_in_effect() -> None:
    office = Office(*(DeskRule(name, 0, Severity.CRITICAL, ("pause",)) for name in "ab"))
    office.tick("tripped", "clear", block=1)
    office.tick("tripped", "clear", block=2, outcomes=[outcome(OUTCOME_OK, 2_000)])
    decision = only(office.tick("tripped", "tripped", block=500))
    assert (decision.verdict.rule, decision.reason) == ("b", DecisionReason.IN_EFFECT)


# --- holds and counts


@pytest.mark.parametrize(
    ("word", "reason"), [("warming", DecisionReason.WARMING), ("no-input", DecisionReason.NO_INPUT)]
)
def test_hold__rule_that_cannot_be_judged__is_told_once_and_counted(word: str, reason: DecisionReason) -> None:
    office = Office()
    first, second = office.tick(word, block=7), office.tick(word, block=8)
    decision = only(first)
    assert (decision.id, decision.kind, decision.reason) == ("M/r/hold/7", DecisionKind.HOLD, reason)
    assert (decision.action, decision.incident) == ("", "")
    assert second.decisions == ()
    assert first.counts[f"hold:{reason}"] == second.counts[f"hold:{reason}"] == 1


def test_hold__other_reason_or_again_later__is_told_again() -> None:
    office = Office()
    words = ["warming", "no-input", "clear", "no-input"]
    assert [len(office.tick(word, block=block).decisions) for block, word in enumerate(words)] == [1, 1, 0, 1]


def test_hold__of_a_rule_that_alerts__has_a_reason_of_its_own_and_is_counted_apart() -> None:
    office = Office(
        DeskRule("r", 0, Severity.CRITICAL, ("pause",), alerts=True), DeskRule("q", 0, Severity.INFO, ("limit",))
    )
    first = office.tick("no-input", "no-input", block=7)
    assert told(first) == [
        ("M/r/hold/7", "hold", "input-not-usable-alert"),
        ("M/q/hold/7", "hold", "input-not-usable"),
    ]
    assert first.decisions[0].verdict.severity is Severity.CRITICAL
    second = office.tick("no-input", "no-input", block=8)
    assert second.decisions == ()
    for resolution in (first, second):
        assert resolution.counts["hold:input-not-usable-alert"] == 1
        assert resolution.counts["hold:input-not-usable"] == 1


def test_hold__of_a_rule_that_alerts__not_enough_data_is_no_alert() -> None:
    office = Office(DeskRule("r", 0, Severity.CRITICAL, ("pause",), alerts=True))
    assert [str(one.reason) for one in office.tick("warming", block=1).decisions] == ["not-enough-data"]


def test_hold__blind_rule_that_trips__is_no_hold() -> None:
    resolution = Office().tick("blind", block=7)
    assert [(str(one.kind), str(one.reason)) for one in resolution.decisions] == [("act", "tripped")]
    assert resolution.counts["hold:input-not-usable"] == 0


def test_hold__within_an_incident__names_it_and_actions_go_on() -> None:
    office = Office()
    office.tick("tripped", block=7)
    resolution = office.tick("tripped-no-input", block=8, outcomes=[outcome(OUTCOME_OK, 8_000)])
    assert told(resolution) == [
        ("M/r/hold/8", "hold", "input-not-usable"),
        ("M@7/pause/8", "declined", "already-done"),
    ]
    assert resolution.decisions[0].incident == "M@7"


def test_counts__every_tick__has_every_key() -> None:
    resolution = Office().tick("clear", block=1)
    assert tuple(resolution.counts) == COUNTS
    assert set(resolution.counts.values()) == {0}


def test_counts__act__is_counted() -> None:
    assert Office().tick("tripped", block=1).counts["act:tripped"] == 1


def test_desk__market_without_rules__is_armed_for_ever() -> None:
    office = Office(DeskRule("r", 1, Severity.INFO, ()), markets=("empty", "M", "empty-too"))
    office.tick("tripped", block=1)
    assert office.desk.breakers(office.state) == {
        "empty": BreakerState.ARMED,
        "M": BreakerState.TRIPPED,
        "empty-too": BreakerState.ARMED,
    }
