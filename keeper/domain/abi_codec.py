"""Values of the Solidity ABI as words of 32 bytes: the elementary types, strict in both directions.

Source: the contract ABI specification of Solidity. Lists and tuples are not here: what the keeper calls takes and gives plain values.
Decoding trusts nothing: every offset, length and padding bit is checked, so hostile bytes are a MalformedAnswer and never a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from keeper.domain.action import AbiValue
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.text import shown

WORD = 32
_RANGES = {f"uint{bits}": (0, (1 << bits) - 1) for bits in range(8, 257, 8)} | {
    f"int{bits}": (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) for bits in range(8, 257, 8)
}
"""Every integer type with the least and the greatest of its values."""
_FIXED_BYTES = re.compile(r"bytes([0-9]{1,2})")
_DECIMAL = re.compile(r"-?[0-9]{1,78}")
_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HEX_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_DYNAMIC = frozenset({"bytes", "string"})


def canonical_type(name: str) -> str:
    """The type as the selector sees it: ``uint`` -> ``uint256``. Raises UnitError for a type that is not supported."""
    name = {"uint": "uint256", "int": "int256", "byte": "bytes1"}.get(name, name)
    if name in ("bool", "address", "bytes", "string") or name in _RANGES:
        return name
    if (match := _FIXED_BYTES.fullmatch(name)) and match.group(1)[0] != "0" and int(match.group(1)) <= WORD:
        return name
    if "[" in name or "(" in name or name.startswith("tuple"):
        raise UnitError(f"{name!r}: lists and tuples are not supported", remedy="call a function of plain values")
    raise UnitError(
        f"{name!r} is not a Solidity type",
        remedy="bool, uint8 to uint256, int8 to int256, address, bytes1 to bytes32, bytes, string",
    )


def integer_range(type_name: str) -> tuple[int, int] | None:
    """(least, greatest) of an integer type; None for other types."""
    return _RANGES.get(type_name)


def encode_arg(type_name: str, text: str) -> AbiValue:
    """The value that people wrote: ``true``, ``250000``, ``0x1f``, an EIP-55 address, ``0x..`` for bytes.

    Raises UnitError when the text is not exactly a value of the type.
    """
    type_name = canonical_type(type_name)
    if not isinstance(text, str):
        raise UnitError(f"{shown(text)} is not text", remedy="put it in quotes")
    if type_name == "string":
        return text
    if type_name == "bool":
        if text not in ("true", "false"):
            raise UnitError(f"{shown(text)} is not a bool", remedy="write true or false")
        return text == "true"
    if type_name == "address":
        return checksum_address(parse_address(text))
    if (bounds := integer_range(type_name)) is not None:
        return _integer(type_name, text, bounds)
    return _bytes(type_name, text)


def to_text(type_name: str, value: AbiValue) -> str:
    """The one text of a value, for records and comparisons: ``true``, ``250000``, lower-case ``0x..`` for bytes, EIP-55 addresses.

    Raises UnitError when the value is not of the type.
    """
    type_name = canonical_type(type_name)
    if type_name == "string" and isinstance(value, str):
        return value
    if type_name == "bool" and isinstance(value, bool):
        return "true" if value else "false"
    if type_name == "address" and isinstance(value, str):
        return checksum_address(parse_address(value))
    if (bounds := integer_range(type_name)) is not None:
        if isinstance(value, int) and not isinstance(value, bool) and bounds[0] <= value <= bounds[1]:
            return str(value)
    elif type_name.startswith("bytes") and isinstance(value, bytes) and len(value) == (_size(type_name) or len(value)):
        return "0x" + value.hex()
    raise UnitError(f"{shown(value)} is not a {type_name}")


def canonical_text(type_name: str, text: str) -> str:
    """What people wrote in the form of ``to_text``: ``0x3D090`` as uint256 -> ``250000``. Raises UnitError."""
    return to_text(type_name, encode_arg(type_name, text))


def encode_values(types: Sequence[str], values: Sequence[AbiValue]) -> bytes:
    """Head and tail of these values. Raises UnitError when their number or a value does not fit."""
    if len(types) != len(values):
        raise UnitError(f"{len(types)} values are expected, {len(values)} are given")
    head, tail = bytearray(), bytearray()
    for type_name, value in zip(types, values, strict=True):
        if type_name in _DYNAMIC:
            head += (WORD * len(types) + len(tail)).to_bytes(WORD, "big")
            tail += _encode_dynamic(type_name, value)
        else:
            head += _encode_word(type_name, value)
    return bytes(head + tail)


def decode_values(types: Sequence[str], data: bytes) -> tuple[AbiValue, ...]:
    """The values of a head and tail; bytes after the last one are ignored, as Solidity does.

    Raises MalformedAnswer for everything that a correct encoder does not write.
    """
    head_size = WORD * len(types)
    if len(data) < head_size:
        hint = "is there a contract at this address?" if not data else "does the function return this?"
        raise MalformedAnswer(f"{len(data)} bytes where ({','.join(types)}) needs at least {head_size}", remedy=hint)
    values: list[AbiValue] = []
    for index, type_name in enumerate(types):
        word = data[index * WORD : (index + 1) * WORD]
        if (bounds := _RANGES.get(type_name)) is not None:
            number = int.from_bytes(word, "big", signed=bounds[0] < 0)
            if not bounds[0] <= number <= bounds[1]:
                raise MalformedAnswer(f"0x{word.hex()} is not a {type_name}")
            values.append(number)
        elif type_name in _DYNAMIC:
            values.append(_decode_dynamic(type_name, data, int.from_bytes(word, "big"), head_size))
        else:
            values.append(_decode_word(type_name, word))
    return tuple(values)


def _integer(type_name: str, text: str, bounds: tuple[int, int]) -> int:
    if _DECIMAL.fullmatch(text):
        number = int(text)
    elif _HEX_NUMBER.fullmatch(text):
        number = int(text, 16)
    else:
        raise UnitError(f"{shown(text)} is not a whole number", remedy="write 250000 or 0x3d090")
    if not bounds[0] <= number <= bounds[1]:
        raise UnitError(f"{shown(text)} does not fit in {type_name}", remedy=f"from {bounds[0]} to {bounds[1]}")
    return number


def _bytes(type_name: str, text: str) -> bytes:
    if not _HEX_BYTES.fullmatch(text):
        raise UnitError(f"{shown(text)} is not {type_name}", remedy="write 0x and two hexadecimal digits for each byte")
    raw = bytes.fromhex(text[2:])
    size = _size(type_name)
    if size and len(raw) != size:
        raise UnitError(
            f"{shown(text)} has {len(raw)} bytes, {type_name} has {size}", remedy=f"write 0x and {2 * size} digits"
        )
    return raw


def _size(type_name: str) -> int:
    """Bytes of bytesN; 0 for ``bytes``."""
    return int(type_name[5:] or 0)


def _encode_word(type_name: str, value: AbiValue) -> bytes:
    to_text(type_name, value)  # raises UnitError when the value is not of the type
    if isinstance(value, bool):
        return int(value).to_bytes(WORD, "big")
    if isinstance(value, int):
        return value.to_bytes(WORD, "big", signed=value < 0)
    if isinstance(value, bytes):
        return value.ljust(WORD, b"\0")
    return bytes.fromhex(value[2:]).rjust(WORD, b"\0")


def _encode_dynamic(type_name: str, value: AbiValue) -> bytes:
    to_text(type_name, value)
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8")
    return len(raw).to_bytes(WORD, "big") + raw + b"\0" * (-len(raw) % WORD)


def _decode_word(type_name: str, word: bytes) -> AbiValue:
    """A word of any type but the integers, which ``decode_values`` reads by itself because nearly every word is one."""
    if type_name == "address":
        if any(word[:12]):
            raise MalformedAnswer(f"0x{word.hex()} is not an address")
        return checksum_address(word[12:])
    if type_name.startswith("bytes"):
        size = _size(type_name)
        if any(word[size:]):
            raise MalformedAnswer(f"0x{word.hex()} is not {type_name}")
        return word[:size]
    # only bool is left
    number = int.from_bytes(word, "big")
    if number > 1:
        raise MalformedAnswer(f"0x{word.hex()} is not a {type_name}")
    return number == 1


def _decode_dynamic(type_name: str, data: bytes, offset: int, head_size: int) -> AbiValue:
    if not head_size <= offset <= len(data) - WORD:
        raise MalformedAnswer(f"a {type_name} begins at byte {shown(offset)} of {len(data)}")
    size = int.from_bytes(data[offset : offset + WORD], "big")
    start = offset + WORD
    if size > len(data) - start:
        raise MalformedAnswer(f"a {type_name} of {shown(size)} bytes does not fit in {len(data)}")
    raw = data[start : start + size]
    if type_name == "bytes":
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedAnswer("a string is not UTF-8") from None
