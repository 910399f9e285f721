"""Several writers on one log at once, in whatever order: one chain without a hole that verifies."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.reading import all_records
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition
from keeper.domain.record import GENESIS, Draft, RecordKind
from tests.support.audit_log import T0, attempt, broadcast, opening, outcome, receipt, tick, tx_hash

pytestmark = pytest.mark.integration

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT | st.sampled_from(["#columns", "#as-is", "a"]), inner, max_size=3)
    ),
    max_leaves=15,
)
CONTENTS = st.dictionaries(TEXT | st.just("#columns"), JSON, max_size=4)

IDS = st.sampled_from(["i-1", "i-2"])
COUNTS = st.integers(1, 2)


def seen(content: dict[str, Any]) -> Draft:
    """A tick with evidence; one that cannot be written down becomes a plain one."""
    try:
        evidence = pack(content)
    except DraftRefused:
        return tick()
    return Draft(RecordKind.TICK, {"evidence": evidence.hash}, T0, evidence=evidence)


def an_attempt(number: int, intent: str, nonce: int) -> Draft:
    return attempt(number, intent, nonce=nonce, tx_hash=tx_hash(number, intent))


EVENTS = st.one_of(
    st.builds(tick, st.integers(0, 2 * T0)),
    st.builds(seen, CONTENTS),
    st.builds(opening, IDS, st.sampled_from(["A", "B"])),
    st.builds(an_attempt, COUNTS, IDS, COUNTS),
    st.builds(broadcast, COUNTS, IDS),
    st.builds(receipt, COUNTS, IDS),
    st.builds(outcome, IDS),
)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=3), max_size=5)


async def _write(url: str, writers: list[list[list[Draft]]]) -> list[list[int]]:
    """Each writer over a store of its own, all at once; the numbers of the records of each append that was not refused."""
    stores = [await SqlAuditStore.open(url, busy_timeout_ms=60_000) for _ in writers]

    async def one(store: SqlAuditStore, batches: list[list[Draft]]) -> list[list[int]]:
        stored = []
        for batch in batches:
            try:
                stored.append([record.seq for record in await store.append(batch)])
            except (IntentAlreadyOpen, InvalidTransition):
                continue
        return stored

    try:
        found = await asyncio.gather(*(one(store, batches) for store, batches in zip(stores, writers, strict=True)))
    finally:
        for store in stores:
            await store.close()
    return [numbers for stored in found for numbers in stored]


def _check(url: str, before: int, stored: list[list[int]]) -> None:
    numbers = sorted(number for one in stored for number in one)
    assert numbers == list(range(before + 1, before + 1 + len(numbers))), "a hole, or a number given twice"
    assert all(one == list(range(one[0], one[0] + len(one))) for one in stored), "an append is not in one piece"
    records = all_records(url)
    assert [record.prev_hash for record in records] == [GENESIS, *(record.hash for record in records)][: len(records)]
    verdict = verify(url)
    assert verdict.ok, verdict
    assert verdict.records == before + len(numbers)


@given(st.lists(BATCHES, min_size=2, max_size=3))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_append__several_writers_on_sqlite__one_chain(writers: list[list[list[Draft]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder) / "k.db")
        upgrade(url)
        _check(url, 0, asyncio.run(_write(url, writers)))


@pytest.fixture(scope="module")
def shared(postgres_server: Callable[[], str]) -> str:
    """One log for all examples: what an earlier one left open is part of the sequence."""
    url = postgres_server()
    upgrade(url)
    return url


@given(writers=st.lists(BATCHES, min_size=2, max_size=3))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_append__several_writers_on_postgresql__one_chain(shared: str, writers: list[list[list[Draft]]]) -> None:
    records = all_records(shared)
    _check(shared, len(records), asyncio.run(_write(shared, writers)))
