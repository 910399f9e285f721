"""The migrations and the models are one schema."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from keeper.adapters.audit.engine import make_engine, write_transaction
from keeper.adapters.audit.head import HEAD
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import MIGRATIONS, current, upgrade
from keeper.adapters.audit.models import SQLITE_TRIGGERS, metadata, sqlite_metadata
from keeper.adapters.audit.postgres_ddl import LOCKS
from keeper.adapters.audit.postgres_schema import check_postgres_schema, check_postgres_version
from keeper.adapters.audit.replica_tables import replica_metadata
from keeper.adapters.audit.schema_check import expected_schema
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.adapters.audit.views import VIEWS
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from tests.support.audit_log import outcome
from tests.support.postgres_roles import connected

pytestmark = pytest.mark.integration

REVISION_1 = Path(__file__).parents[1] / "fixtures/audit/revision_0001.sql"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "100% of a log.db")


def file_of(url: str) -> Path:
    return Path(make_engine(url).url.database or "")


def test_upgrade__new_file__is_the_models_letter_by_letter(url: str) -> None:
    assert upgrade(url) == HEAD

    everything: Any = [metadata, sqlite_metadata]  # what alembic takes, and its hint does not say
    engine = make_engine(url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), everything)
        rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_schema").all()
    engine.dispose()
    assert difference == []
    assert {row[1]: (row[0], row[2], row[3]) for row in rows} == expected_schema()
    assert {row[1]: row[3] for row in rows if row[0] == "trigger"} == SQLITE_TRIGGERS


def test_compare__schema_that_differs__is_seen(url: str) -> None:
    # the test above can fail
    upgrade(url)
    everything: Any = [metadata, sqlite_metadata]
    engine = make_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP INDEX ix_records_at")
        difference = compare_metadata(MigrationContext.configure(connection), everything)
    engine.dispose()
    assert len(difference) == 1


def test_head__constant__is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_migrations__every_file__is_named_by_date_and_time() -> None:
    names = [path.name for path in (MIGRATIONS / "versions").glob("*.py")]

    assert names
    assert all(name[:8].isdigit() and name[8] == "_" and name[9:13].isdigit() for name in names)


def test_current__no_file__has_no_revision_and_creates_none(url: str) -> None:
    assert current(url) == (None, HEAD)
    assert not file_of(url).exists()


def test_upgrade__twice__changes_nothing(url: str) -> None:
    upgrade(url)
    upgrade(url)

    assert current(url) == (HEAD, HEAD)


def test_upgrade__from_another_folder__works(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    upgrade("sqlite:///here.db")

    assert (tmp_path / "here.db").exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("url" if request.param == "sqlite" else "postgres_url"))


def test_upgrade__two_processes_at_once__both_succeed(empty_url: str) -> None:
    program = f"from keeper.adapters.audit.migrate import upgrade; upgrade({empty_url!r})"
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    answers = [process.communicate(timeout=60)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], answers
    assert current(empty_url) == (HEAD, HEAD)


def test_upgrade__empty_postgres__is_the_models(postgres_url: str) -> None:
    assert upgrade(postgres_url) == HEAD
    everything: Any = [metadata, replica_metadata]

    engine = make_engine(postgres_url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), everything)
    engine.dispose()
    assert difference == []
    with connected(postgres_url) as connection:
        assert check_postgres_schema(connection) == ()
        check_postgres_version(connection)
        said = connection.execute(
            "SELECT c.relname::text, a.attname::text, col_description(c.oid, a.attnum) FROM pg_class AS c "
            "JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'v' "
            "AND c.relname <> ALL (%s)",
            (list(LOCKS),),
        ).fetchall()
    assert {tuple(row) for row in said} == {
        (view.name, name, says) for view in VIEWS for name, (says, _) in view.columns.items()
    }


def to_revision_1(url: str) -> None:
    """A database as version 0001 left it, filled with rows that were written by that version."""
    engine = make_engine(url)
    config = Config(attributes={})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection, write_transaction(connection, migrates=True):
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in REVISION_1.read_text().splitlines():
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    engine.dispose()


def test_upgrade__filled_database_of_revision_1__keeps_every_row_and_verifies(empty_url: str) -> None:
    to_revision_1(empty_url)
    assert current(empty_url) == ("0001", HEAD)
    before = rows_of(empty_url)
    assert [len(rows) for rows in before.values()] == [14, 2, 3]

    assert upgrade(empty_url) == HEAD

    assert rows_of(empty_url) == before
    verdict = verify(empty_url)
    assert verdict.ok, verdict
    assert (verdict.records, verdict.head) == (14, before["records"][-1][-1])
    if empty_url.startswith("postgresql"):
        with connected(empty_url) as connection:
            assert check_postgres_schema(connection) == ()


async def test_append__upgraded_database_of_revision_1__goes_on_with_the_same_chain(empty_url: str) -> None:
    to_revision_1(empty_url)
    upgrade(empty_url)

    store = await SqlAuditStore.open(empty_url)
    (record,) = await store.append([outcome("i-2")])
    await store.close()

    assert record.seq == 15
    assert record.prev_hash == rows_of(empty_url)["records"][13][-1]
    assert verify(empty_url).ok


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY seq")]
            for name in ("records", "intents", "attempts")
        }
    engine.dispose()
    return found


def set_revision(url: str, revision: str) -> None:
    connection = sqlite3.connect(file_of(url))
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


def test_upgrade__database_of_a_newer_version__says_so(url: str) -> None:
    upgrade(url)
    set_revision(url, "9999")

    with pytest.raises(StoreNotMigrated) as caught:
        upgrade(url)
    assert "newer version" in caught.value.remedy


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("revision", ["0000", "9999"])
async def test_open__older_or_newer_schema__refused_with_the_remedy(url: str, revision: str, create: bool) -> None:
    upgrade(url)
    set_revision(url, revision)

    with pytest.raises(StoreNotMigrated, match=revision) as caught:
        await SqlAuditStore.open(url, create=create)
    assert caught.value.remedy == "run: keeper db CONFIG upgrade"
    assert current(url) == (revision, HEAD)


async def test_open__no_file__refused_and_not_created(url: str) -> None:
    with pytest.raises(StoreNotMigrated, match="no schema yet"):
        await SqlAuditStore.open(url)
    assert not file_of(url).exists()


async def test_open__create_with_tables_of_somebody_else__left_alone(url: str) -> None:
    connection = sqlite3.connect(file_of(url))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(StoreNotMigrated):
        await SqlAuditStore.open(url, create=True)
    assert current(url) == (None, HEAD)


async def test_open__create__two_at_once__both_open(url: str) -> None:
    first = await SqlAuditStore.open(url, create=True)
    second = await SqlAuditStore.open(url, create=True)
    await first.close()
    await second.close()


@pytest.mark.parametrize("text", ["nonsense", "oracle9://u:sesame@h/db", "postgresql+nodriver://u:sesame@h/db"])
def test_current__url_of_no_database__says_so_without_the_password(text: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        current(text)
    assert "sesame" not in caught.value.message


def test_alembic__run_by_hand_without_the_keeper__says_what_to_run(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(MIGRATIONS.parent / "alembic.ini"), "upgrade", "head"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert answer.returncode != 0
    assert "keeper db CONFIG upgrade" in answer.stderr
