"""Calldata as a tree of calls in plain words. It says what would be called, never what somebody claims about it.

Everything here may come from a stranger: depth and number of calls are bounded, and what is not exactly as an encoder writes it is said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from keeper.app.council.known import Known
from keeper.app.council.matter import Decoded
from keeper.app.council.meanings import BREAKER_CALLS, COMMON_CALLS, REGISTER, role_name, sentence
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.circuit_breaker import breaker_name
from keeper.domain.multisend import MAX_CALLS, MULTI_SEND, InnerCall, decode_multisend
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_calls import CARRIES, SAFE_CALLS, Meaning
from keeper.domain.text import printable

CONTAINERS: Final = CARRIES | {MULTI_SEND}
"""Functions whose arguments are calls: what of them cannot be read could be anything."""
MAX_BYTES: Final = 131_072
"""Of a transaction's calldata: more than 256 calls with a dozen arguments each have."""
MAX_DEPTH: Final = 4
MAX_LIST_BYTES: Final = 16_384
"""Of calldata with lists: entries of a list may overlap, so that few bytes could become very many."""

_SHOWN_BYTES = 256
_WEI = 10**18


def decode(transaction: SafeTransaction, known: Known) -> Decoded:
    """The transaction's call, with those inside of it."""
    call = InnerCall(transaction.operation, transaction.to, transaction.value, transaction.data)
    if len(call.data) > MAX_BYTES:
        return _too_large(call, known)
    return _Reader(known, MAX_CALLS + 1).read(call, 0)


def _too_large(call: InnerCall, known: Known) -> Decoded:
    """Whoever wrote so much may want that nobody reads it."""
    where = known.names.get(call.to) or f"{call.to} (an unknown address)"
    return Decoded(
        to=call.to,
        contract_name=known.names.get(call.to, ""),
        value_wei=call.value,
        delegatecall=call.operation is Operation.DELEGATECALL,
        function=None,
        args=(),
        data=_text(call.data),
        text=f"Calls {where} with {len(call.data)} bytes, which are too many to be read here",
        doubt=f"too large to be read here: {len(call.data)} bytes; do not sign what cannot be read",
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """A function that fits the calldata; ``values`` None: the arguments do not read as its types."""

    signature: str
    values: tuple[Any, ...] | None
    doubt: str
    meaning: Meaning | None


class _Reader:
    def __init__(self, known: Known, budget: int) -> None:
        self._known = known
        self._left = budget

    def read(self, call: InnerCall, depth: int) -> Decoded:
        self._left -= 1
        reading = self._best(call)
        signature, doubt = None, ""
        args: tuple[tuple[str, str], ...] = ()
        inner: tuple[Decoded, ...] = ()
        if reading is not None:
            signature, doubt = reading.signature, reading.doubt
            if reading.values is not None:
                types = argument_types(signature)
                args = tuple((kind, _shown(kind, value)) for kind, value in zip(types, reading.values, strict=True))
                inner, unread = self._inner(signature, reading.values, call, depth)
                doubt = unread or doubt
        return Decoded(
            to=call.to,
            contract_name=self._known.names.get(call.to, ""),
            value_wei=call.value,
            delegatecall=call.operation is Operation.DELEGATECALL,
            function=signature,
            args=args,
            data="0x" + call.data.hex(),
            inner=inner,
            text=self._words(call, reading, args, len(inner)),
            doubt=doubt,
        )

    def _best(self, call: InnerCall) -> _Reading | None:
        """Of the functions with this selector, the first that reads without doubt, else the first that reads, else the first."""
        readings = [_reading(signature, meaning, call.data) for signature, meaning in self._candidates(call)]
        if not readings:
            return None
        return min(readings, key=lambda one: (one.values is None, bool(one.doubt)))

    def _candidates(self, call: InnerCall) -> list[tuple[str, Meaning | None]]:
        """What the configuration says of this very target comes first, what it says of other targets last."""
        known, selector = self._known, call.data[:4]
        if len(selector) < 4:
            return []
        own = [(text, None) for text in known.functions.get(call.to, ()) if _selector(text) == selector]
        breakers = [BREAKER_CALLS] if call.to in known.breakers else []
        tables = [*breakers, SAFE_CALLS, COMMON_CALLS]
        meant = [(table[selector].signature, table[selector]) for table in tables if selector in table]
        others = sorted({text for texts in known.functions.values() for text in texts if _selector(text) == selector})
        return [*own, *meant, *((text, None) for text in others)]

    def _inner(
        self, signature: str, values: Sequence[Any], call: InnerCall, depth: int
    ) -> tuple[tuple[Decoded, ...], str]:
        """The calls inside of this one, and why they cannot be told (empty: all are)."""
        if signature not in CONTAINERS:
            return (), ""
        inner = decode_multisend(call.data) if signature == MULTI_SEND else _carried(values)
        if inner is None:
            return (), "the calls in it cannot be read: it could do anything"
        if depth >= MAX_DEPTH or len(inner) > self._left:
            return (), "it holds too many calls in each other to be told: it could do anything"
        return tuple(self.read(each, depth + 1) for each in inner), ""

    def _words(self, call: InnerCall, reading: _Reading | None, args: tuple[tuple[str, str], ...], inner: int) -> str:
        text = self._call_words(call, reading, args, inner)
        if call.value and call.data:
            text += f", and sends {_amount(call.value)} with it"
        if call.operation is not Operation.DELEGATECALL:
            return text
        if call.to in self._known.multisend and reading is not None and reading.signature == MULTI_SEND:
            return text
        return f"Runs the code at {call.to} as the Safe itself, which may have nothing to do with these words: {text}"

    def _call_words(
        self, call: InnerCall, reading: _Reading | None, args: tuple[tuple[str, str], ...], inner: int
    ) -> str:
        where = self._where(call.to)
        if not call.data:
            if call.value:
                return f"Sends {_amount(call.value)} to {where}"
            return (
                "Does nothing, but uses up its nonce" if call.to == self._known.safe else f"Calls {where} with nothing"
            )
        if reading is None:
            return f"Calls {where} with {len(call.data)} bytes that nobody here can read, 0x{call.data[:4].hex()}..."
        if reading.values is None:
            return f"Calls {reading.signature} of {where} with arguments that do not read as such"
        if reading.signature == MULTI_SEND:
            calls = "calls that cannot be read"
            if inner:
                calls = "1 call" if inner == 1 else f"{inner} calls, all or none"
            whose = "" if call.operation is Operation.DELEGATECALL else f" in the name of {where}, not of this Safe"
            return f"Makes {calls}{whose}"
        shown = [self._argument(reading.signature, place, arg) for place, arg in enumerate(args)]
        meaning = reading.meaning
        if meaning is not None:
            words = meaning.text.format(*shown, on=where)
            whole = words if "{on}" in meaning.text else f"{words}, on {where}"
            return whole + self._rights(reading.values[1]) if meaning.signature == REGISTER else whole
        market = next(
            (name for place, arg in enumerate(args) if (name := self._market(reading.signature, place, arg))), ""
        )
        rest = [text for place, text in enumerate(shown) if not self._market(reading.signature, place, args[place])]
        return sentence(reading.signature, rest, market, where)

    def _rights(self, breaker: Sequence[Any]) -> str:
        """What keepers may do from then on; fields as in ``ICircuitBreaker.Breaker``."""
        target, call, undo, bounds = breaker[0], breaker[8], breaker[9], breaker[11]
        to = checksum_address(bytes.fromhex(target[2:]))
        does, undoes = (
            _Reader(self._known, 1).read(InnerCall(Operation.CALL, to, 0, data), MAX_DEPTH).text if data else "nothing"
            for data in (call, undo)
        )
        within = f" (numbers of theirs within {len(bounds)} bounds)" if bounds else ""
        return f". Keepers may then do this: {does}{within}; taken back by this: {undoes}"

    def _where(self, address: str) -> str:
        return self._known.names.get(address) or f"{address} (an unknown address)"

    def _market(self, signature: str, place: int, arg: tuple[str, str]) -> str:
        return self._known.markets.get((signature, place, arg[1]), "")

    def _argument(self, signature: str, place: int, arg: tuple[str, str]) -> str:
        """For a sentence: names beside addresses, roles and identifiers; braces cannot hurt, as it is put in and not read."""
        kind, text = arg
        if kind == "address":
            if text == ZERO_ADDRESS:
                return "nobody (the zero address)"
            name = self._known.names.get(text)
            return f"{name} ({text})" if name else text
        if kind == "bytes32":
            if "Role(" in signature:
                return role_name(text)
            return breaker_name(text) if not signature.startswith("approveHash") else text
        return printable(text, 120)


def argument_types(signature: str) -> tuple[str, ...]:
    """The types between the outermost brackets: ``f(uint256,(address,bytes)[])`` -> two."""
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    types, depth, start = [], 0, 0
    for at, char in enumerate(inside):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            types.append(inside[start:at])
            start = at + 1
    return (*types, inside[start:]) if inside else ()


def _reading(signature: str, meaning: Meaning | None, data: bytes) -> _Reading:
    from eth_abi.abi import decode as decode_abi  # late: only whoever reads proposals pays for it
    from eth_abi.abi import encode as encode_abi
    from eth_abi.exceptions import DecodingError

    types, body = argument_types(signature), data[4:]
    if any("[" in kind for kind in types) and len(body) > MAX_LIST_BYTES:
        return _Reading(signature, None, f"{len(body)} bytes of arguments are too many to be read", meaning)
    try:
        values = decode_abi(types, body, strict=True)
    except (DecodingError, OverflowError, UnicodeDecodeError, ValueError):
        return _Reading(signature, None, f"its arguments do not read as those of {signature}", meaning)
    right = encode_abi(types, values)
    if right == body:
        return _Reading(signature, values, "", meaning)
    more = len(body) - len(right)
    doubt = (
        f"{more} bytes follow its arguments"
        if more > 0 and body.startswith(right)
        else "its arguments are oddly encoded"
    )
    return _Reading(signature, values, doubt, meaning)


def _carried(values: Sequence[Any]) -> tuple[InnerCall, ...] | None:
    """The call in the first four arguments of those that carry one."""
    to, value, data, operation = values[:4]
    if operation not in (Operation.CALL, Operation.DELEGATECALL):
        return None
    return (InnerCall(Operation(operation), checksum_address(bytes.fromhex(to[2:])), value, data),)


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode("ascii"))[:4]


def _shown(kind: str, value: Any) -> str:
    return printable(value, _SHOWN_BYTES) if kind == "string" else _text(value)


def _text(value: Any) -> str:
    """As ``keeper.domain.abi.to_text`` writes it; long bytes are cut, lists are in brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "0x" + value.hex() if len(value) <= _SHOWN_BYTES else f"0x{value[:32].hex()}... ({len(value)} bytes)"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str):  # an address, as strings are not in lists that are known
        return checksum_address(bytes.fromhex(value[2:]))
    return str(value)


def _amount(wei: int) -> str:
    whole, part = divmod(wei, _WEI)
    decimals = f".{part:018d}".rstrip("0") if part else ""
    return f"{whole}{decimals} of the chain's own currency"
