"""The blocks that the local relay makes: what is in them, in which order, who can see it before, and what a reorganisation makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from keeper.devnet.anvil import quantity
from keeper.devnet.relay import DOCUMENTED, Builder, Lottery
from keeper.devnet.relay.decoded import Decoded, decode
from keeper.devnet.relay.simulation import Unfit, next_block, simulate
from keeper.devnet.rpc import RpcClient
from tests.support.relay_client import Signed, transaction
from tests.support.relay_stage import Purse, Stage, always, relay_stage

# One node and one relay for the whole file: the tests share its event loop. Each has keys of its own.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BUILDERS = (Builder("first", 50), Builder("second", 50), Builder("relay", leads_to=("first",)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Stage]:
    async with relay_stage(BUILDERS, always("first", *BUILDERS)) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(opened: Stage) -> AsyncIterator[Stage]:
    """The first wins every block, until a test says otherwise."""
    wins(opened, "first")
    yield opened


def wins(stage: Stage, name: str | None) -> None:
    stage.relay.slots.lottery.winner = lambda block: name  # type: ignore[method-assign]


async def mined(stage: Stage, one: Signed) -> tuple[int, int]:
    """Block and status."""
    receipt = await stage.receipt(one)
    return quantity(receipt["blockNumber"]), quantity(receipt["status"])


# --- order, and all or nothing


async def test_block__bundle_first__then_the_public_pool_by_tip(stage: Stage) -> None:
    rich, poor, ours = [await stage.purse() for _ in range(3)]
    low, high = poor.pay(0, tip_gwei=3), poor.pay(1, tip_gwei=90, max_fee_gwei=900)
    middle, last = rich.pay(0, tip_gwei=5, max_fee_gwei=800), rich.pay(1, tip_gwei=1)
    for one in (low, high, middle, last):
        await stage.publish(one)
    bundle = ours.pay(0, tip_gwei=1), ours.pay(1, tip_gwei=1)
    await stage.client("first").bundle(await stage.newest() + 1, *bundle)
    slot = await stage.relay.slots.next()
    assert slot.transactions == tuple(one.hash for one in (*bundle, middle, low, high, last))
    assert (slot.winner, slot.private) == ("first", tuple(one.hash for one in bundle))


async def test_block__of_several_bundles__those_that_pay_more_come_first(stage: Stage) -> None:
    one, two, three = [await stage.purse() for _ in range(3)]
    block = await stage.newest() + 1
    cheap, dear = one.pay(tip_gwei=1), two.pay(tip_gwei=3)
    await stage.client("first").bundle(block, cheap)
    await stage.client("first").bundle(block, dear)
    await stage.client("first").result("eth_sendPrivateTransaction", {"tx": three.pay(tip_gwei=2).raw})
    slot = await stage.relay.slots.next()
    assert slot.private == (dear.hash, three.pay(tip_gwei=2).hash, cheap.hash)


async def test_bundle__of_which_one_would_fail__is_left_out_whole(stage: Stage) -> None:
    purse = await stage.purse()
    await stage.client("first").bundle(await stage.newest() + 1, purse.pay(0), purse.fails(1))
    slot = await stage.relay.slots.next()
    assert slot.private == ()
    assert "would fail" in slot.left_out[0].reason
    assert (await purse.count("latest"), await stage.receipt(purse.pay(0))) == (0, None)


async def test_bundle__that_names_what_may_revert__is_put_in(stage: Stage) -> None:
    purse = await stage.purse()
    good, bad = purse.pay(0), purse.fails(1)
    await stage.client("first").bundle(await stage.newest() + 1, good, bad, revertingTxHashes=[bad.hash])
    slot = await stage.relay.slots.next()
    assert slot.private == (good.hash, bad.hash)
    assert [(await mined(stage, one))[1] for one in (good, bad)] == [1, 0]


async def test_bundle__for_one_block__is_in_that_one_or_in_none(stage: Stage) -> None:
    early, late = [await stage.purse() for _ in range(2)]
    newest = await stage.newest()
    await stage.client("first").bundle(newest + 1, early.pay())
    await stage.client("first").bundle(newest + 2, late.pay())
    wins(stage, None)
    assert (await stage.relay.slots.next()).private == ()
    wins(stage, "first")
    slot = await stage.relay.slots.next()
    assert (slot.number, slot.private) == (newest + 2, (late.pay().hash,))
    assert (await stage.relay.slots.next()).private == ()


async def test_bundle__outside_of_its_times__is_not_put_in(stage: Stage) -> None:
    purse = await stage.purse()
    client, block = stage.client("first"), await stage.newest() + 1
    await client.bundle(block, purse.pay(value=1), minTimestamp=2**40)
    await client.bundle(block, purse.pay(value=2), maxTimestamp=1)
    assert (await stage.relay.slots.next()).private == ()
    await client.bundle(block + 1, purse.pay(value=3), minTimestamp=1, maxTimestamp=2**40)
    assert (await stage.relay.slots.next()).private == (purse.pay(value=3).hash,)


@pytest.mark.parametrize(("winner", "builder", "included"), [
    ("second", "first", False), ("second", "second", True), (None, "first", False), ("first", "relay", True), ("second", "relay", False),
])  # fmt: skip
async def test_lottery__who_wins__decides_whose_bundles_count(
    stage: Stage, winner: str | None, builder: str, included: bool
) -> None:
    purse = await stage.purse()
    public = (await stage.purse()).pay()
    await stage.publish(public)
    await stage.client(builder).bundle(await stage.newest() + 1, purse.pay())
    wins(stage, winner)
    slot = await stage.relay.slots.next()
    assert slot.private == ((purse.pay().hash,) if included else ())
    assert public.hash in slot.transactions


async def test_bundle__sent_to_all_and_alone__is_mined_once(stage: Stage) -> None:
    purse = await stage.purse()
    one, block = purse.pay(), await stage.newest() + 1
    for name in ("first", "second", "relay"):
        await stage.client(name).bundle(block, one)
        await stage.client(name).result("eth_sendPrivateTransaction", {"tx": one.raw})
    slot = await stage.relay.slots.next()
    assert (slot.private, slot.left_out) == ((one.hash,), ())


async def test_bundle__with_the_nonce_of_a_public_one__wins_and_the_other_is_gone(stage: Stage) -> None:
    purse = await stage.purse()
    public, after, private = purse.pay(0, tip_gwei=4, max_fee_gwei=40), purse.pay(1), purse.pay(0, value=2)
    await stage.publish(public)
    await stage.publish(after)
    await stage.client("first").bundle(await stage.newest() + 1, private)
    slot = await stage.relay.slots.next()
    assert slot.transactions == (private.hash, after.hash)
    assert not await stage.in_pool(public)


async def test_bundle__that_is_public_too__is_first_all_the_same(stage: Stage) -> None:
    purse, other = [await stage.purse() for _ in range(2)]
    one, rich = purse.pay(tip_gwei=1), other.pay(tip_gwei=50, max_fee_gwei=500)
    await stage.publish(rich)
    await stage.publish(one)
    await stage.client("first").bundle(await stage.newest() + 1, one)
    slot = await stage.relay.slots.next()
    assert slot.transactions == (one.hash, rich.hash)
    assert await stage.relay.public_before(one.hash, slot.number) is not None


# --- who can see it


async def test_private__before_its_block__is_nowhere_in_the_node(stage: Stage) -> None:
    purse = await stage.purse()
    one, public = purse.pay(), (await stage.purse()).pay()
    watched = await stage.node.rpc("eth_newPendingTransactionFilter")
    await stage.client("first").bundle(await stage.newest() + 1, one)
    await stage.client("first").result("eth_sendPrivateTransaction", {"tx": one.raw})
    await stage.publish(public)
    assert await stage.node.rpc("eth_getFilterChanges", watched) == [public.hash]
    assert (await stage.in_pool(one), await stage.in_pool(public)) == (False, True)
    assert (await purse.count("pending"), await purse.count("latest")) == (0, 0)
    assert await stage.node.rpc("eth_getTransactionByHash", one.hash) is None
    slot = await stage.relay.slots.next()
    assert slot.transactions == (one.hash, public.hash)
    assert await stage.relay.sighting(one.hash) is None
    assert await stage.relay.public_before(one.hash, slot.number) is None
    seen = await stage.relay.public_before(public.hash, slot.number)
    assert seen is not None
    assert (seen.block, seen.uncled) == (slot.number - 1, False)
    assert await stage.relay.public_before(public.hash, slot.number - 1) is None


async def test_public_before__published_and_mined_unseen_by_any_question__is_known(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.pay()
    await stage.client("first").bundle(await stage.newest() + 1, one)
    await stage.publish(one)
    slot = await stage.relay.slots.next()
    assert await stage.relay.public_before(one.hash, slot.number) is not None


# --- the simulation against the node's own blocks


def varied(purse: Purse, rng: Random, nonce: int) -> Signed:
    """Of many kinds: payments, calls that go through, that revert, that run out of gas."""
    kind = rng.choice(["pay", "fails", "gas", "data"])
    tip = rng.randint(1, 9)
    if kind == "fails":
        return purse.fails(nonce, tip_gwei=tip)
    if kind == "gas":
        return purse.fails(nonce, gas=rng.randint(21_600, 26_000), tip_gwei=tip)
    if kind == "data":
        return purse.pay(nonce, data=rng.randbytes(rng.randint(1, 300)), tip_gwei=tip)
    return purse.pay(nonce, value=rng.randint(0, 10**18), tip_gwei=tip)


async def test_simulation__of_transactions_of_every_kind__is_what_the_node_then_mines(stage: Stage) -> None:
    rng = Random(5)
    rpc = RpcClient(stage.node.http_url)
    try:
        for _ in range(6):
            purse, other = [await stage.purse() for _ in range(2)]
            signed = [varied(purse, rng, nonce) for nonce in range(5)] + [other.pay(nonce) for nonce in range(2)]
            top = await next_block(rpc)
            ran = await simulate(rpc, top, [decode(bytes.fromhex(one.raw[2:])) for one in signed])
            for one in signed:
                await stage.publish(one)
            wins(stage, None)
            slot = await stage.relay.slots.next()
            receipts = [await stage.receipt(one) for one in signed]
            assert slot.transactions == tuple(one.hash for one in signed), "the node mines in the order of arrival"
            assert [(quantity(each["status"]), quantity(each["gasUsed"])) for each in receipts] == [
                (0 if each.error else 1, each.gas_used) for each in ran
            ]
            block = await stage.node.rpc("eth_getBlockByNumber", hex(slot.number), False)
            assert (top.number, top.base_fee_wei, top.gas_limit) == (
                slot.number, quantity(block["baseFeePerGas"]), quantity(block["gasLimit"]),
            )  # fmt: skip
            assert quantity(block["timestamp"]) >= top.timestamp_s
    finally:
        await rpc.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"nonce": 1}, "nonce too high"),
        ({"max_fee_gwei": 0.05, "tip_gwei": 0.01}, "less than block base fee"),
        ({"value": 11 * 10**18}, "insufficient funds"),
        ({"gas": 20_999}, "gas"),
        ({"gas": 16_777_217}, "gas"),
        ({"gas": 40_000_000}, "more gas than a block has"),
    ],
)
async def test_simulation__what_no_block_takes__is_unfit_and_left_out(
    stage: Stage, change: dict[str, Any], why: str
) -> None:
    purse = await stage.purse()
    one = purse.pay(**change)
    # a base fee above what the transaction offers
    await stage.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    await stage.client("first").bundle(await stage.newest() + 1, one)
    slot = await stage.relay.slots.next()
    assert slot.transactions == ()
    assert why in slot.left_out[0].reason


async def test_simulation__contract_that_is_made__is_left_out(stage: Stage) -> None:
    purse = await stage.purse()
    await stage.client("first").bundle(await stage.newest() + 1, transaction(purse.key, 0, None, b"\x00"))
    slot = await stage.relay.slots.next()
    assert (slot.private, slot.left_out[0].reason) == ((), "the node cannot simulate that a contract is made")


async def test_simulation__nonce_used_before__is_unfit(stage: Stage) -> None:
    purse = await stage.purse()
    await stage.publish(purse.pay(0))
    await stage.relay.slots.next()
    rpc = RpcClient(stage.node.http_url)
    try:
        late: Decoded = decode(bytes.fromhex(purse.pay(0, value=2).raw[2:]))
        with pytest.raises(Unfit, match="nonce too low"):
            await simulate(rpc, await next_block(rpc), [late])
    finally:
        await rpc.close()


async def test_bundle__that_pays_nothing_at_this_base_fee__is_left_out(stage: Stage) -> None:
    purse = await stage.purse()
    await stage.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(20 * 10**9))
    await stage.client("first").bundle(await stage.newest() + 1, purse.pay(max_fee_gwei=20))
    assert [one.reason for one in (await stage.relay.slots.next()).left_out] == ["pays no tip"]
    await stage.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    await stage.relay.slots.next()


# --- reorganisations


@pytest.mark.parametrize("how", ["anvil_rollback", "anvil_reorg"])
async def test_reorganisation__of_the_node__makes_the_uncled_bundle_public(stage: Stage, how: str) -> None:
    purse = await stage.purse()
    one = purse.pay()
    await stage.client("first").bundle(await stage.newest() + 1, one)
    before = await stage.relay.slots.next()
    assert before.private == (one.hash,)
    await stage.node.rpc(how, *([1] if how == "anvil_rollback" else [1, []]))
    assert await stage.receipt(one) is None
    slot = await stage.relay.slots.next()
    assert (slot.uncled, slot.private, slot.transactions) == ((one.hash,), (), (one.hash,))
    seen = await stage.relay.public_before(one.hash, slot.number)
    assert seen is not None
    assert seen.uncled


async def test_reorganise__by_the_relay__puts_everything_into_the_pool(stage: Stage) -> None:
    ours, theirs = [await stage.purse() for _ in range(2)]
    private, public = ours.pay(), theirs.pay()
    await stage.publish(public)
    await stage.client("first").bundle(await stage.newest() + 1, private)
    await stage.relay.slots.next()
    wins(stage, None)
    await stage.relay.slots.next()
    newest = await stage.newest()
    assert await stage.relay.slots.reorganise(2) == (private.hash, public.hash)
    assert await stage.newest() == newest - 2
    assert (await stage.in_pool(private), await stage.in_pool(public)) == (True, True)
    sightings = [await stage.relay.sighting(one.hash) for one in (private, public)]
    assert [one.uncled for one in sightings if one] == [True, False]
    slot = await stage.relay.slots.next()
    assert slot.transactions == (private.hash, public.hash)


# --- a life with the documented shares


async def test_documented_shares__sent_to_all_each_block__lands_when_the_lottery_says(stage: Stage) -> None:
    async with relay_stage(DOCUMENTED, Lottery(3)) as own:
        lottery = Lottery(3)
        for _ in range(4):
            purse = await own.purse()
            one = purse.pay()
            first = await own.newest() + 1
            expected = next(
                n for n in range(first, first + 99) if lottery.winner(n) in ("titan", "buildernet", "quasar")
            )
            while await own.receipt(one) is None:
                for builder in DOCUMENTED:
                    for ahead in (1, 2):
                        await own.client(builder.name).bundle(await own.newest() + ahead, one)
                await own.relay.slots.next()
            assert (await mined(own, one))[0] == expected


async def test_next__called_by_several_at_once__each_makes_one_block(stage: Stage) -> None:
    newest = await stage.newest()
    slots = await asyncio.gather(*[stage.relay.slots.next() for _ in range(5)])
    assert sorted(slot.number for slot in slots) == list(range(newest + 1, newest + 6))


async def test_block__with_the_worlds_own_transactions__has_both(stage: Stage) -> None:
    purse = await stage.purse()
    report = await stage.world.push_price("ETH-PERP", Decimal(1234), wait=False)
    await stage.client("first").bundle(await stage.newest() + 1, purse.pay())
    slot = await stage.relay.slots.next()
    assert slot.transactions == (purse.pay().hash, report)
    assert await stage.world.price("ETH-PERP") == 1234
