"""A keeper with the preset ``aave-v3`` beside a real Aave v3: the spot price is a feed on the chain too, so that all depends on blocks alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from keeper.adapters.clock import SystemClock
from keeper.config.template import template
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata, send
from keeper.devnet.world import World
from tests.support.aave import ETHER, AaveMarket, Right, deploy_aave
from tests.support.contract_calls import transact
from tests.support.keeper_stage import Stage
from tests.support.real_contracts import AGGREGATOR, Stand, npm_artifact

MARKET = "WETH"
FAIR = 2_000 * 10**8
BORROW_CAP = 40_000
"""Whole tokens; the supply cap is 50,000."""
MINUTE_MS = 60_000


class JumpingClock(SystemClock):
    """The machine's clock, moved ahead by a test: a keeper's windows go by its own clock."""

    jumped_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.jumped_ms

    def monotonic_ms(self) -> float:
        return super().monotonic_ms() + self.jumped_ms


@dataclass(frozen=True)
class _Ground:
    """What a Stage asks of a world."""

    node: Anvil
    keeper: Account
    deployed_block: int


@dataclass
class AaveStage:
    """``spot`` is the market's price; Aave's own oracle reads ``aave.reserves[ETHER].feed``."""

    aave: AaveMarket
    spot: str
    stage: Stage
    clock: JumpingClock = field(default_factory=JumpingClock)

    @property
    def node(self) -> Anvil:
        return self.aave.node

    def write(self) -> None:
        """The preset with its addresses put in, live, with the spot price from the feed; the rest is as it stands."""
        text = template("aave-v3")[0]
        placeholder = "0x000000000000000000000000000000000000dEaD"
        for address in (self.aave.oracle, self.aave.configurator, self.aave.data_provider):
            text = text.replace(placeholder, address, 1)
        text = text.replace("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", self.aave.asset(ETHER))
        text = text.replace('supply-floor: "100000"', 'supply-floor: "30000"').replace('"50000"', '"20000"')
        spot = f'  eth: {{kind: chainlink, address: "{self.spot}", unit: price, max_age: 10h}}\n'
        text = re.sub(r"  eth-binance:\n.*?\nmarkets:", f"{spot}\nmarkets:", text, flags=re.DOTALL)
        text = text.replace("id: 1  ", "id: 31337").replace("mode: shadow", "mode: live")
        text = re.sub(
            r"\nnotify:.*",
            "\nnotify: [{kind: log}]\nsigner: {kind: key-file, path: keeper.key}\n",
            text,
            flags=re.DOTALL,
        )
        self.stage.config.write_text(text.replace("${KEEPER_RPC_URL}", self.node.ws_url), encoding="utf-8")

    async def price(self, *, spot: int, oracle: int) -> None:
        """Both feeds, in 10 ** -8 dollar; seen with the next block."""
        for feed, value in ((self.spot, spot), (self.aave.reserves[ETHER].feed, oracle)):
            await send(self.node, self.aave.admin, feed, calldata("updateAnswer(int256)", value))

    async def step(self, *, spot: int, oracle: int, ended: Callable[[], bool]) -> None:
        """A block with these prices a minute later, by the chain's time and by the clock, evaluated."""
        await self.price(spot=spot, oracle=oracle)
        await self.node.rpc("evm_increaseTime", MINUTE_MS // 1000)
        self.clock.jumped_ms += MINUTE_MS
        block = await self.node.block_number()
        await self.stage.mine_until(lambda: self.stage.evaluated() > block, ended=ended)

    async def grant(self, right: Right) -> None:
        await self._mined(self.aave.grant(right, self.stage.key.address))

    async def revoke(self, right: Right) -> None:
        await self._mined(self.aave.revoke(right, self.stage.key.address))

    async def _mined(self, change: object) -> None:
        """At once, although blocks come only when a test mines."""
        await self.node.rpc("evm_setAutomine", True)
        await change  # type: ignore[misc]
        await self.node.rpc("evm_setAutomine", False)


@asynccontextmanager
async def aave_staged(folder: Path, *rights: Right) -> AsyncIterator[AaveStage]:
    """A market with a fair price and a key that has these rights; from then on blocks come only when the test mines."""
    async with Anvil() as node:
        aave = await deploy_aave(node)
        key = node.accounts[6]
        for right in rights:
            await aave.grant(right, key.address)
        call = calldata("setBorrowCap(address,uint256)", aave.asset(ETHER), BORROW_CAP)
        await transact(node, aave.steward, aave.configurator, call)
        spot = await Stand(node).put(npm_artifact(AGGREGATOR), 8, FAIR)
        await node.rpc("evm_setAutomine", False)
        ground = _Ground(node, key, await node.block_number())
        stage = Stage(cast(World, ground), folder)
        path = folder / "keeper.key"
        path.touch(mode=0o600)
        path.write_text(key.private_key + "\n", encoding="ascii")
        yield AaveStage(aave, spot, stage)
