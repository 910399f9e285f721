"""Several keys: each has nonces of its own, and what one of them does, or does not do, holds up none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.domain.action import UPKEEP_LANE, Action, ActionKind
from keeper.domain.errors import Unreachable
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind
from keeper.execution import pen as pens
from keeper.execution.executor import Executor
from keeper.execution.lanes import Lanes
from keeper.execution.planner import ArmedAction, arm
from tests.support.execution_stage import KEY, OTHER_KEY, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.unit

THIRD_KEY = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
SOON_S = 30.0
"""What does not happen within this is not going to; nothing here waits for it otherwise."""
FOR_EVER_S = 10 * SOON_S


def at(lane: str, armed: ArmedAction) -> ArmedAction:
    return arm(replace(armed.action, lane=lane))


def own(lane: str = "", market: str = "keeper") -> ArmedAction:
    """Something that the keeper does for itself."""
    action: Action = limit(500).action
    return arm(replace(action, name="heartbeat:breaker", market=market, kind=ActionKind.UPKEEP, lane=lane))


FAST = at("fast", limit(200))


def two_keys() -> Stage:
    stage = Stage()
    stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))
    return stage


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not happened():  # noqa: ASYNC110 - it is the loop that has to go round
            await asyncio.sleep(0)


def sent_by(stage: Stage, signer: StageSigner) -> list[int]:
    return [attempt.nonce for attempt in stage.route.sent if attempt.sender == signer.address]


# -- which key ---------------------------------------------------------------------------------------------------------------------


async def test_lanes__each_action__is_its_keys_with_its_own_nonces() -> None:
    stage = two_keys()
    executor = await stage.ready(pause(), FAST, measured=True)
    await stage.act(executor, pause(), FAST)
    assert sent_by(stage, stage.signer) == [0]
    assert sent_by(stage, stage.lanes["fast"]) == [0]
    assert {body["sender"] for body in stage.bodies(RecordKind.INTENT)} == {
        stage.signer.address,
        stage.lanes["fast"].address,
    }
    await stage.head(executor)
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
    assert stage.calls == 2


async def test_lanes__simulated_and_measured__as_the_lanes_address(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = two_keys()
    asked: list[str] = []
    simulate, gas = stage.chain.simulate, stage.chain.gas

    async def simulated(call: object, sender: str, *rest: object) -> object:
        asked.append(f"simulate {sender}")
        return await simulate(call, sender, *rest)  # type: ignore[arg-type]

    async def measured(call: object, sender: str) -> int:
        asked.append(f"gas {sender}")
        return await gas(call, sender)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.chain, "simulate", simulated)
    monkeypatch.setattr(stage.chain, "gas", measured)
    executor = await stage.ready(FAST, measured=True)
    await stage.act(executor, FAST)
    fast = stage.lanes["fast"].address
    assert set(asked) == {f"gas {fast}", f"simulate {fast}"}
    assert executor.sender_of(FAST.action) == fast
    assert executor.sender == stage.signer.address


@pytest.mark.parametrize("there", [True, False])
async def test_lanes__the_keepers_own_business__takes_the_lane_for_it_where_there_is_one(there: bool) -> None:
    stage = Stage()
    if there:
        stage.add_lane(UPKEEP_LANE, StageSigner(stage.events, THIRD_KEY))
    executor = await stage.ready(own(UPKEEP_LANE), measured=True)
    await stage.act(executor, own(UPKEEP_LANE))
    assert sent_by(stage, stage.lanes[UPKEEP_LANE] if there else stage.signer) == [0]


async def test_lanes__two_names_for_one_key__share_its_nonces() -> None:
    stage = Stage()
    stage.lanes["fast"] = StageSigner(stage.events, KEY)
    executor = await stage.ready(pause(), FAST, measured=True)
    assert len(executor.lanes.pens) == 1
    await stage.act(executor, pause(), FAST)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


async def test_lanes__the_action_has_another_lane_after_a_restart__the_key_of_its_attempt_goes_on() -> None:
    stage = two_keys()
    await stage.act(await stage.ready(FAST, measured=True), FAST)
    stage.chain.forget_pool()
    executor = await stage.ready(limit(200))
    for _ in range(3):
        await stage.head(executor)
    assert {attempt.sender for attempt in stage.route.sent} == {stage.lanes["fast"].address}
    assert {attempt.nonce for attempt in stage.route.sent} == {0}
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_lanes__the_key_is_gone_after_a_restart__its_attempt_is_watched() -> None:
    stage = two_keys()
    await stage.act(await stage.ready(FAST, measured=True), FAST)
    del stage.lanes["fast"]
    executor = await stage.ready(limit(200))
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert sent_by(stage, stage.signer) == []


async def test_refresh__one_key_is_not_answered_for__what_is_known_of_the_others_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = two_keys()
    executor = stage.executor(pause(), FAST)
    account = stage.chain.account

    async def not_of_the_first(address: str) -> object:
        if address == stage.signer.address:
            raise Unreachable("no answer")
        return await account(address)

    monkeypatch.setattr(stage.chain, "account", not_of_the_first)
    with pytest.raises(Unreachable):
        await executor.refresh(stage.block)
    assert executor.lane is None
    assert executor.lanes.named("fast").lane is not None
    assert executor.lanes.head == stage.block


# -- a pause and the keeper's own business -------------------------------------------------------------------------------------------


async def test_own_business__a_pause_waits_behind_its_nonce__is_outbid_at_once_and_once() -> None:
    stage = Stage()
    executor = await stage.ready(own(), pause(), measured=True)
    await stage.act(executor, own())
    await stage.act(executor, pause())
    first, behind = stage.route.sent
    assert (first.nonce, behind.nonce) == (0, 1)
    for _ in range(3):  # the follow-up of the same head, and what comes by the clock
        await executor.on_head(stage.block)
    again = stage.route.sent[2]
    assert (len(stage.route.sent), again.nonce) == (3, 0)
    assert again.priority_fee_wei > behind.priority_fee_wei
    assert again.max_fee_wei * 8 >= first.max_fee_wei * 9
    await stage.head(executor)
    assert stage.calls == 2
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}


@pytest.mark.parametrize("first", [own(), pause()], ids=["own", "pause"])
async def test_own_business__only_its_like_or_nobody_waits__is_let_be(first: ArmedAction) -> None:
    stage = Stage()
    later = own(market="other")
    executor = await stage.ready(first, later, measured=True)
    await stage.act(executor, first)
    await stage.act(executor, later)
    await executor.on_head(stage.block)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


async def test_own_business__the_pause_has_the_earlier_nonce__is_let_be() -> None:
    stage = Stage()
    executor = await stage.ready(own(), pause(), measured=True)
    await stage.act(executor, pause())
    await stage.act(executor, own())
    await executor.on_head(stage.block)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


async def test_own_business__in_a_lane_of_its_own__neither_waits_nor_is_waited_for() -> None:
    stage = Stage()
    stage.add_lane(UPKEEP_LANE, StageSigner(stage.events, THIRD_KEY))
    executor = await stage.ready(own(UPKEEP_LANE), pause(), measured=True)
    await stage.act(executor, own(UPKEEP_LANE))
    await stage.act(executor, pause())
    await executor.on_head(stage.block)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 0]


# -- keys that take their time, or never answer ----------------------------------------------------------------------------------------


async def patient_stage(monkeypatch: pytest.MonkeyPatch, *armed: ArmedAction) -> tuple[Stage, Executor, asyncio.Event]:
    """The key ``fast`` is anything but that: it answers when the event is set. Nobody has found out yet."""
    monkeypatch.setattr(pens, "QUICK_S", 0.001)
    monkeypatch.setattr(pens, "PATIENCE_S", FOR_EVER_S)
    stage = two_keys()
    executor = await stage.ready(*armed, measured=True)
    held = stage.lanes["fast"].held = asyncio.Event()
    return stage, executor, held


async def test_slow_key__an_action_of_another__is_sent_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, executor, held = await patient_stage(monkeypatch, pause(), FAST)
    await asyncio.wait_for(stage.act(executor, FAST, pause()), SOON_S)
    assert sent_by(stage, stage.signer) == [0]
    assert sent_by(stage, stage.lanes["fast"]) == []
    held.set()
    await until(lambda: len(stage.told_sent) == 2)
    await stage.head(executor)
    await until(lambda: len(stage.outcomes) == 2)
    assert stage.calls == 2


async def test_slow_key__holds_up_no_head_and_no_later_action(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, executor, held = await patient_stage(monkeypatch, pause(), FAST)
    await asyncio.wait_for(stage.act(executor, FAST), SOON_S)
    for _ in range(3):
        await asyncio.wait_for(stage.head(executor), SOON_S)
        await asyncio.wait_for(executor.sign_beforehand(), SOON_S)
    await asyncio.wait_for(stage.act(executor, pause()), SOON_S)
    assert sent_by(stage, stage.signer) == [0]
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    held.set()
    await until(lambda: sent_by(stage, stage.lanes["fast"]) == [0])


async def test_slow_key__turns_slow_when_it_is_to_outbid__holds_up_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, executor, held = await patient_stage(monkeypatch, FAST)
    fast = stage.lanes["fast"]
    fast.held = None
    await stage.act(executor, FAST)
    fast.held = held
    stage.chain.forget_pool()
    for _ in range(3):
        await asyncio.wait_for(stage.head(executor), SOON_S)
    assert executor.lanes.named("fast").slow
    assert stage.outcomes == []
    held.set()
    await until(lambda: not any(executor.lanes.is_behind(work.intent.id) for work in executor.open_works))
    await stage.head(executor)
    await until(lambda: len(stage.outcomes) == 1)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_slow_key__gas_not_known_before__holds_up_no_action_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pens, "QUICK_S", 0.001)
    monkeypatch.setattr(pens, "PATIENCE_S", FOR_EVER_S)
    stage = two_keys()
    executor = await stage.ready(pause(), FAST)
    held = stage.lanes["fast"].held = asyncio.Event()
    await asyncio.wait_for(stage.act(executor, FAST), SOON_S)
    await asyncio.wait_for(stage.act(executor, pause()), SOON_S)
    assert sent_by(stage, stage.signer) == [0]
    held.set()
    await until(lambda: sent_by(stage, stage.lanes["fast"]) == [0])


async def test_slow_key__never_answers__is_asked_again_until_the_action_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage, executor, _ = await patient_stage(monkeypatch, FAST)
    monkeypatch.setattr(pens, "PATIENCE_S", 0.002)
    await stage.act(executor, FAST)
    fast = stage.lanes["fast"]
    asked = len(fast.signed)
    await until(lambda: len(fast.signed) > asked)
    stage.expire()
    for _ in range(2):
        await stage.head(executor)
    await until(lambda: len(stage.outcomes) == 1)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert "did not sign" in stage.outcome.message
    assert stage.route.sent == []


async def test_slow_key__answers_in_time_again__is_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, executor, held = await patient_stage(monkeypatch, FAST)
    await executor.sign_beforehand()
    pen = executor.lanes.named("fast")
    assert pen.slow
    held.set()
    await until(lambda: not executor.lanes.is_behind(pen))
    stage.lanes["fast"].held = None
    await stage.head(executor)
    await executor.sign_beforehand()
    await until(lambda: not pen.slow)
    asked = len(stage.lanes["fast"].signed)
    await stage.act(executor, FAST)
    assert sent_by(stage, stage.lanes["fast"]) == [0]
    assert len(stage.lanes["fast"].signed) == asked


async def test_slow_key__signed_beforehand__is_as_quick_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, executor, held = await patient_stage(monkeypatch, pause(), FAST)
    await asyncio.wait_for(executor.sign_beforehand(), SOON_S)
    assert executor.lanes.named("fast").slow
    held.set()
    await until(lambda: not executor.lanes.is_behind(executor.lanes.named("fast")))
    held.clear()
    await asyncio.wait_for(stage.act(executor, FAST), SOON_S)
    await until(lambda: sent_by(stage, stage.lanes["fast"]) == [0])
    attempt, intent = stage.records(RecordKind.ATTEMPT)[0], stage.records(RecordKind.INTENT)[0]
    assert attempt.at == intent.at  # in one commit
    assert not held.is_set()


async def test_slow_key__heads_come_faster_than_it_signs__the_newest_is_signed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage, executor, held = await patient_stage(monkeypatch, FAST)
    for _ in range(3):
        await asyncio.wait_for(executor.sign_beforehand(), SOON_S)
        await stage.head(executor)
    await asyncio.wait_for(executor.sign_beforehand(), SOON_S)
    held.set()
    await until(lambda: not executor.lanes.is_behind(executor.lanes.named("fast")))
    stage.lanes["fast"].held = None
    asked = len(stage.lanes["fast"].signed)
    await stage.act(executor, FAST)
    await until(lambda: sent_by(stage, stage.lanes["fast"]) == [0])
    assert len(stage.lanes["fast"].signed) == asked


async def test_behind__a_bug__is_told_to_the_event_loop_and_the_next_one_runs() -> None:
    stage = Stage()
    lanes: Lanes = stage.executor().lanes
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context.get("exception")))

    async def bug() -> None:
        raise ValueError("a bug")

    ran = asyncio.Event()

    async def runs() -> None:
        ran.set()

    lanes.behind("x", bug)
    await until(lambda: not lanes.is_behind("x"))
    lanes.behind("x", runs)
    await asyncio.wait_for(ran.wait(), SOON_S)
    await until(lambda: bool(told))
    assert isinstance(told[0], ValueError)


# -- signed beforehand -------------------------------------------------------------------------------------------------------------


async def test_beforehand__one_of_several_has_tripped__the_others_are_signed_anew_and_need_no_signature_then() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), measured=True)
    await executor.sign_beforehand()
    assert stage.events == ["sign", "sign"]
    await stage.act(executor, pause())
    await executor.on_head(stage.block)  # the follow-up of the same head
    await executor.sign_beforehand()
    asked = stage.events.count("sign")
    await stage.act(executor, limit())
    assert stage.events.count("sign") == asked
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]


async def test_beforehand__another_run_or_another_lane__takes_none_of_it() -> None:
    stage = two_keys()
    executor = await stage.ready(limit(200), measured=True)
    await executor.sign_beforehand()
    assert len(stage.signer.signed) == 1
    executor = await stage.ready(FAST, measured=True)  # the configuration was read again, and has another key for it
    await stage.act(executor, FAST)
    assert sent_by(stage, stage.signer) == []
    assert len(stage.lanes["fast"].signed) == 1


async def test_beforehand__each_action__is_signed_by_its_key_alone() -> None:
    stage = two_keys()
    executor = await stage.ready(pause(), FAST, measured=True)
    await executor.sign_beforehand()
    assert [one.data for one in stage.signer.signed] == [pause().call.data]
    assert [one.data for one in stage.lanes["fast"].signed] == [FAST.call.data]
