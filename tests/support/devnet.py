"""Fixtures of the local world: each test has its own node (about 0.1 s), its own contracts (about 0.1 s) and its own exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from keeper.adapters.clock import SystemClock
from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.markets import DEFAULT_MARKETS, demo_market
from keeper.devnet.world import World, deploy_world

__all__ = [
    "anvil",
    "anvil_blocks",
    "anvil_manual",
    "exchange",
    "world",
    "world_blocks",
    "world_manual",
]


@pytest_asyncio.fixture
async def anvil() -> AsyncIterator[Anvil]:
    """A node that mines each transaction at once."""
    async with Anvil() as node:
        yield node


@pytest_asyncio.fixture
async def anvil_blocks() -> AsyncIterator[Anvil]:
    """A node with a block each second."""
    async with Anvil(block_time_s=1) as node:
        yield node


@pytest_asyncio.fixture
async def anvil_manual() -> AsyncIterator[Anvil]:
    """A node that mines only when told: ``await anvil_manual.mine()``."""
    async with Anvil(no_mining=True) as node:
        yield node


@pytest_asyncio.fixture
async def world(anvil: Anvil) -> World:
    """The demo protocol on ``anvil``."""
    return await deploy_world(anvil)


@pytest_asyncio.fixture
async def world_blocks(anvil_blocks: Anvil) -> World:
    """The demo protocol on ``anvil_blocks``."""
    return await deploy_world(anvil_blocks)


@pytest_asyncio.fixture
async def world_manual(anvil_manual: Anvil) -> World:
    """The demo protocol on ``anvil_manual``."""
    return await deploy_world(anvil_manual)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A local exchange with the demo's symbols at their first prices."""
    with Exchange(SystemClock().now_ms) as venue:
        for name in DEFAULT_MARKETS:
            market = demo_market(name)
            venue.set_price(market.symbol, market.start_price)
        yield venue
