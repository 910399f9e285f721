"""The demo protocol on a real node, in every mining mode."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode

from keeper.devnet.anvil import Anvil
from keeper.devnet.markets import DEFAULT_MARKETS
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, deploy, deployed, settle
from keeper.devnet.world import (
    DEPOSIT,
    MAX_LEVERAGE,
    MULTICALL3,
    POOL,
    POSITION_SIZE,
    WITHDRAWAL_LIMIT,
    Role,
    World,
    deploy_world,
)
from keeper.domain.address import keccak256
from keeper.domain.errors import MalformedAnswer, Refused, SetupError, UnitError, Unreachable

pytestmark = pytest.mark.integration

MODES = {
    "auto": {},
    "interval": {"block_time_s": 1.0},
    "fraction": {"block_time_s": 0.5},
    "manual": {"no_mining": True},
}


@pytest.mark.parametrize("mode", MODES)
async def test_deploy_world__any_mining_mode__is_complete_and_leaves_the_mode(mode: str) -> None:
    async with Anvil(**MODES[mode]) as node:  # type: ignore[arg-type]
        before = (await node.rpc("anvil_getAutomine"), await node.rpc("anvil_getIntervalMining"))
        world = await deploy_world(node)
        assert (await node.rpc("anvil_getAutomine"), await node.rpc("anvil_getIntervalMining")) == before
        assert world.markets == DEFAULT_MARKETS
        for market in world.markets:
            assert not await world.paused(market)
            assert await world.withdrawal_limit(market) == WITHDRAWAL_LIMIT
            assert await world.max_leverage(market) == MAX_LEVERAGE
        assert await node.block_number() <= 30
        await world.push_price("ETH-PERP", Decimal("2999.5"))
        assert await world.price("ETH-PERP") == Decimal("2999.5")


async def test_deploy_world__by_the_clock__goes_on_mining_by_the_clock(world_blocks: World) -> None:
    node = world_blocks.node
    assert await node.wait_for_block(await node.block_number() + 1)


async def test_deploy_world__other_markets__are_the_ones_asked_for(anvil: Anvil) -> None:
    world = await deploy_world(anvil, ["DOGE-PERP"])
    assert await world.price("DOGE-PERP") == Decimal(100)
    with pytest.raises(UnitError, match="no market 'ETH-PERP'"):
        await world.paused("ETH-PERP")


async def test_world__feeds__say_what_they_price(world: World) -> None:
    for market, price in (("ETH-PERP", 3000), ("BTC-PERP", 60000), ("SOL-PERP", 150)):
        feed = world.feeds[market]
        assert await world.price(market) == price
        assert await world.read(feed, "decimals()(uint8)") == (8,)
        assert await world.read(feed, "description()(string)") == (f"{market[:3]} / USD",)
        assert await world.read(feed, "reporter()(address)") == (world.reporter.address,)
        assert await world.read(world.exchange, "oracleOf(bytes32)(address)", world.market_ids[market]) == (feed,)


async def test_world__is_alive__with_pools_deposits_and_positions(world: World) -> None:
    for key in world.market_ids.values():
        account = await world.read(
            world.exchange, "accountOf(bytes32,address)(uint256,int256,uint256)", key, world.trader.address
        )
        assert account[:2] == (DEPOSIT, POSITION_SIZE)
        assert await world.read(world.exchange, "poolOf(bytes32)(uint256)", key) == (POOL,)
    assert await world.read(world.token, "balanceOf(address)(uint256)", world.exchange) == (3 * (POOL + DEPOSIT),)


async def test_world__accounts__are_distinct_and_funded(world: World) -> None:
    accounts = [world.admin, world.keeper, world.roleless, world.reporter, world.trader]
    assert len({account.address for account in accounts}) == 5
    for account in accounts:
        assert int(await world.node.rpc("eth_getBalance", account.address, "latest"), 16) > 10**18


async def test_world__roles__are_the_keepers_and_the_councils_and_nobody_elses(world: World) -> None:
    held = {
        (role, account.address)
        for role in Role
        for account in world.node.accounts
        if await world.has_role(role, account.address)
    }
    keeper, admin = world.keeper.address, world.admin.address
    assert held == {(Role.PAUSER, keeper), (Role.RISK, keeper), (Role.ADMIN, admin)}
    assert Role.PAUSER.id == keccak256(b"PAUSER_ROLE")


async def test_world__the_keeper_pauses__stops_that_market_only(world: World) -> None:
    market = world.market_ids["ETH-PERP"]
    await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", market)
    assert [name for name in world.markets if await world.paused(name)] == ["ETH-PERP"]
    with pytest.raises(Refused, match="reverted with the custom error"):
        await world.transact(world.trader, world.exchange, "closePosition(bytes32)", market)
    await world.transact(world.trader, world.exchange, "closePosition(bytes32)", world.market_ids["BTC-PERP"])
    await world.unpause("ETH-PERP")
    assert not await world.paused("ETH-PERP")


async def test_world__a_key_without_the_role__is_refused(world: World) -> None:
    for signature, args in (
        ("pauseMarket(bytes32)", ()),
        ("setWithdrawalLimit(bytes32,uint256)", (1,)),
        ("setMaxLeverage(bytes32,uint256)", (2,)),
    ):
        with pytest.raises(Refused, match="reverted"):
            await world.transact(world.roleless, world.exchange, signature, world.market_ids["ETH-PERP"], *args)
    assert not await world.paused("ETH-PERP")


async def test_world__revoke_and_grant__take_and_give_the_right(world: World) -> None:
    pause = ("pauseMarket(bytes32)", world.market_ids["SOL-PERP"])
    await world.revoke(Role.PAUSER, world.keeper.address)
    with pytest.raises(Refused):
        await world.transact(world.keeper, world.exchange, *pause)
    await world.grant(Role.PAUSER, world.roleless.address)
    await world.transact(world.roleless, world.exchange, *pause)
    assert await world.paused("SOL-PERP")


async def test_paused__at_a_block__is_what_it_was_then(world: World) -> None:
    before = await world.node.block_number()
    await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", world.market_ids["ETH-PERP"])
    assert not await world.paused("ETH-PERP", block=before)
    assert await world.paused("ETH-PERP", block=before + 1)


async def test_push_price__with_a_time__makes_a_stale_round(world: World) -> None:
    newest = await world.node.rpc("eth_getBlockByNumber", "latest", False)
    at_s = int(newest["timestamp"], 16) - 3600
    await world.push_price("ETH-PERP", Decimal("3001"), at_s=at_s)
    answer = await world.read(world.feeds["ETH-PERP"], "latestRoundData()(uint80,int256,uint256,uint256,uint80)")
    assert (answer[1], answer[3]) == (300_100_000_000, at_s)


async def test_push_price__too_many_decimals__is_refused_before_it_is_sent(world: World) -> None:
    block = await world.node.block_number()
    with pytest.raises(UnitError, match="decimals"):
        await world.push_price("ETH-PERP", Decimal("1.000000001"))
    assert await world.node.block_number() == block


async def test_push_price__not_waited_for__is_in_the_next_block(world_manual: World) -> None:
    hashes = [await world_manual.push_price(name, Decimal(7), wait=False) for name in world_manual.markets]
    assert await world_manual.price("ETH-PERP") == 3000
    block = await world_manual.node.mine()
    assert [await world_manual.price(name) for name in world_manual.markets] == [7, 7, 7]
    receipts = [await world_manual.node.rpc("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes]
    assert {int(receipt["blockNumber"], 16) for receipt in receipts} == {block}
    await world_manual.settle(hashes)


async def test_read__nothing_there__is_malformed_and_a_revert_is_refused(world: World) -> None:
    with pytest.raises(MalformedAnswer, match="needs at least") as caught:
        await world.read(world.trader.address, "decimals()(uint8)")
    assert "contract" in caught.value.remedy
    with pytest.raises(Refused) as refused:
        await world.read(world.exchange, "paused(bytes32)(bool)", "0x" + "00" * 32)
    assert refused.value.data.startswith("0x")


async def test_multicall__at_its_canonical_address__answers_several_calls_at_once(world: World) -> None:
    calls = [
        (world.exchange, True, calldata("paused(bytes32)", world.market_ids["ETH-PERP"])),
        (world.exchange, True, calldata("paused(bytes32)", b"\0" * 32)),
        (world.feeds["BTC-PERP"], True, calldata("decimals()")),
    ]
    selector = keccak256(b"aggregate3((address,bool,bytes)[])")[:4]
    data = "0x" + (selector + encode(["(address,bool,bytes)[]"], [calls])).hex()
    raw = await world.node.rpc("eth_call", {"to": MULTICALL3, "data": data}, "latest")
    (results,) = decode(["(bool,bytes)[]"], bytes.fromhex(raw[2:]))
    assert [ok for ok, _ in results] == [True, False, True]
    assert int.from_bytes(results[2][1], "big") == 8
    assert world.multicall == MULTICALL3


async def test_deploy__a_double_of_the_tests__stands_at_its_address(world: World) -> None:
    artifact = load_artifact("SilentTarget", file="Faulty")
    (target,) = await deployed(world.node, [await deploy(world.node, world.admin.address, artifact)])
    key = world.market_ids["ETH-PERP"]
    await world.transact(world.keeper, target, "pauseMarket(bytes32)", key)
    assert await world.read(target, "paused(bytes32)(bool)", key) == (False,)


async def test_deploy__constructor_arguments_that_do_not_fit__raises(world: World) -> None:
    with pytest.raises(UnitError):
        await deploy(world.node, world.admin.address, load_artifact("PriceFeed"), 8, "X / USD")


async def test_settle__a_transaction_that_no_block_takes__is_unreachable(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.devnet.transactions._TIMEOUT_S", 0.05)
    with pytest.raises(Unreachable, match="1 transactions are in no block"):
        await settle(anvil, ["0x" + "00" * 32])


async def test_settle__nothing_to_wait_for__mines_nothing(anvil_manual: Anvil) -> None:
    assert await settle(anvil_manual, []) == []
    assert await anvil_manual.block_number() == 0


async def test_deploy_world__contracts_not_compiled__names_the_remedy(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.devnet.toolchain.repository_root", lambda: tmp_path)
    with pytest.raises(SetupError, match="not compiled") as caught:
        await deploy_world(anvil)
    assert caught.value.remedy == "run: make setup"


async def test_deploy_world__two_at_once__do_not_meet() -> None:
    async def one() -> bool:
        async with Anvil() as node:
            world = await deploy_world(node)
            await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", world.market_ids["ETH-PERP"])
            return await world.paused("ETH-PERP")

    assert all(await asyncio.gather(one(), one()))
