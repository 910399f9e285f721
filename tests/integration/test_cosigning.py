"""Two of three keepers over one book, on the real contract: one trip, whoever is quick; and nothing by keys, orders or files that do not count."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.orders.files import FileOrderBook
from keeper.adapters.orders.opening import open_order_book
from keeper.devnet.world import WITHDRAWAL_LIMIT, Role, World
from keeper.domain.circuit_breaker import TRIP_SIGNED, BreakerStatus
from keeper.domain.order import MAX_ORDER_LIFE_S, TripOrder, trip_signed_call
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.reverts import explain
from keeper.ports.orders import OrderBook
from tests.support.contract_calls import any_calldata, ask
from tests.support.quorum_stage import (
    EXPIRES_MS,
    LIMIT,
    MARKET,
    PAUSE,
    Keeper,
    QuorumStage,
    keepers,
    logs_hold,
    quorum_staged,
)

pytestmark = pytest.mark.integration

Make = Callable[[Path], OrderBook]
BOOKS: list[Make] = [
    lambda folder: open_order_book(str(folder / "orders")),
    lambda folder: open_order_book(sqlite_url(folder / "orders.db")),
]


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest_asyncio.fixture
async def stage(world: World) -> AsyncIterator[QuorumStage]:
    async with quorum_staged(world) as made:
        yield made


@pytest_asyncio.fixture(params=BOOKS, ids=["folder", "sqlite"])
async def three(
    request: pytest.FixtureRequest, stage: QuorumStage, tmp_path: Path, opened: AsyncExitStack
) -> list[Keeper]:
    """Each has its own hold on the same book."""
    books = [request.param(tmp_path) for _ in range(3)]
    for book in books:
        opened.push_async_callback(book.close)
    return await keepers(stage, books, tmp_path, opened)


@pytest_asyncio.fixture
async def found(stage: QuorumStage, tmp_path: Path, opened: AsyncExitStack) -> list[Keeper]:
    """Four keepers over one folder, of which the fourth is not listed with the contract."""
    return await keepers(stage, [FileOrderBook(tmp_path / "orders") for _ in range(4)], tmp_path, opened)


def outcomes(keeper: Keeper) -> list[tuple[OutcomeKind, Reason]]:
    return [(outcome.kind, outcome.reason) for outcome in keeper.outcomes]


async def test_two_of_three__decide_one_after_the_other__trip_once_and_both_logs_say_so(
    stage: QuorumStage, three: list[Keeper]
) -> None:
    first, second, third = three
    order = await first.decide(stage.pause())
    await first.look()
    assert await stage.trips() == 0, "one signature is not enough"
    await third.look()
    assert await third.steps() == [], "who has not decided it does not sign it"
    await second.decide(stage.pause())
    await second.look()
    await second.look()
    assert await stage.trips() == 1
    assert await stage.world.paused(MARKET)
    assert outcomes(second) == [(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)]
    await first.look()
    await first.look()
    assert outcomes(first) == [(OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)]
    assert await stage.trips() == 1
    assert first.cosigning.waiting == second.cosigning.waiting == ()
    assert first.failed == second.failed == [] == first.told
    (intent,) = await second.records(RecordKind.INTENT)
    assert str(intent.body["data"]).startswith("0x" + TRIP_SIGNED.hex())
    assert intent.body["evidence"] == "0x" + order.evidence.hex(), "that of the keeper that proposed it"
    signed, complete = [record.body for record in await second.records(RecordKind.ORDER)]
    assert signed["digest"] == complete["digest"]
    assert signed["own_evidence"] != signed["evidence"] == intent.body["evidence"]
    assert complete["signers"] == sorted([first.signer.address, second.signer.address], key=lambda one: int(one, 16))
    logs_hold(three)


async def test_three__decide_and_look_at_once__trip_once(stage: QuorumStage, three: list[Keeper]) -> None:
    for keeper in three:
        await keeper.decide(stage.pause())
    for _ in range(4):
        await asyncio.gather(*(keeper.look() for keeper in three))
    assert await stage.trips() == 1
    kinds = [kind for keeper in three for kind, _ in outcomes(keeper)]
    assert kinds.count(OutcomeKind.INCLUDED) == 1
    assert set(kinds) == {OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED}
    assert [keeper.failed for keeper in three] == [[], [], []]
    logs_hold(three)


async def test_a_parameter__is_set_to_the_value_that_was_signed(stage: QuorumStage, three: list[Keeper]) -> None:
    first, second, _ = three
    for keeper in (first, second):
        await keeper.decide(stage.limit(), before=str(WITHDRAWAL_LIMIT))
        await keeper.look()
    await second.look()
    await first.look()
    await first.look()
    assert await stage.world.withdrawal_limit(MARKET) == WITHDRAWAL_LIMIT // 2
    assert await stage.trips() == 1
    assert outcomes(second) == [(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)]
    assert outcomes(first) == [(OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)]
    assert (await stage.state(LIMIT)).status is BreakerStatus.TRIPPED


@pytest.mark.parametrize("gas_limit", [None, 500_000], ids=["estimated", "given"])
async def test_both_submit__in_one_block__the_second_finds_it_done_and_nobody_is_paged(
    stage: QuorumStage, found: list[Keeper], gas_limit: int | None
) -> None:
    """Where the node estimates the gas it knows of the first one's transaction; where it does not, the second one reverts in the block."""
    pair = found[:2]
    armed = stage.pause()
    armed = replace(armed, action=replace(armed.action, gas_limit=gas_limit))
    for keeper in pair:
        await keeper.decide(armed)
        keeper.cosigning._turn_ms = 0
    order = await stage.order(life_s=500)
    for keeper in pair:
        await keeper.book.put(await keeper.signs(order))
    await stage.world.node.rpc("evm_setAutomine", False)
    head = await stage.node.head()
    for keeper in pair:
        await keeper.cosigning.look(head)
    assert [len(keeper.executor.open_works) for keeper in pair] == [1, 1]
    await stage.world.node.mine()
    await stage.world.node.rpc("evm_setAutomine", True)
    for keeper in pair:
        await keeper.look()
    assert await stage.trips() == 1
    assert [kind for keeper in pair for kind, _ in outcomes(keeper)] == [OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED]
    assert [keeper.failed for keeper in pair] == [[], []]
    assert len(await found[1].records(RecordKind.RECEIPT)) == (0 if gas_limit is None else 1)
    logs_hold(pair)


async def test_who_completed_it__does_not_submit__another_does_after_its_turn(
    stage: QuorumStage, found: list[Keeper]
) -> None:
    first, second, *_ = found
    await first.decide(stage.pause())
    await first.look()
    (record,) = await first.records(RecordKind.ORDER)
    page = await first.book.look(0)
    assert record.body["digest"] == "0x" + page.signed[0].order.digest.hex()
    await first.book.put(await second.signs(page.signed[0].order))  # and then it is gone
    await first.look()
    assert await stage.trips() == 0, "it is the other one's turn"
    place = sorted((first.signer.address, second.signer.address), key=lambda one: int(one, 16)).index(
        first.signer.address
    )
    stage.clock.ms += 13_000 + place * 12_000
    await first.look()
    await first.look()
    assert await stage.trips() == 1
    assert outcomes(first) == [(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)]


async def test_revoked_keeper__its_signature_does_not_count(stage: QuorumStage, found: list[Keeper]) -> None:
    first, second, third, _ = found
    await second.decide(stage.pause())
    await second.look()
    await stage.council("revokeKeeper(address)", second.signer.address)
    await first.decide(stage.pause())
    await first.look()
    await first.look()
    assert await stage.trips() == 0
    assert len((await first.book.look(0)).signed) == 2, "what the revoked one asks for is not signed; it proposes anew"
    assert len({one.order.digest for one in (await first.book.look(0)).signed}) == 2
    await second.look()
    assert second.failed == [(MARKET, "pause", "missing-role")]
    await third.decide(stage.pause())
    await third.look()
    await third.look()
    assert await stage.trips() == 1
    assert outcomes(third) == [(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)]


async def test_stranger__proposes_and_signs__is_left_alone(stage: QuorumStage, found: list[Keeper]) -> None:
    first, _, _, stranger = found
    order = await stage.order(life_s=900)
    await first.book.put(await stranger.signs(order))
    await first.decide(stage.pause())
    await first.look()
    page = await first.book.look(0)
    assert {one.signer for one in page.signed if one.order == order} == {stranger.signer.address}
    assert {one.signer for one in page.signed if one.order != order} == {first.signer.address}
    assert await stage.trips() == 0


async def test_orders_for_something_else__are_not_signed(stage: QuorumStage, found: list[Keeper]) -> None:
    first, second, *_ = found
    head, nonce = await stage.node.head(), (await stage.state()).nonce
    right = TripOrder(stage.world.node.chain_id, stage.contract, PAUSE, (), b"\x07" * 32, nonce, head.timestamp_s + 300)
    wrong = [
        replace(right, chain_id=1),
        replace(right, contract=stage.world.exchange),
        replace(right, id=LIMIT, values=(1,)),
        replace(right, values=(1,)),
        replace(right, nonce=nonce + 1),
        replace(right, nonce=nonce - 1) if nonce else replace(right, nonce=nonce + 2),
        replace(right, deadline_s=head.timestamp_s - 1),
        replace(right, deadline_s=head.timestamp_s + MAX_ORDER_LIFE_S + 1_000),
    ]
    for order in wrong:
        await first.book.put(await second.signs(order))
    await first.decide(stage.pause())
    await first.look()
    mine = [one.order for one in (await first.book.look(0)).signed if one.signer == first.signer.address]
    assert len(mine) == 1
    assert mine[0] not in wrong
    assert await first.steps() == ["signed"]


async def test_forged_file__is_told_and_skipped_and_does_not_count(
    stage: QuorumStage, found: list[Keeper], tmp_path: Path
) -> None:
    first, second, *_ = found
    await first.decide(stage.pause())
    await first.look()
    (real,) = (tmp_path / "orders").iterdir()
    text = real.read_text().replace(first.signer.address, second.signer.address)
    (tmp_path / "orders" / "forged.json").write_text(text)
    stage.clock.ms += 20_000
    await first.look()
    assert await stage.trips() == 0
    assert any("forged.json" in said and "not that of" in said for said in first.faults)
    assert await first.steps() == ["signed"]


async def test_replay__of_what_has_tripped_once__is_refused_by_the_contract(
    stage: QuorumStage, found: list[Keeper]
) -> None:
    first, second, *_ = found
    for keeper in (first, second):
        await keeper.decide(stage.pause())
        await keeper.look()
    assert await stage.trips() == 1
    signed = (await first.book.look(0)).signed
    orders = {one.order for one in signed}
    assert len(orders) == 1
    await stage.council("lift(bytes32,bool)", bytes.fromhex(PAUSE[2:]), True)
    await stage.pass_s(601)
    assert (await stage.state()).status is BreakerStatus.READY
    again = await stage.node.simulate(trip_signed_call(signed), first.signer.address)
    assert not again.ok, explain(again.data).text
    await second.decide(stage.pause())
    await second.look()
    nonces = {one.order.nonce for one in (await second.book.look(0)).signed}
    assert len(nonces) == 2, "a new order for the new nonce"
    assert await stage.trips() == 1


async def test_too_few__the_time_is_over__is_told_with_who_has_not_signed(
    stage: QuorumStage, found: list[Keeper]
) -> None:
    first, second, third, _ = found
    head = await stage.node.head()
    old = TripOrder(stage.world.node.chain_id, stage.contract, PAUSE, (), b"\x07" * 32, 0, head.timestamp_s - 9_000)
    for keeper in (second, third):
        await keeper.book.put(await keeper.signs(old))
    await first.decide(stage.pause())
    await first.look()
    await stage.pass_s(EXPIRES_MS // 1000 + 1)
    await first.look()
    assert first.failed == [(MARKET, "pause", "too-few-signatures")]
    (notice,) = first.told
    assert f"1 of 2 keepers signed ({first.signer.address})" in notice.body
    for keeper in (second, third):
        assert keeper.signer.address in notice.body
    (outcome,) = await first.records(RecordKind.OUTCOME)
    assert (outcome.body["kind"], outcome.body["reason"]) == ("failed", "too-few-signatures")
    assert first.cosigning.waiting == ()
    logs_hold(found)


async def test_frozen__fails_at_once_in_words_and_signs_nothing(stage: QuorumStage, found: list[Keeper]) -> None:
    first, *_ = found
    await stage.council("freeze()")
    await first.decide(stage.pause())
    await first.look()
    assert first.failed == [(MARKET, "pause", "simulation-reverted")]
    assert "frozen" in first.told[0].body
    assert await first.steps() == []


async def test_killed__after_it_was_written_down_and_before_it_lay_in_the_book__is_put_there_by_the_next_run(
    stage: QuorumStage, found: list[Keeper], opened: AsyncExitStack
) -> None:
    first, second, *_ = found
    await first.decide(stage.pause())
    await first.look()
    (signed,) = (await first.book.look(0)).signed
    for path in first.book._folder.iterdir():  # type: ignore[attr-defined]
        path.unlink()
    await first.start(opened)
    await first.look()
    assert (await first.book.look(0)).signed == (signed,), "the same bytes"
    await second.decide(stage.pause())
    await second.look()
    assert await stage.trips() == 1


async def test_restart__another_value_for_the_same_nonce__is_not_signed_until_the_first_ones_deadline(
    stage: QuorumStage, found: list[Keeper], opened: AsyncExitStack
) -> None:
    first, *_ = found
    await first.decide(stage.limit(), before=str(WITHDRAWAL_LIMIT))
    await first.look()
    await first.start(opened)
    lower = WITHDRAWAL_LIMIT - 2
    world = stage.world
    await world.grant(Role.RISK, world.admin.address)
    await world.transact(
        world.admin, world.exchange, "setWithdrawalLimit(bytes32,uint256)", world.market_id(MARKET), lower
    )
    await first.decide(stage.limit(), before=str(lower))
    await first.look()
    values = {one.order.values for one in (await first.book.look(0)).signed}
    assert values == {(WITHDRAWAL_LIMIT // 2,)}
    assert await first.steps() == ["signed"]
    await stage.pass_s(EXPIRES_MS // 1000 + 1)
    await first.decide(stage.limit(), before=str(lower))
    await first.look()
    values = {one.order.values for one in (await first.book.look(0)).signed}
    assert values == {(WITHDRAWAL_LIMIT // 2,), (lower // 2,)}


async def test_digest__of_random_orders__is_the_contracts(stage: QuorumStage) -> None:
    """The contract hashes any order: it need not be registered. Its nonce is then zero, or that of the breaker."""
    numbers = random.Random(20)
    for number in range(40):
        registered = number % 2 == 0
        identifier = PAUSE if registered else "0x" + numbers.randbytes(31).hex() + "01"
        order = TripOrder(
            stage.world.node.chain_id,
            stage.contract,
            identifier,
            tuple(numbers.getrandbits(numbers.choice([1, 64, 256])) for _ in range(numbers.randrange(5))),
            numbers.randbytes(31) + b"\x01",
            (await stage.state()).nonce if registered else 0,
            numbers.getrandbits(40),
        )
        asked = (bytes.fromhex(identifier[2:]), order.values, order.evidence)
        (digest,) = await ask(
            stage.world.node,
            stage.contract,
            "orderDigest((bytes32,uint256[],bytes32),uint256)",
            "(bytes32)",
            asked,
            order.deadline_s,
        )
        assert order.digest == digest


async def test_calldata__is_that_of_the_abi(found: list[Keeper], stage: QuorumStage) -> None:
    order = TripOrder(stage.world.node.chain_id, stage.contract, LIMIT, (5, 2**256 - 1), b"\x07" * 32, 1, 1_800_000_000)
    signed = [await keeper.signs(order) for keeper in found]
    ordered = sorted(signed, key=lambda one: int(one.signer, 16))
    theirs = any_calldata(
        "tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])",
        (bytes.fromhex(order.id[2:]), order.values, order.evidence),
        order.deadline_s,
        [one.signature for one in ordered],
    )
    assert trip_signed_call(signed).data == theirs
