"""A breaker between two trips: what the contract refuses then is its normal rest, and no fault of anybody. Asked by readiness and by the doctor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from keeper.app.breakers.views import Reads, standing_of
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import breaker_name, rests_until_s, utc
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome
from keeper.execution.gate import simulated
from keeper.execution.planner import ArmedAction

RESTING = "resting"
_OF_TIME = frozenset(
    parse_signature(error).selector
    for error in (
        "InEffect(bytes32)",
        "CoolingDown(bytes32,uint256)",
        "LockedAfterLift(bytes32,uint256)",
        "BudgetSpent(bytes32,uint256)",
    )
)
"""What the breaker contract refuses a trip with while one of its terms runs."""

Simulate = Callable[[Call, str], Awaitable[Simulation]]
"""A call, and who makes it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The trip would be refused for now, and go through by itself later."""

    message: str
    remedy: str


def says_rest(data: bytes) -> bool:
    """Whether a trip reverted with this because of a term of the contract."""
    return data[:4] in _OF_TIME


async def behind_breaker(
    armed: ArmedAction, chain: Reads, head: BlockStamp, simulate: Simulate
) -> Outcome | Rest | None:
    """What would come of a trip that cannot be simulated itself now: why the protocol would refuse the breaker contract, or its Safe; that the
    breaker only rests; None where neither is so.

    Raises OutsideError.
    """
    trip = armed.action.breaker
    assert trip is not None, "only actions through a breaker are asked about"
    standing = await standing_of(chain, trip.contract, trip.id, head)
    if standing.terms is None:
        return None
    caller = standing.terms.safe if int(standing.terms.safe, 16) else trip.contract
    call = encode_call(armed.action.call)
    direct = replace(armed, action=replace(armed.action, breaker=None), call=call)
    if (outcome := simulated(direct, caller, await simulate(call, caller))) is not None:
        return outcome
    until_s = rests_until_s(standing.state, standing.terms, head.timestamp_s)
    if standing.frozen or not until_s:
        return None
    return Rest(
        f"breaker {breaker_name(trip.id)} of {trip.contract}: {standing.refusal(head.timestamp_s)}",
        f"nothing is to be repaired: it works again from {utc(until_s)} on; until then act by hand if the market is at risk",
    )
