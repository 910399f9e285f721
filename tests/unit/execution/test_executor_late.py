"""What builders answer too late to count is written down, and the time of sending is that of the first acceptance."""

from __future__ import annotations

import pytest

from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind
from keeper.execution.trail import Trail
from keeper.ports.route import Answer, SubmissionKind
from tests.support.private_stage import PrivateStage, secret_pause

pytestmark = pytest.mark.unit

BUNDLE = "eth_sendBundle"
ACCEPTED, REFUSED = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED


def late(stage: PrivateStage) -> list[dict[str, object]]:
    return [dict(body) for body in stage.bodies(RecordKind.BROADCAST) if "late" in body]


async def test_late__others_that_took_it__are_written_once_and_move_nothing() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(9))
    await stage.settled(executor, secret_pause(9))
    (work,) = executor.open_works
    attempt, state = work.intent.attempts[-1], work.intent.state
    for answer in (
        Answer("b", BUNDLE, ACCEPTED),
        Answer("c", BUNDLE, REFUSED, "no"),
        Answer("titan", BUNDLE, ACCEPTED),
    ):
        executor.heard_late("private", attempt, answer)
    await executor.settle()
    executor.heard_late("private", attempt, Answer("b", BUNDLE, ACCEPTED))  # the same, at the next block
    await executor.settle()
    (body,) = late(stage)
    assert (body["tx_hash"], body["accepted"], body["taken"], body["block"]) == (attempt.tx_hash, False, True, 1)
    assert body["message"] == "answered late: taken by b; refused by c (no)"
    answers = body["answers"]
    assert isinstance(answers, list)
    assert [(each["to"], each["answer"]) for each in answers] == [("b", "accepted"), ("c", "refused")]
    assert work.intent.state is state


async def test_late__taken_after_all_others_refused__is_known_to_be_with_builders() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.UNREACHABLE
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    (work,) = executor.open_works
    assert (work.trail.taken, "broadcast" in work.marks) == (set(), False)
    attempt = work.intent.attempts[-1]
    executor.heard_late("private", attempt, Answer("b", BUNDLE, ACCEPTED))
    await executor.settle()
    assert work.trail.taken == {attempt.tx_hash}
    trail = Trail("private")
    for body in stage.bodies(RecordKind.BROADCAST):
        trail.note(body)
    assert (trail.taken, trail.taken_block, trail.public) == ({attempt.tx_hash}, 1, False)


async def test_late__after_the_end__is_written_all_the_same() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(9))
    await stage.settled(executor, secret_pause(9))
    attempt = executor.open_works[0].intent.attempts[-1]
    await stage.heads(executor, included=True)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    executor.heard_late("private", attempt, Answer("b", BUNDLE, ACCEPTED))
    await executor.settle()
    assert len(late(stage)) == 1
    assert stage.records(RecordKind.BROADCAST)[-1].intent == attempt.intent


async def test_late__of_an_intent_that_this_run_never_sent__is_not_written() -> None:
    stage = PrivateStage()
    executor = await stage.ready(secret_pause(9))
    await stage.settled(executor, secret_pause(9))
    attempt = executor.open_works[0].intent.attempts[-1]
    other = await stage.ready(secret_pause(9))
    other.heard_late("private", attempt, Answer("b", BUNDLE, ACCEPTED))
    await other.settle()
    assert late(stage) == []


async def test_time_of_sending__a_refusal_before__is_that_of_the_acceptance() -> None:
    stage = PrivateStage()
    stage.builders.always = SubmissionKind.UNREACHABLE
    executor = await stage.ready(secret_pause(None))
    await stage.settled(executor, secret_pause(None))
    (work,) = executor.open_works
    assert "broadcast" not in work.marks
    stage.builders.always = ACCEPTED
    await stage.heads(executor)
    assert "broadcast" in work.marks
    assert work.intent.state is IntentState.SUBMITTED
