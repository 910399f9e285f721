"""Who tripped a breaker, as the contract's event says it, and whether this keeper knows of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from keeper.app.breakers.registered import Breaker
from keeper.domain.address import checksum_address
from keeper.domain.circuit_breaker import TRIPPED_TOPIC
from keeper.domain.errors import AuditError, OutsideError
from keeper.domain.evm import Log
from keeper.domain.record import RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from keeper.ports.chain import EventReader

LATEST = 1_000
"""So many of the newest attempts in the log are looked through for a transaction that this run does not know."""


@dataclass(frozen=True, slots=True)
class Tripper:
    """``keeper`` sent the transaction. ``ours``: this keeper did, and knows it. ``own_key``: it was sent with this keeper's key."""

    keeper: str
    tx_hash: str
    ours: bool
    own_key: bool


class Trippers:
    """``senders`` are the addresses of the keeper's own keys."""

    def __init__(self, events: EventReader | None, store: AuditStore, senders: Collection[str]) -> None:
        self._events = events
        self._store = store
        self._senders = {sender.lower() for sender in senders}

    async def find(self, breaker: Breaker, first: int, last: int, sent: Collection[str]) -> Tripper | str:
        """Of the newest trip in these blocks; or why it is not known. ``sent`` are the hashes that this run knows as its own."""
        if self._events is None:
            return "no node is there to be asked"
        try:
            logs = await self._events.logs(breaker.contract, (TRIPPED_TOPIC, breaker.id), first, last)
        except OutsideError as error:
            return error.message
        if not logs:
            return f"the node has no such event in the blocks {first} to {last}"
        try:
            return await self._tripper(logs[-1], sent)
        except AuditError as error:  # then nobody knows whether it was ours, and nothing says that a key is stolen
            return error.message

    async def _tripper(self, log: Log, sent: Collection[str]) -> Tripper:
        keeper = checksum_address(bytes.fromhex(log.topics[2][-40:])) if len(log.topics) > 2 else "an unknown address"
        own_key = keeper.lower() in self._senders
        ours = log.tx_hash in sent or (own_key and await self._is_written_down(log.tx_hash))
        return Tripper(keeper, log.tx_hash, ours, own_key)

    async def _is_written_down(self, tx_hash: str) -> bool:
        """Whether an attempt of an earlier run is this transaction. Raises AuditError."""
        query = RecordQuery(kinds=(RecordKind.ATTEMPT,), newest_first=True, limit=LATEST)
        return any(record.body.get("tx_hash") == tx_hash for record in await self._store.page(query))
