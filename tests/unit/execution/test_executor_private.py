"""What goes to builders alone: sent for every block, never waited for, public only after a fallback that is written down and told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from keeper.domain.budget import Budget
from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.fees import offer
from keeper.execution.journal import FallbackReason
from keeper.execution.planner import ArmedAction
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import EXPIRES_MS, VAULT, StageSigner, pause
from tests.support.private_stage import SAYS, PrivateStage, secret_pause

pytestmark = pytest.mark.unit

LONG = 10 * EXPIRES_MS


def on(armed: ArmedAction, route: str) -> ArmedAction:
    return replace(armed, action=replace(armed.action, route=route))


def answers(stage: PrivateStage) -> list[tuple[str, str]]:
    return [(str(body["route"]), str(body["answer"])) for body in stage.bodies(RecordKind.BROADCAST)]


async def test_private__accepted__is_sent_for_every_block_with_one_record_and_mined_unseen() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(9))
    await stage.settled(executor, secret_pause(9))
    await stage.heads(executor, 3)
    assert [block for _, block in stage.builders.submitted] == [1, 2, 3, 4]
    assert len({attempt.tx_hash for attempt, _ in stage.builders.submitted}) == 1
    assert answers(stage) == [("private", "accepted")]
    (body,) = stage.bodies(RecordKind.BROADCAST)
    assert (body["block"], body["public"]) == (1, False)
    assert body["answers"] == [
        {"to": "titan", "method": "eth_sendBundle", "answer": "accepted", "message": "words", "ms": "0.000"}
    ]
    await stage.heads(executor, included=True)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert (stage.route.sent, stage.fallbacks, stage.builders.withdrawn) == ([], [], [])
    assert stage.told_sent == [stage.builders.submitted[0][0].tx_hash]


async def test_private__the_same_head_twice_and_rebroadcast__bother_builders_once_and_nobody_else() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(9))
    await stage.settled(executor, secret_pause(9))
    for _ in range(2):
        await executor.on_head(stage.block)
        await executor.rebroadcast()
        await executor.settle()
    assert len(stage.builders.submitted) == 1
    assert stage.route.sent == []


async def test_private__answers_that_change_in_kind__are_recorded() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(None))
    stage.builders.answers = [
        SubmissionKind.ACCEPTED,
        SubmissionKind.UNREACHABLE,
        SubmissionKind.UNREACHABLE,
        SubmissionKind.ACCEPTED,
    ]
    await stage.settled(executor, secret_pause(None))
    await stage.heads(executor, 3)
    assert answers(stage) == [("private", "accepted"), ("private", "unreachable"), ("private", "accepted")]


# -- falling back ------------------------------------------------------------------------------------------------------------------


async def test_fallback__so_many_blocks_without_it__is_told_and_offers_more_with_the_same_nonce() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(2))
    await stage.settled(executor, secret_pause(2))
    await stage.heads(executor, 1)
    assert (stage.route.sent, stage.fallbacks) == ([], [])
    await stage.heads(executor, 1)
    first, (public,) = stage.builders.submitted[0][0], stage.route.sent
    assert public.nonce == first.nonce
    assert public.max_fee_wei * 10 >= first.max_fee_wei * 11
    assert public.priority_fee_wei * 10 >= first.priority_fee_wei * 11
    ((_, fallback),) = stage.fallbacks
    assert (fallback.reason, fallback.blocks) == (FallbackReason.NOT_INCLUDED, 2)
    assert answers(stage) == [
        ("private", "accepted"),
        ("public", "fallback"),
        ("public", "accepted"),
        ("private", "accepted"),
    ]
    body = stage.bodies(RecordKind.BROADCAST)[1]
    assert body["fallback"] == {"reason": "not-included", "blocks": 2}
    assert (body["block"], body["message"]) == (3, "sent publicly, since 2 blocks came without it")
    await stage.heads(executor)
    assert stage.outcome.tx_hash == public.tx_hash
    assert stage.calls == 1


async def test_fallback__afterwards__both_ways_get_every_attempt() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(1, expires_ms=LONG))
    await stage.settled(executor, secret_pause(1, expires_ms=LONG))
    stage.route.always = SAYS[SubmissionKind.ACCEPTED]
    await stage.heads(executor, 3)
    assert len(stage.route.sent) == 3
    assert [attempt for attempt, _ in stage.builders.submitted[1:]] == stage.route.sent
    assert len(stage.fallbacks) == 1


@pytest.mark.parametrize("kind", [SubmissionKind.REFUSED, SubmissionKind.UNREACHABLE])
async def test_fallback__no_builder_takes_it__is_public_at_once_with_the_same_bytes(kind: SubmissionKind) -> None:
    stage = PrivateStage()
    stage.builders.always = kind
    executor = await stage.ready(secret_pause(5))
    await stage.settled(executor, secret_pause(5))
    assert stage.route.sent == [stage.builders.submitted[0][0]]
    assert answers(stage) == [("private", kind.value), ("public", "fallback"), ("public", "accepted")]
    ((_, fallback),) = stage.fallbacks
    assert (fallback.reason, fallback.blocks) == (FallbackReason.REFUSED, 0)
    assert stage.bodies(RecordKind.BROADCAST)[1]["answers"]
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_fallback__one_of_them_took_an_earlier_one__is_counted_in_blocks_and_not_at_once() -> None:
    stage = PrivateStage()
    stage.builders.answers = [SubmissionKind.ACCEPTED, SubmissionKind.REFUSED]
    executor = await stage.ready(secret_pause(3))
    await stage.settled(executor, secret_pause(3))
    await stage.heads(executor, 2)
    assert stage.route.sent == []
    await stage.heads(executor)
    assert stage.fallbacks[0][1].reason is FallbackReason.NOT_INCLUDED


async def test_fallback__the_nonce_is_used_say_builders__is_none() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.NONCE_TOO_LOW
    executor = await stage.ready(secret_pause(5))
    await stage.settled(executor, secret_pause(5))
    assert stage.route.sent == []


async def test_never_public__nobody_takes_it__is_tried_until_it_expires() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.REFUSED
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    await stage.heads(executor, 4)
    assert len(stage.builders.submitted) == 5
    assert stage.outcomes == []
    stage.expire()
    await stage.heads(executor)
    assert (stage.outcome.kind, stage.route.sent) == (OutcomeKind.EXPIRED, [])
    assert "refused: words" in stage.outcome.message


async def test_no_open_way__refused__is_never_an_end_and_taken_later() -> None:
    stage = PrivateStage()
    armed = on(secret_pause(1), "only")
    stage.builders.answers = [SubmissionKind.REFUSED, SubmissionKind.INSUFFICIENT_FUNDS]
    executor = await stage.ready(armed)
    await stage.settled(executor, armed)
    await stage.heads(executor, 2)
    await stage.heads(executor, included=True)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


# -- both at once ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("armed", [on(secret_pause(None), "race"), secret_pause(0)])
async def test_both_from_the_start__is_no_fallback_and_keeps_its_bytes(armed: ArmedAction) -> None:
    stage = PrivateStage()
    stage.from_the_start = True
    executor = await stage.ready(armed)
    await stage.settled(executor, armed)
    assert stage.route.sent == [stage.builders.submitted[0][0]]
    await executor.on_head(stage.block)
    await executor.settle()
    assert len(stage.route.sent) == 1
    assert stage.fallbacks == []
    assert len(stage.told_sent) == 1
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_both__the_node_refuses_what_builders_have__is_no_end() -> None:
    stage = PrivateStage()
    armed = on(secret_pause(), "race")
    stage.route.always = SAYS[SubmissionKind.REFUSED]
    executor = await stage.ready(armed)
    await stage.settled(executor, armed)
    await stage.heads(executor)
    assert stage.outcomes == []
    await stage.heads(executor, included=True)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_both__refuse_for_good__is_an_end() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.REFUSED
    stage.route.always = SAYS[SubmissionKind.INVALID]
    executor = await stage.ready(secret_pause())
    await stage.settled(executor, secret_pause())
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.REFUSED_BY_NODE)
    assert stage.builders.withdrawn == []


# -- relays that hang --------------------------------------------------------------------------------------------------------------


async def test_hanging_relay__holds_up_nobody() -> None:
    stage = PrivateStage()
    stage.builders.hang()
    armed = [secret_pause(1), pause("BTC-PERP")]
    executor = await stage.ready(*armed)
    await stage.act(executor, *armed)
    assert stage.route.sent[0].nonce == 1, "the other one is public already"
    await stage.head(executor)
    assert stage.fallbacks[0][1].reason is FallbackReason.NEEDED
    assert 0 in [attempt.nonce for attempt in stage.route.sent]
    assert stage.builders.waiting == 2
    await stage.head(executor)
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
    assert len(stage.outcomes) == 2
    stage.builders.go_on()
    await executor.settle()
    assert [attempt.nonce for attempt in stage.builders.withdrawn] == [], "it is mined"


async def test_relay_that_never_answers__is_not_asked_without_end_and_let_go() -> None:
    stage = PrivateStage()
    stage.builders.hang()
    executor = await stage.ready(secret_pause(None, expires_ms=LONG))
    await stage.act(executor, secret_pause(None, expires_ms=LONG))
    for _ in range(8):
        await stage.head(executor)
    await asyncio.sleep(0)
    assert stage.builders.waiting == 4
    await executor.settle(0)
    assert stage.builders.waiting == 0


# -- nothing public before the fallback, whoever comes back ------------------------------------------------------------------------


async def test_restart__before_the_fallback__sends_nothing_publicly_and_goes_on_counting() -> None:
    stage = PrivateStage()
    first = await stage.ready(secret_pause(3))
    await stage.settled(first, secret_pause(3))
    await stage.heads(first)
    executor = await stage.ready(secret_pause(3))
    await executor.rebroadcast()
    await stage.heads(executor)
    assert stage.route.sent == []
    assert stage.builders.submitted[-1][1] == stage.block.number
    await stage.heads(executor)
    ((_, fallback),) = stage.fallbacks
    assert fallback.blocks == 3
    assert stage.route.sent[0].tx_hash != stage.builders.submitted[0][0].tx_hash, "builders had taken the first one"


async def test_restart__after_the_fallback__is_public_at_once_and_does_not_fall_back_again() -> None:
    stage = PrivateStage()
    first = await stage.ready(secret_pause(1))
    await stage.settled(first, secret_pause(1))
    stage.route.answers = [SAYS[SubmissionKind.UNREACHABLE]]
    await stage.heads(first)
    executor = await stage.ready(secret_pause(1))
    await executor.rebroadcast()
    assert stage.route.sent[0] == stage.route.sent[1]
    assert len(stage.fallbacks) == 1


@pytest.mark.parametrize("now", [pause("BTC-PERP"), secret_pause(1)])
async def test_restart__the_private_way_is_not_configured_any_more__nothing_becomes_public(now: ArmedAction) -> None:
    """Neither is the action, or it has no other way."""
    stage = PrivateStage()
    first = await stage.ready(secret_pause(1))
    await stage.settled(first, secret_pause(1))
    del stage.ways["private"], stage.ways["only"], stage.ways["race"]
    executor = await stage.ready(now)
    await stage.heads(executor, 3)
    assert stage.route.sent == []
    stage.expire()
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED


async def test_another_key_after_a_restart__falls_back_with_the_same_bytes() -> None:
    stage = PrivateStage()
    first = await stage.ready(secret_pause(1))
    await stage.settled(first, secret_pause(1))
    other = StageSigner(stage.events, bytes([7] * 32))
    executor = stage.executor(secret_pause(1), signer=other)
    await executor.recover()
    await stage.heads(executor)
    assert stage.route.sent == [stage.builders.submitted[0][0]]


# -- fees, reorganisations, the end ------------------------------------------------------------------------------------------------


async def test_private_phase__the_base_fee_alone__raises_the_offer() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    first = stage.builders.submitted[0][0]
    for fee, attempts in ((first.max_fee_wei, 1), (first.max_fee_wei + 1, 2)):
        stage.block = stage.chain.mine()
        await executor.on_head(replace(stage.block, next_base_fee_wei=fee))
        await executor.settle()
        assert len({attempt.tx_hash for attempt, _ in stage.builders.submitted}) == attempts
    assert stage.builders.submitted[-1][0].nonce == first.nonce
    assert stage.route.sent == []


async def test_reorganisation__of_what_builders_had_included__has_them_sent_bundles_again() -> None:
    stage = PrivateStage(confirmations=3)
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    await stage.heads(executor, included=True)
    assert [work.intent.state for work in executor.open_works] == [IntentState.MINED]
    before = len(stage.builders.submitted)
    stage.chain.undo(keep_pool=False)
    stage.block = stage.chain.mine(seconds=13)
    await executor.on_head(stage.block)
    assert [work.intent.state for work in executor.open_works] == [IntentState.SUBMITTED]
    await stage.heads(executor)
    assert len(stage.builders.submitted) == before + 1
    await stage.heads(executor, included=True)
    await stage.heads(executor, 2)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.route.sent == []


async def test_private_phase__somebody_else_does_it__ends_at_the_next_head_and_is_withdrawn() -> None:
    """Builders leave out a bundle that would revert by now, and would be asked again and again until it expires."""
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    stage.chain.store(VAULT, paused=1)
    await stage.heads(executor)
    await executor.settle()
    assert (stage.outcome.kind, stage.route.sent) == (OutcomeKind.SUPERSEDED, [])
    assert stage.builders.submitted[0][0] in stage.builders.withdrawn


@pytest.mark.parametrize("by_another", [True, False])
async def test_end__without_being_mined__builders_are_asked_to_forget_and_nobody_waits(by_another: bool) -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    stage.builders.hang()
    if by_another:
        stage.chain.store(VAULT, paused=1)
        stage.block = stage.chain.mine()
    stage.expire()
    await executor.on_head(stage.block)
    assert stage.outcome.kind is (OutcomeKind.SUPERSEDED if by_another else OutcomeKind.EXPIRED)
    assert stage.builders.withdrawn == []
    stage.builders.go_on()
    await executor.settle()
    assert stage.builders.withdrawn == [stage.builders.submitted[0][0]]
    body = stage.bodies(RecordKind.BROADCAST)[-1]
    assert (body["answer"], body["accepted"]) == ("withdrawn", False)
    assert executor.open_works == ()


async def test_end__builders_accept_it_a_moment_later__are_asked_to_forget_it_too() -> None:
    stage = PrivateStage()
    stage.builders.hang()
    executor = await stage.ready(secret_pause(None))
    await stage.act(executor, secret_pause(None))
    await asyncio.sleep(0)
    stage.expire()
    await executor.on_head(stage.block)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    stage.builders.go_on()
    await executor.settle()
    assert [attempt.nonce for attempt in stage.builders.withdrawn] == [0]


async def test_private__database_away_when_builders_answer__goes_on_from_what_is_durable() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(5))
    stage.builders.hang()
    await stage.act(executor, secret_pause(5))
    stage.store_faults.fail(1)
    stage.builders.go_on()
    await executor.settle()
    assert answers(stage) == []
    await stage.heads(executor)
    assert answers(stage) == [("private", "accepted")]
    await stage.heads(executor, included=True)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_fallback__more_cannot_be_signed__is_public_with_the_same_bytes_all_the_same() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(1))
    await stage.settled(executor, secret_pause(1))
    stage.signer.broken = True
    await stage.heads(executor)
    assert stage.route.sent == [stage.builders.submitted[0][0]]
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_fallback__the_budget_allows_no_more__is_public_with_the_same_bytes_and_people_are_paged() -> None:
    stage = PrivateStage()
    armed = secret_pause(1, gas_limit=100_000)
    stage.budget = Budget(per_action_wei=offer(stage.block.next_base_fee_wei, 10**9).max_fee_wei * 100_000)
    executor = await stage.ready(armed)
    await stage.settled(executor, armed)
    await stage.heads(executor)
    assert stage.route.sent == [stage.builders.submitted[0][0]]
    assert (len(stage.fallbacks), len(stage.withheld)) == (1, 1)


async def test_fallback__mined_meanwhile__is_none() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(1))
    await stage.settled(executor, secret_pause(1))
    await stage.heads(executor, included=True)
    assert (stage.fallbacks, stage.route.sent) == ([], [])
    assert stage.outcome.kind is OutcomeKind.INCLUDED
