"""The keeper's own actions at a breaker contract: a sign of life, and the end of a trip that has run out. No rule asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from keeper.app.breakers.registered import Breaker, Contract
from keeper.domain.action import UPKEEP_LANE, Action, ActionKind, Effect, FunctionCall, SafeSide
from keeper.domain.circuit_breaker import HEARTBEAT, SILENT_AT, STATUS_OF, BreakerStatus, expire_call
from keeper.execution.planner import ArmedAction, arm

EXPIRES_MS = 60_000
"""What is not mined by then is let go, and due again: its nonce is free for an action that waits behind it."""
NOBODY = "keeper"
"""The market of a heartbeat, which is for none."""
NEVER = str((1 << 256) - 1)
NO_SECRET = 0
"""Blocks to builders alone: where the contract is reached through them, the public may see a sign of life at once, and it must not wait for them."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ArmedHeartbeat(ArmedAction):
    """It has worked when the keeper will count as silent later than it would have, which is known ``at`` the time before."""

    def at(self, current: str | None) -> ArmedHeartbeat:
        later = str(int(current) + 1) if current is not None and current.isdecimal() else NEVER
        return replace(self, action=replace(self.action, effect=replace(self.action.effect, expect=later)))


def expire_key(breaker: Breaker) -> Key:
    """(market, action) of the end of a trip; a colon is in no name of the configuration."""
    market, action = breaker.keys[0]
    return market, f"expire:{action}"


def heartbeat_key(contract: Contract, lane: str = "") -> Key:
    return NOBODY, f"heartbeat:{contract.route}:{lane}" if lane else f"heartbeat:{contract.route}"


def own_actions(contracts: Iterable[Contract], senders: Mapping[str, str]) -> dict[Key, ArmedAction]:
    """Everything that these keys (address by lane) may have to do there; nothing without a key."""
    if not senders:
        return {}
    found = []
    for contract in contracts:
        found += [_heartbeat(contract, lane, sender) for lane, sender in contract.keys(senders).items()]
        found += [_expire(breaker) for breaker in contract.breakers]
    return {each.key: each for each in found}


def is_own(key: Key) -> bool:
    """Whether an intent of this (market, action) is the keeper's own, also one of an earlier configuration."""
    return key[1].startswith(("expire:", "heartbeat:", "execute:"))


def _expire(breaker: Breaker) -> ArmedAction:
    market, action = expire_key(breaker)
    read = FunctionCall(breaker.contract, STATUS_OF, (breaker.id,))
    effect = Effect(read, str(int(BreakerStatus.READY)))
    call = expire_call(breaker.contract, breaker.id)
    upkeep = Action(action, market, ActionKind.UPKEEP, call, effect, breaker.route, EXPIRES_MS, lane=UPKEEP_LANE)
    return arm(replace(upkeep, public_after=NO_SECRET))


def _heartbeat(contract: Contract, lane: str, sender: str) -> ArmedAction:
    """From the key that would trip: the contract counts each for itself."""
    market, action = heartbeat_key(contract, lane)
    effect = Effect(FunctionCall(contract.address, SILENT_AT, (sender,)), NEVER)
    call = FunctionCall(contract.address, HEARTBEAT)
    upkeep = Action(
        action, market, ActionKind.UPKEEP, call, effect, contract.route, EXPIRES_MS, lane=lane, public_after=NO_SECRET
    )
    armed = arm(replace(upkeep, safe_side=SafeSide.HIGHER))
    return ArmedHeartbeat(armed.action, armed.call, armed.effect_call, armed.effect_view)
