"""Addresses with their checksum (EIP-55), and the hash that it needs."""

from __future__ import annotations

import re
from functools import lru_cache

from keeper.domain.errors import UnitError
from keeper.domain.text import shown

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not SHA3-256): 32 bytes."""
    from eth_hash.auto import keccak  # imported late: whoever only shows help need not pay for it

    return bytes(keccak(data))


@lru_cache(maxsize=4096)
def checksum_address(raw: bytes) -> str:
    """20 bytes as EIP-55 text. Raises UnitError for any other length."""
    if len(raw) != 20:
        raise UnitError(f"an address has 20 bytes, not {len(raw)}")
    digits = raw.hex()
    digest = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, digest, strict=False)
    )


def parse_address(text: object) -> bytes:
    """The 20 bytes of an EIP-55 address.

    Raises UnitError for anything else. An address without any checksum is refused too, and told its checksummed form; one
    with a wrong checksum is not, because a digit of it may be wrong.
    """
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise UnitError(f"{shown(text)} is not an address", remedy="write 0x and 40 hexadecimal digits")
    raw = bytes.fromhex(text[2:])
    right = checksum_address(raw)
    if text == right:
        return raw
    digits = text[2:]
    if digits in (digits.lower(), digits.upper()):
        raise UnitError(
            f"{text} has no checksum (EIP-55)", remedy=f"compare each digit with its origin and write {right}"
        )
    raise UnitError(
        f"{text} has a wrong checksum (EIP-55)", remedy="a digit is wrong: copy the address from its origin"
    )
