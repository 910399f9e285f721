"""Carrying a scenario out: each step sets the exchange and reports to the oracles; a pace says when the next one comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.markets import demo_market
from keeper.devnet.scenarios import Scenario, Step
from keeper.devnet.world import World

Pace = Callable[[Step], Awaitable[None]]
"""Called once a step's prices are on the exchange and its oracle reports are with the node; returns when the next step may come."""


def mined(node: Anvil, lead_s: float = 0.0, rest_s: float = 0.0) -> Pace:
    """Mines one block for each step, ``lead_s`` after its prices were set, and rests ``rest_s`` after it.

    For a node with ``no_mining``: each step is exactly one block, whatever else waits for one. ``lead_s`` gives whoever polls the exchange the time
    to see the new price before the block that has the new oracle price; ``rest_s`` lets it judge the block before the next price appears.
    """

    async def pace(_: Step) -> None:
        await asyncio.sleep(lead_s)
        await node.mine()
        await asyncio.sleep(rest_s)

    return pace


def next_block(node: Anvil, rest_s: float = 0.0) -> Pace:
    """Waits for the next block of a node whose blocks come by the clock, and rests ``rest_s`` after it."""

    async def pace(_: Step) -> None:
        await node.wait_for_block(await node.block_number() + 1)
        await asyncio.sleep(rest_s)

    return pace


async def play(scenario: Scenario, world: World, exchange: Exchange, pace: float | Pace) -> None:
    """Plays all steps. A number is the seconds between two steps; it neither mines nor waits for a block.

    On return every oracle report is in a block. Raises Refused when a report reverted, Unreachable when the node is gone.
    """
    hashes: list[str] = []
    for step in scenario.steps:
        hashes += await apply(step, world, exchange)
        if isinstance(pace, int | float):
            await asyncio.sleep(pace)
        else:
            await pace(step)
    await world.settle(hashes)


async def go_on(
    step: Step, world: World, exchange: Exchange, every_s: float, mine: Callable[[], Awaitable[object]]
) -> NoReturn:
    """Repeats one step until it is cancelled, each time in a block of its own: prices stand still, and every source stays fresh.

    Whatever else waits for a block gets into the next one, which ``mine`` makes. Raises Unreachable when the node is gone.
    """
    while True:
        await apply(step, world, exchange)
        await mine()
        await asyncio.sleep(every_s)


async def apply(step: Step, world: World, exchange: Exchange) -> list[str]:
    """Sets one step's prices: spot at once, the oracle reports with the node's next block. Returns the reports' transaction hashes."""
    for quote in step.quotes:
        exchange.set_price(demo_market(quote.market).symbol, quote.spot)
    return [await world.push_price(quote.market, quote.oracle, wait=False) for quote in step.quotes]
