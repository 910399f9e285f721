"""What a key says to Safe's Transaction Service beside proposals (EIP-712): who may propose for it, and that a proposal be taken back.

Both hold the hour in which they are good (``totp``: whole hours since 1970), so that a signature cannot be used again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keeper.domain.abi_codec import WORD
from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.text import shown

HOUR_MS: Final = 3_600_000
_NAME: Final = "Safe Transaction Service"
_VERSION: Final = "1.0"
_DIGITS: Final = frozenset("0123456789abcdef")
_DOMAIN_FIELDS: Final = ("string name", "string version", "uint256 chainId")


def hour_of(now_ms: int) -> int:
    """The ``totp`` of a time."""
    return now_ms // HOUR_MS


def hash_bytes(safe_tx_hash: str) -> bytes:
    """The 32 bytes of a safeTxHash. Raises UnitError for anything but 0x and 64 lower-case digits."""
    digits = safe_tx_hash.removeprefix("0x")
    if len(safe_tx_hash) != 2 + 2 * WORD or len(digits) != 2 * WORD or not set(digits) <= _DIGITS:
        raise UnitError(f"{shown(safe_tx_hash)} is no safeTxHash", remedy="0x and 64 lower-case hexadecimal digits")
    return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True)
class Delegation:
    """That ``delegate`` (EIP-55) may propose in the signer's name; the same words take it back."""

    chain_id: int
    delegate: str
    hour: int

    @property
    def hash(self) -> bytes:
        """What is signed; 32 bytes."""
        struct = keccak256(
            keccak256(b"Delegate(address delegateAddress,uint256 totp)") + _address(self.delegate) + _word(self.hour)
        )
        return keccak256(b"\x19\x01" + _domain(self.chain_id) + struct)

    def typed_data(self) -> dict[str, Json]:
        """The document that ``eth_signTypedData_v4`` takes."""
        fields: list[Json] = [{"name": "delegateAddress", "type": "address"}, {"name": "totp", "type": "uint256"}]
        message: dict[str, Json] = {"delegateAddress": self.delegate, "totp": str(self.hour)}
        return _typed_data("Delegate", fields, message, self.chain_id)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That the service forget a proposal of this Safe; ``safe_tx_hash`` is 0x and 64 digits. Raises UnitError for another."""

    chain_id: int
    safe: str
    safe_tx_hash: str
    hour: int

    def __post_init__(self) -> None:
        hash_bytes(self.safe_tx_hash)

    @property
    def hash(self) -> bytes:
        """What is signed; 32 bytes."""
        struct = keccak256(
            keccak256(b"DeleteRequest(bytes32 safeTxHash,uint256 totp)")
            + hash_bytes(self.safe_tx_hash)
            + _word(self.hour)
        )
        return keccak256(b"\x19\x01" + _domain(self.chain_id, self.safe) + struct)

    def typed_data(self) -> dict[str, Json]:
        """The document that ``eth_signTypedData_v4`` takes."""
        fields: list[Json] = [{"name": "safeTxHash", "type": "bytes32"}, {"name": "totp", "type": "uint256"}]
        message: dict[str, Json] = {"safeTxHash": self.safe_tx_hash, "totp": str(self.hour)}
        return _typed_data("DeleteRequest", fields, message, self.chain_id, self.safe)


def _domain(chain_id: int, contract: str | None = None) -> bytes:
    fields = (*_DOMAIN_FIELDS, "address verifyingContract") if contract else _DOMAIN_FIELDS
    return keccak256(
        keccak256(f"EIP712Domain({','.join(fields)})".encode())
        + keccak256(_NAME.encode())
        + keccak256(_VERSION.encode())
        + _word(chain_id)
        + (_address(contract) if contract else b"")
    )


def _typed_data(
    primary: str, fields: list[Json], message: dict[str, Json], chain_id: int, contract: str | None = None
) -> dict[str, Json]:
    domain: dict[str, Json] = {"name": _NAME, "version": _VERSION, "chainId": str(chain_id)}
    domain_fields: list[Json] = []
    for each in (*_DOMAIN_FIELDS, "address verifyingContract") if contract else _DOMAIN_FIELDS:
        kind, _, name = each.partition(" ")
        domain_fields.append({"name": name, "type": kind})
    if contract:
        domain["verifyingContract"] = contract
    types: dict[str, Json] = {"EIP712Domain": domain_fields, primary: fields}
    return {"types": types, "primaryType": primary, "domain": domain, "message": message}


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _address(text: str) -> bytes:
    return parse_address(text).rjust(WORD, b"\0")
