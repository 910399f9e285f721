"""Evidence that moves into files, on both databases: what moves, what stays, and that nothing is lost wherever it is cut off."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
import pytest

from keeper.adapters.audit import archive_files
from keeper.adapters.audit.archiving import SqlRetention
from keeper.adapters.audit.evidence import unpack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.app.retention import AFTER_TICKS, Archiving, Report, due
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordKind, RecordQuery
from tests.support.kept_log import KeptLog, text

pytestmark = pytest.mark.conformance

KEEP_MS = 60_000
LATER_MS = 10 * KEEP_MS
TICKS = 140


class Killed(BaseException):
    """The process is gone."""


class StillClock:
    """Shows one time; nobody waits for it."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0


@dataclass
class World:
    log: KeptLog
    url: str
    folder: Path
    clock: StillClock
    incident: str

    def retention(self) -> SqlRetention:
        return SqlRetention(self.url)

    async def archive(self, retention: Any = None, **how: Any) -> Report:
        held = retention or self.retention()
        try:
            return await Archiving(held, self.clock, self.folder, KEEP_MS, **how).run()
        finally:
            held.close()

    async def records(self, *kinds: RecordKind, full: bool = False) -> list[Record]:
        return list(await self.log.store.page(RecordQuery(kinds=kinds, limit=10_000, full=full)))

    async def here(self) -> set[int]:
        """The records whose evidence is in the database."""
        found = await self.records(RecordKind.TICK, RecordKind.STATE, full=True)
        return {one.seq for one in found if {"observations", "memento"} & one.body.keys()}

    async def in_files(self) -> dict[int, dict[str, Any]]:
        """What the files hold that the log names: record -> content."""
        found: dict[int, dict[str, Any]] = {}
        for one in await self.records(RecordKind.ARCHIVE):
            for row in archive_files.read(self.folder / str(one.body["file"]), str(one.body["sha256"])):
                found[row.seq] = unpack(row.evidence)
        return found

    async def nothing_lost(self, before: dict[int, dict[str, Any]]) -> None:
        files = await self.in_files()
        for record in await self.records(RecordKind.TICK, RecordKind.STATE, full=True):
            if record.seq in before:
                held = {**files.get(record.seq, {}), **record.body}
                assert held == before[record.seq], record.seq
        assert verify(self.url).ok


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "keeper.db")
    return str(request.getfixturevalue("postgres_url"))


@asynccontextmanager
async def worked(url: str, folder: Path) -> AsyncIterator[World]:
    """A log of two minutes and more, an incident in its middle, four states."""
    store = await SqlAuditStore.open(url, create=True)
    try:
        log = KeptLog(store, text("sqlite:///keeper.db"))
        await log.start()
        await log.blocks(30)
        await log.save()
        await log.blocks(30)
        await log.save()
        await log.blocks(3)
        incident = await log.incident()
        await log.blocks(AFTER_TICKS + 10)
        for _ in range(3):
            await log.blocks(10)
            await log.save()
        yield World(log, url, folder / "archive", StillClock(log.at_ms + LATER_MS), incident)
    finally:
        await store.close()


async def bodies(world: World) -> dict[int, dict[str, Any]]:
    return {one.seq: dict(one.body) for one in await world.records(RecordKind.TICK, RecordKind.STATE, full=True)}


async def test_archive__old_evidence__moves_except_around_incidents_and_what_a_start_goes_on_from(
    database: str, tmp_path: Path
) -> None:
    async with worked(database, tmp_path) as world:
        before = await bodies(world)
        records = await world.records()
        done = await world.archive()
        assert (done.problems, done.interrupted, len(done.files)) == ([], False, 1)
        here, states = await world.here(), [one.seq for one in records if one.kind is RecordKind.STATE]
        ticks = [one.seq for one in records if one.kind is RecordKind.TICK]
        first = min(one.seq for one in records if one.incident == world.incident)
        closed = max(one.seq for one in records if one.incident == world.incident and one.kind is RecordKind.INCIDENT)
        assert states[1] in here, "the incident is gone on from it"
        assert states[0] not in here
        assert {one for one in ticks if states[1] < one <= closed} <= here
        assert {one for one in ticks if closed < one} & here >= set(
            [one for one in ticks if one > closed][:AFTER_TICKS]
        )
        assert not {one for one in ticks if one < states[1] - 1} & here
        assert set(states[-3:]) <= here
        assert {one for one in ticks if one > states[-3]} <= here
        assert done.count == len(before) - len(here) > 30
        assert done.stayed == len(here)
        assert first > states[1]
        await world.nothing_lost(before)
        (named,) = await world.records(RecordKind.ARCHIVE)
        path = world.folder / str(named.body["file"])
        frame = polars.read_parquet(path)
        assert named.body["count"] == frame.height == done.count
        assert (named.body["first_seq"], named.body["last_seq"]) == (frame["seq"].min(), frame["seq"].max())
        assert named.body["sha256"] == archive_files.digest_of(path)
        assert frame["block"].null_count() == 0
        assert [one.name for one in world.folder.iterdir()] == [path.name]


@pytest.mark.parametrize(("age_ms", "moves"), [(KEEP_MS, False), (KEEP_MS + 1, True)])
async def test_archive__age__just_at_what_is_kept_stays(tmp_path: Path, age_ms: int, moves: bool) -> None:
    async with worked(sqlite_url(tmp_path / "k.db"), tmp_path) as world:
        oldest = (await world.records(RecordKind.TICK))[0]
        at_ms = int(str(oldest.body["at_ms"]))
        world.clock = StillClock(at_ms + age_ms)
        done = await world.archive()
        assert done.count == int(moves)


async def test_archive__dry_run__changes_nothing_and_says_the_same(database: str, tmp_path: Path) -> None:
    async with worked(database, tmp_path) as world:
        here, head = await world.here(), await world.log.store.head()
        retention = world.retention()
        would = await Archiving(retention, world.clock, world.folder, KEEP_MS).run(dry_run=True)
        retention.close()
        assert (await world.here(), await world.log.store.head()) == (here, head)
        assert not world.folder.exists()
        done = await world.archive()
        assert (would.count, would.size, would.stayed) == (done.count, done.size, done.stayed)


class Dying:
    """Dies before or after the call of one step, the so-manyth time."""

    def __init__(self, inner: SqlRetention, step: str, after: bool) -> None:
        self._inner, self._step, self._after = inner, step, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._step:
            return found

        def dies(*args: Any) -> Any:
            if self._after:
                found(*args)
            raise Killed

        return dies


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["contents", "archived", "forget"])
async def test_archive__killed_at_a_step__nothing_is_lost_and_the_next_run_goes_on(
    database: str, tmp_path: Path, step: str, after: bool
) -> None:
    async with worked(database, tmp_path) as world:
        before = await bodies(world)
        with pytest.raises(Killed):
            await world.archive(Dying(world.retention(), step, after))
        await world.nothing_lost(before)
        done = await world.archive()
        assert done.problems == []
        await world.nothing_lost(before)
        again = await world.archive()
        assert (again.count, again.finished) == (0, 0)
        assert set(await world.in_files()) | await world.here() == set(before)
        assert not set(await world.in_files()) & await world.here()


@pytest.mark.parametrize("at", ["write", "rename"])
async def test_archive__killed_while_the_file_is_written__the_next_run_writes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    async with worked(sqlite_url(tmp_path / "k.db"), tmp_path) as world:
        before = await bodies(world)
        with monkeypatch.context() as patch:

            def dies(*_: Any) -> Any:
                raise Killed

            if at == "write":
                patch.setattr(os, "fsync", dies)
            else:
                patch.setattr(archive_files, "_sync", dies)
            with pytest.raises(Killed):
                await world.archive()
        await world.nothing_lost(before)
        done = await world.archive()
        assert done.count > 0
        assert len(list(world.folder.iterdir())) == 1, "the same rows make the same file"
        await world.nothing_lost(before)


async def test_archive__file_changed_or_gone_before_the_evidence_went__evidence_stays(
    database: str, tmp_path: Path
) -> None:
    async with worked(database, tmp_path) as world:
        with pytest.raises(Killed):
            await world.archive(Dying(world.retention(), "forget", after=False))
        (file,) = world.folder.iterdir()
        content = file.read_bytes()
        here = await world.here()
        for spoil in (lambda: file.write_bytes(content[:-1] + b"x"), file.unlink):
            spoil()
            done = await world.archive()
            assert len(done.problems) == 1
            assert file.name in done.problems[0]
            assert await world.here() == here
        file.write_bytes(content)
        done = await world.archive()
        assert (done.problems, done.finished > 0) == ([], True)


async def test_archive__busy__ends_before_it_holds_anything_up(tmp_path: Path) -> None:
    async with worked(sqlite_url(tmp_path / "k.db"), tmp_path) as world:
        done = await world.archive(idle=lambda: False)
        assert (done.interrupted, done.count) == (True, 0)
        assert await world.records(RecordKind.ARCHIVE) == []


async def test_archive__two_at_once__each_piece_is_in_one_file(database: str, tmp_path: Path) -> None:
    async with worked(database, tmp_path) as world:
        before = await bodies(world)

        class Overtaken:
            def __init__(self, inner: SqlRetention) -> None:
                self._inner = inner

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

            def archived(self, draft: Any, hashes: Sequence[str]) -> Any:
                other = world.retention()
                assert other.archived(draft, hashes) is not None
                other.close()
                return self._inner.archived(draft, hashes)

        done = await world.archive(Overtaken(world.retention()))
        assert (done.interrupted, done.count) == (True, 0)
        assert len(await world.records(RecordKind.ARCHIVE)) == 1
        await world.archive()
        await world.nothing_lost(before)


async def test_forget__what_is_not_archived__is_refused_by_the_database(database: str, tmp_path: Path) -> None:
    async with worked(database, tmp_path) as world:
        retention = world.retention()
        (place, *_) = retention.places(0, "9", 1)
        with pytest.raises(StoreUnavailable, match="archived"):
            retention.forget([place.hash])
        retention.close()
        assert place.seq in await world.here()


async def test_due__once_a_day__counts_from_the_newest_archive(tmp_path: Path) -> None:
    async with worked(sqlite_url(tmp_path / "k.db"), tmp_path) as world:
        retention = world.retention()
        now = world.clock.now_ms()
        assert due(retention.page, now)
        await world.archive()
        (at_ms,) = [now for _ in await world.records(RecordKind.ARCHIVE)]
        checks: list[tuple[int, Callable[[bool], bool]]] = [(86_399_999, lambda it: not it), (86_400_100, bool)]
        for age, holds in checks:
            assert holds(due(retention.page, at_ms + age))
        retention.close()
