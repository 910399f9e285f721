"""The database took records, and its answer was lost: whoever sends them again gets them, and they are in the log once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.postgres_database import PostgresDatabase
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Draft, Record, RecordQuery
from tests.support.audit_log import T0, attempt, tick
from tests.support.spooling_log import begun

pytestmark = pytest.mark.integration

A, B, C = tick(T0 + 1), tick(T0 + 2), tick(T0 + 3)


@dataclass
class Scene:
    store: SqlAuditStore
    url: str
    monkeypatch: pytest.MonkeyPatch

    async def lose(self, drafts: Sequence[Draft], *, taken: bool = True) -> None:
        """These are stored, and nobody hears of it; then nothing can be reached. Not ``taken``: they are rolled back."""
        database: Any = self.store._database

        def lost(*_: object) -> None:
            if taken and not database._unheard.sent:
                return  # nothing was on its way yet
            if isinstance(database, PostgresDatabase):
                assert database._write_connection is not None
                database._write_connection.close()
                patch.setattr(database, "_writer", lost_again)
                raise psycopg.OperationalError("the connection was lost")
            raise sqlite3.OperationalError("disk I/O error")

        def lost_again() -> None:
            raise psycopg.OperationalError("nobody answers")

        with self.monkeypatch.context() as patch:
            if taken:
                patch.setattr(database._unheard, "settled", lost)
            elif isinstance(database, PostgresDatabase):
                patch.setattr(database, "_writer", lost_again)
            else:
                patch.setattr(database, "_written", lost)
            with pytest.raises(StoreUnavailable):
                await self.store.append(drafts)

    async def records(self) -> list[Record]:
        return list(await self.store.page(RecordQuery(limit=100)))

    async def times(self) -> list[int]:
        """Which ticks are in the log, by the milliseconds after T0."""
        assert verify(self.url).ok
        found = await self.records()
        return [int(record.at[-4:-1]) - T0 % 1000 for record in found if record.kind == "tick"]


@pytest.fixture(params=["sqlite", "postgres"])
async def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "k.db") if sqlite else request.getfixturevalue("postgres_url")
    store = await SqlAuditStore.open(url, create=True)
    yield Scene(store, url, monkeypatch)
    await store.close()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("drafts", [[A], [A, B], [A, A], begun(), [*begun(), attempt(), A]])
async def test_answer_lost__the_same_again__is_stored_once(scene: Scene, drafts: list[Draft], known: bool) -> None:
    if known:
        await scene.store.append([tick(T0)])
    await scene.lose(drafts)
    again = await scene.store.append(list(drafts))
    assert again == (await scene.records())[int(known) :]
    assert len(again) == len(drafts)
    assert verify(scene.url).ok
    await scene.store.append([C])
    assert len(await scene.records()) == len(drafts) + 1 + known


async def test_answer_lost__twice__is_stored_once(scene: Scene) -> None:
    await scene.store.append([tick(T0)])
    await scene.lose([A])
    await scene.lose([B])
    await scene.store.append([A])
    await scene.store.append([B])
    assert await scene.times() == [0, 1, 2]


async def test_answer_lost__something_else_first__is_found_all_the_same(scene: Scene) -> None:
    await scene.store.append([tick(T0)])
    await scene.lose([A])
    await scene.store.append([B])
    await scene.store.append([C])
    (record,) = await scene.store.append([A])
    assert record.seq == 2
    assert await scene.times() == [0, 1, 2, 3]


@pytest.mark.parametrize("again", [[A, B, C], [C, A, B]])
async def test_answer_lost__again_with_more__adds_only_what_is_new(scene: Scene, again: list[Draft]) -> None:
    await scene.lose([A, B])
    records = await scene.store.append(again)
    assert [record.seq for record in records] == ([1, 2, 3] if again[0] is A else [3, 1, 2])
    assert await scene.times() == [1, 2, 3]


async def test_answer_lost__the_same_meant_twice__is_there_twice(scene: Scene) -> None:
    await scene.lose([A])
    await scene.store.append([A, A])
    await scene.store.append([A])
    assert await scene.times() == [1, 1, 1]


async def test_not_stored__again__is_stored(scene: Scene) -> None:
    await scene.store.append([tick(T0)])
    await scene.lose([A], taken=False)
    await scene.store.append([A])
    await scene.store.append([A])
    assert await scene.times() == [0, 1, 1]
