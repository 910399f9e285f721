from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.journal import Change, Moved, Opened, Signed, change_of, moved
from keeper.domain.errors import InvalidTransition
from keeper.domain.intent import TRANSITIONS, IntentState, IntentTrigger
from keeper.domain.outcome import FINAL_OUTCOMES
from keeper.domain.record import Draft, RecordKind
from tests.support.audit_log import (
    FEE_WEI,
    T0,
    attempt,
    broadcast,
    draft,
    opening,
    outcome,
    receipt,
    receipt_gone,
    tick,
    tx_hash,
)

pytestmark = pytest.mark.unit


def read(given: Draft) -> Change | None:
    return change_of(given.kind, given.market, given.action, given.incident, given.intent, given.at_ms, given.body)


def test_change_of__intent__opens_it_with_exact_values() -> None:
    change = read(opening())

    assert isinstance(change, Opened)
    assert change.intent.state is IntentState.OPEN
    assert (change.intent.created_ms, change.intent.expires_ms) == (T0, T0 + 90_000)


def test_change_of__attempt__keeps_wei_beyond_what_json_numbers_hold() -> None:
    change = read(attempt(1))

    assert isinstance(change, Signed)
    assert change.attempt.max_fee_wei == FEE_WEI + 1
    assert change.attempt.signed_ms == T0 + 10


def test_change_of__counts_as_decimal_text__read_the_same() -> None:
    assert read(attempt(1, chain_id="31337", nonce="5", gas_limit="120000")) == read(attempt(1))


@pytest.mark.parametrize(
    ("given", "trigger"),
    [
        (broadcast(), IntentTrigger.SEND),
        (broadcast(accepted=False), None),
        (receipt(), IntentTrigger.MINE),
        (receipt_gone(), IntentTrigger.UNMINE),
    ],
)
def test_change_of__sending_and_receipts__move_the_intent(given: Draft, trigger: IntentTrigger | None) -> None:
    assert read(given) == Moved("i-1", trigger, tx_hash(1))


@pytest.mark.parametrize("kind", sorted(FINAL_OUTCOMES))
def test_change_of__final_outcome__closes(kind: str) -> None:
    assert read(outcome(kind=kind)) == Moved("i-1", IntentTrigger.CLOSE, None)


def test_change_of__outcome_that_is_not_final__refused() -> None:
    with pytest.raises(DraftRefused, match="final"):
        read(outcome(kind="submitted"))


@pytest.mark.parametrize("given", [tick(), draft(RecordKind.EFFECT, {}), draft(RecordKind.DECISION, {}), outcome(None)])
def test_change_of__record_outside_of_the_journal__changes_nothing(given: Draft) -> None:
    assert read(given) is None


@pytest.mark.parametrize("given", [opening(), attempt(), broadcast(), receipt()])
def test_change_of__journal_record_without_an_intent__refused(given: Draft) -> None:
    with pytest.raises(DraftRefused, match="intent"):
        read(replace(given, intent=None))


@pytest.mark.parametrize("column", ["market", "action", "incident"])
def test_change_of__intent_without_its_columns__refused(column: str) -> None:
    without: dict[str, Any] = {column: None}
    with pytest.raises(DraftRefused, match="market, action and incident"):
        read(replace(opening(), **without))


NEEDED = {
    RecordKind.INTENT: {"to", "data", "effect_before", "expires_ms"},
    RecordKind.ATTEMPT: set(attempt().body),
    RecordKind.BROADCAST: {"tx_hash", "accepted"},
    RecordKind.RECEIPT: {"tx_hash"},
    RecordKind.OUTCOME: {"kind"},
}


@pytest.mark.parametrize("base", [opening(), attempt(), broadcast(), receipt(), outcome()])
def test_change_of__any_needed_value_missing__refused(base: Draft) -> None:
    refused = set()
    for key in base.body:
        body = {name: value for name, value in base.body.items() if name != key}
        with suppress(DraftRefused):
            read(replace(base, body=body))
            continue
        refused.add(key)
    assert refused == NEEDED[base.kind]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_fee_wei", 7),
        ("max_fee_wei", "-7"),
        ("max_fee_wei", "07"),
        ("max_fee_wei", "1e9"),
        ("max_fee_wei", "٧"),
        ("max_fee_wei", ""),
        ("max_fee_wei", "9" * 79),
        ("nonce", -1),
        ("nonce", True),
        ("nonce", 2**63),
        ("gas_limit", None),
        ("raw", None),
        ("sender", "a\0b"),
    ],
)
def test_change_of__value_in_another_form__refused(key: str, value: Any) -> None:
    with pytest.raises(DraftRefused, match=key):
        read(attempt(1, **{key: value}))


def test_change_of__largest_values_that_fit__taken() -> None:
    change = read(attempt(1, nonce=2**63 - 1, max_fee_wei="9" * 78))

    assert isinstance(change, Signed)
    assert (change.attempt.nonce, change.attempt.max_fee_wei) == (2**63 - 1, 10**78 - 1)


def test_change_of__flag_that_is_no_flag__refused() -> None:
    given = broadcast()
    with pytest.raises(DraftRefused, match="accepted"):
        read(replace(given, body={**given.body, "accepted": 1}))


def test_change_of__expiry_after_the_last_year__refused() -> None:
    given = opening()
    with pytest.raises(DraftRefused):
        read(replace(given, body={**given.body, "expires_ms": "9" * 18}))


@pytest.mark.parametrize("state", list(IntentState))
@pytest.mark.parametrize("trigger", list(IntentTrigger))
def test_moved__any_step__is_allowed_exactly_when_the_domain_lists_it(
    state: IntentState, trigger: IntentTrigger
) -> None:
    change = Moved("i-1", trigger, None)
    if (state, trigger) in TRANSITIONS:
        assert moved(state, change, knows_tx=False) is TRANSITIONS[state, trigger]
    else:
        with pytest.raises(InvalidTransition):
            moved(state, change, knows_tx=False)


def test_moved__transaction_of_nobody__refused() -> None:
    with pytest.raises(InvalidTransition, match="no attempt"):
        moved(IntentState.SIGNED, Moved("i-1", IntentTrigger.SEND, "0xff"), knows_tx=False)


def test_moved__unknown_intent__refused() -> None:
    with pytest.raises(InvalidTransition, match="no intent i-1"):
        moved(None, Moved("i-1", IntentTrigger.CLOSE, None), knows_tx=False)


@pytest.mark.parametrize("word", ["withdrawn", "late"])
def test_change_of__what_may_come_after_the_end__changes_nothing(word: str) -> None:
    given = broadcast(accepted=False)
    assert read(replace(given, body={**given.body, word: True})) is None


@pytest.mark.parametrize(("accepted", "withdrawn"), [(True, True), (False, False)])
def test_change_of__other_words_of_withdrawing__are_read_as_any_broadcast(accepted: bool, withdrawn: bool) -> None:
    given = broadcast(accepted=accepted)
    change = read(replace(given, body={**given.body, "withdrawn": withdrawn}))
    assert isinstance(change, Moved)
    assert change.trigger is (IntentTrigger.SEND if accepted else None)


def test_moved__broadcast_not_accepted__stays() -> None:
    assert moved(IntentState.MINED, Moved("i-1", None, "0x1"), knows_tx=True) is IntentState.MINED
