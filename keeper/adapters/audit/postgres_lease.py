"""The lease of replicas in PostgreSQL, and the lock that keeps them and a keeper without replicas from one database."""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from psycopg import errors

from keeper.adapters.audit.postgres import APPENDING, Connection, connect, database_errors
from keeper.adapters.audit.postgres_database import PostgresDatabase
from keeper.adapters.audit.postgres_sole import REPLICA, taken
from keeper.domain.errors import StoreUnavailable
from keeper.domain.lease import Acting, Lease, Replica, Role, Why, acting_of

_HEAR: Final = b"SELECT public.hear_replica(%s, %s, %s, %s, %s, %s, %s)"
_RENEW: Final = b"SELECT public.renew_lease(%s, %s, %s)"
_TAKE: Final = b"SELECT public.take_lease(%s, %s, %s, %s)"
_RELEASE: Final = b"SELECT public.release_lease(%s)"
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
# the same as in ``audit.session_ended``, which only the owner may call
_ENDED: Final = (
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint < l.renewed_ms AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS k "
    "JOIN pg_catalog.pg_class AS c ON c.oid = k.relation JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE k.pid = l.session AND n.nspname = 'audit' AND c.relname = 'lock_running' AND k.mode = 'RowShareLock' AND k.granted)"
)
LEASE: Final = f"SELECT l.fence, l.holder, l.since_ms, l.expires_ms - {_NOW}, l.before, l.why, l.silent_ms, {_ENDED} FROM public.lease AS l"  # noqa: S608
REPLICAS: Final = (
    f"SELECT r.name, r.role, r.fence, r.seen, r.evaluated, {_NOW} - r.heard_ms, r.version, r.config "  # noqa: S608
    "FROM public.replicas AS r ORDER BY r.name"
)
# whoever holds the lock of appending while nobody leads, and does nothing, is a process that stands still
_STANDING_STILL: Final = (
    b"SELECT pg_catalog.pg_terminate_backend(k.pid) FROM pg_catalog.pg_locks AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.relation "
    b"JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    b"WHERE n.nspname = 'audit' AND c.relname = %s AND k.mode = 'ExclusiveLock' AND k.granted AND k.pid <> pg_catalog.pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """``held``: the lease under the fence that was asked about is renewed. ``lease`` None: nobody ever led. ``twin``: this name is taken twice."""

    held: bool
    lease: Lease | None
    others: Sequence[Replica]
    twin: bool = False


class LeaseTable:
    """Blocking; one thread at a time. Holds the lock of a replica from ``open`` to ``close``. Raises StoreUnavailable where nothing else is said."""

    def __init__(self, url: str, name: str, length_ms: int, version: str, acting: Acting) -> None:
        """``acting`` may be set to another one later."""
        self.acting = acting
        self._heard = False
        self._url = url
        self._name = name
        self._length_ms = length_ms
        self._version = version
        self._lock: Connection | None = None
        self._connection: Connection | None = None

    def open(self) -> None:
        """Makes the log in an empty database. Raises AlreadyRunning, StoreNotMigrated."""
        log = PostgresDatabase(self._url, self._length_ms)
        try:
            log.prepare(create=True)
        finally:
            log.drop_writer()
            log.drop_reader()
        self._connect()

    def beat(self, fence: int, seen: int, evaluated: int) -> Sight:
        """Says that this replica lives, renews the lease where ``fence`` (0: it has none) is still its own, and looks who else is there.

        Connects again where a connection was lost. Raises AlreadyRunning when a keeper without replicas came in between.
        """
        with self._talking() as (lock, connection), connection.pipeline():
            # a restart of the server or somebody else ended it: then the lock is gone, and has to be taken again
            lock.execute(b"SELECT 1")
            renewed = connection.execute(_RENEW, (fence, lock.info.backend_pid, self._length_ms)) if fence else None
            role = Role.LEADER if fence else Role.STANDBY
            replicas = connection.execute(REPLICAS.encode())  # first: what stands under this name is what was said last
            self._hear(connection, role, fence, seen, evaluated)
            lease = connection.execute(LEASE.encode())
            held = renewed is not None and renewed.fetchone() == (True,)
            found = [replica_of(row) for row in replicas.fetchall()]
            twin = self._heard and any(self._is_twin(one) for one in found)
            self._heard = True
            return Sight(held, lease_of(lease.fetchone()), [one for one in found if one.name != self._name], twin)

    def take(self, *, ended: bool) -> int | None:
        """Takes the lease where it is free or over, or, with ``ended``, where its holder's session is gone; its fence. None: it is held."""
        with self._talking() as (lock, connection):
            try:
                row = connection.execute(_TAKE, (self._name, lock.info.backend_pid, self._length_ms, ended)).fetchone()
            except errors.LockNotAvailable:
                connection.execute(_STANDING_STILL, (APPENDING,))
                return None
            return None if row is None else row[0]

    def release(self, fence: int) -> None:
        """Lets the lease go, so that another one takes it at once. Raises nothing where the database is away: it runs out."""
        with suppress(StoreUnavailable), self._talking() as (_, connection):
            connection.execute(_RELEASE, (fence,))

    def idle(self, ms: float, wake: int) -> None:
        """Waits so long, or until ``wake`` can be read, or until the server says something on the lock's connection: it only ever ends it."""
        waiting = select.poll()
        waiting.register(wake, select.POLLIN)
        if self._lock is not None and not self._lock.closed:
            waiting.register(self._lock.fileno(), select.POLLIN)
        waiting.poll(ms)

    def end(self, seen: int, evaluated: int) -> None:
        """Says that this replica ends, if it can, and lets go of everything."""
        if self._connection is not None:
            with suppress(StoreUnavailable), self._talking() as (_, connection):
                self._hear(connection, Role.STOPPED, 0, seen, evaluated)
        self.close()

    def close(self) -> None:
        """Lets go of the connections, and so of the lock. Safe to call twice."""
        for connection in (self._connection, self._lock):
            if connection is not None:
                connection.close()
        self._connection = self._lock = None

    def _hear(self, connection: Connection, role: Role, fence: int, seen: int, evaluated: int) -> None:
        connection.execute(_HEAR, (self._name, role.value, fence, seen, evaluated, self._version, str(self.acting)))

    def _is_twin(self, one: Replica) -> bool:
        return (
            one.name == self._name
            and acting_of(one.config).process != self.acting.process
            and one.lives(self._length_ms)
        )

    @contextmanager
    def _talking(self) -> Iterator[tuple[Connection, Connection]]:
        """Both connections, made again where one was lost; both are dropped at an error. Raises AlreadyRunning."""
        with database_errors(self._url):
            try:
                yield self._connect()
            except BaseException:
                self.close()
                raise

    def _connect(self) -> tuple[Connection, Connection]:
        if self._lock is None or self._connection is None:
            self.close()
            self._lock = taken(self._url, REPLICA)
            # the server gives up before the lease is over, so that this thread is free to notice that it is
            patience_ms = max(self._length_ms // 2, 100)
            self._connection = connect(self._url, task="leads", lock_ms=patience_ms, statement_ms=2 * patience_ms)
        return self._lock, self._connection


def lease_of(row: Any) -> Lease | None:
    """A row of ``LEASE``."""
    if row is None:
        return None
    fence, holder, since_ms, left_ms, before, why, silent_ms, ended = row
    return Lease(fence, holder, since_ms, left_ms, before, Why(why) if why else Why.FREE, silent_ms, ended=ended)


def replica_of(row: Any) -> Replica:
    """A row of ``REPLICAS``."""
    name, role, fence, seen, evaluated, heard_ms, version, config = row
    return Replica(name, Role(role), fence, seen, evaluated, heard_ms, version, config)


def who_leads(url: str, lock_ms: int) -> tuple[Lease | None, list[Replica]]:
    """For whoever only looks. Raises StoreUnavailable, also where the schema is older than replicas."""
    with database_errors(url):
        connection = connect(url, task="reads", lock_ms=lock_ms, read_only=True)
        with connection:
            lease = connection.execute(LEASE.encode()).fetchone()
            return lease_of(lease), [replica_of(row) for row in connection.execute(REPLICAS.encode()).fetchall()]
