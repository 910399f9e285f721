"""The lock of the one running keeper in PostgreSQL, and the thread that notices when it is lost."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from psycopg import errors

from keeper.adapters.audit.location import without_password
from keeper.adapters.audit.postgres import RUNNING, Connection, connect, database_errors, locked
from keeper.adapters.audit.postgres_database import PostgresDatabase
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.domain.text import printable

REPLICA: Final = "lock_replica"
"""The same lock in a mode that keeps a keeper without replicas out, and is kept out by one, but not by other replicas."""
AGAIN_S: Final = 1.0
"""Between two tries to take a lost lock again."""
_WAIT_MS: Final = 5_000
# The transaction is never ended, so nobody may end it for being idle or long; of these, older servers know only the first.
_ENDLESS: Final = (
    b"SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings "
    b"WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
)
_HOLDER: Final = (
    b"SELECT a.pid, a.application_name, a.client_addr::text FROM pg_catalog.pg_locks AS l "
    b"JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid JOIN pg_catalog.pg_class AS c ON c.oid = l.relation "
    b"JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    b"WHERE l.locktype = 'relation' AND l.mode IN ('ExclusiveLock', 'RowShareLock') AND l.granted AND n.nspname = 'audit' AND c.relname = %s "
    b"AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
)
_log = logging.getLogger(__name__)


@contextmanager
def hold(url: str, lost: Callable[[AlreadyRunning], None] | None) -> Iterator[None]:
    """As ``sole_keeper``. Makes the log in an empty database, as the lock is a part of it.

    Raises AlreadyRunning, StoreUnavailable, StoreNotMigrated.
    """
    log = PostgresDatabase(url, _WAIT_MS)
    try:
        log.prepare(create=True)
    finally:
        log.drop_writer()
        log.drop_reader()
    watch = _Watch(url, taken(url), lost)
    watch.start()
    try:
        yield
    finally:
        watch.end()


class _Watch(threading.Thread):
    """Sleeps until the server says something on the connection: it only ever says that it ends it."""

    def __init__(self, url: str, connection: Connection, lost: Callable[[AlreadyRunning], None] | None) -> None:
        super().__init__(name="sole-keeper", daemon=True)
        self._url = url
        self._connection: Connection | None = connection
        self._lost = lost
        self._ended = threading.Event()
        self._wake, self._waker = os.pipe()

    def end(self) -> None:
        """The lock goes with the connection."""
        self._ended.set()
        os.write(self._waker, b"x")
        self.join()
        if self._connection is not None:
            self._connection.close()
        os.close(self._wake)
        os.close(self._waker)

    def run(self) -> None:
        while not self._ended.is_set():
            if self._connection is None:
                self._take_again()
            else:
                self._watch(self._connection)

    def _watch(self, connection: Connection) -> None:
        with suppress(psycopg.Error, OSError, ValueError):
            waiting = select.poll()
            waiting.register(self._wake, select.POLLIN)
            waiting.register(connection.fileno(), select.POLLIN)
            waiting.poll()
            if self._ended.is_set():
                return
            connection.execute(b"SELECT 1")
            return
        _log.warning("the connection that holds the lock of the running keeper is lost; taking it again")
        connection.close()
        self._connection = None

    def _take_again(self) -> None:
        try:
            self._connection = taken(self._url)
        except AlreadyRunning as error:
            _log.error("another keeper took the lock meanwhile: %s", error.message)
            self._ended.set()
            if self._lost is not None:
                self._lost(error)
        except StoreUnavailable:
            self._ended.wait(AGAIN_S)
        else:
            _log.warning("the lock of the running keeper is held again")


def taken(url: str, lock: str = RUNNING) -> Connection:
    """A connection in a transaction that holds the lock. It has no snapshot and no number: it keeps the server from no cleaning up.

    Raises AlreadyRunning, StoreUnavailable.
    """
    with database_errors(url):
        connection = connect(url, task="runs", lock_ms=_WAIT_MS)
        try:
            connection.execute(_ENDLESS)
            connection.execute(b"BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                connection.execute(locked(lock))
                return connection
            except errors.LockNotAvailable:
                connection.execute(b"ROLLBACK")
            holder = connection.execute(_HOLDER, (RUNNING,)).fetchone()
        except BaseException:
            connection.close()
            raise
        connection.close()
    if lock == RUNNING:
        remedy = "end it first, or give this one a database of its own in audit.url; where it has replicas, give this one keeper.replicas too"
    else:
        remedy = "it has no keeper.replicas: end it, give it that section, and start both"
    raise AlreadyRunning(f"another keeper runs on {without_password(url)}{_who(holder)}", remedy=remedy)


def _who(holder: tuple[object, ...] | None) -> str:
    if holder is None:
        return ""  # it ended just now, or the server does not say
    pid, name, address = holder
    where = f" from {address}" if address else ""
    return f" ({printable(str(name)) or 'it does not say its name'}{where}, process {pid} of the server)"
