"""Whether a PostgreSQL database still has what the migrations made: tables, constraints, indexes, triggers, functions, rights and views."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import ColumnCollectionConstraint

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.head import HEAD, require_head
from keeper.adapters.audit.models import metadata, version_table
from keeper.adapters.audit.postgres_ddl import LOCKS, TABLES, TRIGGERS
from keeper.adapters.audit.postgres_grants import WHERE, check_functions, check_rights, compare, none_too_many
from keeper.adapters.audit.postgres_lease_ddl import LEASE_TABLES
from keeper.adapters.audit.replica_tables import replica_metadata
from keeper.adapters.audit.views import views

_OURS: Final = [*TABLES, *LEASE_TABLES, "alembic_version"]
_TABLES: Final = """
SELECT c.relname::text, c.relkind::text, c.relpersistence::text, c.relrowsecurity OR c.relforcerowsecurity,
  EXISTS (SELECT 1 FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)),
  EXISTS (SELECT 1 FROM pg_rewrite AS w WHERE w.ev_class = c.oid), pg_get_userbyid(c.relowner)::text
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
"""
_COLUMNS: Final = """
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '',
  a.attacl IS NOT NULL OR a.attcollation <> y.typcollation
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS y ON y.oid = a.atttypid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
# NOT NULL is compared with the columns
_CONSTRAINTS: Final = """
SELECT o.conname::text, pg_get_constraintdef(o.oid), o.convalidated
FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) AND o.contype IN ('p', 'u', 'f', 'c', 'x')
"""
_INDEXES: Final = """
SELECT n.relname::text, pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready AND i.indislive
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS n ON n.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
"""
_TRIGGERS: Final = """
SELECT t.tgname::text, pg_get_triggerdef(t.oid), t.tgenabled::text, t.tgisinternal
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
"""
_VIEW: Final = (
    "SELECT c.relname::text, pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.relkind = 'v' AND c.relnamespace = "
)
_VIEWS: Final = _VIEW + "to_regnamespace('audit') AND c.reloptions IS NULL"
_MADE_AGAIN: Final = _VIEW + "pg_my_temp_schema()"

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_CONDITIONS: Final = {"state <> 'done'": "(state <> 'done'::text)"}
"""How PostgreSQL writes the conditions of partial indexes and the checks; ``x IS NOT NULL`` it only puts in brackets."""
_STATES: Final = "'open'::text, 'signed'::text, 'submitted'::text, 'mined'::text, 'done'::text"
_CHECKS: Final = {
    "ck_intents_state": f"CHECK ((state = ANY (ARRAY[{_STATES}])))",
    "ck_lease_id": "CHECK ((id = 1))",
    "ck_evidence_size": "CHECK (((size > 0) AND (length(packed) > 0)))",
    "ck_checkpoints_signature": "CHECK ((length(signature) = 132))",
    "ck_checkpoints_prev": "CHECK ((length(prev) =\nCASE number\n    WHEN 1 THEN 0\n    ELSE 132\nEND))",
}
_SQL_WORDS: Final[dict[type, str]] = {
    PrimaryKeyConstraint: "PRIMARY KEY",
    UniqueConstraint: "UNIQUE",
    ForeignKeyConstraint: "FOREIGN KEY",
}
_HASHED: Final = "CHECK (((length({0}) = 66) AND (substr({0}, 1, 2) = '0x'::text)))"


def check_postgres_schema(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Raises Finding when something that the migrations made is missing or changed, or when there is a trigger, a rule, a function, a right too many.

    Gives what could not be compared, with the reason: views are compared by making them again as temporary ones, on a connection of their own,
    which takes a server that may be written to and the right to see the schema ``audit``. Nothing stays of it.
    Raises StoreNotMigrated for a database without any table.
    """
    with connection.transaction(force_rollback=True), _cursor(connection) as cursor:
        # every name comes out with its schema, whatever the role's own path is; and nobody's operators are taken for PostgreSQL's
        cursor.execute("SET LOCAL search_path = pg_catalog")
        owner = _check_tables(cursor)
        _check_columns(cursor)
        for what, found, wanted in (
            ("constraint", _named(cursor, _CONSTRAINTS), expected_constraints()),
            ("index", _named(cursor, _INDEXES), expected_indexes()),
        ):
            compare(what, found, {name: (definition, True) for name, definition in wanted.items()})
            none_too_many(what, found, wanted)
        _check_triggers(cursor)
        check_functions(cursor, owner)
        check_rights(cursor, _OURS, owner)
    return _check_views(connection.info)


def check_postgres_version(connection: psycopg.Connection[Any]) -> None:
    """Raises Finding unless ``alembic_version`` holds HEAD and nothing else."""
    with _cursor(connection) as cursor:
        rows = cursor.execute("SELECT version_num::text FROM public.alembic_version").fetchall()
    if rows != [(HEAD,)]:
        shown = ", ".join(str(row[0]) for row in rows) or "nothing"
        raise Finding("alembic_version", None, f"it says {shown}, the schema is {HEAD}")


def _check_tables(cursor: psycopg.Cursor[Any]) -> str:
    """Who owns them."""
    found = {row[0]: row[1:] for row in cursor.execute(_TABLES, (_OURS,))}
    if not found:
        require_head(None)
    for name in _OURS:
        if name not in found:
            raise Finding(WHERE, None, f"the table {name} is missing")
        kind, persistence, secured, inherits, rules, owner = found[name]
        if (kind, persistence, inherits) != ("r", "p", False):
            raise Finding(WHERE, None, f"the table {name} is not the one the migrations made")
        if secured or rules:
            raise Finding(WHERE, None, f"the table {name} has rules or row security that the migrations did not make")
        if owner != found["records"][-1]:
            raise Finding(WHERE, None, f"the table {name} belongs to {owner}, and records to {found['records'][-1]}")
    return str(found["records"][-1])


def _check_columns(cursor: psycopg.Cursor[Any]) -> None:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table, *column in cursor.execute(_COLUMNS, (_OURS,)):
        found.setdefault(table, []).append(tuple(column))
    for table in _tables():
        wanted = [(one.name, _type_of(one.type), not one.nullable, False, False) for one in table.columns]
        if found.get(table.name) != wanted:
            raise Finding(WHERE, None, f"the columns of {table.name} are not the ones the migrations made")


def _check_triggers(cursor: psycopg.Cursor[Any]) -> None:
    rows = cursor.execute(_TRIGGERS, (_OURS,)).fetchall()
    found = {name: (definition, enabled) for name, definition, enabled, internal in rows if not internal}
    compare("trigger", found, {name: (statement, "A") for name, statement in TRIGGERS.items()})
    none_too_many("trigger", found, TRIGGERS)
    if any(internal and enabled != "O" for _, _, enabled, internal in rows):
        raise Finding(WHERE, None, "triggers that hold foreign keys are disabled")


def _check_views(server: psycopg.ConnectionInfo) -> tuple[str, ...]:
    statements = views("postgresql") | LOCKS
    try:
        with (
            psycopg.connect(server.dsn, password=server.password or None, options="") as connection,
            connection.transaction(force_rollback=True),
            _cursor(connection) as cursor,
        ):
            cursor.execute("SET TRANSACTION READ WRITE")
            cursor.execute("SET LOCAL lock_timeout = '5s'")  # somebody may be changing them right now
            cursor.execute("SET LOCAL search_path = pg_catalog")
            found = dict(cursor.execute(_VIEWS).fetchall())
            for name in statements:
                if name not in found:
                    raise Finding(
                        WHERE, None, f"the view audit.{name} is missing or has options that the migrations did not set"
                    )
            for name, statement in statements.items():
                cursor.execute(statement.replace(f"CREATE VIEW audit.{name} AS", f"CREATE TEMPORARY VIEW {name} AS", 1))
            made_again = dict(cursor.execute(_MADE_AGAIN).fetchall())
    except psycopg.Error as error:
        return (f"the views in the schema audit: {error.diag.message_primary or type(error).__name__}",)
    compare("view", found, {name: made_again[name] for name in statements})
    return ()


def _cursor(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """Rows as tuples and text as text, whatever the connection is set to."""
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.adapters.register_loader("text", TextLoader)
    return cursor


def _named(cursor: psycopg.Cursor[Any], statement: str) -> dict[str, Any]:
    return {row[0]: row[1:] for row in cursor.execute(statement, (_OURS,))}


def _tables() -> list[Table]:
    return [*metadata.sorted_tables, *replica_metadata.sorted_tables, version_table]


def _type_of(kind: Any) -> str:
    return str(kind.compile(dialect=_DIALECT)).lower().replace("varchar", "character varying")


@cache
def expected_constraints() -> dict[str, str]:
    """Name -> definition, as PostgreSQL writes it when no schema is on the path."""
    found: dict[str, str] = {}
    for table in _tables():
        for one in table.constraints:
            if isinstance(one, CheckConstraint):
                name = str(one.name)
                found[name] = _CHECKS.get(name) or _HASHED.format(name.removeprefix(f"ck_{table.name}_"))
                continue
            assert isinstance(one, ColumnCollectionConstraint), "the tables have no others"
            columns = ", ".join(one.columns.keys())
            definition = f"{_SQL_WORDS[type(one)]} ({columns})"
            if isinstance(one, ForeignKeyConstraint):
                (element,) = one.elements
                definition += f" REFERENCES public.{element.column.table.name}({element.column.name})"
            found[str(one.name)] = definition
    return found


@cache
def expected_indexes() -> dict[str, str]:
    """Name -> definition; a primary key and a unique constraint have one of their own name."""
    found: dict[str, str] = {}
    for table in _tables():
        for one in table.constraints:
            if isinstance(one, PrimaryKeyConstraint | UniqueConstraint):
                found[str(one.name)] = _index(table, str(one.name), list(one.columns.keys()), True, None)
        for index in table.indexes:
            condition = index.dialect_options["postgresql"]["where"]
            name, where = str(index.name), None if condition is None else str(condition)
            found[name] = _index(table, name, list(index.columns.keys()), index.unique, where)
    return found


def _index(table: Table, name: str, columns: list[str], unique: bool, where: str | None) -> str:
    condition = f" WHERE {_CONDITIONS.get(where, f'({where})')}" if where else ""
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON public.{table.name} USING btree ({', '.join(columns)}){condition}"
