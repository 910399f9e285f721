"""What every book of checkpoints does: beside a SQLite file, beside PostgreSQL, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.adapters.audit.checkpoints import MemoryCheckpointBook, SqlCheckpointBook
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.errors import StoreUnavailable
from keeper.ports.audit import AuditStore
from keeper.ports.checkpoints import CheckpointBook, LogLook
from tests.support.audit_log import story
from tests.support.signed_checkpoints import checkpoint, signed

pytestmark = pytest.mark.conformance


@dataclass
class Log:
    store: AuditStore
    book: CheckpointBook

    async def next(self) -> SignedCheckpoint:
        """Signed and not yet added."""
        look, newest = await self.book.look(), await self.book.newest()
        number = newest.checkpoint.number + 1 if newest else 1
        prev = newest.signature if newest else ""
        return await signed(checkpoint(number, seq=look.seq, head=look.head, genesis=look.genesis, prev=prev))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    if request.param == "memory":
        memory = MemoryAuditStore()
        made = Log(memory, MemoryCheckpointBook(memory))
    else:
        sqlite = request.param == "sqlite"
        url = sqlite_url(tmp_path / "a log.db") if sqlite else request.getfixturevalue("postgres_url")
        made = Log(await SqlAuditStore.open(url, create=True), SqlCheckpointBook(url))
    yield made
    await made.book.close()
    await made.store.close()


async def test_look__empty_log__has_nothing(log: Log) -> None:
    assert await log.book.look() == LogLook(0, "", "", "")
    assert await log.book.newest() is None
    assert await log.book.after(0, 10) == []


async def test_look__with_records__has_head_first_and_the_one_asked_for(log: Log) -> None:
    records = await log.store.append(story())
    last = records[-1]
    assert await log.book.look(3) == LogLook(last.seq, last.hash, records[0].hash, records[2].hash)
    assert (await log.book.look(last.seq + 1)).asked == ""
    assert (await log.book.look()).asked == ""


async def test_add__one_after_another__are_kept_in_order_as_they_are(log: Log) -> None:
    added = []
    for part in (story()[:2], story()[2:4], story()[4:]):
        await log.store.append(part)
        added.append(await log.next())
        await log.book.add(added[-1])
    assert await log.book.newest() == added[-1]
    assert list(await log.book.after(0, 10)) == added
    assert list(await log.book.after(1, 1)) == [added[1]]
    assert list(await log.book.after(3, 10)) == []


@pytest.mark.parametrize("number", [1, 3])
async def test_add__not_the_next_one__is_refused(log: Log, number: int) -> None:
    await log.store.append(story())
    one = await log.next()
    await log.book.add(one)
    other = await signed(checkpoint(number, seq=14, head=one.checkpoint.head, genesis=one.checkpoint.genesis))
    with pytest.raises(StoreUnavailable, match="not the next one"):
        await log.book.add(other)
    assert await log.book.newest() == one


async def test_add__about_a_record_that_is_not_there__is_refused(log: Log) -> None:
    await log.store.append(story())
    look = await log.book.look()
    for seq, head in ((look.seq + 1, look.head), (look.seq - 1, look.head), (look.seq, "0x" + "00" * 32)):
        wrong = await signed(checkpoint(1, seq=seq, head=head, genesis=look.genesis))
        with pytest.raises(StoreUnavailable, match="not the one that checkpoint 1 is about"):
            await log.book.add(wrong)
    assert await log.book.newest() is None


async def test_add__while_records_are_written__holds_up_neither(log: Log) -> None:
    await log.store.append(story()[:2])
    await log.book.add(await log.next())
    await log.store.append(story()[2:])
    assert (await log.book.look()).seq == len(story())


async def test_closed__asked__says_so(log: Log) -> None:
    await log.book.close()
    await log.book.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await log.book.newest()
