"""The key that signs transactions, and orders of several keepers."""

from __future__ import annotations

from typing import Protocol

from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.order import TripOrder


class Signer(Protocol):
    @property
    def address(self) -> str:
        """The sender, EIP-55."""

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Signs an EIP-1559 transaction. Raises SigningError."""


class OrderSigner(Protocol):
    @property
    def address(self) -> str:
        """Who signs, EIP-55."""

    async def sign_order(self, order: TripOrder) -> bytes:
        """65 bytes r, s, v over the digest that the order itself has, so that nothing else can be had signed. Raises SigningError."""
