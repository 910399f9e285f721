"""What geth's transaction pool asks of a transaction before it looks at any chain state: anvil asks less.

The rules and their words are those of geth's ``legacypool`` with its default settings (price bump 10 %, price limit 1 wei).
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import checksum_address, keccak256

PRICE_BUMP_PERCENT = 10
"""A replacement must raise both fee fields by this."""
PRICE_LIMIT_WEI = 1
"""The smallest tip that gets into the pool."""
REFUSED = -32000
"""The code of every refusal of the pool."""


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A signed transaction with what the pool looks at. ``tx_hash`` and ``raw`` are 0x-prefixed, ``sender`` is EIP-55, amounts in wei.

    Before EIP-1559 there was one price: it counts as both fields.
    """

    tx_hash: str
    raw: str
    sender: str
    nonce: int
    max_fee_wei: int
    tip_wei: int
    cost_wei: int
    """What the sender must own: gas limit times fee cap, and the value."""


class PoolRefusal(Exception):
    """The pool does not take it; the message is geth's."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        self.message = message
        self.code = code
        super().__init__(message)


def read_raw(text: object) -> RawTransaction | None:
    """The transaction in 0x-prefixed hex. None for what the pool leaves to the node: blobs, unknown kinds, and what is no transaction."""
    import rlp
    from eth_account import Account
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError
    from rlp.exceptions import RLPException

    try:
        if not isinstance(text, str) or not text.startswith("0x"):
            return None
        raw = bytes.fromhex(text[2:])
        kind = raw[0] if raw[0] <= 0x7F else 0
        if kind not in (0, 1, 2, 4):
            return None
        nonce, tip, cap, gas, value = _fields(kind, rlp.decode(raw[1:] if kind else raw))
        sender = checksum_address(bytes.fromhex(str(Account.recover_transaction(text))[2:]))
    except (ValueError, TypeError, IndexError, KeyError, RLPException, BadSignature, ValidationError):
        return None
    return RawTransaction("0x" + keccak256(raw).hex(), text.lower(), sender, nonce, cap, tip, gas * cap + value)


def check_alone(transaction: RawTransaction) -> None:
    """Raises PoolRefusal for a transaction that no state of the chain makes acceptable."""
    if transaction.tip_wei > transaction.max_fee_wei:
        raise PoolRefusal(
            f"max priority fee per gas higher than max fee per gas: address {transaction.sender}, "
            f"maxPriorityFeePerGas: {transaction.tip_wei}, maxFeePerGas: {transaction.max_fee_wei}"
        )
    if transaction.tip_wei < PRICE_LIMIT_WEI:
        raise PoolRefusal(
            f"transaction gas price below minimum: gas tip cap {transaction.tip_wei}, minimum needed {PRICE_LIMIT_WEI}"
        )


def check_replacement(old: RawTransaction, new: RawTransaction) -> None:
    """Raises PoolRefusal unless ``new`` offers enough more than ``old``, which has its place.

    Both fields must be higher at all, and not below 110 % of the old one, rounded down: at a tip of 1 wei the first is the stricter.
    """
    enough = all(
        after > before and after >= before * (100 + PRICE_BUMP_PERCENT) // 100
        for before, after in ((old.max_fee_wei, new.max_fee_wei), (old.tip_wei, new.tip_wei))
    )
    if not enough:
        raise PoolRefusal("replacement transaction underpriced")


def _fields(kind: int, items: list[bytes]) -> tuple[int, int, int, int, int]:
    """Nonce, tip, fee cap, gas limit and value."""
    start = 1 if kind else 0  # a typed transaction begins with its chain
    prices = 2 if kind in (2, 4) else 1
    numbers = [int.from_bytes(item, "big") for item in items[start : start + 2 + prices]]
    nonce, tip, cap, gas = numbers[0], numbers[1], numbers[prices], numbers[-1]
    return nonce, tip, cap, gas, int.from_bytes(items[start + 3 + prices], "big")
