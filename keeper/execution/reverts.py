"""What revert data says, in words, and whether it means that the sender lacks a right.

The selectors are those of OpenZeppelin 5 (AccessControl, AccessManaged, Ownable) and Solidity's own two; the phrases those of OpenZeppelin 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

ERROR_STRING = bytes.fromhex("08c379a0")
PANIC = bytes.fromhex("4e487b71")
AUTHORITY_ERRORS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    bytes.fromhex("e2517d3f"): ("AccessControlUnauthorizedAccount", ("address", "bytes32")),
    bytes.fromhex("068ca9d8"): ("AccessManagedUnauthorized", ("address",)),
    bytes.fromhex("118cdaa7"): ("OwnableUnauthorizedAccount", ("address",)),
}
AUTHORITY_PHRASES = ("accesscontrol: account", "caller is not", "not authorized", "unauthorized", "missing role")


@dataclass(frozen=True, slots=True)
class Revert:
    """``text`` is for people; ``lacks_authority`` says that the sender may not make this call."""

    text: str
    lacks_authority: bool


def explain(data: bytes, node_words: str = "") -> Revert:
    """Never raises: data that cannot be read is shown as hex."""
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING:
            (text,) = decode(["string"], body)
            return Revert(f'"{_short(text)}"', any(phrase in text.lower() for phrase in AUTHORITY_PHRASES))
        if selector == PANIC:
            (code,) = decode(["uint256"], body)
            return Revert(f"Panic(0x{code:02x})", lacks_authority=False)
        if selector in AUTHORITY_ERRORS:
            name, types = AUTHORITY_ERRORS[selector]
            values = decode(list(types), body)
            shown = ", ".join("0x" + value.hex() if isinstance(value, bytes) else str(value) for value in values)
            return Revert(f"{name}({shown})", lacks_authority=True)
    except (DecodingError, OverflowError, UnicodeDecodeError):
        pass
    if data:
        return Revert(f"custom error 0x{data[:68].hex()}", lacks_authority=False)
    return Revert(_short(node_words) or "no reason given", lacks_authority=False)


def _short(text: str) -> str:
    """One line of printable text: what a contract says is not to be trusted with our terminal."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= 200 else clean[:197] + "..."
