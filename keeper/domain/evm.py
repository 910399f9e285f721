"""What the chain answers, and what is sent to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer of one call: ``ok`` False means it reverted, and ``data`` is the revert data."""

    ok: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a call from ``sender`` would do: ``error`` is empty when it would succeed, else the node's words; ``data`` the return or revert data."""

    ok: bool
    data: bytes
    error: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """``status`` 1 is success, 0 is reverted. A receipt alone is not success: the effect is read too."""

    tx_hash: str
    status: int
    block_number: int
    block_hash: str
    gas_used: int
    effective_gas_price_wei: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction as a block holds it.

    ``to`` is EIP-55, None where it made a contract; ``selector`` the first four bytes of its data, 0x-prefixed.
    """

    tx_hash: str
    to: str | None
    selector: str
    value_wei: int


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract told while a transaction ran. ``address`` is EIP-55; ``topics`` and hashes are 0x-prefixed lower case; ``index`` counts in
    the block.
    """

    address: str
    topics: tuple[str, ...]
    data: bytes
    block_number: int
    block_hash: str
    tx_hash: str
    index: int


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """An EIP-1559 transaction with value 0: the keeper never moves money."""

    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas_limit: int
    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """``raw`` and ``tx_hash`` are 0x-prefixed hex."""

    raw: str
    tx_hash: str
