"""How an action stands: the table of the docstring, both sides of each time."""

from __future__ import annotations

import pytest

from keeper.decisions.standing import PHASE_AFTER, Phase, Standing, acted, answer, told
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.outcome import FINAL_OUTCOMES, OutcomeKind, Reason
from tests.support.engine_world import policy

pytestmark = pytest.mark.unit

COOLDOWN_MS, RETRY_MS = 60_000, 24_000
POLICY = policy(cooldown_ms=COOLDOWN_MS, retry_ms=RETRY_MS)
ACT, DECLINED = DecisionKind.ACT, DecisionKind.DECLINED


@pytest.mark.parametrize(
    ("phase", "incident", "ago_ms", "kind", "reason"),
    [
        (Phase.IDLE, "I", 0, ACT, DecisionReason.TRIPPED),
        (Phase.IN_FLIGHT, "I", 10**12, DECLINED, DecisionReason.IN_FLIGHT),
        (Phase.IN_FLIGHT, "other", 10**12, DECLINED, DecisionReason.IN_FLIGHT),
        (Phase.FAILED, "I", RETRY_MS - 1, DECLINED, DecisionReason.COOLDOWN),
        (Phase.FAILED, "I", RETRY_MS, ACT, DecisionReason.RETRY),
        (Phase.FAILED, "other", RETRY_MS - 1, DECLINED, DecisionReason.COOLDOWN),
        (Phase.FAILED, "other", RETRY_MS, ACT, DecisionReason.TRIPPED),
        (Phase.FAILED, "", RETRY_MS, ACT, DecisionReason.TRIPPED),
        (Phase.WORKED, "I", 0, DECLINED, DecisionReason.IN_EFFECT),
        (Phase.WORKED, "I", 10**12, DECLINED, DecisionReason.IN_EFFECT),
        (Phase.WORKED, "other", COOLDOWN_MS - 1, DECLINED, DecisionReason.COOLDOWN),
        (Phase.WORKED, "other", COOLDOWN_MS, ACT, DecisionReason.TRIPPED),
        (Phase.WORKED, "", COOLDOWN_MS - 1, DECLINED, DecisionReason.COOLDOWN),
    ],
)
def test_answer__each_row_of_the_table__kind_and_reason(
    phase: Phase, incident: str, ago_ms: int, kind: DecisionKind, reason: DecisionReason
) -> None:
    since_ms = 5_000
    assert answer(Standing(phase, incident, since_ms), POLICY, "I", since_ms + ago_ms) == (kind, reason)


def test_answer__no_waiting_configured__acts_again_at_once() -> None:
    at_once = policy(cooldown_ms=0, retry_ms=0)
    assert answer(Standing(Phase.FAILED, "I", 7), at_once, "I", 7) == (ACT, DecisionReason.RETRY)
    assert answer(Standing(Phase.WORKED, "old", 7), at_once, "I", 7) == (ACT, DecisionReason.TRIPPED)


def test_told__every_outcome_kind__has_a_phase() -> None:
    assert PHASE_AFTER.keys() == set(OutcomeKind)
    assert {kind for kind, phase in PHASE_AFTER.items() if phase is Phase.IN_FLIGHT} == set(
        OutcomeKind
    ) - FINAL_OUTCOMES
    assert {kind for kind, phase in PHASE_AFTER.items() if phase is Phase.WORKED} == {
        OutcomeKind.INCLUDED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.DRY_RUN,
    }


@pytest.mark.parametrize("kind", OutcomeKind)
def test_told__after_an_act__keeps_the_incident_it_was_decided_in(kind: OutcomeKind) -> None:
    assert told(acted("I", 1), kind, "", 9) == Standing(PHASE_AFTER[kind], "I", 9)


def test_told__of_an_action_never_decided__counts_without_an_incident() -> None:
    assert told(Standing(), OutcomeKind.INCLUDED, "", 9) == Standing(Phase.WORKED, "", 9)


def test_told__the_council_said_no__is_not_asked_again_in_this_incident() -> None:
    after = told(acted("I", 1), OutcomeKind.FAILED, Reason.COUNCIL_REJECTED, 9)
    assert after == Standing(Phase.TAKEN_BACK, "I", 9)
    assert answer(after, POLICY, "I", 9 + 10**12) == (DECLINED, DecisionReason.TAKEN_BACK)
    assert answer(after, POLICY, "J", 9 + COOLDOWN_MS) == (ACT, DecisionReason.TRIPPED)
