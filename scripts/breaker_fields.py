"""Reads the values of a reviewed file one by one, and keeps every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keeper.domain.abi import Function, encode_arg, parse_signature, to_text
from keeper.domain.abi_codec import encode_values, integer_range
from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import Problem, UnitError
from keeper.domain.text import shown
from scripts.breaker_model import ZERO, Called

STAR = "*"
"""Stands for an argument that the keeper chooses, and in the undo call for its value of before the trip."""
BREAKER = "breaker"
"""Stands for the address of the breaker contract, in the calls of ``rights``."""
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_EXACT = 2**53
_NONE = Called("", b"")
REMEDY_FILL = "run: .venv/bin/python -m scripts.breaker_params fill FILE, and review what it wrote"


class Fields:
    """One object of the file. Each reader notes what is wrong and goes on with a harmless value."""

    def __init__(self, value: object, path: str, problems: list[Problem], *, fill: bool = False) -> None:
        self.path = path
        self.problems = problems
        self.fill = fill
        self._known = {"note"}
        self._value: dict[str, Any] = {}
        if isinstance(value, dict):
            self._value = value
        else:
            self.wrong("", f"{shown(value)} is not an object", "write { ... }")
        if not isinstance(self._value.get("note", ""), str):
            self.wrong("note", "a note is text")

    def wrong(self, key: str, message: str, remedy: str = "") -> None:
        """Notes a problem at this key."""
        path = ".".join(part for part in (self.path, key) if part)
        self.problems.append(Problem(path or "the file", None, "", message, remedy))

    def has(self, key: str) -> bool:
        """Whether the key is there. It counts as known from now on."""
        self._known.add(key)
        return key in self._value

    def done(self) -> None:
        """Notes every key that nobody asked for."""
        for key in self._value.keys() - self._known:
            self.wrong(key, "this key is not known", f"allowed here: {', '.join(sorted(self._known))}")

    def child(self, key: str) -> Fields:
        """The object at this key. When it is missing that is noted once, and nothing about what it would hold."""
        there = key in self._value
        value = self._get(key, {})
        return Fields(value, f"{self.path}.{key}".lstrip("."), self.problems if there else [], fill=self.fill)

    def places(self, key: str, value: str) -> list[int]:
        """Where this text stands in the list at this key."""
        found = self._value.get(key)
        return [index for index, one in enumerate(found) if one == value] if isinstance(found, list) else []

    def children(self, key: str) -> Iterator[Fields]:
        """The objects of the list at this key."""
        for index, value in enumerate(self._list(key)):
            yield Fields(value, f"{self.path}.{key}[{index}]".lstrip("."), self.problems, fill=self.fill)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self._get(key, "?")
        if isinstance(value, str) and value:
            return value
        self.wrong(key, f"{shown(value)} is not text")
        return "?"

    def name(self, key: str) -> str:
        """1 to 32 printable ASCII characters, none of them at the ends a space: a bytes32 that people can read."""
        text = self.text(key)
        if text.isascii() and text.isprintable() and len(text) <= 32 and text == text.strip():
            return text
        self.wrong(key, f"{shown(text)} is not a name", "1 to 32 printable ASCII characters")
        return "?"

    def choice(self, key: str, allowed: dict[str, int]) -> int:
        """One of these words."""
        text = self.text(key)
        if text in allowed:
            return allowed[text]
        self.wrong(key, f"{shown(text)} is not allowed", f"one of {', '.join(allowed)}")
        return 0

    def number(self, key: str, least: int, greatest: int) -> int:
        """A whole number within these, inclusive. From 2 ** 53 on it stands in quotes, because many programs read JSON's numbers as floats."""
        value = self._get(key, least)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = int(value)
        elif not isinstance(value, int) or isinstance(value, bool):
            self.wrong(key, f"{shown(value)} is not a whole number", "write 21600, or a large one in quotes")
            return least
        elif value >= _EXACT:
            self.wrong(
                key, f"{value} may lose digits on its way through other programs", f'write it in quotes: "{value}"'
            )
        if not least <= value <= greatest:
            self.wrong(key, f"{value} is out of bounds", f"from {least} to {greatest}, inclusive")
            return least
        return value

    def address(self, key: str, *, zero: bool = False) -> str:
        """An EIP-55 address; with ``zero`` the zero address is one too."""
        return self._address(key, self._get(key, ZERO), zero=zero)

    def addresses(self, key: str) -> tuple[str, ...]:
        """A list of EIP-55 addresses, none twice."""
        found: list[str] = []
        for index, value in enumerate(self._list(key)):
            address = self._address(f"{key}[{index}]", value, zero=False)
            if address in found and address != ZERO:
                self.wrong(f"{key}[{index}]", f"{address} is listed twice")
            found.append(address)
        return tuple(found)

    def called(self, stars: frozenset[int] = frozenset(), *, breaker: bool = False) -> Called:
        """``function`` and ``arguments`` of this object, and ``calldata`` held against them (or with ``fill`` written).

        Exactly the arguments ``stars`` are ``"*"``; their words are zero. With ``breaker`` there is no calldata in the file, because
        an address may be ``"breaker"``; its word is zero.
        """
        function, values = self._function(), [str(value) for value in self._list("arguments", text=True)]
        if function is None:
            self.has("calldata")
            return _NONE
        if len(values) != len(function.inputs):
            self.wrong(
                "arguments", f"{function.signature} takes {len(function.inputs)} arguments, {len(values)} are given"
            )
            self.has("calldata")
            return _NONE
        encoded = [
            _zero(kind)
            if breaker and (kind, value) == ("address", BREAKER)
            else self._argument(index, kind, value, index in stars)
            for index, (kind, value) in enumerate(zip(function.inputs, values, strict=True))
        ]
        data = function.selector + encode_values(function.inputs, encoded)
        if not breaker:
            self.hex("calldata", data)
        shown_values = ", ".join(value.split(":", 1)[-1] for value in values)
        return Called(f"{function.name}({shown_values})", data, function.inputs, function.outputs)

    def value(self, key: str, kind: str) -> bytes:
        """A value of this type as one word."""
        return encode_values([kind], [self._encoded(key, kind, self._get(key, ""))])

    def hex(self, key: str, right: bytes) -> None:
        """What is written at this key must be these bytes; with ``fill`` it is written."""
        text = "0x" + right.hex()
        if self.fill:
            self._known.add(key)
            self._value[key] = text
        elif not self.has(key):
            self.wrong(key, "is missing", REMEDY_FILL)
        elif self._value[key] != text:
            self.wrong(key, "is not what the readable form says", f"it says {text}; {REMEDY_FILL}")

    def _function(self) -> Function | None:
        try:
            return parse_signature(self.text("function"))
        except UnitError as error:
            self.wrong("function", error.message, error.remedy)
            return None

    def _argument(self, index: int, kind: str, value: str, star: bool) -> Any:
        key = f"arguments[{index}]"
        if not star and value != STAR:
            return self._encoded(key, kind, value)
        if not star:
            self.wrong(
                key, 'only an argument that has a bound is "*"', "write its value, or add the bound for this word"
            )
        elif value != STAR:
            self.wrong(key, f"{shown(value)} would be overwritten: a bound stands for this word", 'write "*"')
        return _zero(kind)

    def _encoded(self, key: str, kind: str, value: object) -> Any:
        try:
            if not isinstance(value, str):
                raise UnitError(f"{shown(value)} is not text", remedy="put it in quotes")
            return encode_arg(kind, _spelled_out(kind, value))
        except UnitError as error:
            self.wrong(key, error.message, error.remedy)
            return _zero(kind)

    def _address(self, key: str, value: object, *, zero: bool) -> str:
        try:
            parse_address(value)
        except UnitError as error:
            self.wrong(key, error.message, error.remedy)
            return ZERO
        if value == ZERO and not zero:
            self.wrong(key, "the zero address is nobody")
        return str(value)

    def _get(self, key: str, default: Any) -> Any:
        if not self.has(key):
            self.wrong(key, "is missing")
        return self._value.get(key, default)

    def _list(self, key: str, *, text: bool = False) -> list[Any]:
        value = self._get(key, [])
        if not isinstance(value, list):
            self.wrong(key, f"{shown(value)} is not a list", "write [ ... ]")
            return []
        if text and (strangers := [index for index, one in enumerate(value) if not isinstance(one, str)]):
            self.wrong(f"{key}[{strangers[0]}]", f"{shown(value[strangers[0]])} is not text", "put it in quotes")
        return value


def _spelled_out(kind: str, value: str) -> str:
    """``text:ETH-PERP`` as a bytes32 padded on the right, ``keccak:PAUSER_ROLE`` as its hash; everything else as it is."""
    form, colon, rest = value.partition(":")
    if kind != "bytes32" or not colon:
        return value
    if not rest or not rest.isascii() or not rest.isprintable():
        raise UnitError(f"{shown(value)}: printable ASCII characters follow the colon")
    raw = rest.encode("ascii")
    if form == "keccak":
        return "0x" + keccak256(raw).hex()
    if form != "text" or len(raw) > 32:
        raise UnitError(f"{shown(value)} is not a bytes32", remedy="0x.., text: with at most 32 characters, or keccak:")
    return "0x" + raw.ljust(32, b"\0").hex()


def _zero(kind: str) -> Any:
    """The harmless value of a type."""
    if kind in ("bool", "address", "string"):
        return {"bool": False, "address": ZERO, "string": ""}[kind]
    return 0 if integer_range(kind) else bytes(int(kind[5:] or 0))


def one_word(kind: str) -> bool:
    """Whether a value of this type is its word (and not an offset to where it stands)."""
    return kind not in ("bytes", "string")


def printable_word(kind: str, word: bytes) -> str:
    """A word of a known type as people write it."""
    if (bounds := integer_range(kind)) is not None:
        return str(int.from_bytes(word, "big", signed=bounds[0] < 0))
    return to_text(kind, any(word)) if kind == "bool" else "0x" + word.hex()
