"""One running keeper per SQLite file: two would decide the same things twice, and each would see the other's intents as left over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.adapters.audit.location import sqlite_file
from keeper.domain.errors import AlreadyRunning, StoreUnavailable


@contextmanager
def sole_keeper(url: str) -> Iterator[None]:
    """Holds the lock beside the database file while the body runs; the system lets go of it however the process ends.

    The file stays, with the holder's process id in it. Another database than SQLite is not locked here.
    Raises AlreadyRunning, StoreUnavailable.
    """
    path = sqlite_file(url)
    if path is None:
        yield
        return
    path = path.resolve()  # one lock for all names of the file
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
