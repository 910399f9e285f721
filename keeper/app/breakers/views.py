"""What a breaker, its contract and an action's effect look like at one block: what must be known before keepers sign together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.abi import encode_call
from keeper.domain.abi_codec import decode_values
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import (
    BREAKER_OF,
    FROZEN,
    SILENT_AT,
    STATE_OF,
    BreakerState,
    BreakerTerms,
    decode_state,
    decode_terms,
    refusal,
    view_call,
)
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult
from keeper.execution.planner import ArmedAction
from keeper.ports.chain import ChainReader


class Reads(Protocol):
    """Whatever answers calls at a block."""

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """As a ChainReader does."""


@dataclass(frozen=True, slots=True)
class Standing:
    """``terms`` is None for a breaker that is not registered."""

    terms: BreakerTerms | None
    state: BreakerState
    frozen: bool

    @property
    def required(self) -> int:
        """Keepers that must sign; 0 for a breaker that is not registered."""
        return self.terms.required if self.terms is not None else 0

    def refusal(self, now_s: int) -> str:
        """Why it would not trip now, in words; empty when nothing of time and state stands in the way."""
        if self.terms is None:
            return "it is not registered"
        return refusal(self.state, self.terms, now_s, frozen=self.frozen)


def standing_calls(contract: str, identifier: str) -> list[Call]:
    """What ``standing_of`` reads."""
    return [
        view_call(contract, STATE_OF, identifier),
        encode_call(FunctionCall(contract, FROZEN)),
        view_call(contract, BREAKER_OF, identifier),
    ]


async def standing_of(chain: Reads, contract: str, identifier: str, block: BlockStamp) -> Standing:
    """Raises OutsideError."""
    calls = standing_calls(contract, identifier)
    state, frozen, terms = [
        _data(result, call) for result, call in zip(await chain.read(calls, block), calls, strict=True)
    ]
    now = decode_state(state)
    return Standing(decode_terms(terms) if now.status else None, now, bool(decode_values(("bool",), frozen)[0]))


async def live_keepers(
    chain: ChainReader, contract: str, addresses: Collection[str], block: BlockStamp
) -> frozenset[str]:
    """Those of the addresses that are keepers of the contract, and not silent for too long. Raises OutsideError."""
    asked = sorted(addresses)
    calls = [encode_call(FunctionCall(contract, SILENT_AT, (address,))) for address in asked]
    results = await chain.read(calls, block) if calls else ()
    found = set()
    for address, call, result in zip(asked, calls, results, strict=True):
        silent_at_s = int(decode_values(("uint256",), _data(result, call))[0])
        if block.timestamp_s < silent_at_s:
            found.add(address)
    return frozenset(found)


async def effect_at(chain: ChainReader, armed: ArmedAction, block: BlockStamp) -> str | None:
    """What the action's view answers; None when it does not answer as it should. Raises OutsideError, for a parameter MalformedAnswer too."""
    (result,) = await chain.read([armed.effect_call], block)
    try:
        return armed.effect_text(result)
    except MalformedAnswer:
        if armed.action.safe_side is not None:
            raise
        return None


def _data(result: CallResult, call: Call) -> bytes:
    if not result.ok:
        raise MalformedAnswer(f"{call.to} does not answer", remedy="is the address that of a CircuitBreaker?")
    return result.data
