"""Attempts that were signed while the database was away, and that the journal could not take afterwards, are the log's own all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.onchain.telling import _Gathering
from keeper.domain.record import GENESIS, Json, Record, RecordKind
from tests.support.on_chain_records import SENDER, attempt

pytestmark = pytest.mark.unit


def gap(body: dict[str, Json]) -> Record:
    return Record(9, "2026-03-10T12:00:00.000Z", RecordKind.GAP, None, None, None, None, body, GENESIS, GENESIS)


def test_gap__with_an_attempt_that_was_not_applied__is_what_the_key_sent() -> None:
    found = _Gathering()
    body = dict(attempt().body)
    found.feed(gap({"event": "not-applied", "because": "x", "record": {"kind": "attempt", "body": body}}))
    assert found.story.aside == [body]
    assert found.story.senders == {SENDER.lower()}


@pytest.mark.parametrize(
    "body",
    [
        {"event": "written-late", "record": {"kind": "attempt", "body": {"sender": SENDER}}},
        {"event": "not-applied", "record": {"kind": "intent", "body": {"sender": SENDER}}},
        {"event": "not-applied", "record": "attempt"},
        {"event": "not-applied"},
        {},
    ],
)
def test_gap__of_anything_else__tells_of_no_attempt(body: dict[str, Json]) -> None:
    found = _Gathering()
    found.feed(gap(body))
    assert found.story.aside == []


def test_gap__whose_attempt_names_no_address__adds_no_key() -> None:
    found = _Gathering()
    body = dict(replace(attempt()).body) | {"sender": "0x" + "zz" * 20}
    found.feed(gap({"event": "not-applied", "record": {"kind": "attempt", "body": body}}))
    assert found.story.senders == set()
