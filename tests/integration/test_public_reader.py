"""The reader for others: the same answers on SQLite and PostgreSQL, through connections that cannot write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.adapters.audit import public_questions, public_reader
from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.public_reader import PublicReader
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.api import stories
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.record import RecordKind, RecordQuery
from tests.support.audit_log import write_log
from tests.support.log_site import MARKET, filled, incident_id

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "log.db")
    found: str = request.getfixturevalue("postgres_server")()
    return found


@pytest.fixture
async def reader(url: str) -> AsyncIterator[PublicReader]:
    store = await SqlAuditStore.open(url, create=True)
    await store.append(filled())
    await store.close()
    found = PublicReader(url)
    yield found
    await found.close()


async def test_reader__over_a_filled_log__gives_pages_evidence_and_head(reader: PublicReader) -> None:
    everything = await reader.page(RecordQuery(limit=1_000))
    assert [record.seq for record in everything] == list(range(1, len(filled()) + 1))
    query = RecordQuery(market=MARKET, kinds=(RecordKind.EFFECT, RecordKind.OUTCOME), limit=3, newest_first=True)
    sheet = await reader.sheet(query)
    assert (len(sheet.records), sheet.more) == (3, True)
    full = (await reader.page(RecordQuery(kinds=(RecordKind.TICK,), limit=1, full=True)))[0]
    kept = await reader.evidence(str(full.body["evidence"]))
    assert kept is not None
    assert kept.seq == full.seq
    assert kept.content is not None
    assert kept.content["signals"] == full.body["signals"]
    assert await reader.evidence("0x" + "0" * 64) is None
    assert await reader.checkpoints(10) == []
    assert await reader.checkpoints(1, before=5, covering=1) == []


async def test_reader__cannot_write(reader: PublicReader) -> None:
    await reader.page(RecordQuery(limit=1))
    with pytest.raises(StoreUnavailable):
        await reader._ask(lambda each: list(each.rows("DELETE FROM evidence", ())))
    with pytest.raises(StoreUnavailable):
        await reader._ask(lambda each: list(each.rows("CREATE TABLE mine (a INTEGER)", ())))
    assert len(await reader.page(RecordQuery(limit=1_000))) == len(filled())


async def test_reader__of_a_database_without_a_log__says_what_to_do(url: str, tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    reader = PublicReader(url)
    with pytest.raises(StoreNotMigrated, match="schema"):
        await reader.page(RecordQuery(limit=1))
    store = await SqlAuditStore.open(url, create=True)
    await store.close()
    assert await reader.page(RecordQuery(limit=1)) == []
    await reader.close()
    with pytest.raises(StoreUnavailable):
        await reader.page(RecordQuery(limit=1))


async def test_reader__of_a_file_that_was_replaced__reads_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await write_log(path, filled())
    reader = PublicReader(sqlite_url(path), readers=1)
    try:
        assert len(await reader.page(RecordQuery(limit=1_000))) == len(filled())
        path.rename(tmp_path / "old.db")
        with pytest.raises(StoreNotMigrated):
            await reader.page(RecordQuery(limit=1))
        await write_log(path, filled()[:1])
        assert len(await reader.page(RecordQuery(limit=1_000))) == 1
    finally:
        await reader.close()


def damage(path: Path, column: str, value: object, seq: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER IF EXISTS records_no_update")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE records SET {column} = ? WHERE seq = ?", (value, seq))
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("body", "{"), ("body", "[1]"), ("body", "7"), ("body", b"\xff"), ("kind", "nonsense"), ("at", "yesterday"), ("market", b"\x00")],
)  # fmt: skip
async def test_sheet__with_a_damaged_record__names_it_and_gives_the_others(
    tmp_path: Path, column: str, value: object
) -> None:
    path = tmp_path / "log.db"
    await write_log(path, filled())
    damage(path, column, value, 3)
    reader = PublicReader(sqlite_url(path))
    try:
        sheet = await reader.sheet(RecordQuery(limit=4))
        assert ([one.seq for one in sheet.records], list(sheet.damaged), sheet.more, sheet.end) == (
            [1, 2, 4],
            [3],
            True,
            4,
        )
        last = await reader.sheet(RecordQuery(limit=3))
        assert ([one.seq for one in last.records], last.end) == ([1, 2], 3)
    finally:
        await reader.close()


async def test_sheet__with_damaged_evidence__names_the_record_where_evidence_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await write_log(path, filled())
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE evidence SET packed = x'00' WHERE seq = (SELECT min(seq) FROM evidence)")
    connection.close()
    reader = PublicReader(sqlite_url(path))
    ticks = RecordQuery(kinds=(RecordKind.TICK,), limit=2)
    try:
        plain = await reader.sheet(ticks)
        full = await reader.sheet(replace(ticks, full=True))
        assert list(plain.damaged) == []
        assert list(full.damaged) == [plain.records[0].seq]
        assert [one.seq for one in full.records] == [plain.records[1].seq]
    finally:
        await reader.close()


async def test_sheet__of_large_evidence__ends_where_one_answer_does(
    reader: PublicReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = RecordQuery(kinds=(RecordKind.TICK,), limit=5, full=True)
    everything = await reader.sheet(ticks)
    assert len(everything.records) == 5
    monkeypatch.setattr(public_reader, "BODIES_MAX", 1)
    first = await reader.sheet(ticks)
    assert ([one.seq for one in first.records], first.more) == ([everything.records[0].seq], True)
    second = await reader.sheet(replace(ticks, after=first.end))
    assert second.records[0] == everything.records[1]


async def test_page__of_more_than_one_answer__is_refused(reader: PublicReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_reader, "BODIES_MAX", 1)
    assert len(await reader.page(RecordQuery(limit=1))) == 1
    with pytest.raises(TooLarge):
        await reader.page(RecordQuery(limit=2))


async def test_story__of_much_evidence__is_told_from_the_nearest_blocks_and_says_so(
    reader: PublicReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await stories.story(reader, incident_id(0))
    sizes = await reader.sheet(RecordQuery(kinds=(RecordKind.TICK,), limit=1, full=True))
    one = len(canonical(sizes.records[0].body))
    monkeypatch.setattr(public_questions, "EVIDENCE_TOGETHER", 2 * one)
    cut = await stories.story(reader, incident_id(0))
    assert whole is not None
    assert cut is not None
    assert 0 < len(cut.course) < len(whole.course)
    assert [line for line in cut.gaps if "nearest" in line]
    assert not [line for line in whole.gaps if "nearest" in line]


async def test_story__of_too_many_bodies__is_refused(reader: PublicReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_questions, "BODIES_TOGETHER", 1_000)
    with pytest.raises(TooLarge):
        await stories.story(reader, incident_id(0))


async def test_story__with_a_damaged_record__is_told_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await write_log(path, filled())
    reader = PublicReader(sqlite_url(path))
    try:
        query = RecordQuery(incident=incident_id(0), kinds=(RecordKind.EFFECT,), limit=1)
        seq = (await reader.page(query))[0].seq
        damage(path, "body", "{", seq)
        story = await stories.story(reader, incident_id(0))
    finally:
        await reader.close()
    assert story is not None
    assert any(f"record {seq} is damaged" in line for line in story.gaps)


async def test_question__whose_asker_left__ends_and_the_next_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await write_log(path, filled())
    reader = PublicReader(sqlite_url(path), readers=1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # as a request is ended whose asker left
                await reader._ask(lambda each: sum(1 for _ in each.rows(endless, ())), 10**9)
        assert len(await reader.page(RecordQuery(limit=1))) == 1
    finally:
        await reader.close()
