"""What all runs of one process share: a node with the demo protocol, an address of it that can be taken away, an empty log to copy."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.clock import SystemClock
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.mempool import Mempool
from keeper.devnet.relay import Relay
from keeper.devnet.transactions import calldata, send
from keeper.devnet.world import Role, World, deploy_world
from keeper.domain.errors import Refused
from tests.support.keeper_stage import FAIR, MARKET, OTHER

GAS_LIMIT = 30_000_000
FULL = 1_000_000
"""Gas of a block while others fill every one: a single transaction of theirs has room in it."""
GWEI = 10**9
BASE_FEE_WEI = GWEI
GLUTTON = "0x000000000000000000000000000000000000f001"
BURNS_ALL = "0x5b600056"
"""Jumps to its own beginning until the gas is used up."""


class Ground:
    """``reset`` before each run: then the chain is as it was at the start, and nothing waits."""

    def __init__(self, world: World, public: Mempool, folder: Path, postgres: Callable[[], str] | None) -> None:
        self.world = world
        self.node: Anvil = world.node
        self.public = public
        self._template = folder / "template.db"
        self._postgres = postgres
        self._snapshot = ""

    async def prepare(self) -> None:
        """Once."""
        await self.node.set_code(GLUTTON, BURNS_ALL)
        await self.world.settle([await self.world.push_price(market, FAIR, wait=False) for market in (MARKET, OTHER)])
        await self.world.grant(Role.PAUSER, self.world.trader.address)
        store = await SqlAuditStore.open(sqlite_url(self._template), create=True)
        await store.close()
        self._snapshot = await self.node.rpc("evm_snapshot")

    async def reset(self) -> None:
        """As at the start."""
        self.public.heal()
        await self.public.come_up()
        assert await self.node.rpc("evm_revert", self._snapshot)
        self._snapshot = await self.node.rpc("evm_snapshot")
        await self.public.settled()
        for transaction in self.public.pending:  # of the last run: mined in blocks that are gone
            await self.public.drop(transaction.tx_hash)
        await self.node.rpc("anvil_dropAllTransactions")
        self.public.arrivals.clear()
        await self.node.rpc("evm_setBlockGasLimit", hex(GAS_LIMIT))
        await self.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        await self.node.mine()

    @asynccontextmanager
    async def relay(self, seed: int) -> AsyncIterator[Relay]:
        """Builders at the shares that they have outside, with a lottery of this seed; they make all blocks as long as they are there."""
        async with Relay.open(self.node.http_url, seed=seed) as relay:
            yield relay

    async def new_log(self, kind: str, folder: Path) -> str:
        """The URL of an empty log."""
        if kind == "postgres":
            assert self._postgres is not None, "no run has its log there without a server"
            url = self._postgres()
            store = await SqlAuditStore.open(url, create=True)
            await store.close()
            return url
        path = folder / "keeper.db"
        shutil.copyfile(self._template, path)
        return sqlite_url(path)

    # -- the chain --------------------------------------------------------------------------------------------------------------

    @property
    def key(self) -> Account:
        return self.world.keeper

    async def block(self, number: int | str = "latest", *, full: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = await self.node.rpc(
            "eth_getBlockByNumber", number if isinstance(number, str) else hex(number), full
        )
        return found

    async def sent(self, first: int) -> list[dict[str, Any]]:
        """Every mined transaction of the keeper's key from this block on, each with its receipt's ``status``."""
        found = []
        for number in range(first, await self.node.block_number() + 1):
            for transaction in (await self.block(number, full=True))["transactions"]:
                if transaction["from"].lower() == self.key.address.lower():
                    receipt = await self.node.rpc("eth_getTransactionReceipt", transaction["hash"])
                    found.append({**transaction, "status": receipt["status"]})
        return found

    async def waiting(self) -> list[str]:
        """The hashes of the key's transactions that wait for a block, on the node or for a lower base fee."""
        content = await self.node.rpc("txpool_content")
        mine = [by for sender, by in content["pending"].items() if sender.lower() == self.key.address.lower()]
        there = [transaction["hash"] for by in mine for transaction in by.values()]
        return sorted({*there, *(one.tx_hash for one in self.public.pending)})

    async def forget(self) -> None:
        """Every node drops what waits."""
        for tx_hash in await self.waiting():
            if not await self.public.drop(tx_hash):
                await self.node.rpc("anvil_dropTransaction", tx_hash)

    async def pause_by_somebody_else(self, *, first: bool) -> None:
        """In the next block; ``first``: before whatever the keeper has sent."""
        data = calldata("pauseMarket(bytes32)", self.world.market_id(MARKET))
        async with self._ahead() if first else nullcontext():
            await send(self.node, self.world.trader.address, self.world.exchange, data)

    async def take_nonce(self) -> str:
        """Somebody else uses the keeper's key: a transaction to nobody with the next nonce, at a price that nobody outbids."""
        await self.forget()
        nonce = await self.node.rpc("eth_getTransactionCount", self.key.address, "latest")
        fields = {"from": self.key.address, "to": GLUTTON[:-1] + "2", "nonce": nonce, "gas": hex(21_000)}
        fields |= {"maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**11)}
        return str(await self.node.rpc("eth_sendTransaction", fields))

    async def crowd(self) -> None:
        """Others fill the next block, and offer more than whatever waits, so that they are in it alone."""
        tip = max([GWEI, *(one.tip_wei for one in self.public.pending)]) + GWEI
        fee = int((await self.block())["baseFeePerGas"], 16) * 2 + tip
        fields = {"from": self.node.accounts[7].address, "to": GLUTTON, "gas": hex(FULL)}
        fields |= {"maxFeePerGas": hex(fee), "maxPriorityFeePerGas": hex(tip)}
        async with self._ahead():
            await self.node.rpc("eth_sendTransaction", fields)

    @asynccontextmanager
    async def _ahead(self) -> AsyncIterator[None]:
        """What is sent meanwhile comes before what waits: the node takes transactions in the order of arrival."""
        waiting = self.public.pending
        for one in waiting:
            await self.node.rpc("anvil_dropTransaction", one.tx_hash)
        yield
        for one in waiting:
            with suppress(Refused):  # below the base fee: it waits
                await self.node.rpc("eth_sendRawTransaction", one.raw)


@asynccontextmanager
async def grounded(folder: Path, postgres: Callable[[], str] | None = None) -> AsyncIterator[Ground]:
    """``postgres`` makes an empty database and gives its URL; None: there is no server."""
    async with Anvil(no_mining=True, extra=("--order", "fifo")) as node:
        world = await deploy_world(node, (MARKET, OTHER))
        async with Mempool(node.http_url, SystemClock().now_ms) as public:
            ground = Ground(world, public, folder, postgres)
            await ground.prepare()
            yield ground
