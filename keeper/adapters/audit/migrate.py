"""Which schema a database has, which one this version needs, and the way from one to the other.

alembic is imported only to migrate; everything else compares with HEAD, which a test holds equal to the newest migration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from keeper.adapters.audit.engine import database_errors, make_engine, write_transaction
from keeper.adapters.audit.head import HEAD
from keeper.adapters.audit.location import sqlite_file
from keeper.adapters.audit.postgres_rights import make_ready
from keeper.domain.errors import StoreNotMigrated

MIGRATIONS: Final = Path(__file__).resolve().parents[3] / "migrations"


def current(url: str) -> tuple[str | None, str]:
    """(the database's revision, or None when it has none; the revision this version needs). Creates nothing.

    Raises StoreUnavailable.
    """
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return None, HEAD
    engine = make_engine(url)
    try:
        with database_errors(url), engine.connect() as connection:
            return _revision(connection), HEAD
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def upgrade(url: str) -> str:
    """Brings the database to the schema of this version, creating the file of SQLite when there is none; the new revision.

    Two processes may do it at once: the second finds it done. Raises StoreUnavailable, and StoreNotMigrated when the database
    is newer than this version or the migrations are not installed.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if not MIGRATIONS.is_dir():
        raise StoreNotMigrated(
            f"the migrations are not at {MIGRATIONS}", remedy="run it from a checkout of the repository"
        )
    config = Config(attributes={})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = make_engine(url)
    try:
        with database_errors(url), engine.connect() as connection, write_transaction(connection, migrates=True):
            if engine.dialect.name == "postgresql" and _revision(connection) != HEAD:
                make_ready(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreNotMigrated(
            f"the database cannot be brought to revision {HEAD}: {error}",
            remedy="it was written by a newer version: install that one",
        ) from None
    finally:
        engine.dispose()
    return HEAD
