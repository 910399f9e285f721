"""The audit log and the journal in a SQL database, behind the async port.

One thread writes, over one connection; another reads. A commit that has begun is finished even when the task that waits for it is
cancelled; one that has not begun is dropped whole. The head of the chain is read again inside each transaction, under the
write lock, or the database refuses a record that does not follow it: two processes cannot fork the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from keeper.adapters.audit.chaining import Ready, make_ready
from keeper.adapters.audit.engine import BUSY_TIMEOUT_MS
from keeper.adapters.audit.journal import Opened
from keeper.adapters.audit.pages import filled, joined, page_statement, to_record
from keeper.adapters.audit.statements import Statements, open_intents
from keeper.adapters.audit.worker import Worker
from keeper.domain.errors import StoreUnavailable
from keeper.domain.intent import Intent
from keeper.domain.postgres_url import is_postgres
from keeper.domain.record import GENESIS, Draft, Record, RecordQuery

T = TypeVar("T")

SETTLE_S = 0.05
SETTLE_AGAIN_S = 1.0
"""So long the tables may be without what is durable, where nothing else is written; and so often it is tried again."""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """``fence`` is the number of the lease under which a replica appends, or raises LeaseLost; a transaction of it that stands still for
    ``idle_ms`` is ended by the server, so that a process that was stopped in the middle of one holds nobody up.
    """

    fence: Callable[[], int]
    idle_ms: int


class Database(Protocol):
    """One kind of database. What writes is called by one thread, what reads by another. Raises StoreUnavailable."""

    sql: Statements

    @property
    def unsettled(self) -> bool:
        """Whether this process wrote something that is durable and may not be in its tables yet. Any thread may ask."""

    def ahead(self) -> tuple[list[Record], list[Intent]]:
        """What anybody wrote that is not among ``rows`` yet: its records, and the intents that are open by them. By the thread that reads."""

    def prepare(self, create: bool) -> None:
        """As ``SqlAuditStore.open``."""

    def append(self, ready: list[Ready]) -> list[Record]:
        """All or nothing, durably. Raises IntentAlreadyOpen, InvalidTransition."""

    def settle(self, *, patient: bool = True) -> None:
        """Puts into its tables what was written ahead of an action. Not ``patient``: does not wait for another process that writes."""

    def rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """The rows of a SELECT."""

    def drop_writer(self) -> None:
        """Lets go of the connection that writes."""

    def drop_reader(self) -> None:
        """Lets go of the connection that reads."""

    def dispose(self) -> None:
        """Lets go of the rest."""


class SqlAuditStore:
    """Implements ``keeper.ports.audit.AuditStore``. Made by ``open``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql
        self._writing = Worker("audit-write")
        self._reading = Worker("audit-read")
        self._closed = False

    @classmethod
    async def open(
        cls, url: str, *, create: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS, terms: LeaseTerms | None = None
    ) -> SqlAuditStore:
        """Opens the log. ``create`` makes a database that is new and empty ready; an older one is never changed on the way.

        ``busy_timeout_ms`` is how long a write waits for another process. ``terms``: every append is made under this lease, PostgreSQL only, and
        may raise LeaseLost. Raises StoreUnavailable, StoreNotMigrated.
        """
        database = _database(url, busy_timeout_ms, terms)
        store = cls(database)
        try:
            await store._run(store._writing, lambda: database.prepare(create))
        except BaseException:
            await store.close()
            raise
        return store

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        ready = make_ready(drafts)
        if not ready:
            return []
        try:
            return await self._run(self._writing, lambda: self._database.append(ready))
        finally:
            if any(isinstance(item.change, Opened) for item in ready):
                # the next commit does it, most often that of the answer to what is sent now; where none comes, somebody may look at the tables
                asyncio.get_running_loop().call_later(SETTLE_S, self._settle)

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        statement, values = page_statement(query, self._sql.marker)
        rows, ahead, _ = await self._read(statement, values)
        records = joined([to_record(row) for row in rows], ahead, query)
        return await self._run(self._reading, lambda: self._filled(records)) if query.full else records

    def _filled(self, records: list[Record]) -> list[Record]:
        return filled(records, lambda sql, values: self._rows(sql, values), self._sql.marker)

    async def head(self) -> tuple[int, str]:
        rows, ahead, _ = await self._read(self._sql.head, ())
        if ahead:
            return ahead[-1].seq, ahead[-1].hash
        return rows[0] if rows else (0, GENESIS)

    async def open_intents(self) -> Sequence[Intent]:
        rows, _, ahead = await self._read(self._sql.open_intents, ())
        return [*open_intents(rows), *ahead]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # queued behind whatever is still to be written
        if self._database.unsettled:
            self._writing.post(self._database.settle)
        await self._writing.run(self._database.drop_writer)
        await self._reading.run(self._database.drop_reader)
        await self._writing.run(self._database.dispose)
        self._writing.end()
        self._reading.end()

    def _settle(self) -> None:
        """Behind whatever is being written; again and again until it is done."""
        if self._closed:
            return

        def look(_: object) -> None:
            if self._database.unsettled and not self._closed:
                asyncio.get_running_loop().call_later(SETTLE_AGAIN_S, self._settle)

        def settle() -> None:
            if self._database.unsettled:
                self._database.settle(patient=False)

        self._writing.post(settle).add_done_callback(look)

    async def _read(
        self, statement: str, values: tuple[str | int, ...]
    ) -> tuple[list[Any], list[Record], list[Intent]]:
        """The rows, and what is durable and not in the tables yet. Waits for nobody who writes."""

        def read() -> tuple[list[Any], list[Record], list[Intent]]:
            before = self._database.ahead()
            while True:
                rows = self._rows(statement, values)
                after = self._database.ahead()
                if after == before:  # nothing went from there into the tables in between
                    return rows, *after
                before = after

        return await self._run(self._reading, read)

    async def _run(self, worker: Worker, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable("the audit store is closed")
        return await worker.run(work)

    def _rows(self, statement: str, values: tuple[str | int, ...]) -> list[Any]:
        return self._database.rows(statement, values)


def _database(url: str, busy_timeout_ms: int, terms: LeaseTerms | None) -> Database:
    if is_postgres(url):
        from keeper.adapters.audit.postgres_database import PostgresDatabase

        if terms is not None:
            return PostgresDatabase(url, busy_timeout_ms, terms.fence, terms.idle_ms)
        return PostgresDatabase(url, busy_timeout_ms)
    from keeper.adapters.audit.sqlite_database import SqliteDatabase

    assert terms is None, "the configuration allows replicas on PostgreSQL only"
    return SqliteDatabase(url, busy_timeout_ms)
