"""The real Aave v3 that tests deploy: its rights, pauses and caps do what its authors say."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata, view
from keeper.domain.errors import Refused
from tests.support.aave import (
    COLLATERAL,
    DOLLAR,
    DOLLARS,
    ETHER,
    NOT_POOL_OR_EMERGENCY_ADMIN,
    NOT_RISK_OR_POOL_ADMIN,
    OWED,
    PACKAGE,
    RESERVE_PAUSED,
    SUPPLY_CAP_EXCEEDED,
    AaveMarket,
    Right,
    deploy_aave,
)
from tests.support.contract_calls import linked, refusal, transact
from tests.support.real_contracts import npm_artifact

# One deployment for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed_market() -> AsyncIterator[AaveMarket]:
    async with Anvil() as node:
        yield await deploy_aave(node)


@pytest_asyncio.fixture(loop_scope="module")
async def market(deployed_market: AaveMarket) -> AsyncIterator[AaveMarket]:
    """As it was deployed, whatever the test before this one did."""
    snapshot = await deployed_market.node.rpc("evm_snapshot")
    yield deployed_market
    assert await deployed_market.node.rpc("evm_revert", snapshot)


async def test_market__fresh__lends_against_collateral_at_its_oracles_prices(market: AaveMarket) -> None:
    dollar, ether = market.reserves[DOLLAR], market.reserves[ETHER]
    assert (await market.price(DOLLAR), await market.price(ETHER)) == (10**8, 2_000 * 10**8)
    # Lent and owed grow with each second.
    assert 0 <= await market.lent(DOLLAR, market.supplier) - dollar.units(DOLLARS) < dollar.units(10)
    assert 0 <= await market.owed(DOLLAR, market.borrower) - dollar.units(OWED) < dollar.units(10)
    assert await market.lent(ETHER, market.borrower) == ether.units(COLLATERAL)
    for name, reserve in market.reserves.items():
        assert (await market.paused(name), await market.supply_cap(name)) == (False, reserve.supply_cap)


async def test_market__price_that_halves__makes_the_loan_one_to_liquidate(market: AaveMarket) -> None:
    signature = "getUserAccountData(address)(uint256,uint256,uint256,uint256,uint256,uint256)"
    assert int((await view(market.node, market.pool, signature, market.borrower))[5]) > 10**18
    feed = market.reserves[ETHER].feed
    await transact(market.node, market.admin, feed, calldata("updateAnswer(int256)", 499 * 10**8))
    assert await market.price(ETHER) == 499 * 10**8
    assert int((await view(market.node, market.pool, signature, market.borrower))[5]) < 10**18


async def test_pause__by_the_emergency_admin__stops_this_reserve_alone_until_it_is_lifted(market: AaveMarket) -> None:
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, True))
    assert [await market.paused(name) for name in (DOLLAR, ETHER)] == [True, False]
    assert await market.withdraw_refused(DOLLAR, 1, market.supplier) == RESERVE_PAUSED
    assert await market.supply_refused(DOLLAR, 1, market.outsider) == RESERVE_PAUSED
    await market.withdraw(ETHER, 1, market.borrower)
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, False))
    before = await market.lent(DOLLAR, market.supplier)
    await market.withdraw(DOLLAR, 10**6, market.supplier)
    assert await market.lent(DOLLAR, market.supplier) < before
    assert not await market.paused(DOLLAR)


async def test_pause__without_the_right__is_refused(market: AaveMarket) -> None:
    data = market.pause_data(DOLLAR, True)
    for account in (market.steward, market.outsider):
        assert await refusal(market.node, account, market.configurator, data) == NOT_POOL_OR_EMERGENCY_ADMIN
    assert not await market.paused(DOLLAR)


async def test_supply_cap__cut_by_the_risk_admin__takes_up_to_it_and_not_one_unit_more(market: AaveMarket) -> None:
    cap = DOLLARS + 1_000
    await transact(market.node, market.steward, market.configurator, market.supply_cap_data(DOLLAR, cap))
    assert await market.supply_cap(DOLLAR) == cap
    dollar = market.reserves[DOLLAR]
    assert await market.supply_refused(DOLLAR, dollar.units(1_000) + 1, market.outsider) == SUPPLY_CAP_EXCEEDED
    await market.supply(DOLLAR, dollar.units(1_000 - 10), market.outsider)
    # The interest that is due counts too, so that the last few dollars are not to be had.
    assert await market.supply_refused(DOLLAR, dollar.units(10) + 1, market.outsider) == SUPPLY_CAP_EXCEEDED


async def test_supply_cap__without_the_right__is_refused(market: AaveMarket) -> None:
    data = market.supply_cap_data(DOLLAR, 1)
    for account in (market.guardian, market.outsider):
        assert await refusal(market.node, account, market.configurator, data) == NOT_RISK_OR_POOL_ADMIN
    assert await market.supply_cap(DOLLAR) == market.reserves[DOLLAR].supply_cap


@pytest.mark.parametrize("right", list(Right))
async def test_right__granted_and_revoked__is_held_in_between(market: AaveMarket, right: Right) -> None:
    data = market.pause_data(ETHER, True) if right is Right.EMERGENCY else market.supply_cap_data(ETHER, 49_999)
    assert not await market.holds(right, market.outsider)
    await market.grant(right, market.outsider)
    assert await market.holds(right, market.outsider)
    await transact(market.node, market.outsider, market.configurator, data)
    await market.revoke(right, market.outsider)
    assert not await market.holds(right, market.outsider)
    with pytest.raises(Refused):
        await transact(market.node, market.outsider, market.configurator, data)


async def test_refusal__call_that_goes_through__fails(market: AaveMarket) -> None:
    data = market.pause_data(DOLLAR, True)
    with pytest.raises(AssertionError, match="went through"):
        await refusal(market.node, market.guardian, market.configurator, data)


async def test_linked__library_without_an_address__is_an_error() -> None:
    configurator = npm_artifact(f"{PACKAGE}/protocol/pool/PoolConfigurator.sol/PoolConfigurator.json")
    library = "contracts/protocol/libraries/logic/ConfiguratorLogic.sol:ConfiguratorLogic"
    with pytest.raises(KeyError):
        linked(configurator, {library + "2": "0x" + "ab" * 20})
    code = linked(configurator, {library: "0x" + "ab" * 20}).bytecode
    assert "ab" * 20 in code
    assert bytes.fromhex(code[2:])
