"""Two keepers on one PostgreSQL database: one acts, and the other one takes over when it dies or stands still."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from keeper.adapters.audit.postgres_lease import who_leads
from keeper.adapters.audit.verify import verify
from keeper.domain.record import RecordKind
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_process import Running, in_process
from tests.support.keeper_stage import PostgresStage, Setup, Stage, staged, until

pytestmark = pytest.mark.e2e


def replica(stage: Stage, name: str) -> Path:
    """The same configuration for another replica."""
    path = stage.folder / f"{name}.yaml"
    text = stage.config.read_text()
    path.write_text(text.replace("mode: live}", f"mode: live, replicas: {{lease: 2s, name: {name}}}}}", 1))
    return path


async def changed_while_standing_by(standby: Running, own: Path, leaders: Path) -> None:
    """A standby takes a changed file at once, is told apart from the leader while that has another one, and hears of ``keeper reload`` too."""
    text = await asyncio.to_thread(own.read_text)
    await asyncio.to_thread(
        own.write_text, text.replace("above: 2%", "above: 3%").replace("clear: {below: 1%}", "clear: {below: x}")
    )
    os.kill(standby.pid, signal.SIGHUP)
    await standby.says("the standby keeps the old one")
    await asyncio.to_thread(own.write_text, text.replace("above: 2%", "above: 3%"))
    os.kill(standby.pid, signal.SIGHUP)
    await standby.says("standing by with another configuration")
    await until(lambda: "one has another configuration" in in_process("status", leaders).out)
    await asyncio.to_thread(own.write_text, text)
    done = forked_keeper("reload", leaders)
    assert done.code == 0, done.err
    await standby.says("replicas are alike again")
    assert "one has another" not in in_process("status", leaders).out


def led_by(url: str) -> tuple[str, int, dict[str, str]]:
    """Who holds the lease (nobody, where it is over for a moment), its fence, and the role of each replica."""
    lease, replicas = who_leads(url, 1_000)
    assert lease is not None
    return lease.holder, lease.fence, {each.name: each.role.value for each in replicas}


async def test_replicas__leader_killed_in_the_middle_then_another_stopped__one_effect_and_one_leader(
    tmp_path: Path, postgres_url: str
) -> None:
    async with staged(tmp_path) as plain:
        stage = PostgresStage(plain.world, tmp_path)
        stage.postgres = postgres_url
        stage.write(Setup(audit=postgres_url))
        assert in_process("db", stage.config, "upgrade").code == 0
        one, two = replica(stage, "one"), replica(stage, "two")
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(Running(["-v", "run", one], tmp_path))
            await first.watching()
            second = await stack.enter_async_context(Running(["-v", "run", two], tmp_path))
            await second.says('"event": "standing by"')

            await stage.shock()
            await stage.node.mine()
            await until(lambda: len(stage.records(RecordKind.BROADCAST)) == 1)
            os.kill(first.pid, signal.SIGKILL)
            await second.says('"event": "leading"')
            await stage.mine_until(lambda: stage.outcomes() != [], ended=second.ended)
            await stage.assert_paused_once()

            async with Running(["-v", "run", one], tmp_path) as third:
                await third.says('"event": "standing by"')
                await changed_while_standing_by(third, one, two)
                await until(lambda: len(stage.records(RecordKind.START)) == 3)  # the reload is over, not only answered
                os.kill(second.pid, signal.SIGSTOP)
                await third.watching()
                os.kill(second.pid, signal.SIGCONT)
                await second.says('"event": "not leading any more"')
                await second.says('"event": "standing by"')
                await until(lambda: led_by(postgres_url) == ("one", 3, {"one": "leader", "two": "standby"}))
                shown = in_process("status", one)
                assert "replicas: one leads since " in shown.out
                assert "two: standby, newest block seen " in shown.out
                said = json.loads(in_process("--json", "status", one).out)["replicas"]
                assert (said["leader"], said["fence"], said["standbys"]) == ("one", 3, 1)
                assert await third.end() == 0
                await second.says('"event": "leading"[^$]*"event": "leading"[^$]*"event": "watching"')
                assert "no replica stands by" in in_process("status", two).out
                assert await second.end() == 0
            assert "Traceback" not in first.err + second.err + third.err
        starts = [each.body for each in stage.records(RecordKind.START)]
        assert [(each["replica"], each["fence"]) for each in starts] == [
            ("one", 1),
            ("two", 2),
            ("two", 2),  # a reload: nobody took over
            ("one", 3),
            ("two", 4),
        ]
        whys = [each["took_over"] and (each["took_over"]["from"], each["took_over"]["why"]) for each in starts]  # type: ignore[index,call-overload]
        assert whys == [None, ("one", "session-ended"), None, ("two", "expired"), ("one", "free")]
        assert verify(postgres_url).ok
        await stage.assert_paused_once()
