"""Reading without the store: one page at once, from whatever the file allows."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.adapters.audit import sqlite_reader
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import all_records, page_sync
from keeper.adapters.audit.sqlite_reader import open_read_only
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.record import RecordKind, RecordQuery
from tests.support.audit_log import story, tick, write_log

pytestmark = pytest.mark.integration

QUERIES = [
    RecordQuery(),
    RecordQuery(newest_first=True, limit=3),
    RecordQuery(kinds=(RecordKind.TICK, RecordKind.OUTCOME)),
    RecordQuery(market="ETH-PERP", incident="inc-1", after=5, limit=2),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "a log.db"


@pytest.mark.parametrize("query", QUERIES)
async def test_page_sync__while_the_store_is_open__is_the_page_of_the_store(database: Path, query: RecordQuery) -> None:
    store = await SqlAuditStore.open(sqlite_url(database), create=True)
    await store.append(story())

    assert list(page_sync(sqlite_url(database), query)) == list(await store.page(query))
    await store.close()


async def test_all_records__more_than_a_page__gives_all_in_order(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.adapters.audit.reading.LARGEST_PAGE", 4)
    records = await write_log(database, story())

    assert all_records(sqlite_url(database)) == records


def test_page_sync__no_file__says_what_to_run_and_creates_none(database: Path) -> None:
    with pytest.raises(StoreNotMigrated) as caught:
        page_sync(sqlite_url(database), RecordQuery())
    assert caught.value.remedy == "run: keeper db CONFIG upgrade"
    assert not database.exists()


def test_page_sync__file_without_schema__says_what_to_run(database: Path) -> None:
    database.touch()

    with pytest.raises(StoreNotMigrated):
        page_sync(sqlite_url(database), RecordQuery())


async def test_page_sync__another_revision__refused(database: Path) -> None:
    await write_log(database, story())
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StoreNotMigrated, match="9999"):
        page_sync(sqlite_url(database), RecordQuery())


def test_page_sync__no_database_at_all__unavailable(database: Path) -> None:
    database.write_bytes(b"something else " * 1_000)

    with pytest.raises(StoreUnavailable, match="not a database") as caught:
        page_sync(sqlite_url(database), RecordQuery())
    assert caught.value.remedy


async def test_page_sync__text_that_is_no_text__unavailable_without_the_contents(database: Path) -> None:
    await write_log(database, [tick(note="private words")])
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("DROP TRIGGER records_no_update")
        connection.execute("UPDATE records SET body = CAST(x'ff' || CAST(body AS BLOB) AS TEXT)")
    connection.close()

    with pytest.raises(StoreUnavailable) as caught:
        page_sync(sqlite_url(database), RecordQuery())
    assert "private words" not in str(caught.value)


async def test_open_read_only__anything_written__refused_by_sqlite(database: Path) -> None:
    await write_log(database, story())
    connection = open_read_only(database)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DROP TRIGGER records_no_update")
    connection.close()


@pytest.fixture
def closed_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite opens a file in a folder that cannot be written to only as one that nobody changes. (To root no folder is closed.)"""
    real = sqlite_reader._open

    def only_immutable(uri: str, busy_timeout_ms: int) -> sqlite3.Connection | None:
        return real(uri, busy_timeout_ms) if uri.endswith("&immutable=1") else None

    monkeypatch.setattr(sqlite_reader, "_open", only_immutable)


async def test_reading__copy_in_a_folder_that_cannot_be_written_to__works(database: Path, closed_folder: None) -> None:
    await write_log(database, story())

    assert len(page_sync(sqlite_url(database), RecordQuery())) == 14
    assert verify(sqlite_url(database)).ok


async def test_reading__closed_folder_but_somebody_may_be_writing__refused(database: Path, closed_folder: None) -> None:
    await write_log(database, story())
    database.with_name(database.name + "-wal").touch()

    with pytest.raises(StoreUnavailable, match="cannot be opened") as caught:
        verify(sqlite_url(database))
    assert "permissions" in caught.value.remedy


def test_reading__folder_in_place_of_the_file__unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        verify(sqlite_url(tmp_path))


def test_page_sync__in_a_fresh_process__imports_nothing_heavy(database: Path) -> None:
    asyncio.run(write_log(database, story()))
    program = (
        "import sys\n"
        "from keeper.adapters.audit.reading import all_records, page_sync\n"
        "from keeper.domain.record import RecordQuery\n"
        "page_sync(sys.argv[1], RecordQuery())\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'web3', 'pydantic', 'asyncio') if name in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, sqlite_url(database)], capture_output=True, text=True, timeout=60, check=True
    )

    assert answer.stdout == "[]\n"


async def test_verify__while_records_are_being_written__is_good_each_time(database: Path) -> None:
    store = await SqlAuditStore.open(sqlite_url(database), create=True)
    for count in range(1, 6):
        await store.append([tick() for _ in range(50)])
        verdict = verify(sqlite_url(database))
        assert (verdict.ok, verdict.records) == (True, 50 * count)
    await store.close()
