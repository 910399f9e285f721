"""An EIP-1559 transaction as bytes: what is hashed and signed, and what is sent."""

from __future__ import annotations

from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction

TYPE = b"\x02"
"""Of EIP-2718: a transaction of EIP-1559."""
NAMES = ("chain id", "nonce", "priority fee", "fee cap", "gas limit", "recipient", "value", "data", "access list")
"""Of the fields, in the order of EIP-1559."""

_ADDRESS_BYTES = 20

Fields = list[bytes | list[bytes]]


class Envelope:
    """One transaction on its way to a signature. ``fields`` are in the order of ``NAMES``; ``digest`` is what is signed."""

    __slots__ = ("digest", "fields")

    def __init__(self, transaction: UnsignedTransaction) -> None:
        """Raises SigningError when a field cannot be encoded."""
        import rlp
        from eth_hash.auto import keccak
        from rlp.exceptions import RLPException

        try:
            self.fields: Fields = _fields(transaction)
            self.digest: bytes = keccak(TYPE + rlp.encode(self.fields))
        except (TypeError, ValueError, OverflowError, RLPException) as error:
            raise SigningError(
                f"the transaction to {transaction.to} cannot be encoded ({type(error).__name__})",
                remedy="this is a fault in the keeper: report it with the recorded intent",
            ) from None

    def signed(self, v: int, r: int, s: int) -> SignedTransaction:
        """With its signature; ``v`` is the parity, 0 or 1."""
        import rlp
        from eth_hash.auto import keccak

        raw = TYPE + rlp.encode([*self.fields, quantity(v), quantity(r), quantity(s)])
        return SignedTransaction(raw="0x" + raw.hex(), tx_hash="0x" + keccak(raw).hex())


def quantity(number: int) -> bytes:
    """Big-endian without leading zeros; zero is empty. Raises OverflowError below zero and above 256 bits."""
    if number >> 256:
        raise OverflowError("not a 256-bit quantity")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


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
