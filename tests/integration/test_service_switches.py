"""Switches written by another process while the keeper runs and while it does not, and the lock after people took something back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged

pytestmark = pytest.mark.integration


async def switch(stage: Stage, *words: str) -> None:
    """The command, as an operator types it."""
    command = (sys.executable, "-m", "keeper", "switch", str(stage.config), *words, "--reason", "a test")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


def turns(stage: Stage) -> list[tuple[str, str]]:
    bodies = [record.body for record in stage.records(RecordKind.BREAKER)]
    return [(str(body["before"]), str(body["after"])) for body in bodies]


def declined(stage: Stage) -> list[str]:
    bodies = [record.body for record in stage.records(RecordKind.DECISION)]
    return [str(body["reason"]) for body in bodies if body["kind"] == "declined"]


async def turned(stage: Stage, service: Inside, *expected: tuple[str, str]) -> None:
    await stage.mine_until(lambda: turns(stage)[-len(expected) :] == list(expected), ended=service.ended)


async def test_switch__while_the_keeper_runs_and_over_a_restart__nothing_is_done_until_it_is_on(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await switch(stage, "off")
            await turned(stage, service, ("armed", "disarmed"))
            await stage.shock()
            await stage.mine_until(lambda: "switched-off" in declined(stage), ended=service.ended)
            await service.end()
        async with inside(stage.config) as service:
            await service.watching()
            block = await stage.node.block_number()
            await stage.mine_until(lambda: stage.evaluated() >= block + 2, ended=service.ended)
            assert turns(stage)[-1] == ("armed", "disarmed")
            assert (await stage.sent(), stage.records(RecordKind.INTENT)) == ([], [])
            await switch(stage, "on", "--market", MARKET)
            await switch(stage, "on")
            await turned(stage, service, ("disarmed", "armed"), ("armed", "tripped"))
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.end()
        await stage.assert_paused_once()
        assert len(stage.records(RecordKind.SWITCH)) == 3
        stage.assert_log_holds()


async def test_lock__the_council_takes_the_pause_back__locked_until_an_operator_arms_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(cooldown="1s"))
        with stage.config.open("a", encoding="utf-8") as file:
            file.write("limits: {lock_after_override: 1h}\n")
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await stage.world.unpause(MARKET)
            await turned(stage, service, ("tripped", "locked"))
            await stage.mine_until(lambda: "locked" in declined(stage), ended=service.ended)
            await switch(stage, "on", "--market", MARKET)
            await turned(stage, service, ("locked", "armed"), ("armed", "tripped"))
            await stage.mine_until(lambda: "taken-back" in declined(stage), ended=service.ended)
            await service.end()
        assert len(await stage.sent()) == 1
        assert not await stage.world.paused(MARKET)
        stage.assert_log_holds()
