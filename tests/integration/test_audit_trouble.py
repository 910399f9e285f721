"""Database trouble: the store says what is wrong and what to do, stores all or nothing, and works again afterwards."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import RecordQuery
from tests.support.audit_log import opening, tick

pytestmark = pytest.mark.integration


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "k.db")


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlAuditStore]:
    opened = await SqlAuditStore.open(url, create=True, busy_timeout_ms=50)
    await opened.append([tick()])
    yield opened
    await opened.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process would look the same: a second connection that holds the write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def still_good(store: SqlAuditStore, url: str, records: int) -> None:
    assert (await store.append([tick()]))[0].seq == records + 1
    verdict = verify(url)
    assert (verdict.ok, verdict.records) == (True, records + 1)


async def test_append__locked_longer_than_the_timeout__unavailable_and_works_afterwards(
    store: SqlAuditStore, url: str, tmp_path: Path
) -> None:
    with locked(tmp_path / "k.db"):
        with pytest.raises(StoreUnavailable, match="locked") as caught:
            await store.append([tick(note="private words")])
        assert len(await store.page(RecordQuery())) == 1
    assert "another process" in caught.value.remedy
    assert "private words" not in str(caught.value)
    await still_good(store, url, 1)


async def test_append__locked_shorter_than_the_timeout__waits_and_stores(url: str, tmp_path: Path) -> None:
    store = await SqlAuditStore.open(url, create=True, busy_timeout_ms=30_000)
    with locked(tmp_path / "k.db"):
        waiting = asyncio.create_task(store.append([tick()]))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting)[0].seq == 1
    await store.close()


@contextmanager
def every_connection(pragma: str) -> Iterator[None]:
    """Connections opened from now on have this setting."""

    def set_it(connection: Any, _: Any) -> None:
        connection.execute(pragma).fetchall()

    event.listen(Engine, "connect", set_it)
    try:
        yield
    finally:
        event.remove(Engine, "connect", set_it)


@pytest.mark.parametrize(
    ("pragma", "words", "remedy"),
    [
        ("PRAGMA query_only = ON", "readonly", "writable"),
        ("PRAGMA max_page_count = 1", "full", "free space"),
    ],
)
async def test_append__database_that_takes_nothing__unavailable_with_the_remedy(
    url: str, pragma: str, words: str, remedy: str
) -> None:
    store = await SqlAuditStore.open(url, create=True)
    await store.append([tick()])
    await store.close()
    with every_connection(pragma):
        limited = await SqlAuditStore.open(url)
        with pytest.raises(StoreUnavailable, match=words) as caught:
            await limited.append([tick(note="x" * 10_000), opening()])
        assert remedy in caught.value.remedy
        assert len(await limited.page(RecordQuery())) == 1
        assert await limited.open_intents() == []
    # the broken connection was given up: the next one is new, and has no limit any more
    assert (await limited.append([tick()]))[0].seq == 2
    await limited.close()
    assert verify(url).ok


FILL = """
import asyncio, resource, sys
from pathlib import Path
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.errors import StoreUnavailable
from tests.support.audit_log import tick

async def main(path):
    store = await SqlAuditStore.open(f"sqlite:///{path}", create=True)
    await store.append([tick()])
    written = 1
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path + "-wal").stat().st_size + 100_000, hard))
    try:
        while True:
            await store.append([tick(note="x" * 5_000)])
            written += 1
    except StoreUnavailable as error:
        print(written, error.message)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.append([tick()])
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def test_append__disk_that_fills_up__loses_nothing_that_was_committed(tmp_path: Path) -> None:
    # the limit of a process's files stands in for the disk: the system refuses the write in the same place
    path = tmp_path / "k.db"
    root = Path(__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], cwd=root, capture_output=True, text=True, timeout=60
    )

    assert answer.returncode == 0, answer.stderr
    written = int(answer.stdout.split()[0])
    assert written > 1
    verdict = verify(sqlite_url(path))
    assert (verdict.ok, verdict.records) == (True, written + 1)


async def test_append__task_cancelled_while_it_writes__commits_or_not_at_all(
    store: SqlAuditStore, url: str, tmp_path: Path
) -> None:
    with locked(tmp_path / "k.db"):
        writing = asyncio.create_task(store.append([tick(), tick()]))
        queued = asyncio.create_task(store.append([tick(note="queued")]))
        await asyncio.sleep(0.01)
        writing.cancel()
        queued.cancel()
        for task in (writing, queued):
            with pytest.raises(asyncio.CancelledError):
                await task
    records = (await store.head())[0]
    # the first was at the lock already; it is whole or absent. What had not begun is gone.
    await store.append([tick()])
    found = await store.page(RecordQuery())
    assert len(found) in (records + 1, records + 3)
    assert (len(found) - 2) % 2 == 0
    assert all("note" not in record.body for record in found)
    assert verify(url).ok


async def test_append__task_cancelled_again_and_again__chain_stays_whole(store: SqlAuditStore, url: str) -> None:
    for round_ in range(40):
        task = asyncio.create_task(store.append([tick(), tick()]))
        for _ in range(round_ % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.append([tick(), tick()])

    verdict = verify(url)
    assert verdict.ok
    assert verdict.records % 2 == 1


async def test_close__while_appends_wait__writes_them_first(url: str) -> None:
    store = await SqlAuditStore.open(url, create=True)
    waiting = [asyncio.create_task(store.append([tick()])) for _ in range(10)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)

    assert verify(url).records == 10


async def test_close__last_connection__leaves_one_file(url: str, tmp_path: Path) -> None:
    store = await SqlAuditStore.open(url, create=True)
    await store.append([tick()])
    await store.page(RecordQuery())
    await store.close()

    assert os.listdir(tmp_path) == ["k.db"]  # noqa: PTH208


async def test_open__file_that_is_no_database__unavailable_with_the_remedy(url: str, tmp_path: Path) -> None:
    (tmp_path / "k.db").write_bytes(b"something else " * 1_000)

    with pytest.raises(StoreUnavailable, match="not a database") as caught:
        await SqlAuditStore.open(url, create=True)
    assert "audit.url" in caught.value.remedy


async def test_open__folder_that_is_not_there__unavailable_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open") as caught:
        await SqlAuditStore.open(sqlite_url(tmp_path / "nowhere" / "k.db"), create=True)
    assert "folder" in caught.value.remedy


async def test_open__in_memory__refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await SqlAuditStore.open("sqlite://", create=True)


async def test_open__settings_of_the_connection__are_durable(store: SqlAuditStore) -> None:
    settings = [store._rows(f"PRAGMA {name}", ())[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert settings == ["wal", 2, 1]
