"""PostgreSQL refuses to forget, whoever asks; and the roles of the keeper and of auditors may do nothing that they need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from keeper.adapters.audit.head import HEAD
from keeper.adapters.audit.migrate import current, upgrade
from keeper.adapters.audit.postgres_ddl import AUDITOR, LOCKS, TABLES, WRITER
from keeper.adapters.audit.sole import sole_keeper
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.views import VIEWS
from keeper.domain.errors import AlreadyRunning, StoreNotMigrated, StoreUnavailable
from tests.support.audit_log import tick
from tests.support.checkpoints import checkpoints_of
from tests.support.postgres_roles import as_role, connected, login

pytestmark = pytest.mark.integration

ROWS = Path(__file__).parents[1] / "fixtures/audit/revision_0001.sql"
KEPT, ARCHIVED = "0x" + "e1" * 32, "0x" + "e2" * 32
OPEN, DONE = "i-2", "i-1"
RECORD = "INSERT INTO records VALUES (%s, '2026-01-01T00:00:00.000Z', 'stop', NULL, NULL, NULL, NULL, '{}', %s, %s)"


def filled(url: str) -> str:
    """A log of 14 records, two checkpoints, two pieces of evidence, one of them archived."""
    upgrade(url)
    with connected(url) as connection:
        for statement in ROWS.read_text().splitlines():
            connection.execute(statement.encode())
        hashes = [row[0] for row in connection.execute("SELECT hash FROM records ORDER BY seq")]
        for one in checkpoints_of(hashes, [4, 9]):
            values = (*(getattr(one.checkpoint, name) for name in one.checkpoint.__slots__), one.signature)
            connection.execute(
                "INSERT INTO checkpoints (number, seq, head, genesis, at, keeper, chain_id, signer, prev, signature) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                values,
            )
        for evidence in (KEPT, ARCHIVED):
            connection.execute("INSERT INTO evidence VALUES (%s, 3, 'columns+zlib/1', 10, 'x'::bytea)", (evidence,))
        connection.execute("INSERT INTO archived VALUES (%s, 12)", (ARCHIVED,))
    return url


@pytest.fixture(scope="module")
def log(postgres_server: Callable[[], str]) -> str:
    """Shared by the tests that change nothing, because all that they ask is refused."""
    return filled(postgres_server())


@pytest.fixture
def own_log(postgres_url: str) -> str:
    return filled(postgres_url)


def refusal(connection: psycopg.Connection[Any], statement: str) -> psycopg.Error | None:
    """What the database says; the statement is undone where it does not refuse."""
    with connection.transaction(force_rollback=True):
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            return error
    return None


def sums(url: str) -> list[tuple[object, ...]]:
    statement = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} AS t"
    with connected(url) as connection:
        return [connection.execute(statement.format(name).encode()).fetchone() or () for name in TABLES]


CHANGES = [
    *(f"UPDATE {table} SET seq = seq" for table in TABLES if table != "intents"),
    *(f"DELETE FROM {table}" for table in TABLES),
    *(f"TRUNCATE {table} CASCADE" for table in TABLES),
    "UPDATE intents SET seq = seq + 100",
    "UPDATE intents SET data = '0x' WHERE state <> 'done'",
    "UPDATE intents SET state = 'open' WHERE state = 'done'",
    "INSERT INTO records SELECT seq, at, kind, market, action, incident, intent, '{}', prev_hash, hash FROM records WHERE seq = 14 "
    "ON CONFLICT (seq) DO UPDATE SET body = '{}'",
    "MERGE INTO records AS r USING (SELECT 14 AS seq) AS w ON r.seq = w.seq WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM attempts RETURNING 1) SELECT count(*) FROM gone",
]


@pytest.mark.parametrize("applied_by_replication", [False, True])
def test_tables__owner_changes_or_deletes__every_statement_is_refused(log: str, applied_by_replication: bool) -> None:
    before = sums(log)
    with connected(log) as connection:
        if applied_by_replication:
            connection.execute("SET session_replication_role = replica")  # ordinary triggers do not fire then
        answers = {statement: refusal(connection, statement) for statement in CHANGES}

    assert [
        statement for statement, answer in answers.items() if not isinstance(answer, errors.RestrictViolation)
    ] == []
    assert sums(log) == before


@pytest.mark.parametrize(
    ("seq", "previous"), [(15, "0x00"), (16, None), (14, None), (0, None), (-1, None)], ids=["link", "hole", "again", "zero", "minus"]
)  # fmt: skip
def test_records__row_that_does_not_continue_the_chain__refused(log: str, seq: int, previous: str | None) -> None:
    with connected(log) as connection, connection.transaction(force_rollback=True):
        head = connection.execute("SELECT hash FROM records WHERE seq = 14").fetchone()
        with pytest.raises(errors.RestrictViolation, match="does not follow the last one"):
            connection.execute(RECORD, (seq, previous or (head or ("",))[0], "0xnew"))


def test_records__several_rows_in_one_statement__each_must_follow_the_one_before(log: str) -> None:
    values = "({}, '2026-01-01T00:00:00.000Z', 'stop', NULL, NULL, NULL, NULL, '{{}}', {}, '{}')"
    head = "(SELECT hash FROM records WHERE seq = 14)"
    good = [values.format(15, head, "0xa"), values.format(16, "'0xa'", "0xb")]
    bad = [values.format(15, head, "0xa"), values.format(16, "'0xc'", "0xb")]
    with connected(log) as connection:
        assert refusal(connection, f"INSERT INTO records VALUES {', '.join(good)}") is None
        assert isinstance(refusal(connection, f"INSERT INTO records VALUES {', '.join(bad)}"), errors.RestrictViolation)


@pytest.mark.parametrize("number", [2, 4, 0])
def test_checkpoints__out_of_order__refused(log: str, number: int) -> None:
    statement = (
        f"INSERT INTO checkpoints SELECT {number}, seq, head, genesis, at, keeper, chain_id, signer, signature, signature "
        "FROM checkpoints WHERE number = 2"
    )
    with connected(log) as connection:
        assert isinstance(refusal(connection, statement), errors.RestrictViolation)
        assert refusal(connection, statement.replace(f"SELECT {number},", "SELECT 3,")) is None


THIRD = "INSERT INTO checkpoints SELECT 3, seq, head, genesis, at, keeper, chain_id, signer, {} FROM checkpoints WHERE number = 2"
CHECKS = {
    "ck_evidence_hash": "INSERT INTO evidence VALUES ('0xshort', 1, 'e', 1, 'x'::bytea)",
    "ck_evidence_size": f"INSERT INTO evidence VALUES ('0x{'aa' * 32}', 1, 'e', 0, 'x'::bytea)",
    "ck_archived_hash": f"INSERT INTO archived VALUES ('00{'aa' * 32}', 1)",
    "ck_checkpoints_signature": THIRD.format("signature, '0x'"),
    "ck_checkpoints_prev": THIRD.format("'', signature"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_checks__value_that_cannot_be__refused_by_name(log: str, name: str) -> None:
    with connected(log) as connection:
        error = refusal(connection, CHECKS[name])
    assert isinstance(error, errors.CheckViolation)
    assert error.diag.constraint_name == name


# -- the writer ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def writer(own_log: str) -> Iterator[psycopg.Connection[Any]]:
    with connected(own_log, login(own_log, WRITER)) as connection:
        yield connection


def test_writer__what_the_keeper_needs__is_allowed(writer: psycopg.Connection[Any]) -> None:
    head = (writer.execute("SELECT hash FROM records ORDER BY seq DESC LIMIT 1").fetchone() or ("",))[0]
    writer.execute(RECORD, (15, head, "0xnew"))
    writer.execute("SELECT set_intent_state(%s, 'submitted')", (OPEN,))
    assert writer.execute("SELECT state FROM intents WHERE id = %s", (OPEN,)).fetchone() == ("submitted",)
    assert writer.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    for table in TABLES:
        assert writer.execute(f"SELECT count(*) > 0 FROM {table}").fetchone() == (True,)


def test_set_intent_state__done_unknown_or_no_state__refused(writer: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.RestrictViolation):
        writer.execute("SELECT set_intent_state(%s, 'open')", (DONE,))
    with pytest.raises(errors.NoDataFound):
        writer.execute("SELECT set_intent_state('nobody', 'done')")
    with pytest.raises(errors.CheckViolation):
        writer.execute("SELECT set_intent_state(%s, 'gone')", (OPEN,))


def test_forget_evidence__archived_and_not__only_what_is_archived_goes(writer: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.RestrictViolation, match="only when it is archived"):
        writer.execute("SELECT forget_evidence(%s)", ([KEPT, ARCHIVED],))
    assert writer.execute("SELECT count(*) FROM evidence").fetchone() == (2,)

    assert writer.execute("SELECT forget_evidence(%s)", ([ARCHIVED],)).fetchone() == (1,)
    assert writer.execute("SELECT forget_evidence(%s)", ([ARCHIVED, "0xunknown"],)).fetchone() == (0,)
    assert writer.execute("SELECT hash FROM evidence").fetchall() == [(KEPT,)]


def test_functions__tables_of_the_callers_own_on_the_path__are_not_taken(writer: psycopg.Connection[Any]) -> None:
    writer.execute("CREATE TEMPORARY TABLE archived (hash text, seq bigint)")
    writer.execute("INSERT INTO archived VALUES (%s, 1)", (KEPT,))
    writer.execute("CREATE TEMPORARY TABLE intents (id text, state text)")
    writer.execute("SET search_path = pg_temp, public")

    with pytest.raises(errors.RestrictViolation):
        writer.execute("SELECT public.forget_evidence(%s)", ([KEPT],))
    writer.execute("SELECT public.set_intent_state(%s, 'mined')", (OPEN,))
    assert writer.execute("SELECT state FROM public.intents WHERE id = %s", (OPEN,)).fetchone() == ("mined",)


MODES = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
CALLS_OF_THE_WRITER = [
    *(f"SELECT {lock}()" for lock in LOCKS),
    "SELECT set_intent_state('i-2', 'done')",
    "SELECT forget_evidence('{}')",
    "SELECT lock_replica()",
    "SELECT lock_appending_as(1)",
    "SELECT take_lease('x', 1, 1000, false)",
    "SELECT renew_lease(1, 1, 1000)",
    "SELECT release_lease(1)",
    "SELECT hear_replica('x', 'standby', 0, 0, 0, '1', '0x')",
]
NOT_FOR_LOGINS = [
    *CHANGES,
    "UPDATE intents SET state = 'mined' WHERE state <> 'done'",
    "INSERT INTO alembic_version VALUES ('9999')",
    "UPDATE alembic_version SET version_num = '9999'",
    "DELETE FROM alembic_version",
    "SELECT * FROM records FOR UPDATE",
    *(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE" for table in TABLES),
    *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in TABLES),
    *(f"DROP TABLE {table} CASCADE" for table in TABLES),
    *(f"ALTER TABLE {table} OWNER TO CURRENT_USER" for table in TABLES),
    "DROP TRIGGER records_no_update ON records",
    "CREATE TRIGGER another AFTER INSERT ON records EXECUTE FUNCTION audit.refuse()",
    "CREATE RULE another AS ON INSERT TO records DO INSTEAD NOTHING",
    "CREATE INDEX another ON records (body)",
    "CREATE TABLE public.another (x int)",
    "CREATE TABLE audit.another (x int)",
    "CREATE OR REPLACE VIEW audit.incidents AS SELECT 1",
    "CREATE OR REPLACE FUNCTION public.set_intent_state(intent text, state text) RETURNS void LANGUAGE sql AS ''",
    "CREATE OR REPLACE FUNCTION audit.doc(body text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'",
    "DROP FUNCTION public.forget_evidence(text[])",
    "SET session_replication_role = replica",
    "SELECT audit.refuse()",
    "SELECT audit.session_ended(1, 1)",
    "INSERT INTO lease VALUES (1, 9, 'x', 1, 0, 0, 0, '', '', 0)",
    "UPDATE lease SET fence = 9",
    "UPDATE replicas SET seen = 9",
    "DELETE FROM replicas",
    *(f"LOCK TABLE audit.{lock} IN {mode} MODE" for lock in LOCKS for mode in MODES),
]


def test_writer__everything_else__is_refused(log: str) -> None:
    before = sums(log)
    with connected(log, login(log, WRITER)) as connection:
        statements = [*NOT_FOR_LOGINS, *(f"SELECT * FROM audit.{view.name}" for view in VIEWS)]
        allowed = [one for one in statements if not isinstance(refusal(connection, one), errors.InsufficientPrivilege)]
    assert allowed == []
    assert sums(log) == before


# -- auditors -----------------------------------------------------------------------------------------------------------------


def test_auditor__tables_and_views__can_be_read_and_nothing_else(log: str) -> None:
    before = sums(log)
    with connected(log, login(log, AUDITOR)) as connection:
        for name in (*TABLES, "alembic_version", *(f"audit.{view.name}" for view in VIEWS)):
            connection.execute(f"SELECT * FROM {name}").fetchall()
        assert connection.execute("SELECT count(*) FROM audit.actions").fetchone() == (2,)
        statements = [
            *NOT_FOR_LOGINS,
            *(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1" for table in TABLES),
            *CALLS_OF_THE_WRITER,
            *(f"LOCK TABLE {table} IN ROW SHARE MODE" for table in TABLES),
            *(f"DELETE FROM audit.{view.name}" for view in VIEWS),
        ]
        allowed = [one for one in statements if not isinstance(refusal(connection, one), psycopg.Error)]
    assert allowed == []
    assert sums(log) == before


def test_stranger__login_without_the_roles__sees_nothing(log: str) -> None:
    with connected(log, login(log)) as connection:
        statements = [
            *(f"SELECT * FROM {name}" for name in (*TABLES, *(f"audit.{view.name}" for view in VIEWS))),
            *CALLS_OF_THE_WRITER,
        ]
        allowed = [one for one in statements if not isinstance(refusal(connection, one), errors.InsufficientPrivilege)]
    assert allowed == []


# -- nobody but the writer holds it up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [AUDITOR, None])
async def test_append_and_run__somebody_else_holds_every_lock_that_they_can__go_on(
    own_log: str, role: str | None
) -> None:
    keeper = as_role(own_log, login(own_log, WRITER))
    with connected(own_log, login(own_log, *([role] if role else []))) as other, other.transaction():
        # advisory locks are anybody's: those that the log once had, and others
        for number in (1, 2):
            other.execute("SELECT pg_advisory_lock(%s, %s)", (0x6B656570, number))
        held = []
        for name in (*TABLES, *(f"audit.{lock}" for lock in LOCKS)):
            for mode in MODES:
                try:
                    with other.transaction():
                        other.execute(f"LOCK TABLE {name} IN {mode} MODE")
                    held.append((name, mode))
                except errors.InsufficientPrivilege:
                    pass
        assert held == ([(table, "ACCESS SHARE") for table in TABLES] if role else [])

        store = await SqlAuditStore.open(keeper, busy_timeout_ms=1_000)
        with sole_keeper(keeper):
            assert [record.seq for record in await store.append([tick()])] == [15]
        await store.close()


async def test_locks__held_by_the_writer__hold_off_the_others_until_it_ends(own_log: str) -> None:
    keeper = as_role(own_log, login(own_log, WRITER))
    store = await SqlAuditStore.open(keeper, busy_timeout_ms=50)
    with connected(own_log, login(own_log, WRITER)) as other:
        with other.transaction():
            for lock in LOCKS:
                other.execute(f"SELECT {lock}()")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await store.append([tick()])
            with pytest.raises(AlreadyRunning), sole_keeper(keeper):
                pass
        with sole_keeper(keeper):
            assert len(await store.append([tick()])) == 1
    await store.close()


def test_running__held_for_long__keeps_the_server_from_no_cleaning_up(own_log: str) -> None:
    with sole_keeper(own_log), connected(own_log) as other:
        found = other.execute(
            "SELECT a.state, a.backend_xid, a.backend_xmin, l.mode, c.relkind::text FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation "
            "JOIN pg_stat_activity AS a ON a.pid = l.pid WHERE c.relname = 'lock_running'"
        ).fetchall()
    assert found == [("idle in transaction", None, None, "ExclusiveLock", "v")]


# -- who migrates -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_roles(postgres_url: str) -> Iterator[str]:
    """A server that does not have our roles yet; other databases of it go on with them afterwards."""
    with connected(postgres_url) as connection:
        for role in (WRITER, AUDITOR):
            connection.execute(
                f"DO $$ BEGIN ALTER ROLE {role} RENAME TO {role}_aside; EXCEPTION WHEN undefined_object THEN NULL; END $$"
            )
        yield postgres_url
        for role in (WRITER, AUDITOR):
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
            connection.execute(
                f"DO $$ BEGIN ALTER ROLE {role}_aside RENAME TO {role}; EXCEPTION WHEN undefined_object THEN NULL; END $$"
            )


def test_upgrade__role_that_may_not__says_what_an_administrator_has_to_run_and_that_is_enough(no_roles: str) -> None:
    role = login(no_roles)
    url = as_role(no_roles, role)
    with pytest.raises(StoreNotMigrated, match=role) as caught:
        upgrade(url)
    assert current(no_roles) == (None, HEAD)
    wanted = caught.value.remedy.removeprefix("let an administrator run there: ").partition(
        " Then run: keeper db CONFIG upgrade"
    )[0]
    assert wanted == (
        f"CREATE ROLE {WRITER} NOLOGIN; CREATE ROLE {AUDITOR} NOLOGIN; "
        f'GRANT CREATE ON DATABASE "{database_of(no_roles)}" TO "{role}"; GRANT CREATE, USAGE ON SCHEMA public TO "{role}";'
    )

    with connected(no_roles) as connection:
        connection.execute(wanted.encode())
    assert upgrade(url) == HEAD
    with connected(no_roles) as connection:
        connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")


def test_upgrade__role_that_may_make_roles__makes_them_without_login(no_roles: str) -> None:
    upgrade(no_roles)

    with connected(no_roles) as connection:
        rows = connection.execute(
            "SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s) AND NOT (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb)",
            ([WRITER, AUDITOR],),
        ).fetchall()
    assert sorted(rows) == [(AUDITOR,), (WRITER,)]


def test_upgrade__log_of_another_role__says_whose_it_is(postgres_url: str) -> None:
    upgrade(postgres_url)
    with connected(postgres_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    role = login(postgres_url, WRITER)

    with pytest.raises(StoreNotMigrated, match="belongs to the role postgres") as caught:
        upgrade(as_role(postgres_url, role))
    assert caught.value.remedy == "as postgres, run: keeper db CONFIG upgrade"


def database_of(url: str) -> str:
    with connected(url) as connection:
        return str((connection.execute("SELECT current_database()").fetchone() or ("",))[0])
