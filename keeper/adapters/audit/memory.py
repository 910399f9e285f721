"""The store that forgets: the same rules as the database, in this process only. For tests and rehearsals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.chaining import chain, make_ready
from keeper.adapters.audit.memory_journal import MemoryJournal
from keeper.adapters.audit.pages import LARGEST_PAGE, beyond, filled, matches
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.intent import Intent
from keeper.domain.record import GENESIS, Draft, Record, RecordQuery


class MemoryAuditStore:
    """Implements ``keeper.ports.audit.AuditStore``."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._journal = MemoryJournal()
        self._evidence: dict[str, Evidence] = {}
        self._closed = False

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        self._check_open()
        ready = make_ready(drafts)
        journal = self._journal.copy()
        for item in ready:
            if item.change is not None:
                journal.apply(item.change)
        records = chain(ready, *self._head())
        # what is kept must not change when the caller's mapping does
        self._records += [
            replace(record, body=json.loads(item.body)) for record, item in zip(records, ready, strict=True)
        ]
        self._journal = journal
        for item in ready:
            if item.draft.evidence is not None:
                self._evidence.setdefault(item.draft.evidence.hash, item.draft.evidence)
        return records

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        self._check_open()
        limit = max(0, min(query.limit, LARGEST_PAGE))
        kept = reversed(self._records) if query.newest_first else iter(self._records)
        found = [record for record in kept if beyond(record.seq, query) and matches(record, query)]
        records = [replace(record, body=json.loads(canonical(record.body))) for record in found[:limit]]
        return filled(records, self._packed) if query.full else records

    def _packed(self, _: str, hashes: tuple[str, ...]) -> list[tuple[str, str, int, bytes]]:
        kept = [self._evidence[one] for one in hashes if one in self._evidence]
        return [(one.hash, one.encoding, one.size, one.packed) for one in kept]

    async def head(self) -> tuple[int, str]:
        self._check_open()
        return self._head()

    async def open_intents(self) -> Sequence[Intent]:
        self._check_open()
        return self._journal.open_intents

    async def close(self) -> None:
        self._closed = True

    def _head(self) -> tuple[int, str]:
        return (self._records[-1].seq, self._records[-1].hash) if self._records else (0, GENESIS)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the audit store is closed")
