"""A SQLite file opened for reading only, with the standard library alone: nothing here can change a log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from keeper.adapters.audit.head import MIGRATE
from keeper.adapters.audit.location import read_only_uri
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable


def open_read_only(path: Path, busy_timeout_ms: int = 5_000) -> sqlite3.Connection:
    """Raises StoreNotMigrated when there is no file, StoreUnavailable when it cannot be opened.

    A file in a folder that cannot be written to (an auditor's read-only copy) is opened as immutable when no other process can
    have it open, because SQLite would otherwise want to put its shared memory beside it.
    """
    if not path.exists():
        raise StoreNotMigrated(f"there is no database at {path}", remedy=MIGRATE)
    uri = read_only_uri(path)
    for attempt in (uri, uri + "&immutable=1"):
        connection = sqlite3.connect(attempt, uri=True, timeout=busy_timeout_ms / 1000, isolation_level=None)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN:
                connection.close()
                if not path.with_name(path.name + "-wal").exists():
                    continue
                raise _cannot_open(path) from None
        except sqlite3.DatabaseError:
            pass  # whoever reads meets it again, and knows whether it is a failure or a finding
        return connection
    raise _cannot_open(path)


def _cannot_open(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"{path} cannot be opened", remedy="look at the permissions of the file and its folder")
