"""The log read for others: connections of its own that cannot write, few at once, each question with an end.

A question that takes too long is broken off, so that nobody's search can hold up a checkpoint of the database or the machine.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.evidence import LARGEST, NotEvidence, unpack
from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.pages import LARGEST_PAGE, filled, page_statement, to_record
from keeper.adapters.audit.sqlite_reader import in_short, open_read_only
from keeper.adapters.audit.worker import Worker
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Record, RecordQuery
from keeper.ports.log_reader import Kept, Sheet

T = TypeVar("T")

READERS: Final = 2
LIMIT_MS: Final = 5_000
"""For one question."""
BODIES_MAX: Final = 8 * 1024 * 1024
"""Characters of bodies in one answer; the record that goes beyond is the last."""
EVIDENCE_MAX: Final = LARGEST // 4
_CHECKPOINT: Final = "number, seq, head, genesis, at, keeper, chain_id, signer, prev, signature"
_NARROWER: Final = "ask for less: a shorter time, fewer kinds, one market"


class PublicReader:
    """Implements ``keeper.ports.log_reader.LogReader``. Connects when it is first asked. For one event loop."""

    def __init__(self, url: str, *, readers: int = READERS, limit_ms: int = LIMIT_MS) -> None:
        self._idle: asyncio.LifoQueue[_Reader] = asyncio.LifoQueue()
        self._all = [_Reader(url, limit_ms) for _ in range(readers)]
        for each in self._all:
            self._idle.put_nowait(each)
        self._limit_ms = limit_ms
        self._closed = False

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        return await self._ask(lambda reader: reader.page(query))

    async def sheet(self, query: RecordQuery) -> Sheet:
        return await self._ask(lambda reader: reader.sheet(query))

    async def evidence(self, digest: str) -> Kept | None:
        return await self._ask(lambda reader: reader.evidence(digest))

    async def checkpoints(
        self, limit: int, *, before: int | None = None, covering: int | None = None
    ) -> Sequence[SignedCheckpoint]:
        return await self._ask(lambda reader: reader.checkpoints(limit, before, covering))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for each in self._all:
            each.break_off()
            await each.worker.run(each.drop)
            each.worker.end()

    async def _ask(self, question: Callable[[_Reader], T]) -> T:
        reader = await self._idle.get()
        if self._closed:
            self._idle.put_nowait(reader)
            raise StoreUnavailable("the log is not read any more: this server is ending")
        timer = asyncio.get_running_loop().call_later(self._limit_ms / 1000, reader.break_off)
        try:
            return await reader.worker.run(lambda: reader.answer(question))
        except asyncio.CancelledError:
            reader.break_off()  # nobody waits for the answer
            raise
        finally:
            timer.cancel()
            self._idle.put_nowait(reader)


class _Reader:
    """One connection and its thread."""

    def __init__(self, url: str, limit_ms: int) -> None:
        self.worker = Worker("public-reader")
        self._url = url
        self._limit_ms = limit_ms
        self._connection: Any = None
        self._file = sqlite_file(url)
        self._marker = "?" if self._file is not None else "%s"

    def break_off(self) -> None:
        """From any thread: what is being asked ends with an error. A PostgreSQL server ends it by itself, by its own clock."""
        connection = self._connection
        if isinstance(connection, sqlite3.Connection):
            connection.interrupt()

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def answer(self, question: Callable[[_Reader], T]) -> T:
        """In the thread. Raises StoreUnavailable, StoreNotMigrated, TooLarge."""
        try:
            if self._connection is None:
                self._connection = self._opened()
                require_head(self._revision())
            return question(self)
        except StoreNotMigrated:
            self.drop()  # it may be migrated by the next time
            raise
        except Exception as error:
            if not _of_the_database(error):
                raise
            self.drop()
            reason = in_short(error)
            if "interrupted" in reason or "statement timeout" in reason:
                raise StoreUnavailable(
                    f"this took longer than {self._limit_ms // 1000} s and was broken off", remedy=_NARROWER
                ) from None
            raise StoreUnavailable(
                f"{without_password(self._url)}: {reason}", remedy="run: keeper audit CONFIG verify"
            ) from None

    def page(self, query: RecordQuery) -> list[Record]:
        sql, values = page_statement(query, self._marker)
        records = [to_record(row) for row in self._rows(sql, values)]
        return self._filled(records) if query.full else records

    def sheet(self, query: RecordQuery) -> Sheet:
        limit = max(1, min(query.limit, LARGEST_PAGE - 1))
        sql, values = page_statement(query, self._marker)
        records: list[Record] = []
        size, more = 0, False
        for row in self._rows(sql, (*values[:-1], limit + 1)):
            if len(records) == limit or size > BODIES_MAX:
                more = True
                break
            records.append(to_record(row))
            size += len(row[7])
        return Sheet(self._filled(records) if query.full else records, more)

    def evidence(self, digest: str) -> Kept | None:
        sql = f"SELECT seq, encoding, size, packed FROM evidence WHERE hash = {self._marker}"  # noqa: S608
        for seq, encoding, size, packed in self._rows(sql, (digest,)):
            if size > EVIDENCE_MAX:
                raise TooLarge(f"this evidence has {size} bytes", remedy="read it with: keeper audit CONFIG export DIR")
            try:
                return Kept(digest, seq, unpack(Evidence(digest, encoding, size, bytes(packed))))
            except NotEvidence as error:
                raise StoreUnavailable(
                    f"the evidence {digest} cannot be read: {error}", remedy="run: keeper audit CONFIG verify"
                ) from None
        sql = f"SELECT seq FROM archived WHERE hash = {self._marker}"  # noqa: S608
        for (seq,) in self._rows(sql, (digest,)):
            return Kept(digest, None, None, seq)
        return None

    def checkpoints(self, limit: int, before: int | None, covering: int | None) -> list[SignedCheckpoint]:
        terms = [("number <", before), ("seq >=", covering)]
        given = [(f"{term} {self._marker}", value) for term, value in terms if value is not None]
        where = f"WHERE {' AND '.join(term for term, _ in given)}" if given else ""
        order = "DESC" if covering is None else "ASC"
        sql = f"SELECT {_CHECKPOINT} FROM checkpoints {where} ORDER BY number {order} LIMIT {self._marker}"  # noqa: S608
        values = [*(value for _, value in given), limit]
        return [SignedCheckpoint(Checkpoint(*row[:-1]), row[-1]) for row in self._rows(sql, values)]

    def _filled(self, records: list[Record]) -> list[Record]:
        return filled(records, self._rows, self._marker)

    def _rows(self, sql: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, tuple(values))
            yield from cursor
        finally:
            cursor.close()  # an unfinished walk would hold on to an old state of the file

    def _opened(self) -> Any:
        if self._file is not None:
            return open_read_only(self._file, self._limit_ms)
        import psycopg

        address = self._url.replace("postgresql+psycopg://", "postgresql://", 1)
        settings = f"-c statement_timeout={self._limit_ms} -c default_transaction_read_only=on"
        return psycopg.connect(address, autocommit=True, connect_timeout=5, options=settings)

    def _revision(self) -> str | None:
        try:
            found = list(self._rows("SELECT version_num FROM alembic_version", ()))
        except Exception as error:
            if "no such table" in str(error) or "does not exist" in str(error):
                return None
            raise
        return str(found[0][0]) if found else None


def _of_the_database(error: Exception) -> bool:
    if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
        return True
    import psycopg

    return isinstance(error, psycopg.Error)
