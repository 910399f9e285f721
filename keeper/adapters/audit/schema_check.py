"""Whether a SQLite file still has the tables, indexes and triggers that the migrations made, letter by letter."""

from __future__ import annotations

import sqlite3
from functools import cache

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from keeper.adapters.audit.finding import Finding, damage_in
from keeper.adapters.audit.head import HEAD, require_head
from keeper.adapters.audit.models import metadata, version_table

_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_schema"

_A = {"trigger": "a trigger", "index": "an index"}

Schema = dict[str, tuple[str, str, str | None]]
"""Name -> (type, table, statement; None for the indexes that SQLite makes by itself)."""


@cache
def expected_schema() -> Schema:
    """The objects that the models make, and alembic's table."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        metadata.create_all(engine)
        version_table.metadata.create_all(engine)
        with engine.connect() as connection:
            return {row[1]: (row[0], row[2], row[3]) for row in connection.exec_driver_sql(_OBJECTS)}
    finally:
        engine.dispose()


def check_schema(connection: sqlite3.Connection) -> None:
    """Raises Finding when a table, an index or a trigger is missing, changed, or there is a trigger or an index of our tables too many.

    ``connection`` gives text as bytes. Raises StoreNotMigrated for a database that has no table at all.
    """
    found: Schema = {}
    for row in connection.execute(_OBJECTS):
        kind, name, table, sql = (_shown(value) for value in row)
        found[name or ""] = (kind or "", table or "", sql)
    expected = expected_schema()
    tables = {name for name, (kind, _, _) in expected.items() if kind == "table"}
    if not found:
        if connection.execute("PRAGMA page_count").fetchone()[0] > 1:
            raise Finding("sqlite_schema", None, "the file has content but no table")
        require_head(None)
    for name, wanted in expected.items():
        if name not in found:
            raise Finding("sqlite_schema", None, f"the {wanted[0]} {name} is missing")
        if found[name] != wanted:
            raise Finding("sqlite_schema", None, f"the {wanted[0]} {name} is not the one the migrations made")
    for name, (kind, table, _) in found.items():
        # an index refuses rows too: a unique one, or one of an expression that fails. Tables and views of others do nothing to ours
        if name not in expected and (kind == "trigger" or (kind == "index" and table in tables)):
            raise Finding("sqlite_schema", None, f"there is {_A[kind]} {name} that the migrations did not make")


def check_version(connection: sqlite3.Connection) -> None:
    """Raises Finding unless ``alembic_version`` holds HEAD and nothing else."""
    with damage_in("alembic_version", None):
        statement = "SELECT typeof(version_num), CAST(version_num AS BLOB) FROM alembic_version"
        rows = connection.execute(statement).fetchall()
    if rows != [(b"text", HEAD.encode())]:
        shown = ", ".join(_shown(row[1]) or "nothing" for row in rows) or "nothing"
        raise Finding("alembic_version", None, f"it says {shown}, the schema is {HEAD}")


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
