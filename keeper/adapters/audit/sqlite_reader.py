"""A SQLite file opened for reading only, with the standard library alone: nothing here can change a log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from keeper.adapters.audit.head import MIGRATE
from keeper.adapters.audit.location import read_only_uri
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable


def open_read_only(path: Path, busy_timeout_ms: int = 5_000) -> sqlite3.Connection:
    """Raises StoreNotMigrated when there is no file, StoreUnavailable when it cannot be opened.

    SQLite puts its shared memory beside the file even to read it. Where the folder cannot be written to (an auditor's copy) and
    no other process can have it open, the file is opened as one that nobody changes.
    """
    if not path.exists():
        raise StoreNotMigrated(f"there is no database at {path}", remedy=MIGRATE)
    uri = read_only_uri(path)
    connection = _open(uri, busy_timeout_ms)
    if connection is None and not path.with_name(path.name + "-wal").exists():
        connection = _open(uri + "&immutable=1", busy_timeout_ms)
    if connection is None:
        raise StoreUnavailable(f"{path} cannot be opened", remedy="look at the permissions of the file and its folder")
    return connection


def _open(uri: str, busy_timeout_ms: int) -> sqlite3.Connection | None:
    """None when the system does not let it be opened."""
    connection: sqlite3.Connection | None = None
    try:
        # one thread may open it, another read, and the first tell that one to stop
        connection = sqlite3.connect(
            uri, uri=True, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # any other error: whoever reads meets it again, and knows whether it is a failure or a finding
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            if connection is not None:
                connection.close()
            return None
    return connection


def in_short(error: Exception) -> str:
    """What SQLite said, without the contents of a row that it may have quoted; its words may not even be text in a damaged file."""
    if isinstance(error, UnicodeDecodeError) or "Could not decode" in str(error):
        return "something in it is not text"
    return str(error)[:200]
