"""Archived evidence in a SQL database, over a connection of its own: what is long here never holds up the one that writes before an action."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from keeper.adapters.audit.ahead import put_into_tables
from keeper.adapters.audit.chaining import chain, make_ready
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.pages import page_statement, to_record
from keeper.adapters.audit.sqlite_reader import in_short
from keeper.adapters.audit.statements import Statements, record_values
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import GENESIS, Draft, Record, RecordQuery
from keeper.ports.retention import Kept, Place

AT_ONCE: Final = 500
"""Bound values of one statement."""
WAIT_MS: Final = 5_000
"""For a lock that another connection holds."""
_COLUMNS: Final = "e.seq, r.at, r.kind, e.hash"
_JOINED: Final = "FROM evidence AS e JOIN records AS r ON r.seq = e.seq"


class _Database(Protocol):
    marker: str

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def write(self) -> Any:
        """A transaction that holds the lock of whoever appends; gives a cursor."""

    def forget(self, cursor: Any, hashes: Sequence[str]) -> int: ...

    def close(self) -> None: ...


class SqlRetention:
    """Implements ``keeper.ports.retention.Retention``; of a log that is there and migrated. One thread at a time."""

    def __init__(self, url: str) -> None:
        path = sqlite_file(url)
        self._database: _Database = _Postgres(url) if path is None else _Sqlite(url, path)
        self._marker = self._database.marker
        self._sql = Statements(self._marker)

    def page(self, query: RecordQuery) -> Sequence[Record]:
        return [to_record(row) for row in self._database.rows(*page_statement(query, self._marker))]

    def places(self, after: int, until_at: str, limit: int) -> Sequence[Place]:
        one = self._marker
        # only names and placeholders of this module are in the text
        sql = (
            f"SELECT {_COLUMNS}, length(e.packed) {_JOINED} WHERE e.seq > {one} AND r.at < {one} "  # noqa: S608
            f"AND NOT EXISTS (SELECT 1 FROM archived AS a WHERE a.hash = e.hash) ORDER BY e.seq LIMIT {one}"
        )
        return [Place(*row) for row in self._database.rows(sql, (after, until_at, limit))]

    def contents(self, hashes: Sequence[str]) -> Sequence[Kept]:
        found: list[Kept] = []
        for some in _chunks(hashes):
            sql = f"SELECT {_COLUMNS}, r.body, e.encoding, e.size, e.packed {_JOINED} WHERE e.hash IN {self._any(some)}"
            for seq, at, kind, digest, body, encoding, size, packed in self._database.rows(sql, some):
                found.append(Kept(seq, at, kind, _block(body), Evidence(digest, encoding, size, bytes(packed))))
        return sorted(found, key=lambda one: one.seq)

    def archived(self, draft: Draft, hashes: Sequence[str]) -> Record | None:
        (item,) = make_ready([draft])
        with self._database.write() as cursor:
            for some in _chunks(hashes):
                cursor.execute(f"SELECT 1 FROM archived WHERE hash IN {self._any(some)} LIMIT 1", some)  # noqa: S608
                if cursor.fetchone() is not None:
                    return None
            cursor.execute(self._sql.head)
            row = cursor.fetchone()
            (record,) = chain([item], row[0] if row else 0, row[1] if row else GENESIS)
            cursor.execute(self._sql.insert_record, record_values(record, item.body))
            insert = f"INSERT INTO archived (hash, seq) VALUES ({self._marker}, {self._marker})"  # noqa: S608
            cursor.executemany(insert, [(one, record.seq) for one in hashes])
        return record

    def to_forget(self) -> Sequence[tuple[int, str]]:
        sql = "SELECT a.seq, e.hash FROM evidence AS e JOIN archived AS a ON a.hash = e.hash ORDER BY e.seq"
        return [(seq, digest) for seq, digest in self._database.rows(sql)]

    def forget(self, hashes: Sequence[str]) -> int:
        with self._database.write() as cursor:
            return sum(self._database.forget(cursor, some) for some in _chunks(hashes))

    def close(self) -> None:
        self._database.close()

    def _any(self, values: Sequence[str]) -> str:
        return f"({', '.join([self._marker] * len(values))})"


class _Sqlite:
    marker = "?"

    def __init__(self, url: str, path: Path) -> None:
        self._url = url
        with self._errors():
            # steps may be done in one thread after the other
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=WAIT_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
            )
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Cursor]:
        with self._errors(), closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                put_into_tables(cursor, Statements("?"))
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def forget(self, cursor: sqlite3.Cursor, hashes: Sequence[str]) -> int:
        marks = ", ".join("?" * len(hashes))
        return cursor.execute(f"DELETE FROM evidence WHERE hash IN ({marks})", tuple(hashes)).rowcount  # noqa: S608

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(
                f"{without_password(self._url)}: {in_short(error)}", remedy="look at the database of audit.url"
            ) from None


class _Postgres:
    marker = "%s"

    def __init__(self, url: str) -> None:
        from keeper.adapters.audit.postgres import APPENDING, connect, database_errors, locked

        self._errors: Callable[[], AbstractContextManager[None]] = lambda: database_errors(url)
        self._lock = locked(APPENDING)
        self._connection = connect(url, task="archive", lock_ms=WAIT_MS)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._errors(), self._connection.cursor() as cursor:
            return cursor.execute(statement.encode(), tuple(values)).fetchall()

    @contextmanager
    def write(self) -> Iterator[Any]:
        with self._errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(self._lock)
            yield cursor

    def forget(self, cursor: Any, hashes: Sequence[str]) -> int:
        """The keeper's role has no DELETE; the function lets go of what is archived, and of nothing else."""
        return int(cursor.execute("SELECT forget_evidence(%s)", (list(hashes),)).fetchone()[0])

    def close(self) -> None:
        self._connection.close()


def _chunks(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(values), AT_ONCE):
        yield tuple(values[start : start + AT_ONCE])


def _block(body: str) -> int | None:
    """The number that the body of a tick or a state names."""
    found = json.loads(body)
    block = found.get("block")
    number = block.get("number") if isinstance(block, dict) else found.get("number")
    return number if isinstance(number, int) else None
