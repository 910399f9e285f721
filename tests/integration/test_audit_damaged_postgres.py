"""A byte changed in the server's own files: a verdict that names the record, never a traceback; and what is no damage is no verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify, verify_newest
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from tests.support.audit_log import story, tick

pytestmark = pytest.mark.integration

PAGE = 8192
RECORDS = 1_214


async def _filled(url: str) -> None:
    store = await SqlAuditStore.open(url, create=True)
    try:
        await store.append([*story(), *(tick(note="x" * 200) for _ in range(RECORDS - 14))])
    finally:
        await store.close()


def with_damage(url: str, table: str, page: int) -> tuple[str, int]:
    """A copy of the database with a page of zeros and ones, and the first record that stood on it. The server has not read the copy yet."""
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        first = connection.execute(f"SELECT min(seq) FROM {table} WHERE ctid >= '({page},0)'".encode()).fetchone()
        (path,) = connection.execute("SELECT pg_relation_filepath(%s)", (table,)).fetchone() or ("",)
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    copy = f"{name}_{table}_{page}"
    with psycopg.connect(plain.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}" STRATEGY file_copy'.encode())
        (oid,) = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", (copy,)).fetchone() or (0,)
    file = Path(folder) / "base" / str(oid) / Path(path).name
    with file.open("r+b") as opened:
        opened.seek(page * PAGE + 4000)
        opened.write(b"\xa5" * 64)
    assert first is not None
    return url.replace(f"/{name}?", f"/{copy}?"), int(first[0])


def test_verify__page_damaged__names_its_first_record(postgres_url: str) -> None:
    asyncio.run(_filled(postgres_url))
    assert verify(postgres_url).ok
    damaged, first = with_damage(postgres_url, "records", 40)

    verdict = verify(damaged)

    assert (verdict.ok, verdict.table, verdict.first_bad, verdict.records) == (False, "records", first, first - 1)
    assert verdict.problem.startswith("the database is damaged: ")
    assert verify_newest(damaged, 10).ok
    assert verify_newest(damaged, RECORDS).first_bad == first
    attempts, first = with_damage(postgres_url, "attempts", 0)
    assert (verify(attempts).table, verify(attempts).first_bad) == ("attempts", first)


def test_verify__empty_log__is_good(postgres_url: str) -> None:
    asyncio.run(_empty(postgres_url))

    assert (verify(postgres_url).ok, verify(postgres_url).records) == (True, 0)
    assert (verify_newest(postgres_url).ok, verify_newest(postgres_url).records) == (True, 0)


async def _empty(url: str) -> None:
    await (await SqlAuditStore.open(url, create=True)).close()


def test_verify__database_without_any_table__says_what_to_run(postgres_url: str) -> None:
    with pytest.raises(StoreNotMigrated):
        verify(postgres_url)


def test_verify__database_that_is_not_there__is_an_error(postgres_server: Callable[[], str]) -> None:
    url = postgres_server()
    with pytest.raises(StoreUnavailable):
        verify(url.replace("?", "_none?", 1))


def test_verify__connection_lost_meanwhile__is_an_error_and_no_verdict(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_empty(postgres_url))

    def kill(_: object) -> tuple[str, ...]:
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return ()

    monkeypatch.setattr("keeper.adapters.audit.postgres_log.check_postgres_schema", kill)
    with pytest.raises(StoreUnavailable):
        verify(postgres_url)
