"""What the breaker contract says after a run, and what a thief with the keeper's key would get: each try is a call from that key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.app.evidence_hash import evidence_hash
from keeper.devnet.anvil import quantity
from keeper.devnet.guard import Guard
from keeper.devnet.scenarios import SHAKEN
from keeper.devnet.transactions import calldata
from keeper.devnet.world import WITHDRAWAL_LIMIT, Role, World
from keeper.domain.action import BreakerTrip, Call
from keeper.domain.address import keccak256
from keeper.domain.circuit_breaker import TRIPPED_TOPIC, BreakerStatus, breaker_name, trip_call
from keeper.domain.errors import Refused
from keeper.domain.record import Record, RecordKind
from keeper.execution.reverts import explain, revert_data

EXPIRED_TOPIC = "0x" + keccak256(b"Expired(bytes32,address,bool)").hex()
WORST = (
    "The most it can do: pause each market, and lower its withdrawal limit to 250,000 dollars, for an hour three times a day. "
    "One call of the council or of the guardian takes that away."
)
"""Follows from ``stage.LIMITS`` and the registrations in ``keeper.devnet.guard``."""
OTHER = "BTC-PERP"
"""A market of which no breaker has tripped, so that nothing but the bound itself stands in the way."""


@dataclass(frozen=True, slots=True)
class Theft:
    """``what`` the thief tries; ``refused`` in the contract's words, empty when it would have worked."""

    what: str
    refused: str


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """As the chain says: the trip with its ``evidence``, and its end. ``record`` is the decision of the log whose hash that is, if there is one."""

    contract: str
    name: str
    trips: int
    evidence: str
    trip_block: int
    record: Record | None
    expired_block: int
    undone: bool
    ready: bool
    thefts: tuple[Theft, ...]

    @property
    def document(self) -> dict[str, object]:
        """For the JSON of the demo."""
        return {
            "contract": self.contract,
            "name": self.name,
            "trips": self.trips,
            "evidence": self.evidence,
            "record": self.record.seq if self.record else None,
            "tripped_block": self.trip_block,
            "expired_block": self.expired_block,
            "undone": self.undone,
            "stolen_key": [{"tries": each.what, "refused": each.refused or None} for each in self.thefts],
        }


async def ask_the_guard(guard: Guard, records: Sequence[Record]) -> GuardFacts:
    """Raises OutsideError."""
    identifier = guard.pauses[SHAKEN]
    trips = await _logs(guard, TRIPPED_TOPIC, identifier)
    ends = await _logs(guard, EXPIRED_TOPIC, identifier)
    evidence = str(trips[0]["topics"][3]) if trips else ""
    decisions = (record for record in records if record.kind is RecordKind.DECISION)
    return GuardFacts(
        contract=guard.address,
        name=breaker_name(identifier),
        trips=len(trips),
        evidence=evidence,
        trip_block=quantity(trips[0]["blockNumber"]) if trips else 0,
        record=next((one for one in decisions if "0x" + evidence_hash(one).hex() == evidence), None),
        expired_block=quantity(ends[0]["blockNumber"]) if ends else 0,
        undone=bool(ends) and quantity(ends[0]["data"]) == 1,
        ready=(await guard.state(identifier)).status is BreakerStatus.READY,
        thefts=tuple([await _try(guard.world, what, call) for what, call in _tries(guard)]),
    )


def failures(facts: GuardFacts) -> Iterator[str]:
    """Everything that does not hold, in words."""
    if facts.trips != 1:
        yield f"the breaker has tripped {facts.trips} times, expected once"
    if facts.record is None:
        yield f"no decision of the log has the hash {facts.evidence or 'of the trip'}"
    if not (facts.expired_block and facts.undone and facts.ready):
        yield "the trip has not expired, or what it did was not undone"
    for theft in facts.thefts:
        if not theft.refused:
            yield f"a thief with the keeper's key could {theft.what}"


def _tries(guard: Guard) -> Iterator[tuple[str, Call]]:
    world, thief = guard.world, guard.world.keeper.address
    market, other = world.market_id(SHAKEN), guard.limits[OTHER]

    def on(contract: str, signature: str, *args: object) -> Call:
        return Call(contract, calldata(signature, *args))  # type: ignore[arg-type]

    def cut(value: int) -> Call:
        return trip_call(BreakerTrip(guard.address, other, (str(value),)))

    yield f"pause {SHAKEN} without the breaker", on(world.exchange, "pauseMarket(bytes32)", market)
    yield "raise a withdrawal limit directly", on(world.exchange, "setWithdrawalLimit(bytes32,uint256)", market, 2**128)
    yield "take a role", on(world.exchange, "grantRole(bytes32,address)", Role.ADMIN.id, thief)
    yield f"pause {SHAKEN} again at once", trip_call(BreakerTrip(guard.address, guard.pauses[SHAKEN]))
    yield "raise a limit by a breaker", cut(WITHDRAWAL_LIMIT + 1)
    yield "lower a limit by more than its step", cut(WITHDRAWAL_LIMIT // 5)
    yield "lower a limit below its bound", cut(1)
    yield "make a trip permanent", on(guard.address, "ratify(bytes32)", guard.pauses[SHAKEN])
    yield "end a trip as the council does", on(guard.address, "lift(bytes32,bool)", guard.pauses[SHAKEN], True)
    yield "add a keeper", on(guard.address, "addKeeper(address)", thief)
    yield "take the contract over", on(guard.address, "transferOwnership(address)", thief)


async def _try(world: World, what: str, call: Call) -> Theft:
    fields = {"from": world.keeper.address, "to": call.to, "data": "0x" + call.data.hex()}
    try:
        await world.node.rpc("eth_call", fields, "latest")
    except Refused as error:
        return Theft(what, explain(revert_data(error), error.message).text)
    return Theft(what, "")


async def _logs(guard: Guard, topic: str, identifier: str) -> list[dict[str, Any]]:
    found = await guard.world.node.rpc(
        "eth_getLogs",
        {"address": guard.address, "fromBlock": "0x0", "toBlock": "latest", "topics": [topic, identifier]},
    )
    return list(found)
