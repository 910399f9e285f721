"""Signing with a key that this process holds."""

from __future__ import annotations

from keeper.adapters.signing.curve import require_fast_backend
from keeper.adapters.signing.envelope import Envelope
from keeper.domain.checkpoint import text_digest
from keeper.domain.council_words import Delegation, Withdrawal
from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.order import TripOrder
from keeper.domain.safe import SafeTransaction

# eth_account costs half a second to import, so it is imported where a key is really used: `keeper --help` never does.


class LocalSigner:
    """A secp256k1 key in memory. It shows its address and never the key; it cannot be pickled."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: bytes, *, expected_address: str = "") -> None:
        """``key`` is 32 bytes. ``expected_address``, where given, must be the key's own, in any case.

        Raises SigningError: not a key, another address, or a machine where signing would be slow.
        """
        from eth_account import Account
        from eth_utils.exceptions import ValidationError

        require_fast_backend()
        from coincurve import PrivateKey

        try:
            account = Account.from_key(key)
        except (TypeError, ValueError, ValidationError) as error:  # its text is left out: it may quote the key
            remedy = "the key must be 32 bytes, above zero and below the order of secp256k1; make a new one"
            raise SigningError(f"this is not a private key ({type(error).__name__})", remedy=remedy) from None
        self._key = PrivateKey(bytes(account.key))  # not eth_keys': its checks and conversions take as long again
        self._address: str = account.address
        require_address(expected_address, self._address)

    @property
    def address(self) -> str:
        """The sender, EIP-55."""
        return self._address

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Signs an EIP-1559 transaction; the same one gives the same bytes (RFC 6979). Well under 1 ms of CPU, so it stays on the loop.

        The bytes are those of ``eth_account``'s ``sign_transaction``, which takes three times as long to check what the type already says.
        Raises SigningError when a field cannot be encoded.
        """
        envelope = Envelope(transaction)
        signature = self._key.sign_recoverable(envelope.digest, hasher=None)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return envelope.signed(signature[64], r, s)

    async def sign_order(self, order: TripOrder) -> bytes:
        """Signs an order of several keepers; the same one gives the same 65 bytes (RFC 6979), r, s and v of 27 or 28."""
        return self._signature(order.digest)

    async def sign_safe(self, words: SafeTransaction | Delegation | Withdrawal) -> bytes:
        """Signs a Safe's transaction, or words to its service; the same ones give the same 65 bytes, r, s and v of 27 or 28."""
        return self._signature(words.hash)

    async def sign_text(self, text: str) -> str:
        """Signs a text as EIP-191 (``personal_sign``) has it; the same one gives the same signature."""
        return "0x" + self._signature(text_digest(text)).hex()

    def _signature(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


def same_address(one: str, other: str) -> bool:
    """Whether two hex addresses name the same account; ``0x`` and case do not matter."""
    return one.lower().removeprefix("0x") == other.lower().removeprefix("0x")


def require_address(expected: str, found: str) -> None:
    """``expected`` is what the configuration says, empty: nothing. Raises SigningError when the key is another account's."""
    if expected and not same_address(expected, found):
        raise SigningError(
            f"the key belongs to {found}, not to {expected}",
            remedy="name the key of that address, or correct the address",
        )
