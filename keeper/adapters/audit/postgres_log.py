"""A PostgreSQL database as the verification reads it: in one snapshot that can change nothing, with the driver alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import IsolationLevel, ServerCursor
from psycopg.rows import TupleRow

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.log_reader import Row
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.postgres import Connection, connect, database_errors, in_short
from keeper.adapters.audit.postgres_beside import JSON_SINCE, PostgresBeside
from keeper.adapters.audit.postgres_schema import check_postgres_schema, check_postgres_version
from keeper.adapters.audit.record_check import LONGEST_BODY

_AT_ONCE: Final = 500
"""Rows of one answer of the server; more are slower, and would be kept in memory together."""
_FEW: Final = 50
"""The same, where a row may be large."""
_WORDS: Final = {20: b"integer", 23: b"integer", 25: b"text", 17: b"blob"}
"""The types of the columns by their number, in SQLite's words: bigint, integer, text, bytea."""
_OF_RECORDS: Final = tuple(b"integer" if name == "seq" else b"text" for name in COLUMNS)
_BOUNDED: Final = ", ".join(
    f"CASE WHEN octet_length(body) > {LONGEST_BODY} THEN NULL ELSE body END AS body" if name == "body" else name
    for name in COLUMNS
)
"""A body that no keeper writes does not come, so that it cannot fill the memory."""
_DAMAGE: Final = ("XX", "22021", "58030", "42P01", "42703")
"""SQLSTATEs of a log that cannot be read: data and indexes that are damaged, text that is no text, input and output; no such table or column."""
DAMAGED: Final = "the database is damaged: "


@contextmanager
def opened(url: str, lock_ms: int) -> Iterator[PostgresLog]:
    """The log in one snapshot that can change nothing. Raises StoreUnavailable, also for what goes wrong later."""
    connection = connect(url, task="verify", lock_ms=lock_ms, statement_ms=0, read_only=True)
    try:
        with database_errors(url):
            # a long log takes long, also between two answers; and texts are to come as the bytes that they are
            connection.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', false)")
            connection.execute("SET client_encoding TO 'SQL_ASCII'")
            connection.autocommit = False
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            log = PostgresLog(connection, lambda: PostgresBeside(url, lock_ms))
            try:
                yield log
            finally:
                log.close()
    finally:
        connection.close()


class PostgresLog:
    """Implements ``LogReader``."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, connection: Connection, beside: Callable[[], PostgresBeside]) -> None:
        self._connection = connection
        self._beside = beside
        self._cursors: list[ServerCursor[TupleRow]] = []

    def check_schema(self) -> tuple[str, ...]:
        # views can be compared only where they can be made; all of that is taken back
        with self._talking(read_only=False):
            return check_postgres_schema(self._connection)

    def check_version(self) -> None:
        with self.damage("alembic_version", None), self._talking(read_only=True):
            check_postgres_version(self._connection)

    @contextmanager
    def _talking(self, *, read_only: bool) -> Iterator[None]:
        """Texts are text in here, and the snapshot begins after it."""
        self._connection.rollback()
        self._connection.read_only = read_only
        self._connection.execute("SET client_encoding TO 'UTF8'")
        self._connection.commit()
        try:
            yield
        finally:
            self._connection.rollback()
            self._connection.read_only = True
            self._connection.execute("SET client_encoding TO 'SQL_ASCII'")
            self._connection.commit()

    def last(self) -> int:
        with self.damage("records", None):
            return self._value("SELECT max(seq) FROM records") or 0

    def hash_of(self, seq: int) -> str | None:
        with self.damage("records", seq):
            return _text(self._value("SELECT hash FROM records WHERE seq = %s", (seq,)))

    def signature_of(self, number: int) -> str | None:
        with self.damage("checkpoints", None):
            return _text(self._value("SELECT signature FROM checkpoints WHERE number = %s", (number,)))

    def newest_at(self, kind: str | None) -> str | None:
        with self.damage("records", None):
            where, values = ("WHERE kind = %s", (kind,)) if kind else ("", ())
            return _text(self._value(f"SELECT at FROM records {where} ORDER BY seq DESC LIMIT 1", values))  # noqa: S608

    def archived_by(self, seq: int) -> Iterator[str]:
        with self.damage("archived", seq):
            for (digest,) in self._connection.execute("SELECT hash FROM archived WHERE seq = %s", (seq,)).fetchall():
                yield bytes(digest).decode(errors="replace")

    def renew(self) -> None:
        """The transaction ended with the error."""
        self._connection.rollback()

    def records(self, after: int) -> Iterator[tuple[int, Row]]:
        last = after
        try:
            # from the first row on, whatever its number
            for row in self._all("WHERE seq > %s" if after else "", (after,) if after else ()):
                yield 1, row
                last = row[0]
        except TypeError as error:
            raise Finding("records", last + 1, str(error)) from None
        except psycopg.Error as error:
            if not _is_damage(error):
                raise
            # the good rows read together with the damaged one went with it; one at a time shows which one it is
            self.renew()
            while row := self._one(last):
                yield 1, row
                last = row[0]
            raise Finding("records", last + 1, DAMAGED + in_short(error)) from None

    def _one(self, after: int) -> Any:
        with self.damage("records", after + 1):
            sql = f"SELECT {_BOUNDED} FROM records WHERE seq > %s ORDER BY seq LIMIT 1"  # noqa: S608
            return self._connection.execute(sql, (after,)).fetchone()

    def sweep(self) -> Iterator[Row]:
        return self._all("", ())

    def _all(self, where: str, values: tuple[object, ...]) -> Iterator[Any]:
        cursor = self.cursor()
        cursor.execute(f"SELECT {_BOUNDED} FROM records {where} ORDER BY seq", values)  # noqa: S608
        if types_of(cursor) != _OF_RECORDS:
            raise TypeError("a column has another type than the migrations gave it")
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows

    def rows(self, table: str, columns: Sequence[str], *, order: str = "seq", holes: bool = False) -> PostgresRows:
        return PostgresRows(self, table, columns, order, self.cursor())

    def places(self, table: str, hashes: Sequence[str]) -> dict[str, object]:
        with self.damage(table, None):
            found = self._connection.execute(
                f"SELECT hash, seq FROM {table} WHERE hash = ANY(%s::text[])",  # noqa: S608
                (list(hashes),),
            )
            return {bytes(digest).decode(errors="replace"): seq for digest, seq in found}

    def archived(self) -> Iterator[tuple[object, int]]:
        with self.damage("archived", None):
            yield from self._connection.execute(
                "SELECT seq, count(*) FROM archived GROUP BY seq ORDER BY seq"
            ).fetchall()

    def ahead(self) -> Sequence[Row]:
        return ()

    @contextmanager
    def damage(self, table: str, first_bad: int | None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if not _is_damage(error):
                raise
            self.renew()
            raise Finding(table, first_bad, DAMAGED + in_short(error)) from None

    @contextmanager
    def prove(self) -> Iterator[PostgresProof]:
        if self._connection.info.server_version < JSON_SINCE:
            yield PostgresProof(self, None)
            return
        with self._beside() as beside:
            yield PostgresProof(self, beside)

    def cursor(self) -> ServerCursor[TupleRow]:
        cursor = self._connection.cursor(f"verify_{len(self._cursors) + 1}")
        self._cursors.append(cursor)
        return cursor

    def close(self) -> None:
        """Ends the snapshot."""
        with suppress(psycopg.Error):
            self._connection.rollback()
        for cursor in self._cursors:
            with suppress(psycopg.Error):
                cursor.close()

    def _value(self, sql: str, values: tuple[object, ...] = ()) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def count_in_the_heap(self) -> int:
        """How many records there are, counted without any index."""
        with self.damage("records", None):
            for way in ("indexscan", "indexonlyscan", "bitmapscan"):
                self._connection.execute(f"SET LOCAL enable_{way} = off")
            try:
                return int(self._value("SELECT count(*) FROM records"))
            finally:
                for way in ("indexscan", "indexonlyscan", "bitmapscan"):
                    self._connection.execute(f"SET LOCAL enable_{way} = on")


class PostgresRows:
    """In the order of a number that the records gave; a row with a smaller one than asked for is one that no record made."""

    def __init__(
        self, log: PostgresLog, table: str, columns: Sequence[str], order: str, cursor: ServerCursor[TupleRow]
    ) -> None:
        self._log = log
        self._table = table
        self._sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}"  # noqa: S608
        self._place = list(columns).index(order)
        self._judges = order == "seq"
        self._cursor = cursor
        self._types = b""
        self._waiting: list[Any] = []
        self._ended = False

    def next(self, seq: int | None) -> Row | None:
        if not self._waiting and not self._ended:
            with self._log.damage(self._table, seq):
                if not self._types:
                    self._cursor.execute(self._sql)
                    self._types = b" ".join(types_of(self._cursor))
                self._waiting = self._cursor.fetchmany(_FEW)[::-1]
            self._ended = not self._waiting
        if self._ended:
            return None
        row = self._waiting.pop()
        place = row[self._place]
        if self._judges and seq is not None and isinstance(place, int) and place < seq:
            raise Finding(self._table, place, "there is a row that no record made")
        return (self._types, *row)


class PostgresProof:
    """The index by which the records were read must list all of them."""

    def __init__(self, log: PostgresLog, beside: PostgresBeside | None) -> None:
        self._log = log
        self._beside = beside
        self.reads_json = beside is not None

    def holds(self, records: int) -> bool:
        return self._log.count_in_the_heap() == records and (self._beside is None or self._beside.as_written())

    def explain(self) -> None:
        # whoever comes here has read every record that the index lists and found it good
        count, last = self._log.count_in_the_heap(), self._log.last()
        if count != last:
            problem = f"{DAMAGED}the index of the records lists {last} of {count} rows"
            raise Finding("records", None, problem)


def types_of(cursor: ServerCursor[TupleRow]) -> tuple[bytes, ...]:
    return tuple(_WORDS.get(column.type_code, b"?") for column in cursor.description or ())


def _is_damage(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_DAMAGE)


def _text(value: object) -> str | None:
    return None if value is None else bytes(value).decode(errors="replace")  # type: ignore[call-overload]
