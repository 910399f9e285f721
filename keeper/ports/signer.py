"""The key that signs transactions, orders of several keepers, and what it proposes to a Safe; and another one that signs checkpoints of the log."""

from __future__ import annotations

from typing import Protocol

from keeper.domain.council_words import Delegation, Withdrawal
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.order import TripOrder
from keeper.domain.safe import SafeTransaction


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


class SafeSigner(Protocol):
    @property
    def address(self) -> str:
        """Who signs, EIP-55."""

    async def sign_safe(self, words: SafeTransaction | Delegation | Withdrawal) -> bytes:
        """65 bytes r, s, v over the hash that the words themselves have, so that nothing else can be had signed. Raises SigningError."""


class IdentitySigner(Protocol):
    """Another key than the one that signs transactions: it can be asked to sign any text."""

    @property
    def address(self) -> str:
        """Who signs, EIP-55."""

    async def sign_text(self, text: str) -> str:
        """65 bytes r, s, v over the text as EIP-191 (``personal_sign``) has it, as 0x and lower case hex. Raises SigningError."""
