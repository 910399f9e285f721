"""Connections to PostgreSQL: durable, with an end to every wait, and errors in the keeper's words. Without SQLAlchemy: ``audit log`` starts here."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from keeper.adapters.audit.location import without_password
from keeper.domain.errors import StoreUnavailable
from keeper.domain.postgres_url import NotPostgres, PostgresUrl, read_postgres
from keeper.domain.redact import redact_text
from keeper.domain.text import printable

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_S: Final = 4
SILENCE_MS: Final = 8_000
"""How long the network may take nothing of what was sent."""
STATEMENT_MS: Final = 30_000
"""For one statement, so that the server says itself that it takes too long."""
IDLE_MS: Final = 10_000
"""A transaction in which nothing is asked for so long is ended by the server: the others wait for its lock."""

# The locks of one log; see ``postgres_ddl.LOCKS``.
APPENDING: Final = "lock_appending"
RUNNING: Final = "lock_running"
_MIGRATING: Final = 0x6B656570  # "keep"

_LIMITS: Final = {
    "connect_timeout": str(CONNECT_S),
    "tcp_user_timeout": str(SILENCE_MS),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}
"""What the address says itself is left as it is."""
_WEAK: Final = ("off", "local")
_REMEDIES: Final[tuple[tuple[str, str], ...]] = (
    ("55P03", "another process holds the log for too long: look for it in pg_stat_activity"),
    ("57014", "the server took too long: is it overloaded, or does another process hold a lock?"),
    ("25006", "the server takes no writes: is it a standby? Let audit.url name the primary"),
    (
        "42501",
        "this role may not do it: let the owner of the log run keeper db CONFIG upgrade and GRANT keeper_writer to it",
    ),
    ("42P01", "run: keeper db CONFIG upgrade"),
    ("42883", "run: keeper db CONFIG upgrade"),
    ("3F", "run: keeper db CONFIG upgrade"),
    ("53100", "free space on the disk of the server"),
    ("53300", "the server has no free connection: end others, or raise its max_connections"),
    ("53", "the server lacks what it needs: memory, disk or connections"),
    ("58", "the server cannot use its own files: look at its log and its disk"),
    ("XX", "run: keeper audit CONFIG verify; and look at the log of the server"),
    ("57P", "the server was ended or is starting: wait for it"),
)
"""The first characters of a SQLSTATE, the longer before the shorter."""
_UNREACHABLE: Final = (
    ("password", "look at user and password of audit.url"),
    ("no pg_hba.conf entry", "let the server's pg_hba.conf allow this user from this machine"),
    ("role", "look at the user of audit.url: the server does not know it"),
    ("database", "make the database first: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"),
    ("certificate", "look at sslmode and sslrootcert of audit.url"),
)
_ANY_REMEDY: Final = "look at the database of audit.url: is the server up, the network open?"


def connect(
    url: str,
    *,
    task: str,
    lock_ms: int,
    statement_ms: int = STATEMENT_MS,
    read_only: bool = False,
    idle_ms: int = IDLE_MS,
) -> Connection:
    """A connection whose commits are on disk when they return; each statement is a transaction unless one is begun.

    ``task`` is what the server's administrator sees of us; a transaction in which nothing is asked for ``idle_ms`` is ended. Raises StoreUnavailable.
    """
    with database_errors(url):
        address = _address(url)
        named = (
            _LIMITS | _named(task) | address.arguments() | _fixed(address, lock_ms, statement_ms, read_only, idle_ms)
        )
        connection = psycopg.connect(make_conninfo(**named), autocommit=True)
        try:
            _require_utf8(url, connection)
            if not read_only:
                _make_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Turns whatever the driver raises into StoreUnavailable: without statement and values, without the password."""
    try:
        yield
    except psycopg.Error as error:
        raise unavailable(url, error) from None


def unavailable(url: str, error: psycopg.Error) -> StoreUnavailable:
    """The same as an error to raise."""
    state, password = error.sqlstate or "", ""
    with suppress(NotPostgres):
        password = read_postgres(url).password or ""
    reason = in_short(error, password)
    if state:
        remedy = next((remedy for code, remedy in _REMEDIES if state.startswith(code)), "look at the log of the server")
    else:
        remedy = next((remedy for word, remedy in _UNREACHABLE if word in reason), _ANY_REMEDY)
    return StoreUnavailable(f"{without_password(url)}: {reason}", remedy=remedy)


def in_short(error: psycopg.Error, password: str = "") -> str:
    """What the server said, without its details: those quote rows."""
    state = error.sqlstate or ""
    if state.startswith("22"):  # of a value that does not fit, and quotes it
        return type(error).__name__
    said = error.diag.message_primary or str(error) or type(error).__name__
    return printable(redact_text(said, password, quote(password, safe="")))


def is_lost(connection: Connection, error: psycopg.Error) -> bool:
    """Whether the connection is gone, so that a new one may help."""
    return connection.closed or isinstance(error, (errors.AdminShutdown, errors.CrashShutdown))


def locked(which: str) -> bytes:
    """The statement that takes a lock of ours to the end of the transaction. Every writer of records takes APPENDING before it reads the head."""
    return f"SELECT public.{which}()".encode()


def locked_to_migrate() -> bytes:
    """The same for two that migrate at once. Advisory, as there may be no other lock yet: who holds it stops an upgrade, but no append."""
    return f"SELECT pg_catalog.pg_advisory_xact_lock({_MIGRATING}, 0)".encode()


def revision(connection: Connection) -> str | None:
    """The revision of the schema; None where there is none. Raises psycopg.Error."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def _address(url: str) -> PostgresUrl:
    try:
        return read_postgres(url)
    except NotPostgres as error:
        raise StoreUnavailable(
            f"{without_password(url)} names no database that can be used: {error}",
            remedy="write postgresql+psycopg://user@host/database",
        ) from None


def _named(task: str) -> dict[str, str]:
    return {"application_name": f"keeper {task} {socket.gethostname()[:30]} {os.getpid()}"}


def _fixed(address: PostgresUrl, lock_ms: int, statement_ms: int, read_only: bool, idle_ms: int) -> dict[str, str]:
    settings = {
        # a lock is waited for at most this long, and a statement ends
        "lock_timeout": lock_ms,
        "statement_timeout": statement_ms,
        "idle_in_transaction_session_timeout": idle_ms,
        "idle_session_timeout": 0,  # what waits for the next block, and the lock of the running keeper, are idle most of the time
        # the server must notice that our machine is gone: until then it keeps our locks
        "tcp_keepalives_idle": 5,
        "tcp_keepalives_interval": 2,
        "tcp_keepalives_count": 3,
        # the head must be read as it is once the lock is ours, not as it was when the transaction began
        "default_transaction_isolation": r"read\ committed",
        # whoever may make a schema cannot put a table of theirs in the place of ours
        "search_path": "public",
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = address.options.get("options", "")
    return {"options": f"{given} {ours}".strip(), "client_encoding": "utf8"}


def _require_utf8(url: str, connection: Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"{without_password(url)}: the database keeps text as {encoding}, the log needs UTF8",
            remedy="make another one: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
        )


def _make_durable(connection: Connection) -> None:
    """A server, a database or a role may default to ``off``: then a commit returns before it is on disk, and the keeper acts on a record that
    a power cut takes away. Only what is weaker than ``on`` is changed: ``remote_apply`` is the operator's, and stronger.
    """
    connection.execute(
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) "
        "WHERE pg_catalog.current_setting('synchronous_commit') = ANY (%s)",
        [list(_WEAK)],
    )
