"""What every audit store does: the database and the one in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.times import LAST_MS
from keeper.adapters.clock import SystemClock
from keeper.app.spooling import SpoolingStore
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition, StoreUnavailable
from keeper.domain.intent import IntentState
from keeper.domain.record import GENESIS, Draft, Json, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
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
    story,
    tick,
    tx_hash,
)
from tests.support.spooling_log import spooling

pytestmark = pytest.mark.conformance

TABLES = ("records", "intents", "attempts", "evidence", "archived", "checkpoints")


@pytest.fixture(scope="module")
def emptied(postgres_server: Callable[[], str]) -> Callable[[], str]:
    """A PostgreSQL log without a record: the schema is made once, its rows go."""
    url = postgres_server()
    upgrade(url)

    def again() -> str:
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_truncate")
            connection.execute(f"TRUNCATE {', '.join(TABLES)}")
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate")
        return url

    return again


@pytest.fixture(params=["memory", "sqlite", "postgresql", "spooling"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuditStore]:
    made: AuditStore
    if request.param == "memory":
        made = MemoryAuditStore()
    elif request.param == "sqlite":
        made = await SqlAuditStore.open(sqlite_url(tmp_path / "a log.db"), create=True)
    elif request.param == "spooling":
        inner = await SqlAuditStore.open(sqlite_url(tmp_path / "a log.db"), create=True)
        made = await spooling(inner, tmp_path / "spool", clock=SystemClock())
    else:
        made = await SqlAuditStore.open(request.getfixturevalue("emptied")())
    yield made
    await made.close()


async def test_head__empty_log__is_genesis(store: AuditStore) -> None:
    assert await store.head() == (0, GENESIS)
    assert await store.page(RecordQuery()) == []
    assert await store.open_intents() == []


async def test_append__nothing__stores_nothing(store: AuditStore) -> None:
    assert list(await store.append([])) == []
    assert await store.head() == (0, GENESIS)


async def test_append__several_times__numbers_and_chains_without_holes(store: AuditStore) -> None:
    first = await store.append(story()[:5])
    second = await store.append(story()[5:])

    records = [*first, *second]
    assert [record.seq for record in records] == list(range(1, 15))
    assert [record.prev_hash for record in records] == [GENESIS, *(record.hash for record in records[:-1])]
    assert await store.head() == (14, records[-1].hash)


async def test_append__any_record__has_the_documented_hash(store: AuditStore) -> None:
    for record in await store.append(story()):
        assert record.hash == record_hash(
            seq=record.seq,
            at=record.at,
            kind=record.kind.value,
            market=record.market,
            action=record.action,
            incident=record.incident,
            intent=record.intent,
            body=canonical(record.body),
            prev_hash=record.prev_hash,
        )


async def test_append__same_drafts__same_hash_in_every_store(store: AuditStore) -> None:
    other = MemoryAuditStore()

    assert list(await store.append(story())) == list(await other.append(story()))


async def test_page__everything__is_what_append_gave(store: AuditStore) -> None:
    records = list(await store.append(story()))

    assert list(await store.page(RecordQuery())) == records


async def test_append__body_changed_by_the_caller_later__log_stays(store: AuditStore) -> None:
    given = tick()
    await store.append([given])
    given.body["block"] = 8  # type: ignore[index]

    (record,) = await store.page(RecordQuery())
    assert record.body["block"] == 7


async def test_append__time_going_back__is_recorded_as_it_is(store: AuditStore) -> None:
    records = await store.append([tick(T0), tick(T0 - 5_000)])

    assert [record.at for record in records] == ["2025-11-21T04:40:00.000Z", "2025-11-21T04:39:55.000Z"]


@pytest.mark.parametrize(
    "bad",
    [
        tick(price=0.5),  # type: ignore[arg-type]
        tick(wei=2**60),
        tick(-1),
        tick(LAST_MS + 1),
        tick(market="a\0b"),
        tick(market="\ud800"),
        attempt(max_fee_wei="1.5"),
        outcome(kind="submitted"),
    ],
)
async def test_append__one_draft_that_cannot_be_written__stores_none(store: AuditStore, bad: Draft) -> None:
    with pytest.raises(DraftRefused):
        await store.append([tick(), bad])

    assert await store.head() == (0, GENESIS)


async def test_page__filters__give_exactly_the_records_that_fit(store: AuditStore) -> None:
    drafts = [
        tick(T0, market="A"),
        tick(T0 + 1, market="B"),
        replace(opening("i-1", "A"), at_ms=T0 + 2),
        replace(opening("i-2", "B"), at_ms=T0 + 3, incident="inc-2"),
        tick(T0 + 4, market=None),
    ]
    await store.append(drafts)

    async def found(query: RecordQuery) -> list[int]:
        return [record.seq for record in await store.page(query)]

    assert await found(RecordQuery(market="A")) == [1, 3]
    assert await found(RecordQuery(action="pause-market")) == [3, 4]
    assert await found(RecordQuery(incident="inc-2")) == [4]
    assert await found(RecordQuery(kinds=(RecordKind.TICK,))) == [1, 2, 5]
    assert await found(RecordQuery(kinds=(RecordKind.TICK, RecordKind.INTENT), market="B")) == [2, 4]
    assert await found(RecordQuery(market="' OR 1=1 --")) == []
    assert await found(RecordQuery(since_ms=T0 + 1, until_ms=T0 + 3)) == [2, 3]
    assert await found(RecordQuery(since_ms=T0 + 4)) == [5]
    assert await found(RecordQuery(until_ms=T0)) == []
    assert await found(RecordQuery(until_ms=2**62)) == [1, 2, 3, 4, 5]
    assert await found(RecordQuery(since_ms=-1)) == [1, 2, 3, 4, 5]
    assert await found(RecordQuery(since_ms=2**62)) == []


@pytest.mark.parametrize("newest_first", [False, True])
async def test_page__walked_with_the_cursor__meets_every_record_once(store: AuditStore, newest_first: bool) -> None:
    await store.append([tick(T0 + index) for index in range(10)])
    seen: list[int] = []
    while page := await store.page(
        RecordQuery(after=seen[-1] if seen else 0, limit=3, newest_first=newest_first, market="ETH-PERP")
    ):
        seen += [record.seq for record in page]

    assert seen == (list(range(10, 0, -1)) if newest_first else list(range(1, 11)))


@pytest.mark.parametrize(("limit", "count"), [(-1, 0), (0, 0), (1, 1), (2, 2), (3, 2)])
async def test_page__limit__gives_no_more(store: AuditStore, limit: int, count: int) -> None:
    await store.append([tick(), tick()])

    assert len(await store.page(RecordQuery(limit=limit))) == count


async def test_open_intents__life_of_an_intent__follows_the_table(store: AuditStore) -> None:
    async def state() -> IntentState | None:
        found = await store.open_intents()
        return found[0].state if found else None

    steps: list[tuple[Draft, IntentState | None]] = [
        (opening(), IntentState.OPEN),
        (attempt(1), IntentState.SIGNED),
        (broadcast(1, accepted=False), IntentState.SIGNED),
        (broadcast(1), IntentState.SUBMITTED),
        (broadcast(1), IntentState.SUBMITTED),
        (attempt(2), IntentState.SIGNED),
        (broadcast(2), IntentState.SUBMITTED),
        (receipt(2), IntentState.MINED),
        (receipt_gone(2), IntentState.SUBMITTED),
        (receipt(1), IntentState.MINED),
        (draft(RecordKind.EFFECT, {}), IntentState.MINED),
        (outcome(), None),
    ]
    for given, expected in steps:
        await store.append([given])
        assert await state() is expected, given.kind


async def test_open_intents__with_attempts__gives_every_value_back(store: AuditStore) -> None:
    await store.append([opening(), attempt(2), attempt(1)])

    (intent,) = await store.open_intents()

    assert (intent.id, intent.market, intent.action, intent.incident) == ("i-1", "ETH-PERP", "pause-market", "inc-1")
    assert (intent.created_ms, intent.expires_ms, intent.effect_before) == (T0, T0 + 90_000, "false")
    assert [each.number for each in intent.attempts] == [1, 2]
    assert [each.max_fee_wei for each in intent.attempts] == [FEE_WEI + 1, FEE_WEI + 2]
    assert [each.tx_hash for each in intent.attempts] == [tx_hash(1), tx_hash(2)]
    assert intent.attempts[0].signed_ms == T0 + 10


async def test_open_intents__several__in_the_order_they_were_opened(store: AuditStore) -> None:
    await store.append([opening("z", "A"), opening("a", "B"), attempt(1, "z"), outcome("a"), opening("b", "B")])

    assert [(intent.id, len(intent.attempts)) for intent in await store.open_intents()] == [("z", 1), ("b", 0)]


async def test_append__second_intent_for_the_same_action_and_market__refused_and_nothing_stored(
    store: AuditStore,
) -> None:
    before = await store.append([opening()])
    with pytest.raises(IntentAlreadyOpen) as caught:
        await store.append([tick(), opening("i-2"), tick()])

    assert "pause-market on ETH-PERP" in caught.value.message
    assert caught.value.remedy
    assert await store.head() == (1, before[-1].hash)
    assert [intent.id for intent in await store.open_intents()] == ["i-1"]


@pytest.mark.parametrize("other", [opening("i-2", market="BTC-PERP"), opening("i-2", action="tighten")])
async def test_append__intent_for_another_market_or_action__is_opened(store: AuditStore, other: Draft) -> None:
    await store.append([opening(), other])

    assert len(await store.open_intents()) == 2


async def test_append__intent_after_the_first_is_done__is_opened(store: AuditStore) -> None:
    await store.append([opening(), outcome(), opening("i-2")])

    assert [intent.id for intent in await store.open_intents()] == ["i-2"]


async def test_append__closed_and_opened_again_in_one_commit_but_reversed__refused(store: AuditStore) -> None:
    await store.append([opening()])
    with pytest.raises(IntentAlreadyOpen):
        await store.append([opening("i-2"), outcome("i-1")])


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([attempt()], id="attempt of no intent"),
        pytest.param([outcome()], id="outcome of no intent"),
        pytest.param([opening(), broadcast()], id="sent before it is signed"),
        pytest.param([opening(), attempt(), broadcast(2)], id="sent a transaction that was never signed"),
        pytest.param([opening(), attempt(), broadcast(2, accepted=False)], id="refused a transaction never signed"),
        pytest.param([opening(), attempt(), receipt(2)], id="receipt of another transaction"),
        pytest.param([opening(), receipt_gone()], id="lost a receipt it never had"),
        pytest.param([opening(), outcome(), outcome()], id="closed twice"),
        pytest.param([opening(), attempt(), outcome(), attempt(2)], id="signed after the end"),
        pytest.param([opening(), outcome(), opening()], id="same id again"),
        pytest.param([opening(), attempt(1), attempt(1, tx_hash="0x01", max_fee_wei="1")], id="same number again"),
        pytest.param([opening(), attempt(1), attempt(2, tx_hash=tx_hash(1))], id="same hash again"),
        pytest.param([opening(), attempt(1), attempt(2, max_fee_wei=str(FEE_WEI + 1))], id="same nonce and fees again"),
        pytest.param(
            [opening(), attempt(1), opening("i-2", "B"), replace(broadcast(1), intent="i-2")],
            id="another's transaction",
        ),
    ],
)
async def test_append__step_the_journal_does_not_allow__refused_and_nothing_stored(
    store: AuditStore, steps: list[Draft]
) -> None:
    with pytest.raises(InvalidTransition):
        await store.append(steps)

    assert await store.head() == (0, GENESIS)
    assert await store.open_intents() == []
    await store.append([tick()])
    assert (await store.head())[0] == 1


async def test_append__outcome_without_an_intent__is_only_a_record(store: AuditStore) -> None:
    await store.append([outcome(None, kind="dry-run")])

    assert (await store.head())[0] == 1


async def test_append__many_at_once__one_chain(store: AuditStore) -> None:
    batches = await asyncio.gather(*(store.append([tick(T0 + index), tick(T0 + index)]) for index in range(25)))

    records = sorted((record for batch in batches for record in batch), key=lambda record: record.seq)
    assert [record.seq for record in records] == list(range(1, 51))
    assert all(later.prev_hash == earlier.hash for earlier, later in pairwise(records))
    assert all(batch[1].seq == batch[0].seq + 1 for batch in batches)


async def test_close__twice__second_does_nothing_and_later_calls_say_why(store: AuditStore) -> None:
    await store.append([tick()])
    await store.close()
    await store.close()

    calls: list[Callable[[], object]] = [
        lambda: store.append([tick()]),
        lambda: store.page(RecordQuery()),
        store.head,
        store.open_intents,
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="closed"):
            await call()  # type: ignore[misc]


def _seen(**more: Json) -> Draft:
    """A tick with what it was made from."""
    content: dict[str, Json] = {"observations": [{"source": "a", "value": "1"}, {"source": "b", "value": "2"}], **more}
    evidence = pack(content)
    return Draft(RecordKind.TICK, {"block": 7, "evidence": evidence.hash}, T0, evidence=evidence)


async def test_page__full__puts_the_evidence_back_and_the_body_wins(store: AuditStore) -> None:
    given = _seen(block="not this one")
    await store.append([given, tick(), _seen()])

    plain = await store.page(RecordQuery())
    assert [sorted(record.body) for record in plain] == [
        ["block", "evidence"],
        ["block", "signals"],
        ["block", "evidence"],
    ]
    full = await store.page(RecordQuery(full=True))
    assert [record.body["block"] for record in full] == [7, 7, 7]
    observations = [{"source": "a", "value": "1"}, {"source": "b", "value": "2"}]
    assert [record.body.get("observations") for record in full] == [observations, None, observations]
    assert [record.hash for record in full] == [record.hash for record in plain]


async def test_append__the_same_evidence_again__is_kept_once_and_found_by_both(store: AuditStore) -> None:
    await store.append([_seen(), _seen()])
    await store.append([_seen()])

    full = await store.page(RecordQuery(full=True))
    assert [len(record.body["observations"]) for record in full] == [2, 2, 2]  # type: ignore[arg-type]
    assert await _kept(store) == [(_seen().body["evidence"], 1)]


async def test_append__evidence_of_an_append_that_is_refused__is_not_kept(store: AuditStore) -> None:
    with pytest.raises(InvalidTransition):
        await store.append([_seen(), outcome("i-none")])

    assert await _kept(store) == []


async def test_page__full_without_the_evidence__is_the_record_as_it_is(store: AuditStore) -> None:
    given = replace(_seen(), evidence=None)
    (record,) = await store.append([given])

    assert list(await store.page(RecordQuery(full=True))) == [record]


@pytest.mark.parametrize("packed", [b"damaged", pack({"other": "content"}).packed])
async def test_page__full_with_damaged_evidence__says_so_and_plain_reading_goes_on(
    store: AuditStore, packed: bytes
) -> None:
    given = _seen()
    assert given.evidence is not None
    await store.append([replace(given, evidence=replace(given.evidence, packed=packed)), tick()])

    with pytest.raises(StoreUnavailable, match=given.evidence.hash) as caught:
        await store.page(RecordQuery(full=True))
    assert "verify" in caught.value.remedy
    assert len(await store.page(RecordQuery())) == 2


async def test_page__full_with_more_evidence_than_one_statement_binds__gives_all(store: AuditStore) -> None:
    count = 1_001
    await store.append([_seen(number=number) for number in range(count)])

    full = await store.page(RecordQuery(full=True, limit=count))
    assert [record.body["number"] for record in full] == list(range(count))


async def _kept(store: AuditStore) -> list[tuple[object, int]]:
    """(hash, number of the record that it came with or 1) of all evidence."""
    if isinstance(store, SpoolingStore):
        return await _kept(store._store)
    if isinstance(store, MemoryAuditStore):
        return [(digest, 1) for digest in store._evidence]
    assert isinstance(store, SqlAuditStore)
    return [tuple(row) for row in store._rows("SELECT hash, seq FROM evidence", ())]
