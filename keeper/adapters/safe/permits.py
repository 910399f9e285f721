"""What the Transaction Service asks to have signed (EIP-712) besides the safeTxHash: for a delegate, and for taking a proposal back.

Source: the descriptions of ``/v2/delegates/`` and of ``DELETE /v2/multisig-transactions/`` in Safe's Transaction Service, whose client builds the
same documents. Both hold the hour, so that a signature is good for this hour and the next one; the service goes by its own wall clock.
"""

from __future__ import annotations

from typing import Final

from keeper.domain.abi_codec import WORD
from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.text import shown

HOUR_MS: Final = 3_600_000
_DIGITS: Final = frozenset("0123456789abcdef")
_NAME: Final = "Safe Transaction Service"
_VERSION: Final = "1.0"
_DOMAIN: Final = "name:string version:string chainId:uint256"
_DOMAIN_OF_SAFE: Final = _DOMAIN + " verifyingContract:address"
_DELEGATE: Final = "delegateAddress:address totp:uint256"
_DELETE: Final = "safeTxHash:bytes32 totp:uint256"


def delegate_digest(chain_id: int, delegate: str, now_ms: int) -> bytes:
    """What an owner signs to add or remove a delegate, and a delegate to remove itself; 32 bytes. Raises UnitError."""
    struct = keccak256(_type_hash("Delegate", _DELEGATE) + _address(delegate) + _word(now_ms // HOUR_MS))
    return _digest(keccak256(_type_hash("EIP712Domain", _DOMAIN) + _domain_words(chain_id)), struct)


def delegate_typed_data(chain_id: int, delegate: str, now_ms: int) -> dict[str, Json]:
    """The same as the document that ``eth_signTypedData_v4`` takes; numbers as decimal text. Raises UnitError."""
    parse_address(delegate)
    return {
        "types": {"EIP712Domain": _fields(_DOMAIN), "Delegate": _fields(_DELEGATE)},
        "primaryType": "Delegate",
        "domain": {"name": _NAME, "version": _VERSION, "chainId": str(chain_id)},
        "message": {"delegateAddress": delegate, "totp": str(now_ms // HOUR_MS)},
    }


def withdrawal_digest(chain_id: int, safe: str, safe_tx_hash: str, now_ms: int) -> bytes:
    """What the proposer, or the delegate who proposed, signs to take it back; 32 bytes. Raises UnitError."""
    hash_ = hash_bytes(safe_tx_hash)
    struct = keccak256(_type_hash("DeleteRequest", _DELETE) + hash_ + _word(now_ms // HOUR_MS))
    domain = keccak256(_type_hash("EIP712Domain", _DOMAIN_OF_SAFE) + _domain_words(chain_id) + _address(safe))
    return _digest(domain, struct)


def withdrawal_typed_data(chain_id: int, safe: str, safe_tx_hash: str, now_ms: int) -> dict[str, Json]:
    """The same as the document that ``eth_signTypedData_v4`` takes; numbers as decimal text. Raises UnitError."""
    parse_address(safe)
    hash_bytes(safe_tx_hash)
    return {
        "types": {"EIP712Domain": _fields(_DOMAIN_OF_SAFE), "DeleteRequest": _fields(_DELETE)},
        "primaryType": "DeleteRequest",
        "domain": {"name": _NAME, "version": _VERSION, "chainId": str(chain_id), "verifyingContract": safe},
        "message": {"safeTxHash": safe_tx_hash, "totp": str(now_ms // HOUR_MS)},
    }


def hash_bytes(safe_tx_hash: str) -> bytes:
    """The 32 bytes of a safeTxHash. Raises UnitError for anything but 0x and 64 lower-case digits."""
    digits = safe_tx_hash.removeprefix("0x")
    if len(safe_tx_hash) != 2 + 2 * WORD or len(digits) != 2 * WORD or not set(digits) <= _DIGITS:
        raise UnitError(f"{shown(safe_tx_hash)} is no safeTxHash", remedy="0x and 64 lower-case hexadecimal digits")
    return bytes.fromhex(digits)


def _domain_words(chain_id: int) -> bytes:
    return keccak256(_NAME.encode()) + keccak256(_VERSION.encode()) + _word(chain_id)


def _digest(domain: bytes, struct: bytes) -> bytes:
    return keccak256(b"\x19\x01" + domain + struct)


def _type_hash(name: str, fields: str) -> bytes:
    parts = (field.split(":") for field in fields.split())
    return keccak256(f"{name}({','.join(f'{kind} {field}' for field, kind in parts)})".encode())


def _fields(fields: str) -> list[Json]:
    return [{"name": name, "type": kind} for name, kind in (field.split(":") for field in fields.split())]


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _address(text: str) -> bytes:
    return parse_address(text).rjust(WORD, b"\0")
