"""One connection that cannot write, and its thread: what is asked there ends when it is told to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.evidence import NotEvidence, unpack
from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.pages import AHEAD, LARGEST_PAGE, page_statement, to_record
from keeper.adapters.audit.sqlite_reader import in_short, open_read_only
from keeper.adapters.audit.times import from_iso
from keeper.adapters.audit.worker import Worker
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Record, RecordQuery

T = TypeVar("T")

VERIFY: Final = "run: keeper audit CONFIG verify"
_NARROWER: Final = "ask for less: a shorter time, fewer kinds, one market"


class _BrokenOff(Exception):
    """Between two rows."""


class PublicConnection:
    """For one thread, but for ``break_off``. Connects when it is first asked."""

    def __init__(self, url: str, limit_ms: int) -> None:
        self.worker = Worker("public-reader")
        self.marker = "?" if sqlite_file(url) is not None else "%s"
        self._url = url
        self._limit_ms = limit_ms
        self._connection: Any = None
        self._file = sqlite_file(url)
        self._identity: tuple[int, int] | None = None
        self._stopped = False

    def break_off(self) -> None:
        """From any thread: what is being asked ends with an error. A PostgreSQL server ends a statement by its own clock."""
        self._stopped = True
        connection = self._connection
        if isinstance(connection, sqlite3.Connection):
            connection.interrupt()

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def answer(self, question: Callable[[PublicConnection], T], limit_ms: int) -> T:
        """In the thread; ``limit_ms`` is what it was given, for words. Raises StoreUnavailable, StoreNotMigrated, TooLarge."""
        self._stopped = False
        try:
            if self._connection is not None and self._identity != _identity(self._file):
                self.drop()  # another file lies there now
            if self._connection is None:
                self._identity = _identity(self._file)
                self._connection = self._opened()
                require_head(self._revision())
            return question(self)
        except StoreNotMigrated:
            self.drop()  # it may be migrated by the next time
            raise
        except _BrokenOff:
            raise _too_long(limit_ms) from None
        except Exception as error:
            if not _of_the_database(error):
                raise
            self.drop()
            reason = in_short(error)
            if "interrupted" in reason or "statement timeout" in reason:
                raise _too_long(limit_ms) from None
            raise StoreUnavailable(f"{without_password(self._url)}: {reason}", remedy=VERIFY) from None

    def rows(self, sql: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, tuple(values))
            for row in cursor:
                if self._stopped:
                    raise _BrokenOff
                yield row
        finally:
            cursor.close()  # an unfinished walk would hold on to an old state of the file

    def page(self, query: RecordQuery) -> Iterator[Sequence[Any]]:
        """The rows of ``records`` on this page, and among them what is durable and in no table yet; each once."""
        return islice(self._with_ahead(query), max(0, min(query.limit, LARGEST_PAGE)))

    def _with_ahead(self, query: RecordQuery) -> Iterator[Sequence[Any]]:
        ahead = self._ahead(query)
        told: set[int] = set()
        if query.newest_first:
            told.update(row[0] for row in ahead)
            yield from ahead
        for row in self.rows(*page_statement(query, self.marker)):
            if row[0] not in told:  # it has got into the table since
                yield row
            ahead = [one for one in ahead if one[0] > row[0]]
        if not query.newest_first:
            yield from ahead

    def _ahead(self, query: RecordQuery) -> Sequence[Sequence[Any]]:
        """In SQLite: what of it belongs to this page."""
        for row in self.rows(AHEAD, ()) if self._file is not None else ():
            # here, because hardly ever is there one, and who reads need not wait for what it takes
            from keeper.adapters.audit.ahead import rows_ahead

            return rows_ahead(row, query)
        return ()

    def unpacked(self, digest: str, most: int) -> dict[str, Any] | None:
        """Evidence; None where it is not in the database. Raises TooLarge, StoreUnavailable for what is damaged."""
        sql = f"SELECT encoding, size, packed FROM evidence WHERE hash = {self.marker}"  # noqa: S608
        for encoding, size, packed in self.rows(sql, (digest,)):
            if isinstance(size, int) and size > most:
                raise TooLarge(f"this evidence has {size} bytes", remedy="read it with: keeper audit CONFIG export DIR")
            try:
                return unpack(
                    Evidence(digest, encoding, size, bytes(packed) if isinstance(packed, memoryview) else packed)
                )
            except NotEvidence as error:
                raise StoreUnavailable(f"the evidence {digest} cannot be read: {error}", remedy=VERIFY) from None
        return None

    def evidence_size(self, digest: str) -> int:
        """Bytes of its content; 0 where it is not in the database."""
        sql = f"SELECT size FROM evidence WHERE hash = {self.marker}"  # noqa: S608
        return next((size for (size,) in self.rows(sql, (digest,)) if isinstance(size, int)), 0)

    def _opened(self) -> Any:
        if self._file is not None:
            return open_read_only(self._file, self._limit_ms)
        import psycopg

        address = self._url.replace("postgresql+psycopg://", "postgresql://", 1)
        settings = f"-c statement_timeout={self._limit_ms} -c default_transaction_read_only=on"
        return psycopg.connect(address, autocommit=True, connect_timeout=5, options=settings)

    def _revision(self) -> str | None:
        try:
            found = list(self.rows("SELECT version_num FROM alembic_version", ()))
        except Exception as error:
            if "no such table" in str(error) or "does not exist" in str(error):
                return None
            raise
        return str(found[0][0]) if found else None


def readable(row: Sequence[object]) -> Record | None:
    """The record in a row; None when it holds what the store never writes."""
    texts = (*row[1:3], *row[8:10])
    optional = row[3:7]
    if not all(isinstance(one, str) for one in texts) or not all(
        one is None or isinstance(one, str) for one in optional
    ):
        return None
    try:
        record = to_record(row)
        from_iso(record.at)
    except (StoreUnavailable, ValueError):
        return None
    body: object = record.body
    return record if isinstance(body, dict) else None


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file lies there: one that was moved away is read no more."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _too_long(limit_ms: int) -> StoreUnavailable:
    return StoreUnavailable(f"this took longer than {limit_ms // 1000} s and was broken off", remedy=_NARROWER)


def _of_the_database(error: Exception) -> bool:
    if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
        return True
    import psycopg

    return isinstance(error, psycopg.Error)
