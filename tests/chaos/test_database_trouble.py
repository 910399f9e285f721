"""The database is held by somebody else, or the disk is full: nothing is sent without a record, and it goes on by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from keeper.adapters.audit.spool import spool_state
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app import ending as ending_module
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_process import Running, in_process
from tests.support.keeper_stage import MARKET, Setup, Stage, staged, until

pytestmark = pytest.mark.chaos


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write waits half a second for another process instead of five."""
    monkeypatch.setattr(SqlAuditStore, "open", partial(SqlAuditStore.open, busy_timeout_ms=500))


@contextmanager
def held(stage: Stage) -> Iterator[None]:
    """Somebody else holds the write lock."""
    other = sqlite3.connect(stage.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Stage, Inside]]:
    async with staged(folder) as stage, inside(stage.write(Setup(retry="1s"))) as service:
        await service.watching()
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        yield stage, service


async def pause_lands(stage: Stage, service: Inside) -> None:
    """Once the database is back."""
    await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes(), ended=service.ended)
    await service.end()
    await stage.assert_paused_once()
    stage.assert_log_holds()
    assert ("down", "unavailable") in stage.faults("audit")
    assert stage.faults("audit")[-1] == ("up", "recovered")


async def test_database__held_when_the_rule_trips__nothing_is_sent_until_it_is_free(tmp_path: Path) -> None:
    async with watched(tmp_path) as (stage, service):
        with held(stage):
            await stage.shock()
            await stage.node.mine()
            await service.until(lambda: any(fault.part == "audit" for fault in service.faults))
            for _ in range(2):
                await stage.node.mine()
            assert await stage.waiting() == []
            assert await stage.sent() == []
            assert not await stage.world.paused(MARKET)
        assert stage.records(RecordKind.ATTEMPT) == []
        await pause_lands(stage, service)


async def test_database__held_after_the_broadcast__the_outcome_is_written_when_it_is_free(tmp_path: Path) -> None:
    async with watched(tmp_path) as (stage, service):
        await stage.shock()
        await stage.node.mine()
        await service.until(lambda: bool(stage.records(RecordKind.BROADCAST)))
        with held(stage):
            await stage.node.mine()
            await service.until(lambda: any(fault.part == "audit" for fault in service.faults))
            assert await stage.world.paused(MARKET)
        await pause_lands(stage, service)


async def test_database__held_for_a_moment__nobody_notices(tmp_path: Path) -> None:
    async with watched(tmp_path) as (stage, service):
        with held(stage):
            await stage.shock()
            await stage.node.mine()
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
        await service.end()
        await stage.assert_paused_once()
        stage.assert_log_holds()


LIMITED = """
import pathlib, resource, runpy, signal, sys
order = pathlib.Path(sys.argv.pop(1))
def limit(*_):
    size = int(order.read_text())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    order.unlink()
signal.signal(signal.SIGUSR1, limit)
runpy.run_module("keeper", run_name="__main__")
"""
"""The command line in a process that limits the size of its own files when it is told to: SIGUSR1, and the bytes in a file (-1: no limit)."""


async def limit_files(run: Running, order: Path, size: int) -> None:
    order.write_text(str(size), encoding="ascii")  # noqa: ASYNC240
    os.kill(run.pid, signal.SIGUSR1)
    await until(lambda: not order.exists())


async def test_disk__full_when_the_rule_trips__nothing_is_sent_until_there_is_room(tmp_path: Path) -> None:
    """A limit on the size of the keeper's files is to it what a full disk is."""
    order = tmp_path / "limit"
    program = (sys.executable, "-c", LIMITED, order)
    async with staged(tmp_path) as stage:
        stage.write(Setup(retry="1s"))
        async with Running(["-q", "run", stage.config], tmp_path, program=program) as run:
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            await limit_files(run, order, stage.database.with_name("keeper.db-wal").stat().st_size)
            await stage.shock()
            await stage.node.mine()
            await run.says("records are waiting")
            for _ in range(2):
                await stage.node.mine()
            assert await stage.waiting() == []
            assert stage.records(RecordKind.INTENT) == []
            await limit_files(run, order, -1)
            await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes(), ended=run.ended)
            assert await run.end() == 0
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert ("down", "unavailable") in stage.faults("audit")


async def test_database__held_at_the_start__it_does_not_start_and_says_why(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert in_process("db", stage.config, "upgrade").code == 0
        with held(stage):
            async with inside(stage.config) as service:
                with pytest.raises(StoreUnavailable) as caught:
                    await service.until(lambda: False)
        assert caught.value.remedy == "another process holds the database: end it, or try again"
        assert stage.records() == []


async def test_database__held_at_the_end__it_ends_all_the_same_and_the_next_start_writes_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending_module, "DRAIN_S", 0.5)
    async with watched(tmp_path) as (stage, service):
        with held(stage):
            await service.end()
            assert stage.kinds()[-1] != "stop"
            waiting = spool_state(stage.folder / "keeper.spool")
            assert waiting is not None
        await service.parts.close()
        async with inside(stage.config) as again:
            await again.watching()
            await again.end()
        kinds = stage.kinds()
        assert kinds.count("stop") == 2
        gap = kinds.index("gap")
        assert kinds.index("stop") > gap, "what was written late comes after the word that it is late"
        stage.assert_log_holds()
    assert spool_state(tmp_path / "keeper.spool") is None
