"""What the Transaction Service sends is read exactly, or refused by name; nothing else happens, whatever it sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.safe import answers
from keeper.adapters.safe.refusals import refusal
from keeper.domain.address import checksum_address
from keeper.domain.errors import MalformedAnswer, Refused
from keeper.domain.safe import Operation, SafeTransaction
from tests.support.safe_proposals import CHAIN_ID, told

pytestmark = pytest.mark.property

addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
numbers = st.one_of(st.integers(0, 10), st.integers(0, (1 << 256) - 1))
transactions = st.builds(
    SafeTransaction,
    st.just(CHAIN_ID), addresses, numbers, addresses, st.binary(max_size=200), numbers, st.sampled_from(Operation),
    numbers, numbers, numbers, addresses, addresses,
)  # fmt: skip
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=80), addresses),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=20), inner, max_size=3)),
    max_leaves=8,
)

T = TypeVar("T")


def read_or_told(read: Callable[[], T]) -> T | None:
    """None when it was malformed, and could be shown as that."""
    try:
        return read()
    except MalformedAnswer as error:
        why = error.message
    assert why.isprintable()
    return None


@given(transactions)
def test_proposal__any_transaction_that_is_told__is_read_back_as_it_is(transaction: SafeTransaction) -> None:
    document = json.loads(json.dumps(told(transaction, confirmations=[])))
    found = answers.proposal(document, CHAIN_ID)
    assert (found.transaction, found.claimed_hash) == (transaction, transaction.hash_text)


@given(transactions, st.sampled_from(sorted(told())), json_values)
def test_proposal__any_value_in_any_field__is_read_or_malformed_and_no_other_field_changes(
    transaction: SafeTransaction, field: str, value: Any
) -> None:
    document = told(transaction, confirmations=[])
    found = read_or_told(lambda: answers.proposal(document | {field: value}, CHAIN_ID))
    if found is None:
        return
    again = told(found.transaction)
    changed = {name for name in again if name != "confirmations" and again[name] != document[name]}
    assert changed <= {field, "safeTxHash"}


@given(json_values)
def test_anything__is_no_proposal_no_delegate_and_no_page_or_is_malformed(value: Any) -> None:
    for parse in (lambda found: answers.proposal(found, CHAIN_ID), answers.delegate, answers.entries):
        read_or_told(partial(parse, value))


@given(st.binary(max_size=300), st.integers(300, 599), st.one_of(st.none(), st.text(max_size=30)))
def test_refusal__any_answer__is_an_error_that_can_be_shown(content: bytes, status: int, header: str | None) -> None:
    error = refusal(status, content, header, 0, ("key-of-somebody",))
    assert error.message.isprintable()
    assert len(error.message) < 300
    assert isinstance(error, Refused) == (status != 429 and status < 500)
