"""One node, the demo protocol on it and a relay in front: each test has a key of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from eth_account import Account

from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.relay import Builder, Lottery, Relay
from keeper.devnet.transactions import calldata
from keeper.devnet.world import World, deploy_world
from tests.support.relay_client import Client, Signed, transaction

FIFO = ("--order", "fifo")
ETHER = 10**18


def always(name: str, *builders: Builder) -> Lottery:
    """Every block is this builder's."""
    found = Lottery(1, builders, empty_percent=0)
    found.winner = lambda block: name  # type: ignore[method-assign]
    return found


@dataclass
class Stage:
    """``identity`` is the key of the requests' headers; ``http`` is for all requests."""

    node: Anvil
    world: World
    relay: Relay
    http: httpx.AsyncClient
    identity: str

    def client(self, builder: str, *, key: str | None = "", header: str = "X-Flashbots-Signature") -> Client:
        """``key`` empty: the identity's."""
        return Client(self.http, self.relay.url(builder), self.identity if key == "" else key, header)

    async def purse(self) -> Purse:
        """A new key with ten ether that may pause."""
        account = Account.from_key(secrets.token_bytes(32))
        await self.node.set_balance(account.address, 10 * ETHER)
        return Purse(self, account.address, "0x" + bytes(account.key).hex())

    async def newest(self) -> int:
        return await self.node.block_number()

    async def in_pool(self, one: Signed) -> bool:
        """Whether anybody who asks the node could find it."""
        content: dict[str, Any] = await self.node.rpc("txpool_content")
        found = [tx for part in content.values() for sender in part.values() for tx in sender.values()]
        return any(tx["hash"] == one.hash for tx in found)

    async def receipt(self, one: Signed) -> Any:
        return await self.node.rpc("eth_getTransactionReceipt", one.hash)

    async def publish(self, one: Signed) -> None:
        assert await self.node.rpc("eth_sendRawTransaction", one.raw) == one.hash


@dataclass
class Purse:
    """Signs for a test."""

    stage: Stage
    address: str
    key: str

    def pay(self, nonce: int = 0, **more: Any) -> Signed:
        """Sends one wei to the trader."""
        return transaction(self.key, nonce, self.stage.world.trader.address, **{"value": 1, **more})

    def fails(self, nonce: int = 0, **more: Any) -> Signed:
        """Reverts: this key has no role."""
        world = self.stage.world
        data = calldata("pauseMarket(bytes32)", world.market_id("ETH-PERP"))
        return transaction(self.key, nonce, world.exchange, data, **more)

    async def count(self, when: str) -> int:
        return quantity(await self.stage.node.rpc("eth_getTransactionCount", self.address, when))


@asynccontextmanager
async def relay_stage(builders: tuple[Builder, ...], lottery: Lottery) -> AsyncIterator[Stage]:
    """Everything ends with the block."""
    async with Anvil(no_mining=True, extra=FIFO) as node:
        world = await deploy_world(node, ("ETH-PERP",))
        async with (
            Relay.open(node.http_url, builders=builders, lottery=lottery) as relay,
            httpx.AsyncClient(trust_env=False, timeout=60) as http,
        ):
            yield Stage(node, world, relay, http, "0x" + "77" * 32)
