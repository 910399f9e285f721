"""What the Transaction Service says, read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.safe import answers
from keeper.domain.errors import MalformedAnswer
from keeper.domain.proposal import Confirmation, Delegate, Queued, ServedSafe
from keeper.domain.safe import ZERO_ADDRESS, Operation
from keeper.domain.safe_signatures import approved_signature, contract_signature
from tests.support.safe_proposals import (
    CHAIN_ID,
    KEEPER,
    OWNERS,
    PAUSE,
    SAFE,
    confirmation,
    message_signature,
    proposal,
    signature,
    told,
)

pytestmark = pytest.mark.unit

BIG = (1 << 256) - 1


def read(**changed: Any) -> Queued:
    return answers.proposal(told(**changed), CHAIN_ID)


def test_proposal__as_the_service_tells_it__is_read_in_every_field() -> None:
    signed = Confirmation(OWNERS[0], signature(0, PAUSE.hash), 1_763_740_860_000)
    assert read() == Queued(
        transaction=PAUSE,
        claimed_hash=PAUSE.hash_text,
        confirmations=(signed,),
        proposer=OWNERS[0],
        delegate=KEEPER,
        origin='{"name": "keeper"}',
        submitted_ms=1_763_740_800_123,
    )


def test_proposal__all_its_numbers__are_read_as_text_and_as_numbers() -> None:
    full = proposal(
        value=BIG, safe_tx_gas=1, base_gas=2, gas_price=3, gas_token=KEEPER, refund_receiver=SAFE, nonce=4,
        operation=Operation.DELEGATECALL,
    )  # fmt: skip
    plain = {"value": BIG, "safeTxGas": 1, "baseGas": 2, "gasPrice": 3, "nonce": 4, "operation": "1"}
    for document in (told(full), told(full) | plain):
        assert answers.proposal(document, CHAIN_ID).transaction == full


def test_proposal__executed__has_its_transaction() -> None:
    tx_hash = "0x" + 64 * "e"
    assert (read(isExecuted=True, transactionHash=tx_hash).executed_tx, read().executed_tx) == (tx_hash, None)


def test_proposal__what_may_be_missing__is_none() -> None:
    names = ("data", "gasToken", "refundReceiver", "proposer", "proposedByDelegate", "submissionDate", "origin", "confirmations")  # fmt: skip
    for document in (told() | dict.fromkeys(names), {k: v for k, v in told().items() if k not in names}):
        found = answers.proposal(document, CHAIN_ID)
        assert found.transaction.data == b""
        assert (found.transaction.gas_token, found.transaction.refund_receiver) == (ZERO_ADDRESS, ZERO_ADDRESS)
        assert (found.proposer, found.delegate, found.submitted_ms) == (None, None, None)
        assert (found.origin, found.confirmations) == ("", ())


@pytest.mark.parametrize(
    ("origin", "expected"), [("{}", ""), ({}, ""), ("", ""), ("Safe-CLI", "Safe-CLI"), ({"name": "x"}, '{"name": "x"}')]
)
def test_proposal__origin__is_text(origin: object, expected: str) -> None:
    assert read(origin=origin).origin == expected


@pytest.mark.parametrize(
    "made",
    [
        signature(1, PAUSE.hash),
        message_signature(1, PAUSE.hash),
        approved_signature(OWNERS[1]),
        contract_signature(OWNERS[1], b"any bytes"),
    ],
    ids=["eoa", "eth-sign", "approved", "contract"],
)
def test_confirmation__every_kind_that_a_safe_takes__is_read(made: bytes) -> None:
    found = read(confirmations=[confirmation(1) | {"signature": "0x" + made.hex()}])
    assert [(one.owner, one.signature) for one in found.confirmations] == [(OWNERS[1], made)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("safe", None), ("safe", SAFE.lower()), ("safe", "eth:" + SAFE), ("safe", SAFE[:-1]), ("to", None), ("to", ["x"]),
        ("to", OWNERS[0].upper()), ("value", "-1"), ("value", "0x1"), ("value", 1.0), ("value", True), ("value", None), ("value", ""),
        ("value", str(1 << 256)), ("value", 1 << 256), ("value", "1" * 79), ("value", "١"), ("value", " 1"), ("nonce", "1e3"), ("nonce", -1),
        ("data", "84"), ("data", "0x8"), ("data", "0xzz"), ("data", 5), ("data", "0x 8"), ("operation", 2), ("operation", None),
        ("operation", False), ("safeTxGas", {}), ("baseGas", None), ("gasPrice", []), ("gasToken", "0x0"), ("refundReceiver", 0),
        ("safeTxHash", None), ("safeTxHash", "0x12"), ("safeTxHash", PAUSE.hash_text + "\n"), ("safeTxHash", PAUSE.hash_text[2:]),
        ("proposer", "me"), ("proposedByDelegate", 1), ("isExecuted", None), ("isExecuted", "false"), ("isExecuted", 0),
        ("submissionDate", "yesterday"), ("submissionDate", 1.5), ("submissionDate", "2025-11-21T16:00:00"),
        ("submissionDate", "1969-12-31T23:59:59Z"), ("submissionDate", "9999-99-99T00:00:00Z"), ("origin", 5), ("origin", ["x"]),
        ("origin", "x" * 2_001), ("confirmations", {}), ("confirmations", [None]), ("confirmations", "x"),
        ("confirmations", [confirmation(0)] * 129),
    ],
)  # fmt: skip
def test_proposal__one_odd_field__is_malformed_and_names_it(field: str, value: object) -> None:
    with pytest.raises(MalformedAnswer, match=rf"`?{field}"):
        read(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owner", None), ("owner", OWNERS[0].lower()), ("signature", None), ("signature", "0x"), ("signature", "0x" + "11" * 64),
        ("signature", "0x" + "11" * 64 + "1d"), ("signature", "0x" + "11" * 64 + "1b00"), ("signature", "0x" + "11" * 64 + "00"),
        ("submissionDate", "soon"),
    ],
)  # fmt: skip
def test_confirmation__one_odd_field__is_malformed_and_names_it(field: str, value: object) -> None:
    with pytest.raises(MalformedAnswer, match=rf"in confirmations\[1\]: `{field}`"):
        read(confirmations=[confirmation(0), confirmation(1) | {field: value}])


def test_proposal__executed_with_no_good_hash__is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="`transactionHash`"):
        read(isExecuted=True, transactionHash="0x1")


@pytest.mark.parametrize("found", [None, [], "x", 5])
def test_proposal__no_object__is_malformed(found: object) -> None:
    with pytest.raises(MalformedAnswer, match="no proposal"):
        answers.proposal(found, CHAIN_ID)


def test_malformed__hostile_text__is_short_and_printable() -> None:
    with pytest.raises(MalformedAnswer) as error:
        read(to="\x1b[31m" + "x" * 10_000)
    assert error.value.message.isprintable()
    assert len(error.value.message) < 120


def test_delegate__is_read_with_and_without_a_safe() -> None:
    body = {"safe": SAFE, "delegate": KEEPER, "delegator": OWNERS[0], "label": "keeper", "expiryDate": None}
    assert answers.delegate(body) == Delegate(KEEPER, OWNERS[0], "keeper", SAFE)
    assert answers.delegate(body | {"safe": None}) == Delegate(KEEPER, OWNERS[0], "keeper", None)
    for name in ("delegate", "delegator", "label", "safe"):
        with pytest.raises(MalformedAnswer, match=f"`{name}`"):
            answers.delegate(body | {name: 5})


def test_entries__of_a_page__and_whether_more_follow() -> None:
    assert answers.entries({"results": [1, 2], "next": "http://any/?offset=2"}) == ([1, 2], True)
    assert answers.entries({"results": [], "next": None}) == ([], False)
    assert answers.entries({"results": []}) == ([], False)


@pytest.mark.parametrize(
    "page", [None, [], {}, {"results": {}}, {"results": [], "next": 5}, {"results": [], "next": "more"}]
)
def test_entries__of_what_is_no_page__are_malformed(page: object) -> None:
    with pytest.raises(MalformedAnswer):
        answers.entries(page)


def test_place__is_the_hash_where_there_is_one() -> None:
    assert answers.place_of(told(), 3) == PAUSE.hash_text
    for odd in (told(safeTxHash="\x1b[0m"), None, {}):
        assert answers.place_of(odd, 3) == "entry 3 of the answer"


@pytest.mark.parametrize("content", [b"", b"<html>", b"{", b"[" * 100_000, b"\xff", b"1" * 5_000])
def test_decoded__no_json__is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="did not send JSON"):
        answers.decoded(content)


def test_served__chain_and_safe__are_read_strictly() -> None:
    assert answers.served_chain({"chainId": 1, "chain": "MAINNET"}) == 1
    body = {"owners": [OWNERS[0], OWNERS[1]], "threshold": 2, "nonce": "7"}
    assert answers.served_safe(body) == ServedSafe(tuple(OWNERS[:2]), 2, 7)
    odds: list[dict[str, object]] = [
        {"owners": None},
        {"owners": ["0x12"]},
        {"owners": [7]},
        {"threshold": None},
        {"nonce": -1},
    ]
    for odd in odds:
        with pytest.raises(MalformedAnswer, match=next(iter(odd))):
            answers.served_safe(body | odd)
    nothing: list[object] = [{}, {"chainId": None}, {"chainId": "one"}, []]
    for found in nothing:
        with pytest.raises(MalformedAnswer):
            answers.served_chain(found)
