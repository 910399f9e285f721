"""The running relay: its own thread with its own loop, so that clients which block may be called from wherever it was opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from keeper.devnet.anvil import quantity
from keeper.devnet.relay.app import Asked, Counter, build_app
from keeper.devnet.relay.book import Book
from keeper.devnet.relay.builders import DOCUMENTED, Builder
from keeper.devnet.relay.desk import Desk
from keeper.devnet.relay.faults import Fault, Faults
from keeper.devnet.relay.lottery import Lottery
from keeper.devnet.relay.pool import Pool, Sighting
from keeper.devnet.relay.slots import Slot, Slots
from keeper.devnet.rpc import RpcClient
from keeper.devnet.serving import HOST, Server, done_in, own_loop
from keeper.domain.errors import SetupError, Unreachable


class Producer:
    """Makes the blocks: ``await producer.next()`` from any loop. Every method raises as ``RpcClient.call``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, slots: Slots) -> None:
        self._loop = loop
        self._slots = slots

    @property
    def lottery(self) -> Lottery:
        return self._slots.lottery

    async def next(self) -> Slot:
        """Mines one block."""
        return await done_in(self._loop, self._slots.next())

    async def reorganise(self, depth: int) -> tuple[str, ...]:
        """Takes away the newest blocks. Whatever was in them is in the public pool then, private or not; their hashes, oldest first."""
        return await done_in(self._loop, self._slots.reorganise(depth))


class Relay:
    """Use it as ``async with Relay.open(...) as relay``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, counter: Counter, pool: Pool, book: Book) -> None:
        self.book = book
        """What the builders have been sent; look at it, but let requests change it."""
        self.slots = Producer(loop, counter.slots)
        self._loop = loop
        self._port = port
        self._counter = counter
        self._pool = pool
        self._server: Server | None = None
        self._beat: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        node_url: str,
        *,
        builders: Sequence[Builder] = DOCUMENTED,
        lottery: Lottery | None = None,
        seed: int = 1,
        slot_s: float | None = None,
        port: int = 0,
    ) -> AsyncIterator[Self]:
        """Answers on loopback until the block ends, and is the only one that makes blocks of the node.

        ``lottery`` None: one of the builders' shares with ``seed``. ``slot_s``: seconds from block to block; None: only ``slots.next`` makes them.
        Raises SetupError for a node that mines by itself or by fees, OSError for a port that is taken, and as ``RpcClient.call``.
        """
        drawn = lottery or Lottery(seed, builders)
        async with own_loop("devnet-relay") as loop:
            rpc, self = await done_in(loop, cls._build(node_url, tuple(builders), drawn, slot_s, port))
            try:
                yield self
            finally:
                await done_in(loop, self._close(rpc))

    def url(self, builder: str) -> str:
        """Where this builder answers; its status page is at ``/tx/HASH`` below. Raises KeyError."""
        return f"{self.base_url}/{self._counter.builders[builder].name}"

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at its end."""
        return f"http://{HOST}:{self._port}"

    @property
    def asked(self) -> list[Asked]:
        """The requests so far."""
        return self._counter.asked

    def inject(self, fault: Fault) -> None:
        """Breaks it: see ``FaultKind``. Of several faults that fit a request, the newest counts."""
        self._counter.faults.inject(fault)

    def heal(self) -> None:
        """Takes all faults away; a request that hangs goes on hanging, and what was buried stays so."""
        self._counter.faults.heal()

    async def sighting(self, tx_hash: str) -> Sighting | None:
        """Whether and when the node's public pool held this transaction, since the relay was opened. Raises as ``RpcClient.call``."""
        await done_in(self._loop, self._counter.slots.look())
        return self._pool.seen.get(tx_hash)

    async def public_before(self, tx_hash: str, block: int) -> Sighting | None:
        """That the public pool held it before this block was made; None: it did not. Exact as long as nobody else makes blocks."""
        seen = await self.sighting(tx_hash)
        return seen if seen is not None and seen.block < block else None

    async def go_down(self) -> None:
        """Connections are refused, open ones are closed. What it knows stays. Safe to call twice."""
        await done_in(self._loop, self._stop())

    async def come_up(self) -> None:
        """Answers again, on the same port. Raises OSError when somebody else took it."""
        await done_in(self._loop, self._start())

    @classmethod
    async def _build(
        cls, node_url: str, builders: tuple[Builder, ...], lottery: Lottery, slot_s: float | None, port: int
    ) -> tuple[RpcClient, Self]:
        rpc, book, faults = RpcClient(node_url), Book(), Faults()
        try:
            await _check(rpc)
            pool = await Pool.watched(rpc)
            slots = Slots(rpc, book, pool, builders, lottery)
            chain_id = quantity(await rpc.call("eth_chainId"))
            counter = Counter(builders, Desk(rpc, book, chain_id), slots, faults)
            self = cls(asyncio.get_running_loop(), port, counter, pool, book)
            await self._start()
        except BaseException:
            await rpc.close()
            raise
        if slot_s is not None:
            self._beat = asyncio.create_task(_beat(slots, slot_s))
        return rpc, self

    async def _start(self) -> None:
        if self._server is None:
            server = Server(build_app(self._counter), self._port)
            await server.start()
            self._port, self._server = server.port, server

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._counter.closing.set()
            await server.stop()
            self._counter.closing = asyncio.Event()

    async def _close(self, rpc: RpcClient) -> None:
        try:
            await self._stop()
            if self._beat is not None:
                self._beat.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._beat
        finally:
            await rpc.close()


async def _beat(slots: Slots, slot_s: float) -> None:
    while True:
        await asyncio.sleep(slot_s)
        with contextlib.suppress(Unreachable):  # the node may be away for a while
            await slots.next()


async def _check(rpc: RpcClient) -> None:
    """That blocks are made by the relay alone, in the order in which it hands transactions over. Raises SetupError."""
    automatic, interval, info = await rpc.batch(
        [("anvil_getAutomine", []), ("anvil_getIntervalMining", []), ("anvil_nodeInfo", [])]
    )
    order = info.get("transactionOrder") if isinstance(info, dict) else None
    if automatic is not False or interval is not None or order != "fifo":
        raise SetupError("the relay's node must not mine by itself", remedy="start anvil with --no-mining --order fifo")
