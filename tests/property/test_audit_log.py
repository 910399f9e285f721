"""Whatever is appended in whatever order: the log verifies, gives back what went in, and both stores agree."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.canonical import LARGEST_INT, canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.times import LAST_MS, from_iso, to_iso
from keeper.adapters.audit.verify import verify, verify_newest
from keeper.domain.errors import AuditError, InvalidTransition
from keeper.domain.record import Draft, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from tests.support.audit_log import attempt, broadcast, opening, outcome, receipt, receipt_gone, tx_hash, write_log

pytestmark = pytest.mark.property

TEXT = st.text(max_size=12)
NUMBERS = st.integers(-LARGEST_INT, LARGEST_INT)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(TEXT, JSON, max_size=5)
COLUMN = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
TIMES = st.integers(0, LAST_MS)
PLAIN_KINDS = [
    kind for kind in RecordKind if kind.value not in ("intent", "attempt", "broadcast", "receipt", "outcome", "archive")
]
PLAIN = st.builds(
    Draft, st.sampled_from(PLAIN_KINDS), BODIES, TIMES, market=COLUMN, action=COLUMN, incident=COLUMN, intent=COLUMN
)

IDS = st.sampled_from(["i-1", "i-2", "i-3"])
MARKETS = st.sampled_from(["A", "B"])
COUNTS = st.integers(1, 3)


def an_attempt(number: int, intent: str, nonce: int) -> Draft:
    return attempt(number, intent, nonce=nonce, tx_hash=tx_hash(number, intent))


JOURNAL = st.one_of(
    st.builds(opening, IDS, MARKETS),
    st.builds(an_attempt, COUNTS, IDS, COUNTS),
    st.builds(broadcast, COUNTS, IDS, st.booleans()),
    st.builds(receipt, COUNTS, IDS),
    st.builds(receipt_gone, COUNTS, IDS),
    st.builds(outcome, IDS),
)


@given(BODIES)
def test_canonical__any_json_without_floats__is_what_the_reference_writes(body: dict[str, Any]) -> None:
    try:
        expected = rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(DraftRefused):
            canonical(body)
    else:
        assert canonical(body).encode() == expected


@given(BODIES, COLUMN, COLUMN, COLUMN, COLUMN, st.integers(1, LARGEST_INT))
def test_record_hash__any_columns__hashes_the_reference_form_of_one_object(
    body: dict[str, Any], market: str | None, action: str | None, incident: str | None, intent: str | None, seq: int
) -> None:
    try:
        text = canonical(body)
    except DraftRefused:
        return
    columns: dict[str, Any] = {
        "seq": seq,
        "at": "2026-11-21T04:40:00.000Z",
        "kind": "tick",
        "market": market,
        "action": action,
        "incident": incident,
        "intent": intent,
        "prev_hash": "0x" + "00" * 32,
    }
    expected = hashlib.sha256(rfc8785.dumps({**columns, "body": body})).hexdigest()

    assert record_hash(**columns, body=text) == "0x" + expected


@given(TIMES, TIMES)
def test_to_iso__any_two_times__order_of_texts_is_order_of_times(first: int, second: int) -> None:
    assert from_iso(to_iso(first)) == first
    assert (to_iso(first) < to_iso(second)) == (first < second)


async def _append(store: AuditStore, batch: list[Draft]) -> str:
    """What came of it, as a text that does not depend on the store."""
    try:
        records = await store.append(batch)
    except (AuditError, InvalidTransition) as error:
        return f"{type(error).__name__}: {error}"
    return " ".join(record.hash for record in records)


async def _same_life(path: Path, batches: list[list[Draft]], queries: list[RecordQuery]) -> None:
    url = sqlite_url(path)
    await write_log(path, [])
    database, memory = await SqlAuditStore.open(url), MemoryAuditStore()
    try:
        for batch in batches:
            assert await _append(database, batch) == await _append(memory, batch)
        assert await database.head() == await memory.head()
        assert list(await database.open_intents()) == list(await memory.open_intents())
        for query in queries:
            assert list(await database.page(query)) == list(await memory.page(query))
    finally:
        await database.close()
    verdict = verify(url)
    assert verdict.ok, verdict
    assert (verdict.records, verdict.head) == await memory.head()
    assert verify_newest(url, 3).ok


QUERY = st.builds(
    RecordQuery,
    market=st.none() | MARKETS,
    incident=st.none() | st.just("inc-1"),
    kinds=st.lists(st.sampled_from(RecordKind), max_size=2).map(tuple),
    since_ms=st.none() | TIMES,
    until_ms=st.none() | TIMES,
    after=st.integers(0, 10),
    limit=st.integers(0, 10),
    newest_first=st.booleans(),
)


@given(
    st.lists(st.lists(PLAIN | JOURNAL | JOURNAL, max_size=4), max_size=10),
    st.lists(QUERY, max_size=4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_stores__any_sequence_of_drafts__agree_and_verify(
    batches: list[list[Draft]], queries: list[RecordQuery]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_same_life(Path(folder) / "k.db", batches, [RecordQuery(), *queries]))


@given(st.lists(PLAIN, min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_append__any_drafts__page_gives_back_what_was_appended(drafts: list[Draft]) -> None:
    async def go() -> None:
        store = MemoryAuditStore()
        try:
            await store.append(drafts)
        except DraftRefused:
            return
        for given_, found in zip(drafts, await store.page(RecordQuery()), strict=True):
            assert found.body == given_.body
            assert from_iso(found.at) == given_.at_ms
            assert (found.kind, found.market, found.action) == (given_.kind, given_.market, given_.action)
            assert (found.incident, found.intent) == (given_.incident, given_.intent)

    asyncio.run(go())
