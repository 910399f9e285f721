"""The reader for others: the same answers on SQLite and PostgreSQL, through connections that cannot write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.public_reader import PublicReader
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.record import RecordKind, RecordQuery
from tests.support.log_site import MARKET, filled
from tests.support.postgres import *  # noqa: F403

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
        await reader._ask(lambda each: list(each._rows("DELETE FROM evidence", ())))
    with pytest.raises(StoreUnavailable):
        await reader._ask(lambda each: list(each._rows("CREATE TABLE mine (a INTEGER)", ())))
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
