"""The audit log and the journal in one store, so that a record and what it changes are one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.domain.intent import Intent
from keeper.domain.record import Draft, Record, RecordQuery


class AuditStore(Protocol):
    """Append-only. Raises StoreUnavailable when the database fails, StoreNotMigrated when its schema is another one."""

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """Numbers, chains and stores all drafts in one durable commit, and applies to the journal what they say.

        ========== ======================================================= ===================================
        kind       body (besides anything else worth keeping)               journal
        ========== ======================================================= ===================================
        intent     to, data, expires_ms, effect_before                      opens the intent ``draft.intent``
        attempt    number, chain_id, sender, nonce, max_fee_wei,            adds the attempt; intent: sign
                   priority_fee_wei, gas_limit, to, data, tx_hash, raw
        broadcast  tx_hash, accepted (bool), answer                         intent: send, when accepted
                   (withdrawn or late: true, not accepted)                  (nothing)
        receipt    tx_hash, status, block, block_hash, gas_used,            intent: mine
                   effective_gas_price_wei; or tx_hash, gone: true          (gone: unmine)
        outcome    kind, reason, message, remedy, tx_hash, block            intent: close
        ========== ======================================================= ===================================

        Amounts in wei and times in ms are decimal text in the body (JSON numbers are exact only to 2**53).
        Raises IntentAlreadyOpen (nothing is stored then) when an intent for the same action and market is open,
        InvalidTransition when the journal does not allow a step.
        """

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        """One page of records."""

    async def head(self) -> tuple[int, str]:
        """(seq, hash) of the last record; (0, GENESIS) of an empty log."""

    async def open_intents(self) -> Sequence[Intent]:
        """Every intent that is not done, with its attempts in order."""

    async def close(self) -> None:
        """Finish writing and let go. Safe to call twice."""
