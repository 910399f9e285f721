"""What the service knows: proposals with their confirmations, delegates, and what of it was executed. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keeper.domain.safe import SafeTransaction

CONTRACT, APPROVED, EOA, ETH_SIGN = "CONTRACT_SIGNATURE", "APPROVED_HASH", "EOA", "ETH_SIGN"


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature and whose it is. ``kind`` is one of the words above; ``signature`` as it stands alone (a contract's with its bytes behind)."""

    owner: str
    kind: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """``approved_by_tx``: the transaction of ``approveHash``, if it was said on chain."""

    signed: Signed
    at_ms: int
    approved_by_tx: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """``transaction`` None where the chain does not tell it; prices in wei."""

    safe_tx_hash: str
    tx_hash: str
    block: int
    block_hash: str
    at_ms: int
    executor: str
    succeeded: bool
    gas_used: int
    gas_price_wei: int
    transaction: SafeTransaction | None
    signatures: bytes


@dataclass(frozen=True, slots=True)
class Approval:
    """An owner's ``approveHash``."""

    safe: str
    safe_tx_hash: str
    owner: str
    tx_hash: str


@dataclass(slots=True)
class Entry:
    """One transaction. ``trusted``: somebody who may has signed it; the others are left out of lists."""

    transaction: SafeTransaction
    proposer: str | None
    delegate: str | None
    origin: Any
    trusted: bool
    created_ms: int
    modified_ms: int
    confirmations: dict[str, Confirmed] = field(default_factory=dict)
    execution: Execution | None = None

    def confirm(self, signed: Iterable[Signed], now_ms: int, approved_by_tx: str | None = None) -> None:
        """The first signature of an owner stays."""
        for one in signed:
            if one.owner not in self.confirmations:
                self.confirmations[one.owner] = Confirmed(one, now_ms, approved_by_tx)
                self.modified_ms = now_ms


@dataclass(frozen=True, slots=True)
class DelegateEntry:
    """``safe`` None: for every Safe of the delegator."""

    safe: str | None
    delegate: str
    delegator: str
    label: str


class Book:
    """In memory. ``entries`` by safeTxHash in the order of arrival; ``safes`` are those it follows on the chain."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.delegates: dict[tuple[str | None, str, str], DelegateEntry] = {}
        self.safes: set[str] = set()
        self.approvals: tuple[Approval, ...] = ()

    def of_safe(self, safe: str) -> Iterator[Entry]:
        return (entry for entry in self.entries.values() if entry.transaction.safe == safe)

    def delegates_of(self, safe: str, owners: Iterable[str]) -> dict[str, str]:
        """Who may propose to this Safe, and in whose name."""
        wanted = set(owners)
        return {
            one.delegate: one.delegator
            for one in self.delegates.values()
            if one.safe in (None, safe) and one.delegator in wanted
        }

    def executed_at(self, safe: str, nonce: int) -> Entry | None:
        """What used this nonce up, as far as the service knows."""
        for entry in self.of_safe(safe):
            if entry.execution is not None and entry.transaction.nonce == nonce:
                return entry
        return None

    def apply(self, executions: Mapping[str, Execution], now_ms: int) -> list[Execution]:
        """Marks what is executed, unmarks what is not any more. Returns those that are new and carry signatures to be read."""
        for safe_tx_hash, found in executions.items():
            if safe_tx_hash not in self.entries and found.transaction is not None:
                self.entries[safe_tx_hash] = Entry(found.transaction, None, None, {}, True, now_ms, now_ms)
        fresh = []
        for safe_tx_hash, entry in self.entries.items():
            execution = executions.get(safe_tx_hash)
            if execution != entry.execution:
                entry.execution, entry.modified_ms = execution, now_ms
                if execution is not None:
                    entry.trusted = True
                    fresh.append(execution)
        return fresh

    def bind_approvals(self, entry: Entry, now_ms: int) -> None:
        """What owners approved on chain counts as their confirmation, whether it was before or after the proposal."""
        for one in self.approvals:
            if (one.safe, one.safe_tx_hash) == (entry.transaction.safe, entry.transaction.hash_text):
                word = bytes(12) + bytes.fromhex(one.owner[2:]) + bytes(32) + b"\x01"
                entry.confirm([Signed(one.owner, APPROVED, word)], now_ms, one.tx_hash)


def stored_origin(text: str | None) -> Any:
    """What becomes of a proposer's note: JSON is taken apart (and so comes back in another order), other text stays, nothing is an empty object."""
    if not text:
        return {}
    try:
        return _reordered(json.loads(text))
    except ValueError:
        return text


def _reordered(value: Any) -> Any:
    # PostgreSQL's jsonb keeps keys by their length, then by their bytes
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in sorted(value, key=lambda key: (len(key.encode()), key.encode()))}
    return [_reordered(one) for one in value] if isinstance(value, list) else value
