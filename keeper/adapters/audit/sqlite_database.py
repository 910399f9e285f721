"""The log in a SQLite file: one connection writes, another reads; each is used by one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from keeper.adapters.audit import ahead
from keeper.adapters.audit.appending import Before, journal_of, planned, questions, rows_of
from keeper.adapters.audit.chaining import Ready, chain
from keeper.adapters.audit.engine import database_errors, make_engine, write_cursor
from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.location import sqlite_file
from keeper.adapters.audit.migrate import current, upgrade
from keeper.adapters.audit.pages import AHEAD
from keeper.adapters.audit.statements import Statements
from keeper.adapters.audit.unheard import Unheard
from keeper.domain.intent import Intent
from keeper.domain.record import GENESIS, Record

_HASH: Final = "SELECT hash FROM records WHERE seq = ?"


class SqliteDatabase:
    """Implements ``keeper.adapters.audit.store.Database``."""

    def __init__(self, url: str, busy_timeout_ms: int) -> None:
        """Raises StoreUnavailable for a URL that names no usable database."""
        self.sql = Statements("?")
        self._url = url
        self._busy_timeout_ms = busy_timeout_ms
        self._engine = make_engine(url, busy_timeout_ms)
        self._write_connection: Connection | None = None
        self._read_connection: Connection | None = None
        self._head: tuple[int, str] | None = None
        self._unheard = Unheard()
        self.unsettled = False
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._not_next: type[Exception] = self._engine.dialect.loaded_dbapi.IntegrityError

    def prepare(self, create: bool) -> None:
        path = sqlite_file(self._url)
        if path is not None and not create and not path.exists():
            require_head(None)
        with database_errors(self._url):
            if create and not inspect(self._writer()).get_table_names():
                self.drop_writer()
                upgrade(self._url)
        require_head(current(self._url)[0])

    def append(self, ready: list[Ready]) -> list[Record]:
        with database_errors(self._url, self._driver_error):
            connection = self._writer()
            try:
                while True:
                    left = self._unheard.left(ready)
                    written = self._written(connection, left) if left else []
                    if written is not None:
                        return self._unheard.answer(ready, written)
            except (DBAPIError, self._driver_error):
                self.drop_writer(broken=True)
                raise

    def ahead(self) -> tuple[list[Record], list[Intent]]:
        with database_errors(self._url, self._driver_error):
            try:
                driver: Any = self._reader().connection.driver_connection
                row = driver.execute(AHEAD).fetchone()
            except (DBAPIError, self._driver_error):
                self.drop_reader(broken=True)
                raise
        return ahead.seen(row, self.sql) if row is not None else ([], [])

    def settle(self, *, patient: bool = True) -> None:
        with database_errors(self._url, self._driver_error):
            try:
                if not patient:
                    self._wait_ms(0)
                try:
                    with write_cursor(self._writer()) as cursor:
                        ahead.put_into_tables(cursor, self.sql)
                finally:
                    if not patient:
                        self._wait_ms(self._busy_timeout_ms)
            except (DBAPIError, self._driver_error):
                self.drop_writer(broken=True)
                raise
        self.unsettled = False

    def _wait_ms(self, ms: int) -> None:
        driver: Any = self._writer().connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {ms:d}").fetchall()

    def _written(self, connection: Connection, ready: list[Ready]) -> list[Record] | None:
        """None: what an error had left open was found in the log, and nothing was written now."""
        records = self._append_ahead(connection, ready)
        if records is not None:
            self._unheard.settled()
            return records
        records = self._append_one(connection, ready)
        if records is None:
            with write_cursor(connection) as cursor:
                records = self._append(cursor, ready)
            self.unsettled = False
        if records is not None:
            self._head = (records[-1].seq, records[-1].hash)
            self._unheard.settled()
        return records

    def _append_ahead(self, connection: Connection, ready: list[Ready]) -> list[Record] | None:
        """What an action waits for, in one row and one statement: less than half of the time of putting it into the tables.

        None where that cannot be, or the row's triggers refuse it: whoever asks the journal can say why. Nothing was stored then.
        """
        if self._head is None or self._unheard.sent:
            return None
        found = ahead.written_ahead(ready, *self._head)
        if found is None:
            return None
        records, row = found
        self.unsettled = True  # also where nobody hears whether it was stored
        if not self._is_stored(connection, ahead.INSERT, row, records, ready):
            self.unsettled = False
            return None
        self._head = None  # the next commit begins with putting it into the tables
        return records

    def _is_stored(
        self, connection: Connection, statement: str, row: Sequence[Any], records: list[Record], ready: list[Ready]
    ) -> bool:
        """By one statement, which is its own transaction; not, where a trigger or a constraint says no."""
        driver: Any = connection.connection.driver_connection
        self._unheard.sending(records, ready)
        try:
            driver.execute(statement, row)
        except self._not_next:
            self._head = None
            self._unheard.settled()
            return False
        return True

    def _append_one(self, connection: Connection, ready: list[Ready]) -> list[Record] | None:
        """One statement, which is its own transaction, where the head is known and nothing but a record is written: half of the time of four.

        The table's trigger looks at the last record under the write lock. None where it is not ours any more, and nothing was stored.
        """
        if (
            self._head is None
            or self._unheard.sent
            or len(ready) > 1
            or ready[0].change is not None
            or ready[0].draft.evidence is not None
        ):
            return None
        records = chain(ready, *self._head)
        row = rows_of(records, ready)[0]
        return records if self._is_stored(connection, self.sql.insert_record, row, records, ready) else None

    def _append(self, cursor: Any, ready: list[Ready]) -> list[Record] | None:
        ahead.put_into_tables(cursor, self.sql)
        sent = self._unheard.sent
        if self._unheard.is_found(cursor.execute(_HASH, (sent[-1].seq,)).fetchone() if sent else None):
            return None
        row = cursor.execute(self.sql.head).fetchone() or (0, GENESIS)
        asked = questions(ready, self.sql)
        journal = journal_of(asked, (cursor.execute(*one).fetchall() for one in asked), self.sql)
        records, writes = planned(ready, Before(row[0], row[1], journal), self.sql)
        self._unheard.sending(records, ready)
        cursor.executemany(self.sql.insert_record, rows_of(records, ready))
        for statement, values in writes:
            cursor.execute(statement, values)
        return records

    def rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with database_errors(self._url):
            reader = self._reader()
            try:
                return [tuple(row) for row in reader.exec_driver_sql(statement, values)]
            except DBAPIError:
                self.drop_reader(broken=True)
                raise

    def drop_writer(self, *, broken: bool = False) -> None:
        connection, self._write_connection = self._write_connection, None
        self._head = None
        _let_go(connection, broken)

    def drop_reader(self, *, broken: bool = False) -> None:
        connection, self._read_connection = self._read_connection, None
        _let_go(connection, broken)

    def dispose(self) -> None:
        self._engine.dispose()

    def _reader(self) -> Connection:
        if self._read_connection is None:
            self._read_connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._read_connection

    def _writer(self) -> Connection:
        if self._write_connection is None:
            self._write_connection = self._engine.connect()
        return self._write_connection


def _let_go(connection: Connection | None, broken: bool) -> None:
    if connection is None:
        return
    if broken:
        connection.invalidate()  # not back into the pool: the next one is opened anew
    connection.close()
