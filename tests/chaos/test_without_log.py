"""The database is away when a critical rule trips, and the policy says that it is acted upon: once, written down first, and told."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.spool import Spool, spool_state
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.record import RecordKind
from tests.chaos.test_database_trouble import LIMITED, held, limit_files
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_inside import inside
from tests.support.keeper_process import Running, in_process
from tests.support.keeper_stage import MARKET, Setup, Stage, staged, until

pytestmark = pytest.mark.chaos

CRITICAL = Setup(audit='sqlite:///keeper.db?timeout=0.3", act-without-log: "critical')


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write waits half a second for another process instead of five."""
    monkeypatch.setattr(SqlAuditStore, "open", partial(SqlAuditStore.open, busy_timeout_ms=500))


def spool_of(stage: Stage) -> Path:
    return stage.folder / "keeper.spool"


def spooled(stage: Stage, kind: RecordKind) -> bool:
    """Whether a record of the kind waits in the spool, as the file says it."""
    return f'"kind":"{kind}","market"'.encode() in spool_of(stage).read_bytes()


def assert_written_late(stage: Stage) -> None:
    """The decision says so, a gap stands before it, and the action is in the log once, whole.

    Where the commit had reached the database unheard, a restart finds its transaction outbid by the one that was sent without the log, and may
    outbid that: with the same nonce, so that one of them at most is ever mined, which is counted on the chain.
    """
    records = stage.records()
    (decision,) = [one for one in records if one.kind is RecordKind.DECISION and one.body.get("without_log") is True]
    gaps: list[Any] = [one.body for one in records if one.kind is RecordKind.GAP and one.seq < decision.seq]
    assert [gap["event"] for gap in gaps] == ["written-late"] * len(gaps)
    assert gaps
    assert gaps[-1]["records"] >= 1
    assert [one.body["phase"] for one in stage.records(RecordKind.INCIDENT)].count("opened") == 1
    for kind in (RecordKind.INTENT, RecordKind.OUTCOME):
        assert len(stage.records(kind)) == 1, kind
    assert len({one.body["nonce"] for one in stage.records(RecordKind.ATTEMPT)}) == 1
    assert spool_state(spool_of(stage)) is None


async def test_held_when_a_critical_rule_trips__it_acts_and_the_log_has_it_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with staged(tmp_path) as stage, inside(stage.write(CRITICAL)) as service:
        await service.watching()
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        with held(stage):
            await stage.shock()
            await stage.node.mine()
            await service.until(lambda: spooled(stage, RecordKind.BROADCAST))
            assert stage.records(RecordKind.INTENT) == []
            await stage.node.mine()
            await service.until(lambda: spooled(stage, RecordKind.OUTCOME))
            assert await stage.world.paused(MARKET)
            assert in_process("status", stage.config).code == 1
        await service.until(lambda: bool(stage.outcomes()))
        await stage.mine_until(lambda: ("up", "recovered") in stage.faults("audit"), ended=service.ended)
        await service.end()
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_written_late(stage)
        assert stage.outcomes() == [("included", "effect-verified")]
    said = capsys.readouterr().out
    assert "is carried out without the log" in said
    assert "audit is down" in said


@pytest.mark.parametrize("kind", [RecordKind.ATTEMPT, RecordKind.BROADCAST, RecordKind.OUTCOME])
async def test_killed_while_the_database_is_away__one_pause_and_everything_in_the_log(
    tmp_path: Path, kind: RecordKind
) -> None:
    async with staged(tmp_path) as stage:
        stage.write(CRITICAL)
        async with ForkedRunning(["run", stage.config], stage.folder) as run:
            await run.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            with held(stage):
                await stage.shock()
                await stage.node.mine()
                await until(lambda: spooled(stage, RecordKind.ATTEMPT) or run.ended())
                while kind is RecordKind.OUTCOME and not spooled(stage, kind):
                    await stage.node.mine()
                await until(lambda: spooled(stage, kind) or run.ended())
                os.kill(run.pid, signal.SIGKILL)
                assert await run.wait() == -signal.SIGKILL
        assert spool_state(spool_of(stage)) is not None
        await finish(stage)


KILLED = """
import os, runpy, signal
from keeper.adapters.audit.spool import Spool
Spool.clear = lambda _: os.kill(os.getpid(), signal.SIGKILL)
runpy.run_module("keeper", run_name="__main__")
"""
"""The command line in a process that dies when everything is in the log and the spool is not emptied yet."""


async def test_killed_when_all_is_written_late__nothing_is_written_twice(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(CRITICAL)
        async with Running(["-q", "run", stage.config], tmp_path, program=(sys.executable, "-c", KILLED)) as run:
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            with held(stage):
                await stage.shock()
                await stage.node.mine()
                await until(lambda: spooled(stage, RecordKind.BROADCAST) or run.ended())
            assert await run.wait() == -signal.SIGKILL
        assert len(stage.records(RecordKind.INTENT)) == 1
        assert spool_state(spool_of(stage)) is not None
        await finish(stage)


async def finish(stage: Stage) -> None:
    """The plain command, until the action has its end."""
    async with ForkedRunning(["run", stage.config], stage.folder) as run:
        await run.watching()
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
        assert await run.end() == 0, run.err
    await stage.assert_paused_once()
    stage.assert_log_holds()
    assert_written_late(stage)


async def test_disk_full__the_room_that_was_reserved_is_enough_to_act(tmp_path: Path) -> None:
    order = tmp_path / "limit"
    program = (sys.executable, "-c", LIMITED, order)
    async with staged(tmp_path) as stage:
        stage.write(CRITICAL)
        async with Running(["-q", "run", stage.config], tmp_path, program=program) as run:
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            await limit_files(run, order, stage.database.with_name("keeper.db-wal").stat().st_size)
            await stage.shock()
            await stage.node.mine()
            await until(lambda: spooled(stage, RecordKind.BROADCAST) or run.ended())
            await stage.node.mine()
            assert await stage.world.paused(MARKET)
            await limit_files(run, order, -1)
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
            assert await run.end() == 0
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_written_late(stage)


async def test_spool_held_by_another__it_does_not_start_and_says_why(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(CRITICAL)
        spool = Spool.open(spool_of(stage), reserved=1)
        async with ForkedRunning(["run", stage.config], stage.folder) as run:
            assert await run.wait() == 2
            assert "another process holds the spool" in run.err
        spool.close()
