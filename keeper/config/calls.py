"""Contract calls in the configuration: the signature, and each argument against its type."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.config.kinds import check_address
from keeper.config.problems import shown
from keeper.config.shape import Bad, Given, Kind
from keeper.domain.abi import Function, canonical_text, parse_signature
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.errors import UnitError

MAX_ARGS = 32
BREAKER_NAME = "name of a breaker"
"""Stands where the type of an argument would: text that becomes a bytes32."""
NO_FUNCTION = Function("", (), (), b"")


@dataclass(frozen=True, slots=True)
class Signature:
    """``text`` is the canonical form; ``outputs`` of ``function`` are empty where none are named."""

    function: Function
    text: str

    @property
    def known(self) -> bool:
        return self.function is not NO_FUNCTION

    def result(self, index: int) -> Signature:
        """The view of which this result alone counts (from 0)."""
        text = self.function.view_of(index)
        return Signature(parse_signature(text), text)


def _parse(given: Given, *, view: bool) -> Signature:
    example = "write for example " + ("paused(bytes32)(bool)" if view else "pauseMarket(bytes32)")
    if len(given.text) > 500:
        raise Bad("not a function signature: it is too long", example)
    try:
        function = parse_signature(given.text)
    except UnitError as error:
        raise Bad("not a function signature that can be used here", error.remedy or example) from None
    if len(function.inputs) > MAX_ARGS:
        raise Bad(f"more than {MAX_ARGS} arguments", "this is hardly meant")
    if function.skipped:
        raise Bad("a result has no type", "name the types of all results; `index` says which of them counts")
    if view and not function.outputs:
        raise Bad("the signature of a view names its results", f"write {function.signature}(uint256) or the like")
    if not view and function.outputs:
        raise Bad("the signature of a call that acts names no results", f"write {function.signature}")
    results = f"({','.join(function.outputs)})" if view else ""
    return Signature(function, function.signature + results)


_SCHEMA_CALL = {"type": "string", "pattern": r"^\s*[A-Za-z_$][A-Za-z0-9_$]*\s*\([^()]*\)\s*$"}
_SCHEMA_VIEW = {"type": "string", "pattern": r"^\s*[A-Za-z_$][A-Za-z0-9_$]*\s*\([^()]*\)\s*\([^()]+\)\s*$"}
_BLANK = Signature(NO_FUNCTION, "")

ACTING: Kind[Signature] = Kind(lambda given: _parse(given, view=False), _BLANK, {**_SCHEMA_CALL})
VIEW: Kind[Signature] = Kind(lambda given: _parse(given, view=True), _BLANK, {**_SCHEMA_VIEW})


def literal(type_name: str, text: str) -> str:
    """The text in the one form of its value (``0x1F`` as uint8 -> ``31``). Raises Bad."""
    if type_name == "address":
        return check_address(text, show=True)
    try:
        if type_name == BREAKER_NAME:
            return breaker_id(text)
        return canonical_text(type_name, text)
    except UnitError as error:
        raise Bad(f"not a value of {type_name}", error.remedy + _as_bytes(type_name, text)) from None


def _as_bytes(type_name: str, text: str) -> str:
    """A word where bytesN is asked for is usually a name; most contracts hold it left-aligned."""
    size, raw = type_name.removeprefix("bytes"), text.encode("utf-8")
    if not size.isdigit() or text.startswith("0x") or not 0 < len(raw) <= int(size):
        return ""
    return f"; as left-aligned text, {shown(text)} is 0x{raw.ljust(int(size), bytes(1)).hex()}"
