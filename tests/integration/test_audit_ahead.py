"""What an action waits for is one row of SQLite until the next commit, and nothing can come between it and its tables."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit import ahead
from keeper.adapters.audit.chaining import make_ready
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.models import SQLITE_TRIGGERS
from keeper.adapters.audit.pages import AHEAD
from keeper.adapters.audit.public_connection import PublicConnection
from keeper.adapters.audit.public_reader import PublicReader
from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.sqlite_database import SqliteDatabase
from keeper.adapters.audit.store import SETTLE_S, SqlAuditStore
from keeper.adapters.audit.verify import opened, verify
from keeper.app.bundle.exporting import NotWhole
from keeper.app.bundle.rows import LogRows
from keeper.domain.errors import AuditError, IntentAlreadyOpen, InvalidTransition, StoreUnavailable
from keeper.domain.intent import IntentState
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from tests.support.audit_log import attempt, broadcast, draft, opening, outcome, tick

pytestmark = pytest.mark.integration

WAIT_S = 20.0
TRIP = (draft(RecordKind.DECISION, {"kind": "act"}), opening(), attempt())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "k.db"


@pytest.fixture
async def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlAuditStore]:
    """One that leaves what it wrote ahead where it is, and has a record already."""
    monkeypatch.setattr("keeper.adapters.audit.store.SETTLE_S", 3_600)
    made = await SqlAuditStore.open(sqlite_url(path), create=True)
    await made.append([tick()])
    yield made
    await made.close()


def waiting(path: Path) -> list[int]:
    """The first number of what is ahead."""
    return [row[0] for row in asked(path, AHEAD)]


async def read_by_others(path: Path, query: RecordQuery) -> list[list[Record]]:
    """The page as the command line, the interface, its search and its stories have it."""
    reader = PublicReader(sqlite_url(path))
    sheet = await reader.sheet(query)
    assert sheet.damaged == []
    found = [await reader.page(query), sheet.records, await reader.together(lambda asked: asked.page(query))]
    await reader.close()
    return [list(one) for one in (page_sync(sqlite_url(path), query), *found)]


def seqs(path: Path, table: str = "records") -> list[int]:
    return [row[0] for row in asked(path, f"SELECT seq FROM {table} ORDER BY seq")]


def asked(path: Path, statement: str, values: Sequence[object] = ()) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(statement, tuple(values)).fetchall()
    finally:
        connection.close()


async def test_append__an_intent__is_one_row_and_its_records_are_those_of_the_tables(
    store: SqlAuditStore, path: Path
) -> None:
    records = await store.append(TRIP)
    assert (waiting(path), seqs(path), seqs(path, "intents")) == ([2], [1], [])
    await store.append([broadcast()])
    assert (waiting(path), seqs(path), seqs(path, "intents"), seqs(path, "attempts")) == ([], [1, 2, 3, 4, 5], [3], [4])
    assert list((await store.page(RecordQuery()))[1:4]) == list(records)
    assert verify(sqlite_url(path)).warnings == ()


async def test_append__any_reading__sees_it_at_once(store: SqlAuditStore, path: Path) -> None:
    await store.append(TRIP)
    (intent,) = await store.open_intents()
    assert (intent.state, len(intent.attempts)) == (IntentState.SIGNED, 1)
    assert waiting(path) == [2]
    await store.append([outcome()])
    records = await store.append([opening("i-2"), attempt(1, "i-2", nonce=6)])
    assert waiting(path) == [6]
    assert await store.head() == (7, records[-1].hash)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (RecordQuery(), [1, 2, 3, 4]),
        (RecordQuery(newest_first=True), [4, 3, 2, 1]),
        (RecordQuery(limit=2), [1, 2]),
        (RecordQuery(limit=2, newest_first=True), [4, 3]),
        (RecordQuery(after=2), [3, 4]),
        (RecordQuery(after=3, newest_first=True), [2, 1]),
        (RecordQuery(kinds=(RecordKind.ATTEMPT, RecordKind.TICK)), [1, 4]),
        (RecordQuery(action="pause-market", full=True), [2, 3, 4]),
        (RecordQuery(market="BTC-PERP"), []),
    ],
)
async def test_page__while_a_row_is_ahead_and_after__is_the_same(
    store: SqlAuditStore, path: Path, query: RecordQuery, found: list[int]
) -> None:
    await store.append(TRIP)
    before = list(await store.page(query))
    assert ([one.seq for one in before], waiting(path)) == (found, [2])
    assert await read_by_others(path, query) == [before] * 4
    await store._run(store._writing, store._database.settle)
    assert list(await store.page(query)) == before
    assert await read_by_others(path, query) == [before] * 4
    assert waiting(path) == []


@pytest.mark.parametrize("newest_first", [False, True])
async def test_page_of_others__row_gets_into_the_tables_in_between__has_each_record_once(
    store: SqlAuditStore, path: Path, newest_first: bool
) -> None:
    await store.append(TRIP)
    query = RecordQuery(newest_first=newest_first)

    class Late(PublicConnection):
        def _ahead(self, query: RecordQuery) -> Sequence[Sequence[Any]]:
            found = super()._ahead(query)
            store._database.settle()
            return found

    connection = Late(sqlite_url(path), 5_000)
    found = connection.answer(lambda one: [row[0] for row in one.page(query)], 5_000)
    connection.drop()
    connection.worker.end()
    assert found == sorted([1, 2, 3, 4], reverse=newest_first)


async def test_read__another_process_holds_the_lock__waits_for_nobody(store: SqlAuditStore, path: Path) -> None:
    records = await store.append(TRIP)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    other = await SqlAuditStore.open(sqlite_url(path), busy_timeout_ms=100)
    for one in (store, other):
        assert await one.head() == (4, records[-1].hash)
        assert [intent.id for intent in await one.open_intents()] == ["i-1"]
    connection.execute("ROLLBACK")
    connection.close()
    await other.close()


async def test_append__nothing_follows__gets_into_the_tables_by_itself(path: Path) -> None:
    assert SETTLE_S < 1
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    await store.append([tick()])
    await store.append(TRIP)
    await in_tables(path, [1, 2, 3, 4])
    await store.close()


async def test_append__several_intents__are_one_row(store: SqlAuditStore, path: Path) -> None:
    items = [opening(), attempt(), opening("i-2", market="BTC-PERP"), attempt(1, "i-2", nonce=6)]
    await store.append(items)
    assert waiting(path) == [2]
    assert [intent.id for intent in await store.open_intents()] == ["i-1", "i-2"]
    assert verify(sqlite_url(path)).ok


@pytest.mark.parametrize(
    "drafts",
    [
        pytest.param([tick(), tick()], id="no intent"),
        pytest.param([opening(), attempt(), broadcast()], id="a step that the journal must allow"),
        pytest.param([replace(tick(), evidence=pack({"seen": "1"})), opening()], id="with evidence"),
    ],
)
async def test_append__nothing_that_an_action_waits_for__goes_into_the_tables(
    store: SqlAuditStore, path: Path, drafts: list[Draft]
) -> None:
    await store.append(drafts)
    assert (waiting(path), len(seqs(path))) == ([], 1 + len(drafts))


async def test_append__first_of_a_log__goes_into_the_tables(path: Path) -> None:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    await store.append(TRIP)
    assert seqs(path) == [1, 2, 3]
    await store.close()


async def test_append__second_intent_of_an_action__refused_while_the_first_is_ahead_and_after(
    store: SqlAuditStore, path: Path
) -> None:
    await store.append(TRIP)
    assert waiting(path) == [2]
    for _ in range(2):
        with pytest.raises(IntentAlreadyOpen):
            await store.append([opening("i-2"), attempt(1, "i-2", nonce=6)])
        await store.append([tick()])  # so that the head is known again
    assert [intent.id for intent in await store.open_intents()] == ["i-1"]
    assert verify(sqlite_url(path)).ok


@pytest.mark.parametrize("again", ["id", "transaction", "hash", "in itself"])
async def test_append__what_the_journal_has__refused_and_nothing_is_written(
    store: SqlAuditStore, path: Path, again: str
) -> None:
    await store.append(TRIP)
    await store.append([outcome()])
    before = seqs(path)
    drafts = [opening("i-2"), attempt(2, "i-2", nonce=6)]
    if again == "id":
        drafts = [opening(), attempt(2, nonce=6)]
    elif again == "transaction":
        drafts[1] = attempt(1, "i-2")
    elif again == "hash":
        drafts[1] = attempt(2, "i-2", nonce=6, tx_hash=attempt().body["tx_hash"])
    else:
        drafts += [opening("i-3", market="BTC-PERP"), attempt(2, "i-3", nonce=6)]
    await store.append([tick()])  # so that the head is known again
    with pytest.raises(InvalidTransition):
        await store.append(drafts)
    assert (seqs(path), waiting(path)) == ([*before, len(before) + 1], [])
    assert verify(sqlite_url(path)).ok


async def test_killed__row_left_behind__verifies_with_a_warning_and_the_next_start_puts_it_into_the_tables(
    store: SqlAuditStore, path: Path, tmp_path: Path
) -> None:
    records = await store.append(TRIP)
    left = tmp_path / "left" / "k.db"
    left.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    found = verify(sqlite_url(left))
    assert (found.ok, found.records, len(found.warnings)) == (True, 1, 1)
    assert "3 more records, from 2 on" in found.warnings[0]
    assert page_sync(sqlite_url(left), RecordQuery(after=1)) == records

    again = await SqlAuditStore.open(sqlite_url(left))
    assert [intent.id for intent in await again.open_intents()] == ["i-1"]
    assert await again.head() == (4, records[-1].hash)
    await again.append([tick()])
    await again.close()
    found = verify(sqlite_url(left))
    assert (found.ok, found.records, found.warnings) == (True, 5, ())


async def test_append__by_another_process__puts_it_into_the_tables_first(store: SqlAuditStore, path: Path) -> None:
    other = await SqlAuditStore.open(sqlite_url(path))
    await store.append(TRIP)
    (record,) = await other.append([tick()])
    assert (record.seq, waiting(path), seqs(path)) == (5, [], [1, 2, 3, 4, 5])
    assert [intent.id for intent in await store.open_intents()] == ["i-1"]
    (record,) = await store.append([outcome()])
    assert record.seq == 6
    await other.close()
    assert verify(sqlite_url(path)).ok


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "INSERT INTO records SELECT 2, at, kind, market, action, incident, intent, body, hash, '0x' FROM records",
            "follow",
        ),
        ("INSERT OR REPLACE INTO ahead VALUES (2, '0x', '[]', '[]', '[]', '[]')", "one row"),
        ("UPDATE ahead SET records = '[]'", "no UPDATE"),
        ("DELETE FROM ahead", "no DELETE"),
    ],
)
async def test_database__while_a_row_is_ahead__lets_nothing_but_its_records_in_and_does_not_let_it_go(
    store: SqlAuditStore, path: Path, statement: str, why: str
) -> None:
    await store.append(TRIP)
    with pytest.raises(sqlite3.IntegrityError, match=why):
        asked(path, statement)
    await store.append([outcome()])
    assert verify(sqlite_url(path)).ok


@pytest.mark.parametrize(("first", "prev"), [(3, "right"), (1, "right"), (2, "0x" + "00" * 32)])
async def test_database__a_row_that_does_not_follow_the_log__is_refused(
    store: SqlAuditStore, path: Path, first: int, prev: str
) -> None:
    head = (await store.head())[1] if prev == "right" else prev
    with pytest.raises(sqlite3.IntegrityError, match="follow"):
        asked(path, ahead.INSERT, (first, head, "[]", "[]", "[]", "[]"))


@pytest.mark.parametrize("new", ["CAST(hashes AS BLOB)", "replace(hashes, '1', '2')", "'['"])
async def test_export__a_changed_row__is_no_log_to_make_a_bundle_of(store: SqlAuditStore, path: Path, new: str) -> None:
    await store.append(TRIP)
    with opened(sqlite_url(path)) as log:
        assert LogRows(log).missing_from() == 2
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER ahead_no_update")
    connection.execute(f"UPDATE ahead SET hashes = {new}")
    connection.execute(SQLITE_TRIGGERS["ahead_no_update"])
    connection.close()
    with opened(sqlite_url(path)) as log, pytest.raises(NotWhole) as caught:
        LogRows(log).missing_from()
    assert "verify" in caught.value.remedy


@pytest.mark.parametrize("column", ["first", "prev_hash", "hashes", "intents", "attempts", "records"])
async def test_verify__a_changed_row__is_found_and_never_gets_into_the_tables(
    store: SqlAuditStore, path: Path, column: str
) -> None:
    await store.append(TRIP)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER ahead_no_update")
    new = "first + 1" if column == "first" else f"replace({column}, '1', '2')"
    connection.execute(f"UPDATE ahead SET {column} = {new}")
    connection.execute(SQLITE_TRIGGERS["ahead_no_update"])
    connection.close()

    found = verify(sqlite_url(path))
    assert (found.ok, found.table, found.records) == (False, "ahead", 1)
    if column in ("intents", "attempts"):  # what only its own trigger reads
        return
    with pytest.raises(StoreUnavailable):
        await store.append([tick()])
    with pytest.raises(StoreUnavailable, match="not as it was written") as caught:
        page_sync(sqlite_url(path), RecordQuery())
    assert "verify" in caught.value.remedy
    assert seqs(path) == [1]
    reader = PublicReader(sqlite_url(path))
    sheet = await reader.sheet(RecordQuery())
    assert ([one.seq for one in sheet.records], sheet.damaged) == ([1], [3 if column == "first" else 2])
    with pytest.raises(StoreUnavailable, match="is damaged"):
        await reader.page(RecordQuery())
    await reader.close()


async def test_append__the_answer_is_lost__is_found_ahead_and_written_once(
    store: SqlAuditStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was stored, and the connection broke before anybody heard of it."""
    stored = SqliteDatabase._is_stored

    def unheard(self: SqliteDatabase, *args: object) -> bool:
        stored(self, *args)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteDatabase, "_is_stored", unheard)
        with pytest.raises(StoreUnavailable):
            await store.append(TRIP)
    assert waiting(path) == [2]
    assert [intent.id for intent in await store.open_intents()] == ["i-1"]
    records: Sequence[Record] = await store.append(TRIP)
    assert [record.seq for record in records] == [2, 3, 4]
    assert seqs(path) == [1, 2, 3, 4]
    assert verify(sqlite_url(path)).ok


def forged(path: Path, statement: str, values: Sequence[object] = ()) -> None:
    """By somebody with all rights, who puts the triggers back."""
    connection = sqlite3.connect(path, isolation_level=None)
    names = [name for name in SQLITE_TRIGGERS if name.startswith("ahead_")]
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement, tuple(values))
    for name in names:
        connection.execute(SQLITE_TRIGGERS[name])
    connection.close()


@pytest.mark.parametrize("again", ["action", "id", "hash", "transaction"])
async def test_verify__a_row_that_can_never_get_into_the_tables__is_found(
    store: SqlAuditStore, path: Path, again: str
) -> None:
    await store.append(TRIP)
    if again != "action":
        await store.append([outcome()])
    drafts = {
        "action": [opening("i-2")],
        "id": [opening()],
        "hash": [opening("i-2"), attempt(2, "i-2", nonce=6, tx_hash=attempt().body["tx_hash"])],
        "transaction": [opening("i-2"), attempt(1, "i-2")],
    }[again]
    found = ahead.written_ahead(make_ready(drafts), *await store.head())
    assert found is not None
    forged(path, ahead.INSERT, found[1])
    assert (verify(sqlite_url(path)).ok, verify(sqlite_url(path)).table) == (False, "ahead")


@pytest.mark.parametrize("column", ["prev_hash", "hashes", "records"])
async def test_verify__a_value_of_another_type_that_reads_the_same__is_found(
    store: SqlAuditStore, path: Path, column: str
) -> None:
    await store.append(TRIP)
    forged(path, f"UPDATE ahead SET {column} = CAST({column} AS BLOB)")
    assert (verify(sqlite_url(path)).ok, verify(sqlite_url(path)).table) == (False, "ahead")


async def test_verify__a_body_that_is_not_canonical__is_found_and_never_gets_into_the_tables(
    store: SqlAuditStore, path: Path
) -> None:
    ready = make_ready([opening(), draft(RecordKind.DECISION, {"a": 1, "b": 2})])
    ready[1] = replace(ready[1], body='{"b":2,"a":1}')
    found = ahead.written_ahead(ready, *await store.head())
    assert found is not None
    forged(path, ahead.INSERT, found[1])
    assert (verify(sqlite_url(path)).ok, verify(sqlite_url(path)).table) == (False, "ahead")
    with pytest.raises(StoreUnavailable):
        await store.append([tick()])
    assert seqs(path) == [1]


async def test_read__what_another_process_wrote_ahead__is_seen(store: SqlAuditStore, path: Path) -> None:
    other = await SqlAuditStore.open(sqlite_url(path))
    records = await store.append(TRIP)
    assert await other.head() == (4, records[-1].hash)
    assert [intent.id for intent in await other.open_intents()] == ["i-1"]
    await other.close()


async def test_append__cancelled_while_it_is_written__gets_into_the_tables_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, begun, go_on = await SqlAuditStore.open(sqlite_url(path), create=True), threading.Event(), threading.Event()
    await store.append([tick()])
    stored = SqliteDatabase._is_stored

    def slow(self: SqliteDatabase, *args: Any) -> bool:
        begun.set()
        assert go_on.wait(WAIT_S)
        return stored(self, *args)

    monkeypatch.setattr(SqliteDatabase, "_is_stored", slow)
    waiting_for = asyncio.ensure_future(store.append(TRIP))
    await asyncio.to_thread(begun.wait, WAIT_S)
    waiting_for.cancel()
    await asyncio.gather(waiting_for, return_exceptions=True)
    go_on.set()
    await in_tables(path, [1, 2, 3, 4])
    await store.close()


async def test_append__another_process_holds_the_lock_at_that_moment__is_tried_again(path: Path) -> None:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    await store.append([tick()])
    await store.append(TRIP)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    await asyncio.sleep(3 * SETTLE_S)
    assert waiting(path) == [2]
    connection.execute("ROLLBACK")
    connection.close()
    await in_tables(path, [1, 2, 3, 4])
    await store.close()


async def in_tables(path: Path, wanted: list[int]) -> None:
    async with asyncio.timeout(WAIT_S):
        while seqs(path) != wanted:  # noqa: ASYNC110 - a thread makes it true
            await asyncio.sleep(SETTLE_S)


@pytest.mark.parametrize("seed", range(12))
async def test_append__anything_in_any_order__says_and_holds_what_the_store_in_memory_does(
    store: SqlAuditStore, path: Path, seed: int
) -> None:
    """Written ahead or not, read in between or not, opened anew or not: nobody can tell."""
    chance, memory = random.Random(seed), MemoryAuditStore()
    await memory.append([tick()])
    for _ in range(60):
        drafts = some_drafts(chance)
        found = [await said(one, drafts) for one in (memory, store)]
        assert found[0] == found[1], drafts
        if chance.random() < 0.3:
            assert await store.open_intents() == await memory.open_intents()
        if chance.random() < 0.1:
            other = await SqlAuditStore.open(sqlite_url(path))
            assert await other.head() == await memory.head()
            await other.close()
    assert list(await store.page(RecordQuery(limit=1_000))) == list(await memory.page(RecordQuery(limit=1_000)))
    assert verify(sqlite_url(path)).ok


def some_drafts(chance: random.Random) -> list[Draft]:
    number = chance.randrange(4)
    intent, market = f"i-{number}", ("ETH-PERP", "BTC-PERP")[number % 2]
    try_of = chance.randrange(1, 4)
    return chance.choice(
        [
            [tick()],
            [draft(RecordKind.DECISION, {"kind": "act"}), opening(intent, market)],
            [opening(intent, market), attempt(try_of, intent, nonce=number)],
            [opening(intent, market), attempt(try_of, intent)],
            [opening("i-0"), attempt(1, "i-0", nonce=0), opening("i-1", "BTC-PERP"), attempt(1, "i-1", nonce=1)],
            [attempt(try_of, intent, nonce=number)],
            [broadcast(try_of, intent)],
            [outcome(intent)],
        ]
    )


async def said(store: AuditStore, drafts: Sequence[Draft]) -> list[tuple[int, str]] | type[Exception]:
    try:
        return [(record.seq, record.hash) for record in await store.append(drafts)]
    except (AuditError, InvalidTransition) as error:
        return type(error)
