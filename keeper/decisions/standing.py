"""How one action stands on one market, and what that means for a rule that asks for it.

What a tripped rule gets, asking in some incident:

========== ================================================= ===============================
phase      and                                               answer
========== ================================================= ===============================
idle                                                         act, tripped
in-flight                                                    declined, already-in-flight
failed     less than ``retry_ms`` ago                        declined, cooldown
failed     in this incident, ``retry_ms`` or more ago        act, retry-after-failure
failed     in another one, ``retry_ms`` or more ago          act, tripped
worked     in this incident                                  declined, already-done
worked     in another one, less than ``cooldown_ms`` ago     declined, cooldown
worked     in another one, ``cooldown_ms`` or more ago       act, tripped
taken-back in this incident                                  declined, taken-back
taken-back in another one                                    as worked
========== ================================================= ===============================

So an action that worked is never repeated within its incident, however long that lasts: should the council have taken it back
in the meantime, the keeper does not argue. A new incident may act again, once the cooldown has passed. Where nobody took it back and its
term on the chain ran out, the same incident may act again, once the cooldown has passed.

What the engine learns of an action:

================================= ============================================
told                              phase
================================= ============================================
an act was decided                in-flight, until something else is told
submitted                         in-flight
included, superseded, dry-run     worked
failed, reverted, expired         failed
rejected by the council           taken-back
taken back by somebody            taken-back, when it had worked
run out by its term               worked, in no incident
================================= ============================================

An outcome of an action that was never decided (before a restart, say) counts all the same; its incident is then not known and
equals no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from keeper.decisions.spec import ActionPolicy
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.outcome import OutcomeKind, Reason


class Phase(StrEnum):
    IDLE = "idle"
    IN_FLIGHT = "in-flight"
    WORKED = "worked"
    FAILED = "failed"
    TAKEN_BACK = "taken-back"


PHASE_AFTER: dict[OutcomeKind, Phase] = {
    OutcomeKind.SUBMITTED: Phase.IN_FLIGHT,
    OutcomeKind.INCLUDED: Phase.WORKED,
    OutcomeKind.SUPERSEDED: Phase.WORKED,
    OutcomeKind.DRY_RUN: Phase.WORKED,
    OutcomeKind.FAILED: Phase.FAILED,
    OutcomeKind.REVERTED: Phase.FAILED,
    OutcomeKind.EXPIRED: Phase.FAILED,
}

Answer = tuple[DecisionKind, DecisionReason]


@dataclass(frozen=True, slots=True)
class Standing:
    """``incident`` is the one the action was decided in (empty: not known), ``since_ms`` when the phase began."""

    phase: Phase = Phase.IDLE
    incident: str = ""
    since_ms: int = 0


def answer(standing: Standing, policy: ActionPolicy, incident: str, at_ms: int) -> Answer:
    """What a rule that is tripped in ``incident`` gets; see the table."""
    ago_ms = at_ms - standing.since_ms
    same = standing.incident == incident
    if standing.phase is Phase.IN_FLIGHT:
        return DecisionKind.DECLINED, DecisionReason.IN_FLIGHT
    if standing.phase is Phase.WORKED and same:
        return DecisionKind.DECLINED, DecisionReason.IN_EFFECT
    if standing.phase is Phase.TAKEN_BACK and same:
        return DecisionKind.DECLINED, DecisionReason.TAKEN_BACK
    if standing.phase in (Phase.WORKED, Phase.TAKEN_BACK) and ago_ms < policy.cooldown_ms:
        return DecisionKind.DECLINED, DecisionReason.COOLDOWN
    if standing.phase is Phase.FAILED and ago_ms < policy.retry_ms:
        return DecisionKind.DECLINED, DecisionReason.COOLDOWN
    if standing.phase is Phase.FAILED and same:
        return DecisionKind.ACT, DecisionReason.RETRY
    return DecisionKind.ACT, DecisionReason.TRIPPED


def acted(incident: str, at_ms: int) -> Standing:
    """After an act was decided."""
    return Standing(Phase.IN_FLIGHT, incident, at_ms)


def taken_back(standing: Standing) -> Standing:
    """After somebody undid it. The cooldown goes on counting from when it worked."""
    return replace(standing, phase=Phase.TAKEN_BACK) if standing.phase is Phase.WORKED else standing


def ran_out(standing: Standing) -> Standing:
    """After its term on the chain ended it, and nobody had said anything. The cooldown goes on counting from when it worked."""
    return replace(standing, incident="") if standing.phase is Phase.WORKED else standing


def told(standing: Standing, outcome: OutcomeKind, reason: str, at_ms: int) -> Standing:
    """After an outcome was learned. What the council has said no to is not asked for again in this incident."""
    phase = Phase.TAKEN_BACK if reason == Reason.COUNCIL_REJECTED else PHASE_AFTER[outcome]
    return Standing(phase, standing.incident, at_ms)
