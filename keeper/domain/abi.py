"""Contract calls as people write them: ``paused(bytes32)(bool)`` and arguments as text, to calldata and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from keeper.domain.abi_codec import (
    WORD,
    canonical_text,
    canonical_type,
    decode_values,
    encode_arg,
    encode_values,
    to_text,
)
from keeper.domain.action import AbiValue, Call, FunctionCall
from keeper.domain.address import checksum_address, keccak256, parse_address
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.text import printable, shown

__all__ = [
    "Function",
    "canonical_text",
    "check_call",
    "decode_results",
    "describe_revert",
    "encode_arg",
    "encode_call",
    "encode_function",
    "parse_signature",
    "to_text",
]

_SIGNATURE = re.compile(r"\s*([A-Za-z_$][A-Za-z0-9_$]*)\s*\(([^()]*)\)\s*(?:\(([^()]*)\)\s*)?")
_SKIPPED = re.compile(r"(?:\s*_\s*,)+")
_NESTED = re.compile(r"\[|\([^)]*\(")
_ERROR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)
_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x31: "pop of an empty list",
    0x32: "index out of bounds",
    0x41: "out of memory",
}


@dataclass(frozen=True, slots=True)
class Function:
    """One contract function. ``inputs`` and ``outputs`` are canonical types; ``outputs`` is empty where none are named.

    ``skipped`` results come before the ``outputs`` and are not looked at: ``getReserveCaps(address)(_,uint256)`` skips one.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    selector: bytes
    skipped: int = 0

    @property
    def signature(self) -> str:
        """The text that the selector is the hash of: ``paused(bytes32)``."""
        return f"{self.name}({','.join(self.inputs)})"

    def view_of(self, index: int) -> str:
        """The text of a view of which result number ``index`` (from 0) alone counts: ``getReserveCaps(address)(_,uint256)``."""
        return f"{self.signature}({'_,' * (self.skipped + index)}{self.outputs[index]})"


@lru_cache(maxsize=1024)
def parse_signature(text: str) -> Function:
    """``name(types)`` or ``name(types)(results)``; ``uint`` means uint256, spaces are allowed between the types.

    Results that do not count are written ``_`` and stand first, each in place of one word.

    Raises UnitError when it is not one or uses a type that is not supported.
    """
    match = _SIGNATURE.fullmatch(text)
    if match is None:
        example = "write pauseMarket(bytes32), or paused(bytes32)(bool) with its result"
        if _NESTED.search(text):
            raise UnitError(
                f"{shown(text)}: lists and tuples are not supported", remedy="call a function of plain values"
            )
        raise UnitError(f"{shown(text)} is not a function signature", remedy=example)
    name, inputs, results = match.group(1), _types(match.group(2)), match.group(3) or ""
    skipped = _SKIPPED.match(results)
    outputs = _types(results[skipped.end() :]) if skipped else _types(results)
    if skipped and any(output in ("bytes", "string") for output in outputs):
        raise UnitError(f"{shown(text)}: a result of no fixed size after others", remedy="name all results before it")
    selector = keccak256(f"{name}({','.join(inputs)})".encode("ascii"))[:4]
    return Function(name, inputs, outputs, selector, skipped.group().count("_") if skipped else 0)


def encode_function(function: Function, args: tuple[str, ...]) -> bytes:
    """The calldata. Raises UnitError that names the argument (counted from 1) that does not fit."""
    if len(args) != len(function.inputs):
        raise UnitError(f"{function.signature} takes {len(function.inputs)} arguments, {len(args)} are given")
    values: list[AbiValue] = []
    for number, (type_name, text) in enumerate(zip(function.inputs, args, strict=True), start=1):
        try:
            values.append(encode_arg(type_name, text))
        except UnitError as error:
            raise UnitError(
                f"argument {number} of {function.signature}: {error.message}", remedy=error.remedy
            ) from None
    return function.selector + encode_values(function.inputs, values)


def encode_call(call: FunctionCall) -> Call:
    """The call, ready to send. Raises UnitError when the target, the signature or an argument does not fit."""
    target = checksum_address(parse_address(call.target))
    return Call(to=target, data=encode_function(parse_signature(call.signature), call.args))


def check_call(call: FunctionCall, *, results: int = 0) -> Function:
    """The function of a call that would encode, and that names at least this many results. Raises UnitError."""
    encode_call(call)
    function = parse_signature(call.signature)
    if len(function.outputs) < results:
        raise UnitError(
            f"{function.signature} does not name its result", remedy=f"write {function.signature}(bool) or the like"
        )
    return function


def decode_results(function: Function, data: bytes) -> tuple[AbiValue, ...]:
    """What the function answered, as its outputs say. Raises MalformedAnswer."""
    try:
        return decode_values(function.outputs, data[WORD * function.skipped :])
    except MalformedAnswer as error:
        raise MalformedAnswer(f"{function.signature}: {error.message}", remedy=error.remedy) from None


def describe_revert(data: bytes) -> str:
    """Revert data in words: ``Error(string)``, ``Panic(uint256)``, else the selector of a custom error with its size. Never raises."""
    if not data:
        return "reverted without a reason"
    kind, rest = data[:4], data[4:]
    try:
        if kind == _ERROR:
            return f"reverted: {printable(str(decode_values(('string',), rest)[0]))}"
        if kind == _PANIC:
            code = int(decode_values(("uint256",), rest)[0])
            return f"panicked: {_PANICS.get(code, hex(code))}"
    except MalformedAnswer:
        pass
    arguments = f" with {len(rest)} bytes of arguments" if rest else ""
    return f"reverted with the custom error 0x{kind.hex()}{arguments}"


def _types(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    return tuple(canonical_type(part.strip()) for part in text.split(","))
