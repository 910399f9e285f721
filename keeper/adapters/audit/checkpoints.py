"""Checkpoints beside the records: in the SQL database over connections of their own, and in memory. Seldom, so each use opens and closes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Row, insert, select

from keeper.adapters.aside import Aside
from keeper.adapters.audit.engine import database_errors, make_engine, write_transaction
from keeper.adapters.audit.location import without_password
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.models import checkpoints, records
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint
from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.record import RecordQuery
from keeper.ports.checkpoints import LogLook

T = TypeVar("T")

BUSY_TIMEOUT_MS = 2_000
"""Less than the writer of records has patience for: a checkpoint can wait, they cannot."""


class SqlCheckpointBook:
    """Implements ``keeper.ports.checkpoints.CheckpointBook``. The database is the log's, and is there already."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnavailable for a URL of no usable database; nothing is connected to before the first use."""
        self._url = url
        self._engine = make_engine(url, BUSY_TIMEOUT_MS)
        self._closed = False
        # a database that hangs keeps a thread, and nothing else: neither the job nor the end of the process
        self._aside = Aside(
            f"the database {without_password(url)}", remedy="look at the database of audit.url: is the server up?"
        )

    async def look(self, seq: int = 0) -> LogLook:
        return await self._run(lambda connection: _look(connection, seq))

    async def newest(self) -> SignedCheckpoint | None:
        return await self._run(_newest)

    async def after(self, number: int, limit: int) -> Sequence[SignedCheckpoint]:
        query = select(checkpoints).where(checkpoints.c.number > number).order_by(checkpoints.c.number).limit(limit)
        return await self._run(lambda connection: [_signed(row) for row in connection.execute(query)])

    async def add(self, signed: SignedCheckpoint) -> None:
        await self._run(lambda connection: _add(connection, signed))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(Unreachable):  # it hangs, and goes with the process
                await self._aside.run(self._engine.dispose)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise _closed()
        try:
            return await self._aside.run(partial(self._work, work))
        except Unreachable as error:
            raise StoreUnavailable(error.message, remedy=error.remedy) from None

    def _work(self, work: Callable[[Connection], T]) -> T:
        with database_errors(self._url), self._engine.connect() as connection:
            return work(connection)


def _look(connection: Connection, seq: int) -> LogLook:
    """One statement, so that it is one view."""
    last = select(records.c.seq, records.c.hash).order_by(records.c.seq.desc()).limit(1).subquery()
    first = select(records.c.hash).where(records.c.seq == 1).scalar_subquery()
    asked = select(records.c.hash).where(records.c.seq == seq).scalar_subquery()
    row = connection.execute(select(last.c.seq, last.c.hash, first, asked)).first()
    return LogLook(row[0], row[1], row[2] or "", row[3] or "") if row else LogLook(0, "", "", "")


def _newest(connection: Connection) -> SignedCheckpoint | None:
    row = connection.execute(select(checkpoints).order_by(checkpoints.c.number.desc()).limit(1)).first()
    return _signed(row) if row is not None else None


def _add(connection: Connection, signed: SignedCheckpoint) -> None:
    with write_transaction(connection):
        _check_next(signed, _newest(connection), _look(connection, signed.checkpoint.seq))
        connection.execute(insert(checkpoints).values(**_values(signed)))


def _check_next(signed: SignedCheckpoint, newest: SignedCheckpoint | None, look: LogLook) -> None:
    """Raises StoreUnavailable."""
    one = signed.checkpoint
    if one.number != (newest.checkpoint.number if newest else 0) + 1:
        raise StoreUnavailable(
            f"checkpoint {one.number} is not the next one", remedy="another process makes checkpoints here too: end it"
        )
    if (look.asked, look.genesis) != (one.head, one.genesis):
        raise StoreUnavailable(
            f"record {one.seq} is not the one that checkpoint {one.number} is about",
            remedy="run: keeper audit CONFIG verify",
        )


def _values(signed: SignedCheckpoint) -> dict[str, str | int]:
    one = signed.checkpoint
    values: dict[str, str | int] = {
        column.name: getattr(one, column.name) for column in checkpoints.columns if column.name != "signature"
    }
    return values | {"signature": signed.signature}


def _signed(row: Row[tuple[object, ...]]) -> SignedCheckpoint:
    values = dict(row._mapping)
    signature = str(values.pop("signature"))
    return SignedCheckpoint(Checkpoint(**values), signature)


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the book of checkpoints is closed")


class MemoryCheckpointBook:
    """The same beside a store that forgets."""

    def __init__(self, store: MemoryAuditStore) -> None:
        self._store = store
        self._kept: list[SignedCheckpoint] = []
        self._is_closed = False

    async def look(self, seq: int = 0) -> LogLook:
        self._check_open()
        last, head = await self._store.head()
        if not last:
            return LogLook(0, "", "", "")
        return LogLook(last, head, await self._hash_of(1), await self._hash_of(seq))

    async def newest(self) -> SignedCheckpoint | None:
        self._check_open()
        return self._kept[-1] if self._kept else None

    async def after(self, number: int, limit: int) -> Sequence[SignedCheckpoint]:
        self._check_open()
        return [signed for signed in self._kept if signed.checkpoint.number > number][:limit]

    async def add(self, signed: SignedCheckpoint) -> None:
        _check_next(signed, await self.newest(), await self.look(signed.checkpoint.seq))
        self._kept.append(signed)

    async def close(self) -> None:
        self._is_closed = True

    async def _hash_of(self, seq: int) -> str:
        if seq < 1:
            return ""
        found = await self._store.page(RecordQuery(after=seq - 1, limit=1))
        return found[0].hash if found and found[0].seq == seq else ""

    def _check_open(self) -> None:
        if self._is_closed:
            raise _closed()
