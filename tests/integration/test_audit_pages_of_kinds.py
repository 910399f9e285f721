"""Pages by kind, which each database is asked for in its own way, are the ones that the store in memory gives; and who writes in one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Draft, RecordKind, RecordQuery
from tests.support.audit_log import T0, tick

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
KINDS = (RecordKind.TICK, RecordKind.FAULT, RecordKind.JOB)


def drafts() -> list[Draft]:
    """Of three kinds in turn, some with a market, over some hours; the clock steps back once."""
    found = []
    for number in range(40):
        at_ms = T0 + (number - (20 if number > 30 else 0)) * HOUR_MS // 4
        found.append(Draft(KINDS[number % 7 % 3], {"n": number}, at_ms, market="A" if number % 2 else None))
    return found


def questions() -> list[RecordQuery]:
    asked: Sequence[tuple[RecordKind, ...]] = (
        (),
        (RecordKind.JOB,),
        (RecordKind.JOB, RecordKind.TICK),
        (*KINDS, *KINDS, RecordKind.GAP),
        (RecordKind.GAP,),
        tuple(RecordKind),
    )
    times = ((None, None), (T0 + HOUR_MS, None), (None, T0 + HOUR_MS), (T0, T0 + HOUR_MS), (T0, T0 + HOUR_MS + 1))
    return [
        RecordQuery(market, kinds=kinds, since_ms=since, until_ms=until, after=after, limit=limit, newest_first=newest)
        for kinds, (since, until), market, after, limit, newest in product(
            asked, times, (None, "A"), (0, 17), (0, 3, 100), (False, True)
        )
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_page__every_question__gives_what_the_store_in_memory_gives(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(tmp_path / "log.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    memory = MemoryAuditStore()
    await memory.append(drafts())
    store = await SqlAuditStore.open(url, create=True)
    try:
        await store.append(drafts())
        found = 0
        for query in questions():
            page = await store.page(query)
            assert page == await memory.page(query), query
            found += len(page)
    finally:
        await store.close()
    assert found > 1_000


async def test_append__another_writer_in_between__asks_for_the_head_again_and_the_chain_holds(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "log.db")
    first, second = await SqlAuditStore.open(url, create=True), await SqlAuditStore.open(url)
    try:
        written = [
            (await store.append([tick(T0 + number)]))[0].seq
            for number, store in enumerate((first, first, second, second, first, second, first, first))
        ]
    finally:
        await first.close()
        await second.close()

    assert written == list(range(1, 9))
    verdict = verify(url)
    assert (verdict.ok, verdict.records) == (True, 8)


async def test_append__a_head_that_is_not_the_last_record__is_refused_and_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    try:
        await store.append([tick(T0)])
        await store.append([tick(T0 + 1)])
        store._database._head = (2, "0x" + "ab" * 32)  # type: ignore[attr-defined]
        record = (await store.append([tick(T0 + 2)]))[0]
    finally:
        await store.close()

    assert record.seq == 3
    assert verify(sqlite_url(path)).ok


async def test_append__one_statement_that_cannot_be_written__is_unavailable_and_later_goes_on(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "log.db")
    store = await SqlAuditStore.open(url, create=True, busy_timeout_ms=50)
    try:
        await store.append([tick(T0)])
        holder = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.append([tick(T0 + 1)])
        finally:
            holder.close()
        assert (await store.append([tick(T0 + 2)]))[0].seq == 2
    finally:
        await store.close()

    assert verify(url).ok
