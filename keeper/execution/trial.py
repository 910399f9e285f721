"""The trial of an action: what its simulation says, and whether it keeps what it must keep."""

from __future__ import annotations

from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome
from keeper.execution.edges import Edges
from keeper.execution.effect import effect_now
from keeper.execution.gate import already_there, simulated
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work


async def tried(edges: Edges, armed: ArmedAction, work: Work, sender: str, simulation: Simulation) -> Outcome | None:
    """The end of an action that would revert, or break an invariant of its ``keep``; None when it may be sent. Raises OutsideError."""
    if (outcome := simulated(armed, sender, simulation)) is not None:  # perhaps somebody was quicker
        return already_there(armed, await effect_now(edges.chain, armed)) or outcome
    if edges.keeps is None or not armed.action.keep:
        return None
    return await edges.keeps(armed, work.call, sender)
