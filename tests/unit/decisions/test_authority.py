"""Who may decide: locks after an override, switches of every scope, what the council said, and what each does to the breaker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decisions.breaker import BreakerState
from keeper.decisions.desk import DeskRule, Resolution
from keeper.decisions.spec import Limits
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.outcome import OutcomeKind
from keeper.domain.verdict import Severity
from tests.support.engine_world import outcome
from tests.support.office import COOLDOWN_MS, RETRY_MS, Office, off, on, taken_back

pytestmark = pytest.mark.unit

LOCK_MS = 3_600_000
LOCKING = Limits(lock_ms=LOCK_MS)
FAR_MS = 10**9


def said(resolution: Resolution) -> list[tuple[str, str]]:
    return [(str(one.kind), str(one.reason)) for one in resolution.decisions]


def turned(resolution: Resolution) -> list[tuple[str, str, str]]:
    return [(one.market, one.before, one.after) for one in resolution.breakers]


def council(kind: InterventionKind, at_ms: int = 0) -> Intervention:
    return Intervention(kind, at_ms, "M", reason="signed by three of five")


def overridden(office: Office) -> Resolution:
    """Paused at block 2, taken back at block 3 (3,000 ms)."""
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.INCLUDED, 2_000)])
    return office.tick("tripped", block=3, interventions=[taken_back(3_000)])


# --- the lock


def test_lock__taken_back__is_told_with_its_end_and_declines() -> None:
    office = Office(limits=LOCKING)
    resolution = overridden(office)
    (event,) = resolution.breakers
    assert (event.before, event.after, event.trigger) == ("tripped", "locked", "lock")
    assert (event.reason, event.until_ms, event.incident) == ("by hand", 3_000 + LOCK_MS, "M@1")
    assert said(resolution) == [("declined", "locked")]
    again = office.tick("tripped", block=4)
    assert (again.decisions, again.counts["declined:locked"]) == ((), 1)


def test_lock__not_configured__the_action_alone_stays_taken_back() -> None:
    office = Office()
    resolution = overridden(office)
    assert (said(resolution), turned(resolution)) == ([("declined", "taken-back")], [])
    assert office.breaker() is BreakerState.TRIPPED


@pytest.mark.parametrize(("ago_ms", "state"), [(LOCK_MS - 1, BreakerState.LOCKED), (LOCK_MS, BreakerState.ARMED)])
def test_lock__time_passes__both_sides_of_its_end(ago_ms: int, state: BreakerState) -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    office.tick("clear", block=4)
    office.tick("clear", block=5, at_ms=3_000 + ago_ms)
    assert office.breaker() is state


def test_lock__new_incident_while_locked__is_opened_and_closed_and_nothing_done() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    assert len(office.tick("clear", block=4).incidents) == 1
    reopened = office.tick("tripped", block=5, at_ms=3_000 + COOLDOWN_MS)
    assert len(reopened.incidents) == 1
    assert said(reopened) == [("declined", "locked")]
    assert office.breaker() is BreakerState.LOCKED


def test_lock__over_while_the_incident_is_open__trips_again_and_does_not_argue() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    resolution = office.tick("tripped", block=5, at_ms=3_000 + LOCK_MS)
    assert turned(resolution) == [("M", "locked", "armed"), ("M", "armed", "tripped")]
    assert said(resolution) == [("declined", "taken-back")]


def test_lock__over_in_a_new_incident__acts() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    office.tick("clear", block=4)
    office.tick("tripped", block=5)
    assert said(office.tick("tripped", block=6, at_ms=3_000 + LOCK_MS)) == [("act", "tripped")]


def test_lock__taken_back_again__lasts_longer() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    office.tick("tripped", block=4, at_ms=500_000, interventions=[taken_back(500_000)])
    office.tick("tripped", block=5, at_ms=3_000 + LOCK_MS)
    assert office.breaker() is BreakerState.LOCKED
    office.tick("tripped", block=6, at_ms=500_000 + LOCK_MS)
    assert office.breaker() is BreakerState.TRIPPED


def test_lock__older_news_of_another_taking_back__does_not_shorten_it() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    office.tick("tripped", block=4, interventions=[taken_back(1_000)])
    office.tick("tripped", block=5, at_ms=2_999 + LOCK_MS)
    assert office.breaker() is BreakerState.LOCKED


def test_lock__switched_on__is_over() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    resolution = office.tick("tripped", block=4, interventions=[on("M")])
    assert turned(resolution) == [("M", "locked", "armed"), ("M", "armed", "tripped")]
    assert office.state.locked_until_ms == {}


def test_lock__told_late_when_it_would_be_over__locks_nothing() -> None:
    office = Office(limits=LOCKING)
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, at_ms=FAR_MS, interventions=[taken_back(FAR_MS - LOCK_MS)])
    assert office.breaker() is BreakerState.TRIPPED


def test_lock__told_by_a_clock_that_is_ahead__counts_as_of_now() -> None:
    office = Office(limits=LOCKING)
    office.tick("tripped", block=1)
    (event,) = office.tick("tripped", block=2, interventions=[taken_back(FAR_MS)]).breakers
    assert event.until_ms == 2_000 + LOCK_MS


def test_lock__other_market__goes_on() -> None:
    rules = [DeskRule("r", market, Severity.CRITICAL, ("pause",)) for market in (0, 1)]
    office = Office(*rules, markets=("M", "N"), limits=LOCKING)
    resolution = office.tick("tripped", "tripped", block=1, interventions=[taken_back(1_000)])
    assert said(resolution) == [("declined", "locked"), ("act", "tripped")]


def test_lock__action_that_failed_before__is_not_taken_back() -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.FAILED, 2_000)], interventions=[taken_back(2_000)])
    assert said(office.tick("tripped", block=3, at_ms=2_000 + RETRY_MS)) == [("act", "retry-after-failure")]


# --- switches


@pytest.mark.parametrize(
    ("switch", "forbidden"),
    [
        (off(), True),
        (off("M"), True),
        (off("N"), False),
        (off(rule="r"), True),
        (off("M", "r"), True),
        (off("M", "other"), False),
        (off(action="pause"), True),
        (off("M", "r", "pause"), True),
        (off("M", "r", "limit"), False),
        (off("gone-market"), False),
    ],
)
def test_switch__scope__forbids_what_it_covers_and_nothing_else(switch: Intervention, forbidden: bool) -> None:
    resolution = Office(markets=("M", "N")).tick("tripped", block=1, interventions=[switch])
    assert said(resolution) == [("declined", "switched-off") if forbidden else ("act", "tripped")]
    assert resolution.counts["declined:switched-off"] == forbidden
    assert len(resolution.incidents) == 1


@pytest.mark.parametrize(
    ("switch", "states"),
    [
        (off(), (BreakerState.DISARMED, BreakerState.DISARMED)),
        (off("N"), (BreakerState.ARMED, BreakerState.DISARMED)),
        (off(rule="r"), (BreakerState.ARMED, BreakerState.ARMED)),
        (off(action="pause"), (BreakerState.ARMED, BreakerState.ARMED)),
    ],
)
def test_switch__of_whole_markets__disarms_their_breakers(
    switch: Intervention, states: tuple[BreakerState, BreakerState]
) -> None:
    office = Office(markets=("M", "N"))
    office.tick("clear", block=1, interventions=[switch])
    assert (office.breaker("M"), office.breaker("N")) == states


def test_switch__off_and_on_in_the_same_incident__acts_then() -> None:
    office = Office()
    assert said(office.tick("tripped", block=1, interventions=[off()])) == [("declined", "switched-off")]
    assert office.tick("tripped", block=2).decisions == ()
    resolution = office.tick("tripped", block=3, interventions=[on(at_ms=3_000)])
    assert said(resolution) == [("act", "tripped")]
    assert turned(resolution) == [("M", "disarmed", "armed"), ("M", "armed", "tripped")]


@pytest.mark.parametrize("rest", [off(), off("M")])
def test_switch__wider_one_is_off_still__stays_disarmed(rest: Intervention) -> None:
    office = Office()
    office.tick("clear", block=1, interventions=[off(), off("M")])
    lifted = on("M") if not rest.market else on(rule="r")
    office.tick("clear", block=2, interventions=[lifted])
    assert office.breaker() is BreakerState.DISARMED
    office.tick("clear", block=3, interventions=[on()])
    assert office.breaker() is BreakerState.ARMED


def test_switch__every_one_at_once__on_takes_away_all_that_is_narrower() -> None:
    office = Office()
    office.tick("clear", block=1, interventions=[off("M"), off(rule="r"), off("M", "r", "pause")])
    assert said(office.tick("tripped", block=2, interventions=[on(at_ms=2_000)])) == [("act", "tripped")]
    assert office.state.off == ()


def test_switch__off_while_locked__ends_the_lock_and_on_arms() -> None:
    office = Office(limits=LOCKING)
    overridden(office)
    office.tick("tripped", block=4, interventions=[off("M", at_ms=4_000)])
    assert office.breaker() is BreakerState.DISARMED
    office.tick("tripped", block=5, at_ms=FAR_MS)
    assert office.breaker() is BreakerState.DISARMED
    office.tick("tripped", block=6, at_ms=FAR_MS + 1, interventions=[on("M", at_ms=FAR_MS)])
    assert office.breaker() is BreakerState.TRIPPED


def test_switch__taken_back_while_disarmed__stays_disarmed() -> None:
    office = Office(limits=LOCKING)
    office.tick("tripped", block=1, interventions=[off(), taken_back(1_000)])
    assert (office.breaker(), office.state.locked_until_ms) == (BreakerState.DISARMED, {})


def test_switch__alert__goes_on_when_the_market_is_off_and_stops_when_it_is_named() -> None:
    def alerting(*switches: Intervention) -> list[tuple[str, str]]:
        office = Office(DeskRule("r", 0, Severity.WARNING, ("alert",)))
        return said(office.tick("tripped", block=1, interventions=switches))

    assert alerting(off(), off("M")) == [("alert", "tripped")]
    for switch in (off(action="alert"), off(rule="r"), off("M", "r")):
        assert alerting(switch) == [("declined", "switched-off")]


@pytest.mark.parametrize("newest", [2, 3])
def test_switch__told_again_after_a_restart__undoes_nothing_that_came_after_it(newest: int) -> None:
    office = Office(limits=LOCKING)
    office.tick("clear", block=1, interventions=[replace(off(), record=1), replace(on(), record=2)])
    overridden(office)
    again = [replace(off(), record=1), replace(on(), record=2), replace(on(), record=newest)]
    office.tick("tripped", block=4, interventions=again)
    assert office.breaker() is (BreakerState.LOCKED if newest == 2 else BreakerState.TRIPPED)


# --- the council, and terms on chain


def test_council__ratified__keeps_acting_and_stays_ratified_after_the_incident() -> None:
    office = Office(DeskRule("a", 0, Severity.CRITICAL, ("limit",)), DeskRule("b", 0, Severity.CRITICAL, ("pause",)))
    office.tick("tripped", "clear", block=1)
    resolution = office.tick("tripped", "tripped", block=2, interventions=[council(InterventionKind.RATIFIED)])
    assert ("act", "tripped") in said(resolution)
    office.tick("clear", "clear", block=3)
    assert office.breaker() is BreakerState.RATIFIED
    office.tick("tripped", "clear", block=4)
    assert office.breaker() is BreakerState.RATIFIED


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [
        (InterventionKind.LIFTED, BreakerState.LIFTED, DecisionReason.LIFTED),
        (InterventionKind.EXPIRED, BreakerState.EXPIRED, DecisionReason.IN_EFFECT),
    ],
)
def test_council__lifted_or_expired__in_the_incident_then_armed(
    kind: InterventionKind, state: BreakerState, reason: DecisionReason
) -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.INCLUDED, 2_000)], interventions=[council(kind)])
    assert office.breaker() is state
    assert office.tick("tripped", block=3).counts[f"declined:{reason}"] == 1
    assert turned(office.tick("clear", block=4)) == [("M", str(state), "armed")]


def ran_out(at_ms: int, action: str = "pause") -> Intervention:
    return Intervention(InterventionKind.EXPIRED, at_ms, "M", action=action, reason="its day is over")


def expired(office: Office) -> Resolution:
    """Paused at block 2 (2,000 ms), run out at block 3."""
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.INCLUDED, 2_000)])
    return office.tick("tripped", block=3, interventions=[ran_out(3_000)])


def test_expired__the_incident_is_still_open__acts_again_after_the_cooldown() -> None:
    office = Office()
    assert said(expired(office)) == [("declined", "cooldown")]
    assert said(office.tick("tripped", block=4, at_ms=2_000 + COOLDOWN_MS - 1)) == []
    resolution = office.tick("tripped", block=5, at_ms=2_000 + COOLDOWN_MS)
    assert said(resolution) == [("act", "tripped")]
    assert turned(resolution) == [("M", "expired", "tripped")]
    assert resolution.incidents == ()


@pytest.mark.parametrize("kind", [InterventionKind.RATIFIED, InterventionKind.LIFTED])
def test_expired__what_was_done_again__is_the_councils_again(kind: InterventionKind) -> None:
    office = Office()
    expired(office)
    office.tick("tripped", block=5, at_ms=3_000 + COOLDOWN_MS)
    office.tick("tripped", block=6, at_ms=4_000 + COOLDOWN_MS, interventions=[council(kind)])
    assert office.breaker() is BreakerState(str(kind))


def test_expired__another_action_of_the_market_is_lifted__nothing_is_done_any_more() -> None:
    office = Office()
    expired(office)
    office.tick("tripped", block=4, at_ms=4_000, interventions=[council(InterventionKind.LIFTED)])
    resolution = office.tick("tripped", block=5, at_ms=3_000 + COOLDOWN_MS)
    assert (office.breaker(), resolution.counts["declined:lifted"]) == (BreakerState.LIFTED, 1)


def test_expired__somebody_had_taken_it_back_before__is_not_argued_with() -> None:
    office = Office()
    overridden(office)
    office.tick("tripped", block=4, interventions=[ran_out(4_000)])
    resolution = office.tick("tripped", block=5, at_ms=4_000 + COOLDOWN_MS)
    assert resolution.counts["declined:taken-back"] == 1


@pytest.mark.parametrize("action", ["limit", ""])
def test_expired__another_action_than_the_one_that_worked__leaves_that_one_in_effect(action: str) -> None:
    office = Office()
    office.tick("tripped", block=1)
    office.tick("tripped", block=2, outcomes=[outcome(OutcomeKind.INCLUDED, 2_000)])
    resolution = office.tick("tripped", block=3, at_ms=3 * COOLDOWN_MS, interventions=[ran_out(3_000, action)])
    assert resolution.counts["declined:already-done"] == 1


def test_council__lifted_after_the_incident__is_armed_at_once() -> None:
    office = Office()
    office.tick("tripped", block=1, interventions=[])
    office.tick("tripped", block=2, interventions=[council(InterventionKind.RATIFIED)])
    office.tick("clear", block=3)
    resolution = office.tick("clear", block=4, interventions=[council(InterventionKind.LIFTED)])
    assert turned(resolution) == [("M", "ratified", "lifted"), ("M", "lifted", "armed")]


@pytest.mark.parametrize("kind", [InterventionKind.RATIFIED, InterventionKind.LIFTED, InterventionKind.EXPIRED])
def test_council__nothing_was_done__changes_nothing(kind: InterventionKind) -> None:
    office = Office()
    assert office.tick("clear", block=1, interventions=[council(kind)]).breakers == ()
    assert office.breaker() is BreakerState.ARMED


@pytest.mark.parametrize("kind", InterventionKind)
def test_intervention__of_every_kind_on_a_market_that_is_not_there__changes_no_breaker(kind: InterventionKind) -> None:
    office = Office(limits=LOCKING)
    elsewhere = replace(council(kind), market="elsewhere")
    resolution = office.tick("tripped", block=1, interventions=[elsewhere])
    assert (said(resolution), resolution.breakers) == ([(str(DecisionKind.ACT), "tripped")], ())
