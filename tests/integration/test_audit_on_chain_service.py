"""What a running keeper leaves in unusual times, held against the chain: signs of life, reorganisations, intents that are open."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.app.onchain import Report, verify_on_chain
from keeper.app.onchain.findings import Subject
from keeper.config.onchain import chain_and_breakers
from keeper.domain.record import RecordKind
from tests.support.breaker_stage import GuardedStage, guarded
from tests.support.cosigning_service import paired
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET, Setup, Stage

pytestmark = pytest.mark.integration


async def compared(guard: GuardedStage) -> Report:
    return await of_log(guard.stage)


async def of_log(stage: Stage) -> Report:
    chain, contracts = chain_and_breakers(stage.config)
    return await verify_on_chain(stage.url, chain, contracts, lambda _: None)


async def test_heartbeat__sent_and_read_back__fits_the_chain(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guard:
        stage = guard.stage
        await stage.node.rpc("evm_increaseTime", 7 * 3_600)
        await stage.node.mine()
        async with inside(guard.config) as service:
            await service.watching()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.end()
        assert stage.outcomes() == [("included", "effect-verified")]
        report = await compared(guard)
        assert (report.found, report.unchecked) == ([], [])
        assert report.checked == {
            Subject.TRANSACTION: 1,
            Subject.EFFECT: 1,
            Subject.TRIP: 0,
            Subject.EXECUTION: 0,
            Subject.NONCE: 1,
        }


async def test_reorganisation__that_the_log_tells_of__is_counted_apart_and_the_second_trip_fits(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guard:
        stage = guard.stage
        guard.write(Setup(retry="1s"))
        async with inside(guard.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            # a busy machine may have mined a block more before the outcome stood in the log
            mined = int(str(stage.records(RecordKind.RECEIPT)[0].body["block"]))
            await stage.node.rpc("anvil_reorg", await stage.node.block_number() - mined + 1, [])
            assert not await stage.world.paused(MARKET)
            report = await compared(guard)
            assert "the chain does not have it" in report.found[0].message, "the log says nothing of it yet"
            await stage.mine_until(lambda: len(stage.outcomes()) == 2, ended=service.ended)
            await service.end()
        assert await stage.world.paused(MARKET)
        report = await compared(guard)
        assert report.found == []
        assert report.reorganised == 1
        assert report.checked[Subject.TRIP] == 1


async def test_running_keeper__is_no_hindrance(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guard:
        stage = guard.stage
        async with inside(guard.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            report = await compared(guard)
            assert (report.found, report.unchecked, report.checked[Subject.TRIP]) == ([], [], 1)
            await service.end()


async def test_two_keepers_that_signed_together__each_log_fits_also_where_the_evidence_is_the_others(
    tmp_path: Path,
) -> None:
    async with paired(tmp_path, str(tmp_path / "orders")) as (one, two):
        async with inside(one.stage.config) as first, inside(two.stage.config) as second:
            for service in (first, second):
                await service.watching()
            await one.stage.mine_until(lambda: one.stage.evaluated() > 0 and two.stage.evaluated() > 0)
            await one.stage.shock()
            await one.stage.mine_until(lambda: bool(one.outcomes("pause-market") and two.outcomes("pause-market")))
            await first.end()
            await second.end()
        reports = [await of_log(each.stage) for each in (one, two)]
        assert [report.found for report in reports] == [[], []]
        assert sum(report.checked[Subject.TRIP] for report in reports) == 1
