"""The council registers a breaker again under the same id, with another call: the keeper says so, and does not trip it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.breaker_service import ID, NAME, BreakerStage, breaker_staged
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.integration

PART = f"breaker:breaker/{NAME}"


def other_market(breaker: BreakerStage) -> str:
    return next(market for market in breaker.stage.world.feeds if market != MARKET)


async def comes_to_nothing(breaker: BreakerStage, service: Inside) -> None:
    """The price is off, and the action ends without a transaction."""
    stage = breaker.stage
    await stage.shock()
    await stage.mine_until(lambda: bool(breaker.outcomes("pause-market")), ended=service.ended)
    assert set(breaker.outcomes("pause-market")) == {("failed", "not-configured")}
    assert not await stage.world.paused(MARKET)
    assert not await stage.world.paused(other_market(breaker))


async def test_registered_again__with_another_call__is_a_fault_and_nothing_is_sent_until_it_is_the_one_again(
    tmp_path: Path,
) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        await service.watching()
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        await breaker.council("unregister(bytes32)", ID)
        await breaker.register(other_market(breaker))
        await stage.mine_until(lambda: ("down", "another-breaker") in stage.faults(PART), ended=service.ended)
        await comes_to_nothing(breaker, service)
        assert await breaker.sent() == []
        await breaker.council("unregister(bytes32)", ID)
        await breaker.register()
        await stage.mine_until(
            lambda: ("included", "effect-verified") in breaker.outcomes("pause-market"), ended=service.ended
        )
        assert await stage.world.paused(MARKET)
        assert not await stage.world.paused(other_market(breaker))
        assert stage.faults(PART)[-1] == ("up", "recovered")
        await service.end()
        stage.assert_log_holds()


async def test_started__while_it_is_another__the_first_decision_sends_nothing(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker:
        await breaker.council("unregister(bytes32)", ID)
        await breaker.register(other_market(breaker))
        async with inside(breaker.stage.config) as service:
            await service.watching()
            await comes_to_nothing(breaker, service)
            await service.end()
        assert await breaker.sent() == []
        assert breaker.stage.faults(PART)[0] == ("down", "another-breaker")
