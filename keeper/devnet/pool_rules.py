"""What geth's transaction pool asks of a transaction before it looks at any chain state: anvil asks less.

The rules and their words are those of geth's ``legacypool`` and ``eth_sendRawTransaction`` with their default settings (price bump 10 %, price limit
1 wei, ``rpc.txfeecap`` 1 ether, ``rpc.allow-unprotected-txs`` off).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.address import checksum_address, keccak256

PRICE_BUMP_PERCENT = 10
"""A replacement must raise both fee fields by this."""
PRICE_LIMIT_WEI = 1
"""The smallest tip that gets into the pool."""
FEE_CAP_WEI = 10**18
"""No transaction may cost more than this in fees: ``rpc.txfeecap``."""
MAX_BYTES = 128 * 1024
"""Of one transaction."""
MAX_GAS = 16_777_216
"""The highest gas limit of one transaction (EIP-7825)."""
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
    gas: int
    """The gas limit."""
    value_wei: int
    has_chain: bool
    """Its signature names its chain (EIP-155, or any kind after it); without, it is valid on every chain."""

    @property
    def fee_wei(self) -> int:
        """The most that it can cost in fees."""
        return self.gas * self.max_fee_wei

    @property
    def cost_wei(self) -> int:
        """What the sender must own."""
        return self.fee_wei + self.value_wei

    @property
    def size_bytes(self) -> int:
        return len(self.raw) // 2 - 1


class PoolRefusal(Exception):
    """The pool does not take it; the message is geth's."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        self.message = message
        self.code = code
        super().__init__(message)


def read_raw(text: object) -> RawTransaction | None:
    """The transaction in 0x-prefixed hex. None for what the pool leaves to the node: blobs, unknown kinds, and what is no transaction.

    Raises PoolRefusal for a transaction with something behind it, which anvil cuts off.
    """
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
        payload = raw[1:] if kind else raw
        items = rlp.decode(payload, strict=False)
        *_, length, start = rlp.codec.consume_length_prefix(payload, 0)
        whole = raw[: (1 if kind else 0) + start + length]
        nonce, tip, cap, gas, value = _fields(kind, items)
        has_chain = bool(kind) or int.from_bytes(items[6], "big") not in (27, 28)
        sender = checksum_address(bytes.fromhex(str(Account.recover_transaction(whole))[2:]))
    except (ValueError, TypeError, IndexError, KeyError, RLPException, BadSignature, ValidationError):
        return None
    if whole != raw:
        raise PoolRefusal("rlp: input contains more than one value")
    tx_hash = "0x" + keccak256(raw).hex()
    return RawTransaction(tx_hash, text.lower(), sender, nonce, cap, tip, gas, value, has_chain)


def check_alone(transaction: RawTransaction, fee_cap_wei: int = FEE_CAP_WEI) -> None:
    """Raises PoolRefusal for a transaction that no state of the chain makes acceptable. ``fee_cap_wei`` 0: no cap."""
    if 0 < fee_cap_wei < transaction.fee_wei:
        fee, cap = (Decimal(wei) / 10**18 for wei in (transaction.fee_wei, fee_cap_wei))
        raise PoolRefusal(f"tx fee ({fee:.2f} ether) exceeds the configured cap ({cap:.2f} ether)")
    if not transaction.has_chain:
        raise PoolRefusal("only replay-protected (EIP-155) transactions allowed over RPC")
    if transaction.size_bytes > MAX_BYTES:
        raise PoolRefusal(f"oversized data: transaction size {transaction.size_bytes}, limit {MAX_BYTES}")
    if transaction.gas > MAX_GAS:
        raise PoolRefusal(f"transaction gas limit too high (cap: {MAX_GAS}, tx: {transaction.gas})")
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


def check_funds(balance_wei: int, pending: Mapping[int, RawTransaction], new: RawTransaction) -> None:
    """Raises PoolRefusal unless the balance pays for all of the sender's together. ``pending`` are those that could be mined now, by nonce.

    What ``new`` replaces is not paid.
    """
    short = "insufficient funds for gas * price + value"
    if balance_wei < new.cost_wei:
        over = new.cost_wei - balance_wei
        raise PoolRefusal(f"{short}: balance {balance_wei}, tx cost {new.cost_wei}, overshot {over}")
    spent = sum(one.cost_wei for one in pending.values())
    replaced = pending.get(new.nonce)
    more, words = (new.cost_wei, "cost") if replaced is None else (new.cost_wei - replaced.cost_wei, "bumped")
    if balance_wei < spent + more:
        over = spent + more - balance_wei
        raise PoolRefusal(f"{short}: balance {balance_wei}, queued cost {spent}, tx {words} {more}, overshot {over}")


def _fields(kind: int, items: list[bytes]) -> tuple[int, int, int, int, int]:
    """Nonce, tip, fee cap, gas limit and value."""
    start = 1 if kind else 0  # a typed transaction begins with its chain
    prices = 2 if kind in (2, 4) else 1
    numbers = [int.from_bytes(item, "big") for item in items[start : start + 2 + prices]]
    nonce, tip, cap, gas = numbers[0], numbers[1], numbers[prices], numbers[-1]
    return nonce, tip, cap, gas, int.from_bytes(items[start + 3 + prices], "big")
