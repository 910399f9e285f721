"""Several nodes that look at one chain in memory, each in its own way: behind, gone, hanging, of another chain, or lying."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from keeper.adapters.chain.fleet import Fleet, FleetPolicy, Member
from keeper.adapters.chain.memory import MemoryChain, Storage
from keeper.adapters.chain.selection import Patience
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent
from keeper.domain.errors import OutsideError, Refused, Unreachable
from keeper.domain.evm import CallResult, Receipt, Simulation
from tests.support.manual_clock import ManualClock, settle

CELL = "0x000000000000000000000000000000000000cE11"
READ = Call(CELL, b"")
PATIENCE = Patience(lag_blocks=3, lag_ms=2_000, return_ms=30_000)
HUNG_S = 3600.0


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Peer:
    """One node. ``lag`` blocks are not there yet for it; ``fails`` is raised by every request."""

    def __init__(self, chain: MemoryChain) -> None:
        self.chain = chain
        self.lag = 0
        self.served_chain = 31337
        self.fails: OutsideError | None = None
        self.hangs = False
        self.requests: list[str] = []
        self.sent: list[str] = []
        self.alter: Callable[[CallResult], CallResult] = lambda result: result
        self.alter_block: Callable[[BlockStamp], BlockStamp] = lambda block: block
        self.closed = False
        self._listeners: set[asyncio.Queue[BlockStamp | None]] = set()
        self._down = False
        self._announced = ""
        self._count = 1

    @property
    def view(self) -> list[BlockStamp]:
        """The blocks that it has: never fewer than before, as long as the chain does not lose them."""
        blocks = self.chain._blocks
        self._count = max(1, len(blocks) - self.lag, min(self._count, len(blocks)))
        return blocks[: self._count]

    def announce(self) -> None:
        """Tells its listeners what is new for it: only the newest, as after several blocks at once."""
        newest = self.view[-1]
        if newest.hash == self._announced:
            return
        self._announced = newest.hash
        for listener in self._listeners:
            listener.put_nowait(self.alter_block(newest))

    def go_down(self) -> None:
        self._down = True
        for listener in self._listeners:
            listener.put_nowait(None)

    def come_back(self) -> None:
        self._down = False

    async def _reach(self, what: str) -> None:
        self.requests.append(what)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.sleep(HUNG_S)
        if self._down or self.closed:
            raise Unreachable("the peer is down")
        if self.fails is not None:
            raise self.fails

    async def chain_id(self) -> int:
        await self._reach("chain_id")
        return self.served_chain

    async def head(self) -> BlockStamp:
        await self._reach("head")
        return self.alter_block(self.view[-1])

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        if self._down or self.closed:
            raise Unreachable("the peer is down")
        listener: asyncio.Queue[BlockStamp | None] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            while (block := await listener.get()) is not None:
                yield block
            raise Unreachable("the peer is down")
        finally:
            self._listeners.discard(listener)

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        await self._reach("read")
        if block.hash not in {one.hash for one in self.view}:
            raise Refused("header not found", code=-32001)
        return [self.alter(result) for result in await self.chain.read(calls, block)]

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        await self._reach("blocks")
        return [self.alter_block(block) for block in self.view[max(first, 0) : last + 1]]

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        await self._reach("block_of")
        return self.chain._known.get(block_hash)

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        await self._reach("simulate")
        return await self.chain.simulate(call, sender, block)

    async def account(self, address: str) -> tuple[int, int]:
        await self._reach("account")
        return await self.chain.account(address)

    async def gas(self, call: Call, sender: str) -> int:
        await self._reach("gas")
        return await self.chain.gas(call, sender)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        await self._reach("receipt")
        return await self.chain.receipt(tx_hash)

    async def priority_fee_wei(self) -> int:
        await self._reach("priority_fee_wei")
        return 1

    async def send_raw(self, raw: str) -> str:
        await self._reach("send_raw")
        self.sent.append(raw)
        return "0x" + "55" * 32

    async def close(self) -> None:
        self.closed = True
        self.go_down()


def lying_hash(block: BlockStamp) -> BlockStamp:
    """The same block under another hash."""
    return replace(block, hash="0x" + "ab" * 32)


@dataclass
class FleetWorld:
    """A chain, its peers, a fleet over them, and one consumer. ``log`` has events and blocks in the order in which they came."""

    primaries: int = 2
    verifiers: int = 0
    policy: FleetPolicy = field(default_factory=lambda: FleetPolicy(backfill=8, patience=PATIENCE, slow_ms=10))
    clock: ManualClock = field(default_factory=ManualClock)
    log: list[ChainEvent | BlockStamp] = field(default_factory=list)
    losses: int = 0

    def __post_init__(self) -> None:
        self.chain = MemoryChain()

        def cell(_: bytes, __: str, storage: Storage) -> bytes:
            return word(int(str(storage["value"])))

        self.chain.install(CELL, cell, value=7)
        self.chain.mine()
        self.peers = [Peer(self.chain) for _ in range(self.primaries + self.verifiers)]
        members = [Member(f"primary-{index + 1}", peer) for index, peer in enumerate(self.peers[: self.primaries])]
        watchers = [Member(f"verify-{index + 1}", peer) for index, peer in enumerate(self.peers[self.primaries :])]
        self.fleet = Fleet(
            members, watchers, chain_id=31337, clock=self.clock, report=self.log.append, policy=self.policy
        )
        self.gate = asyncio.Event()
        self.gate.set()
        self.consumer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> FleetWorld:
        self.consumer = asyncio.create_task(self._consume())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.consumer is not None:
            self.consumer.cancel()
            await asyncio.gather(self.consumer, return_exceptions=True)
        await self.fleet.close()

    @property
    def seen(self) -> list[BlockStamp]:
        """The blocks that the consumer got."""
        return [entry for entry in self.log if isinstance(entry, BlockStamp)]

    @property
    def numbers(self) -> list[int]:
        return [block.number for block in self.seen]

    def events(self, *kinds: type) -> list[ChainEvent]:
        """What was reported, of these kinds."""
        return [entry for entry in self.log if isinstance(entry, kinds) and not isinstance(entry, BlockStamp)]

    async def mine(self, blocks: int = 1, *, announce: bool = True) -> None:
        """New blocks, each announced by every peer before the next one; the consumer gets its turn after each."""
        for _ in range(blocks):
            self.chain.mine()
            if announce:
                for peer in self.peers:
                    peer.announce()
            await settle()

    async def burst(self, blocks: int) -> None:
        """New blocks, all announced before the consumer gets its turn."""
        for _ in range(blocks):
            self.chain.mine()
            for peer in self.peers:
                peer.announce()
        await settle()

    async def _consume(self) -> None:
        """As the service does: takes heads, and asks again after a loss."""
        while True:
            with suppress(Unreachable):
                async for block in self.fleet.heads():
                    self.log.append(block)
                    await self.gate.wait()
            self.losses += 1
            await self.clock.sleep(0.05)
