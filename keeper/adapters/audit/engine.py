"""Connections: durable settings, transactions that lock before they read, and errors in the keeper's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.sqlite_reader import in_short
from keeper.domain.errors import StoreUnavailable
from keeper.domain.postgres_url import is_postgres

BUSY_TIMEOUT_MS = 5_000

_REMEDIES = (
    ("locked", "another process holds the database: end it, or try again"),
    ("readonly", "make the file and its folder writable for the keeper"),
    ("full", "free space on the disk"),
    ("unable to open", "look at the folder of the file: does it exist, may the keeper write there?"),
    ("malformed", "run: keeper audit CONFIG verify"),
    ("not a database", "the file is not an audit log: look at audit.url"),
    ("no such table", "run: keeper db CONFIG upgrade"),
)


def make_engine(url: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Engine:
    """An engine whose commits are on disk when they return. Raises StoreUnavailable for a URL that names no usable database."""
    try:
        if sqlite_file(url) is None:
            if is_postgres(url):
                return _postgres(url, busy_timeout_ms)
            return create_engine(url)
        # AUTOCOMMIT: the driver would open transactions lazily, after the first SELECT; write_transaction opens them itself
        engine = create_engine(url, connect_args={"timeout": busy_timeout_ms / 1000}, isolation_level="AUTOCOMMIT")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise StoreUnavailable(
            f"{without_password(url)} names no database that can be used",
            remedy="write sqlite:///keeper.db",
        ) from None

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        # FULL: a commit is on disk before it returns, which is what "write before you act" means
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    return engine


def _postgres(url: str, busy_timeout_ms: int) -> Engine:
    """For those who migrate, which may take as long as it takes. AUTOCOMMIT for the same reason as above."""
    from keeper.adapters.audit.postgres import connect

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, task="db", lock_ms=busy_timeout_ms, statement_ms=0),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        use_native_hstore=False,
    )


@contextmanager
def write_transaction(connection: Connection, *, migrates: bool = False) -> Iterator[None]:
    """One transaction that holds the write lock from its start: what it reads, nobody changes before it commits.

    ``migrates``: there may be no log yet, and so no lock of it.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        from keeper.adapters.audit.postgres import APPENDING, locked, locked_to_migrate

        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql((locked_to_migrate() if migrates else locked(APPENDING)).decode())
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


@contextmanager
def write_cursor(connection: Connection) -> Iterator[Any]:
    """As ``write_transaction`` in SQLite, with the driver's own cursor: through SQLAlchemy BEGIN and COMMIT cost 0.05 ms each, and an action waits.

    Raises what the driver raises.
    """
    cursor = connection.connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    try:
        with closing(cursor):  # before a roll-back that may let go of the connection
            yield cursor
            cursor.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()  # SQLite rolled back by itself, or the connection is broken; either way: a new one


@contextmanager
def database_errors(url: str, driver_error: type[Exception] = DBAPIError) -> Iterator[None]:
    """Turns whatever the database raises into StoreUnavailable: without statement and values, without the password.

    ``driver_error`` is what the driver raises where it is used without SQLAlchemy.
    """
    try:
        yield
    except DBAPIError as error:
        if is_postgres(url):
            raise _of_postgres(url, error) from None
        reason = in_short(error.orig or error)
    except driver_error as error:
        reason = in_short(error)
    except SQLAlchemyError as error:
        reason = type(error).__name__
    else:
        return
    remedy = next((remedy for word, remedy in _REMEDIES if word in reason), "look at the database of audit.url")
    raise StoreUnavailable(f"{without_password(url)}: {reason}", remedy=remedy) from None


def _of_postgres(url: str, error: DBAPIError) -> StoreUnavailable:
    from psycopg import Error

    from keeper.adapters.audit.postgres import unavailable

    return unavailable(url, error.orig if isinstance(error.orig, Error) else Error(type(error).__name__))
