"""What is registered with the contract CircuitBreaker: the answer of ``breakerOf``, whole. Layout: ``ICircuitBreaker.Breaker``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from keeper.domain.abi_codec import WORD, decode_values
from keeper.domain.circuit_breaker import BreakerTerms, decode_terms
from keeper.domain.errors import MalformedAnswer

MAX_BOUNDS = 4
"""MAX_BOUNDS of the contract."""
_HEAD = ("address", "uint32", "uint32", "uint32", "address", "uint32", "uint8", "uint8", "bytes", "bytes")
_PROBE_AT, _BOUNDS_AT = 10 * WORD, 11 * WORD
_PROBE = ("address", "uint8", "bytes", "bytes32")
_BOUND = ("address", "uint8", "uint8", "uint8", "uint16", "uint256", "uint256", "bytes")


BREAKER_TYPE = (
    f"(address,uint32,uint32,uint32,address,uint32,uint8,uint8,bytes,bytes,({','.join(_PROBE)}),({','.join(_BOUND)})[])"
)
"""``ICircuitBreaker.Breaker`` as the ABI names it."""


class Side(IntEnum):
    """Which side of the current value is the safe one; KEPT: the keeper has no say."""

    LOWER = 0
    HIGHER = 1
    KEPT = 2


@dataclass(frozen=True, slots=True)
class Probe:
    """Whom to ask whether the trip is in effect, and the word ``word`` of the answer then. An empty ``call``: there is no probe."""

    target: str
    word: int
    call: bytes
    expected: bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument that the keeper chooses. Words are counted from behind the selector; ``max_step_bps`` of the current value."""

    target: str
    word: int
    answer_word: int
    side: Side
    max_step_bps: int
    minimum: int
    maximum: int
    call: bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """One breaker. ``call`` and ``undo`` are calldata of ``terms.target``; the words of ``bounds`` are filled in."""

    terms: BreakerTerms
    call: bytes
    undo: bytes
    probe: Probe
    bounds: tuple[Bound, ...]


def decode_registration(data: bytes) -> Registration:
    """Raises MalformedAnswer."""
    terms, body = decode_terms(data), data[WORD:]
    call, undo = decode_values((*_HEAD, "uint256", "uint256"), body)[8:10]
    target, word, view, expected = decode_values(_PROBE, body[_offset(body, _PROBE_AT) :])
    bounds = body[_offset(body, _BOUNDS_AT) :]
    count = _number(bounds, 0)
    if count > MAX_BOUNDS:
        raise MalformedAnswer("a breaker has no more than four bounds")
    items = bounds[WORD:]
    return Registration(
        terms=terms,
        call=_raw(call),
        undo=_raw(undo),
        probe=Probe(str(target), int(word), _raw(view), _raw(expected)),
        bounds=tuple(_bound(items[_offset(items, place * WORD) :]) for place in range(count)),
    )


def _bound(data: bytes) -> Bound:
    target, word, answer_word, side, step, minimum, maximum, call = decode_values(_BOUND, data)
    if int(side) > Side.KEPT:
        raise MalformedAnswer(f"{int(side)} is no side of a bound")
    return Bound(
        target=str(target),
        word=int(word),
        answer_word=int(answer_word),
        side=Side(int(side)),
        max_step_bps=int(step),
        minimum=int(minimum),
        maximum=int(maximum),
        call=_raw(call),
    )


def _offset(data: bytes, at: int) -> int:
    """The offset that stands at this byte. Raises MalformedAnswer when it leads nowhere."""
    offset = _number(data, at)
    if offset > len(data) - WORD:
        raise MalformedAnswer(f"a part of the registration begins behind its end, {len(data)} bytes")
    return offset


def _number(data: bytes, at: int) -> int:
    if len(data) < at + WORD:
        raise MalformedAnswer(f"a registration ends after {len(data)} bytes")
    return int.from_bytes(data[at : at + WORD], "big")


def _raw(value: object) -> bytes:
    assert isinstance(value, bytes), "the type says bytes"
    return value
