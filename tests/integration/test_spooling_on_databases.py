"""The spool beside real databases, each in each kind of trouble: everything is in the log afterwards, late, in order and valid."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.adapters.clock import SystemClock
from keeper.app.spooling import SpoolingStore
from keeper.config.audit import ActWithoutLog
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import RecordQuery
from tests.support.audit_log import T0, attempt, broadcast, outcome, receipt, tick
from tests.support.spooling_log import begun, kill, spooling

pytestmark = pytest.mark.integration

LATE = ["decision", "intent", "attempt", "tick", "broadcast", "receipt", "outcome"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is writing, and does not end."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def without_its_table(path: Path) -> Iterator[None]:
    """The schema is another one than this version's."""
    with closing(sqlite3.connect(path)) as other:
        for table in ("records", "ahead"):
            other.execute(f"ALTER TABLE {table} RENAME TO {table}_of_another_version")
    try:
        yield
    finally:
        with closing(sqlite3.connect(path)) as other:
            for table in ("records", "ahead"):
                other.execute(f"ALTER TABLE {table}_of_another_version RENAME TO {table}")


@contextmanager
def cut_off(url: str) -> Iterator[None]:
    """The server ends every connection to the database and takes no new one, as one that is stopped."""
    plain = url.replace("+psycopg", "", 1)
    name = psycopg.conninfo.conninfo_to_dict(plain)["dbname"]
    elsewhere = psycopg.conninfo.make_conninfo(plain, dbname="postgres")

    def run(*statements: str) -> None:
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false', end)
    try:
        yield
    finally:
        run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """The database takes no writes, as a standby."""
    plain = url.replace("+psycopg", "", 1)
    name = psycopg.conninfo.conninfo_to_dict(plain)["dbname"]
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        connection.execute(end)
    try:
        yield
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            connection.execute(end)


def trouble_of(trouble: partial[object]) -> object:
    return trouble.func


async def through(url: str, folder: Path, trouble: partial[object], *, killed: bool) -> None:
    async def opened() -> SpoolingStore:
        store = await SqlAuditStore.open(url, create=True, busy_timeout_ms=100)
        return await spooling(store, folder / "spool", ActWithoutLog.CRITICAL, SystemClock())

    store = await opened()
    await store.append([tick(T0)])
    with trouble():  # type: ignore[attr-defined]
        await store.append([*begun(), attempt()])
        await store.append([tick(T0 + 1)])
        for step in (broadcast(), receipt(), outcome()):
            await store.append([step])
        if killed:
            kill(store)
            await store._store.close()
    if killed:
        store = await opened()
    else:
        async with asyncio.timeout(30):
            while store.away:
                with suppress(StoreUnavailable):  # a connection that was cut is noticed once
                    await store.reconcile()
    assert not store.away
    kinds = [record.kind.value for record in await store.page(RecordQuery(limit=1_000))]
    assert await store.open_intents() == []
    await store.close()
    assert kinds == ["tick", "gap", *LATE]
    verdict = verify(url)
    if trouble_of(trouble) is not without_its_table:  # SQLite keeps in the schema's text that a table was renamed
        assert verdict.ok, verdict.problem


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("trouble", [locked, without_its_table])
async def test_sqlite__away__written_late_and_valid(
    tmp_path: Path, trouble: Callable[[Path], object], killed: bool
) -> None:
    path = tmp_path / "keeper.db"
    await through(sqlite_url(path), tmp_path, partial(trouble, path), killed=killed)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("trouble", [cut_off, read_only])
async def test_postgres__away__written_late_and_valid(
    tmp_path: Path, postgres_url: str, trouble: Callable[[str], object], killed: bool
) -> None:
    await through(postgres_url, tmp_path, partial(trouble, postgres_url), killed=killed)
