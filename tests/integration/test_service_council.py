"""The whole service with a real Safe: proposed, signed, executed, read back; and everything that can make a proposal pointless."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.app.council.ledger import Place, What
from keeper.app.council.opening import open_council
from keeper.config import load
from keeper.devnet.transactions import calldata
from keeper.devnet.world import Role
from keeper.domain.record import RecordKind
from keeper.domain.safe import rejection
from tests.support.council_stage import CouncilStage, councilled
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import FAIR, MARKET

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def council(tmp_path: Path) -> AsyncIterator[CouncilStage]:
    async with councilled(tmp_path) as staged:
        yield staged


async def test_tripped__proposed_as_a_delegate_signed_by_two_executed__paused_and_read_back(
    council: CouncilStage,
) -> None:
    stage = council.stage
    async with inside(stage.config) as keeper:
        await keeper.watching()
        assert [fault.part for fault in keeper.faults] == [], "the Safe could do it"
        await council.tripped(keeper)
        (queued,) = await council.queue()
        assert queued.delegate == stage.world.keeper.address
        assert queued.proposer == council.owners[0].address
        assert queued.transaction.to == stage.world.exchange
        assert queued.claimed_hash == queued.transaction.hash_text == council.bodies("made")[0]["safe_tx_hash"]
        assert not await stage.world.paused(MARKET)
        await council.confirm(queued.transaction, *council.owners[:2])
        await stage.mine_until(lambda: "threshold" in council.steps(), ended=keeper.ended)
        assert not await stage.world.paused(MARKET), "the keeper may not execute"
        await council.execute(queued.transaction, *council.owners[:2])
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert await stage.world.paused(MARKET)
    assert stage.outcomes() == [("included", "effect-verified")]
    assert council.steps() == ["made", "sent", "signed", "signed", "threshold", "executed"]
    (effect,) = stage.records(RecordKind.EFFECT)
    assert (effect.body["before"], effect.body["after"], effect.body["verified"]) == ("false", "true", True)
    stage.assert_log_holds()
    assert await stage.sent() == [], "the keeper's key has sent nothing"


async def test_keeper_may_execute__does_it_when_enough_have_signed(council: CouncilStage) -> None:
    stage = council.stage
    council.write(execute=True)
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        await council.confirm(queued.transaction, council.owners[0])
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 2, ended=keeper.ended)
        assert not await stage.world.paused(MARKET)
        await council.confirm(queued.transaction, council.owners[2])
        await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
        await keeper.end()
    assert await stage.world.paused(MARKET)
    assert len(await stage.sent()) == 1
    stage.assert_log_holds()


async def test_somebody_else_pauses__the_proposal_is_marked_and_taken_back(council: CouncilStage) -> None:
    stage = council.stage
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        await stage.world.grant(Role.PAUSER, stage.world.roleless.address)
        await stage.world.transact(
            stage.world.roleless, stage.world.exchange, "pauseMarket(bytes32)", stage.world.market_id(MARKET)
        )
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert stage.outcomes() == [("superseded", "already-in-effect")]
    assert council.bodies("superseded")[0]["withdrawn"] is True
    assert await council.queue() == ()


async def test_market_recovers__the_proposal_is_taken_back(council: CouncilStage) -> None:
    stage = council.stage
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        await stage.world.push_price(MARKET, FAIR, wait=False)
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert stage.outcomes() == [("expired", "market-recovered")]
    assert await council.queue() == ()


async def test_its_nonce_is_used_by_another__noticed_within_two_blocks_and_proposed_anew(council: CouncilStage) -> None:
    stage = council.stage
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        other = council.safe.transaction(
            stage.world.token, calldata("approve(address,uint256)", stage.world.exchange, 1), 0
        )
        await council.execute(other, *council.owners[:2])
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 2, ended=keeper.ended)
        await keeper.until(lambda: len(council.bodies("sent")) == 2)
        (anew,) = await council.queue()
        await keeper.end()
    assert anew.transaction.nonce == queued.transaction.nonce + 1
    assert anew.transaction.data == queued.transaction.data
    assert stage.outcomes() == []


async def test_equal_one_queued_already__is_adopted_not_doubled(council: CouncilStage) -> None:
    stage = council.stage
    pause = calldata("pauseMarket(bytes32)", stage.world.market_id(MARKET))
    by_hand = council.safe.transaction(stage.world.exchange, pause, 0)
    owner = council.owners[1]
    await council.client.propose(by_hand, owner.address, council.safe.sign(owner, by_hand.hash), "by hand")
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.shock()
        await stage.mine_until(lambda: "signed" in council.steps(), ended=keeper.ended)
        (queued,) = await council.queue()
        assert queued.transaction == by_hand
        await council.execute(by_hand, *council.owners[:2])
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert council.steps()[0] == "adopted"
    assert stage.outcomes() == [("included", "effect-verified")]


async def test_service_down__kept_as_a_file_at_once_and_sent_later(council: CouncilStage) -> None:
    stage = council.stage
    await council.service.go_down()
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.shock()
        await stage.mine_until(lambda: "kept" in council.steps(), ended=keeper.ended)
        (file,) = (stage.folder / "proposals").iterdir()
        assert str(council.bodies("made")[0]["safe_tx_hash"]) in file.read_text(encoding="utf-8")
        await council.service.come_up()
        await stage.mine_until(lambda: "sent" in council.steps(), ended=keeper.ended)
        assert len(await council.queue()) == 1
        await keeper.end()


async def test_killed_after_it_was_written_down__the_next_run_sends_the_same(council: CouncilStage) -> None:
    stage = council.stage
    await council.service.go_down()
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.shock()
        await stage.mine_until(lambda: "made" in council.steps(), ended=keeper.ended)
        await keeper.end()
    await council.service.come_up()
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.mine_until(lambda: "sent" in council.steps(), ended=keeper.ended)
        (queued,) = await council.queue()
        await council.execute(queued.transaction, *council.owners[:2])
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert len(council.bodies("made")) == 1
    assert stage.outcomes() == [("included", "effect-verified")]


async def test_shadow__nothing_is_proposed(council: CouncilStage) -> None:
    stage = council.stage
    council.write(mode="shadow")
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.shock()
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert stage.outcomes() == [("dry-run", "shadow-mode")]
    assert await council.queue() == ()


async def test_nobody_signs__the_intent_ends_when_time_is_over_and_the_proposal_is_taken_back(
    council: CouncilStage,
) -> None:
    stage = council.stage
    council.write(expires="2s")
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        assert council.bodies("superseded")[0]["withdrawn"] is True
        await keeper.end()
    assert stage.outcomes()[0] == ("expired", "too-few-signatures")


async def test_council_executes_the_rejection__the_keeper_does_not_argue(council: CouncilStage) -> None:
    stage = council.stage
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        no = rejection(stage.node.chain_id, council.safe.address, queued.transaction.nonce)
        await council.execute(no, *council.owners[:2])
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=keeper.ended)
        await keeper.end()
    assert stage.outcomes() == [("failed", "council-rejected")]
    assert len(council.bodies("made")) == 1
    declined = [record.body["reason"] for record in stage.records(RecordKind.DECISION)]
    assert "taken-back" in declined


async def test_restore_signed_by_enough_in_an_open_incident__the_keeper_holds_it_back_and_executes_the_pause(
    council: CouncilStage,
) -> None:
    stage = council.stage
    council.write(execute=True)
    loosen = calldata("setWithdrawalLimit(bytes32,uint256)", stage.world.market_id(MARKET), 10**15)
    place = Place(MARKET, None, f"{MARKET}@1")
    async with open_council(load(stage.config)) as people:
        matter = await people.draft(
            [(stage.world.exchange, 0, loosen)], title="Put back", why=["quiet again"], what=What.RESTORE, place=place
        )
        await people.propose(matter, what=What.RESTORE, place=place)
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await stage.shock()
        await stage.mine_until(lambda: len(council.bodies("sent")) == 2, ended=keeper.ended)
        await council.confirm(matter.transaction, *council.owners[:2])
        await stage.mine_until(lambda: any(fault.reason == "held-back" for fault in keeper.faults), ended=keeper.ended)
        assert await council.safe.nonce() == 0
        (pause,) = [one.transaction for one in await council.queue() if one.transaction != matter.transaction]
        assert pause.nonce == matter.transaction.nonce == 0, "it does not wait behind the restore"
        await council.confirm(pause, *council.owners[1:])
        await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
        await stage.mine_until(lambda: "superseded" in council.steps(), ended=keeper.ended)
        await keeper.end()
    assert await stage.world.paused(MARKET)
    stage.assert_log_holds()


async def test_rejection_of_junk_at_the_same_nonce__is_no_no_to_the_pause(council: CouncilStage) -> None:
    stage = council.stage
    owner = council.owners[2]
    junk = council.safe.transaction(owner.address, b"\1\2\3\4", 0)
    await council.client.propose(junk, owner.address, council.safe.sign(owner, junk.hash), "")
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        await council.execute(rejection(stage.node.chain_id, council.safe.address, 0), *council.owners[:2])
        await stage.mine_until(lambda: len(council.bodies("sent")) == 2, ended=keeper.ended)
        (anew,) = await council.queue()
        await keeper.end()
    assert (anew.transaction.nonce, anew.transaction.to) == (1, stage.world.exchange)
    assert stage.outcomes() == []


async def test_approved_in_an_earlier_incident__executed_only_when_owners_say_it_anew(council: CouncilStage) -> None:
    stage = council.stage
    council.write(execute=True)
    pause = council.safe.transaction(
        stage.world.exchange, calldata("pauseMarket(bytes32)", stage.world.market_id(MARKET)), 0
    )
    for owner in council.owners[:2]:
        await council.safe.approve_hash(owner, pause.hash)
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        assert council.bodies("made")[0]["safe_tx_hash"] == pause.hash_text
        await stage.mine_until(lambda: any(fault.reason == "held-back" for fault in keeper.faults), ended=keeper.ended)
        assert not await stage.world.paused(MARKET)
        async with open_council(load(stage.config)) as people:
            for owner in council.owners[:2]:
                matter = await people.matter(pause.hash_text)
                await people.confirm(matter, council.safe.sign(owner, pause.hash), via="a test")
        await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
        await keeper.end()
    assert await stage.world.paused(MARKET)
