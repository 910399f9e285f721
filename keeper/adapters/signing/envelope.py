"""An EIP-1559 transaction as bytes: what is hashed and signed, and what is sent."""

from __future__ import annotations

from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction

TYPE = b"\x02"
"""Of EIP-2718: a transaction of EIP-1559."""
NAMES = ("chain id", "nonce", "priority fee", "fee cap", "gas limit", "recipient", "value", "data", "access list")
"""Of the fields, in the order of EIP-1559."""

_ADDRESS_BYTES = 20
_SHORT_TEXT, _SHORT_LIST = 0x80, 0xC0
_SHORT = 55
"""Bytes; what is longer has its length written out."""

Fields = list[bytes | list[bytes]]


class Envelope:
    """One transaction on its way to a signature. ``fields`` are in the order of ``NAMES``; ``digest`` is what is signed."""

    __slots__ = ("_payload", "digest", "fields")

    def __init__(self, transaction: UnsignedTransaction) -> None:
        """Raises SigningError when a field cannot be encoded."""
        from eth_hash.auto import keccak

        try:
            self.fields: Fields = _fields(transaction)
            self._payload = b"".join(map(_item, self.fields))
            self.digest: bytes = keccak(TYPE + _list(self._payload))
        except (TypeError, ValueError, OverflowError) as error:
            raise SigningError(
                f"the transaction to {transaction.to} cannot be encoded ({type(error).__name__})",
                remedy="this is a fault in the keeper: report it with the recorded intent",
            ) from None

    def signed(self, v: int, r: int, s: int) -> SignedTransaction:
        """With its signature; ``v`` is the parity, 0 or 1."""
        from eth_hash.auto import keccak

        raw = TYPE + _list(self._payload + _item(quantity(v)) + _item(quantity(r)) + _item(quantity(s)))
        return SignedTransaction(raw="0x" + raw.hex(), tx_hash="0x" + keccak(raw).hex())


def quantity(number: int) -> bytes:
    """Big-endian without leading zeros; zero is empty. Raises OverflowError below zero and above 256 bits."""
    if number >> 256:
        raise OverflowError("not a 256-bit quantity")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _item(value: bytes | list[bytes]) -> bytes:
    """RLP (Ethereum yellow paper, appendix B) of a text of bytes or a list of such. The rlp package takes several times as long to find out which."""
    if isinstance(value, list):
        return _list(b"".join(map(_item, value)))
    if len(value) == 1 and value[0] < _SHORT_TEXT:
        return value
    return _prefix(_SHORT_TEXT, len(value)) + value


def _list(payload: bytes) -> bytes:
    return _prefix(_SHORT_LIST, len(payload)) + payload


def _prefix(kind: int, size: int) -> bytes:
    if size <= _SHORT:
        return bytes([kind + size])
    length = quantity(size)
    return bytes([kind + _SHORT + len(length)]) + length


def _fields(transaction: UnsignedTransaction) -> Fields:
    recipient = bytes.fromhex(transaction.to.removeprefix("0x"))
    if len(recipient) != _ADDRESS_BYTES:
        raise ValueError("the recipient is not an address")  # empty would be encoded as the creation of a contract
    return [
        quantity(transaction.chain_id),
        quantity(transaction.nonce),
        quantity(transaction.priority_fee_wei),
        quantity(transaction.max_fee_wei),
        quantity(transaction.gas_limit),
        recipient,
        b"",
        transaction.data,
        [],
    ]
