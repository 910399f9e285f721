"""Whatever is changed around the tables of a PostgreSQL log, the check names it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.postgres_ddl import AUDITOR, WRITER
from keeper.adapters.audit.postgres_schema import check_postgres_schema, check_postgres_version
from keeper.adapters.audit.views import views
from keeper.domain.errors import StoreNotMigrated
from tests.support.postgres_roles import as_role, connected, login

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def migrated(postgres_server: Callable[[], str]) -> str:
    url = postgres_server()
    upgrade(url)
    return url


CHANGED = {
    "ALTER TABLE records DISABLE TRIGGER records_no_update": "trigger records_no_update",
    "ALTER TABLE records ENABLE TRIGGER records_no_update": "trigger records_no_update",
    "ALTER TABLE attempts DISABLE TRIGGER ALL": "trigger attempts_no",
    "ALTER TABLE attempts DISABLE TRIGGER ALL; ALTER TABLE attempts ENABLE ALWAYS TRIGGER attempts_no_update; "
    "ALTER TABLE attempts ENABLE ALWAYS TRIGGER attempts_no_delete; ALTER TABLE attempts ENABLE ALWAYS TRIGGER attempts_no_truncate": "foreign keys",
    "DROP TRIGGER intents_no_truncate ON intents": "trigger intents_no_truncate",
    "DROP TRIGGER records_no_delete ON records; CREATE TRIGGER records_no_delete BEFORE DELETE ON records FOR EACH STATEMENT "
    "EXECUTE FUNCTION audit.refuse('x'); ALTER TABLE records ENABLE ALWAYS TRIGGER records_no_delete": "trigger records_no_delete",
    "CREATE TRIGGER another BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION audit.records_in_order()": "a trigger another",
    "CREATE RULE another AS ON UPDATE TO records DO ALSO NOTHING": "rules or row security",
    "ALTER TABLE records ENABLE ROW LEVEL SECURITY": "rules or row security",
    "CREATE TABLE more () INHERITS (records)": "table records",
    "ALTER TABLE checkpoints SET UNLOGGED": "table checkpoints",
    "DROP VIEW audit.checkpoint_overview; DROP TABLE checkpoints": "table checkpoints is missing",
    "ALTER TABLE checkpoints OWNER TO {login}": "table checkpoints belongs to",
    "ALTER TABLE records ADD COLUMN more text": "columns of records",
    "ALTER TABLE records ALTER COLUMN market SET NOT NULL": "columns of records",
    "ALTER TABLE records ALTER COLUMN at SET DEFAULT 'now'": "columns of records",
    "GRANT UPDATE (body) ON records TO {login}": "columns of records",
    "ALTER TABLE attempts DROP CONSTRAINT uq_attempts_tx_hash": "constraint uq_attempts_tx_hash",
    "ALTER TABLE evidence DROP CONSTRAINT ck_evidence_hash": "constraint ck_evidence_hash",
    "ALTER TABLE evidence DROP CONSTRAINT ck_evidence_hash, ADD CONSTRAINT ck_evidence_hash CHECK (true)": "constraint ck_evidence_hash",
    "ALTER TABLE evidence DROP CONSTRAINT fk_evidence_seq_records, ADD CONSTRAINT fk_evidence_seq_records FOREIGN KEY (seq) "
    "REFERENCES records (seq) NOT VALID": "constraint fk_evidence_seq_records",
    "ALTER TABLE records ADD CONSTRAINT another CHECK (seq < 100)": "constraint another",
    "DROP INDEX ix_records_at": "index ix_records_at",
    "DROP INDEX ix_records_at; CREATE INDEX ix_records_at ON records (at) WHERE seq < 5": "index ix_records_at",
    "CREATE UNIQUE INDEX another ON records (kind)": "index another",
    "CREATE OR REPLACE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp "
    "AS 'BEGIN RETURN NEW; END'": "function audit.refuse",
    "ALTER FUNCTION audit.records_in_order() SET search_path = pg_temp, public": "function audit.records_in_order",
    "ALTER FUNCTION audit.doc(text) SECURITY DEFINER": "function audit.doc",
    "ALTER FUNCTION public.forget_evidence(text[]) OWNER TO {login}": "function public.forget_evidence",
    "DROP FUNCTION public.set_intent_state(text, text)": "function public.set_intent_state",
    "CREATE FUNCTION public.set_intent_state(text) RETURNS void LANGUAGE sql AS ''": "second function",
    "GRANT EXECUTE ON FUNCTION public.forget_evidence(text[]) TO PUBLIC": "PUBLIC has the right to EXECUTE",
    "GRANT DELETE ON records TO keeper_writer": "keeper_writer has the right to DELETE on records",
    "GRANT INSERT ON records TO {login}": "has the right to INSERT on records",
    "GRANT INSERT ON alembic_version TO keeper_writer": "has the right to INSERT on alembic_version",
    "ALTER ROLE keeper_writer SUPERUSER": "role keeper_writer can do more",
    "ALTER ROLE keeper_auditor LOGIN": "role keeper_auditor can do more",
    "ALTER ROLE keeper_writer REPLICATION": "role keeper_writer can do more",
    "ALTER ROLE keeper_auditor CREATEDB": "role keeper_auditor can do more",
    "GRANT pg_write_all_data TO keeper_writer": "role keeper_writer is a member of pg_write_all_data",
    "GRANT {owner} TO keeper_auditor": "role keeper_auditor is a member of {owner}",
    "GRANT keeper_writer TO keeper_auditor": "role keeper_auditor is a member of keeper_writer",
    "GRANT CREATE ON SCHEMA audit TO keeper_writer": "keeper_writer has the right to CREATE in audit",
    "GRANT CREATE ON SCHEMA audit TO {login}": "has the right to CREATE in audit",
    "GRANT CREATE ON SCHEMA public TO keeper_auditor": "keeper_auditor has the right to CREATE in public",
    "ALTER SCHEMA audit OWNER TO keeper_writer": "schema audit belongs to keeper_writer",
    "ALTER VIEW audit.actions OWNER TO keeper_writer": "view audit.actions belongs to keeper_writer",
    "ALTER VIEW audit.lock_running OWNER TO {login}": "view audit.lock_running belongs to",
    "GRANT UPDATE ON audit.lock_appending TO {login}": "has the right to UPDATE on lock_appending",
    "GRANT INSERT ON audit.actions TO keeper_writer": "keeper_writer has the right to INSERT on actions",
    "GRANT EXECUTE ON FUNCTION public.lock_appending() TO keeper_auditor": "keeper_auditor has the right to EXECUTE",
    "CREATE VIEW audit.another AS SELECT 1": "audit.another that the migrations did not make",
    "CREATE FUNCTION audit.another() RETURNS int LANGUAGE sql AS 'SELECT 1'": "function audit.another that",
    "CREATE FUNCTION public.another() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": "public.another with the rights of its owner",
    "ALTER FUNCTION public.forget_evidence(text[]) STRICT": "function public.forget_evidence",
    "ALTER FUNCTION public.lock_appending() SECURITY INVOKER": "function public.lock_appending",
    "ALTER FUNCTION public.set_intent_state(text, text) IMMUTABLE": "function public.set_intent_state",
    "ALTER FUNCTION audit.ms(text) LEAKPROOF": "function audit.ms",
    "ALTER FUNCTION audit.doc(text) PARALLEL SAFE": "function audit.doc",
    "ALTER FUNCTION audit.doc(text) CALLED ON NULL INPUT": "function audit.doc",
    "ALTER FUNCTION public.lock_running() SET lock_timeout = '1s'": "function public.lock_running",
    "ALTER FUNCTION public.lock_running() RESET ALL": "function public.lock_running",
    'ALTER TABLE attempts ALTER COLUMN raw TYPE text COLLATE "C"': "columns of attempts",
}
OTHER_VIEW = views("postgresql")["incidents"].replace("CREATE VIEW", "CREATE OR REPLACE VIEW") + " AND r.market <> 'X'"
VIEWS_CHANGED = {
    "ALTER VIEW audit.actions SET (security_invoker = true)": "view audit.actions",
    "CREATE OR REPLACE VIEW audit.lock_appending AS SELECT ''::text AS says FROM public.records": "view lock_appending is not the one",
    OTHER_VIEW: "view incidents is not the one",
    "DROP VIEW audit.incidents": "view audit.incidents is missing",
}


@pytest.mark.parametrize("statement", CHANGED)
def test_check__something_changed__is_named(migrated: str, statement: str) -> None:
    with connected(migrated) as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE somebody")
        names = {"login": "somebody", "owner": connection.info.user}
        connection.execute(statement.format(**names).encode())
        with pytest.raises(Finding) as caught:
            check_postgres_schema(connection)
    assert CHANGED[statement].format(**names) in caught.value.problem
    assert (caught.value.table, caught.value.first_bad) == ("pg_catalog", None)


def test_check__view_changed__is_named(postgres_url: str) -> None:
    upgrade(postgres_url)
    for statement, words in VIEWS_CHANGED.items():
        with connected(postgres_url) as connection:
            connection.execute(statement.encode())
            with pytest.raises(Finding) as caught:
                check_postgres_schema(connection)
            connection.execute("ALTER VIEW audit.actions RESET (security_invoker)")
        assert words in caught.value.problem


def test_check__nothing_changed__nothing_found_and_nothing_left_behind(migrated: str) -> None:
    with connected(migrated) as connection:
        assert check_postgres_schema(connection) == ()
        check_postgres_version(connection)
        assert connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
        ).fetchone() == (0,)
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)


HARMLESS = (
    "CREATE TABLE public.theirs (x int); CREATE VIEW public.shown AS SELECT * FROM records",
    "CREATE FUNCTION public.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "GRANT CREATE ON SCHEMA public TO somebody; GRANT SELECT ON records, audit.actions TO somebody",
    "GRANT keeper_auditor TO somebody; GRANT keeper_writer TO somebody",
)


@pytest.mark.parametrize("statement", HARMLESS)
def test_check__things_of_others_that_do_nothing_to_ours__are_left_alone(migrated: str, statement: str) -> None:
    with connected(migrated) as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE somebody")
        connection.execute(statement.encode())
        assert check_postgres_schema(connection) == ()


def test_check__as_an_auditor_who_may_only_read__compares_the_views_too(migrated: str) -> None:
    url = as_role(migrated, login(migrated, AUDITOR)).replace("+psycopg", "")
    with psycopg.connect(url, options="-c default_transaction_read_only=on") as connection:
        connection.read_only = True
        assert check_postgres_schema(connection) == ()


def test_check__as_the_writer__says_that_the_views_could_not_be_compared(migrated: str) -> None:
    with connected(migrated, login(migrated, WRITER)) as connection:
        (missing,) = check_postgres_schema(connection)
    assert missing == "the views in the schema audit: permission denied for schema audit"


def test_check__no_log_at_all__says_so(postgres_url: str) -> None:
    with connected(postgres_url) as connection, pytest.raises(StoreNotMigrated, match="no schema yet"):
        check_postgres_schema(connection)


def test_version__other_than_this_one__is_named(postgres_url: str) -> None:
    upgrade(postgres_url)
    with connected(postgres_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0009'")
        with pytest.raises(Finding, match="it says 0009"):
            check_postgres_version(connection)
