"""The contract CircuitBreaker for a chain in memory: its views, ``heartbeat`` and ``expire``; a test sets the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.domain.abi import parse_signature
from keeper.domain.circuit_breaker import (
    BREAKER_OF,
    EXPIRE,
    FROZEN,
    HEARTBEAT,
    SILENT_AT,
    STATE_OF,
    STATUS_OF,
    BreakerState,
    BreakerStatus,
    BreakerTerms,
)

ADDRESS = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
READY = BreakerState((), BreakerStatus.READY, True, 0, 0, 0, 1)
TERMS = BreakerTerms(
    target=TARGET,
    duration_s=1_000,
    cooldown_s=100,
    window_s=10_000,
    safe="0x0000000000000000000000000000000000000000",
    lock_s=500,
    budget=2,
    required=1,
)
LIMIT_S = 4_000
FROZEN_AT, STATE_AT, TERMS_AT, STATUS_AT, SILENT, LIMIT, ALIVE, END = (
    parse_signature(text).selector
    for text in (FROZEN, STATE_OF, BREAKER_OF, STATUS_OF, SILENT_AT, "silenceLimit()(uint32)", HEARTBEAT, EXPIRE)
)


def tripped(at_s: int, nonce: int = 2) -> BreakerState:
    return replace(
        READY, recent_s=(at_s,), status=BreakerStatus.TRIPPED, expires_at_s=at_s + TERMS.duration_s, nonce=nonce
    )


def ended(state: BreakerState, at_s: int, *, lifted: bool = False) -> BreakerState:
    return replace(
        state,
        status=BreakerStatus.READY,
        ready_at_s=at_s + TERMS.cooldown_s,
        locked_until_s=at_s + TERMS.lock_s if lifted else state.locked_until_s,
        nonce=state.nonce + 1,
    )


def ratified(state: BreakerState) -> BreakerState:
    return replace(state, status=BreakerStatus.RATIFIED)


@dataclass
class Double:
    """``install`` puts it on the chain; ``set`` is seen from the next block on."""

    chain: MemoryChain

    def install(self, **storage: Any) -> None:
        """``heard_s`` is when the keeper was last heard of, 0 for no keeper; ``now_s`` the time at which transactions are carried out.

        ``registration`` is the whole answer of ``breakerOf``; without it the terms alone are answered.
        """
        begin: dict[str, Any] = {"frozen": 0, "state": READY, "terms": TERMS, "limit_s": LIMIT_S, "now_s": 0}
        begin |= {"heard_s": 0, "undo": "works", "ends": 0, "signs": 0, "registration": b""}
        self.chain.install(ADDRESS, contract, **(begin | storage))

    def set(self, **storage: Any) -> None:
        self.chain.store(ADDRESS, **storage)

    def value(self, name: str) -> Any:
        return self.chain._code[ADDRESS][1][name]


def contract(data: bytes, sender: str, storage: Storage) -> bytes:
    """Everything that the keeper asks of it."""
    held: dict[str, Any] = storage
    heard_s, limit_s = held["heard_s"], held["limit_s"]
    views = {
        FROZEN_AT: lambda: _words(held["frozen"]),
        LIMIT: lambda: _words(limit_s),
        SILENT: lambda: _words(heard_s + limit_s + 1 if heard_s else 0),
        STATE_AT: lambda: _state(held["state"]),
        STATUS_AT: lambda: _words(held["state"].status),
        TERMS_AT: lambda: bytes(held["registration"]) or _terms(held["terms"]),
        ALIVE: lambda: _heartbeat(held),
        END: lambda: _expire(held),
    }
    if data[:4] not in views:
        raise Reverted
    return views[data[:4]]()


def _heartbeat(held: dict[str, Any]) -> bytes:
    if not held["heard_s"]:
        raise Reverted(bytes.fromhex("f56d5d37"))
    held["heard_s"], held["signs"] = held["now_s"], held["signs"] + 1
    return b""


def _expire(held: dict[str, Any]) -> bytes:
    if held["state"].status is not BreakerStatus.TRIPPED or held["undo"] != "works":
        raise Reverted(bytes.fromhex("deadbeef"))
    held["state"], held["ends"] = ended(held["state"], held["now_s"]), held["ends"] + 1
    return b""


def _state(state: BreakerState) -> bytes:
    recent = sum(at_s << (40 * place) for place, at_s in enumerate(state.recent_s))
    times = (state.expires_at_s, state.ready_at_s, state.locked_until_s, state.nonce)
    return _words(recent, state.status, int(state.armed), *times)


def _terms(terms: BreakerTerms) -> bytes:
    target, safe = int(terms.target, 16), int(terms.safe, 16)
    times = (terms.duration_s, terms.cooldown_s, terms.window_s)
    return _words(32, target, *times, safe, terms.lock_s, terms.budget, terms.required)


def _words(*numbers: int) -> bytes:
    return b"".join(int(number).to_bytes(32, "big") for number in numbers)
