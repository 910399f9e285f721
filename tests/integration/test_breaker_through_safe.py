"""CircuitBreaker as a module of a real Safe 1.4.1 that holds the rights on the real Aave v3: what only a Safe in between brings.

Pause, cut, expiry, ratify, lift and the refusals, which are the same with and without a Safe, are in test_breaker_on_aave.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata
from keeper.domain.errors import Refused
from tests.support.aave import DOLLAR, Right
from tests.support.aave_breaker import (
    CUT,
    MAX_CAP,
    PAUSE,
    AaveBreaker,
    Status,
    deploy_aave_breaker,
    register_data,
)
from tests.support.contract_calls import any_calldata, events, refusal, transact
from tests.support.safe import BY_MODULE, CALL, DELEGATE_CALL, NOT_A_MODULE, NOT_AN_OWNER, Safe

# One deployment for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

FIRST_MODULE = "0x0000000000000000000000000000000000000001"
"""Where a Safe's list of modules begins: the newest module stands behind it."""
FROM_MODULE = ("ExecutionFromModuleSuccess(address)", "()")
ANOTHER = b"another".ljust(32, b"\0")
NO_COUNCIL = "OwnableUnauthorizedAccount(address)"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed() -> AsyncIterator[AaveBreaker]:
    async with Anvil() as node:
        yield await deploy_aave_breaker(node, through_safe=True)


@pytest_asyncio.fixture(loop_scope="module")
async def breaker(deployed: AaveBreaker) -> AsyncIterator[AaveBreaker]:
    """As it was deployed, whatever the test before this one did."""
    snapshot = await deployed.node.rpc("evm_snapshot")
    yield deployed
    assert await deployed.node.rpc("evm_revert", snapshot)


@pytest.fixture
def safe(breaker: AaveBreaker) -> Safe:
    assert breaker.safe is not None
    return breaker.safe


async def disable(safe: Safe, module: str) -> None:
    await safe.execute(safe.address, any_calldata("disableModule(address,address)", FIRST_MODULE, module))


async def test_rights__on_aave__are_the_safes_and_not_the_breakers(breaker: AaveBreaker, safe: Safe) -> None:
    for right in Right:
        assert await breaker.market.holds(right, safe.address)
        for account in (breaker.address, breaker.keeper):
            assert not await breaker.market.holds(right, account)
    assert await safe.has_module(breaker.address)


async def test_trip__through_the_safe__is_a_module_call_that_leaves_the_owners_nonce_alone(
    breaker: AaveBreaker, safe: Safe
) -> None:
    market = breaker.market
    waiting = await safe.signed(market.configurator, market.supply_cap_data(DOLLAR, 9_000_000))
    nonce = await safe.nonce()
    receipt = await breaker.trip(PAUSE)
    word = bytes.fromhex(breaker.address[2:]).rjust(32, b"\0")
    assert events(receipt, safe.address, *FROM_MODULE) == [(word,)]
    assert await safe.nonce() == nonce
    # What the owners had signed before the trip is as good as ever.
    await transact(safe.node, safe.payer, safe.address, waiting)
    assert (await market.supply_cap(DOLLAR), await market.paused(DOLLAR)) == (9_000_000, True)
    assert await refusal(safe.node, safe.payer, safe.address, waiting) == NOT_AN_OWNER


async def test_module__that_the_owners_disable__can_neither_trip_nor_end_a_trip(
    breaker: AaveBreaker, safe: Safe
) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await disable(safe, breaker.address)
    end = (await breaker.state(PAUSE)).expires_at
    assert await breaker.expire_refused(PAUSE, at_s=end) == NOT_A_MODULE
    before = await breaker.state(CUT)
    assert await breaker.trip_refused(CUT, MAX_CAP - 1) == NOT_A_MODULE
    assert await breaker.state(CUT) == before
    assert ((await breaker.state(PAUSE)).status, await market.paused(DOLLAR)) == (Status.TRIPPED, True)
    await safe.enable_module(breaker.address)
    await breaker.expire(PAUSE)
    assert not await market.paused(DOLLAR)


async def test_owners__of_the_safe__act_on_aave_beside_the_breaker(breaker: AaveBreaker, safe: Safe) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await safe.execute(market.configurator, market.pause_data(DOLLAR, False))
    assert not await market.paused(DOLLAR)
    receipt = await breaker.expire(PAUSE, at_s=(await breaker.state(PAUSE)).expires_at)
    ((_, _, undone),) = events(receipt, breaker.address, "Expired(bytes32,address,bool)", "(bool)")
    assert not undone
    assert events(receipt, safe.address, *FROM_MODULE) == []


async def test_council__ratifies_one_and_lifts_the_other__in_one_transaction_of_the_safe(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await breaker.trip(CUT, MAX_CAP - 1)
    await breaker.council(calldata("ratify(bytes32)", PAUSE), calldata("lift(bytes32,bool)", CUT, True))
    assert [(await breaker.state(name)).status for name in (PAUSE, CUT)] == [Status.RATIFIED, Status.READY]
    assert (await market.paused(DOLLAR), await market.supply_cap(DOLLAR)) == (True, MAX_CAP)
    with pytest.raises(Refused):
        await breaker.council(calldata("lift(bytes32,bool)", PAUSE, True), calldata("lift(bytes32,bool)", CUT, True))
    assert await market.paused(DOLLAR)


async def test_stolen_key__of_a_keeper__moves_neither_the_safe_nor_the_registrations(
    breaker: AaveBreaker, safe: Safe
) -> None:
    market, thief = breaker.market, breaker.keeper
    for operation in (CALL, DELEGATE_CALL):
        data = any_calldata(BY_MODULE, market.configurator, 0, market.pause_data(DOLLAR, True), operation)
        assert await refusal(safe.node, thief, safe.address, data) == NOT_A_MODULE
    refused = any_calldata(NO_COUNCIL, thief)
    for data in (
        register_data(ANOTHER, breaker.cut_breaker()),
        calldata("unregister(bytes32)", PAUSE),
        calldata("addKeeper(address)", market.outsider),
        calldata("transferOwnership(address)", thief),
    ):
        assert await refusal(safe.node, thief, breaker.address, data) == refused
    data = any_calldata("enableModule(address)", thief)
    assert await refusal(safe.node, thief, safe.address, data) == any_calldata("Error(string)", "GS031")


async def test_register__of_calls_to_the_safe_itself_or_of_a_safe_without_code__is_refused(
    breaker: AaveBreaker, safe: Safe
) -> None:
    """A module that may call its own Safe could give itself anything."""
    good = breaker.pause_breaker()
    await safe.node.impersonate(safe.address)
    await safe.node.set_balance(safe.address, 10**18)
    for place, value, what in ((0, safe.address, b"target"), (4, breaker.market.outsider, b"safe")):
        data = register_data(ANOTHER, (*good[:place], value, *good[place + 1 :]))
        words = any_calldata("Invalid(bytes32)", what.ljust(32, b"\0"))
        assert await refusal(safe.node, safe.address, breaker.address, data) == words
    await transact(safe.node, safe.address, breaker.address, register_data(ANOTHER, good))
    await safe.node.stop_impersonating(safe.address)
