"""A parameter's new value is made of its current one: what is signed, recorded and read back, and when nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.action import Call, SafeSide
from keeper.domain.adjustment import NEW
from keeper.domain.block import BlockStamp
from keeper.domain.evm import Simulation
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import SET_LIMIT, VAULT, Stage, adjust, limit, pause

pytestmark = pytest.mark.unit

HALF = Decimal("0.5")
UNREACHABLE = Submission(SubmissionKind.UNREACHABLE, "no answer")


def calldata(value: int) -> bytes:
    return SET_LIMIT + value.to_bytes(32, "big")


async def acted(stage: Stage, armed: ArmedAction, before: str | None = "1000", *, measured: bool = False) -> Executor:
    """Decided on what the view answered ``before``."""
    executor = await stage.ready(armed, measured=measured)
    await stage.act(executor, armed, before=before)
    return executor


def test_arm__an_adjustment__has_nothing_to_send_before_the_current_value_is_known() -> None:
    armed = adjust()
    assert armed.call == Call(VAULT, b"")
    assert armed.adjusted is None
    assert not armed.in_effect("100")


def test_at__a_current_value__gives_the_call_and_what_is_expected() -> None:
    armed = adjust().at("1000")
    assert armed.call == Call(VAULT, calldata(500))
    assert (armed.action.call.args, armed.action.effect.expect) == (("500",), "500")
    assert [armed.in_effect(text) for text in ("501", "500", "499")] == [False, True, True]


@pytest.mark.parametrize(
    ("current", "expect"), [("100", "100"), ("99", "99"), (None, NEW), ("unknown", NEW), ("unreadable: no", NEW)]
)
def test_at__no_new_value__has_no_calldata(current: str | None, expect: str) -> None:
    armed = adjust().at(current)
    assert (armed.call, armed.action.effect.expect) == (Call(VAULT, b""), expect)
    assert armed.action.call.args == (NEW,)


def test_at__a_fixed_value__is_the_same_whatever_the_view_answers() -> None:
    armed = limit(100)
    assert armed.at("1000") is armed
    assert armed.at(None) is armed


@pytest.mark.parametrize("measured", [True, False])  # signed ahead with its intent, or later
async def test_adjust__a_current_value__is_halved_read_back_and_recorded(measured: bool) -> None:
    stage = Stage()
    executor = await acted(stage, adjust(max_step=HALF), measured=measured)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)
    assert stage.chain.value("limit") == 500
    (body,) = stage.bodies(RecordKind.INTENT)
    assert (body["data"], body["args"], body["effect_before"], body["effect_expected"]) == (
        "0x" + calldata(500).hex(),
        ["500"],
        "1000",
        "500",
    )
    assert body["adjustment"] == {
        "current": "1000",
        "expression": "current * 0.5",
        "exact": "500",
        "wanted": "500",
        "clamps": [],
        "new": "500",
        "refusal": None,
        "safe_side": "lower",
        "bounds": {"min": "100", "max": "1000000"},
        "max_step": "0.5",
    }
    assert [attempt.data for attempt in stage.route.sent] == ["0x" + calldata(500).hex()]


async def test_fixed__its_intent__has_no_adjustment() -> None:
    stage = Stage()
    await acted(stage, limit(100))
    (body,) = stage.bodies(RecordKind.INTENT)
    assert "adjustment" not in body


@pytest.mark.parametrize(
    ("armed", "before", "kind", "reason"),
    [
        (adjust(), "100", OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT),
        (adjust(), "99", OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN),
        (adjust("500"), "500", OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT),
        (adjust("500"), "400", OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN),
        (adjust("current * 2"), "1000", OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN),
        (adjust("current / 2", side=SafeSide.HIGHER), "1000", OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN),
        (adjust("1 / (current - 1000)"), "1000", OutcomeKind.FAILED, Reason.NO_NEW_VALUE),
        (adjust(least=0, max_step=HALF), "1", OutcomeKind.FAILED, Reason.NO_NEW_VALUE),
        (adjust(most=400, max_step=HALF), "1000", OutcomeKind.FAILED, Reason.NO_NEW_VALUE),
        (adjust(), None, OutcomeKind.FAILED, Reason.CURRENT_UNKNOWN),
    ],
)
async def test_adjust__no_new_value__ends_with_the_reason_and_nothing_is_signed(
    armed: ArmedAction, before: str | None, kind: OutcomeKind, reason: Reason
) -> None:
    stage = Stage()
    await acted(stage, armed, before, measured=True)
    assert (stage.outcome.kind, stage.outcome.reason) == (kind, reason)
    assert "limit()(uint256)" in stage.outcome.message
    assert bool(stage.outcome.remedy) is (kind is OutcomeKind.FAILED)
    assert "sign" not in stage.events
    assert stage.kinds == ["decision", "intent", "outcome"]
    (body,) = stage.bodies(RecordKind.INTENT)
    assert body["data"] == "0x"


async def test_adjust__the_view_did_not_answer__is_not_made_of_what_it_answers_later() -> None:
    """The chain would say 1000 now: the decision was not made on that."""
    stage = Stage()
    await acted(stage, adjust(), None)
    assert stage.outcome.reason is Reason.CURRENT_UNKNOWN
    assert stage.chain.value("limit") == 1_000


async def test_shadow__an_adjustment__says_what_it_would_set() -> None:
    stage = Stage()
    executor = await stage.ready(adjust(), live=False)
    await stage.act(executor, adjust(), before="1000")
    assert stage.outcome.kind is OutcomeKind.DRY_RUN
    assert stage.bodies(RecordKind.INTENT)[0]["effect_expected"] == "500"


async def test_simulation__the_call_would_revert__nothing_is_sent() -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode="reverts")
    stage.block = stage.chain.mine()
    await acted(stage, adjust())
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert stage.route.sent == []


async def test_sign_beforehand__an_adjustment__is_left_out() -> None:
    """What would be signed is made of a value that may be another when it is needed."""
    stage = Stage()
    armed = replace(adjust(), action=replace(adjust().action, gas_limit=100_000))
    executor = await stage.ready(armed, pause(gas_limit=100_000))
    await executor.sign_beforehand()
    assert stage.events == ["sign"]


async def test_two_actions__on_one_parameter_at_one_block__only_the_first_is_made_of_it() -> None:
    stage = Stage()
    first, second = adjust(), adjust("current * 0.9", name="other")
    executor = await stage.ready(first, second)
    await executor.act(stage.items(first, second, before="1000"), stage.block, {})
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.CURRENT_UNKNOWN]
    await stage.head(executor)
    assert stage.chain.value("limit") == 500
    await executor.act(stage.items(second, before="500"), stage.block, {})
    await stage.head(executor)
    assert stage.chain.value("limit") == 450


async def test_two_actions__the_first_has_nothing_to_do__the_second_is_made_of_the_same() -> None:
    stage = Stage()
    first, second = adjust("current"), adjust("current * 0.9", name="other")
    executor = await stage.ready(first, second)
    await executor.act(stage.items(first, second, before="1000"), stage.block, {})
    await stage.head(executor)
    assert stage.chain.value("limit") == 900


@pytest.mark.parametrize(
    ("now", "kind", "reason"),
    [
        (999, OutcomeKind.FAILED, Reason.CURRENT_CHANGED),
        (501, OutcomeKind.FAILED, Reason.CURRENT_CHANGED),
        (2_000, OutcomeKind.FAILED, Reason.CURRENT_CHANGED),
        (500, OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT),
        (499, OutcomeKind.SUPERSEDED, Reason.WOULD_LOOSEN),
    ],
)
async def test_changed__before_it_is_sent_again__is_dropped(now: int, kind: OutcomeKind, reason: Reason) -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    executor = await acted(stage, adjust(), measured=True)
    assert len(stage.route.sent) == 1
    stage.route.always = None
    stage.chain.store(VAULT, limit=now)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (kind, reason)
    assert len(stage.route.sent) == 1
    assert stage.chain.value("limit") == now


async def test_changed__not__it_is_sent_again() -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    executor = await acted(stage, adjust(), measured=True)
    stage.route.always = None
    await stage.head(executor)
    assert len(stage.route.sent) == 2
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_changed__before_a_replacement__is_dropped_and_says_what_may_still_be_mined() -> None:
    stage = Stage()
    executor = await acted(stage, adjust())
    stage.chain.forget_pool()
    stage.chain.store(VAULT, limit=900)
    stage.block = stage.chain.mine()
    await executor.on_head(replace(stage.block, next_base_fee_wei=10**12))
    assert stage.outcome.reason is Reason.CURRENT_CHANGED
    assert "may still be mined" in stage.outcome.message
    assert len(stage.route.sent) == 1


async def test_changed__not_before_a_replacement__it_is_replaced() -> None:
    stage = Stage()
    executor = await acted(stage, adjust())
    stage.chain.forget_pool()
    stage.block = stage.chain.mine()
    await executor.on_head(replace(stage.block, next_base_fee_wei=10**10))
    assert len(stage.route.sent) == 2
    assert {attempt.data for attempt in stage.route.sent} == {"0x" + calldata(500).hex()}


@pytest.mark.parametrize("told", [True, False])  # of the block in which it changed
async def test_changed__before_a_rebroadcast__is_dropped(told: bool) -> None:
    stage = Stage()
    executor = await acted(stage, adjust())
    stage.chain.forget_pool()
    stage.chain.store(VAULT, limit=900)
    stage.block = stage.chain.mine()
    if told:
        await executor.refresh(stage.block)
    await executor.rebroadcast()
    assert stage.outcome.reason is Reason.CURRENT_CHANGED
    assert len(stage.route.sent) == 1


@pytest.mark.parametrize("measured", [True, False])  # signed ahead of the simulation, or after it
async def test_changed__while_it_is_simulated__is_not_sent(measured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    executor = await stage.ready(adjust(), measured=measured)
    simulate = stage.chain.simulate

    async def slow(call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        found = await simulate(call, sender, block)
        stage.chain.store(VAULT, limit=900)
        await executor.refresh(stage.chain.mine())
        return found

    monkeypatch.setattr(stage.chain, "simulate", slow)
    await stage.act(executor, adjust(), before="1000")
    assert stage.outcome.reason is Reason.CURRENT_CHANGED
    assert "may still be" not in stage.outcome.message
    assert stage.route.sent == []


async def test_changed__by_its_own_transaction__is_its_success() -> None:
    stage = Stage()
    executor = await acted(stage, adjust())
    stage.block = stage.chain.mine()
    await executor.rebroadcast()
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_nonce_used__and_the_value_changed__nothing_new_is_signed() -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    executor = await acted(stage, adjust(), measured=True)
    stage.route.always = None
    stage.chain.spend_nonce(stage.signer.address)
    stage.chain.store(VAULT, limit=900)
    signed = stage.events.count("sign")
    await stage.head(executor)
    assert stage.outcome.reason is Reason.CURRENT_CHANGED
    assert stage.events.count("sign") == signed


async def test_dropped__decided_anew__is_made_of_what_is_there_then() -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    armed = adjust()
    executor = await acted(stage, armed, measured=True)
    stage.route.always = None
    stage.chain.store(VAULT, limit=900)
    await stage.head(executor)
    await stage.act(executor, armed, before="900")
    await stage.head(executor)
    assert stage.chain.value("limit") == 450
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.CURRENT_CHANGED, Reason.EFFECT_VERIFIED]


async def test_restart__with_the_same_configuration__goes_on_with_the_same_value() -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    await acted(stage, adjust(), measured=True)
    stage.route.always = None
    executor = await stage.ready(adjust())
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.chain.value("limit") == 500


async def test_restart__and_the_value_changed__is_dropped() -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    await acted(stage, adjust(), measured=True)
    stage.route.always = None
    stage.chain.store(VAULT, limit=900)
    executor = await stage.ready(adjust())
    await stage.head(executor)
    assert stage.outcome.reason is Reason.CURRENT_CHANGED
    assert len(stage.route.sent) == 1


@pytest.mark.parametrize("armed", [adjust("current * 0.4"), pause()])  # another expression, or the action is gone
async def test_restart__with_another_configuration__is_watched_and_never_sent_again(armed: ArmedAction) -> None:
    stage = Stage()
    stage.route.always = UNREACHABLE
    await acted(stage, adjust(), measured=True)
    stage.route.always = None
    executor = await stage.ready(armed)
    await stage.head(executor)
    await executor.rebroadcast()
    assert (len(stage.route.sent), stage.outcomes) == (1, [])
    stage.expire()
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert len(stage.route.sent) == 1


async def test_restart__an_intent_without_a_new_value__is_never_sent() -> None:
    """Killed between the intent and its end."""
    stage = Stage()
    executor = await stage.ready(adjust())
    stage.store_faults.fail(2)
    await stage.act(executor, adjust(), before="100")
    assert stage.kinds == ["decision", "intent"]
    executor = await stage.ready(adjust())
    await stage.head(executor)
    assert stage.outcome.reason is Reason.ALREADY_IN_EFFECT
    assert stage.route.sent == []
