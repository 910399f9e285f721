"""Real Safes of both versions: everything from a proposal to its end, what contracts sign, two keepers, and a service that lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keeper.app.council.council import ALARMED, Council
from keeper.app.council.ledger import Place, What
from keeper.app.council.matter import Standing
from keeper.app.council.opening import open_council
from keeper.config import load
from keeper.devnet.accounts import Account
from keeper.devnet.safe_service import faults
from keeper.devnet.transactions import calldata, send
from keeper.domain.address import checksum_address
from keeper.domain.errors import UnitError
from keeper.domain.safe import Operation, SafeTransaction
from keeper.domain.safe_signatures import contract_signature
from tests.support.council_stage import CouncilStage, councilled
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, OTHER

pytestmark = pytest.mark.integration

# Says yes (EIP-1271) to signatures that begin with "g", for a hash whose preimage has 66 bytes.
_AGREEABLE = "0x60e43560f81c6067147f20c13b0b" + 56 * "0" + "0260005260206000f3"
CONTRACT = Account(checksum_address(b"\xfe" * 20), "")


@asynccontextmanager
async def watched(council: CouncilStage) -> AsyncIterator[tuple[Inside, Council]]:
    """The running keeper, and the same council as a command opens it."""
    async with inside(council.stage.config) as keeper, open_council(load(council.stage.config)) as facade:
        await keeper.watching()
        yield keeper, facade
        await keeper.end()


async def blocks(council: CouncilStage, keeper: Inside, count: int) -> None:
    """So many blocks are seen."""
    last = await council.stage.node.block_number() + count
    await council.stage.mine_until(lambda: council.stage.evaluated() >= last, ended=keeper.ended)


def limit(council: CouncilStage, market: str, amount: int) -> tuple[str, int, bytes]:
    world = council.stage.world
    return world.exchange, 0, calldata("setWithdrawalLimit(bytes32,uint256)", world.market_id(market), amount)


@pytest.mark.parametrize(("version", "threshold", "owners"), [("1.3.0", 2, 3), ("1.4.1", 3, 5)])
async def test_pause__shown_signed_by_members_one_of_them_on_chain__executed_by_the_keeper(
    tmp_path: Path, version: str, threshold: int, owners: int
) -> None:
    async with councilled(tmp_path, version=version, threshold=threshold, owners=owners) as council:
        stage, safe = council.stage, council.safe
        council.write(execute=True)
        async with watched(council) as (keeper, facade):
            await council.tripped(keeper)
            (queued,) = await council.queue()
            matter = await facade.matter(queued.claimed_hash[:10])
            assert matter.transaction.hash == await safe.hash_of(matter.transaction)
            assert [(one.before, one.after) for one in matter.changes] == [("false", "true")]
            assert (matter.missing, matter.alarms, matter.after.goes_through) == (threshold, (), True)
            for owner in safe.owners[1:threshold]:
                matter = await facade.confirm(matter, safe.sign(owner, matter.transaction.hash), via="test")
            assert (matter.missing, matter.standing) == (1, Standing.WAITING)
            await blocks(council, keeper, 1)
            assert not await stage.world.paused(MARKET)
            approval = calldata("approveHash(bytes32)", matter.transaction.hash)
            await send(stage.node, safe.owners[0].address, safe.address, approval)
            await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
            (over,) = await facade.history()
            assert (over.standing, over.missing) == (Standing.EXECUTED, threshold), "its words are spent"
        assert await stage.world.paused(MARKET)
        assert len(await stage.sent()) == 1
        stage.assert_log_holds()


@pytest.mark.parametrize("version", ["1.3.0", "1.4.1"])
async def test_by_hand__a_batch_executed_one_rejected_one_replaced__each_is_noticed(
    tmp_path: Path, version: str
) -> None:
    async with councilled(tmp_path, version=version) as council, watched(council) as (keeper, facade):
        world, safe = council.stage.world, council.safe

        async def proposed(*calls: tuple[str, int, bytes]) -> SafeTransaction:
            draft = await facade.draft(calls, title="by hand", why=[], what=What.BY_HAND, place=Place())
            assert (draft.after.goes_through, draft.alarms) == (True, ()), draft
            return (await facade.propose(draft, what=What.BY_HAND, place=Place())).transaction

        batch = await proposed(limit(council, MARKET, 5), limit(council, OTHER, 6))
        assert batch.operation is Operation.DELEGATECALL
        later = await proposed(limit(council, MARKET, 7))
        assert later.nonce == batch.nonce + 1
        await blocks(council, keeper, 1)
        await council.execute(batch, *safe.owners[:2])
        await council.stage.mine_until(lambda: "executed" in council.steps(), ended=keeper.ended)
        assert [await world.withdrawal_limit(market) for market in (MARKET, OTHER)] == [5, 6]
        assert council.bodies("executed")[0]["differing"] == []

        draft = await facade.draft_rejection(await facade.matter(later.hash_text))
        rejection = (await facade.propose(draft, what=What.REJECTION, place=Place())).transaction
        await council.execute(rejection, *safe.owners[1:])
        await blocks(council, keeper, 2)
        assert (await facade.matter(later.hash_text)).standing is Standing.DEAD
        assert {one.hash: one.standing for one in await facade.history()}[rejection.hash_text] is Standing.EXECUTED

        replaced = await proposed(limit(council, MARKET, 8))
        by = safe.transaction(*limit(council, MARKET, 9)[::2], replaced.nonce)
        await council.execute(by, *safe.owners[:2])
        await blocks(council, keeper, 2)
        assert (await facade.matter(replaced.hash_text)).standing is Standing.DEAD
        assert await facade.queue() == []
        assert len(council.bodies("superseded")) == 2


async def test_no_delegate_any_more__refused_loudly_with_a_file__and_over_when_it_is_one_again(tmp_path: Path) -> None:
    async with councilled(tmp_path) as council, watched(council) as (keeper, _):
        await council.no_delegate()
        await council.stage.shock()
        await council.stage.mine_until(lambda: "refused" in council.steps(), ended=keeper.ended)
        await keeper.until(lambda: [one.reason for one in keeper.faults] == ["refused"])
        assert keeper.faults[0].part == "council-send:council"
        assert len(list((council.stage.folder / "proposals").iterdir())) == 1
        await council.delegate()
        await council.stage.mine_until(lambda: "sent" in council.steps(), ended=keeper.ended)
        await keeper.until(lambda: not keeper.faults)


async def test_an_owner_that_is_a_contract__its_word_counts_only_when_it_stands_by_it(tmp_path: Path) -> None:
    async with councilled(tmp_path, owners=2, also=[CONTRACT]) as council:
        stage, safe = council.stage, council.safe
        await stage.node.set_code(CONTRACT.address, _AGREEABLE)
        council.write(execute=True)
        async with watched(council) as (keeper, facade):
            await council.tripped(keeper)
            (queued,) = await council.queue()
            await council.confirm(queued.transaction, safe.owners[0])
            bad = contract_signature(CONTRACT.address, b"bad")
            council.service.alter = faults.confirmation_by(CONTRACT.address, bad)
            matter = await facade.matter(queued.claimed_hash)
            assert matter.missing == 1
            assert any("does not confirm it" in one.text for one in matter.remarks)
            await blocks(council, keeper, 2)
            assert not await stage.world.paused(MARKET)
            council.service.alter = None
            matter = await facade.matter(queued.claimed_hash)
            with pytest.raises(UnitError, match="does not confirm it"):
                await facade.confirm(matter, bad, via="test")
            good = contract_signature(CONTRACT.address, b"good")
            assert (await facade.confirm(matter, good, via="test")).missing == 0
            await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
        assert await stage.world.paused(MARKET)
        assert [body["owner"] for body in council.bodies("signed")] == [safe.owners[0].address, CONTRACT.address]


async def test_two_keepers_at_once__one_proposal_and_both_hear_its_end(tmp_path: Path) -> None:
    async with councilled(tmp_path) as council:
        key = council.stage.world.reporter
        other = council.beside(tmp_path / "other", key)
        await council.delegate(key)
        async with inside(council.stage.config) as one, inside(other.stage.config) as two:
            for keeper in (one, two):
                await keeper.watching()
            await council.stage.shock()
            both = (council, other)
            await council.stage.mine_until(
                lambda: all("sent" in each.steps() or "adopted" in each.steps() for each in both)
            )
            await blocks(council, one, 2)
            await blocks(other, two, 1)
            (queued,) = await council.queue()
            await council.execute(queued.transaction, *council.owners[:2])
            await council.stage.mine_until(lambda: all(each.stage.outcomes() for each in both))
            for keeper in (one, two):
                await keeper.end()
        assert [each.stage.outcomes() for each in both] == [[("included", "effect-verified")]] * 2
        assert all(len(each.bodies("executed")) == 1 for each in both)


async def test_a_service_that_lies__in_any_field__is_detected_and_nothing_is_signed_or_executed(tmp_path: Path) -> None:
    async with councilled(tmp_path) as council:
        stage, safe = council.stage, council.safe
        council.write(execute=True)
        async with watched(council) as (keeper, facade):
            await council.tripped(keeper)
            (queued,) = await council.queue()
            hash_text, ours = queued.claimed_hash, queued.transaction
            await council.confirm(ours, safe.owners[0])
            await blocks(council, keeper, 1)
            sign = safe.sign(safe.owners[1], ours.hash)
            lies = dict(faults.FIELD_LIES) | {
                "signature": faults.signature_of_another(sign),
                "another's name": faults.confirmation_by(stage.world.admin.address, sign),
                "executed": faults.executed(),
            }
            for name, lie in lies.items():
                council.service.alter = lie
                matter = await facade.matter(hash_text)
                # What cannot even be of this queue is left away, and told as a fault: then it is as the log has it.
                assert matter.alarms or (matter.transaction == ours and not matter.from_service), name
                for owner in safe.owners[:3]:
                    if matter.alarms:
                        with pytest.raises(UnitError, match=ALARMED):
                            await facade.confirm(matter, safe.sign(owner, matter.transaction.hash), via="test")
            council.service.alter = faults.GAS_PRICE
            await council.confirm(ours, safe.owners[1])
            await stage.mine_until(
                lambda: any(one.reason == "contradicted" for one in keeper.faults), ended=keeper.ended
            )
            await blocks(council, keeper, 1)
            assert not await stage.world.paused(MARKET)
            assert await stage.sent() == []
            council.service.heal()
            await stage.mine_until(lambda: ("included", "effect-verified") in stage.outcomes()[1:], ended=keeper.ended)
        assert await stage.world.paused(MARKET)
        assert "confirmed" not in council.steps()
