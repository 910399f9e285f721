"""One running keeper per database: two would decide the same things twice, and each would see the other's intents as left over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keeper.adapters.audit.location import sqlite_file
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.domain.postgres_url import is_postgres


@contextmanager
def sole_keeper(url: str, lost: Callable[[AlreadyRunning], None] | None = None) -> Iterator[None]:
    """Holds the lock of the database while the body runs; the system lets go of it however the process ends.

    SQLite: a file beside the database; it stays, with the holder's process id in it. PostgreSQL: a lock of the log, which only the
    writer's role can take, in a transaction of a connection of its own; an empty database gets its log first. Should that connection be
    lost, the lock is taken again as soon as the server answers; ``lost`` is called, from another thread and once, when another keeper
    has it by then. Until then two may run.
    Raises AlreadyRunning, StoreUnavailable, StoreNotMigrated.
    """
    path = sqlite_file(url)
    if path is not None:
        with _file_lock(path.resolve()):  # one lock for all names of the file
            yield
        return
    if not is_postgres(url):
        raise StoreUnavailable("audit.url names no database that can be used", remedy="write sqlite:///keeper.db")
    from keeper.adapters.audit.postgres_sole import hold

    with hold(url, lost):
        yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreUnavailable(
            f"{lock}: {error.strerror}",
            remedy="look at the folder of the database: does it exist, may the keeper write there?",
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            raise AlreadyRunning(
                f"another keeper runs on {path}" + (f" (process {holder})" if holder.isdigit() else ""),
                remedy="end it first, or give this one a database of its own in audit.url",
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
