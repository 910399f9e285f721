"""What the log of an incident comes to: state, onset, actions, people, figures, timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.council.ledger import Step, What
from keeper.app.incidents import people
from keeper.app.incidents.actions import MEANINGS
from keeper.app.incidents.figures import BACKWARDS, STAGES
from keeper.app.incidents.gathering import MOST_RECORDS
from keeper.app.incidents.story import Source, State, Story
from keeper.app.incidents.telling import read_story, story_of
from keeper.app.incidents.words import coin, milliseconds, summary_of
from keeper.decisions.breaker import BreakerTrigger
from keeper.domain.decision import DecisionReason
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Draft, Json, Record, RecordQuery
from tests.support import incident_log as log

pytestmark = pytest.mark.unit


def told(drafts: Sequence[Draft], incident: str = log.ID) -> Story:
    story = read_story(log.page_of(log.records_of(drafts)), incident)
    assert story is not None
    return story


def ms(story: Story, name: str) -> Decimal | None:
    figure = story.figure(name)
    assert figure is not None
    return figure.ms


def note(story: Story, name: str) -> str:
    figure = story.figure(name)
    assert figure is not None
    return figure.note


def test_story__whole__has_what_was_known_when() -> None:
    story = told(log.whole())
    assert (story.state, story.market, story.rule, story.signal) == (
        State.CLOSED,
        log.MARKET,
        log.RULE,
        "divergence",
    )
    assert (story.observed, story.threshold, story.severity) == ("0.0599", "0.02", "critical")
    assert story.opened is not None
    assert (story.opened.at_ms, story.opened.block, story.opened.source) == (log.seen_ms(15), 15, Source.KEEPER)
    assert story.onset.at is not None
    assert (story.onset.at.at_ms, story.onset.at.block, story.onset.at.source) == (log.block_ms(13), 13, Source.BLOCK)
    assert (story.onset.value, story.onset.blocks) == ("0.0311", 2)
    assert (story.standing.config_hash, story.standing.version, story.standing.chain_id) == (log.CONFIG, "0.1.0", 31337)
    assert story.lasted_ms == 5 * log.BLOCK_MS


def test_story__whole__has_every_figure_from_its_two_ends() -> None:
    story = told(log.whole())
    assert ms(story, "detect") == log.seen_ms(15) - log.block_ms(13)
    found = {name: ms(story, name) for name, *_ in STAGES}
    assert found == {
        "decide": Decimal("3.000"),
        "write": Decimal("5.250"),
        "sign": Decimal("1.250"),
        "broadcast": Decimal("2.500"),
        "include": Decimal("11900.000"),
        "verify": Decimal("6.500"),
    }
    assert ms(story, "protect") == 3 * log.BLOCK_MS
    assert (ms(story, "ratify"), note(story, "ratify")) == (None, "nothing was to be ratified")
    assert (ms(story, "restore"), note(story, "restore")) == (None, "not restored, as far as the log goes")


def test_story__action__has_transaction_cost_effect_and_outcome() -> None:
    (action,) = told(log.whole()).actions
    (sent,) = action.sent
    assert (action.name, action.way, action.outcome) == (log.ACTION, "public", "included")
    assert (sent.tx_hash, sent.status, sent.block, sent.answers) == (log.TX, 1, 16, ("accepted by public",))
    assert action.cost_wei == 31_573 * 1_500_000_000
    assert action.effect is not None
    assert (action.effect.before, action.effect.after, action.effect.verified) == ("false", "true", True)


def test_story__moments__are_in_the_order_of_the_log_with_the_onset_first() -> None:
    moments = told(log.whole()).moments
    assert [one.kind for one in moments][:5] == ["onset", "persisting", "incident", "decision", "intent"]
    seqs = [one.seq for one in moments if one.seq is not None]
    assert seqs == sorted(set(seqs))
    assert "declined to pause-market, because it was on its way already" in "\n".join(one.words for one in moments)


def test_story__tripped_at_once__has_its_onset_in_that_block() -> None:
    drafts = [log.start(), *[log.tick(block) for block in (13, 14)], *log.acted()]
    story = told(drafts)
    assert story.onset.blocks == 0
    assert ms(story, "detect") == log.SEEN_MS
    assert [one.kind for one in story.moments][:2] == ["onset", "incident"]


def test_story__open__says_so() -> None:
    story = told([*log.before(), *log.acted()])
    assert (story.state, story.closed, story.lasted_ms) == (State.OPEN, None, None)
    assert "rules are still tripped" in " ".join(summary_of(story))


def test_story__put_back_by_the_owners__is_restored() -> None:
    story = told([*log.whole(), *log.restoring()])
    assert story.state is State.RESTORED
    assert story.restored is not None
    assert story.restored.block == 24
    assert ms(story, "restore") == log.seen_ms(21) + 36_000 - log.seen_ms(15)
    assert [one.kind for one in story.deeds] == ["seen", "signed", "executed"]
    assert [(one.what, one.executed_in) for one in story.proposals] == [("restore", log.EXECUTED)]


@pytest.mark.parametrize("change", ["failed", "other value", "not executed"])
def test_story__proposal_that_put_nothing_back__is_not_restored(change: str) -> None:
    drafts = log.restoring()
    if change == "failed":
        drafts[-1] = replace(drafts[-1], body={**drafts[-1].body, "ok": False})
    elif change == "other value":
        drafts[0] = replace(drafts[0], body={**drafts[0].body, "facts": {"changes": []}})
    else:
        drafts.pop()
    story = told([*log.whole(), *drafts])
    assert story.state is State.CLOSED
    assert ms(story, "restore") is None


def test_story__half_put_back__is_not_restored_and_says_how_much() -> None:
    name = f"{log.ID}/tighten/15"
    limit = replace(log.intent(), intent=name, action="tighten")
    changed = {**log.effect().body, "call": "limit()(uint256)", "before": "10", "after": "5"}
    more = [limit, replace(log.effect(), intent=name, action="tighten", body=changed)]
    story = told([*log.before(), *log.acted(), *more, *log.after(), *log.restoring()])
    assert (story.state, story.restored_words) == (State.CLOSED, "1 of 2 changes were undone")


def test_story__breaker_ratified_then_lifted__has_both_times() -> None:
    turns = [log.breaker_turn("tripped", 16), log.breaker_turn("ratified", 18), log.breaker_turn("lifted", 30)]
    story = told([*log.before(), *log.acted(breaker=True), *turns])
    assert story.actions[0].way == "breaker"
    assert ms(story, "ratify") == 2 * log.BLOCK_MS
    assert ms(story, "restore") == 15 * log.BLOCK_MS
    assert story.state is State.RESTORED
    assert [one.kind for one in story.deeds] == ["ratified", "lifted"]


def test_story__breaker_that_ran_out__was_not_ratified() -> None:
    turns = [log.breaker_turn("tripped", 16), log.breaker_turn("expired", 30)]
    story = told([*log.before(), *log.acted(breaker=True), *turns])
    assert (ms(story, "ratify"), note(story, "ratify")) == (
        None,
        "not ratified: it was ended by itself, because nobody ratified it",
    )
    assert story.state is State.RESTORED


def test_story__next_trip_of_the_same_breaker__is_another_incidents() -> None:
    turns = [log.breaker_turn("tripped", 16)]
    later = [log.breaker_turn("tripped", 90), log.breaker_turn("lifted", 95)]
    story = told([*log.before(), *log.acted(breaker=True), *turns, *log.after(), *later])
    assert story.state is State.CLOSED
    assert all(one.at.block is None or one.at.block < 90 for one in story.moments)


def test_story__reorganised_away__has_no_receipt_and_no_effect() -> None:
    drafts = [*log.before(), *log.acted()[:10], log.receipt_gone()]
    (action,) = told(drafts).actions
    assert (action.sent[0].gone, action.sent[0].block, action.cost_wei, action.effect) == (True, None, None, None)


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("reverted", "reverted-on-chain", "ended as reverted (reverted-on-chain)"),
        ("failed", "simulation-reverted", "ended as failed (simulation-reverted)"),
        ("dry-run", "shadow-mode", "ended as dry-run (shadow-mode)"),
    ],
)
def test_story__action_that_did_not_work__says_how_it_ended(kind: str, reason: str, words: str) -> None:
    marks: Json = {key: value for key, value in log.STAGES.items() if key in ("head", "reads", "decided")}
    drafts = [*log.before(), log.turn("opened", 15), log.decision(), log.intent()]
    drafts.append(log.outcome(kind, reason, timeline_ms=marks, tx_hash=None, block=None))
    story = told(drafts)
    assert words in " ".join(summary_of(story))
    assert ms(story, "decide") == 3
    assert ms(story, "include") is None
    assert note(story, "include")
    assert not [line for line in summary_of(story) if "gas" in line]


def test_story__in_shadow_mode__says_that_nothing_was_sent() -> None:
    drafts = [
        log.start("shadow"),
        log.turn("opened", 15),
        log.decision(),
        log.intent(),
        log.outcome("dry-run", "shadow-mode"),
    ]
    story = told(drafts)
    assert "it decided and recorded, and sent nothing" in " ".join(summary_of(story))
    assert "still in effect" not in " ".join(summary_of(story))


def test_story__declined_and_nothing_else__says_why() -> None:
    story = told([log.start(), log.turn("opened", 15), log.decision("declined", "switched-off")])
    assert story.actions == ()
    assert "it declined pause-market, because an operator had switched it off" in " ".join(summary_of(story))
    assert note(story, "decide") == "no action was decided"


def test_story__restarted_without_a_timeline__uses_the_times_of_records() -> None:
    drafts = [*log.before(), *log.acted()[:-2], log.outcome(timeline_ms={})]
    story = told(drafts)
    assert [ms(story, name) for name in ("broadcast", "include", "verify")] == [3, 11_900, 6]
    assert note(story, "include") == "from the times of the records"
    assert (ms(story, "write"), note(story, "write")) == (None, "the log has no time of the step `decided`")


def test_story__clock_behind_the_chain__says_that_the_figure_is_negative() -> None:
    late = [log.tick(block, chain_ms=log.block_ms(block) + 60_000) for block in (13, 14)]
    trip = log.tick(15, "0.0599", "tripped", chain_ms=log.block_ms(15) + 60_000)
    story = told([log.start(), *late, log.turn("opened", 15), trip])
    assert ms(story, "detect") == log.SEEN_MS - 60_000
    assert note(story, "detect").startswith(BACKWARDS)


def test_story__evidence_archived__says_that_the_onset_cannot_be_told() -> None:
    thin = [
        replace(one, body={k: v for k, v in one.body.items() if k in ("at_ms", "block")}) for one in log.before()[2:]
    ]
    story = told([log.start(), *thin, *log.acted()[:5]])
    assert story.onset.at is None
    assert (ms(story, "detect"), note(story, "detect")) == (
        None,
        "what was seen at those blocks is not in the database any more",
    )
    assert story.course == ()


def test_story__beyond_since_the_first_block__does_not_guess_the_onset() -> None:
    ticks = [log.tick(block, "0.03", "pending") for block in (13, 14)]
    story = told([log.start(), *ticks, *log.acted()])
    assert story.onset.at is None
    assert "first block that the log has" in note(story, "detect")


def test_story__damaged_evidence__tells_the_rest() -> None:
    page = log.page_of(log.records_of(log.whole()))

    def broken(query: RecordQuery) -> Sequence[Record]:
        if query.full:
            raise StoreUnavailable("the evidence 0xab cannot be read")
        return page(query)

    story = read_story(broken, log.ID)
    assert story is not None
    assert story.actions[0].outcome == "included"
    assert "the evidence 0xab cannot be read" in " ".join(story.gaps)


def test_story__database_away__raises() -> None:
    def away(query: RecordQuery) -> Sequence[Record]:
        raise StoreUnavailable("it is locked")

    with pytest.raises(StoreUnavailable):
        read_story(away, log.ID)


def test_story__of_nobody__is_none() -> None:
    assert read_story(log.page_of(log.records_of(log.whole())), "ETH-PERP@16") is None
    assert read_story(log.page_of([]), log.ID) is None


async def test_story__of_a_store__is_the_same() -> None:
    store = MemoryAuditStore()
    await store.append([*log.whole(), *log.restoring(), log.verification()])
    records = list(await store.page(RecordQuery(limit=1000)))
    assert await story_of(store, log.ID) == read_story(log.page_of(records), log.ID)
    assert await story_of(store, "nobody") is None


def test_story__of_two_incidents__has_its_own_records_only() -> None:
    other = "BTC-PERP@15"
    drafts = [log.turn("opened", 15, other, "BTC-PERP"), log.turn("closed", 20, other, "BTC-PERP")]
    story = told([*log.whole(), *drafts])
    assert not [one for one in story.moments if "BTC" in one.words]
    assert told([*log.whole(), *drafts], other).actions == ()


def test_story__longer_than_anybody_reads__is_cut_and_still_has_its_end() -> None:
    first = log.records_of([*log.before(), *log.acted(), log.turn("closed", 20)])
    closed = first[-1]
    declined = log.records_of([log.decision("declined", "cooldown")])[0]
    many = [replace(declined, seq=100 + number) for number in range(MOST_RECORDS)]
    story = read_story(log.page_of([*first[:-1], *many, replace(closed, seq=100_000)]), log.ID)
    assert story is not None
    assert story.cut
    assert story.state is State.CLOSED


def test_story__unreadable_record__is_left_out_and_named() -> None:
    records = log.records_of(log.whole())
    place = next(index for index, one in enumerate(records) if one.kind.value == "effect")
    records[place] = replace(records[place], body=cast("dict[str, Json]", ["not", "an", "object"]))
    story = read_story(log.page_of(records), log.ID)
    assert story is not None
    assert story.actions[0].effect is None
    assert f"record {records[place].seq} (effect) holds nothing that this version knows" in story.gaps


def test_words__every_reason_of_a_decision_has_a_meaning() -> None:
    assert {str(reason) for reason in DecisionReason} <= MEANINGS.keys()


def test_words__steps_and_triggers__are_those_of_the_code() -> None:
    assert {str(step) for step in Step} >= people.BY_PEOPLE | people.MADE
    assert What.RESTORE.value == people._RESTORE
    assert {str(trigger) for trigger in BreakerTrigger} >= people._TURNS_BY_PEOPLE


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0 ms"),
        ("2.924", "2.924 ms"),
        ("9.9995", "10.000 ms"),
        ("412.4", "412 ms"),
        ("999", "999 ms"),
        ("1000", "1,000 ms (1.0 s)"),
        ("330000", "330,000 ms (5 min 30 s)"),
        ("-1500", "-1,500 ms (-1.5 s)"),
        ("-90000", "-90,000 ms (-1 min 30 s)"),
    ],
)
def test_milliseconds__of_every_size__are_as_people_write_them(value: str, text: str) -> None:
    assert milliseconds(Decimal(value)) == text


@pytest.mark.parametrize(
    ("wei", "text"), [(0, "0"), (1, "0.000000000000000001"), (10**18, "1"), (3 * 10**40, f"3{'0' * 22}")]
)
def test_coin__of_any_amount__is_exact(wei: int, text: str) -> None:
    assert coin(wei) == text
