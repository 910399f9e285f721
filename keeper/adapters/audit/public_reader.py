"""The log read for others: connections of its own that cannot write, few at once, each question with an end and a measure.

A question that takes too long is broken off, so that nobody's search can hold up a checkpoint of the database or the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.evidence import LARGEST, named
from keeper.adapters.audit.pages import LARGEST_PAGE, to_record
from keeper.adapters.audit.public_connection import PublicConnection, readable
from keeper.adapters.audit.public_questions import PublicQuestions
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordQuery
from keeper.ports.log_reader import Kept, LogQuestions, Sheet

T = TypeVar("T")

READERS: Final = 2
LIMIT_MS: Final = 5_000
"""For one question."""
TOGETHER_MS: Final = 10_000
"""For all questions of one story, and its telling."""
BODIES_MAX: Final = 8 * 1024 * 1024
"""Characters of bodies in one answer, and of evidence in them; the record that goes beyond is the last."""
EVIDENCE_MAX: Final = LARGEST // 4
_CHECKPOINT: Final = "number, seq, head, genesis, at, keeper, chain_id, signer, prev, signature"


class PublicReader:
    """Implements ``keeper.ports.log_reader.LogReader``. Connects when it is first asked. For one event loop."""

    def __init__(self, url: str, *, readers: int = READERS, limit_ms: int = LIMIT_MS) -> None:
        self._idle: asyncio.LifoQueue[PublicConnection] = asyncio.LifoQueue()
        self._all = [PublicConnection(url, limit_ms) for _ in range(readers)]
        for each in self._all:
            self._idle.put_nowait(each)
        self._limit_ms = limit_ms
        self._closed = False

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        return await self._ask(lambda each: _page(each, query))

    async def sheet(self, query: RecordQuery) -> Sheet:
        return await self._ask(lambda each: _sheet(each, query))

    async def evidence(self, digest: str) -> Kept | None:
        return await self._ask(lambda each: _evidence(each, digest))

    async def checkpoints(
        self, limit: int, *, before: int | None = None, covering: int | None = None
    ) -> Sequence[SignedCheckpoint]:
        return await self._ask(lambda each: _checkpoints(each, limit, before, covering))

    async def together(self, work: Callable[[LogQuestions], T]) -> T:
        def asked(each: PublicConnection) -> T:
            def covering(seq: int) -> SignedCheckpoint | None:
                return next(iter(_checkpoints(each, 1, None, seq)), None)

            return work(PublicQuestions(each, covering))

        return await self._ask(asked, TOGETHER_MS)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for each in self._all:
            each.break_off()
            await each.worker.run(each.drop)
            each.worker.end()

    async def _ask(self, question: Callable[[PublicConnection], T], limit_ms: int | None = None) -> T:
        reader = await self._idle.get()
        if self._closed:
            self._idle.put_nowait(reader)
            raise StoreUnavailable("the log is not read any more: this server is ending")
        given_ms = self._limit_ms if limit_ms is None else limit_ms
        timer = asyncio.get_running_loop().call_later(given_ms / 1000, reader.break_off)
        try:
            return await reader.worker.run(partial(reader.answer, question, given_ms))
        except asyncio.CancelledError:
            reader.break_off()  # nobody waits for the answer
            raise
        finally:
            timer.cancel()
            self._idle.put_nowait(reader)


def _page(reader: PublicConnection, query: RecordQuery) -> list[Record]:
    records: list[Record] = []
    size = 0
    for row in reader.page(query):
        record = to_record(row)
        size += len(row[7])
        if query.full:
            record, more = _full(reader, record, EVIDENCE_MAX)
            size += more
        if records and size > BODIES_MAX:
            raise TooLarge("these records are more than one answer holds", remedy="ask for fewer at once")
        records.append(record)
    return records


def _sheet(reader: PublicConnection, query: RecordQuery) -> Sheet:
    limit = max(1, min(query.limit, LARGEST_PAGE - 1))
    records: list[Record] = []
    damaged: list[int] = []
    size, last = 0, None
    for row in reader.page(replace(query, limit=limit + 1)):
        if len(records) + len(damaged) == limit or size > BODIES_MAX:
            return Sheet(records, True, damaged, last)
        record = readable(row)
        if record is not None and query.full:
            digest = named(record.body)
            coming = reader.evidence_size(digest) if digest is not None else 0
            if last is not None and size + coming > BODIES_MAX:
                return Sheet(records, True, damaged, last)
            try:
                record, more = _full(reader, record, LARGEST)
                size += more
            except StoreUnavailable:  # what it was made from is damaged
                record = None
        last = row[0]
        if record is None:
            damaged.append(last)
        else:
            records.append(record)
            size += len(row[7])
    return Sheet(records, False, damaged, last)


def _full(reader: PublicConnection, record: Record, most: int) -> tuple[Record, int]:
    """With its evidence, and how many bytes that has."""
    digest = named(record.body)
    content = reader.unpacked(digest, most) if digest is not None else None
    if digest is None or content is None:
        return record, 0
    return replace(record, body={**content, **record.body}), reader.evidence_size(digest)


def _evidence(reader: PublicConnection, digest: str) -> Kept | None:
    content = reader.unpacked(digest, EVIDENCE_MAX)
    if content is not None:
        sql = f"SELECT seq FROM evidence WHERE hash = {reader.marker}"  # noqa: S608
        return Kept(digest, next((seq for (seq,) in reader.rows(sql, (digest,))), None), content)
    sql = f"SELECT seq FROM archived WHERE hash = {reader.marker}"  # noqa: S608
    for (seq,) in reader.rows(sql, (digest,)):
        return Kept(digest, None, None, seq)
    return None


def _checkpoints(
    reader: PublicConnection, limit: int, before: int | None, covering: int | None
) -> list[SignedCheckpoint]:
    terms = [("number <", before), ("seq >=", covering)]
    given = [(f"{term} {reader.marker}", value) for term, value in terms if value is not None]
    where = f"WHERE {' AND '.join(term for term, _ in given)}" if given else ""
    order = "DESC" if covering is None else "ASC"
    sql = f"SELECT {_CHECKPOINT} FROM checkpoints {where} ORDER BY number {order} LIMIT {reader.marker}"  # noqa: S608
    values = [*(value for _, value in given), limit]
    return [SignedCheckpoint(Checkpoint(*row[:-1]), row[-1]) for row in reader.rows(sql, values)]
