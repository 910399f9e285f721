"""Killed at any point and started again: the same transaction, once, and no record lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from keeper.domain.errors import StoreUnavailable
from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import VAULT, Stage, check_chained, limit, pause

pytestmark = pytest.mark.unit

Run = Callable[[Stage, Executor], Awaitable[None]]


async def opened(stage: Stage, executor: Executor) -> None:
    stage.store_faults.fail(2)  # killed while the attempt is being written
    await stage.act(executor)


async def signed_not_sent(stage: Stage, executor: Executor) -> None:
    stage.store_faults.fail(2, "after")
    await stage.act(executor)
    assert "submit" not in stage.events


async def signed_with_the_intent(stage: Stage, _: Executor) -> None:
    executor = await stage.ready(measured=True)
    stage.store_faults.fail(1, "after")  # one commit holds both, and killed before the simulation has answered
    with suppress(StoreUnavailable):
        await stage.act(executor)
    assert "submit" not in stage.events


async def signed_and_lost(stage: Stage, executor: Executor) -> None:
    stage.route.answers = [Submission(SubmissionKind.UNREACHABLE, "no answer")]
    await stage.act(executor)


async def sent_not_recorded(stage: Stage, executor: Executor) -> None:
    stage.store_faults.fail(3)
    await stage.act(executor)
    assert stage.chain.pool_size() == 1


async def submitted(stage: Stage, executor: Executor) -> None:
    await stage.act(executor)


async def submitted_and_forgotten(stage: Stage, executor: Executor) -> None:
    await stage.act(executor)
    stage.chain.forget_pool()


async def mined_not_recorded(stage: Stage, executor: Executor) -> None:
    await stage.act(executor)
    stage.block = stage.chain.mine()


async def mined(stage: Stage, executor: Executor) -> None:
    await stage.act(executor)
    stage.store_faults.fail(2)  # the receipt is written, its judgement is not
    with suppress(StoreUnavailable):
        await stage.head(executor)


STATES: dict[Run, IntentState] = {
    opened: IntentState.OPEN,
    signed_not_sent: IntentState.SIGNED,
    signed_with_the_intent: IntentState.SIGNED,
    signed_and_lost: IntentState.SIGNED,
    sent_not_recorded: IntentState.SIGNED,
    submitted: IntentState.SUBMITTED,
    submitted_and_forgotten: IntentState.SUBMITTED,
    mined_not_recorded: IntentState.SUBMITTED,
    mined: IntentState.MINED,
}
ON_ITS_WAY = {sent_not_recorded, submitted, mined_not_recorded, mined}
each_state = pytest.mark.parametrize("run", list(STATES), ids=lambda run: run.__name__)


async def killed(run: Run) -> Stage:
    stage = Stage()
    await run(stage, await stage.ready())
    stage.store_faults.heal()
    assert stage.outcomes == []
    (intent,) = await stage.store.open_intents()
    assert intent.state is STATES[run]
    return stage


async def until_the_end(stage: Stage, executor: Executor) -> None:
    for _ in range(4):
        if stage.outcomes:
            break
        await stage.head(executor)
    assert executor.open_works == ()
    assert await stage.store.open_intents() == []
    check_chained(stage.store.all())


@each_state
async def test_restart__from_any_state__one_transaction_reaches_the_chain(run: Run) -> None:
    stage = await killed(run)
    executor = stage.executor()
    assert await executor.recover() == 1
    await until_the_end(stage, executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1
    assert len(stage.records(RecordKind.ATTEMPT)) == 1
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1


@each_state
async def test_restart__again_and_again__one_transaction_reaches_the_chain(run: Run) -> None:
    stage = await killed(run)
    for _ in range(5):
        executor = stage.executor()
        await executor.recover()
        await executor.rebroadcast()
    await until_the_end(stage, executor)
    assert stage.calls == 1
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1


@each_state
async def test_restart__the_effect_came_by_another_hand__is_not_done_again(run: Run) -> None:
    stage = await killed(run)
    stage.chain.store(VAULT, paused=1)
    stage.block = stage.chain.mine()
    signed = stage.events.count("sign")
    executor = stage.executor()
    await executor.recover()
    await until_the_end(stage, executor)
    assert stage.outcome.kind in (OutcomeKind.SUPERSEDED, OutcomeKind.INCLUDED)
    if run is opened:
        assert stage.outcome.reason is Reason.ALREADY_IN_EFFECT
    assert stage.events.count("sign") == signed


@each_state
async def test_restart__in_shadow_mode__signs_and_sends_nothing(run: Run) -> None:
    stage = await killed(run)
    before = list(stage.events)
    executor = await stage.ready(live=False)
    await stage.head(executor)
    await executor.rebroadcast()
    stage.expire()
    await stage.head(executor)
    assert executor.open_works == ()
    assert set(stage.events[len(before) :]) <= {"receipt", "effect", "outcome"}
    assert stage.outcome.kind is (
        OutcomeKind.INCLUDED if run in ON_ITS_WAY else OutcomeKind.DRY_RUN if run is opened else OutcomeKind.EXPIRED
    )


@each_state
async def test_restart__after_the_expiry__sends_nothing(run: Run) -> None:
    stage = await killed(run)
    stage.expire()
    sent = len(stage.route.sent)
    executor = await stage.ready()
    await until_the_end(stage, executor)
    assert len(stage.route.sent) == sent
    assert stage.outcome.kind is (OutcomeKind.INCLUDED if run in ON_ITS_WAY else OutcomeKind.EXPIRED)


@pytest.mark.parametrize("now", ["gone", "another call"])
@each_state
async def test_restart__action_is_not_configured_any_more__nothing_new_is_signed(run: Run, now: str) -> None:
    stage = await killed(run)
    signed = stage.events.count("sign")
    armed = limit()
    if now == "another call":  # the same name on the same market
        other = limit().action
        armed = replace(limit(), action=replace(other, name="pause", market="ETH-PERP"))
        assert armed.key == pause().key
    executor = await stage.ready(armed)
    await executor.on_head(replace(stage.block, next_base_fee_wei=10**15))
    await until_the_end(stage, executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.NOT_CONFIGURED)
    assert stage.events.count("sign") == signed
    assert stage.calls == (0 if run is opened else 1)
    if run is not opened:
        assert stage.outcome.tx_hash == stage.route.sent[0].tx_hash
        assert "not read" in stage.outcome.message


async def test_restart__not_configured_and_its_nonce_is_used__ends() -> None:
    stage = await killed(signed_and_lost)
    stage.chain.spend_nonce(stage.signer.address)
    executor = await stage.ready(limit())
    await until_the_end(stage, executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.NONCE_TAKEN)
    assert stage.calls == 0


async def test_restart__not_configured_and_reverted__says_that_it_reverted() -> None:
    stage = await killed(submitted)
    stage.chain.store(VAULT, mode="reverts")
    executor = await stage.ready(limit())
    await until_the_end(stage, executor)
    assert stage.outcome.kind is OutcomeKind.REVERTED


async def test_restart__mined_and_moved_while_away__the_log_follows_the_chain() -> None:
    stage = await killed(mined)
    stage.chain.undo()
    executor = stage.executor()
    await executor.recover()
    await stage.head(executor, seconds=13)
    await until_the_end(stage, executor)
    first, gone, second = stage.bodies(RecordKind.RECEIPT)
    assert (gone["gone"], gone["tx_hash"]) == (True, first["tx_hash"])
    assert stage.calls == 1
    assert stage.outcome.block == second["block"]


async def test_restart__before_any_head_is_known__confirmations_are_waited_for() -> None:
    stage = Stage(confirmations=2)
    await stage.act(await stage.ready())
    stage.chain.mine()
    executor = stage.executor()
    await executor.recover()
    await executor.rebroadcast()
    assert stage.outcomes == []
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_recover__twice__takes_up_once() -> None:
    stage = await killed(submitted)
    executor = stage.executor()
    assert await executor.recover() == 1
    (work,) = executor.open_works
    assert await executor.recover() == 1
    assert executor.open_works == (work,)


async def test_recover__empty_log__is_nothing() -> None:
    assert await Stage().executor().recover() == 0


async def test_restart__with_several_open__nonces_go_on_behind_them() -> None:
    stage = Stage()
    await stage.act(await stage.ready(pause(), limit()), pause(), limit())
    executor = await stage.ready(pause(), limit(), pause("BTC-PERP"))
    assert len(executor.open_works) == 2
    await stage.act(executor, pause("BTC-PERP"))
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1, 2]
    await stage.head(executor)
    assert len(stage.outcomes) == 3
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
