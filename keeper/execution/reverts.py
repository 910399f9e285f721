"""What revert data says, in words, and whether it means that the sender lacks a right.

The selectors are those of the breaker contract, of OpenZeppelin 5 (AccessControl, AccessManaged, Ownable), Comet, GMX v2, Aave v3 from 3.4 on,
Lido's circuit breaker, and Solidity's own two; the phrases those of OpenZeppelin 4, Compound v2 and Safe.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.abi_codec import decode_values
from keeper.domain.errors import MalformedAnswer, Refused
from keeper.execution.breaker_errors import CALL_FAILED, REFUSALS, BreakerError

ERROR_STRING = bytes.fromhex("08c379a0")
PANIC = bytes.fromhex("4e487b71")
AUTHORITY_ERRORS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    bytes.fromhex("e2517d3f"): ("AccessControlUnauthorizedAccount", ("address", "bytes32")),
    bytes.fromhex("068ca9d8"): ("AccessManagedUnauthorized", ("address",)),
    bytes.fromhex("118cdaa7"): ("OwnableUnauthorizedAccount", ("address",)),
    bytes.fromhex("82b42900"): ("Unauthorized", ()),
    bytes.fromhex("a35b150b"): ("Unauthorized", ("address", "string")),
    bytes.fromhex("cdd36a97"): ("CallerNotPoolAdmin", ()),
    bytes.fromhex("934f6050"): ("CallerNotPoolOrEmergencyAdmin", ()),
    bytes.fromhex("66e574d7"): ("CallerNotRiskOrPoolAdmin", ()),
    bytes.fromhex("803ddb7b"): ("CallerNotRiskOrPoolOrEmergencyAdmin", ()),
    bytes.fromhex("31fe3919"): ("SenderNotPauser", ()),
    bytes.fromhex("0a59e02f"): ("HeartbeatExpired", ()),
}
AUTHORITY_PHRASES = (
    "accesscontrol: account",
    "caller is not",
    "not authorized",
    "unauthorized",
    "missing role",
    "only pause guardian",
    "gs104",
)
AAVE_CODES = {
    "1": "not a pool admin",
    "2": "not an emergency admin",
    "3": "not a pool or emergency admin",
    "4": "not a risk or pool admin",
    "96": "not a risk, pool or emergency admin",
}
"""What Aave v3 up to 3.3 says to a caller without the right: Errors.sol."""


@dataclass(frozen=True, slots=True)
class Revert:
    """``text`` is for people; ``lacks_authority`` says that the sender may not make this call; ``remedy`` is empty where nothing is known."""

    text: str
    lacks_authority: bool
    remedy: str = ""


def explain(data: bytes, node_words: str = "", causes: int = 2) -> Revert:
    """Never raises: data that cannot be read is shown as hex. Of causes within causes only so many are read: they could be nested without end."""
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING:
            text = str(decode_values(("string",), body)[0])
            if text in AAVE_CODES:
                return Revert(
                    f'"{text}", which in Aave v3 means: the caller is {AAVE_CODES[text]}', lacks_authority=True
                )
            return Revert(f'"{_short(text)}"', any(phrase in text.lower() for phrase in AUTHORITY_PHRASES))
        if selector == PANIC:
            code = int(decode_values(("uint256",), body)[0])
            return Revert(f"Panic(0x{code:02x})", lacks_authority=False)
        if selector in AUTHORITY_ERRORS:
            name, types = AUTHORITY_ERRORS[selector]
            if body and not types:
                raise MalformedAnswer("an error without arguments has some")
            values = decode_values(types, body)
            shown = ", ".join("0x" + value.hex() if isinstance(value, bytes) else str(value) for value in values)
            return Revert(f"{name}({shown})", lacks_authority=True)
        if selector in REFUSALS:
            return _of_breaker(REFUSALS[selector], body, causes)
    except MalformedAnswer:
        pass
    if data:
        return Revert(f"custom error 0x{data[:68].hex()}", lacks_authority=False)
    return Revert(_short(node_words) or "no reason given", lacks_authority=False)


def _of_breaker(refusal: BreakerError, body: bytes, causes: int) -> Revert:
    """A refusal of the breaker contract, with what the protocol behind it said where that is the cause."""
    values = decode_values(refusal.types, body)
    text, remedy = refusal.words(values), refusal.remedy
    if refusal.name != CALL_FAILED or causes == 0:
        return Revert(text, refusal.lacks_authority, remedy)
    cause = explain(bytes(values[1]) if isinstance(values[1], bytes) else b"", causes=causes - 1)
    if cause.lacks_authority:
        remedy = "grant the role to the breaker contract, or to the Safe that it is a module of (and enable it there)"
    return Revert(f"{text}: {cause.text}", cause.lacks_authority, remedy)


def is_revert(refused: Refused) -> bool:
    """Whether the contract said no, or the node did (too many requests, say), which may pass."""
    return refused.code == 3 or bool(refused.data) or "revert" in refused.message.lower()


def revert_data(refused: Refused) -> bytes:
    """What the contract said, as bytes; empty when the node's answer holds none that can be read."""
    try:
        return bytes.fromhex(refused.data.removeprefix("0x"))
    except ValueError:
        return b""


def _short(text: str) -> str:
    """One line of printable text: what a contract says is not to be trusted with our terminal."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= 200 else clean[:197] + "..."
