"""Real nodes that have the same chain: the same commands at the same times give the same blocks, hash for hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from keeper.adapters.chain.fleet import Fleet, FleetPolicy, Member
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.chain.selection import Patience
from keeper.adapters.clock import SystemClock
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import send
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent
from keeper.domain.errors import Unreachable
from tests.support.chain_stage import CELL, set_up, word

GENESIS_S = 1_800_000_000
BLOCK_S = 12


@dataclass
class Twins:
    """``mine`` moves all but the frozen ones; ``catch_up`` brings a node to the same block, also one that was killed and started again."""

    nodes: list[Anvil]
    history: list[int | None] = field(default_factory=list)
    """For each block after the first: the value that its transaction wrote into the cell, if there was one."""
    frozen: set[int] = field(default_factory=set)

    @property
    def newest(self) -> int:
        """The number of the newest block."""
        return 1 + len(self.history)

    async def mine(self, value: int | None = None) -> None:
        self.history.append(value)
        for place, node in enumerate(self.nodes):
            if node.alive and place not in self.frozen:
                await self._block(node, self.newest)

    async def catch_up(self, node: Anvil) -> None:
        if not node.alive:
            await node.start()
            await _first_block(node)
        for number in range(await node.block_number() + 1, self.newest + 1):
            await self._block(node, number)

    def freeze(self, place: int) -> None:
        self.nodes[place].freeze()
        self.frozen.add(place)

    def thaw(self, place: int) -> None:
        self.nodes[place].thaw()
        self.frozen.discard(place)

    async def _block(self, node: Anvil, number: int) -> None:
        value = self.history[number - 2]
        if value is not None:
            await send(node, node.accounts[0].address, CELL, word(value))
        await node.rpc("evm_setNextBlockTimestamp", hex(GENESIS_S + number * BLOCK_S))
        await node.mine()


async def _first_block(node: Anvil) -> None:
    await node.rpc("evm_setNextBlockTimestamp", hex(GENESIS_S + BLOCK_S))
    await set_up(node)


@asynccontextmanager
async def twin_nodes(count: int) -> AsyncIterator[Twins]:
    """All with the cell and Multicall3."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(Anvil(no_mining=True, extra=("--timestamp", str(GENESIS_S))))
            for _ in range(count)
        ]
        for node in nodes:
            await _first_block(node)
        yield Twins(nodes)


@dataclass
class Consumer:
    """Takes heads from a fleet as the service does. ``log`` has blocks and events in the order in which they came."""

    fleet: Fleet
    log: list[ChainEvent | BlockStamp] = field(default_factory=list)
    losses: int = 0

    @property
    def seen(self) -> list[BlockStamp]:
        return [entry for entry in self.log if isinstance(entry, BlockStamp)]

    @property
    def numbers(self) -> list[int]:
        return [block.number for block in self.seen]

    async def run(self) -> None:
        while True:
            try:
                async for block in self.fleet.heads():
                    self.log.append(block)
            except Unreachable:
                self.losses += 1
                await asyncio.sleep(0.05)

    async def until(self, number: int) -> None:
        """Waits until the newest block that was taken has this number."""
        async with asyncio.timeout(20):
            while not self.seen or self.seen[-1].number != number:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_told(self, kind: type) -> None:
        """Waits until an event of this kind was told."""
        async with asyncio.timeout(20):
            while not any(isinstance(entry, kind) for entry in self.log):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_lost(self) -> None:
        """Waits until the heads ended."""
        async with asyncio.timeout(20):
            while not self.losses:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@asynccontextmanager
async def fleet_over(
    primaries: list[str],
    verifiers: list[str] | None = None,
    *,
    lag_ms: int = 300,
    return_ms: int = 60_000,
    probation_ms: int = 10_000,
) -> AsyncIterator[Consumer]:
    """A fleet over these addresses, followed by a consumer that stands at the newest block."""
    log: list[ChainEvent | BlockStamp] = []
    fleet = Fleet(
        [Member(f"primary-{place}", NodeClient(url)) for place, url in enumerate(primaries, 1)],
        [Member(f"verify-{place}", NodeClient(url)) for place, url in enumerate(verifiers or [], 1)],
        chain_id=31337,
        clock=SystemClock(),
        report=log.append,
        policy=FleetPolicy(patience=Patience(3, lag_ms, return_ms, probation_ms)),
    )
    consumer = Consumer(fleet, log)
    task = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(20):
            while any(block is None for block in fleet._following.newest):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # the subscriptions stand
        yield consumer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await fleet.close()
