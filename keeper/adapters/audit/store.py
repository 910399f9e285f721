"""The audit log and the journal in a SQL database, behind the async port.

One thread writes, over one connection; another reads. A commit that has begun is finished even when the task that waits for it is
cancelled; one that has not begun is dropped whole. The head of the chain is read again inside each transaction, under the
write lock, so that two processes cannot fork it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

from keeper.adapters.audit.chaining import Ready, chain, make_ready
from keeper.adapters.audit.engine import BUSY_TIMEOUT_MS, database_errors, make_engine, write_cursor
from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.journal import (
    Change,
    Opened,
    Signed,
    already_known,
    already_open,
    already_tried,
    attempt_row,
    intent_row,
    moved,
)
from keeper.adapters.audit.location import sqlite_file
from keeper.adapters.audit.migrate import current, upgrade
from keeper.adapters.audit.pages import filled, page_statement, to_record
from keeper.adapters.audit.statements import Statements, open_intents, record_values
from keeper.adapters.audit.worker import Worker
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.intent import Intent, IntentState
from keeper.domain.record import GENESIS, Draft, Record, RecordQuery

T = TypeVar("T")


class SqlAuditStore:
    """Implements ``keeper.ports.audit.AuditStore``. Made by ``open``."""

    def __init__(self, url: str, engine: Engine) -> None:
        self._url = url
        self._engine = engine
        self._sql = Statements("?" if engine.dialect.paramstyle == "qmark" else "%s")
        self._writing = Worker("audit-write")
        self._reading = Worker("audit-read")
        self._write_connection: Connection | None = None
        self._read_connection: Connection | None = None
        self._closed = False
        driver = engine.dialect.loaded_dbapi
        self._driver_error: type[Exception] = driver.Error
        self._integrity_error: type[Exception] = driver.IntegrityError

    @classmethod
    async def open(cls, url: str, *, create: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> SqlAuditStore:
        """Opens the log. ``create`` makes a database that is new and empty ready; an older one is never changed on the way.

        ``busy_timeout_ms`` is how long a write waits for another process. Raises StoreUnavailable, StoreNotMigrated.
        """
        store = cls(url, make_engine(url, busy_timeout_ms))
        try:
            await store._run(store._writing, lambda: store._prepare(create))
        except BaseException:
            await store.close()
            raise
        return store

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        ready = make_ready(drafts)
        if not ready:
            return []
        return await self._run(self._writing, lambda: self._append(ready))

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        statement, values = page_statement(query, self._sql.marker)
        rows = await self._run(self._reading, lambda: self._rows(statement, values))
        records = [to_record(row) for row in rows]
        return await self._run(self._reading, lambda: self._filled(records)) if query.full else records

    def _filled(self, records: list[Record]) -> list[Record]:
        return filled(records, lambda sql, values: self._rows(sql, values), self._sql.marker)

    async def head(self) -> tuple[int, str]:
        rows: list[tuple[int, str]] = await self._run(self._reading, lambda: self._rows(self._sql.head, ()))
        return rows[0] if rows else (0, GENESIS)

    async def open_intents(self) -> Sequence[Intent]:
        return open_intents(await self._run(self._reading, lambda: self._rows(self._sql.open_intents, ())))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # queued behind whatever is still to be written
        await self._writing.run(self._drop_writer)
        await self._reading.run(self._drop_reader)
        await self._writing.run(self._engine.dispose)
        self._writing.end()
        self._reading.end()

    async def _run(self, worker: Worker, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable("the audit store is closed")
        return await worker.run(work)

    def _prepare(self, create: bool) -> None:
        path = sqlite_file(self._url)
        if path is not None and not create and not path.exists():
            require_head(None)
        with database_errors(self._url):
            if create and not inspect(self._writer()).get_table_names():
                self._drop_writer()
                upgrade(self._url)
        require_head(current(self._url)[0])

    def _append(self, ready: list[Ready]) -> list[Record]:
        with database_errors(self._url, self._driver_error):
            connection = self._writer()
            try:
                with write_cursor(connection) as cursor:
                    row = cursor.execute(self._sql.head).fetchone()
                    records = chain(ready, row[0] if row else 0, row[1] if row else GENESIS)
                    cursor.executemany(
                        self._sql.insert_record,
                        [record_values(record, item.body) for record, item in zip(records, ready, strict=True)],
                    )
                    for record, item in zip(records, ready, strict=True):
                        if item.change is not None:
                            self._apply(cursor, item.change, record.seq)
                        if item.draft.evidence is not None:
                            self._keep(cursor, item.draft.evidence, record.seq)
            except (DBAPIError, self._driver_error):
                self._drop_writer(broken=True)
                raise
        return records

    def _apply(self, cursor: Any, change: Change, seq: int) -> None:
        """Raises IntentAlreadyOpen, InvalidTransition; the transaction is rolled back by whoever holds it."""
        if isinstance(change, Opened):
            try:
                cursor.execute(self._sql.insert_intent, intent_row(change.intent, seq))
            except self._integrity_error as error:
                one_open = any(name in str(error) for name in ("intents.market", "uq_intents_one_open"))
                raise (already_open if one_open else already_known)(change.intent) from None
            return
        intent = change.attempt.intent if isinstance(change, Signed) else change.intent
        row = cursor.execute(self._sql.state, (intent,)).fetchone()
        state = IntentState(row[0]) if row else None
        after = moved(state, change, self._knows(cursor, change))
        if isinstance(change, Signed):
            try:
                cursor.execute(self._sql.insert_attempt, attempt_row(change.attempt, seq))
            except self._integrity_error:
                raise already_tried(change.attempt) from None
        if after is not state:
            cursor.execute(self._sql.set_state, (str(after), intent))

    def _keep(self, cursor: Any, evidence: Evidence, seq: int) -> None:
        """The same content is kept once."""
        if cursor.execute(self._sql.has_evidence, (evidence.hash,)).fetchone() is None:
            values = (evidence.hash, seq, evidence.encoding, evidence.size, evidence.packed)
            cursor.execute(self._sql.insert_evidence, values)

    def _knows(self, cursor: Any, change: Change) -> bool:
        if isinstance(change, (Opened, Signed)) or change.tx_hash is None:
            return False
        return cursor.execute(self._sql.knows, (change.intent, change.tx_hash)).fetchone() is not None

    def _rows(self, statement: str, values: tuple[str | int, ...]) -> list[Any]:
        with database_errors(self._url):
            if self._read_connection is None:
                self._read_connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                return [tuple(row) for row in self._read_connection.exec_driver_sql(statement, values)]
            except DBAPIError:
                self._drop_reader(broken=True)
                raise

    def _writer(self) -> Connection:
        if self._write_connection is None:
            self._write_connection = self._engine.connect()
        return self._write_connection

    def _drop_writer(self, *, broken: bool = False) -> None:
        connection, self._write_connection = self._write_connection, None
        _let_go(connection, broken)

    def _drop_reader(self, *, broken: bool = False) -> None:
        connection, self._read_connection = self._read_connection, None
        _let_go(connection, broken)


def _let_go(connection: Connection | None, broken: bool) -> None:
    if connection is None:
        return
    if broken:
        connection.invalidate()  # not back into the pool: the next one is opened anew
    connection.close()
