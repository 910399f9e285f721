"""The log in PostgreSQL: one connection writes, another reads; each is used by one thread.

An append is one trip to the server where nothing of the journal is asked, else two: whatever can be sent together is. Writers are
one after the other by a lock that lives as long as the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg import errors

from keeper.adapters.audit.appending import Before, Question, journal_of, planned, questions, rows_of
from keeper.adapters.audit.chaining import Ready
from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.journal import Opened, Signed, already_known, already_open, already_tried
from keeper.adapters.audit.memory_journal import MemoryJournal
from keeper.adapters.audit.postgres import (
    APPENDING,
    IDLE_MS,
    Connection,
    connect,
    database_errors,
    is_lost,
    locked,
    revision,
)
from keeper.adapters.audit.postgres_lease_ddl import LEASE_LOST
from keeper.adapters.audit.statements import Statements
from keeper.adapters.audit.unheard import Unheard
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition, LeaseLost
from keeper.domain.intent import Intent
from keeper.domain.record import GENESIS, Record

_BEGIN: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_LOCK: Final = locked(APPENDING)
_LOCK_AS: Final = b"SELECT public.lock_appending_as(%s)"
_HASH: Final = b"SELECT hash FROM records WHERE seq = %s"
_EMPTY: Final = b"SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'public')"
_NOT_NEXT: Final = (errors.UniqueViolation, errors.RestrictViolation)
"""What the table says to a record that does not follow the last one."""


class PostgresDatabase:
    """Implements ``keeper.adapters.audit.store.Database``."""

    unsettled = False
    """A page of an index more costs next to nothing here: nothing is written ahead."""

    def __init__(
        self, url: str, busy_timeout_ms: int, fence: Callable[[], int] | None = None, idle_ms: int = IDLE_MS
    ) -> None:
        """Connects to nothing yet. ``fence`` is the lease's number under which it appends, asked each time; it raises LeaseLost."""
        self.sql = Statements("%s")
        self._fence = fence
        self._idle_ms = idle_ms
        self._lock = _LOCK if fence is None else _LOCK_AS
        values, marks = self.sql.insert_record.split(" VALUES ")
        lock = self._lock.decode().removeprefix("SELECT ")
        self._insert_under_lock = f"{values} SELECT {marks[1:-1]} FROM {lock}".encode()  # noqa: S608 - no value is in it
        self._url = url
        self._busy_timeout_ms = busy_timeout_ms
        self._write_connection: Connection | None = None
        self._read_connection: Connection | None = None
        self._head: tuple[int, str] | None = None
        self._unheard = Unheard()

    def prepare(self, create: bool) -> None:
        with database_errors(self._url):
            if create and self.rows(_EMPTY.decode(), ())[0][0]:
                from keeper.adapters.audit.migrate import upgrade

                upgrade(self._url)
            found = revision(self._writer())
        require_head(found)

    def append(self, ready: list[Ready]) -> list[Record]:
        with database_errors(self._url):
            try:
                return self._append(ready)
            except psycopg.Error as error:
                lost = self._write_connection is not None and is_lost(self._write_connection, error)
                self.drop_writer()
                _raise_if_fenced(error)
                if not lost:
                    raise
            # the server was restarted, or the network was gone, since the last record or just now: once more, over a new connection
            try:
                return self._append(ready)
            except psycopg.Error as error:
                self.drop_writer()
                _raise_if_fenced(error)
                raise

    def ahead(self) -> tuple[list[Record], list[Intent]]:
        return [], []

    def settle(self, *, patient: bool = True) -> None:
        """Nothing is ever written ahead."""

    def rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with database_errors(self._url):
            try:
                return self._read(statement, values)
            except psycopg.Error as error:
                lost = self._read_connection is not None and is_lost(self._read_connection, error)
                self.drop_reader()
                if not lost:
                    raise
            return self._read(statement, values)

    def drop_writer(self) -> None:
        connection, self._write_connection = self._write_connection, None
        self._head = None
        if connection is not None:
            connection.close()

    def drop_reader(self) -> None:
        connection, self._read_connection = self._read_connection, None
        if connection is not None:
            connection.close()

    def dispose(self) -> None:
        """Nothing is kept besides the two connections."""

    def _append(self, ready: list[Ready]) -> list[Record]:
        while True:
            left = self._unheard.left(ready)
            written = self._written(left) if left else []
            if written is not None:
                return self._unheard.answer(ready, written)

    def _written(self, ready: list[Ready]) -> list[Record] | None:
        """None: what was sent before was found in the log, and nothing was written now."""
        connection = self._writer()
        if self._head is not None and not self._unheard.sent and all(item.change is None for item in ready):
            try:
                return self._write_after(connection, self._head, ready)
            except _NOT_NEXT:
                # another writer came in between: nothing was stored, and the head has to be asked for
                self._unheard.settled()
        try:
            return self._ask_and_write(connection, ready)
        except (IntentAlreadyOpen, InvalidTransition):
            connection.execute(b"ROLLBACK")
            raise

    def _write_after(self, connection: Connection, head: tuple[int, str], ready: list[Ready]) -> list[Record]:
        """One trip and one transaction, which the server refuses where ``head`` is not the last record any more. Raises what it raises."""
        held = self._held()
        records, writes = planned(ready, Before(*head, MemoryJournal()), self.sql)
        self._unheard.sending(records, ready)
        if len(records) == 1 and not writes:
            # a ninth of the time of two statements; the lock is taken before the trigger looks at the last record
            connection.execute(self._insert_under_lock, (*rows_of(records, ready)[0], *held))
            return self._stored(records)
        with connection.pipeline():
            connection.execute(self._lock, held)
            # not prepared: where the server refuses the first, it skips the others, and the driver takes them for prepared
            self._insert(connection, records, ready, writes, prepare=False)
        return self._stored(records)

    def _ask_and_write(self, connection: Connection, ready: list[Ready]) -> list[Record] | None:
        held = self._held()
        sent, asked = self._unheard.sent, questions(ready, self.sql)
        with connection.pipeline():
            connection.execute(_BEGIN)
            connection.execute(self._lock, held)
            last = connection.execute(self.sql.head.encode())
            same = connection.execute(_HASH, (sent[-1].seq,)) if sent else None
            answers = [connection.execute(statement.encode(), values) for statement, values in asked]
        if self._unheard.is_found(same.fetchone() if same is not None else None):
            # the connection was lost after the commit, and before we heard of it
            connection.execute(b"ROLLBACK")
            return None
        journal = journal_of(asked, [answer.fetchall() for answer in answers], self.sql)
        seq, head = last.fetchone() or (0, GENESIS)
        records, writes = planned(ready, Before(seq, head, journal), self.sql)
        self._unheard.sending(records, ready)
        try:
            with connection.pipeline():
                self._insert(connection, records, ready, writes)
                connection.execute(b"COMMIT")
        except errors.UniqueViolation as error:
            raise _refused(error.diag.constraint_name, ready) or error from None
        return self._stored(records)

    def _insert(
        self,
        connection: Connection,
        records: list[Record],
        ready: list[Ready],
        writes: Sequence[Question],
        *,
        prepare: bool | None = None,
    ) -> None:
        for row in rows_of(records, ready):
            connection.execute(self.sql.insert_record.encode(), row, prepare=prepare)
        for statement, values in writes:
            connection.execute(statement.encode(), values, prepare=prepare)

    def _stored(self, records: list[Record]) -> list[Record]:
        self._head = records[-1].seq, records[-1].hash
        self._unheard.settled()
        return records

    def _read(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        if self._read_connection is None:
            self._read_connection = connect(self._url, task="reads", lock_ms=self._busy_timeout_ms, read_only=True)
        return self._read_connection.execute(statement.encode(), values).fetchall()

    def _writer(self) -> Connection:
        if self._write_connection is None:
            self._write_connection = connect(
                self._url, task="writes", lock_ms=self._busy_timeout_ms, idle_ms=self._idle_ms
            )
        return self._write_connection

    def _held(self) -> tuple[int, ...]:
        """What the lock is taken with. Raises LeaseLost."""
        return () if self._fence is None else (self._fence(),)


def _raise_if_fenced(error: psycopg.Error) -> None:
    if error.sqlstate == LEASE_LOST:
        raise LeaseLost(
            "another replica leads, or the lease was not renewed in time: nothing was written",
            remedy="none is needed: this replica stands by; if none leads, look at the database and at keeper status",
        ) from None


def _refused(constraint: str | None, ready: Sequence[Ready]) -> Exception | None:
    """What the constraint says in the keeper's words. The lock keeps our own writers from it: it was somebody else's row."""
    for item in ready:
        if isinstance(item.change, Opened) and constraint == "uq_intents_one_open":
            return already_open(item.change.intent)
        if isinstance(item.change, Opened) and constraint == "pk_intents":
            return already_known(item.change.intent)
        if isinstance(item.change, Signed) and (constraint or "").startswith(("pk_attempts", "uq_attempts_")):
            return already_tried(item.change.attempt)
    return None
