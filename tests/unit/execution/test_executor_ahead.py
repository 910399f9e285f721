"""The hot path with everything in memory: intent and attempt in one commit, the simulation beside it, and nothing sent before both."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.evm import Simulation
from keeper.domain.intent import Attempt, IntentState
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import ETHER, OTHER_KEY, VAULT, Stage, StageSigner, check_chained, limit, pause

pytestmark = pytest.mark.unit

UP_TO_SENT = ["sign", "decision", "intent", "attempt", "submit", "broadcast"]


async def heads(stage: Stage, executor: Executor, most: int = 8) -> None:
    """Blocks until the end, whatever fails on the way."""
    for _ in range(most):
        if stage.outcomes:
            return
        with suppress(Unreachable, StoreUnavailable):
            await stage.head(executor, seconds=2)


async def test_ahead__gas_is_known__intent_and_attempt_are_one_commit_before_anything_is_sent() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    appends = stage.store_faults.asked
    await stage.act(executor)
    assert stage.events == UP_TO_SENT
    assert stage.store_faults.asked - appends == 2  # the other one is the broadcast's
    await stage.head(executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)
    check_chained(stage.store.all())


async def test_sent__is_told_once_and_only_when_it_is_written_down() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.route.answers = [Submission(SubmissionKind.UNREACHABLE, "no answer")]
    await stage.act(executor)
    assert stage.told_sent == []
    for _ in range(2):
        await executor.rebroadcast()
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    assert stage.told_sent == [attempt.body["tx_hash"]]


async def test_ahead__its_timeline__has_the_stages_in_their_order() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    await stage.act(executor)
    await stage.head(executor)
    timeline = stage.bodies(RecordKind.OUTCOME)[0]["timeline_ms"]
    assert isinstance(timeline, dict)
    at = [float(str(timeline[name])) for name in ("head", "intent_durable", "signed", "broadcast", "included")]
    assert at == sorted(at)
    assert timeline["signed"] == timeline["intent_durable"]


async def test_ahead__several_actions__each_has_its_nonce() -> None:
    stage = Stage()
    armed = (pause(), limit(), pause("BTC-PERP"))
    executor = await stage.ready(*armed, measured=True)
    await stage.act(executor, *armed)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1, 2]
    kinds = [record.kind.value for record in stage.store.all() if record.kind is not RecordKind.BROADCAST]
    assert kinds == ["decision", "intent", "attempt"] * 3


async def test_ahead__effect_is_there_already__nothing_is_signed() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.chain.store(VAULT, paused=1)
    stage.block = stage.chain.mine()
    await stage.act(executor, before="true")
    assert stage.outcome.kind is OutcomeKind.SUPERSEDED
    assert "sign" not in stage.events


async def test_ahead__in_shadow_mode__nothing_is_signed() -> None:
    stage = Stage()
    executor = await stage.ready(live=False, measured=True)
    await stage.act(executor)
    assert stage.outcome.kind is OutcomeKind.DRY_RUN
    assert "sign" not in stage.events


async def test_ahead__the_call_would_revert__nothing_is_sent_and_the_nonce_is_free_again() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.chain.store(VAULT, mode="reverts")
    stage.block = stage.chain.mine()
    await stage.act(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert stage.outcome.tx_hash is None
    assert stage.events == ["sign", "decision", "intent", "attempt", "outcome"]
    await executor.rebroadcast()
    assert stage.route.sent == []
    stage.chain.store(VAULT, mode="good")
    stage.block = stage.chain.mine()
    await stage.act(executor)
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0]
    assert stage.calls == 1
    check_chained(stage.store.all())


async def test_ahead__the_first_of_three_would_revert__the_others_leave_no_hole_in_the_nonces() -> None:
    stage = Stage()
    armed = (pause(), limit(), pause("BTC-PERP"))
    executor = await stage.ready(*armed, measured=True)
    simulate = stage.chain.simulate
    asked = 0

    async def first_refused(call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        answer = await simulate(call, sender, block)
        nonlocal asked
        asked += 1
        return Simulation(False, b"", "no") if asked == 1 else answer

    stage.chain.simulate = first_refused  # type: ignore[method-assign]
    await stage.act(executor, *armed)
    assert sorted(attempt.nonce for attempt in stage.route.sent) == [0, 1]
    await stage.act(executor, pause("SOL-PERP"))
    assert sorted(attempt.nonce for attempt in stage.route.sent) == [0, 1, 2]
    await stage.head(executor)
    await heads(stage, executor)
    kinds = sorted(outcome.kind for _, outcome in stage.outcomes)
    assert kinds == [OutcomeKind.FAILED, *[OutcomeKind.INCLUDED] * 3]
    assert stage.calls == 3
    check_chained(stage.store.all())


async def test_ahead__the_node_refuses_the_first_of_two_after_a_while__the_second_does_not_wait_behind_a_hole() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), measured=True)
    stage.route.answers = [Submission(SubmissionKind.INVALID, "exceeds block gas limit")]
    send = stage.route.submit

    async def slow(attempt: Attempt, block: int) -> Submission:
        for _ in range(50):  # long enough for the other one to come as far as it gets
            await asyncio.sleep(0)
        return await send(attempt, block)

    stage.route.submit = slow  # type: ignore[method-assign]
    await stage.act(executor, pause(), limit())
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 0]
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.REFUSED_BY_NODE, Reason.EFFECT_VERIFIED]
    check_chained(stage.store.all())


async def test_ahead__the_later_one_is_cleared_first__each_is_sent_once_with_its_own_nonce() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), measured=True)
    simulate = stage.chain.simulate
    may_go = asyncio.Event()
    asked = 0

    async def first_waits(call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        nonlocal asked
        asked += 1
        if asked == 1:
            await may_go.wait()
        return await simulate(call, sender, block)

    stage.chain.simulate = first_waits  # type: ignore[method-assign]
    acting = asyncio.ensure_future(stage.act(executor, pause(), limit()))
    for _ in range(50):  # as far as it gets by itself
        await asyncio.sleep(0)
    assert [attempt.intent.split("/")[1] for attempt in stage.route.sent] == ["limit"]
    may_go.set()
    await acting
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]
    await stage.head(executor)
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.INCLUDED] * 2
    assert stage.calls == 2
    check_chained(stage.store.all())


async def test_ahead__its_simulation_is_not_answered__another_action_takes_the_nonce_meanwhile() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), measured=True)
    stage.chain_faults.fail(1)
    await stage.act(executor, pause())
    assert stage.route.sent == []
    await stage.act(executor, limit())
    await stage.head(executor)
    await heads(stage, executor)
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.INCLUDED] * 2
    assert stage.calls == 2


async def test_ahead__the_simulation_is_not_answered__waits_for_one_that_is() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.chain_faults.fail(1)
    await stage.act(executor)
    assert stage.events == ["sign", "decision", "intent", "attempt"]
    await executor.rebroadcast()  # asks again, and this time it is answered
    assert stage.events[4:6] == ["submit", "broadcast"]
    await heads(stage, executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)
    assert stage.events.count("sign") == 1


async def test_ahead__the_simulation_is_never_answered__nothing_is_sent_and_it_expires() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.chain.go_down()
    await stage.act(executor)
    await executor.rebroadcast()
    stage.expire()
    await executor.rebroadcast()
    assert stage.route.sent == []
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.EXPIRED, Reason.NODE_UNREACHABLE)


async def test_ahead__the_key_refuses__ends_when_it_is_carried_out() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.signer.broken = True
    await stage.act(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIGNING_FAILED)
    assert stage.events == ["sign", "decision", "intent", "sign", "outcome"]


async def test_ahead__another_run_has_the_intent_open__only_the_one_is_sent() -> None:
    stage = Stage()
    first, second = await stage.ready(measured=True), await stage.ready(measured=True)
    await stage.act(first)
    await stage.act(second)
    assert len({attempt.tx_hash for attempt in stage.route.sent}) == 1
    await stage.head(first)
    await heads(stage, second)
    assert stage.calls == 1
    check_chained(stage.store.all())


async def test_ahead__somebody_else_is_sending__the_intent_does_not_wait_for_it() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), measured=True)
    waits, may_go = asyncio.Event(), asyncio.Event()
    send = stage.route.submit

    async def slow(attempt: Attempt, block: int) -> Submission:
        waits.set()
        await may_go.wait()
        return await send(attempt, block)

    stage.signer.broken = True  # so that the first one signs while it is carried out, and holds the lock
    sign = stage.signer.sign
    calls = 0

    async def second_time_lucky(transaction: object) -> object:
        nonlocal calls
        calls += 1
        stage.signer.broken = calls == 1
        return await sign(transaction)  # type: ignore[arg-type]

    stage.signer.sign = second_time_lucky  # type: ignore[method-assign,assignment]
    stage.route.submit = slow  # type: ignore[method-assign]
    sending = asyncio.ensure_future(stage.act(executor, pause()))
    await waits.wait()
    other = asyncio.ensure_future(stage.act(executor, limit()))
    for _ in range(50):  # as far as it gets by itself
        await asyncio.sleep(0)
    assert stage.kinds.count("intent") == 2
    assert stage.kinds.count("attempt") == 1
    may_go.set()
    await asyncio.gather(sending, other)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("restart", [False, True])
async def test_ahead__the_store_fails_at_any_append__one_effect_and_nothing_sent_unwritten(
    number: int, how: str, restart: bool
) -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.store_faults.fail(number, how)
    with suppress(StoreUnavailable):
        await stage.act(executor)
    if number == 1 and how == "before":
        assert stage.store.all() == []
        await stage.act(executor)
    with suppress(StoreUnavailable):
        await stage.head(executor)
    if restart:
        executor = await stage.ready(measured=True)
    await heads(stage, executor)
    assert stage.calls == 1
    assert len(stage.records(RecordKind.OUTCOME)) == 1
    assert {intent.state for intent in stage.store.intents().values()} == {IntentState.DONE}
    check_chained(stage.store.all())


@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("number", range(1, 12))
async def test_ahead__the_node_fails_at_any_request__one_effect_and_one_end(number: int, failures: int) -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    asked = stage.chain_faults.asked
    stage.chain_faults.failing = lambda now: "down" if asked + number <= now < asked + number + failures else ""
    await stage.act(executor)
    await heads(stage, executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert (stage.calls, len(stage.records(RecordKind.ATTEMPT))) == (1, 1)
    check_chained(stage.store.all())


# -- killed after the commit, before the simulation has answered --------------------------------------------------------------------


async def written_and_killed() -> Stage:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.store_faults.fail(1, "after")
    with suppress(StoreUnavailable):
        await stage.act(executor)
    stage.store_faults.heal()
    assert stage.kinds == ["decision", "intent", "attempt"]
    assert stage.route.sent == []
    return stage


async def test_restart__the_call_goes_through__the_same_bytes_are_sent() -> None:
    stage = await written_and_killed()
    executor = stage.executor()
    await executor.recover()
    await stage.head(executor)
    await heads(stage, executor)
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    assert {sent.raw for sent in stage.route.sent} == {attempt.body["raw"]}
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)


async def test_restart__the_call_would_revert__is_not_sent_and_says_what_may_be() -> None:
    stage = await written_and_killed()
    stage.chain.store(VAULT, mode="reverts")
    stage.chain.mine()
    executor = stage.executor()
    await executor.recover()
    await executor.rebroadcast()
    assert stage.route.sent == []
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert "may still be mined" in stage.outcome.message
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    assert stage.outcome.tx_hash == attempt.body["tx_hash"]


async def test_restart__sent_before_it_was_killed_and_in_the_pool__is_watched_to_its_end() -> None:
    stage = await written_and_killed()
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    await stage.chain.send_raw(str(attempt.body["raw"]))
    executor = stage.executor()
    await executor.recover()
    await stage.head(executor)
    await heads(stage, executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)
    assert stage.outcome.tx_hash == attempt.body["tx_hash"]


async def test_restart__mined_between_the_look_and_the_simulation__is_included() -> None:
    stage = await written_and_killed()
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    await stage.chain.send_raw(str(attempt.body["raw"]))

    async def simulate(*_: object) -> Simulation:
        stage.chain.mine()
        return Simulation(False, b"", "it is paused")

    stage.chain.simulate = simulate  # type: ignore[method-assign,assignment]
    executor = stage.executor()
    await executor.recover()
    await executor.rebroadcast()
    await stage.head(executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)


async def test_restart__with_another_key__the_first_attempt_is_sent_as_it_was_signed() -> None:
    stage = await written_and_killed()
    other = StageSigner(stage.events, OTHER_KEY)
    stage.chain.fund(other.address, ETHER)
    stage.block = stage.chain.mine()
    executor = stage.executor(signer=other)
    await executor.recover()
    await heads(stage, executor)
    (attempt,) = stage.records(RecordKind.ATTEMPT)
    assert stage.outcome.tx_hash == attempt.body["tx_hash"]
    assert stage.calls == 1


async def test_restart__refused_funds_after_the_gate__ends_as_ever() -> None:
    stage = await written_and_killed()
    stage.route.always = Submission(SubmissionKind.INSUFFICIENT_FUNDS, "not enough")
    executor = stage.executor()
    await executor.recover()
    await executor.rebroadcast()
    assert stage.outcome.reason is Reason.INSUFFICIENT_FUNDS
