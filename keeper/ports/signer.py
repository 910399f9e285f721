"""The key that signs transactions."""

from __future__ import annotations

from typing import Protocol

from keeper.domain.evm import SignedTransaction, UnsignedTransaction


class Signer(Protocol):
    @property
    def address(self) -> str:
        """The sender, EIP-55."""

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Signs an EIP-1559 transaction. Raises SigningError."""
