"""The gate: what must be true of the chain before an action is sent."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.adjustment import IN_EFFECT, Adjustment, Refusal
from keeper.domain.circuit_breaker import breaker_name
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.units import format_ratio
from keeper.execution.endings import shadow
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import explain

ANOTHER_BREAKER = (
    "act by hand if the market is at risk; find out who registered it, and why; let the council register it as reviewed, "
    "or correct `breaker` or the action"
)


def already_there(armed: ArmedAction, current: str | None) -> Outcome | None:
    """The end of an action that has nothing left to do; None when it has, or when nobody knows."""
    if current is None or not armed.in_effect(current):
        return None
    read = armed.action.effect.read
    if current == armed.action.effect.expect:
        return Outcome(OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT, f"{read.signature} is {current} already")
    return Outcome(
        OutcomeKind.SUPERSEDED,
        Reason.WOULD_LOOSEN,
        f"{read.signature} is {current}, which is tighter than {armed.action.effect.expect}: the keeper only tightens",
    )


def not_adjusted(armed: ArmedAction) -> Outcome | None:
    """The end of an action whose parameter has no new value; None when it has one, or needs none."""
    adjustment, adjusted = armed.action.adjustment, armed.adjusted
    if adjustment is None or adjusted is None or adjusted.refusal is None:
        return None
    read = armed.action.effect.read
    current = f"{read.signature} is {adjusted.current}"
    if adjusted.refusal is Refusal.UNKNOWN:
        return Outcome(
            OutcomeKind.FAILED,
            Reason.CURRENT_UNKNOWN,
            f"{read.signature} was not known for sure when this was decided: it did not answer, or another action was changing it",
            remedy="nothing was signed; it is decided anew after its `retry`",
        )
    why = f"{current}: {_REFUSALS[adjusted.refusal]} ({_terms(adjustment)})"
    if adjusted.refusal in IN_EFFECT:
        looser = adjusted.refusal is Refusal.LOOSER
        return Outcome(OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN if looser else Reason.ALREADY_IN_EFFECT, why)
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NO_NEW_VALUE,
        why,
        remedy="nothing was signed; correct `new`, `bounds` or `max_step` of the action, or set the parameter by hand",
    )


class Declined:
    """What is not sent because its breaker is another one than the action says: the contract would do what is registered, whatever that is.

    ``other`` is what the last look at the contracts found: by (market, action), what differs. ``live`` False: nothing is sent anyway.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self.other: Mapping[tuple[str, str], str] = {}

    def outcome(self, armed: ArmedAction | None) -> Outcome | None:
        """The end of such an action; None for any other."""
        trip = armed.action.breaker if armed is not None else None
        if armed is None or trip is None or armed.key not in self.other:
            return None
        message = f"breaker {breaker_name(trip.id)} of {trip.contract} is another one than the action says: {self.other[armed.key]}"
        if not self._live:
            return shadow(message)
        remedy = f"nothing more is signed; {ANOTHER_BREAKER}"
        return Outcome(OutcomeKind.FAILED, Reason.NOT_CONFIGURED, message, remedy)


def overtaken(armed: ArmedAction, current: str | None) -> Outcome | None:
    """The end of an action that has nothing left to do, or whose parameter is not any more what its new value was made of."""
    there = already_there(armed, current)
    if there is not None or armed.adjusted is None or current == str(armed.adjusted.current):
        return there
    read = armed.action.effect.read
    return Outcome(
        OutcomeKind.FAILED,
        Reason.CURRENT_CHANGED,
        f"{read.signature} is {current}, and {armed.action.effect.expect} was made of {armed.adjusted.current}",
        remedy="it is decided anew after its `retry`, from what is there then",
    )


def may_pass(armed: ArmedAction | None, refusal: Outcome) -> bool:
    """Whether the call went through when it was simulated, and is refused by what waits to be mined: the trip of a keeper that was quicker, say.

    The next head shows which; until then nothing is lost by waiting.
    """
    through_breaker = armed is not None and armed.action.breaker is not None
    return through_breaker and refusal.reason is Reason.SIMULATION_REVERTED


_REFUSALS = {
    Refusal.SAME: "the new value is the same",
    Refusal.LOOSER: "the new value would be looser, and the keeper only tightens",
    Refusal.AT_BOUND: "as tight as the bounds allow",
    Refusal.STEP_TOO_SMALL: "the largest step is less than one unit",
    Refusal.OUT_OF_REACH: "the largest step does not lead into the bounds, or would clear a flag",
    Refusal.NOT_COMPUTABLE: "the new value cannot be computed: something is divided by zero, or has bits of what is no whole number",
}


def _terms(adjustment: Adjustment) -> str:
    step = "any step" if adjustment.max_step is None else f"a step of {format_ratio(adjustment.max_step)} at most"
    return f"{adjustment.expression}, from {adjustment.least} to {adjustment.most}, {step}"


def simulated(armed: ArmedAction, sender: str, simulation: Simulation) -> Outcome | None:
    """The end of an action that would revert; None when it would go through."""
    if simulation.ok:
        return None
    call = armed.action.call
    revert = explain(simulation.data, simulation.error)
    trip = armed.action.breaker
    what = f"{call.signature} on {call.target}"
    if trip is not None:
        what = f"breaker {breaker_name(trip.id)} of {trip.contract} ({what})"
    if revert.lacks_authority:
        may_not = f"{sender} may not call" if trip is None else "not possible through"
        return Outcome(
            OutcomeKind.FAILED,
            Reason.MISSING_ROLE,
            f"{may_not} {what}: {revert.text}",
            remedy=revert.remedy
            or f"grant the role that {call.signature} asks for to {sender}, or sign with a key that has it",
        )
    return Outcome(
        OutcomeKind.FAILED,
        Reason.SIMULATION_REVERTED,
        f"{what} would revert: {revert.text}",
        remedy=revert.remedy
        or "nothing was sent; read the contract's reason, and act by hand if the market is at risk",
    )
