"""A SQLite file as the verification reads it: along the tables themselves, without trusting an index, the types or the encoding."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from keeper.adapters.audit import ahead
from keeper.adapters.audit.beside import Beside
from keeper.adapters.audit.finding import Finding, damage_in
from keeper.adapters.audit.log_reader import Row
from keeper.adapters.audit.models import AHEAD_REFUSED
from keeper.adapters.audit.pages import AHEAD, COLUMNS
from keeper.adapters.audit.record_check import LONGEST_VALUE, TYPES
from keeper.adapters.audit.schema_check import check_schema, check_version
from keeper.adapters.audit.sqlite_headers import check_headers

_SMALLEST_FILE: Final = 512
"""Bytes of the smallest page. SQLite takes what is shorter for an empty database."""
_MISSING_ROW: Final = re.compile(r"row (\d+) missing from index (\w+)")
_TABLE_OF_INDEX: Final = re.compile(r"(records|intents|attempts|evidence|archived|checkpoints|alembic_version)")
_WITH_SEQ: Final = ("records", "intents", "attempts", "evidence", "archived", "checkpoints")
_ALL: Final = f"{', '.join(COLUMNS)} FROM records NOT INDEXED"


class SqliteLog:
    """Implements ``LogReader``. ``connection`` is in a transaction, or reads a file that nobody writes."""

    errors: tuple[type[Exception], ...] = (sqlite3.DatabaseError,)

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        connection.text_factory = bytes
        # a row with more is damage, and does not fill the memory first
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)

    def check_schema(self) -> tuple[str, ...]:
        if 0 < self._path.stat().st_size < _SMALLEST_FILE:
            raise Finding("sqlite_schema", None, "the file is too short for a database")
        with damage_in("sqlite_schema", None):
            check_schema(self._connection)
        return ()

    def check_version(self) -> None:
        check_version(self._connection)

    def last(self) -> int:
        with damage_in("records", None):
            return self._connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0

    def hash_of(self, seq: int) -> str | None:
        with damage_in("records", seq):
            return _text(self._connection.execute("SELECT hash FROM records WHERE seq = ?", (seq,)).fetchone())

    def signature_of(self, number: int) -> str | None:
        with damage_in("checkpoints", None):
            statement = "SELECT signature FROM checkpoints WHERE number = ?"
            return _text(self._connection.execute(statement, (number,)).fetchone())

    def newest_at(self, kind: str | None) -> str | None:
        with damage_in("records", None):
            where, values = ("WHERE kind = ?", (kind,)) if kind else ("", ())
            statement = f"SELECT at FROM records {where} ORDER BY seq DESC LIMIT 1"  # noqa: S608
            return _text(self._connection.execute(statement, values).fetchone())

    def archived_by(self, seq: int) -> Iterator[str]:
        with damage_in("archived", seq):
            for (digest,) in self._connection.execute("SELECT hash FROM archived NOT INDEXED WHERE seq = ?", (seq,)):
                yield str(digest, "utf-8")

    def renew(self) -> None:
        """SQLite reads on after an error."""

    def records(self, after: int) -> Iterator[tuple[int, Row]]:
        # from the first row on, whatever its number
        sql = f"SELECT {TYPES}, {_ALL}"
        later = f"{sql} WHERE seq > ? ORDER BY seq"
        last = after
        try:
            cursor = self._connection.execute(*((later, (after,)) if after else (f"{sql} ORDER BY seq",)))
            for row in cursor:
                yield row[0], row[1:]
                last = row[1]
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            # the good rows read together with the damaged one went with it; one at a time shows which one it is
            while row := self._one(f"{later} LIMIT 1", last):
                yield row[0], row[1:]
                last = row[1]
            with damage_in("records", last + 1):
                raise

    def _one(self, statement: str, after: int) -> tuple[Any, ...] | None:
        with damage_in("records", after + 1):
            row: tuple[Any, ...] | None = self._connection.execute(statement, (after,)).fetchone()
        return row

    def sweep(self) -> Iterator[Row]:
        # the same way through the table as ``records`` goes
        return self._connection.execute(f"SELECT {_ALL} ORDER BY seq")

    def rows(self, table: str, columns: Sequence[str], *, order: str = "seq", holes: bool = False) -> SqliteRows:
        # rows are only ever added, so the order of the rows is that of their records
        return SqliteRows(self._connection, table, columns, holes)

    def places(self, table: str, hashes: Sequence[str]) -> dict[str, object]:
        sql = f"SELECT hash, seq FROM {table} WHERE hash IN ({', '.join('?' * len(hashes))})"  # noqa: S608
        with damage_in(table, None):
            return {str(found, "utf-8"): seq for found, seq in self._connection.execute(sql, tuple(hashes))}

    def archived(self) -> Iterator[tuple[object, int]]:
        with damage_in("archived", None):
            yield from self._connection.execute(
                "SELECT seq, count(*) FROM archived NOT INDEXED GROUP BY seq ORDER BY seq"
            )

    def ahead(self) -> Sequence[Row]:
        with damage_in("ahead", None):
            rows = self._connection.execute(AHEAD).fetchall()
            types = self._connection.execute(ahead.TYPES).fetchone()
            if types is not None and types[0] != ahead.RIGHT_TYPES:
                raise Finding("ahead", None, "a column of its row is of another type")
            if self._connection.execute(AHEAD_REFUSED).fetchone() is not None:
                raise Finding("ahead", None, "the journal holds an intent or an attempt of its row already")
            return [tuple(str(one, "utf-8") if isinstance(one, bytes) else one for one in row) for row in rows]

    def damage(self, table: str, first_bad: int | None) -> AbstractContextManager[None]:
        return damage_in(table, first_bad)

    @contextmanager
    def prove(self) -> Iterator[SqliteProof]:
        with Beside(self._path) as beside:
            yield SqliteProof(self._connection, self._path, beside)


class SqliteRows:
    """Along the table itself; one at a time, so that damage is met at its own row and not before."""

    def __init__(self, connection: sqlite3.Connection, table: str, columns: Sequence[str], holes: bool) -> None:
        types = " || ' ' || ".join(f"typeof({column})" for column in columns)
        sql = f"SELECT rowid, {types}, {', '.join(columns)} FROM {table} NOT INDEXED"  # noqa: S608
        self._first = f"{sql} ORDER BY rowid LIMIT 1"
        self._later = f"{sql} WHERE rowid > ? ORDER BY rowid LIMIT 1"
        self._connection = connection
        self._table = table
        self._holes = holes
        self._rowid: int | None = None
        self._count = 0

    def next(self, seq: int | None) -> Row | None:
        with damage_in(self._table, seq):
            statement, values = (self._first, ()) if self._rowid is None else (self._later, (self._rowid,))
            row = self._connection.execute(statement, values).fetchone()
        if row is None:
            return None
        self._rowid = row[0]
        self._count += 1
        # rows that are never deleted, SQLite numbers without holes
        if self._rowid != self._count and seq is not None and not self._holes:
            raise Finding(self._table, seq, "the row of this record is missing, or another stands in its place")
        return tuple(row[1:])


class SqliteProof:
    """SQLite's own check: pages, free space, that every index agrees with its table; and the bytes that it reads over."""

    reads_json = True

    def __init__(self, connection: sqlite3.Connection, path: Path, beside: Beside) -> None:
        self._connection = connection
        self._path = path
        self._beside = beside

    def holds(self, records: int) -> bool:
        if self._beside.structure() != [b"ok"]:
            return False
        check_headers(self._connection, self._path)
        return self._beside.as_written()

    def explain(self) -> None:
        with damage_in("sqlite_schema", None):
            self._check_structure(self._beside.structure())
        check_headers(self._connection, self._path)

    def _check_structure(self, found: list[bytes]) -> None:
        answers = [answer.decode(errors="replace") for answer in found]
        if answers == ["ok"]:
            return
        missing = _MISSING_ROW.search("\n".join(answers))
        table = _TABLE_OF_INDEX.search(missing.group(2)) if missing else None
        seq = None
        if missing and table and table.group(1) in _WITH_SEQ:
            statement = f"SELECT seq FROM {table.group(1)} WHERE rowid = ?"  # noqa: S608
            row = self._connection.execute(statement, (int(missing.group(1)),)).fetchone()
            seq = row[0] if row else None
        what = f"the index {missing.group(2)} does not list this row" if missing else answers[0].splitlines()[-1]
        # whoever comes here has read every record and found it good
        problem = f"the file is damaged around records that are whole: {what}"
        raise Finding(table.group(1) if table else "sqlite_schema", seq, problem)


def _text(row: tuple[Any, ...] | None) -> str | None:
    if row is None:
        return None
    return row[0].decode(errors="replace") if isinstance(row[0], bytes) else ""
