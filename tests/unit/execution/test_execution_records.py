"""Each record of an action holds what the store's table asks for, in text where JSON would round; and every end says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.adapters.audit.journal import Moved, Opened, Signed, change_of
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.domain.action import SafeSide
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable
from keeper.domain.evm import Receipt, Simulation
from keeper.domain.intent import Attempt, Intent, IntentState, IntentTrigger
from keeper.domain.outcome import FINAL_OUTCOMES, Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, Json, RecordKind
from keeper.execution import endings, journal, written
from keeper.execution.fees import Fees
from keeper.execution.gate import already_there, simulated
from keeper.execution.work import Work
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import MISSING_ROLE, T0, VAULT, limit, pause

pytestmark = pytest.mark.unit

BIG = 2**70 + 1
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
HASH = "0x" + "ab" * 32
INTENT = Intent("i-1", "ETH-PERP", "pause", "inc-1", IntentState.OPEN, T0, T0 + 60_000, VAULT, "0x8456cb59", "false")
ATTEMPT = Attempt("i-1", 1, 31337, SENDER, 5, BIG, BIG - 1, 65_000, VAULT, "0x8456cb59", HASH, "0x02f8", T0 + 1)
RECEIPT = Receipt(HASH, 1, 9, "0x" + "b1" * 32, 50_000, BIG)
SENT = Submission(SubmissionKind.ACCEPTED, HASH)
DONE = Outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED, "it is paused", tx_hash=HASH, block=9)

DRAFTS = {
    "intent": journal.intent_draft(INTENT, pause(), SENDER),
    "attempt": journal.attempt_draft(INTENT, ATTEMPT),
    "broadcast": journal.broadcast_draft(INTENT, ATTEMPT, "public", SENT, 7, T0 + 2, public=True),
    "receipt": journal.receipt_draft(INTENT, RECEIPT, T0 + 3),
    "gone": journal.receipt_gone_draft(INTENT, HASH, T0 + 3),
    "effect": journal.effect_draft(INTENT, pause(), "true", 9, T0 + 4),
    "outcome": journal.outcome_draft(INTENT, DONE, T0 + 5, {"head": 0.0, "signed": 1.23456}),
}


def leaves(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def change(draft: Draft) -> object:
    columns = (draft.market, draft.action, draft.incident, draft.intent)
    return change_of(draft.kind, *columns, draft.at_ms, draft.body)


@pytest.mark.parametrize("name", DRAFTS)
def test_draft__each_kind__names_its_intent_and_holds_nothing_that_json_would_round(name: str) -> None:
    draft = DRAFTS[name]
    assert (draft.market, draft.action, draft.incident, draft.intent) == ("ETH-PERP", "pause", "inc-1", "i-1")
    for leaf in leaves(dict(draft.body)):
        assert leaf is None or isinstance(leaf, (bool, int, str))
        assert not isinstance(leaf, int) or leaf < 2**53
    assert json.loads(json.dumps(draft.body)) == draft.body


def test_drafts__read_by_the_store__are_what_was_meant() -> None:
    assert change(DRAFTS["intent"]) == Opened(INTENT)
    assert change(DRAFTS["attempt"]) == Signed(ATTEMPT)
    assert change(DRAFTS["broadcast"]) == Moved("i-1", IntentTrigger.SEND, HASH)
    assert change(DRAFTS["receipt"]) == Moved("i-1", IntentTrigger.MINE, HASH)
    assert change(DRAFTS["gone"]) == Moved("i-1", IntentTrigger.UNMINE, HASH)
    assert change(DRAFTS["effect"]) is None
    assert change(DRAFTS["outcome"]) == Moved("i-1", IntentTrigger.CLOSE, None)


@pytest.mark.parametrize("kind", SubmissionKind)
def test_broadcast__each_answer__moves_the_intent_only_when_it_is_a_yes(kind: SubmissionKind) -> None:
    draft = journal.broadcast_draft(INTENT, ATTEMPT, "public", Submission(kind, "words"), 7, T0, public=True)
    yes = kind in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN)
    assert change(draft) == Moved("i-1", IntentTrigger.SEND if yes else None, HASH)
    assert (draft.body["answer"], draft.body["message"], draft.body["route"]) == (kind.value, "words", "public")


def test_intent__no_signer__says_so() -> None:
    assert journal.intent_draft(INTENT, pause(), None).body["sender"] is None


def test_amounts__beyond_what_json_holds__are_text() -> None:
    assert DRAFTS["attempt"].body["max_fee_wei"] == str(BIG)
    assert DRAFTS["attempt"].body["priority_fee_wei"] == str(BIG - 1)
    assert DRAFTS["receipt"].body["effective_gas_price_wei"] == str(BIG)
    assert DRAFTS["intent"].body["expires_ms"] == str(T0 + 60_000)
    assert DRAFTS["outcome"].body["timeline_ms"] == {"head": "0.000", "signed": "1.235"}


@pytest.mark.parametrize(
    ("side", "after", "verified"),
    [(SafeSide.LOWER, "99", True), (SafeSide.LOWER, "101", False), (SafeSide.LOWER, "unreadable: x", False)],
)
def test_effect__a_number__says_whether_it_is_what_was_wanted(side: SafeSide, after: str, verified: bool) -> None:
    body = journal.effect_draft(INTENT, limit(100, side=side), after, 9, T0).body
    assert (body["before"], body["after"], body["expected"], body["verified"]) == ("false", after, "100", verified)


# -- read back from the log -------------------------------------------------------------------------------------------------------


async def filled() -> MemoryAuditStore:
    store = MemoryAuditStore()
    await store.append([DRAFTS[name] for name in ("intent", "attempt", "broadcast", "receipt")])
    return store


async def test_receipt_of__mined__is_the_receipt_as_it_was() -> None:
    store = await filled()
    assert await written.receipt_of(store, INTENT) == RECEIPT
    assert await written.receipt_of(store, replace(INTENT, id="i-2")) is None
    await store.append([DRAFTS["gone"]])
    assert await written.receipt_of(store, INTENT) is None


@pytest.mark.parametrize("outcome", [DONE, Outcome(OutcomeKind.FAILED, Reason.MISSING_ROLE, "no", "grant it")])
async def test_outcome_of__closed__is_the_outcome_as_it_was(outcome: Outcome) -> None:
    store = await filled()
    assert await written.outcome_of(store, INTENT) is None
    await store.append([journal.outcome_draft(INTENT, outcome, T0, {})])
    assert await written.outcome_of(store, INTENT) == outcome


async def test_offers__of_a_sender__are_nonce_and_fees_on_this_chain() -> None:
    store = await filled()
    assert await written.offers(store, 31337, SENDER) == {(5, Fees(BIG, BIG - 1))}
    assert await written.offers(store, 1, SENDER) == set()
    assert await written.offers(store, 31337, VAULT) == set()


# -- endings ----------------------------------------------------------------------------------------------------------------------

WORK = Work(replace(INTENT, attempts=(ATTEMPT,)), pause())
BARE = Work(INTENT, None)


def no(kind: SubmissionKind, *, alone: bool = True) -> Outcome | None:
    return endings.refusal(Submission(kind, "the node's words"), ATTEMPT, alone=alone)


ENDINGS = {
    "worked": endings.worked(WORK, RECEIPT, "true", 9),
    "no effect": endings.no_effect(WORK, RECEIPT, "false"),
    "no effect, bare": endings.no_effect(BARE, RECEIPT, "false"),
    "reverted": endings.reverted(RECEIPT),
    "shadow": endings.shadow("the call would go through"),
    "expired": endings.expired(WORK),
    "expired, nothing signed": endings.expired(replace(BARE, trouble=MalformedAnswer("the view reverted"))),
    "expired, unreachable": endings.expired(replace(WORK, trouble=Unreachable("closed"))),
    "not configured": endings.not_configured(BARE),
    "not read": endings.not_read(BARE, RECEIPT),
    "already open": endings.already_open(WORK),
    "nonce taken": endings.nonce_taken(ATTEMPT),
    "poor": no(SubmissionKind.INSUFFICIENT_FUNDS),
    "refused": no(SubmissionKind.INVALID),
    "there": already_there(pause(), "true"),
    "tighter": already_there(limit(100), "99"),
    "role": simulated(pause(), SENDER, Simulation(False, MISSING_ROLE, "")),
    "revert": simulated(pause(), SENDER, Simulation(False, b"", "")),
}
GOOD = {OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN}


@pytest.mark.parametrize("name", ENDINGS)
def test_ending__each__has_a_message_and_a_remedy_when_it_is_not_good(name: str) -> None:
    outcome = ENDINGS[name]
    assert outcome is not None
    assert outcome.kind in FINAL_OUTCOMES
    assert outcome.message.isprintable()
    assert outcome.message
    assert bool(outcome.remedy) is (outcome.kind not in GOOD)
    assert ATTEMPT.raw not in outcome.message + outcome.remedy
    change(journal.outcome_draft(INTENT, outcome, T0, {}))


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (None, Reason.EXPIRED, "could not be carried out before"),
        (
            Unreachable("closed"),
            Reason.NODE_UNREACHABLE,
            "node could not be reached before the action expired (closed)",
        ),
        (Refused("too many requests"), Reason.EXPIRED, "expired (too many requests)"),
        (MalformedAnswer("the view reverted"), Reason.EXPIRED, "expired (the view reverted)"),
    ],
)
def test_expired__each_cause__is_told_apart(
    error: Unreachable | Refused | MalformedAnswer | None, reason: Reason, words: str
) -> None:
    outcome = endings.expired(replace(WORK, trouble=error))
    assert (outcome.kind, outcome.reason, outcome.tx_hash) == (OutcomeKind.EXPIRED, reason, HASH)
    assert words in outcome.message
    assert f"transaction {HASH} (nonce 5)" in outcome.message
    assert "nonce" not in endings.expired(replace(BARE, trouble=error)).message


@pytest.mark.parametrize("kind", SubmissionKind)
def test_expired__the_nodes_last_answer_was_no__is_told(kind: SubmissionKind) -> None:
    message = endings.expired(replace(WORK, answer=Submission(kind, "the node's words"))).message
    assert ("the node's words" in message) is (kind not in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN))


@pytest.mark.parametrize("kind", SubmissionKind)
def test_refusal__each_answer__ends_only_when_no_other_attempt_can_be_mined(kind: SubmissionKind) -> None:
    final = kind in (SubmissionKind.INSUFFICIENT_FUNDS, SubmissionKind.INVALID)
    outcome = no(kind)
    assert (outcome is not None) is final
    assert no(kind, alone=False) is None
    if outcome is not None:
        assert "the node's words" in outcome.message


def test_refusal__cannot_pay__says_how_much_is_needed() -> None:
    outcome = no(SubmissionKind.INSUFFICIENT_FUNDS)
    assert outcome is not None
    assert str(BIG * 65_000) in outcome.remedy


def test_kinds__of_the_drafts__are_the_journals() -> None:
    kinds = {draft.kind for draft in DRAFTS.values()}
    names = ("INTENT", "ATTEMPT", "BROADCAST", "RECEIPT", "EFFECT", "OUTCOME")
    assert kinds == {RecordKind[name] for name in names}
