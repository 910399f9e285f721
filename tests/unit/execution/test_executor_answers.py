"""What the executor makes of each answer of a route, of nonces that are used up, of fees that run away, and of time that runs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.bidding import MAX_ATTEMPTS, MAX_PRESSED
from keeper.execution.fees import offer
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import ETHER, OTHER_KEY, VAULT, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.unit


def says(kind: SubmissionKind) -> Submission:
    return Submission(kind, "the node's words")


async def test_poor_key__the_node_says_so__is_an_end_with_the_sum() -> None:
    stage = Stage()
    stage.chain.fund(stage.signer.address, 1)
    await stage.act(await stage.ready())
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.INSUFFICIENT_FUNDS)
    sent = stage.route.sent[0]
    assert str(sent.max_fee_wei * sent.gas_limit) in stage.outcome.remedy
    assert stage.kinds[-2:] == ["broadcast", "outcome"]


async def test_poor_key__funded_and_asked_again__is_sent_with_the_same_nonce_and_another_hash() -> None:
    stage = Stage()
    stage.chain.fund(stage.signer.address, 1)
    executor = await stage.ready()
    for _ in range(3):
        await stage.act(executor)
    stage.chain.fund(stage.signer.address, ETHER)
    executor = await stage.ready()  # also a new process must not sign the same transaction again
    await stage.act(executor)
    await stage.head(executor)
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.INSUFFICIENT_FUNDS] * 3 + [
        Reason.EFFECT_VERIFIED
    ]
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 4


async def test_invalid__the_first_attempt__is_an_end() -> None:
    stage = Stage()
    stage.route.answers = [says(SubmissionKind.INVALID)]
    executor = await stage.ready()
    await stage.act(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.REFUSED_BY_NODE)
    assert "the node's words" in stage.outcome.message
    assert executor.open_works == ()


async def test_invalid__first_of_two__frees_its_nonce_for_the_second() -> None:
    stage = Stage()
    stage.route.answers = [says(SubmissionKind.INVALID)]
    executor = await stage.ready(pause(), limit())
    await stage.act(executor, pause(), limit())
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 0]
    await stage.head(executor)
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.REFUSED_BY_NODE, Reason.EFFECT_VERIFIED]


async def test_nonce_given_up__with_another_waiting_behind_it__is_filled_by_the_next_action() -> None:
    stage = Stage()
    stage.route.answers = [says(SubmissionKind.UNREACHABLE), "send", says(SubmissionKind.INVALID)]
    executor = await stage.ready(pause(), limit(), pause("BTC-PERP"))
    await stage.act(executor, pause(), limit())
    await stage.head(executor)  # the pause is refused now, the limit waits for its nonce
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1, 0]
    await stage.act(executor, pause("BTC-PERP"))
    await stage.head(executor)
    assert stage.route.sent[-1].nonce == 0
    assert {outcome.reason for _, outcome in stage.outcomes} == {Reason.REFUSED_BY_NODE, Reason.EFFECT_VERIFIED}
    assert len(stage.outcomes) == 3


@pytest.mark.parametrize("answer", [says(SubmissionKind.UNREACHABLE), "lost"])
async def test_unreachable__at_the_first_try__is_sent_again_at_the_next_head(answer: Submission | str) -> None:
    stage = Stage()
    stage.route.answers = [answer]
    executor = await stage.ready()
    await stage.act(executor)
    await executor.on_head(stage.block)
    assert len(stage.route.sent) == 2
    assert stage.route.sent[0] == stage.route.sent[1]
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1


async def test_underpriced__next_head__replaces_with_the_same_nonce() -> None:
    stage = Stage()
    stage.route.answers = [says(SubmissionKind.UNDERPRICED)]
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    first, second = stage.route.sent
    assert (first.nonce, second.nonce) == (0, 0)
    assert second.max_fee_wei * 8 >= first.max_fee_wei * 9
    await stage.head(executor)
    assert stage.outcome.tx_hash == second.tx_hash
    assert stage.calls == 1


async def test_underpriced__for_ever__stops_signing_and_says_why_it_expired() -> None:
    stage = Stage()
    stage.route.always = says(SubmissionKind.UNDERPRICED)
    executor = await stage.ready(pause(expires_ms=1_000_000))
    await stage.act(executor, pause(expires_ms=1_000_000))
    for _ in range(MAX_ATTEMPTS + 3):
        await stage.head(executor)
    assert stage.events.count("sign") == MAX_ATTEMPTS
    assert len(stage.route.sent) > MAX_ATTEMPTS
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    stage.clock.ms += 1_000_000
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert "underpriced: the node's words" in stage.outcome.message


async def test_passed_over__by_each_block__is_outbid_with_twice_the_tip() -> None:
    stage = Stage()
    stage.route.always = says(SubmissionKind.ACCEPTED)  # taken, and put into no block
    executor = await stage.ready(pause(expires_ms=1_000_000))
    await stage.act(executor, pause(expires_ms=1_000_000))
    await executor.on_head(stage.block)
    assert len(stage.route.sent) == 1, "no block has come since"
    for _ in range(3):
        await stage.head(executor)
        await executor.on_head(stage.block)
    assert len(stage.route.sent) == 4
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    for old, new in pairwise(stage.route.sent):
        assert new.priority_fee_wei == 2 * old.priority_fee_wei
        assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
        assert new.max_fee_wei >= offer(stage.block.next_base_fee_wei, new.priority_fee_wei, 1).max_fee_wei


async def test_passed_over__and_somebody_else_brought_it_about__nothing_more_is_offered() -> None:
    stage = Stage()
    stage.route.always = says(SubmissionKind.ACCEPTED)
    executor = await stage.ready()
    await stage.act(executor)
    stage.chain.store(VAULT, paused=1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert len(stage.route.sent) == 1


async def test_passed_over__without_a_budget__stops_at_the_bound_is_repeated_and_told_once() -> None:
    stage = Stage()
    stage.route.always = says(SubmissionKind.ACCEPTED)
    executor = await stage.ready(pause(expires_ms=1_000_000))
    await stage.act(executor, pause(expires_ms=1_000_000))
    for _ in range(MAX_PRESSED + 3):
        await stage.head(executor)
    assert stage.events.count("sign") == MAX_PRESSED
    assert len(stage.route.sent) == MAX_PRESSED + 4, "and the last one again at each head"
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == MAX_PRESSED
    ((_, why),) = stage.withheld
    assert "no budget says" in why
    assert [body["answer"] for body in stage.bodies(RecordKind.BROADCAST)].count("no-more-offered") == 1


async def test_base_fee_runs_away__accepted_attempt__is_outbid_in_time() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    first = stage.route.sent[0]
    await executor.on_head(replace(stage.block, next_base_fee_wei=first.max_fee_wei))
    assert len(stage.route.sent) == 1
    await executor.on_head(replace(stage.block, next_base_fee_wei=first.max_fee_wei + 1))
    assert len(stage.route.sent) == 2
    assert stage.route.sent[1].nonce == first.nonce
    assert stage.chain.pool_size() == 1
    sent = [attempt.tx_hash for attempt in stage.route.sent]
    assert [body["tx_hash"] for body in stage.bodies(RecordKind.BROADCAST)] == sent  # each with its own answer
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1


@pytest.mark.parametrize(
    "kind",
    [SubmissionKind.INSUFFICIENT_FUNDS, SubmissionKind.REFUSED, SubmissionKind.INVALID, SubmissionKind.UNDERPRICED],
)
async def test_replacement__is_refused__the_first_attempt_is_published_again_and_not_given_up(
    kind: SubmissionKind,
) -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.route.answers = [says(kind)]
    await executor.on_head(replace(stage.block, next_base_fee_wei=10 * stage.route.sent[0].max_fee_wei))
    first, second, again = stage.route.sent
    assert again == first != second
    assert stage.outcomes == []
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.outcome.tx_hash == first.tx_hash


@pytest.mark.parametrize("kind", [SubmissionKind.UNREACHABLE, SubmissionKind.NONCE_TOO_LOW])
async def test_replacement__nobody_would_take_the_first_one_either__is_not_published_again(
    kind: SubmissionKind,
) -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.route.answers = [says(kind)]
    await executor.on_head(replace(stage.block, next_base_fee_wei=10 * stage.route.sent[0].max_fee_wei))
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == len(stage.route.sent) == 2


async def test_replacement__cannot_be_signed__the_first_attempt_is_not_given_up() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.signer.broken = True
    await executor.on_head(replace(stage.block, next_base_fee_wei=10 * stage.route.sent[0].max_fee_wei))
    assert stage.outcomes == []
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_signer__does_not_answer__is_an_end_and_nothing_is_sent() -> None:
    stage = Stage()
    stage.signer.broken = True
    await stage.act(await stage.ready())
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIGNING_FAILED)
    assert stage.route.sent == []


# -- somebody else uses the key ----------------------------------------------------------------------------------------------------


async def test_nonce_used_by_another__effect_is_not_there__takes_a_new_nonce() -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.spend_nonce(stage.signer.address)
    await stage.act(executor)
    assert [body["answer"] for body in stage.bodies(RecordKind.BROADCAST)] == ["nonce-too-low"]
    await stage.head(executor)
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1


async def test_nonce_used_by_another__effect_is_there__is_superseded() -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.spend_nonce(stage.signer.address)
    await stage.act(executor)
    stage.chain.store(VAULT, paused=1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert len(stage.route.sent) == 1
    assert stage.calls == 0


@pytest.mark.parametrize(
    ("mode", "reason"), [("no role", Reason.MISSING_ROLE), ("reverts", Reason.SIMULATION_REVERTED)]
)
async def test_nonce_used_by_another__the_call_would_revert_now__is_an_end(mode: str, reason: Reason) -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.spend_nonce(stage.signer.address)
    await stage.act(executor)
    stage.chain.store(VAULT, mode=mode)
    await stage.head(executor)
    assert stage.outcome.reason is reason
    assert stage.events.count("sign") == 1


async def test_nonce_looks_used__the_receipt_came_a_moment_later__is_our_own() -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode="silent")
    stage.block = stage.chain.mine()
    executor = await stage.ready()
    await stage.act(executor)
    receipt = stage.chain.receipt
    block: list[BlockStamp] = []

    async def late(tx_hash: str) -> object:
        found = await receipt(tx_hash)
        if not block:  # mined between the look for a receipt and the look at the nonce
            block.append(stage.chain.mine())
            await executor.refresh(block[0])
        return found

    stage.chain.receipt = late  # type: ignore[method-assign, assignment]
    await executor.on_head(stage.block)
    assert stage.outcome.reason is Reason.NO_EFFECT
    assert len(stage.route.sent) == 1
    assert stage.calls == 1


async def test_attempt_of_another_key__after_a_restart__is_repeated_and_never_replaced() -> None:
    stage = Stage()
    stage.route.answers = [says(SubmissionKind.UNREACHABLE)]
    await stage.act(await stage.ready())
    other = StageSigner(stage.events, OTHER_KEY)
    stage.chain.fund(other.address, ETHER)
    for _ in range(3):
        stage.chain.spend_nonce(other.address)
    executor = stage.executor(signer=other)
    await executor.recover()
    await executor.on_head(replace(stage.block, next_base_fee_wei=10**15))
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1


# -- time runs out -----------------------------------------------------------------------------------------------------------------


async def test_expiry__to_the_millisecond__is_the_last_at_which_it_is_sent() -> None:
    for late_ms, kind in ((60_000, None), (60_001, OutcomeKind.EXPIRED)):
        stage = Stage()
        executor = await stage.ready()
        items = stage.items()
        stage.clock.ms += late_ms
        await executor.act(items, stage.block, {})
        assert [outcome.kind for _, outcome in stage.outcomes] == ([kind] if kind else [])
        assert len(stage.route.sent) == (0 if kind else 1)


async def test_expiry__while_open__ends_without_a_signature() -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.go_down()
    await stage.act(executor)
    stage.expire()
    await executor.rebroadcast()
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.EXPIRED, Reason.NODE_UNREACHABLE)
    assert stage.outcome.tx_hash is None
    assert "sign" not in stage.events


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("answer", [SubmissionKind.UNREACHABLE, SubmissionKind.ACCEPTED])
async def test_expiry__signed_or_submitted__says_that_it_may_still_be_mined(down: bool, answer: SubmissionKind) -> None:
    stage = Stage()
    stage.route.always = says(answer)
    executor = await stage.ready()
    await stage.act(executor)
    stage.expire()
    if down:
        stage.chain.go_down()
    await executor.rebroadcast()
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert stage.outcome.reason is (Reason.NODE_UNREACHABLE if down else Reason.EXPIRED)
    assert stage.outcome.tx_hash == stage.route.sent[0].tx_hash
    assert "may still be" in stage.outcome.message
    assert len(stage.route.sent) == 1


async def test_expiry__effect_is_there_by_another_hand__is_superseded() -> None:
    stage = Stage()
    stage.route.always = says(SubmissionKind.UNREACHABLE)
    executor = await stage.ready()
    await stage.act(executor)
    stage.chain.store(VAULT, paused=1)
    stage.chain.mine()
    stage.expire()
    await executor.rebroadcast()
    assert stage.outcome.kind is OutcomeKind.SUPERSEDED


async def test_expiry__mined_just_in_time__is_not_expired() -> None:
    stage = Stage(confirmations=3)
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    stage.expire()
    stage.chain.go_down()
    await executor.rebroadcast()
    assert stage.outcomes == []
    stage.chain.come_back()
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_expiry__mined_while_the_effect_is_read__is_our_own_work() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.expire()
    read = stage.chain.read
    came: list[BlockStamp] = []

    async def late(calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        if not came:
            came.append(stage.chain.mine())
            block = came[0]
        return await read(calls, block)

    stage.chain.read = late  # type: ignore[method-assign]
    await executor.rebroadcast()
    assert (stage.outcome.kind, stage.outcome.block) == (OutcomeKind.INCLUDED, came[0].number)


async def test_nonce__of_an_action_that_ended_between_heads__is_not_used_again() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit())
    await stage.act(executor)
    stage.block = stage.chain.mine()
    await executor.rebroadcast()
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    await stage.act(executor, limit())
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


async def test_expired_transaction__still_in_the_mempool__is_replaced_by_the_next_action() -> None:
    stage = Stage()
    executor = await stage.ready(pause(expires_ms=1), limit())
    await stage.act(executor, pause(expires_ms=1))
    stage.clock.ms += 2
    await executor.rebroadcast()
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    await stage.act(executor, limit())
    await executor.on_head(stage.block)
    await stage.head(executor)
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    assert stage.outcomes[-1][1].kind is OutcomeKind.INCLUDED
    assert (stage.chain.value("limit"), stage.chain.value("paused"), stage.calls) == (100, 0, 1)
