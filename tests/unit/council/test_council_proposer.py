"""Which nonce a proposal gets, what is adopted, and how a service that does not answer, or says no, is met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.app.council.ledger import Place, Proposed, Step, What
from keeper.app.council.proposer import Proposer, Reconciled
from keeper.domain.errors import Busy, Refused, UnitError, Unreachable
from keeper.domain.proposal import Queued
from keeper.domain.safe import Operation, SafeTransaction
from tests.support.council_world import FIRST_NONCE, MULTISEND, OTHER_ID, CouncilWorld, pause_of
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit
ELSE = SafeTransaction(CHAIN_ID, SAFE, FIRST_NONCE, TARGET, b"\x01\x02\x03\x04")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    return world


async def by_owner(world: CouncilWorld, transaction: SafeTransaction) -> None:
    await world.service.propose(transaction, OWNERS[1], signature(1, transaction.hash), "")


async def reconciled(world: CouncilWorld, *, first: bool, wanted: SafeTransaction | None = None) -> Reconciled:
    wanted = wanted or pause_of()
    state = await world.reader.state(await world.chain.head())
    return await world.proposer.reconcile(state, [(wanted.to, wanted.value, wanted.data)], first=first)


async def made(
    world: CouncilWorld, transaction: SafeTransaction | None = None, proposer: Proposer | None = None
) -> Proposed:
    return await (proposer or world.proposer).make(
        transaction or pause_of(), what=What.ACTION, title="Pause", place=Place("ETH-PERP"), block=1
    )


@pytest.mark.parametrize("first", [True, False])
async def test_reconcile__empty_queue__the_next_nonce(world: CouncilWorld, first: bool) -> None:
    assert await reconciled(world, first=first) == Reconciled(FIRST_NONCE)


async def test_reconcile__another_waits__first_goes_beside_it_and_says_so_else_behind(world: CouncilWorld) -> None:
    await by_owner(world, ELSE)
    await by_owner(world, replace(ELSE, nonce=FIRST_NONCE + 1))
    urgent = await reconciled(world, first=True)
    assert urgent.nonce == FIRST_NONCE
    assert len(urgent.conflicts) == 1
    assert ELSE.hash_text in urgent.conflicts[0]
    assert await reconciled(world, first=False) == Reconciled(FIRST_NONCE + 2)


async def test_reconcile__a_nonce_far_away_is_taken__it_goes_where_it_can_be_executed(world: CouncilWorld) -> None:
    await by_owner(world, replace(ELSE, nonce=2**255))
    await by_owner(world, ELSE)
    assert (await reconciled(world, first=False)).nonce == FIRST_NONCE + 1


async def test_reconcile__several_own_at_once__successive_nonces(world: CouncilWorld) -> None:
    for step, key in enumerate((OTHER_ID, "0x" + 64 * "5", "0x" + 64 * "6")):
        found = await reconciled(world, first=True, wanted=pause_of(key=key))
        assert found == Reconciled(FIRST_NONCE + step)
        await made(world, pause_of(found.nonce, key))


async def test_reconcile__equal_in_the_queue__is_adopted_whoever_proposed_it(world: CouncilWorld) -> None:
    await by_owner(world, ELSE)
    await by_owner(world, pause_of(FIRST_NONCE + 1))
    found = await reconciled(world, first=True)
    assert (found.nonce, found.own) == (FIRST_NONCE + 1, False)
    assert found.equal is not None
    assert found.equal.transaction == pause_of(FIRST_NONCE + 1)


@pytest.mark.parametrize(
    "lying",
    [
        Queued(pause_of(), "0x" + 64 * "a"),
        Queued(replace(pause_of(), gas_price=1), replace(pause_of(), gas_price=1).hash_text),
        Queued(replace(pause_of(), safe_tx_gas=1), replace(pause_of(), safe_tx_gas=1).hash_text),
        Queued(replace(pause_of(), value=1), replace(pause_of(), value=1).hash_text),
        Queued(pause_of(FIRST_NONCE + 1), pause_of(FIRST_NONCE + 1).hash_text),
    ],
    ids=["another hash", "pays", "may fail quietly", "with value", "can never be reached"],
)
async def test_reconcile__not_quite_equal__is_not_adopted(world: CouncilWorld, lying: Queued) -> None:
    world.service.tell = [lying]
    assert (await reconciled(world, first=True)).equal is None


async def test_reconcile__service_down__says_so_and_the_log_still_knows(world: CouncilWorld) -> None:
    await made(world)
    world.service.fault = Unreachable("it is down")
    found = await reconciled(world, first=False)
    assert (found.own, found.blind) == (True, "it is down")
    assert await reconciled(world, first=False, wanted=ELSE) == Reconciled(FIRST_NONCE + 1, blind="it is down")


async def test_transaction__one_call_plain_several_as_a_batch_of_calls(world: CouncilWorld) -> None:
    state = await world.reader.state(await world.chain.head())
    call = (TARGET, 0, b"\x01\x02\x03\x04")
    assert world.proposer.transaction(state, [call], FIRST_NONCE) == ELSE
    batch = world.proposer.transaction(state, [call, call], FIRST_NONCE)
    assert (batch.to, batch.operation, batch.refunds) == (MULTISEND, Operation.DELEGATECALL, False)


@pytest.mark.parametrize(
    ("version", "good"), [("1.3.0", True), ("1.4.1", True), ("1.3.0+L2", True), ("1.2.0", False), ("1.5.0", False)]
)
async def test_transaction__version__only_those_that_are_tested(world: CouncilWorld, version: str, good: bool) -> None:
    state = replace(await world.reader.state(await world.chain.head()), version=version)
    if good:
        world.proposer.transaction(state, [(TARGET, 0, b"")], 7)
    else:
        with pytest.raises(UnitError, match="not supported"):
            world.proposer.transaction(state, [(TARGET, 0, b"")], 7)


async def test_make__the_file_cannot_be_written__it_is_in_the_log_all_the_same(world: CouncilWorld) -> None:
    (world.folder / "proposals").write_text("a file where the folder should be")
    await made(world)
    assert await world.steps() == ["made"]


async def test_send__taken__is_told_once_and_not_due_any_more(world: CouncilWorld) -> None:
    proposed = await made(world)
    assert world.proposer.due(proposed)
    sent = await world.proposer.send(proposed)
    assert not world.proposer.due(sent)
    assert await world.steps() == ["made", "sent"]
    assert await world.queued() == [pause_of()]


async def test_send__no_answer__kept_once_and_again_after_twice_as_long_each_time(world: CouncilWorld) -> None:
    proposed = await made(world)
    world.service.fault = Unreachable("it is down")
    for pause_ms in (2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000):
        proposed = await world.proposer.send(proposed)
        await world.clock.advance(pause_ms - 1)
        assert not world.proposer.due(proposed)
        await world.clock.advance(1)
        assert world.proposer.due(proposed)
    assert await world.steps() == ["made", "kept"]
    world.service.fault = None
    await world.proposer.send(proposed)
    assert await world.steps() == ["made", "kept", "sent"]


async def test_send__busy__nothing_at_all_is_asked_before_its_time(world: CouncilWorld) -> None:
    proposed, other = await made(world), await made(world, pause_of(8, OTHER_ID))
    world.service.fault = Busy("HTTP 429", retry_after_s=30)
    await world.proposer.send(proposed)
    world.service.fault = None
    await world.clock.advance(29_999)
    asked = len(world.service.asked)
    assert not world.proposer.due(other)
    with pytest.raises(Busy):
        await world.proposer.queue(0)
    assert len(world.service.asked) == asked
    await world.clock.advance(1)
    assert world.proposer.due(other)
    assert await world.proposer.queue(0)


@pytest.mark.parametrize("asked_s", [61.0, 3_600.0])
async def test_send__busy_for_very_long__asked_again_after_a_minute(world: CouncilWorld, asked_s: float) -> None:
    proposed = await made(world)
    world.service.fault = Busy("HTTP 429", retry_after_s=asked_s)
    await world.proposer.send(proposed)
    await world.clock.advance(59_999)
    assert not world.proposer.due(proposed)
    await world.clock.advance(1)
    assert world.proposer.due(proposed)


async def test_queue__busy__the_next_question_waits_too(world: CouncilWorld) -> None:
    world.service.fault = Busy("HTTP 429", retry_after_s=5)
    with pytest.raises(Busy):
        await world.proposer.queue(0)
    world.service.fault = None
    assert not world.proposer.due(await made(world))
    await world.clock.advance(5_000)
    assert world.proposer.due(await made(world))


async def test_send__no_delegate__refused_and_not_kept(world: CouncilWorld) -> None:
    stranger = await CouncilWorld(world.folder / "other", world.clock, world.chain, key=bytes(31) + b"\x09").another(
        world.folder / "third"
    )
    stranger.service._delegates.clear()
    proposed = await made(stranger)
    await stranger.proposer.send(proposed)
    assert await stranger.steps() == ["made", "refused"]
    assert "not an owner or delegate" in (await stranger.step(Step.REFUSED))["message"]


async def test_withdraw__own__is_gone(world: CouncilWorld) -> None:
    sent = await world.proposer.send(await made(world))
    assert await world.proposer.withdraw(sent) == ""
    assert await world.queued() == []


async def test_withdraw__the_answer_to_sending_was_lost__is_taken_back_all_the_same(world: CouncilWorld) -> None:
    proposed = await made(world)
    await world.proposer.send(proposed)
    assert await world.proposer.withdraw(proposed) == "", "the log does not say that it was sent"
    assert await world.queued() == []


async def test_withdraw__not_there_any_more__is_no_trouble(world: CouncilWorld) -> None:
    sent = await world.proposer.send(await made(world))
    assert await world.proposer.withdraw(sent) == ""
    assert await world.proposer.withdraw(sent) == ""


async def test_withdraw__somebody_elses__is_never_asked_for(world: CouncilWorld) -> None:
    await by_owner(world, pause_of())
    adopted = replace(await made(world), adopted=True)
    assert "not this keeper's" in await world.proposer.withdraw(adopted)
    assert world.service.asked.count("withdraw") == 0
    assert "not the proposer" in await world.proposer.withdraw(replace(adopted, adopted=False)), "and it says no"
    assert await world.queued() == [pause_of()]


async def test_withdraw__no_answer__says_why(world: CouncilWorld) -> None:
    sent = await world.proposer.send(await made(world))
    world.service.fault = Refused("not now", code=403)
    assert await world.proposer.withdraw(sent) == "not now"


async def test_without_a_service__nothing_is_due_and_the_file_is_there(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path, with_service=False)
    proposed = await made(world)
    assert not world.proposer.due(proposed)
    assert await world.proposer.withdraw(proposed) == ""
    assert len(list((tmp_path / "proposals").iterdir())) == 1
