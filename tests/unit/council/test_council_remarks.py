"""What is said loudly: each thing that takes a Safe over, and each field in which a service can lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.app.council.meanings import REGISTER
from keeper.app.council.remarks import altered, check_confirmation, differences
from keeper.domain.multisend import encode_multisend
from keeper.domain.proposal import Confirmation, Level, SafeState
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_calls import BY_MODULE, EXECUTE, SAFE_CALLS
from keeper.domain.safe_signatures import approved_signature, contract_signature
from tests.unit.council.calls import (
    ALICE,
    BOB,
    BREAKER,
    CAROL,
    ETH,
    EXCHANGE,
    MULTI_SEND,
    OTHER_SAFE,
    SAFE,
    STATE,
    STRANGER,
    TOKEN,
    batch,
    calldata,
    queued,
    said,
    signed,
    transaction,
)

pytestmark = pytest.mark.unit

ID = bytes.fromhex(ETH[2:])
UNPAUSE = calldata("unpauseMarket(bytes32)", ID)
ADD_OWNER = calldata("addOwnerWithThreshold(address,uint256)", BOB, 1)
GOOD = transaction(EXCHANGE, UNPAUSE)


def levels(of: SafeTransaction, state: SafeState = STATE) -> list[Level]:
    return [level for level, _ in said(of, state)]


@pytest.mark.parametrize(
    "harmless",
    [GOOD, batch((EXCHANGE, 0, UNPAUSE)), transaction(SAFE), transaction(ALICE, value=1), transaction(BREAKER, calldata("ratify(bytes32)", ID))],
)  # fmt: skip
def test_remarks__what_it_is_meant_for__nothing(harmless: SafeTransaction) -> None:
    assert said(harmless) == []


@pytest.mark.parametrize("meaning", [one for one in SAFE_CALLS.values() if one.level is Level.ALARM], ids=str)
def test_remarks__change_of_the_safe__alarm_at_any_depth(meaning: Any) -> None:
    # with arguments that read, and with such that do not: the Safe may take both
    for data in (meaning.selector + bytes(320), meaning.selector):
        inner = encode_multisend([(EXCHANGE, 0, UNPAUSE), (SAFE, 0, data)])
        for of in (transaction(SAFE, data), batch((SAFE, 0, data)), batch((MULTI_SEND, 0, inner))):
            assert Level.ALARM in levels(of)
    # from 1.5.0 on, the zero address in a batch stands for the Safe itself
    assert Level.ALARM in levels(batch((ZERO_ADDRESS, 0, meaning.selector + bytes(320))))


def test_remarks__owner_added__names_the_call_of_the_batch() -> None:
    ((level, text),) = said(batch((EXCHANGE, 0, UNPAUSE), (SAFE, 0, ADD_OWNER)))
    assert level is Level.ALARM
    assert text == f"call 2: Makes {BOB} an owner of this Safe; 1 must sign from then on"


def test_remarks__owner_added_to_another_safe__alarm() -> None:
    data = calldata(EXECUTE, OTHER_SAFE, 0, ADD_OWNER, 0, 0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS, b"")
    assert levels(transaction(OTHER_SAFE, data)) == [Level.ALARM]


@pytest.mark.parametrize("data", [b"", b"\x01", UNPAUSE, encode_multisend([(EXCHANGE, 0, UNPAUSE)])])
def test_remarks__delegatecall_to_a_stranger__alarm(data: bytes) -> None:
    of = transaction(STRANGER, data, operation=Operation.DELEGATECALL)
    (level, text), *_ = said(of)
    assert (level, "delegatecall" in text) == (Level.ALARM, True)


@pytest.mark.parametrize("data", [b"", UNPAUSE, encode_multisend([(EXCHANGE, 0, UNPAUSE)]) + b"\0"])
def test_remarks__delegatecall_to_multisend_with_no_batch__alarm(data: bytes) -> None:
    assert Level.ALARM in levels(transaction(MULTI_SEND, data, operation=Operation.DELEGATECALL))


@pytest.mark.parametrize(
    ("to", "data"), [(STRANGER, b"\x01"), (MULTI_SEND, encode_multisend([(EXCHANGE, 0, UNPAUSE)]))]
)
def test_remarks__delegatecall_inside_of_a_batch__alarm(to: str, data: bytes) -> None:
    batched = batch((to, 0, data))
    plain = bytes(1) + bytes.fromhex(to[2:])
    changed = batched.data.replace(plain, b"\x01" + plain[1:], 1)
    assert changed != batched.data
    assert Level.ALARM not in levels(batched)
    ((level, text), *_) = said(replace(batched, data=changed))
    assert (level, "(delegatecall)" in text) == (Level.ALARM, True)


def test_remarks__delegatecall_by_module__alarm() -> None:
    for operation in (0, 1):
        data = calldata(BY_MODULE, EXCHANGE, 0, UNPAUSE, operation)
        assert (Level.ALARM in levels(transaction(OTHER_SAFE, data))) == bool(operation)


@pytest.mark.parametrize(
    "field",
    [{"base_gas": 1}, {"gas_price": 1}, {"gas_token": TOKEN}, {"refund_receiver": STRANGER}],
)
def test_remarks__refund__alarm(field: dict[str, Any]) -> None:
    ((level, text),) = said(replace(GOOD, **field))
    assert (level, "paid by the Safe" in text) == (Level.ALARM, True)


@pytest.mark.parametrize(("to", "always"), [(OTHER_SAFE, []), (SAFE, [Level.NOTE])])
@pytest.mark.parametrize("place", range(5, 9))
def test_remarks__refund_of_a_transaction_inside__alarm(place: int, to: str, always: list[Level]) -> None:
    values: list[Any] = [EXCHANGE, 0, UNPAUSE, 0, 0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS, b""]
    assert levels(transaction(to, calldata(EXECUTE, *values))) == always
    values[place] = STRANGER if place > 6 else 1
    assert levels(transaction(to, calldata(EXECUTE, *values))) == [Level.ALARM, *always]


@pytest.mark.parametrize(("target", "found"), [(SAFE, [Level.ALARM, Level.WARNING]), (EXCHANGE, [Level.WARNING])])
def test_remarks__breaker_registered__alarm_where_it_may_call_the_safe(target: str, found: list[Level]) -> None:
    probe, no_bounds = (EXCHANGE, 0, b"", bytes(32)), list[object]()
    breaker = (target, 1, 2, 3, SAFE, 4, 5, 6, ADD_OWNER, b"", probe, no_bounds)
    assert levels(transaction(BREAKER, calldata(REGISTER, ID, breaker))) == found


def test_remarks__safe_tx_gas__warning() -> None:
    assert levels(replace(GOOD, safe_tx_gas=1)) == [Level.WARNING]


@pytest.mark.parametrize(
    ("of", "level"),
    [
        (transaction(STRANGER, value=1), Level.WARNING),
        (batch((STRANGER, 1, b"")), Level.WARNING),
        (transaction(TOKEN, calldata("transfer(address,uint256)", STRANGER, 1)), Level.WARNING),
        (transaction(TOKEN, calldata("transferFrom(address,address,uint256)", ALICE, STRANGER, 1)), Level.WARNING),
        (transaction(EXCHANGE, calldata("grantRole(bytes32,address)", ID, ALICE)), Level.WARNING),
        (transaction(EXCHANGE, calldata("transferOwnership(address)", ALICE)), Level.WARNING),
        (transaction(EXCHANGE, UNPAUSE + b"\0"), Level.WARNING),
        (transaction(EXCHANGE, UNPAUSE[:-1]), Level.ALARM),
        (transaction(EXCHANGE, calldata("pause()") + b"\0"), Level.WARNING),
        (transaction(EXCHANGE, b"\x01\x02\x03\x04"), Level.WARNING),
        (transaction(SAFE, b"\x01\x02\x03\x04"), Level.WARNING),
        (transaction(SAFE, b"\x01"), Level.WARNING),
        (transaction(OTHER_SAFE, calldata("approveHash(bytes32)", ID)), Level.WARNING),
        (transaction(BREAKER, calldata("addKeeper(address)", ALICE)), Level.WARNING),
        (transaction(TOKEN, calldata("approve(address,uint256)", ALICE, 1 << 255)), Level.ALARM),
        (transaction(TOKEN, calldata("increaseAllowance(address,uint256)", ALICE, (1 << 256) - 1)), Level.ALARM),
    ],
)
def test_remarks__what_gives_something_away__said(of: SafeTransaction, level: Level) -> None:
    assert levels(of) == [level]


@pytest.mark.parametrize(
    "data",
    [
        calldata("transfer(address,uint256)", ALICE, 1),
        calldata("transferFrom(address,address,uint256)", STRANGER, SAFE, 1),
        calldata("approve(address,uint256)", STRANGER, (1 << 255) - 1),
    ],
)
def test_remarks__tokens_to_somebody_known__nothing(data: bytes) -> None:
    assert said(transaction(TOKEN, data)) == []


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"version": "1.3.0"}, None),
        ({"version": "1.5.0"}, Level.ALARM),
        ({"version": ""}, Level.ALARM),
        ({"modules": (STRANGER,)}, Level.WARNING),
        ({"guard": STRANGER}, Level.NOTE),
        ({"chain_id": 2}, Level.ALARM),
        ({"safe": OTHER_SAFE}, Level.ALARM),
    ],
)
def test_remarks__state_of_the_safe__said(change: dict[str, Any], level: Level | None) -> None:
    assert levels(GOOD, replace(STATE, **change)) == ([level] if level else [])


def test_remarks__several__loudest_first_and_none_twice() -> None:
    found = levels(batch((STRANGER, 1, b""), (SAFE, 0, ADD_OWNER)), replace(STATE, guard=STRANGER))
    assert found == [Level.ALARM, Level.WARNING, Level.NOTE]


def test_differences__honest_service__none() -> None:
    assert differences(queued(GOOD, signed(GOOD, 0), signed(GOOD, 2), proposer=ALICE), STATE) == ()


TAMPERED: list[dict[str, Any]] = [
    {"to": STRANGER},
    {"value": 1},
    {"data": UNPAUSE[:-1] + b"\x01"},
    {"operation": Operation.DELEGATECALL},
    {"nonce": 8},
    {"safe_tx_gas": 1},
    {"base_gas": 1},
    {"gas_price": 1},
    {"gas_token": TOKEN},
    {"refund_receiver": STRANGER},
    {"safe": OTHER_SAFE},
    {"chain_id": 2},
]


@pytest.mark.parametrize("change", TAMPERED, ids=lambda change: next(iter(change)))
def test_differences__field_altered__hash_and_signatures_contradict(change: dict[str, Any]) -> None:
    told = replace(queued(GOOD, signed(GOOD, 0)), transaction=replace(GOOD, **change))
    found = differences(told, STATE)
    assert found
    assert all(one.level is Level.ALARM for one in found)
    assert any("but its fields have the hash" in one.text for one in found)
    assert any("does not count" in one.text for one in found)
    # a service that also gives the right hash for what it made up is still caught by what owners signed
    again = differences(replace(told, claimed_hash=told.transaction.hash_text), STATE)
    assert any("does not count" in one.text for one in again)


@pytest.mark.parametrize("change", TAMPERED, ids=lambda change: next(iter(change)))
def test_altered__field_altered__named_with_both_values(change: dict[str, Any]) -> None:
    (remark,) = altered(GOOD, replace(GOOD, **change))
    assert remark.level is Level.ALARM
    assert "we proposed" in remark.text
    assert "the service tells" in remark.text


def test_altered__same__nothing() -> None:
    assert altered(GOOD, replace(GOOD)) == ()


def test_altered__long_data__is_told_by_its_hash() -> None:
    (remark,) = altered(replace(GOOD, data=b"\x01" * 500), replace(GOOD, data=b"\x01" * 499 + b"\x02"))
    mine, _, theirs = remark.text.partition("the service tells")
    assert mine.split("we proposed ")[1].rstrip(", ") != theirs.strip()


@pytest.mark.parametrize("claimed", ["", "0x", "0x" + "0" * 64])
def test_differences__wrong_hash__alarm(claimed: str) -> None:
    (found,) = differences(queued(GOOD, claimed_hash=claimed), STATE)
    assert found.level is Level.ALARM
    assert GOOD.hash_text in found.text


def test_differences__owner_twice__alarm() -> None:
    (found,) = differences(queued(GOOD, signed(GOOD, 0), signed(GOOD, 0)), STATE)
    assert (found.level, "twice" in found.text) == (Level.ALARM, True)


@pytest.mark.parametrize(("nonce", "number"), [(6, 0), (7, 1), (8, 1)])
def test_differences__said_to_be_executed__held_against_the_nonce(nonce: int, number: int) -> None:
    of = replace(GOOD, nonce=nonce)
    assert len(differences(queued(of, executed=True), STATE)) == number


def test_differences__proposed_by_nobody_known__warning() -> None:
    (found,) = differences(queued(GOOD, proposer=STRANGER), STATE)
    assert found.level is Level.WARNING


def test_check_confirmation__owners_signature__counts() -> None:
    found = check_confirmation(GOOD, replace(signed(GOOD, 0), at_ms=5), STATE, names={ALICE: "Alice"})
    assert (found.owner, found.name, found.counts, found.why, found.at_ms) == (ALICE, "Alice", True, "", 5)


@pytest.mark.parametrize(
    ("confirmation", "why"),
    [
        (replace(signed(GOOD, 0), owner=BOB), "not this owner's signature"),
        (replace(signed(GOOD, 0), owner=STRANGER), "no owner"),
        (signed(replace(GOOD, nonce=8), 0), "not this owner's signature"),
        (Confirmation(ALICE, b""), "at least 65 bytes"),
        (Confirmation(ALICE, bytes(64) + b"\x1b"), "no signature"),
        (Confirmation(ALICE, bytes(64) + b"\x02"), "v of 2"),
        (Confirmation(ALICE, approved_signature(ALICE)), "has not approved it on chain"),
        (Confirmation(ALICE, contract_signature(ALICE, b"x")), "is a contract"),
        (Confirmation(BOB, approved_signature(ALICE)), "not this owner's signature"),
    ],
)
def test_check_confirmation__no_owners_signature__does_not_count(confirmation: Confirmation, why: str) -> None:
    found = check_confirmation(GOOD, confirmation, STATE)
    assert not found.counts
    assert why in found.why


@pytest.mark.parametrize("signature", [approved_signature(CAROL), contract_signature(CAROL, b"x")])
def test_check_confirmation__confirmed_by_the_chain__counts(signature: bytes) -> None:
    confirmation = Confirmation(CAROL, signature)
    assert check_confirmation(GOOD, confirmation, STATE, frozenset({CAROL})).counts
    assert not check_confirmation(GOOD, confirmation, STATE, frozenset({ALICE})).counts


def test_check_confirmation__key_that_did_not_sign__the_chains_word_for_another_is_no_help() -> None:
    assert not check_confirmation(GOOD, replace(signed(GOOD, 0), owner=BOB), STATE, frozenset({BOB})).counts


def test_check_confirmation__another_safe__does_not_count() -> None:
    assert not check_confirmation(GOOD, signed(GOOD, 0), replace(STATE, chain_id=2)).counts
