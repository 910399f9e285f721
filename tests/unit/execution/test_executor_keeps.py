"""An action that must keep invariants: nothing is sent before somebody has said that it would."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.action import Call
from keeper.domain.errors import Unreachable
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from tests.support.execution_stage import VAULT, Stage, limit, pause

pytestmark = pytest.mark.unit

BROKEN = Outcome(OutcomeKind.FAILED, Reason.INVARIANT_BROKEN, "it would break the cap", "act by hand")


class Judge:
    """Says ``answers`` in turn, None when there are no more."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[tuple[str, str], Call, str]] = []

    async def __call__(self, armed: ArmedAction, call: Call, sender: str) -> Outcome | None:
        self.asked.append((armed.key, call, sender))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def keeping(armed: ArmedAction) -> ArmedAction:
    return replace(armed, action=replace(armed.action, keep=("cap",)))


async def ready(stage: Stage, judge: Judge, *armed: ArmedAction, live: bool = True, measured: bool = False) -> Executor:
    executor = stage.executor(*armed, live=live, keeps=judge)
    await executor.recover()
    await executor.refresh(stage.block)
    if measured:
        for each in armed:
            await executor.measure_gas(each)
    return executor


@pytest.mark.parametrize("measured", [True, False], ids=["signed-ahead", "signed-later"])
async def test_keep__broken__ends_as_failed_and_nothing_is_sent(measured: bool) -> None:
    stage, judge, armed = Stage(), Judge(BROKEN), keeping(limit())
    executor = await ready(stage, judge, armed, measured=measured)
    await stage.act(executor, armed)
    assert stage.outcome == BROKEN
    assert stage.route.sent == []
    (ending,) = stage.bodies(RecordKind.OUTCOME)
    assert (ending["reason"], ending["message"]) == ("invariant-broken", "it would break the cap")
    assert executor.open_works == ()


async def test_keep__kept__is_sent_and_judged_once_on_the_call_that_is_sent() -> None:
    stage, judge, armed = Stage(), Judge(), keeping(pause())
    executor = await ready(stage, judge, armed)
    await stage.act(executor, armed)
    await stage.head(executor)
    assert stage.outcome.reason is Reason.EFFECT_VERIFIED
    assert judge.asked == [(armed.key, armed.call, stage.signer.address)]


async def test_keep__none_asked_for__asks_nobody() -> None:
    stage, judge = Stage(), Judge(BROKEN)
    executor = await ready(stage, judge, pause())
    await stage.act(executor, pause())
    assert judge.asked == []
    assert len(stage.route.sent) == 1


async def test_keep__call_that_would_revert__is_not_judged() -> None:
    stage, judge, armed = Stage(), Judge(), keeping(pause())
    executor = await ready(stage, judge, armed)
    stage.chain.store(VAULT, mode="reverts")
    stage.block = stage.chain.mine()
    await stage.act(executor, armed)
    assert stage.outcome.reason is Reason.SIMULATION_REVERTED
    assert judge.asked == []


async def test_keep__judge_cannot_reach_the_node__is_judged_at_the_next_head() -> None:
    stage, judge, armed = Stage(), Judge(Unreachable("no answer")), keeping(pause())
    executor = await ready(stage, judge, armed)
    await stage.act(executor, armed)
    assert (stage.route.sent, stage.outcomes) == ([], [])
    await stage.head(executor)
    assert len(stage.route.sent) == 1


async def test_keep__in_shadow_mode__is_in_the_words_of_the_dry_run() -> None:
    stage, judge, armed = Stage(), Judge(BROKEN), keeping(pause())
    executor = await ready(stage, judge, armed, live=False)
    await stage.act(executor, armed)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.DRY_RUN, Reason.SHADOW_MODE)
    assert "it would break the cap" in stage.outcome.message
