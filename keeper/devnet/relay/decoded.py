"""A signed transaction, read from its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import rlp
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from keeper.domain.address import checksum_address, keccak256

_LEGACY_FIELDS: Final = 9
_TYPES: Final = (1, 2)


class NotATransaction(ValueError):
    """These bytes are not a signed transaction that a builder takes."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """``to`` is EIP-55, None where it makes a contract. ``max_fee_wei`` and ``tip_wei`` are per gas; both are the gas price of an old transaction."""

    raw: bytes = field(repr=False)
    tx_hash: str
    chain_id: int
    sender: str
    nonce: int
    to: str | None
    value_wei: int
    data: bytes = field(repr=False)
    gas: int
    max_fee_wei: int
    tip_wei: int
    access_list: tuple[Any, ...] = ()

    @property
    def raw_text(self) -> str:
        return "0x" + self.raw.hex()

    @property
    def place(self) -> tuple[str, int]:
        """Of all transactions with the same sender and nonce, one can be mined."""
        return self.sender, self.nonce

    def effective_tip_wei(self, base_fee_wei: int) -> int:
        """Per gas, at this base fee; below zero: it cannot be in such a block."""
        return min(self.tip_wei, self.max_fee_wei - base_fee_wei)


def decode(raw: bytes) -> Decoded:
    """Raises NotATransaction."""
    try:
        fields: dict[str, Any] = (
            dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()) if raw[0] in _TYPES else _old(raw)
        )
        to = bytes(fields["to"])
        return Decoded(
            raw=raw,
            tx_hash="0x" + keccak256(raw).hex(),
            chain_id=int(fields["chainId"]),
            sender=str(Account.recover_transaction(raw)),
            nonce=int(fields["nonce"]),
            to=checksum_address(to) if to else None,
            value_wei=int(fields["value"]),
            data=bytes(fields["data"]),
            gas=int(fields["gas"]),
            max_fee_wei=int(fields["maxFeePerGas" if "maxFeePerGas" in fields else "gasPrice"]),
            tip_wei=int(fields["maxPriorityFeePerGas" if "maxPriorityFeePerGas" in fields else "gasPrice"]),
            access_list=tuple(fields.get("accessList", ())),
        )
    except Exception as error:  # noqa: BLE001 - whatever the decoders do not like is not a transaction
        raise NotATransaction(f"not a signed transaction: {type(error).__name__}") from None


def _old(raw: bytes) -> dict[str, Any]:
    """Without a type, with the chain in its signature (EIP-155)."""
    words = rlp.decode(raw, strict=True)
    if len(words) != _LEGACY_FIELDS:
        raise ValueError("not nine fields")
    nonce, price, gas, to, value, data, v, _, _ = words
    numbers = {"nonce": nonce, "gasPrice": price, "gas": gas, "value": value}
    chain_id = (int.from_bytes(v, "big") - 35) // 2
    if chain_id < 1:
        raise ValueError("no chain id")
    return {name: int.from_bytes(word, "big") for name, word in numbers.items()} | {
        "to": to,
        "data": data,
        "chainId": chain_id,
    }
