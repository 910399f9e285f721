"""The node or the database fails at any single point, or the chain takes a block back: one effect, one end, nothing sent unwritten."""

from __future__ import annotations

from contextlib import suppress

import pytest

from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import VAULT, Stage, check_chained, limit, pause

pytestmark = pytest.mark.unit

MOST_REQUESTS = 16
"""No run asks the node more often before its end."""
APPENDS = 5
"""intent, attempt, broadcast, receipt, and effect with outcome."""


async def heads(stage: Stage, executor: Executor, most: int = 8) -> None:
    """Blocks until the end, whatever fails on the way."""
    for _ in range(most):
        if stage.outcomes:
            return
        with suppress(Unreachable, StoreUnavailable):
            await stage.head(executor, seconds=2)


async def one_end(stage: Stage, kind: OutcomeKind = OutcomeKind.INCLUDED) -> None:
    assert stage.outcome.kind is kind
    assert stage.calls == 1
    assert len(stage.records(RecordKind.OUTCOME)) == 1
    assert {intent.state for intent in stage.store.intents().values()} == {IntentState.DONE}
    check_chained(stage.store.all())


# -- the node ----------------------------------------------------------------------------------------------------------------------


async def run_with_node_fault(stage: Stage, number: int, failures: int, *, known: bool) -> None:
    asked = stage.chain_faults.asked
    stage.chain_faults.failing = lambda now: "down" if asked + number <= now < asked + number + failures else ""
    executor = stage.executor()
    with suppress(Unreachable):
        await executor.refresh(stage.block)
    await stage.act(executor, before="false" if known else "true")
    await heads(stage, executor)


async def test_node__nothing_fails__asks_less_often_than_the_tests_below_try() -> None:
    stage = Stage()
    await run_with_node_fault(stage, 1, 0, known=False)
    await one_end(stage)
    assert 8 <= stage.chain_faults.asked <= MOST_REQUESTS


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("number", range(1, MOST_REQUESTS + 1))
async def test_node__fails_at_any_request__one_effect_and_one_end(number: int, failures: int, known: bool) -> None:
    stage = Stage()
    await run_with_node_fault(stage, number, failures, known=known)
    await one_end(stage)
    assert len(stage.records(RecordKind.ATTEMPT)) == 1


async def test_node__is_away_from_start_to_expiry__ends_in_its_own_outcome() -> None:
    stage = Stage()
    executor = stage.executor()
    stage.chain.go_down()
    await stage.act(executor)
    stage.expire()
    with pytest.raises(Unreachable):
        await executor.on_head(stage.block)
    await executor.rebroadcast()
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.EXPIRED, Reason.NODE_UNREACHABLE)


async def test_node__one_of_two_actions_meets_it_away__the_other_goes_on() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit())
    stage.chain_faults.fail(1)  # the first simulation
    await stage.act(executor, pause(), limit())
    assert [attempt.intent.split("/")[1] for attempt in stage.route.sent] == ["limit"]
    await stage.head(executor)
    await stage.head(executor)
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.INCLUDED] * 2
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


# -- the database ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("number", range(1, APPENDS + 1))
async def test_store__fails_at_any_append__one_effect_and_nothing_sent_unwritten(
    number: int, how: str, restart: bool
) -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.store_faults.fail(number, how)
    raised = False
    try:
        await stage.act(executor)
    except StoreUnavailable:
        raised = True
    assert raised is (number == 1)  # later, the intent is written down and goes on by itself
    if number == 1:
        assert "sign" not in stage.events
        if how == "before":
            assert stage.store.all() == []
            await stage.act(executor)
    with suppress(StoreUnavailable):
        await stage.head(executor)
    if restart and not stage.outcomes:
        executor = await stage.ready()
    await heads(stage, executor)
    if restart and how == "after" and number == APPENDS:  # it was closed before the crash, and nobody was left to tell
        assert stage.outcomes == []
        (body,) = stage.bodies(RecordKind.OUTCOME)
        assert (body["kind"], stage.calls, await stage.store.open_intents()) == ("included", 1, [])
        return
    await one_end(stage)
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1


@pytest.mark.parametrize("how", ["before", "after"])
async def test_store__fails_for_a_while__nothing_is_sent_that_it_does_not_hold(how: str) -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.store_faults.failing = lambda asked: how if asked >= 2 else ""
    await stage.act(executor)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await stage.head(executor)
    assert ("submit" in stage.events) is ("attempt" in stage.events) is (how == "after")
    stage.store_faults.heal()
    await heads(stage, executor)
    await one_end(stage)


async def test_store__fails_for_one_of_two_actions__act_reports_no_failure() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit())
    stage.store_faults.fail(2)
    await stage.act(executor, pause(), limit())
    assert len(stage.route.sent) == 1
    for _ in range(3):
        await stage.head(executor)
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.INCLUDED] * 2


# -- a block is taken back ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_pool", [True, False])
async def test_reorg__receipt_goes_away__is_recorded_and_lands_again(keep_pool: bool) -> None:
    stage = Stage(confirmations=2)
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    assert stage.kinds[-1] == "receipt"
    stage.chain.undo(keep_pool=keep_pool)
    if keep_pool:  # it is in another block at once
        await stage.head(executor, seconds=13)
    else:
        await executor.on_head(stage.chain.mine(seconds=13))
    assert stage.bodies(RecordKind.RECEIPT)[-1] == {"tx_hash": stage.route.sent[0].tx_hash, "gone": True}
    assert stage.outcomes == []
    await heads(stage, executor)
    await one_end(stage)
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1
    first, gone, second = stage.bodies(RecordKind.RECEIPT)
    assert gone["gone"] is True
    assert first["block_hash"] != second["block_hash"]
    assert stage.outcome.block == second["block"]


async def test_reorg__of_a_replaced_transaction__names_the_one_that_is_gone() -> None:
    stage = Stage(confirmations=2)
    stage.route.answers = [Submission(SubmissionKind.UNDERPRICED, "no")]
    executor = await stage.ready()
    await stage.act(executor)
    await executor.on_head(stage.block)
    first, second = stage.route.sent
    stage.chain.forget_pool()
    await stage.chain.send_raw(first.raw)  # the first one is mined after all
    await stage.head(executor)
    stage.chain.undo(keep_pool=False)
    await stage.chain.send_raw(second.raw)
    await stage.head(executor, seconds=13)
    await heads(stage, executor)
    hashes = [body["tx_hash"] for body in stage.bodies(RecordKind.RECEIPT)]
    assert hashes == [first.tx_hash, first.tx_hash, second.tx_hash]
    await one_end(stage)


async def test_reorg__seen_between_heads__takes_no_second_nonce() -> None:
    stage = Stage(confirmations=3)
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    assert executor.lane is not None
    assert executor.lane.nonce == 1
    stage.chain.undo(keep_pool=False)
    for _ in range(3):
        await executor.rebroadcast()
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    await heads(stage, executor)
    await one_end(stage)


async def test_reorg__between_the_nonce_and_the_receipt__takes_no_second_nonce() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    await executor.refresh(stage.chain.mine())  # the nonce is used by our own transaction
    stage.chain.undo(keep_pool=False)
    await executor.rebroadcast()  # and now there is no receipt
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    await heads(stage, executor)
    await one_end(stage)


async def test_reorg__effect_was_there_and_is_gone__is_judged_again() -> None:
    stage = Stage(confirmations=2)
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    stage.chain.undo()
    stage.chain.store(VAULT, mode="silent")
    await stage.head(executor, seconds=13)
    await heads(stage, executor)
    await one_end(stage, OutcomeKind.FAILED)
    assert stage.outcome.reason is Reason.NO_EFFECT


async def test_mined__state_of_its_block_is_forgotten__is_read_at_the_newest_one_after_expiry() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    mined = stage.chain.mine()
    del stage.chain._states[mined.hash]
    await stage.head(executor)
    assert stage.outcomes == []  # the block may have been replaced; the next head tells
    stage.expire()
    await stage.head(executor)
    await one_end(stage)
    assert stage.outcome.block == mined.number
    assert stage.bodies(RecordKind.EFFECT)[0]["block"] == stage.block.number
    assert f"at block {stage.block.number}" in stage.outcome.message
