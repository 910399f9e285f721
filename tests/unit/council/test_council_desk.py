"""An action that owners of a Safe sign: each way in which it ends, and what a new run makes of what an old one left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.chain.memory import Reverted
from keeper.adapters.safe.files import file_name
from keeper.app.council.ledger import Place, Proposed, Step, What
from keeper.app.evidence_hash import evidence_hash
from keeper.domain.errors import IntentAlreadyOpen, SigningError, StoreUnavailable, Unreachable
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, RecordKind
from keeper.domain.safe import SafeTransaction, rejection
from tests.support.council_world import FIRST_NONCE, ID, OTHER_ID, CouncilWorld, pause_of
from tests.support.eventually import eventually
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit
REJECTION = rejection(CHAIN_ID, SAFE, FIRST_NONCE)
OTHER = replace(REJECTION, value=1)
"""Another use of the same nonce."""


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    return world


@pytest_asyncio.fixture
async def proposed(world: CouncilWorld) -> CouncilWorld:
    """It lies in the service."""
    await world.order()
    await world.look()
    await world.look()
    assert await world.steps() == ["made", "sent"]
    return world


def by_hand(transaction: SafeTransaction, world: CouncilWorld, what: What = What.RESTORE, **facts: Any) -> Proposed:
    return Proposed(transaction, what, "by hand", "{}", Place(), world.clock.now_ms(), 1, facts=facts)


# -- how it ends -------------------------------------------------------------------------------------------------------------------


async def test_executed__read_back__is_included_in_one_commit(proposed: CouncilWorld) -> None:
    block = proposed.chain.execute(pause_of())
    await proposed.look(mine=False)
    assert await proposed.outcomes() == [("included", "effect-verified")]
    kinds = [record.kind for record in await proposed.records()][-3:]
    assert kinds == [RecordKind.PROPOSAL, RecordKind.EFFECT, RecordKind.OUTCOME]
    assert (await proposed.step(Step.EXECUTED))["block_hash"] == block.hash
    assert (proposed.desk.works, len(proposed.ends)) == ((), 1)


async def test_executed__without_the_effect__is_a_failure(proposed: CouncilWorld) -> None:
    proposed.chain.execute(pause_of(), effect=False)
    await proposed.look(mine=False)
    assert await proposed.outcomes() == [("failed", "no-effect")]


async def test_executed__the_call_failed__is_reverted_with_the_transaction(proposed: CouncilWorld) -> None:
    proposed.chain.execute(pause_of(), ok=False)
    await proposed.look(mine=False)
    assert await proposed.outcomes() == [("reverted", "reverted-on-chain")]
    assert (await proposed.step(Step.EXECUTED))["ok"] is False


@pytest.mark.parametrize("confirmations", [1, 3])
async def test_executed__only_after_so_many_blocks(tmp_path: Path, confirmations: int) -> None:
    world = CouncilWorld(tmp_path, confirmations=confirmations)
    await world.delegate()
    await world.order()
    await world.look()
    world.chain.execute(pause_of())
    for _ in range(confirmations - 1):
        await world.look(mine=False)
        world.chain.mine()
        assert await world.outcomes() == []
    await world.look(mine=False)
    assert await world.outcomes() == [("included", "effect-verified")]


async def test_reorganised_before_it_is_final__goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path, confirmations=3)
    await world.delegate()
    await world.order()
    await world.look()
    world.chain.execute(pause_of())
    await world.look(mine=False)
    world.chain.undo(1, FIRST_NONCE)
    for _ in range(3):
        await world.look()
    assert await world.outcomes() == []
    assert await world.queued() == [pause_of()]
    world.chain.execute(pause_of())
    for _ in range(3):
        await world.look()
    assert await world.outcomes() == [("included", "effect-verified")]
    assert (await world.steps()).count("made") == 1


async def test_rejected_by_the_council__ends_as_that_and_is_not_proposed_anew(proposed: CouncilWorld) -> None:
    proposed.chain.execute(REJECTION)
    proposed.service.safes[SAFE].nonce += 1
    for _ in range(3):
        await proposed.look()
    assert await proposed.outcomes() == [("failed", "council-rejected")]
    assert await proposed.queued() == []


async def test_nonce_used_by_another__noticed_within_two_blocks_and_proposed_anew(proposed: CouncilWorld) -> None:
    proposed.chain.execute(OTHER)
    proposed.service.safes[SAFE].nonce += 1
    await proposed.look(mine=False)
    await proposed.look(mine=False)
    assert "superseded" not in await proposed.steps(), "at the same block the node may know no better"
    await proposed.look()
    assert (await proposed.step(Step.SUPERSEDED))["withdrawn"] is True
    for _ in range(2):
        await proposed.look()
    assert await proposed.queued() == [pause_of(FIRST_NONCE + 1)]
    assert await proposed.outcomes() == []


async def test_somebody_else_paused__superseded_and_taken_back(proposed: CouncilWorld) -> None:
    proposed.chain.store(TARGET, paused=frozenset({bytes.fromhex(ID[2:])}))
    await proposed.look()
    assert await proposed.outcomes() == [("superseded", "already-in-effect")]
    assert await proposed.queued() == []
    assert [record.kind for record in await proposed.records()][-2:] == [RecordKind.PROPOSAL, RecordKind.OUTCOME]


async def test_incident_over__expired_as_recovered_and_taken_back(proposed: CouncilWorld) -> None:
    proposed.incident_over("another")
    await proposed.look()
    assert await proposed.outcomes() == []
    proposed.incident_over()
    await proposed.look()
    assert await proposed.outcomes() == [("expired", "market-recovered")]
    assert await proposed.queued() == []


@pytest.mark.parametrize(("signed", "words"), [(1, "1 of 2 owners"), (2, "nobody executed")])
async def test_time_over__with_how_many_had_signed(proposed: CouncilWorld, signed: int, words: str) -> None:
    await proposed.sign(pause_of(), *range(signed))
    await proposed.clock.advance(599_999)
    await proposed.look()
    assert await proposed.outcomes() == []
    await proposed.clock.advance(1)
    await proposed.look()
    (body,) = await proposed.bodies(RecordKind.OUTCOME)
    assert (body["kind"], body["reason"]) == ("expired", "too-few-signatures")
    assert words in body["message"]


async def test_never_proposed__the_node_was_down__says_so(world: CouncilWorld) -> None:
    await world.order()
    block = world.chain.mine()
    world.chain.go_down()
    await world.desk.look(block)
    assert world.down() == {"council:council": "unreachable"}
    world.chain.come_back()
    await world.clock.advance(600_000)
    await world.look()
    (body,) = await world.bodies(RecordKind.OUTCOME)
    assert (body["kind"], body["reason"]) == ("expired", "expired")
    assert "down" in body["message"]


async def test_call_would_revert__ends_before_anybody_is_asked(world: CouncilWorld) -> None:
    def reverting(data: bytes, sender: str, storage: dict[str, object]) -> bytes:
        if data[:4] == pause_of().data[:4]:
            raise Reverted
        return bytes(32)

    world.chain.install(TARGET, reverting)
    await world.order()
    await world.look()
    assert (await world.outcomes())[0][0] == "failed"
    assert await world.steps() == []


async def test_would_break_an_invariant__ends_before_anybody_is_asked(world: CouncilWorld) -> None:
    world.keeps = Outcome(OutcomeKind.FAILED, Reason.INVARIANT_BROKEN, "it would")
    await world.order()
    await world.look()
    assert await world.outcomes() == [("failed", "invariant-broken")]
    assert await world.steps() == []


async def test_shadow__dry_run(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path, live=False)
    await world.order()
    await world.look()
    assert await world.outcomes() == [("dry-run", "shadow-mode")]


async def test_old_safe__not_configured(world: CouncilWorld) -> None:
    world.chain.store(SAFE, version="1.1.1")
    await world.order()
    await world.look()
    assert await world.outcomes() == [("failed", "not-configured")]


async def test_taken_back_by_command__the_running_keeper_lets_go(proposed: CouncilWorld) -> None:
    matter = await proposed.council.matter(pause_of().hash_text)
    await proposed.council.withdraw(matter)
    await proposed.look()
    await proposed.clock.advance(120_000)
    await proposed.look()
    assert await proposed.outcomes() == [("failed", "council-rejected")]
    assert await proposed.queued() == []


# -- several ----------------------------------------------------------------------------------------------------------------------


async def test_take__the_same_again__is_refused(proposed: CouncilWorld) -> None:
    with pytest.raises(IntentAlreadyOpen):
        await proposed.order()


async def test_the_first_of_two_is_not_needed_any_more__the_second_takes_its_nonce(world: CouncilWorld) -> None:
    await world.order()
    await world.order("BTC-PERP")
    await world.look()
    await world.look()
    assert [one.nonce for one in await world.queued()] == [FIRST_NONCE, FIRST_NONCE + 1]
    world.incident_over()
    for _ in range(4):
        await world.look()
    assert await world.queued() == [pause_of(FIRST_NONCE, OTHER_ID)]
    assert (await world.steps())[-1] == "sent"


async def test_a_gap_before_it__for_one_look_only__is_left_alone(world: CouncilWorld) -> None:
    await world.order()
    await world.order("BTC-PERP")
    await world.look()
    await world.look()
    (other,) = [case for case in world.desk._cases if case.proposed and case.proposed.transaction.nonce != FIRST_NONCE]
    other.gap_at = (await world.chain.head()).number
    await world.look()
    assert other.gap_at is None


async def test_one_proposal_cannot_be_signed__the_others_go_on_and_it_is_a_fault(world: CouncilWorld) -> None:
    await world.order()
    await world.look()
    proposer: Any = world.proposer
    signer = proposer._signer

    class Broken:
        address = signer.address

        async def sign_safe(self, words: object) -> bytes:
            raise SigningError("the key is gone")

    proposer._signer = Broken()
    await world.order("BTC-PERP")
    await world.look()
    assert world.down() == {"council:council/signer": "signing-failed"}
    world.chain.execute(pause_of())
    await world.look(mine=False)
    assert await world.outcomes() == [("included", "effect-verified")]
    proposer._signer = signer
    await world.look()
    assert world.down() == {}


# -- what people propose ------------------------------------------------------------------------------------------------------------


async def test_by_people__heard_of_announced_and_followed_to_its_end(world: CouncilWorld) -> None:
    change = {"contract": TARGET, "asked": "paused(bytes32)(bool)", "args": [ID], "before": "false", "after": "true"}
    await world.ledger.made(by_hand(pause_of(), world, changes=[change]))
    await world.look()
    assert len(world.told("proposal/")) == 1
    await world.look()
    world.chain.execute(pause_of())
    await world.look(mine=False)
    assert (await world.step(Step.EXECUTED))["differing"] == []
    assert world.told("executed/")[0].title == "executed: by hand"
    assert await world.ledger.open() == []


async def test_by_people__executed_with_another_effect__is_told_loudly(world: CouncilWorld) -> None:
    change = {"contract": TARGET, "asked": "paused(bytes32)(bool)", "args": [ID], "before": "true", "after": "false"}
    await world.ledger.made(by_hand(pause_of(), world, changes=[change]))
    await world.look()
    world.chain.execute(pause_of())
    await world.look(mine=False)
    assert (await world.step(Step.EXECUTED))["differing"] == [f"paused(bytes32)(bool) at {TARGET} is true, not false"]
    assert "not as proposed" in world.told("executed/")[0].title


async def test_by_people__their_nonce_is_used__it_is_dead_and_nobody_proposes_it_anew(world: CouncilWorld) -> None:
    await world.ledger.made(by_hand(pause_of(), world))
    await world.look()
    world.chain.execute(REJECTION)
    for _ in range(4):
        await world.look()
    assert (await world.steps()).count("made") == 1
    assert await world.ledger.open() == []
    assert len(world.told("moot/")) == 1


async def test_by_people_and_then_wanted_by_an_action__one_proposal_one_case_one_end(world: CouncilWorld) -> None:
    await world.ledger.made(by_hand(pause_of(), world))
    await world.look()
    await world.order()
    await world.look()
    assert len(world.desk._cases) == 1
    await world.recover()
    assert len(world.desk._cases) == 1
    world.chain.execute(pause_of())
    await world.look(mine=False)
    assert await world.outcomes() == [("included", "effect-verified")]
    assert (await world.steps()).count("executed") == 1


async def test_nothing_is_followed_any_more__faults_of_the_service_end(proposed: CouncilWorld) -> None:
    proposed.service.fault = Unreachable("it is down")
    await proposed.look()
    assert proposed.down() == {"council-service:council": "unreachable"}
    proposed.chain.execute(pause_of())
    await proposed.look(mine=False)
    await proposed.look()
    assert proposed.down() == {}


# -- a new run --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after", ["intent", "made", "service has it", "sent", "signed", "threshold", "nonce used", "executed"]
)
async def test_ended_after__each_durable_step__one_proposal_one_end(world: CouncilWorld, after: str) -> None:
    await world.order()
    if after != "intent":
        if after in ("made", "service has it"):
            world.service.fault = Unreachable("it is down")
        await world.look()
        world.service.fault = None
        if after == "service has it":
            (case,) = world.desk._cases
            assert case.proposed is not None
            words = signature(3, pause_of().hash)
            await world.service.propose(pause_of(), world.signer.address, words, case.proposed.origin)
    if after in ("signed", "threshold"):
        await world.sign(pause_of(), *range(1 if after == "signed" else 2))
        await world.look()
    if after in ("nonce used", "executed"):
        world.chain.execute(pause_of())
    if after == "executed":
        await world.look(mine=False)
    await world.recover()
    for _ in range(3):
        await world.look()
    if after not in ("nonce used", "executed"):
        assert await world.queued() == [pause_of()]
        world.chain.execute(pause_of())
        await world.look(mine=False)
    assert await world.outcomes() == [("included", "effect-verified")]
    assert (await world.steps()).count("made") == (await world.steps()).count("executed") == 1
    assert await world.open_intents() == 0


async def test_ended_before_its_file_was_there__the_next_run_leaves_it(proposed: CouncilWorld) -> None:
    path = proposed.folder / "proposals" / file_name(pause_of())
    await eventually(path.exists)
    path.unlink()
    await proposed.recover()
    await eventually(path.exists)


async def test_ended_while_it_was_taken_back__the_end_is_the_same(proposed: CouncilWorld) -> None:
    await proposed.proposer.withdraw((await proposed.ledger.open())[0])
    await proposed.recover()
    proposed.incident_over()
    await proposed.look()
    assert await proposed.outcomes() == [("expired", "market-recovered")]
    assert (await proposed.step(Step.SUPERSEDED))["withdrawn"] is True
    assert "still in the queue" not in proposed.told("moot/")[0].body


async def test_ended_before_sent_was_written_down_and_over_meanwhile__is_taken_back(world: CouncilWorld) -> None:
    await world.order()
    world.service.fault = Unreachable("the answer is lost")
    await world.look()
    world.service.fault = None
    await world.service.propose(pause_of(), world.signer.address, signature(3, pause_of().hash), "{}")
    await world.recover()
    world.incident_over()
    await world.look()
    assert await world.outcomes() == [("expired", "market-recovered")]
    assert await world.queued() == []


async def test_ended_between_proposal_and_time_over__too_few_signed(proposed: CouncilWorld) -> None:
    proposed.chain.execute(OTHER)
    proposed.service.safes[SAFE].nonce += 1
    await proposed.look(mine=False)
    await proposed.look()
    assert (await proposed.steps())[-1] == "superseded"
    await proposed.clock.advance(600_000)
    await proposed.recover()
    await proposed.look()
    assert await proposed.outcomes() == [("expired", "too-few-signatures")]


async def test_own_one_that_could_not_be_taken_back_lies_there__it_is_taken_up_as_its_own(
    proposed: CouncilWorld,
) -> None:
    proposed.incident_over()
    block = proposed.chain.mine()
    original = proposed.service.withdraw

    async def no(*_: object) -> None:
        raise Unreachable("it is down")

    proposed.service.withdraw = no  # type: ignore[method-assign,assignment]
    await proposed.desk.look(block)
    proposed.service.withdraw = original  # type: ignore[method-assign]
    assert (await proposed.step(Step.SUPERSEDED))["left_there"] == "it is down"
    await proposed.order(incident="ETH-PERP@2")
    proposed.desk._tidying._not_before_ms = 10**9  # the next try is not due
    await proposed.look()
    assert await proposed.queued() == [pause_of()]
    proposed.incident_over("ETH-PERP@2")
    await proposed.look()
    assert await proposed.queued() == [], "it is ours to take away"


async def test_log_does_not_take_it__nothing_is_lost(world: CouncilWorld) -> None:
    await world.order()
    append, world.store.append = world.store.append, _unavailable  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable):
        await world.look()
    assert world.service.asked.count("propose") == 0, "nothing is sent that is not written down"
    world.store.append = append  # type: ignore[method-assign]
    for _ in range(2):
        await world.look()
    assert await world.queued() == [pause_of()]


async def _unavailable(*_: object) -> None:
    raise StoreUnavailable


async def test_equal_of_an_owner__adopted_and_never_taken_back(world: CouncilWorld) -> None:
    await world.service.propose(pause_of(), OWNERS[1], signature(1, pause_of().hash), "")
    await world.order()
    await world.look()
    assert (await world.steps())[0] == "adopted"
    world.incident_over()
    await world.look()
    assert await world.queued() == [pause_of()]
    assert (await world.step(Step.SUPERSEDED))["withdrawn"] is False
    assert "do not sign it" in world.told("moot/")[0].body


async def test_conflict__is_told_and_written_down(world: CouncilWorld) -> None:
    other = replace(pause_of(), data=b"\x01\x02\x03\x04")
    await world.service.propose(other, OWNERS[1], signature(1, other.hash), "")
    await world.order()
    await world.look()
    assert other.hash_text in (await world.step(Step.CONFLICT))["message"]
    assert other.hash_text in world.told("proposal/")[0].body


async def test_given_up_while_the_service_was_down__taken_back_as_soon_as_it_answers(proposed: CouncilWorld) -> None:
    proposed.incident_over()
    proposed.service.fault = Unreachable("it is down")
    await proposed.look()
    assert (await proposed.step(Step.SUPERSEDED))["left_there"] == "it is down"
    proposed.service.fault = None
    await proposed.recover()
    await proposed.look()
    assert await proposed.queued() == []
    assert (await proposed.step(Step.SUPERSEDED))["withdrawn"] is True
    asked = len(proposed.service.asked)
    await proposed.clock.advance(600_000)
    await proposed.look()
    assert len(proposed.service.asked) == asked, "nothing is left to be asked for"


async def test_given_up_and_the_service_refuses_to_forget_it__tried_again_only_now_and_then(
    proposed: CouncilWorld,
) -> None:
    proposed.incident_over()
    proposed.service._delegates.clear()
    for _ in range(5):
        await proposed.look()
    assert proposed.service.asked.count("withdraw") == 2
    await proposed.clock.advance(60_000)
    await proposed.look()
    assert proposed.service.asked.count("withdraw") == 3


async def test_end_cannot_be_written_down__the_next_look_writes_all_of_it(proposed: CouncilWorld) -> None:
    proposed.incident_over()
    append, proposed.store.append = proposed.store.append, _unavailable  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable):
        await proposed.look()
    proposed.store.append = append  # type: ignore[method-assign]
    await proposed.look()
    assert await proposed.outcomes() == [("expired", "market-recovered")]
    assert (await proposed.step(Step.SUPERSEDED))["withdrawn"] is True
    assert await proposed.ledger.open() == []


@pytest.mark.parametrize("confirmations", [1, 2])
async def test_rejected_by_the_owners__told_as_that_once_it_is_final(tmp_path: Path, confirmations: int) -> None:
    world = CouncilWorld(tmp_path, confirmations=confirmations)
    await world.delegate()
    await world.order()
    await world.look()
    world.chain.execute(REJECTION)
    await world.look(mine=False)
    assert await world.outcomes() == [("failed", "council-rejected")][: 2 - confirmations]
    await world.look()
    assert await world.outcomes() == [("failed", "council-rejected")]
    assert len(world.told("moot/")) == 1


async def test_evidence__an_order_and_a_new_run__the_same_hash_goes_with_the_proposal(world: CouncilWorld) -> None:
    draft = Draft(RecordKind.DECISION, {"kind": "act"}, world.clock.now_ms(), "ETH-PERP", "pause-market", "ETH-PERP@1")
    await world.store.append([draft])
    await world.order()
    await world.recover()
    await world.look()
    assert (await world.step(Step.MADE))["evidence"] == "0x" + evidence_hash(draft).hex()
    assert evidence_hash(draft).hex() in (await world.step(Step.MADE))["origin"]
