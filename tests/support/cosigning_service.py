"""Two keepers with their own keys, logs and configurations, and a breaker that asks for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from keeper.devnet.accounts import Account
from keeper.devnet.transactions import calldata, send, settle
from keeper.domain.circuit_breaker import TRIPPED_TOPIC
from tests.support.aave_breaker import register_data
from tests.support.breaker_service import HEARTBEAT_S, ID, BreakerStage, breaker_staged
from tests.support.keeper_stage import MARKET, Stage
from tests.support.real_contracts import NOBODY


@asynccontextmanager
async def paired(folder: Path, place: str) -> AsyncIterator[tuple[BreakerStage, BreakerStage]]:
    """``place`` is where they leave orders for each other."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    async with breaker_staged(folder / "one") as one:
        world = one.stage.world
        two = BreakerStage(Stage(world, folder / "two"), one.contract)
        other = world.node.accounts[8]
        await one.council("addKeeper(address)", other.address)
        await one.council("unregister(bytes32)", ID)
        await register(one, required=2)
        write(one, world.keeper, place)
        write(two, other, place)
        yield one, two


async def trips(behind: BreakerStage) -> list[dict[str, list[str]]]:
    """The contract's events of trips, ever."""
    asked = {"address": behind.contract, "topics": [TRIPPED_TOPIC], "fromBlock": "0x0"}
    found: list[dict[str, list[str]]] = await behind.stage.node.rpc("eth_getLogs", asked)
    return found


async def register(behind: BreakerStage, *, required: int) -> None:
    world = behind.stage.world
    key = bytes.fromhex(world.market_id(MARKET)[2:])
    probe = (world.exchange, 0, calldata("paused(bytes32)", key), (1).to_bytes(32, "big"))
    calls = (calldata("pauseMarket(bytes32)", key), calldata("unpauseMarket(bytes32)", key))
    data = register_data(
        bytes.fromhex(ID[2:]), (world.exchange, 600, 60, 86_400, NOBODY, 600, 6, required, *calls, probe, [])
    )
    await settle(world.node, [await send(world.node, world.admin.address, behind.contract, data, 2_000_000)])


def write(keeper: BreakerStage, key: Account, place: str) -> None:
    path = keeper.write(cooldown="10m")
    keeper.stage.key = key
    (keeper.stage.folder / "keeper.key").write_text(key.private_key + "\n", encoding="ascii")
    text = path.read_text().replace(f"heartbeat: {HEARTBEAT_S}s}}", f'heartbeat: {HEARTBEAT_S}s, orders: "{place}"}}')
    assert place in text
    path.write_text(text)
