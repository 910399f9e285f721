"""The executor's way from a decision to its effect: what is written before what is done, and how each way ends."""

from __future__ import annotations

import pytest

from keeper.domain.errors import IntentAlreadyOpen
from keeper.domain.intent import IntentState
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import Draft, RecordKind
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import T0, VAULT, Stage, check_chained, limit, pause

pytestmark = pytest.mark.unit

UP_TO_SENT = ["decision", "intent", "sign", "attempt", "submit", "broadcast"]


async def test_happy_path__one_block_later__is_included_and_verified() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    assert stage.events == UP_TO_SENT
    assert stage.outcomes == []
    await stage.head(executor)
    assert stage.events == [*UP_TO_SENT, "receipt", "effect", "outcome"]
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)
    assert stage.outcome.block == stage.block.number
    assert stage.outcome.tx_hash == stage.route.sent[0].tx_hash
    assert "true" in stage.outcome.message
    assert stage.calls == 1
    assert executor.open_works == ()
    assert await stage.store.open_intents() == []
    check_chained(stage.store.all())


async def test_happy_path__its_records__tell_the_story() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    (intent,) = stage.bodies(RecordKind.INTENT)
    assert (intent["sender"], intent["effect_before"], intent["effect_expected"]) == (
        stage.signer.address,
        "false",
        "true",
    )
    (effect,) = stage.bodies(RecordKind.EFFECT)
    assert (effect["contract"], effect["before"], effect["after"], effect["block"]) == (VAULT, "false", "true", 2)
    timeline = stage.bodies(RecordKind.OUTCOME)[0]["timeline_ms"]
    assert isinstance(timeline, dict)
    stages = ["head", "intent_durable", "signed", "broadcast", "included", "verified"]
    assert sorted(timeline, key=lambda name: float(str(timeline[name]))) == stages
    assert timeline["head"] == "0.000"
    assert {record.incident for record in stage.store.all()} == {"ETH-PERP@1"}


async def test_happy_path__sent_at_the_hot_path__asks_the_node_for_one_simulation_only() -> None:
    stage = Stage()
    executor = await stage.ready()
    await executor.measure_gas(pause())
    asked = stage.chain.requests_made
    await stage.act(executor)
    assert stage.route.sent
    assert stage.chain.requests_made - asked == 2  # the simulation and the transaction


async def test_happy_path__no_block_yet__nothing_is_sent_a_second_time() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    for _ in range(3):
        await executor.on_head(stage.block)
    assert len(stage.route.sent) == 1
    await executor.rebroadcast()
    assert len(stage.route.sent) == 2
    assert stage.route.sent[0] == stage.route.sent[1]
    assert [body["answer"] for body in stage.bodies(RecordKind.BROADCAST)] == ["accepted", "already-known"]
    await executor.rebroadcast()
    assert len(stage.bodies(RecordKind.BROADCAST)) == 2  # the same answer is not news


@pytest.mark.parametrize(("confirmations", "heads"), [(1, 1), (2, 2), (3, 3)])
async def test_confirmations__so_many__are_waited_for(confirmations: int, heads: int) -> None:
    stage = Stage(confirmations=confirmations)
    executor = await stage.ready()
    await stage.act(executor)
    for _ in range(heads):
        assert stage.outcomes == []
        await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.outcome.block == 2


@pytest.mark.parametrize(
    ("mode", "reason"), [("reverts", Reason.SIMULATION_REVERTED), ("no role", Reason.MISSING_ROLE)]
)
async def test_gate__the_call_would_revert__ends_with_nothing_signed(mode: str, reason: Reason) -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode=mode)
    stage.block = stage.chain.mine()
    executor = await stage.ready()
    await stage.act(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, reason)
    assert stage.outcome.remedy
    assert stage.events == ["decision", "intent", "outcome"]


async def test_gate__effect_is_there_when_decided_and_now__is_superseded() -> None:
    stage = Stage()
    stage.chain.store(VAULT, paused=1)
    stage.block = stage.chain.mine()
    await stage.act(await stage.ready(), before="true")
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert stage.events == ["decision", "intent", "outcome"]


async def test_gate__effect_was_there_when_decided_and_is_gone__goes_on() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor, before="true")
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


@pytest.mark.parametrize(
    ("current", "reason", "calls"),
    [(99, Reason.WOULD_LOOSEN, 0), (100, Reason.ALREADY_IN_EFFECT, 0), (101, Reason.EFFECT_VERIFIED, 1)],
)
@pytest.mark.parametrize("known", [True, False])
async def test_gate__a_number__is_only_ever_tightened(current: int, reason: Reason, calls: int, known: bool) -> None:
    stage = Stage()
    stage.chain.store(VAULT, limit=current)
    stage.block = stage.chain.mine()
    executor = await stage.ready(limit(100))
    await stage.act(executor, limit(100), before=str(current) if known else None)
    await stage.head(executor)
    assert stage.outcome.reason is reason
    assert stage.calls == calls


async def test_gate__nobody_knows_the_number__is_not_set() -> None:
    stage = Stage()
    stage.chain.store(VAULT, unreadable=1)
    stage.block = stage.chain.mine()
    executor = await stage.ready(limit(100))
    await stage.act(executor, limit(100), before=None)
    await stage.head(executor)
    stage.expire()
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.EXPIRED, Reason.EXPIRED)
    assert "reverted" in stage.outcome.message
    assert "sign" not in stage.events


async def test_effect__view_is_unreadable__a_pause_is_sent_and_not_called_a_success() -> None:
    stage = Stage()
    stage.chain.store(VAULT, unreadable=1)
    stage.block = stage.chain.mine()
    executor = await stage.ready()
    await stage.act(executor, before=None)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.NO_EFFECT)
    assert "unreadable: paused()(bool)" in stage.outcome.message
    (effect,) = stage.bodies(RecordKind.EFFECT)
    assert (effect["verified"], effect["before"]) == (False, "unknown")


async def test_effect__number_becomes_unreadable_on_the_way__ends_as_not_seen() -> None:
    stage = Stage()
    executor = await stage.ready(limit(100))
    await stage.act(executor, limit(100))
    stage.chain.store(VAULT, unreadable=1)
    await stage.head(executor)
    assert stage.outcome.reason is Reason.NO_EFFECT


async def test_effect__target_succeeds_and_does_nothing__is_a_failure() -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode="silent")
    stage.block = stage.chain.mine()
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.NO_EFFECT)
    assert "false instead of true" in stage.outcome.message
    assert stage.outcome.tx_hash


async def test_receipt__status_0__is_reverted_and_no_effect_is_claimed() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.chain.store(VAULT, mode="reverts")
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.REVERTED, Reason.REVERTED_ON_CHAIN)
    assert stage.bodies(RecordKind.RECEIPT)[0]["status"] == 0
    assert stage.kinds[-2:] == ["receipt", "outcome"]


async def test_receipt__status_0__and_somebody_else_brought_the_effect_about__nothing_is_left_to_do() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    stage.chain.store(VAULT, mode="reverts", paused=1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert stage.outcome.tx_hash == stage.bodies(RecordKind.RECEIPT)[0]["tx_hash"]
    assert stage.kinds[-2:] == ["receipt", "outcome"]


async def test_receipt__status_0__and_the_effect_cannot_be_read__is_reverted() -> None:
    stage = Stage()
    armed = limit()
    executor = await stage.ready(armed)
    await stage.act(executor, armed)
    stage.chain.store(VAULT, mode="reverts", unreadable=1)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.REVERTED


async def test_gate__would_revert_because_somebody_was_quicker__nothing_is_left_to_do() -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.store(VAULT, mode="reverts", paused=1)
    stage.block = stage.chain.mine()
    await stage.act(executor, before="false")
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert stage.route.sent == []


# -- shadow mode -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["good", "reverts", "no role"])
async def test_shadow__decided__is_checked_and_never_signed(mode: str) -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode=mode)
    stage.block = stage.chain.mine()
    executor = await stage.ready(live=False)
    await stage.act(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.DRY_RUN, Reason.SHADOW_MODE)
    assert ("go through" in stage.outcome.message) is (mode == "good")
    assert stage.events == ["decision", "intent", "outcome"]


async def test_shadow__without_a_signer__says_that_it_was_not_simulated() -> None:
    stage = Stage()
    executor = stage.executor(live=False, without_signer=True)
    await executor.refresh(stage.block)
    await stage.act(executor)
    assert stage.outcome.kind is OutcomeKind.DRY_RUN
    assert "not simulated" in stage.outcome.message
    assert (executor.sender, executor.lane) == (None, None)


async def test_shadow__effect_is_there__is_superseded_all_the_same() -> None:
    stage = Stage()
    stage.chain.store(VAULT, paused=1)
    stage.block = stage.chain.mine()
    await stage.act(await stage.ready(live=False), before="true")
    assert stage.outcome.kind is OutcomeKind.SUPERSEDED


# -- more than one -----------------------------------------------------------------------------------------------------------------


async def test_two_actions__one_tick__one_commit_and_consecutive_nonces() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit())
    await stage.act(executor, pause(), limit())
    assert stage.kinds[:4] == ["decision", "intent", "decision", "intent"]
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]
    await stage.head(executor)
    assert [outcome.kind for _, outcome in stage.outcomes] == [OutcomeKind.INCLUDED] * 2
    assert (stage.chain.value("paused"), stage.chain.value("limit")) == (1, 100)


async def test_open_intent__the_same_action_again__is_recorded_and_not_opened_twice() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    await stage.act(executor)
    assert stage.kinds.count("decision") == 2
    assert stage.kinds.count("intent") == 1
    await stage.head(executor)
    assert stage.calls == 1


async def test_same_action_twice__in_one_tick__is_opened_once() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor, pause(), pause())
    assert (stage.kinds.count("decision"), stage.kinds.count("intent")) == (2, 1)


async def test_closed_intent__the_same_action_again__is_a_new_one() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    stage.chain.store(VAULT, paused=0)
    stage.block = stage.chain.mine()
    await stage.act(executor)
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1]
    assert stage.calls == 2


async def test_other_replica_has_it_open__records_are_kept_and_its_intent_is_taken_up() -> None:
    stage = Stage()
    other, executor = await stage.ready(), await stage.ready(pause(), limit())
    await stage.act(other)
    await stage.act(executor, pause(), limit())
    assert stage.kinds.count("decision") == 3
    assert [intent.action for intent in await stage.store.open_intents()] == ["pause", "limit"]
    assert sorted(work.key[1] for work in executor.open_works) == ["limit", "pause"]
    await stage.head(executor)
    assert sorted(identity for identity, _ in stage.outcomes) == ["ETH-PERP@1/limit/3", "ETH-PERP@1/pause/1"]
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
    assert stage.calls == 2


async def test_other_replica_ended_it__this_one_learns_how() -> None:
    stage = Stage()
    first, second = await stage.ready(), await stage.ready()
    await stage.act(first)
    await second.recover()
    await stage.head(first)
    with pytest.raises(Exception, match="done cannot mine"):
        await second.on_head(stage.block)
    await second.on_head(stage.block)
    assert second.open_works == ()
    assert stage.outcomes[0] == stage.outcomes[1]
    assert stage.calls == 1


async def test_journal_refuses_the_intent_for_good__is_recorded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    executor = await stage.ready()
    stored = stage.store.append

    async def refuse_intents(drafts: list[Draft]) -> object:
        if any(draft.kind is RecordKind.INTENT for draft in drafts):
            raise IntentAlreadyOpen("somebody opens and closes it all the time")
        return await stored(drafts)

    monkeypatch.setattr(stage.store, "append", refuse_intents)
    await stage.act(executor)
    assert stage.kinds == ["decision", "outcome"]
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.ALREADY_OPEN)
    assert stage.records(RecordKind.OUTCOME)[0].intent is None
    assert executor.open_works == ()


async def test_same_intent_id_again__is_told_and_nothing_is_done_twice() -> None:
    stage = Stage()
    executor = await stage.ready()
    items = stage.items()
    for _ in range(2):
        await executor.act(items, stage.block, {})
        await stage.head(executor)
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.EFFECT_VERIFIED, Reason.ALREADY_OPEN]
    assert stage.calls == 1


async def test_only_records__no_order__are_written_and_nothing_else_happens() -> None:
    stage = Stage()
    executor = await stage.ready()
    await executor.act([(Draft(RecordKind.DECISION, {"answer": "hold"}, T0), None)], stage.block, {})
    assert stage.events == ["decision"]
    assert stage.route.sent == []


async def test_order_of_steps__each_side_effect__comes_after_its_record() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit(), pause("BTC-PERP"))
    await stage.act(executor, pause(), limit(), pause("BTC-PERP"))
    await stage.head(executor)
    opened = signed = written = sent = 0
    for event in stage.events:
        opened, signed = opened + (event == "intent"), signed + (event == "sign")
        written, sent = written + (event == "attempt"), sent + (event == "submit")
        assert signed <= opened
        assert sent <= written <= signed
    assert (opened, signed, written, sent) == (3, 3, 3, 3)
    states = {intent.state for intent in stage.store.intents().values()}
    assert states == {IntentState.DONE}
    assert SubmissionKind.ACCEPTED.value in str(stage.bodies(RecordKind.BROADCAST))
