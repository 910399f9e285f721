"""The stage of the chain benchmarks: a real node that mines when told, the demo protocol, a venue, and a shock that can be repeated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from bench.contestant import Broken
from bench.trigger import Trigger
from keeper.adapters.chain.multicall import MULTICALL3, encode_aggregate3
from keeper.adapters.clock import SystemClock
from keeper.adapters.prices.chainlink import DECIMALS, MAX_ANSWER, MIN_ANSWER, ROUND
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.markets import DEFAULT_MARKETS, demo_market
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, send
from keeper.devnet.world import Role, World, deploy_world
from keeper.domain.abi import encode_call
from keeper.domain.action import FunctionCall

MARKET = DEFAULT_MARKETS[0]
CALM = demo_market(MARKET).start_price
SHOCKED = CALM * Decimal("0.94")
REST_S = 0.03
"""Between what prepares a trial and the trial: whatever the keeper does after a head (fees, nonce, its log) is over by then."""

S = TypeVar("S", bound="Stage")

HEAD = """\
# Written by the benchmark. The key is one of the local node's public test keys: worth nothing anywhere else.
keeper: {{name: bench, mode: live}}
chain:
  id: {chain_id}
  endpoints: [{{url: "{url}", role: primary}}]
  confirmations: 1
audit: {{url: "sqlite:///keeper.db"}}
signer: {{kind: key-file, path: keeper.key}}
routes: {{public: {{kind: public}}}}
notify: [{{kind: log}}]
actions:
  pause-market:
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    route: public
    cooldown: 1ms
    expires: 1m
  tighten-withdrawals:
    kind: rate-limit
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "250000000000"]
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"], expect: "250000000000"}}
    safe_side: lower
    route: public
"""

SOURCE = """\
  {name}-oracle: {{kind: chainlink, address: "{feed}", unit: price, max_age: 1h}}
  {name}-spot: {{kind: http, url: "{ticker}", value: lastPrice, time: closeTime, time_unit: ms, unit: price, every: 1s, timeout: 1s, max_age: 1m}}
"""

MARKET_TEXT = """\
  {market}:
    vars: {{id: "{id}"}}
    signals:
      divergence: {{kind: divergence, of: {name}-oracle, against: {against}}}
      volatility: {{kind: realised-volatility, of: {swings_of}, window: 10m, sampling: 1m}}
    rules:
      oracle-divergence:
        when: {{signal: divergence, above: 2%}}
        clear: {{below: 1%}}
        severity: critical
        actions: [pause-market]
      volatility-high:
        when: {{signal: volatility, above: {high}}}
        clear: {{below: {low}}}
        severity: warning
        actions: [tighten-withdrawals]
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """``rival`` is the peer's account: it may pause as the keeper's may, and has a nonce of its own."""

    world: World
    venue: Exchange
    rival: Account
    trigger: Trigger

    async def shock(self) -> None:
        """The oracle of the market leaves the venue's price with the next block."""
        await self.world.push_price(MARKET, SHOCKED, wait=False)
        await asyncio.sleep(REST_S)

    async def mine(self) -> None:
        await self.world.node.rpc("evm_mine")

    def pull(self) -> None:
        """Asks for the block that the trial begins with; ``settle`` makes sure of it afterwards."""
        self.trigger.pull()

    def settle(self) -> None:
        self.trigger.settle()

    async def require_paused(self, tx_hash: str) -> None:
        """Raises Broken unless this transaction is in a block with status 1 and the market is paused."""
        receipt = await self.world.node.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is None or receipt["status"] != "0x1" or not await self.world.paused(MARKET):
            raise Broken(f"{tx_hash} did not pause {MARKET}")

    async def calm(self) -> int:
        """The oracle comes back and the council lifts the pause, in one block; its number."""
        unpause = calldata("unpauseMarket(bytes32)", self.world.market_id(MARKET))
        await send(self.world.node, self.world.admin.address, self.world.exchange, unpause)
        await self.world.push_price(MARKET, CALM, wait=False)
        await self.mine()
        if await self.world.paused(MARKET):
            raise Broken(f"{MARKET} stayed paused")
        return await self.world.node.block_number()

    @property
    def calls(self) -> Sequence[FunctionCall]:
        """What is read at each block; the price on which a trip is decided is in the first."""
        world = self.world
        feeds = [
            FunctionCall(feed, view)
            for view in (ROUND, DECIMALS, MIN_ANSWER, MAX_ANSWER)
            for feed in world.feeds.values()
        ]
        views = "paused(bytes32)(bool)", "withdrawalLimit(bytes32)(uint256)"
        ids = [world.market_id(market) for market in world.markets]
        return [*feeds, *(FunctionCall(world.exchange, view, (one,)) for view in views for one in ids)]

    def for_rival(self) -> dict[str, Any]:
        """What a peer needs to know."""
        world = self.world
        reads = encode_aggregate3([encode_call(call) for call in self.calls])
        return {
            "url": world.node.ws_url,
            "http_url": world.node.http_url,
            "chain_id": world.node.chain_id,
            "key": self.rival.private_key,
            "exchange": world.exchange,
            "exchange_abi": load_artifact("PerpExchange").abi,
            "feed_abi": load_artifact("PriceFeed").abi,
            "feeds": list(world.feeds.values()),
            "market_ids": list(world.market_ids.values()),
            "pause_data": "0x" + calldata("pauseMarket(bytes32)", world.market_id(MARKET)).hex(),
            "reference": str(CALM),
            "multicall": MULTICALL3,
            "multicall_data": "0x" + reads.hex(),
        }

    def write_key(self, folder: Path) -> None:
        """The keeper's key, where its configuration looks for it."""
        key = folder / "keeper.key"
        key.touch(mode=0o600)
        key.write_text(self.world.keeper.private_key + "\n", encoding="ascii")

    def write_configuration(self, folder: Path) -> Path:
        """The keeper's configuration: four reads of each oracle and both effects of each market, 18 calls in one request."""
        self.write_key(folder)
        world = self.world
        text = HEAD.format(chain_id=world.node.chain_id, url=world.node.ws_url, exchange=world.exchange) + "sources:\n"
        for market in world.markets:
            ticker = self.venue.ticker_url(demo_market(market).symbol)
            text += SOURCE.format(name=short(market), feed=world.feeds[market], ticker=ticker)
        text += "markets:\n"
        for market in world.markets:
            name, spot = short(market), f"{short(market)}-spot"
            text += MARKET_TEXT.format(
                market=market, name=name, id=world.market_id(market), against=spot, swings_of=spot, high="5%", low="4%"
            )
        path = folder / "keeper.yaml"
        path.write_text(text, encoding="utf-8")
        return path


@contextlib.asynccontextmanager
async def staged(kind: type[S], markets: Sequence[str] = DEFAULT_MARKETS) -> AsyncIterator[S]:
    """Node, contracts with these markets, and venue; ended afterwards."""
    async with Anvil(no_mining=True) as node, Exchange(SystemClock().now_ms) as venue:
        world = await deploy_world(node, markets)
        for market in world.markets:
            venue.set_price(demo_market(market).symbol, demo_market(market).start_price)
        rival = node.accounts[5]
        grant = calldata("grantRole(bytes32,address)", Role.PAUSER.id, rival.address)
        await send(node, world.admin.address, world.exchange, grant)
        await node.rpc("evm_mine")
        trigger = Trigger(node.http_url)
        try:
            yield kind(world, venue, rival, trigger)
        finally:
            trigger.close()


def short(market: str) -> str:
    return market.split("-")[0].lower()
