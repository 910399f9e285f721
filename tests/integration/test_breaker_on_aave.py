"""CircuitBreaker on the real Aave v3, holding its emergency and risk rights itself, and through a real Safe 1.4.1 that holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from eth_abi.abi import encode
from eth_account import Account as Signer

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.transactions import calldata
from keeper.domain.address import keccak256
from keeper.domain.errors import Refused
from tests.support.aave import (
    DOLLAR,
    DOLLARS,
    ETHER,
    NOT_POOL_OR_EMERGENCY_ADMIN,
    NOT_RISK_OR_POOL_ADMIN,
    RESERVE_PAUSED,
    SUPPLY_CAP_EXCEEDED,
    Right,
)
from tests.support.aave_breaker import (
    COOLDOWN_S,
    CUT,
    DURATION_S,
    EVIDENCE,
    LOCK_S,
    MAX_CAP,
    MIN_CAP,
    PAUSE,
    WINDOW_S,
    AaveBreaker,
    Status,
    deploy_aave_breaker,
    register_data,
    trip_data,
)
from tests.support.contract_calls import any_calldata, ask, events, refusal, transact
from tests.support.real_contracts import NOBODY
from tests.support.safe import BY_MODULE, CALL

# One deployment for each way: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

TRIPPED = ("Tripped(bytes32,address,bytes32,uint256,uint256[],uint256[])", "(uint256,uint256[],uint256[])")
EXPIRED = ("Expired(bytes32,address,bool)", "(bool)")
ORDERS = "tripMany((bytes32,uint256[],bytes32)[])"
LARGEST_STEP = MAX_CAP // 5
MOST_GAS_OVER_THE_TARGETS_OWN = 90_000
DOMAIN = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
ORDER = b"Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["direct", "through a Safe"])
async def deployed(request: pytest.FixtureRequest) -> AsyncIterator[AaveBreaker]:
    async with Anvil() as node:
        yield await deploy_aave_breaker(node, through_safe=request.param != "direct")


@pytest_asyncio.fixture(loop_scope="module")
async def breaker(deployed: AaveBreaker) -> AsyncIterator[AaveBreaker]:
    """As it was deployed, whatever the test before this one did."""
    snapshot = await deployed.node.rpc("evm_snapshot")
    yield deployed
    assert await deployed.node.rpc("evm_revert", snapshot)


def word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


# ---------------------------------------------------------------------------------------------------------------- pause


async def test_pause__tripped__stops_withdrawals_of_this_reserve_alone_and_names_its_evidence(
    breaker: AaveBreaker,
) -> None:
    market = breaker.market
    at_s = await breaker.time_s() + 100
    receipt = await breaker.trip(PAUSE, at_s=at_s)
    told = (PAUSE, word(breaker.keeper), EVIDENCE, at_s + DURATION_S, (), ())
    assert events(receipt, breaker.address, *TRIPPED) == [told]
    assert [await market.paused(name) for name in (DOLLAR, ETHER)] == [True, False]
    assert await market.withdraw_refused(DOLLAR, 1, market.supplier) == RESERVE_PAUSED
    await market.withdraw(ETHER, 1, market.borrower)
    state = await breaker.state(PAUSE)
    assert (state.status, state.expires_at) == (Status.TRIPPED, at_s + DURATION_S)


async def test_pause__at_its_end__is_taken_back_by_anyone_and_not_a_second_before(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    end = (await breaker.state(PAUSE)).expires_at
    not_due = any_calldata("NotDue(bytes32,uint256)", PAUSE, end)
    assert await breaker.expire_refused(PAUSE, at_s=end - 1) == not_due
    assert await market.paused(DOLLAR)
    receipt = await breaker.expire(PAUSE, at_s=end)
    assert events(receipt, breaker.address, *EXPIRED) == [(PAUSE, word(market.outsider), True)]
    assert not await market.paused(DOLLAR)
    await market.withdraw(DOLLAR, 10**6, market.supplier)
    state = await breaker.state(PAUSE)
    assert (state.status, state.ready_at) == (Status.READY, end + COOLDOWN_S)


async def test_pause__ratified__outlives_its_duration_until_the_council_lifts_it(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await breaker.council(calldata("ratify(bytes32)", PAUSE))
    end = (await breaker.state(PAUSE)).expires_at
    assert await breaker.expire_refused(PAUSE, at_s=end + 1) == any_calldata("NotInEffect(bytes32)", PAUSE)
    assert await market.paused(DOLLAR)
    await breaker.council(calldata("lift(bytes32,bool)", PAUSE, True))
    assert not await market.paused(DOLLAR)
    assert (await breaker.state(PAUSE)).status is Status.READY


async def test_pause__lifted__ends_at_once_and_is_locked_to_the_second(breaker: AaveBreaker) -> None:
    await breaker.trip(PAUSE)
    await breaker.council(calldata("lift(bytes32,bool)", PAUSE, True))
    assert not await breaker.market.paused(DOLLAR)
    state = await breaker.state(PAUSE)
    assert state.locked_until == await breaker.time_s() + LOCK_S
    assert state.locked_until > state.ready_at
    locked = any_calldata("LockedAfterLift(bytes32,uint256)", PAUSE, state.locked_until)
    assert await breaker.trip_refused(PAUSE, at_s=state.locked_until - 1) == locked
    await breaker.trip(PAUSE, at_s=state.locked_until)
    assert await breaker.market.paused(DOLLAR)


async def test_pause__lifted_without_its_undo__leaves_the_reserve_to_the_protocols_own_people(
    breaker: AaveBreaker,
) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await breaker.council(calldata("lift(bytes32,bool)", PAUSE, False))
    assert (await market.paused(DOLLAR), (await breaker.state(PAUSE)).status) == (True, Status.READY)
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, False))
    assert not await market.paused(DOLLAR)


async def test_pause__of_a_reserve_that_somebody_else_paused__is_refused(breaker: AaveBreaker) -> None:
    market = breaker.market
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, True))
    assert await breaker.trip_refused(PAUSE) == any_calldata("AlreadySo(bytes32)", PAUSE)
    assert (await breaker.state(PAUSE)).status is Status.READY


async def test_pause__that_somebody_else_took_back__expires_without_a_call(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, False))
    receipt = await breaker.expire(PAUSE, at_s=(await breaker.state(PAUSE)).expires_at)
    assert events(receipt, breaker.address, *EXPIRED) == [(PAUSE, word(market.outsider), False)]
    assert [log for log in receipt["logs"] if log["address"].lower() == market.configurator.lower()] == []


# ------------------------------------------------------------------------------------------------------------ supply cap


async def test_cap__cut_by_the_largest_step__holds_and_goes_back_at_its_end(breaker: AaveBreaker) -> None:
    market = breaker.market
    cap = MAX_CAP - LARGEST_STEP
    receipt = await breaker.trip(CUT, cap)
    ((_, _, _, end, previous, values),) = events(receipt, breaker.address, *TRIPPED)
    assert (previous, values) == ((MAX_CAP,), (cap,))
    assert (await market.supply_cap(DOLLAR), await breaker.changes(CUT)) == (cap, ((MAX_CAP, cap),))
    room = market.reserves[DOLLAR].units(cap - DOLLARS)
    assert await market.supply_refused(DOLLAR, room + 1, market.outsider) == SUPPLY_CAP_EXCEEDED
    assert await market.supply_cap(ETHER) == market.reserves[ETHER].supply_cap
    await breaker.expire(CUT, at_s=end)
    assert await market.supply_cap(DOLLAR) == MAX_CAP
    await market.supply(DOLLAR, room + 1, market.outsider)


async def test_cap__ratified_and_lifted__goes_back_to_what_it_was(breaker: AaveBreaker) -> None:
    await breaker.trip(CUT, MAX_CAP - 1)
    await breaker.council(calldata("ratify(bytes32)", CUT))
    assert await breaker.market.supply_cap(DOLLAR) == MAX_CAP - 1
    await breaker.council(calldata("lift(bytes32,bool)", CUT, True))
    assert await breaker.market.supply_cap(DOLLAR) == MAX_CAP


async def test_cap__beyond_the_step_or_to_the_wrong_side__is_refused(breaker: AaveBreaker) -> None:
    market = breaker.market
    too_far = MAX_CAP - LARGEST_STEP - 1
    step = any_calldata("StepTooLarge(uint256,uint256,uint256,uint256)", 0, too_far, MAX_CAP, LARGEST_STEP)
    assert await breaker.trip_refused(CUT, too_far) == step
    for value in (MAX_CAP + 1, MIN_CAP - 1, 0):
        bounds = any_calldata("OutOfBounds(uint256,uint256,uint256,uint256)", 0, value, MIN_CAP, MAX_CAP)
        assert await breaker.trip_refused(CUT, value) == bounds
    low = MAX_CAP - 1_000
    await transact(market.node, market.steward, market.configurator, market.supply_cap_data(DOLLAR, low))
    for value in (low, low + 1, MAX_CAP):
        loose = any_calldata("NotTighter(uint256,uint256,uint256)", 0, value, low)
        assert await breaker.trip_refused(CUT, value) == loose
    assert (await market.supply_cap(DOLLAR), (await breaker.state(CUT)).status) == (low, Status.READY)


async def test_cap__near_its_floor__reaches_it_and_not_below(breaker: AaveBreaker) -> None:
    market = breaker.market
    data = market.supply_cap_data(DOLLAR, MIN_CAP + 100)
    await transact(market.node, market.steward, market.configurator, data)
    await breaker.trip(CUT, MIN_CAP)
    assert await market.supply_cap(DOLLAR) == MIN_CAP


async def test_cap__that_the_steward_has_set_since__stays_as_he_set_it(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(CUT, MAX_CAP - LARGEST_STEP)
    await transact(market.node, market.steward, market.configurator, market.supply_cap_data(DOLLAR, 5_000_000))
    receipt = await breaker.expire(CUT, at_s=(await breaker.state(CUT)).expires_at)
    assert events(receipt, breaker.address, *EXPIRED) == [(CUT, word(market.outsider), False)]
    assert await market.supply_cap(DOLLAR) == 5_000_000


async def test_cap__cut_twice_within_one_window__goes_no_lower_the_third_time(breaker: AaveBreaker) -> None:
    first_s = await breaker.time_s() + 10
    await breaker.trip(CUT, MAX_CAP - LARGEST_STEP, at_s=first_s)
    for values in (CUT, MAX_CAP - 1), (CUT, MIN_CAP):
        assert await breaker.trip_refused(*values) == any_calldata("InEffect(bytes32)", CUT)
    end = first_s + DURATION_S
    await breaker.expire(CUT, at_s=end)
    rest = any_calldata("CoolingDown(bytes32,uint256)", CUT, end + COOLDOWN_S)
    assert await breaker.trip_refused(CUT, MAX_CAP - 1, at_s=end + COOLDOWN_S - 1) == rest
    await breaker.trip(CUT, MAX_CAP - 1, at_s=end + COOLDOWN_S)
    await breaker.expire(CUT, at_s=end + COOLDOWN_S + DURATION_S)
    spent = any_calldata("BudgetSpent(bytes32,uint256)", CUT, first_s + WINDOW_S)
    assert await breaker.trip_refused(CUT, MAX_CAP - 1, at_s=first_s + WINDOW_S - 1) == spent
    await breaker.trip(CUT, MAX_CAP - 1, at_s=first_s + WINDOW_S)


# -------------------------------------------------------------------------------------------------------- several, rights


async def test_both__in_one_call__take_effect_and_one_that_cannot_is_left_behind(breaker: AaveBreaker) -> None:
    market = breaker.market
    orders = [(PAUSE, [], EVIDENCE), (CUT, [MAX_CAP - 5], EVIDENCE)]
    snapshot = await market.node.rpc("evm_snapshot")
    await transact(market.node, breaker.keeper, breaker.address, any_calldata(ORDERS, orders))
    assert (await market.paused(DOLLAR), await market.supply_cap(DOLLAR)) == (True, MAX_CAP - 5)
    await market.node.rpc("evm_revert", snapshot)
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, True))
    receipt = await transact(market.node, breaker.keeper, breaker.address, any_calldata(ORDERS, orders))
    refused = ("OrderRefused(bytes32,bytes32,bytes)", "(bytes)")
    reason = any_calldata("AlreadySo(bytes32)", PAUSE)
    assert events(receipt, breaker.address, *refused) == [(PAUSE, EVIDENCE, reason)]
    assert await market.supply_cap(DOLLAR) == MAX_CAP - 5


async def test_trip__right_that_aave_has_taken_away__fails_with_aaves_own_words_and_costs_no_budget(
    breaker: AaveBreaker,
) -> None:
    market = breaker.market
    cases = (
        (Right.EMERGENCY, PAUSE, (), NOT_POOL_OR_EMERGENCY_ADMIN),
        (Right.RISK, CUT, (MAX_CAP - 1,), NOT_RISK_OR_POOL_ADMIN),
    )
    for right, name, values, words in cases:
        before = await breaker.state(name)
        await market.revoke(right, breaker.holder)
        failed = any_calldata("CallFailed(address,bytes)", market.configurator, words)
        assert await breaker.trip_refused(name, *values) == failed
        assert await breaker.state(name) == before
        await market.grant(right, breaker.holder)
        await breaker.trip(name, *values)


async def test_expiry__right_that_aave_has_taken_away__waits_until_it_is_back(breaker: AaveBreaker) -> None:
    market = breaker.market
    await breaker.trip(PAUSE)
    await market.revoke(Right.EMERGENCY, breaker.holder)
    end = (await breaker.state(PAUSE)).expires_at
    failed = any_calldata("CallFailed(address,bytes)", market.configurator, NOT_POOL_OR_EMERGENCY_ADMIN)
    assert await breaker.expire_refused(PAUSE, at_s=end) == failed
    assert ((await breaker.state(PAUSE)).status, await market.paused(DOLLAR)) == (Status.TRIPPED, True)
    await market.grant(Right.EMERGENCY, breaker.holder)
    await breaker.expire(PAUSE)
    assert not await market.paused(DOLLAR)


async def test_keys__keepers_and_strangers__reach_aave_by_their_trips_alone(breaker: AaveBreaker) -> None:
    market = breaker.market
    for data, words in (
        (market.pause_data(DOLLAR, True), NOT_POOL_OR_EMERGENCY_ADMIN),
        (market.supply_cap_data(DOLLAR, 1), NOT_RISK_OR_POOL_ADMIN),
    ):
        assert await refusal(market.node, breaker.keeper, market.configurator, data) == words
    for stranger in (market.outsider, market.guardian):
        no_keeper = any_calldata("NotKeeper(address)", stranger)
        assert await refusal(market.node, stranger, breaker.address, trip_data(PAUSE)) == no_keeper
    for data in (calldata("ratify(bytes32)", PAUSE), calldata("lift(bytes32,bool)", PAUSE, True)):
        no_council = any_calldata("OwnableUnauthorizedAccount(address)", breaker.keeper)
        assert await refusal(market.node, breaker.keeper, breaker.address, data) == no_council
    await breaker.council(calldata("revokeKeeper(address)", breaker.keeper))
    assert await breaker.trip_refused(PAUSE) == any_calldata("NotKeeper(address)", breaker.keeper)
    assert not await market.paused(DOLLAR)


async def test_lift__of_a_breaker_that_has_not_tripped__is_refused(breaker: AaveBreaker) -> None:
    with pytest.raises(Refused):
        await breaker.council(calldata("lift(bytes32,bool)", PAUSE, True))


async def test_trip__that_wants_two_keepers__goes_by_their_signatures_over_this_order_once(
    breaker: AaveBreaker,
) -> None:
    market = breaker.market
    second, stranger = breaker.node.accounts[5], breaker.node.accounts[4]
    keepers = [one for one in breaker.node.accounts if one.address in (breaker.keeper, second.address)]
    pair = b"pause-by-two".ljust(32, b"\0")
    await breaker.council(
        calldata("addKeeper(address)", second.address), register_data(pair, breaker.pause_breaker(required=2))
    )
    assert await breaker.trip_refused(pair) == any_calldata("WrongNumberOfSignatures(uint256,uint256)", 2, 1)
    end = await breaker.time_s() + 600
    forged = await signed_trip(breaker, pair, end, [keepers[0], stranger])
    assert await refusal(market.node, breaker.keeper, breaker.address, forged) == any_calldata(
        "NotKeeper(address)", stranger.address
    )
    data = await signed_trip(breaker, pair, end, keepers)
    await transact(market.node, second.address, breaker.address, data)
    assert await market.paused(DOLLAR)
    await breaker.council(calldata("lift(bytes32,bool)", pair, False))
    await transact(market.node, market.guardian, market.configurator, market.pause_data(DOLLAR, False))
    # The nonce has moved on: the same signatures recover to two strangers, in either order.
    again = await refusal(market.node, second.address, breaker.address, data)
    refusals = (
        any_calldata("NotKeeper(address)", NOBODY),
        any_calldata("SignersNotAscending(address,address)", NOBODY, NOBODY),
    )
    assert again[:4] in {one[:4] for one in refusals}
    assert not await market.paused(DOLLAR)


async def signed_trip(breaker: AaveBreaker, name: bytes, deadline_s: int, keepers: Sequence[Account]) -> bytes:
    """Calldata of tripSigned, with a digest made here by EIP-712 and held against the contract's own."""
    nonce = (await breaker.state(name)).nonce
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    names = [keccak256(one) for one in (DOMAIN, b"CircuitBreaker", b"1")]
    domain = keccak256(encode(kinds, [*names, breaker.node.chain_id, breaker.address]))
    fields = [keccak256(ORDER), name, keccak256(b""), EVIDENCE, nonce, deadline_s]
    content = keccak256(encode(["bytes32"] * 4 + ["uint256"] * 2, fields))
    digest = keccak256(b"\x19\x01" + domain + content)
    order: tuple[Any, ...] = (name, [], EVIDENCE)
    signature = "orderDigest((bytes32,uint256[],bytes32),uint256)"
    assert await ask(breaker.node, breaker.address, signature, "(bytes32)", order, deadline_s) == (digest,)
    ordered = sorted(keepers, key=lambda one: int(one.address, 16))
    signatures = [bytes(Signer.unsafe_sign_hash(digest, one.private_key).signature) for one in ordered]
    return any_calldata("tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])", order, deadline_s, signatures)


# ------------------------------------------------------------------------------------------------------------------- gas


@pytest.mark.parametrize(("name", "values"), [(PAUSE, ()), (CUT, (MAX_CAP - 1,))], ids=["pause", "cut"])
async def test_gas__of_a_trip__stays_within_the_bound_over_the_same_call_without_the_breaker(
    breaker: AaveBreaker, name: bytes, values: tuple[int, ...]
) -> None:
    market = breaker.market
    data = market.supply_cap_data(DOLLAR, *values) if values else market.pause_data(DOLLAR, True)
    if breaker.safe is not None:
        await breaker.safe.enable_module(market.guardian)
    snapshot = await market.node.rpc("evm_snapshot")
    if breaker.safe is None:
        holder = market.steward if values else market.guardian
        alone = await transact(market.node, holder, market.configurator, data)
    else:
        by_module = any_calldata(BY_MODULE, market.configurator, 0, data, CALL)
        alone = await transact(market.node, market.guardian, breaker.safe.address, by_module)
    await market.node.rpc("evm_revert", snapshot)
    tripped = await breaker.trip(name, *values)
    assert 0 < quantity(tripped["gasUsed"]) - quantity(alone["gasUsed"]) <= MOST_GAS_OVER_THE_TARGETS_OWN
