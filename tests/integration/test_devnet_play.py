"""Scenarios on a real node and a real exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
import pytest

from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.markets import demo_market
from keeper.devnet.play import apply, go_on, mined, next_block, play
from keeper.devnet.scenarios import SCENARIOS, Step, calm, divergence
from keeper.devnet.world import World, deploy_world
from keeper.domain.errors import Unreachable

pytestmark = pytest.mark.integration


async def spot(exchange: Exchange, market: str) -> Decimal:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(exchange.ticker_url(demo_market(market).symbol))
    return Decimal(answer.json()["lastPrice"])


async def test_apply__one_step__sets_spot_at_once_and_the_oracle_with_the_next_block(
    world_manual: World, exchange: Exchange
) -> None:
    step = divergence(1).steps[-1]
    await apply(step, world_manual, exchange)
    quote = step.quote("ETH-PERP")
    assert await spot(exchange, "ETH-PERP") == quote.spot
    assert await world_manual.price("ETH-PERP") == 3000
    await world_manual.node.mine()
    for quote in step.quotes:
        assert await world_manual.price(quote.market) == quote.oracle


@pytest.mark.parametrize("name", SCENARIOS)
async def test_play__mined_step_by_step__is_one_block_for_each_step(
    name: str, world_manual: World, exchange: Exchange
) -> None:
    scenario = SCENARIOS[name](7)
    first = await world_manual.node.block_number() + 1
    await play(scenario, world_manual, exchange, mined(world_manual.node))
    assert await world_manual.node.block_number() == first + len(scenario.steps) - 1
    for step in scenario.steps:
        for quote in step.quotes:
            assert await world_manual.price(quote.market, block=first + step.number - 1) == quote.oracle
    for quote in scenario.steps[-1].quotes:
        assert await spot(exchange, quote.market) == quote.spot


async def test_play__blocks_by_the_clock__follows_them(exchange: Exchange) -> None:
    async with Anvil(block_time_s=0.2) as node:
        world = await deploy_world(node)
        before = await node.block_number()
        scenario = calm(3, steps=4)
        await play(scenario, world, exchange, next_block(node, rest_s=0.02))
        assert await node.block_number() >= before + 4
        assert await world.price("BTC-PERP") == scenario.steps[-1].quote("BTC-PERP").oracle


async def test_play__seconds_between_steps__ends_with_every_report_in_a_block(world: World, exchange: Exchange) -> None:
    scenario = calm(3, steps=3)
    await play(scenario, world, exchange, 0.01)
    for quote in scenario.steps[-1].quotes:
        assert await world.price(quote.market) == quote.oracle


async def test_play__own_pace__is_called_once_a_step_in_order(world: World, exchange: Exchange) -> None:
    seen: list[int] = []

    async def pace(step: Step) -> None:
        seen.append(step.number)

    await play(calm(1, steps=5), world, exchange, pace)
    assert seen == [1, 2, 3, 4, 5]


async def test_play__the_node_goes_away__is_unreachable(world: World, exchange: Exchange) -> None:
    async def pace(step: Step) -> None:
        if step.number == 2:
            world.node.kill()
        await asyncio.sleep(0)

    with pytest.raises(Unreachable):
        await play(calm(1), world, exchange, pace)


async def test_go_on__until_cancelled__every_source_stays_fresh_at_the_same_price(
    world_manual: World, exchange: Exchange
) -> None:
    step = divergence(1).steps[-1]
    before = await world_manual.node.block_number()
    going = asyncio.create_task(go_on(step, world_manual, exchange, 0.05, world_manual.node.mine))
    await world_manual.node.wait_for_block(before + 3)
    rounds = [await _round(world_manual, block) for block in (before + 1, before + 3)]
    assert rounds[1][0] == rounds[0][0] + 2, "a report in each block"
    assert rounds[1][1] == await _time(world_manual, before + 3), "with the time of that block"
    assert await world_manual.price("ETH-PERP") == step.quote("ETH-PERP").oracle
    assert await spot(exchange, "ETH-PERP") == step.quote("ETH-PERP").spot
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going


async def test_go_on__node_gone__says_so(world_manual: World, exchange: Exchange) -> None:
    world_manual.node.kill()
    with pytest.raises(Unreachable):
        await go_on(calm(1).steps[-1], world_manual, exchange, 0.05, world_manual.node.mine)


async def _round(world: World, block: int) -> tuple[int, int]:
    """The number and the time (seconds UTC) of the newest report at a block."""
    signature = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
    answer = await world.read(world.feeds["ETH-PERP"], signature, block=block)
    return int(answer[0]), int(answer[3])


async def _time(world: World, block: int) -> int:
    """Of a block, in seconds UTC."""
    found = await world.node.rpc("eth_getBlockByNumber", hex(block), False)
    return int(found["timestamp"], 16)
