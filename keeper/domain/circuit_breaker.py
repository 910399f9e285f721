"""The contract CircuitBreaker as the keeper speaks to it: calldata, what its views answer, and why it would refuse a trip, in words.

Times on chain are unix seconds. Layouts are those of ``contracts/interfaces/ICircuitBreaker.sol``; a test holds them against the compiled contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from keeper.domain.abi import Function, parse_signature
from keeper.domain.abi_codec import WORD, decode_values
from keeper.domain.action import BreakerTrip, Call, FunctionCall
from keeper.domain.address import keccak256
from keeper.domain.errors import MalformedAnswer, UnitError

TRIP: Final = keccak256(b"trip(bytes32,uint256[],bytes32)")[:4]
TRIP_SIGNED: Final = keccak256(b"tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])")[:4]
TRIPPED_TOPIC: Final = "0x" + keccak256(b"Tripped(bytes32,address,bytes32,uint256,uint256[],uint256[])").hex()
"""Topics after it: id, keeper, evidence."""

EXPIRE: Final = "expire(bytes32)"
HEARTBEAT: Final = "heartbeat()"
STATUS_OF: Final = "statusOf(bytes32)(uint8)"
SILENT_AT: Final = "silentAt(address)(uint256)"
FROZEN: Final = "frozen()(bool)"
STATE_OF: Final = "stateOf(bytes32)"
BREAKER_OF: Final = "breakerOf(bytes32)"

NO_EVIDENCE: Final = b"\xff" * WORD
"""Stands for a record that does not exist yet: in simulations before anything trips, never in what is sent."""

_EVIDENCE_AT = {TRIP: 4 + 2 * WORD, TRIP_SIGNED: 4 + 5 * WORD}
_SLOT_BITS = 40
_SLOTS = 6


class BreakerStatus(IntEnum):
    """Where a registered breaker stands, as on chain."""

    UNKNOWN = 0
    READY = 1
    TRIPPED = 2
    RATIFIED = 3


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What ``stateOf`` answers. ``recent_s`` are the times of the last trips, newest first; 0 stands for never."""

    recent_s: tuple[int, ...]
    status: BreakerStatus
    armed: bool
    expires_at_s: int
    ready_at_s: int
    locked_until_s: int
    nonce: int


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """The part of ``breakerOf`` that does not depend on the call. ``safe`` is the zero address where the protocol is called directly."""

    target: str
    duration_s: int
    cooldown_s: int
    window_s: int
    safe: str
    lock_s: int
    budget: int
    required: int


def breaker_id(text: str) -> str:
    """The identifier that people write: 0x and 64 digits, or an ASCII name of at most 32 characters, padded with zeros on the right.

    Raises UnitError.
    """
    if text.startswith("0x"):
        try:
            raw = bytes.fromhex(text[2:])
        except ValueError:
            raw = b""
        if len(raw) != WORD:
            raise UnitError(f"{text!r} is not 0x and 64 hexadecimal digits", remedy="or write the name, in ASCII")
    else:
        raw = text.encode("ascii", "replace")
        if not text.isascii() or not text.isprintable() or not 0 < len(raw) <= WORD:
            raise UnitError(
                f"{text!r} is no name of a breaker", remedy="1 to 32 ASCII characters, or 0x and 64 hexadecimal digits"
            )
        raw = raw.ljust(WORD, b"\0")
    if not any(raw):
        raise UnitError("zero is no identifier of a breaker", remedy="name the breaker as it is registered")
    return "0x" + raw.hex()


def breaker_name(identifier: str) -> str:
    """An identifier for people: its ASCII name, or itself where it is none."""
    raw = bytes.fromhex(identifier.removeprefix("0x")).rstrip(b"\0")
    return raw.decode("ascii") if raw and raw.isascii() and raw.decode("ascii").isprintable() else identifier


def trip_call(trip: BreakerTrip, evidence: bytes = NO_EVIDENCE) -> Call:
    """``trip(id, values, evidence)``. Raises UnitError when a value is no uint256."""
    values = encode_list(trip.values)
    head = bytes.fromhex(trip.id.removeprefix("0x")) + _number(3 * WORD) + evidence
    return Call(trip.contract, TRIP + head + values)


def evidence_of(data: bytes) -> bytes:
    """The evidence in the calldata of a trip, by one keeper or signed by several: 32 bytes; empty for any other call."""
    at = _EVIDENCE_AT.get(data[:4])
    return data[at : at + WORD] if at is not None else b""


def encode_list(values: Sequence[str]) -> bytes:
    """A ``uint256[]`` behind its offset: length and words. Raises UnitError."""
    words = [_number(_whole(value)) for value in values]
    return _number(len(words)) + b"".join(words)


def expire_call(contract: str, identifier: str) -> FunctionCall:
    return FunctionCall(contract, EXPIRE, (identifier,))


def view_call(contract: str, signature: str, identifier: str) -> Call:
    """A call of one of the views that take an identifier: STATE_OF, BREAKER_OF."""
    function: Function = parse_signature(signature)
    return Call(contract, function.selector + bytes.fromhex(identifier.removeprefix("0x")))


_STATE_TYPES = ("uint240", "uint8", "bool", "uint40", "uint40", "uint40", "uint32")
_TERM_TYPES = ("address", "uint32", "uint32", "uint32", "address", "uint32", "uint8", "uint8")


def decode_state(data: bytes) -> BreakerState:
    """Raises MalformedAnswer."""
    recent, status, armed, expires, ready, locked, nonce = decode_values(_STATE_TYPES, data)
    number = int(recent)
    times = (number >> (_SLOT_BITS * place) & ((1 << _SLOT_BITS) - 1) for place in range(_SLOTS))
    try:
        known = BreakerStatus(int(status))
    except ValueError:
        raise MalformedAnswer(f"{int(status)} is no status of a breaker") from None
    return BreakerState(
        recent_s=tuple(time for time in times if time),
        status=known,
        armed=bool(armed),
        expires_at_s=int(expires),
        ready_at_s=int(ready),
        locked_until_s=int(locked),
        nonce=int(nonce),
    )


def decode_terms(data: bytes) -> BreakerTerms:
    """Raises MalformedAnswer."""
    if int.from_bytes(data[:WORD], "big") != WORD:
        raise MalformedAnswer("this is no registration of a breaker", remedy="is the address that of a CircuitBreaker?")
    target, duration, cooldown, window, safe, lock, budget, required = decode_values(_TERM_TYPES, data[WORD:])
    return BreakerTerms(
        target=str(target),
        duration_s=int(duration),
        cooldown_s=int(cooldown),
        window_s=int(window),
        safe=str(safe),
        lock_s=int(lock),
        budget=int(budget),
        required=int(required),
    )


def refusal(state: BreakerState, terms: BreakerTerms, now_s: int, *, frozen: bool) -> str:
    """Why the contract would refuse a trip at this time, in words; empty when nothing of time and state stands in the way.

    What only people end comes first, as in the contract (``_spend`` of CircuitBreaker.sol); of several terms that run, the one that ends last.
    """
    if state.status is BreakerStatus.UNKNOWN:
        return "it is not registered"
    if frozen:
        return "the whole contract is frozen, until the council unfreezes it"
    if not state.armed:
        return "it is disarmed, until the council arms it"
    if state.status is BreakerStatus.RATIFIED:
        return "its last trip is ratified, until the council lifts it"
    if state.status is BreakerStatus.TRIPPED:
        why = f"it is tripped until {utc(state.expires_at_s)}"
        again_s = rests_until_s(state, terms, now_s)
        return (
            why
            if again_s <= state.expires_at_s
            else f"{why}, and may trip again from {utc(again_s)} on at the earliest"
        )
    until_s, why = max(_terms_that_run(state, terms), key=lambda each: each[0])
    return why if now_s < until_s else ""


def rests_until_s(state: BreakerState, terms: BreakerTerms, now_s: int) -> int:
    """When the breaker may trip again by itself, at the earliest: after trip, cooldown, lock and budget.

    0 when time does not stand in the way, or not alone: what is disarmed, ratified or not registered waits for people.
    """
    if not state.armed or state.status not in (BreakerStatus.READY, BreakerStatus.TRIPPED):
        return 0
    until_s = max(each[0] for each in _terms_that_run(state, terms))
    if state.status is BreakerStatus.TRIPPED:
        until_s = max(until_s, max(now_s, state.expires_at_s) + terms.cooldown_s)
    return until_s if now_s < until_s else 0


def _terms_that_run(state: BreakerState, terms: BreakerTerms) -> tuple[tuple[int, str], ...]:
    """When each of the contract's terms is over, and in words that it is not; in the contract's own order."""
    rest_s, lock_s, free_s = state.ready_at_s, state.locked_until_s, budget_free_at_s(state, terms)
    return (
        (rest_s, f"it rests until {utc(rest_s)} (cooldown of {span(terms.cooldown_s)} after the last trip)"),
        (lock_s, f"the council lifted the last trip; it is locked until {utc(lock_s)}"),
        (free_s, f"its budget of {trips(terms.budget)} in {span(terms.window_s)} is used up until {utc(free_s)}"),
    )


def budget_free_at_s(state: BreakerState, terms: BreakerTerms) -> int:
    """When the budget allows the next trip; 0 when it does at any time."""
    if terms.budget == 0 or len(state.recent_s) < terms.budget:
        return 0
    return state.recent_s[terms.budget - 1] + terms.window_s


def utc(at_s: int) -> str:
    """A time on chain for people; a number that no calendar holds is shown as it is."""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {at_s}"


def span(seconds: int) -> str:
    """A duration for people, exact: ``7 d``, ``6 h``, ``90 s``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def trips(number: int) -> str:
    """So many, for people."""
    return f"{number} trip" if number == 1 else f"{number} trips"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 78 and int(text) < 1 << 256):
        raise UnitError(f"{text!r} is no value of a breaker's bound", remedy="a whole number of at most 256 bits")
    return int(text)


def _number(value: int) -> bytes:
    return value.to_bytes(WORD, "big")
