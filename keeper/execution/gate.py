"""The gate: what must be true of the chain before an action is sent."""

from __future__ import annotations

from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import explain


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


def simulated(armed: ArmedAction, sender: str, simulation: Simulation) -> Outcome | None:
    """The end of an action that would revert; None when it would go through."""
    if simulation.ok:
        return None
    call = armed.action.call
    revert = explain(simulation.data, simulation.error)
    if revert.lacks_authority:
        return Outcome(
            OutcomeKind.FAILED,
            Reason.MISSING_ROLE,
            f"{sender} may not call {call.signature} on {call.target}: {revert.text}",
            remedy=f"grant the role that {call.signature} asks for to {sender}, or sign with a key that has it",
        )
    return Outcome(
        OutcomeKind.FAILED,
        Reason.SIMULATION_REVERTED,
        f"{call.signature} on {call.target} would revert: {revert.text}",
        remedy="nothing was sent; read the contract's reason, and act by hand if the market is at risk",
    )
