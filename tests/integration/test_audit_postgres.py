"""The log in PostgreSQL where something is not as it should be: the store says what is wrong, stores all or nothing, and works again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from keeper.adapters.audit import postgres
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.migrate import current, upgrade
from keeper.adapters.audit.postgres_database import PostgresDatabase
from keeper.adapters.audit.reading import all_records, page_sync
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition, StoreNotMigrated, StoreUnavailable
from keeper.domain.record import Draft, RecordKind, RecordQuery
from tests.support.audit_log import T0, attempt, opening, outcome, story, tick
from tests.support.postgres import own_postgres

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def administrator(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that is not the keeper's."""
    settings = "-c default_transaction_read_only=off"
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, options=settings)


def run(url: str, *statements: str) -> None:
    with administrator(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def named(url: str) -> str:
    """The database's own name in SQL."""
    with administrator(url) as connection:
        row = connection.execute("SELECT quote_ident(current_database())").fetchone()
    assert row is not None
    return str(row[0])


def cut_off(url: str, task: str) -> int:
    """The server ends every connection of this task; how many they were."""
    with administrator(url) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s",
            (f"keeper {task} %",),
        ).fetchall()
    return len(rows)


@pytest.fixture(scope="module")
def module_url(postgres_server: Callable[[], str]) -> str:
    """A log that several tests add to."""
    url = postgres_server()
    upgrade(url)
    return url


@pytest.fixture
async def store(module_url: str) -> AsyncIterator[SqlAuditStore]:
    opened = await SqlAuditStore.open(module_url, busy_timeout_ms=100)
    await opened.append([tick()])
    yield opened
    await opened.close()


async def still_good(store: SqlAuditStore, url: str, seq: int) -> None:
    assert (await store.append([tick()]))[0].seq == seq
    verdict = verify(url)
    assert (verdict.ok, verdict.records) == (True, seq), verdict


async def test_open__new_database__is_made_ready_and_opened_again(postgres_url: str) -> None:
    with pytest.raises(StoreNotMigrated, match="no schema yet") as caught:
        await SqlAuditStore.open(postgres_url)
    assert "db CONFIG upgrade" in caught.value.remedy
    for _ in range(2):
        store = await SqlAuditStore.open(postgres_url, create=True)
        await store.append(story()[:4])
        await store.close()
    assert current(postgres_url)[0] == current(postgres_url)[1]
    assert verify(postgres_url).records == 8


async def test_open__database_that_holds_something_else__is_not_touched(postgres_url: str) -> None:
    run(postgres_url, "CREATE TABLE somebodys (id int)")
    with pytest.raises(StoreNotMigrated):
        await SqlAuditStore.open(postgres_url, create=True)


@pytest.mark.parametrize("query", [RecordQuery(), RecordQuery(newest_first=True, limit=2, full=True)])
async def test_page_sync__any_query__is_the_page_of_the_store(
    store: SqlAuditStore, module_url: str, query: RecordQuery
) -> None:
    evidence = pack({"observations": [{"source": "a", "value": "1"}, {"source": "b", "value": "2"}]})
    await store.append([Draft(RecordKind.TICK, {"evidence": evidence.hash}, T0, evidence=evidence)])

    found = page_sync(module_url, query)
    assert list(found) == list(await store.page(query))
    assert query.full == ("observations" in found[0].body or "observations" in found[-1].body)


def test_page_sync__no_schema_or_another__says_what_to_run(postgres_url: str) -> None:
    with pytest.raises(StoreNotMigrated, match="no schema yet") as caught:
        page_sync(postgres_url, RecordQuery())
    assert caught.value.remedy == "run: keeper db CONFIG upgrade"
    upgrade(postgres_url)
    assert page_sync(postgres_url, RecordQuery()) == []
    run(postgres_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreNotMigrated, match="9999"):
        page_sync(postgres_url, RecordQuery())


def test_page_sync__in_a_fresh_process__imports_nothing_heavy(module_url: str) -> None:
    program = (
        "import sys\n"
        "from keeper.adapters.audit.reading import page_sync\n"
        "from keeper.domain.record import RecordQuery\n"
        "page_sync(sys.argv[1], RecordQuery())\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'web3', 'pydantic') if name in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, module_url], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(("given", "expected"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_connect__server_with_weak_commits__ours_are_durable_and_none_is_weakened(
    module_url: str, given: str, expected: str
) -> None:
    run(module_url, f"ALTER DATABASE {named(module_url)} SET synchronous_commit = {given}")
    try:
        with postgres.connect(module_url, task="test", lock_ms=100) as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == (expected,)
    finally:
        run(module_url, f"ALTER DATABASE {named(module_url)} RESET synchronous_commit")


async def test_append__transactions_repeatable_by_default__the_head_is_still_read_under_the_lock(
    store: SqlAuditStore, module_url: str
) -> None:
    run(module_url, f"ALTER DATABASE {named(module_url)} SET default_transaction_isolation = 'serializable'")
    try:
        others = [await SqlAuditStore.open(module_url) for _ in range(2)]
        await asyncio.gather(*(each.append([tick(), tick()]) for each in others * 5))
        for each in others:
            await each.close()
    finally:
        run(module_url, f"ALTER DATABASE {named(module_url)} RESET default_transaction_isolation")
    assert verify(module_url).ok


async def test_append__another_writer_stored_the_same_in_between__both_are_stored(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    other = await SqlAuditStore.open(module_url)
    for number, each in enumerate([other, store, other, store], start=seq + 1):
        assert [record.seq for record in await each.append([tick()])] == [number]
    await other.close()
    await still_good(store, module_url, seq + 5)


async def test_append__locked_longer_than_the_timeout__unavailable_and_works_afterwards(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    for drafts in ([tick(note="private words")], [opening("i-lock", "LOCK"), tick(note="private words")]):
        with administrator(module_url) as other, other.transaction():
            other.execute(postgres.locked(postgres.APPENDING))
            with pytest.raises(StoreUnavailable, match="lock timeout") as caught:
                await store.append(drafts)
        assert "another process" in caught.value.remedy
        assert "private words" not in str(caught.value)
    await still_good(store, module_url, seq + 1)


async def test_append__connection_ended_by_the_server__goes_on_over_a_new_one(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    assert cut_off(module_url, "writes") == 1
    assert cut_off(module_url, "reads") == 1
    await still_good(store, module_url, seq + 1)
    assert (await store.head())[0] == seq + 1


@pytest.mark.parametrize("drafts", [[tick(note="once")], [opening("i-once", "ONCE"), outcome("i-once")]])
async def test_append__connection_lost_after_the_commit__is_not_stored_twice(
    store: SqlAuditStore, module_url: str, monkeypatch: pytest.MonkeyPatch, drafts: list[Draft]
) -> None:
    seq, _ = await store.head()
    real, losses = PostgresDatabase._stored, iter([True])

    def stored(database: PostgresDatabase, records: Any) -> Any:
        if next(losses, False):
            assert database._write_connection is not None
            database._write_connection.close()
            raise psycopg.OperationalError("the connection is lost")
        return real(database, records)

    monkeypatch.setattr(PostgresDatabase, "_stored", stored)
    records = await store.append(drafts)

    assert [record.seq for record in records] == list(range(seq + 1, seq + 1 + len(drafts)))
    assert list(await store.page(RecordQuery(after=seq))) == list(records)
    await still_good(store, module_url, seq + len(drafts) + 1)


async def test_append__server_that_takes_no_writes__unavailable_with_the_remedy(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    run(module_url, f"ALTER DATABASE {named(module_url)} SET default_transaction_read_only = on")
    try:
        limited = await SqlAuditStore.open(module_url)
        with pytest.raises(StoreUnavailable, match="read-only") as caught:
            await limited.append([tick(note="private words"), opening("i-ro", "RO")])
        assert "standby" in caught.value.remedy
        assert "private words" not in str(caught.value)
        assert (await limited.head())[0] == seq
        await limited.close()
    finally:
        run(module_url, f"ALTER DATABASE {named(module_url)} RESET default_transaction_read_only")
    await still_good(store, module_url, seq + 1)


async def test_append__disk_of_the_server_full__unavailable_with_the_remedy(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    run(
        module_url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full', DETAIL = NEW.body; END $$",
        "CREATE TRIGGER a_full_disk BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    try:
        for drafts in ([tick(note="private words")], [tick(note="private words"), tick()]):
            with pytest.raises(StoreUnavailable, match="could not extend file") as caught:
                await store.append(drafts)
            assert "disk" in caught.value.remedy
            assert "private words" not in str(caught.value)
    finally:
        run(module_url, "DROP TRIGGER a_full_disk ON records", "DROP FUNCTION full_disk()")
    await still_good(store, module_url, seq + 1)


async def test_append__role_that_may_only_read__unavailable_with_the_remedy(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    run(module_url, "CREATE ROLE onlooker LOGIN IN ROLE keeper_auditor")
    limited = await SqlAuditStore.open(module_url.replace("postgres:@", "onlooker@", 1))
    with pytest.raises(StoreUnavailable, match="permission denied") as caught:
        await limited.append([tick()])
    assert "keeper_writer" in caught.value.remedy
    assert (await limited.head())[0] == seq
    await limited.close()


async def test_append__role_of_the_keeper__writes_the_whole_story_and_changes_nothing(
    store: SqlAuditStore, module_url: str
) -> None:
    seq, _ = await store.head()
    run(module_url, "CREATE ROLE watchman LOGIN IN ROLE keeper_writer")
    url = module_url.replace("postgres:@", "watchman@", 1)
    keeper = await SqlAuditStore.open(url)
    drafts = [opening("i-own", "OWN"), attempt(1, "i-own", nonce=77), outcome("i-own")]
    evidence = pack({"what": "was seen"})
    for draft in [*drafts, Draft(RecordKind.TICK, {"evidence": evidence.hash}, T0, evidence=evidence)]:
        await keeper.append([draft])
    assert "i-own" not in [intent.id for intent in await keeper.open_intents()]
    await keeper.close()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(url, "UPDATE intents SET state = 'open'")
    await still_good(store, module_url, seq + 5)


@pytest.mark.parametrize(
    ("row", "drafts", "error"),
    [
        ("('x-1', 1, 'F', 'pause-market'", [opening("i-f", "F")], IntentAlreadyOpen),
        ("('x-2', 1, 'G', 'pause-market'", [opening("x-2", "H")], InvalidTransition),
    ],
)
async def test_append__row_that_came_without_the_lock__the_constraint_is_said_in_our_words(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, row: str, drafts: list[Draft], error: type[Exception]
) -> None:
    store = await SqlAuditStore.open(postgres_url, create=True)
    await store.append([tick()])
    run(postgres_url, f"INSERT INTO intents VALUES {row}, 'inc', 'open', 'a', 'b', 'c', 'd', 'e')")
    monkeypatch.setattr("keeper.adapters.audit.postgres_database.questions", lambda ready, sql: [])

    with pytest.raises(error):
        await store.append([tick(), *drafts])
    assert (await store.head())[0] == 1
    assert (await store.append([tick()]))[0].seq == 2
    await store.close()


async def test_open__database_in_another_encoding__refused_with_the_remedy(module_url: str) -> None:
    run(module_url, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    address = module_url.replace(f"/{named(module_url)}?", "/latin?")
    for attempt_ in (lambda: page_sync(address, RecordQuery()), lambda: upgrade(address)):
        with pytest.raises(StoreUnavailable, match="LATIN1") as caught:
            attempt_()
        assert "UTF8" in caught.value.remedy
    with pytest.raises(StoreUnavailable, match="LATIN1"):
        await SqlAuditStore.open(address, create=True)


@pytest.mark.parametrize(
    ("url", "words", "remedy"),
    [
        ("postgresql+psycopg://keeper:open%20sesame@127.0.0.1:1/d", "refused", "is the server up"),
        ("postgresql+psycopg://keeper:sesame@/d?host=/nowhere", "No such file", "is the server up"),
        ("postgresql+psycopg://keeper:sesame@h:x/d", "port", "postgresql+psycopg://user@host/database"),
        ("postgresql+psycopg://keeper:sesame@h/d?sslmode=sesame", "sslmode", ""),
    ],
)
async def test_open__address_that_leads_nowhere__unavailable_without_the_password(
    url: str, words: str, remedy: str
) -> None:
    for ask in (lambda: page_sync(url, RecordQuery()), lambda: current(url), lambda: upgrade(url)):
        with pytest.raises(StoreUnavailable, match=words) as caught:
            ask()
        assert remedy in caught.value.remedy
        assert "keeper:sesame" not in str(caught.value)
        assert "open%20sesame" not in str(caught.value)
        assert "open sesame" not in str(caught.value)
    with pytest.raises(StoreUnavailable, match=words):
        await SqlAuditStore.open(url, create=True)


async def test_open__database_or_role_that_is_not_there__says_so(module_url: str) -> None:
    for address, remedy in (
        (module_url.replace(f"/{named(module_url)}?", "/nothing?"), "CREATE DATABASE"),
        (module_url.replace("postgres:@", "nobody:sesame@", 1), "user of audit.url"),
    ):
        with pytest.raises(StoreUnavailable, match="does not exist") as caught:
            await SqlAuditStore.open(address, create=True)
        assert remedy in caught.value.remedy
        assert "sesame" not in str(caught.value)


APPEND = """
import asyncio, sys
from keeper.adapters.audit.store import SqlAuditStore
from tests.support.audit_log import tick

async def main(url):
    store = await SqlAuditStore.open(url)
    while True:
        records = await store.append([tick(), tick()])
        print(records[-1].seq, records[-1].hash, flush=True)

asyncio.run(main(sys.argv[1]))
"""


def test_append__writer_killed_in_the_middle__no_committed_record_is_lost(postgres_url: str) -> None:
    upgrade(postgres_url)
    seen: dict[int, str] = {}
    for kill_after in (1, 20):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND, postgres_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(kill_after)]
            writer.kill()
            lines += writer.stdout.read().splitlines()[:-1]  # the last may be torn
        seen |= {int(seq): digest for seq, digest in (line.split() for line in lines)}
        asyncio.run(_one_more(postgres_url))
        assert verify(postgres_url).ok
    hashes = {record.seq: record.hash for record in all_records(postgres_url)}
    assert {seq: hashes.get(seq) for seq in seen} == seen


async def _one_more(url: str) -> None:
    store = await SqlAuditStore.open(url)
    await store.append([tick()])
    await store.close()


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A server that may be ended."""
    with own_postgres() as server:
        yield server


async def test_append__server_restarted__unavailable_meanwhile_and_goes_on_afterwards(own_server: Any) -> None:
    url = str(own_server.get_uri()).replace("postgresql:", "postgresql+psycopg:", 1)
    store = await SqlAuditStore.open(url, create=True)
    await store.append(story())
    own_server.stop()
    with pytest.raises(StoreUnavailable) as caught:
        await store.append([tick()])
    assert "server" in caught.value.remedy
    with pytest.raises(StoreUnavailable):
        await store.page(RecordQuery())
    own_server.start()
    await still_good(store, url, 15)
    assert len(await store.page(RecordQuery())) == 15
    await store.close()
