"""Works of one key that go different ways: what is public lands although an earlier nonce was for builders, and who hears of what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.budget import Budget
from keeper.domain.errors import OutsideError
from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind
from keeper.execution.edges import Way
from keeper.execution.fees import Fees, raised
from keeper.execution.journal import Fallback, FallbackReason
from keeper.execution.planner import ArmedAction
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import ETHER, VAULT, Stage, adjust, limit, pause
from tests.support.private_stage import PrivateStage

pytestmark = pytest.mark.unit

LONG_MS = 3_600_000


def going(
    route: str, public_after: int | None = None, *, name: str = "pause", armed: ArmedAction | None = None
) -> ArmedAction:
    armed = armed if armed is not None else pause(name.upper(), name, expires_ms=LONG_MS)
    return replace(armed, action=replace(armed.action, route=route, public_after=public_after))


def nonces(stage: Stage) -> list[tuple[str, int]]:
    return [(attempt.intent.split("/")[1], attempt.nonce) for attempt in stage.route.sent]


def reasons(stage: Stage) -> list[FallbackReason]:
    return [fallback.reason for _, fallback in stage.fallbacks]


# -- what is public behind what is secret ------------------------------------------------------------------------------------------


async def test_public_behind_never_public__that_nobody_takes__has_its_nonce() -> None:
    stage = PrivateStage()
    first, second = going("only", name="first"), going("public", name="second")
    stage.builders.always = SubmissionKind.REFUSED
    executor = await stage.ready(first, second)
    await stage.settled(executor, first)
    await stage.settled(executor, second)
    assert nonces(stage) == [("second", 0)]
    await stage.heads(executor, 2)
    assert (stage.calls, len(stage.outcomes)) == (1, 2)


async def test_public_behind_never_public__that_builders_took__waits_for_one_block_and_is_signed_lower() -> None:
    stage = PrivateStage()
    first, second = going("only", name="first"), going("public", name="second")
    executor = await stage.ready(first, second)
    await stage.settled(executor, first)
    await stage.settled(executor, second)
    assert nonces(stage) == [("second", 1)]
    await stage.heads(executor)
    assert nonces(stage)[1:] == [("second", 0)]
    secret, public = stage.builders.submitted[0][0], stage.route.sent[1]
    assert Fees(public.max_fee_wei, public.priority_fee_wei) == raised(
        Fees(secret.max_fee_wei, secret.priority_fee_wei)
    )
    await stage.heads(executor)
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.SUPERSEDED, OutcomeKind.INCLUDED]


async def test_public_behind_never_public__builders_include_it__has_its_own_nonce_again() -> None:
    stage = PrivateStage()
    first, second = going("only", name="first"), going("public", name="second", armed=limit(100))
    second = replace(second, action=replace(second.action, expires_ms=LONG_MS))
    executor = await stage.ready(first, second)
    await stage.settled(executor, first)
    await stage.settled(executor, second)
    stage.chain.forget_pool()
    await stage.heads(executor)
    stage.chain.forget_pool()
    await stage.heads(executor, included=True)
    assert nonces(stage)[-1] == ("limit", 1), "what it has signed with the later nonce is good again"
    await stage.heads(executor)
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
    assert stage.calls == 2


@pytest.mark.parametrize("public_after", [None, 0])
async def test_public_behind_secret__that_may_be_public__has_it_fall_back_at_once(public_after: int | None) -> None:
    stage = PrivateStage()
    stage.from_the_start = public_after == 0
    first = going("private", 10, name="first")
    second = going("public" if public_after is None else "private", public_after, name="second")
    executor = await stage.ready(first, second)
    await stage.settled(executor, first)
    await stage.settled(executor, second)
    assert nonces(stage) == [("second", 1), ("first", 0)]
    assert reasons(stage) == [FallbackReason.NEEDED]
    assert "same key" in stage.fallbacks[0][1].message
    assert [len(work.intent.attempts) for work in executor.open_works] == [2, 1], "nothing is pressed behind a secret"
    await stage.heads(executor)
    assert stage.calls == 2


async def test_secret_behind_secret__is_refused_for_its_nonce__is_no_fallback_until_it_is_first() -> None:
    stage = PrivateStage()
    first, second = going("private", 9, name="first"), going("private", 9, name="second")
    stage.builders.answers = [SubmissionKind.ACCEPTED, SubmissionKind.REFUSED]
    executor = await stage.ready(first, second)
    await stage.act(executor, first, second)
    await executor.settle()
    assert (stage.route.sent, stage.fallbacks) == ([], [])
    await stage.builders.include(stage.block)
    stage.builders.always = SubmissionKind.REFUSED
    stage.chain.store(VAULT, mode="silent")  # so that something is left to do for the second one
    await stage.heads(executor)
    assert reasons(stage) == [FallbackReason.REFUSED]
    assert [name for name, _ in nonces(stage)] == ["second"]


async def test_secret_behind_secret__the_first_one_falls_back__goes_with_it() -> None:
    stage = PrivateStage()
    first, second = going("private", 9, name="first"), going("private", 9, name="second")
    stage.builders.always = SubmissionKind.REFUSED
    executor = await stage.ready(first, second)
    await stage.act(executor, first, second)
    await executor.settle()
    await stage.heads(executor)
    assert sorted(nonces(stage))[:1] == [("first", 0)]
    assert ("second", 1) in nonces(stage)


# -- fees of a nonce that was used before ------------------------------------------------------------------------------------------


async def test_nonce_of_an_expired_intent__starts_from_what_it_offered_last() -> None:
    stage = Stage()
    first = pause("A", "first", expires_ms=60_000)
    second = pause("B", "second", expires_ms=LONG_MS)
    executor = await stage.ready(first, second, measured=True)
    stage.chain._execute = lambda *_: False  # type: ignore[method-assign]
    await stage.act(executor, first)
    for _ in range(7):
        await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    last = stage.route.sent[-1]
    await stage.act(executor, second)
    sent = stage.route.sent[-1]
    assert (sent.nonce, sent.intent.split("/")[1]) == (last.nonce, "second")
    assert Fees(sent.max_fee_wei, sent.priority_fee_wei) == raised(Fees(last.max_fee_wei, last.priority_fee_wei))
    assert stage.bodies(RecordKind.BROADCAST)[-1]["answer"] == "accepted"


# -- falling back ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("removed", [False, True])
async def test_restart__the_action_goes_an_open_way_now__falls_back_at_once(removed: bool) -> None:
    stage = PrivateStage()
    first = await stage.ready(going("private", 20))
    await stage.settled(first, going("private", 20))
    if removed:
        stage.ways = {"public": Way(stage.route)}
    executor = await stage.ready(going("public"))
    await stage.heads(executor)
    assert reasons(stage) == [FallbackReason.CONFIGURED]
    assert "configuration" in stage.fallbacks[0][1].message
    assert stage.route.sent[0].tx_hash != stage.builders.submitted[0][0].tx_hash, "builders had taken the first one"
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_fallback__taken_once_and_refused_by_all_since__comes_when_no_bundle_is_left() -> None:
    stage = PrivateStage()
    executor = await stage.ready(going("private", 20))
    await stage.settled(executor, going("private", 20))
    stage.builders.always = SubmissionKind.REFUSED
    await stage.heads(executor, 2)
    assert stage.fallbacks == []
    await stage.heads(executor)
    assert reasons(stage) == [FallbackReason.REFUSED]
    assert stage.route.sent[0].tx_hash != stage.builders.submitted[0][0].tx_hash


async def test_never_public__nobody_takes_it__is_paged_once() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.REFUSED
    executor = await stage.ready(going("only"))
    await stage.settled(executor, going("only"))
    await stage.heads(executor, 3)
    ((_, message),) = stage.withheld
    assert message == "no builder takes it (words)"
    assert [body["answer"] for body in stage.bodies(RecordKind.BROADCAST)] == ["refused", "nobody-takes-it"]
    again = await stage.ready(going("only"))
    await stage.heads(again, 2)
    assert len(stage.withheld) == 1


async def test_fallback__the_view_does_not_answer__is_public_all_the_same() -> None:
    stage = PrivateStage()
    armed = going("private", 2, armed=limit())
    executor = await stage.ready(armed)
    await stage.settled(executor, armed)
    stage.chain.store(VAULT, unreadable=1)
    await stage.heads(executor, 2)
    assert len(stage.fallbacks) == 1
    assert len(stage.route.sent) == 1


async def test_fallback__killed_before_it_was_told__is_told_by_the_next_run() -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    stage = PrivateStage()
    executor = await stage.ready(going("private", 1))
    await stage.settled(executor, going("private", 1))
    executor._dispatch._on_fallback = die
    with pytest.raises(Killed):
        await stage.heads(executor)
    assert stage.route.sent == []
    again = await stage.ready(going("private", 1))
    assert reasons(stage) == [FallbackReason.NOT_INCLUDED]
    await stage.heads(again)
    assert len(stage.fallbacks) == 1
    last = await stage.ready(going("private", 1))
    assert (len(stage.fallbacks), len(last.open_works)) == (1, 1)


@pytest.mark.parametrize("body", [None, "words", {}, {"reason": "of a later version", "blocks": 1}])
def test_fallback__written_by_another_version__is_none(body: object) -> None:
    assert Fallback.read(body) is None  # type: ignore[arg-type]


async def test_blocks__each_run_is_killed_before_builders_answer__are_counted_all_the_same() -> None:
    stage = PrivateStage()
    armed = going("private", 2)
    stage.builders.hang()
    executor = await stage.ready(armed)
    await stage.act(executor, armed)
    for _ in range(2):
        executor = await stage.ready(armed)
        await stage.head(executor)
    assert [(fallback.reason, fallback.blocks) for _, fallback in stage.fallbacks] == [(FallbackReason.NOT_INCLUDED, 2)]
    assert len(stage.route.sent) == 1
    await executor.settle(0)


async def test_end__a_builder_may_have_taken_it__is_asked_to_forget_it() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.UNREACHABLE
    executor = await stage.ready(going("only"))
    await stage.settled(executor, going("only"))
    stage.clock.ms += LONG_MS + 1
    await stage.heads(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert [attempt.nonce for attempt in stage.builders.withdrawn] == [0]


async def test_rebroadcast__one_whose_view_does_not_answer__is_no_reason_to_leave_the_others() -> None:
    stage = Stage()
    first = adjust()
    first = replace(first, action=replace(first.action, expires_ms=LONG_MS))
    second = pause("B", "second", expires_ms=LONG_MS)
    executor = await stage.ready(first, second)
    stage.chain._execute = lambda *_: False  # type: ignore[method-assign]
    await stage.act(executor, first, second)
    stage.chain.store(VAULT, unreadable=1)
    stage.block = stage.chain.mine()
    before = len(stage.route.sent)
    with pytest.raises(OutsideError):
        await executor.rebroadcast()
    assert "second" in [attempt.intent.split("/")[1] for attempt in stage.route.sent[before:]]


# -- what there is to spend --------------------------------------------------------------------------------------------------------


async def worst_first_offer() -> int:
    stage = Stage()
    executor = await stage.ready(measured=True)
    await stage.act(executor)
    (attempt,) = executor.open_works[0].intent.attempts
    return attempt.max_fee_wei * attempt.gas_limit


async def test_budget_of_a_day__raised_offers__leave_the_first_one_of_another_action() -> None:
    stage = Stage(budget=Budget(None, await worst_first_offer() * 21 // 10))
    first, second = pause("A", "first", expires_ms=LONG_MS), pause("B", "second", expires_ms=LONG_MS)
    executor = await stage.ready(first, second, measured=True)
    stage.chain._execute = lambda *_: False  # type: ignore[method-assign]
    await stage.act(executor, first)
    for _ in range(4):
        await stage.head(executor)
    await stage.act(executor, second)
    assert executor.lane is not None
    assert [attempt.max_fee_wei for attempt in executor.open_works[1].intent.attempts] == [
        executor.lane.offer.max_fee_wei
    ]


async def test_balance__covers_less_than_a_fresh_offer__is_what_is_offered() -> None:
    stage = Stage()
    fresh = await worst_first_offer()
    stage.chain.fund(stage.signer.address, fresh * 6 // 10)
    stage.block = stage.chain.mine()
    executor = await stage.ready(measured=True)
    await stage.act(executor)
    (attempt,) = executor.open_works[0].intent.attempts
    assert attempt.max_fee_wei * attempt.gas_limit <= fresh * 6 // 10
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_balance__does_not_cover_more__is_paged_and_the_last_offer_stays() -> None:
    stage = Stage(budget=Budget(ETHER, None))
    executor = await stage.ready(pause(expires_ms=LONG_MS), measured=True)
    stage.chain.fund(stage.signer.address, await worst_first_offer())
    stage.chain._execute = lambda *_: False  # type: ignore[method-assign]
    stage.block = stage.chain.mine()
    await executor.refresh(stage.block)
    await stage.act(executor, pause(expires_ms=LONG_MS))
    for _ in range(3):
        await stage.head(executor)
    (work,) = executor.open_works
    assert (len(work.intent.attempts), work.intent.state) == (1, IntentState.SUBMITTED)
    ((_, message),) = stage.withheld
    assert "has and needs for nothing else" in message
