"""What was done and is taken back: by a reorganisation, by the council, and by the council while no keeper runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged

pytestmark = pytest.mark.integration

PART = f"effect-lasts:{MARKET}/pause-market"


async def paused(stage: Stage, service: Inside) -> None:
    await service.watching()
    await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
    await stage.shock()
    await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
    assert stage.outcomes() == [("included", "effect-verified")]


async def lift(stage: Stage) -> None:
    await stage.world.unpause(MARKET)
    assert not await stage.world.paused(MARKET)


def decisions(stage: Stage) -> list[tuple[str, str]]:
    bodies = [record.body for record in stage.records(RecordKind.DECISION)]
    return [(str(body["kind"]), str(body["reason"])) for body in bodies]


async def test_reorganisation__takes_the_pause_back_after_its_outcome__it_is_paused_again(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(retry="1s"))
        async with inside(stage.config) as service:
            await paused(stage, service)
            mined = int(str(stage.records(RecordKind.RECEIPT)[0].body["block"]))
            await stage.node.rpc("anvil_reorg", await stage.node.block_number() - mined + 1, [])
            assert not await stage.world.paused(MARKET)
            await stage.mine_until(lambda: len(stage.outcomes()) == 2, ended=service.ended)
            await stage.mine_until(lambda: len(stage.faults(PART)) == 2, ended=service.ended)
            await service.end()
        assert stage.faults(PART) == [("down", "reorganised"), ("up", "recovered")]
        assert stage.outcomes()[1] == ("included", "effect-verified")
        assert ("act", "retry-after-failure") in decisions(stage)
        await stage.assert_paused_once()
        stage.assert_log_holds()


async def test_council__takes_the_pause_back__is_told_and_the_keeper_does_not_argue(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, inside(stage.config) as service:
        await paused(stage, service)
        await lift(stage)
        await stage.mine_until(lambda: bool(stage.faults(PART)), ended=service.ended)
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
        await service.end()
        assert stage.faults(PART) == [("down", "taken-back")]
        assert len(await stage.sent()) == 1
        assert not await stage.world.paused(MARKET)
        stage.assert_log_holds()


@pytest.mark.parametrize("cooldown", ["10m", "1s"])
async def test_restart__the_council_took_it_back_meanwhile__nothing_is_done_again_in_the_same_incident(
    tmp_path: Path, cooldown: str
) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(cooldown=cooldown))
        async with inside(stage.config) as service:
            await paused(stage, service)
            await service.end()
        await lift(stage)
        async with inside(stage.config) as service:
            await service.watching()
            block = await stage.node.block_number()
            await stage.mine_until(lambda: bool(stage.faults(PART)), ended=service.ended)
            await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
            await service.end()
        assert stage.faults(PART) == [("down", "taken-back")], "also what happened while no keeper ran is told"
        assert len(await stage.sent()) == 1
        assert len(stage.records(RecordKind.INCIDENT)) == 1
        assert [kind for kind, _ in decisions(stage)].count("act") == 1
        stage.assert_log_holds()
